//! A scenario of what was measured: the stretch around a series' peak, over any number of sites, in less time and at another scale.

use std::time::Duration;

use super::{Plot, Scenario};
use crate::{
    dice::Dice,
    traffic::{load::Load, series::Series},
};

/// What is made of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Of which site gets which stretch, and of the world.
    pub seed: u64,
    /// Members of the mesh, at least one.
    pub members: usize,
    /// Requests in each second of the first member at its peak.
    pub peak: u32,
    /// How much of the series around its highest peak, in milliseconds.
    pub stretch_ms: u64,
    /// How long the scenario lasts, in milliseconds.
    pub length_ms: u64,
    /// How likely each other member gets the same stretch rather than one from elsewhere, in a million.
    pub correlation: u32,
}

/// Points of one site's load: more say nothing to a world of minutes.
const POINTS_MAX: usize = 120;

impl Measured {
    /// The scenario; `None` of a series in which nothing is wanted. All members share one scale, so that who is small stays small.
    pub fn of(&self, series: &Series) -> Option<Scenario> {
        let peak = series.peak().filter(|at| series.counts[*at] > 0)?;
        let len = usize::try_from(self.stretch_ms / series.bin_ms).unwrap_or(usize::MAX).clamp(1, series.counts.len());
        let last = series.counts.len() - len;
        let highest = stretch(series, peak.saturating_sub(len / 2).min(last), len);
        let most = highest.counts.iter().copied().max().unwrap_or_default().max(1);
        let mut dice = Dice::new(self.seed);
        let mut plot = Plot::quiet(self.seed, self.members.max(1), Duration::from_millis(self.length_ms));
        for site in 0..plot.members {
            let same = site == 0 || dice.happens(self.correlation);
            let theirs = if same { highest.clone() } else { stretch(series, dice.below(last + 1), len) };
            let own = theirs.counts.iter().copied().max().unwrap_or_default();
            let peak = u32::try_from(u128::from(self.peak) * u128::from(own) / u128::from(most)).unwrap_or(u32::MAX);
            plot.loads.push((site, Load::Series(theirs.shaped(self.length_ms, peak))));
        }
        Some(Scenario { plot, expected: Vec::new(), about: String::new() })
    }
}

/// A part of a series in as many bins as a load may have.
fn stretch(series: &Series, from: usize, len: usize) -> Series {
    series.window(from, len).coarser(len.div_ceil(POINTS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::text::read;

    const HOW: Measured = Measured { seed: 3, members: 6, peak: 120, stretch_ms: 3_600_000, length_ms: 300_000, correlation: 300_000 };

    fn rates(scenario: &Scenario, site: usize) -> Vec<u32> {
        let Load::Series(series) = &scenario.plot.loads[site].1 else { panic!("{scenario}") };
        (0..300).map(|second| series.rate_at(second * 1_000)).collect()
    }

    #[test]
    fn the_peak_strikes_the_first_and_who_is_correlated_and_all_share_one_scale() {
        // Ten hours of minutes around 100, with a crowd of 6,000 in the seventh.
        let counts = (0..600_u64).map(|minute| 100 + minute % 7 + if (400..420).contains(&minute) { 6_000 } else { 0 }).collect();
        let series = Series { bin_ms: 60_000, counts };
        let scenario = HOW.of(&series).unwrap();
        assert!((118..=120).contains(rates(&scenario, 0).iter().max().unwrap()), "{scenario}");
        let all = Measured { correlation: 1_000_000, ..HOW }.of(&series).unwrap();
        assert!((1..6).all(|site| rates(&all, site) == rates(&all, 0)));
        let none = Measured { correlation: 0, members: 40, ..HOW }.of(&series).unwrap();
        let calm = (1..40).filter(|site| rates(&none, *site).iter().all(|rate| *rate <= 3)).count();
        assert!(calm > 25, "most get a stretch without the crowd, and are small beside it: {calm}");
        assert_eq!(read(&scenario.to_string()).as_ref(), Ok(&scenario), "it is a scenario like any other");
        assert_eq!(HOW.of(&Series { bin_ms: 60_000, counts: vec![0; 9] }), None);
        assert_eq!(HOW.of(&Series { bin_ms: 60_000, counts: Vec::new() }), None);
    }
}
