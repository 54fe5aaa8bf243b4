//! A change of the rules before anybody votes on it: the same mesh under the same load, by the rules in force and by those proposed, and how
//! each member fared.
//!
//! The first member is the one who asks. Where its load was measured, the stretch around its peak strikes it, and the others get stretches of
//! the same series; otherwise events strike the mesh. Sites are of one size: what differs between two runs is the rules alone.

use std::time::Duration;

use overspill_governance::charter::Charter;
use overspill_protocol::event::Event;

use super::Setting;
use crate::{
    cores::on_all,
    scenario::{
        Measured, Plot,
        play::{Moment, guarded, watched},
    },
    traffic::series::Series,
    world::World,
};

/// How long events or a measured stretch last, and how many there are.
const EVENTS_PER_HOUR: u32 = 12;
/// How much of a measured series is played, in milliseconds: in less time, so that its crowd comes faster.
const STRETCH_MS: u64 = 6 * 3_600_000;
/// How likely what strikes one member strikes another, in a million.
const CORRELATION: u32 = 200_000;
/// Requests in each second that a site of these worlds serves by itself.
const BUDGET: u32 = 20;

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Members.
    pub members: usize,
    /// How long each run lasts.
    pub length: Duration,
    /// Peaks, as so many times what a site serves by itself.
    pub times: u32,
    /// The first seed, and how many.
    pub seeds: (u64, u64),
}

/// How one member fared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fared {
    /// Requests of its visitors.
    pub wanted: u64,
    /// Of these, served by itself or sent to helpers.
    pub kept: u64,
    /// Of these, sent to helpers.
    pub sent: u64,
    /// Requests of others' visitors that it served.
    pub guests: u64,
    /// Leases that it wanted and was refused.
    pub refused: u64,
    /// What others owe it in the end, less what it owes them, in micro-credits.
    pub balance: i64,
    /// Its largest debt with one partner in the end, in micro-credits.
    pub deepest: i64,
}

impl Fared {
    /// What of its visitors' requests was kept, in thousandths; all of nothing.
    pub fn share(&self) -> u64 {
        (self.kept * 1_000).checked_div(self.wanted).unwrap_or(1_000)
    }
}

/// How the members fared in one run; the first is who asks.
pub type Run = Vec<Fared>;

/// Plays the same worlds by each of the rules, on all cores.
///
/// # Errors
/// In words: nobody wants anything in the series, or a promise was broken.
pub fn preview(wish: &Wish, load: Option<&Series>, rules: &[&Charter]) -> Result<Vec<Vec<Run>>, String> {
    let plots = wish.plots(load).ok_or("nobody wants anything in it")?;
    let runs: Vec<Plot> =
        rules.iter().flat_map(|charter| plots.iter().map(|plot| Plot { charter: (*charter).clone(), ..plot.clone() })).collect();
    let mut played = on_all(&runs, played).into_iter();
    rules.iter().map(|_| played.by_ref().take(plots.len()).collect()).collect()
}

impl Wish {
    /// A plot for each seed; `None` when there is a series in which nothing is wanted.
    fn plots(&self, load: Option<&Series>) -> Option<Vec<Plot>> {
        let (first, count) = self.seeds;
        let peak = self.times.saturating_mul(BUDGET);
        let minutes = u32::try_from(self.length.as_secs() / 60).unwrap_or(u32::MAX);
        let events = (minutes.saturating_mul(EVENTS_PER_HOUR) / 60).max(1);
        let setting = Setting {
            sites: self.members,
            length: self.length,
            events,
            correlation: CORRELATION,
            peak,
            seeds: self.seeds,
            attackers: None,
        };
        let plot = |seed| match load {
            None => Some(setting.plot(seed)),
            Some(series) => {
                let (members, length_ms) = (self.members, self.length.as_millis() as u64);
                let measured = Measured { seed, members, peak, stretch_ms: STRETCH_MS, length_ms, correlation: CORRELATION };
                Some(measured.of(series)?.plot)
            }
        };
        (first..first.saturating_add(count)).map(plot).collect()
    }
}

fn played(plot: &Plot) -> Result<Run, String> {
    let mut run = Run::new();
    let outcome = guarded(|| {
        watched(plot, 0, &mut |world, _, moment| {
            if matches!(moment, Moment::Rested) {
                run = fared(world);
            }
            Vec::new()
        })
    });
    match outcome.failures.first() {
        Some(broken) => Err(format!("a promise was broken in the simulation (seed {}): {broken}", plot.seed)),
        None => Ok(run),
    }
}

fn fared(world: &World) -> Run {
    let member = |body: &crate::world::Body| {
        let tally = body.server.tally;
        let lines = body.agent.as_ref().map(|agent| agent.report(body.clock.read(world.now())).lines).unwrap_or_default();
        let kept = tally.own + tally.spilled;
        Fared {
            wanted: kept + tally.shed,
            kept,
            sent: tally.spilled,
            guests: tally.guests,
            refused: body.events.iter().filter(|event| matches!(event, Event::LeaseRefused { .. })).count() as u64,
            balance: lines.iter().map(|line| line.balance.0).sum(),
            deepest: lines.iter().map(|line| -line.balance.0).max().unwrap_or_default().max(0),
        }
    };
    world.bodies.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISH: Wish = Wish { members: 5, length: Duration::from_secs(120), times: 10, seeds: (1, 1) };

    fn runs(load: Option<&Series>, changed: &Charter) -> [Run; 2] {
        let mut played = preview(&WISH, load, &[&Charter::default(), changed]).unwrap().into_iter().map(|mut runs| runs.remove(0));
        [played.next().unwrap(), played.next().unwrap()]
    }

    #[test]
    fn limits_of_next_to_nothing_cost_visitors_and_the_same_rules_cost_nothing() {
        let [now, same] = runs(None, &Charter::default());
        assert_eq!(now, same, "one seed is one run");
        let [now, poor] = runs(None, &Charter::default().with("newcomer_limit", 1_000).unwrap());
        let sent = |run: &Run| run.iter().map(|fared| fared.sent).sum::<u64>();
        assert!(sent(&now) > 1_000 && sent(&poor) * 10 < sent(&now), "{now:?} {poor:?}");
        assert!(
            now.iter().zip(&poor).all(|(now, poor)| now.wanted.abs_diff(poor.wanted) <= now.wanted / 10),
            "they want the same: {now:?} {poor:?}"
        );
    }

    #[test]
    fn dearer_help_moves_more_credit_and_a_measured_load_strikes_who_asks() {
        let counts = (0..6_000_u64).map(|minute| 100 + if (3_000..3_020).contains(&minute) { 6_000 } else { 0 }).collect();
        let series = Series { bin_ms: 60_000, counts };
        let [now, dear] = runs(Some(&series), &Charter::default().with("price_request", 60).unwrap());
        let owed = |run: &Run| run.iter().map(|fared| fared.balance.min(0)).sum::<i64>();
        assert!(owed(&now) < 0 && owed(&dear) < owed(&now) * 2, "{now:?} {dear:?}");
        assert!(now.iter().all(|fared| fared.wanted <= now[0].wanted) && now[0].share() < 1_000, "{now:?}");
        assert_eq!(
            preview(&WISH, Some(&Series { bin_ms: 1_000, counts: vec![0; 60] }), &[]),
            Err("nobody wants anything in it".to_owned())
        );
    }
}
