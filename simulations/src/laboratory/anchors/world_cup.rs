//! The 1998 World Cup: its largest peaks, each at one of several sites of a small site's size.

use std::time::Duration;

use super::{Anchor, Found, Setting};
use crate::{
    dice::Dice,
    laboratory::{arms::alone, measured},
    scenario::Plot,
    traffic::{load::Load, series::Series},
};

pub(super) const ANCHOR: Anchor = Anchor {
    name: "world-cup",
    source: "Arlitt and Jin, \"1998 World Cup Web Site Access Logs\" (1998), requests in each minute",
    like: "the eight largest peaks of the real series, four hours around each",
    unlike: "four hours last five minutes and the peak is three or eight times what a site of 20 requests a second serves; theirs was one site with servers for all of it, \
             so that nothing but the shape of the load can be compared",
    play,
};

/// Most peaks, and how far they are apart and how long each is, in minutes.
const PEAKS: usize = 8;
const APART: usize = 720;
const STRETCH: usize = 240;
/// Points of a load.
const POINTS: usize = 120;
/// Members, what each serves by itself in each second, and peaks in multiples of that.
const MEMBERS: usize = 8;
const BUDGET: u32 = 20;
const STRENGTHS: [u32; 2] = [3, 8];

fn play(setting: &Setting) -> Option<Found> {
    let series = setting.world_cup.as_ref()?;
    let (peaks, members, length) = if setting.small { (1, 4, 60) } else { (PEAKS, MEMBERS, 300) };
    let peaks = largest(series, peaks);
    let mut found = Found::new("Kept of what visitors wanted around the largest peaks, in per cent");
    let most = peaks.first().and_then(|at| series.counts.get(*at)).copied().unwrap_or_default();
    found.figure(
        "requests in the largest minute, and at its site of 20 a second, eight times",
        "requests/min",
        Some(most * 1_000),
        u64::from(BUDGET * 8) * 60_000,
    );
    for strength in STRENGTHS {
        let mut kept = [Vec::new(), Vec::new()];
        for (number, peak) in peaks.iter().enumerate() {
            let plot = plot(series, *peak, strength, (members, length), setting.seed + number as u64);
            for (kept, plot) in kept.iter_mut().zip([alone(&plot), plot]) {
                let (outcome, measures) = measured(&plot);
                let millis = u64::try_from(outcome.virtual_time.as_millis()).unwrap_or(u64::MAX);
                found.add(plot.sites(), millis, (outcome.events, outcome.trace_hash), &outcome.failures);
                kept.extend(measures.and_then(|measures| u64::try_from(measures.kept).ok()).map(|kept| kept * 100));
            }
        }
        for (name, kept) in ["alone", "with the mesh"].into_iter().zip(kept) {
            let mean = kept.iter().sum::<u64>() / (kept.len() as u64).max(1);
            found.figure(format!("kept at {strength} times, {name}: mean of {} peaks", kept.len()), "%", None, mean);
            found.figure("least of them", "%", None, kept.iter().copied().min().unwrap_or_default());
            found.bar(format!("{strength} times, {name}"), mean);
        }
    }
    Some(found)
}

/// Where the largest peaks are, the largest first.
fn largest(series: &Series, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..series.counts.len()).collect();
    order.sort_by_key(|at| (core::cmp::Reverse(series.counts[*at]), *at));
    let mut peaks: Vec<usize> = Vec::new();
    for at in order {
        if peaks.len() == count {
            break;
        }
        if peaks.iter().all(|peak| peak.abs_diff(at) >= APART) {
            peaks.push(at);
        }
    }
    peaks
}

/// One peak at the first member, and stretches from elsewhere at the others, all at one scale.
fn plot(series: &Series, peak: usize, strength: u32, (members, seconds): (usize, u64), seed: u64) -> Plot {
    let mut dice = Dice::new(seed);
    let last = series.counts.len().saturating_sub(STRETCH);
    let most = u128::from(series.counts[peak].max(1));
    let mut plot = Plot::quiet(seed, members, Duration::from_secs(seconds));
    for site in 0..members {
        let from = if site == 0 { peak.saturating_sub(STRETCH / 2).min(last) } else { dice.below(last + 1) };
        let theirs = series.window(from, STRETCH);
        let own = u128::from(theirs.counts.iter().copied().max().unwrap_or_default());
        let rate = u32::try_from(u128::from(BUDGET * strength) * own / most).unwrap_or(u32::MAX);
        plot.loads.push((site, Load::Series(theirs.coarser(STRETCH.div_ceil(POINTS)).shaped(seconds * 1_000, rate))));
    }
    plot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_peaks_are_half_a_day_apart() {
        let mut counts = vec![10; 5_000];
        for (at, count) in [(1_000, 900), (1_001, 899), (1_700, 850), (1_720, 800), (4_000, 700), (4_999, 20)] {
            counts[at] = count;
        }
        let series = Series { bin_ms: 60_000, counts };
        assert_eq!(largest(&series, 3), [1_000, 1_720, 4_000]);
        let plot = plot(&series, 1_000, 5, (MEMBERS, 300), 1);
        let Load::Series(load) = &plot.loads[0].1 else { panic!("{plot:?}") };
        let peak = (0..3_000).map(|tenth| load.rate_at(tenth * 100)).max();
        assert!(plot.loads.len() == MEMBERS && peak.is_some_and(|peak| (95..=100).contains(&peak)), "{peak:?}");
    }
}
