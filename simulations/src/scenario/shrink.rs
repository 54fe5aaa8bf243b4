//! Shrinking: a plot that breaks a promise is made smaller, one thing at a time, as long as the same promise is still broken.
//!
//! Large things are tried first: a member and all that happens to it, the weather, an action. Each try is a run of its own, and their
//! number is bounded; what is left when it is reached still breaks the promise.

use std::time::Duration;

use super::{
    play::Outcome,
    plot::{Crowd, Plot},
};
use crate::{story::brisk, world::Faults};

/// What shrinking came to.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The smallest plot that was found.
    pub plot: Plot,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Runs that were played.
    pub tries: u32,
    /// Nothing that is left can be left out; otherwise the tries were used up.
    pub done: bool,
}

/// Other worlds in which a smaller plot is played when it breaks nothing in its own: with one thing less, chance falls otherwise, too.
const WORLDS: u64 = 3;

/// Makes a plot smaller that breaks a promise when `play` plays it, in at most so many runs. `tell` hears of each.
pub fn shrink(plot: &Plot, broken: &Outcome, tries_max: u32, play: impl Fn(&Plot) -> Outcome, mut tell: impl FnMut(u32, &Plot)) -> Shrunk {
    let mut best = Shrunk { plot: plot.clone(), outcome: broken.clone(), tries: 0, done: false };
    while !best.done {
        best.done = true;
        // Where the last candidate stood that helped: what stands before it was tried already.
        let mut at = 0;
        while let Some(smaller) = candidates(&best.plot).into_iter().nth(at) {
            let mut found = None;
            for world in 0..WORLDS {
                if best.tries == tries_max {
                    best.done = false;
                    return best;
                }
                best.tries += 1;
                tell(best.tries, &best.plot);
                let elsewhere = Plot { seed: smaller.seed.wrapping_add(world), ..smaller.clone() };
                let outcome = play(&elsewhere);
                if outcome.promise.is_some() && outcome.promise == broken.promise {
                    found = Some((elsewhere, outcome));
                    break;
                }
            }
            match found {
                Some((plot, outcome)) => (best.plot, best.outcome, best.done) = (plot, outcome, false),
                None => at += 1,
            }
        }
    }
    best
}

/// Plots with one thing less, large things first.
fn candidates(plot: &Plot) -> Vec<Plot> {
    let changed = |change: &dyn Fn(&mut Plot)| {
        let mut smaller = plot.clone();
        change(&mut smaller);
        smaller
    };
    let mut smaller = Vec::new();
    // The last first: those that nothing is said of stand there. A mesh has one member at least.
    let sites = (0..plot.sites()).rev().filter(|site| plot.members > 1 || *site >= plot.members);
    smaller.extend(sites.map(|gone| changed(&|plot| leave_out(plot, gone))));
    let calm = Faults { latency_max: 5, ..Faults::default() };
    smaller.push(changed(&|plot| plot.faults = calm));
    smaller.extend(weather(plot.faults).map(|faults| changed(&|plot| plot.faults = faults)));
    smaller.extend(one_less(plot, |plot| &mut plot.crowds));
    smaller.extend(one_less(plot, |plot| &mut plot.loads));
    smaller.push(changed(&|plot| plot.patience = None));
    smaller.extend(one_less(plot, |plot| &mut plot.actions));
    smaller.extend(one_less(plot, |plot| &mut plot.links));
    smaller.extend(one_less(plot, |plot| &mut plot.conducts));
    smaller.extend(one_less(plot, |plot| &mut plot.budgets));
    smaller.push(changed(&|plot| plot.drifts.fill(0)));
    smaller.extend((0..plot.drifts.len()).map(|at| changed(&|plot| plot.drifts[at] = 0)));
    smaller.extend(brisk().values().map(|(parameter, usual)| {
        // A value that does not go with the others stays as it is.
        changed(&|plot| plot.charter = plot.charter.clone().with(parameter.name, usual).unwrap_or_else(|_| plot.charter.clone()))
    }));
    let last = plot.actions.iter().map(|(at, _)| *at).chain(plot.crowds.iter().map(Crowd::until)).max().unwrap_or_default();
    smaller
        .extend([last + 1_000, last + 10_000].map(|millis| changed(&|plot| plot.length = plot.length.min(Duration::from_millis(millis)))));
    // What changes nothing is no candidate, or shrinking would not end.
    smaller.retain(|candidate| candidate != plot);
    smaller
}

/// Plots in which one thing of a list is left out.
fn one_less<T>(plot: &Plot, list: impl Fn(&mut Plot) -> &mut Vec<T>) -> Vec<Plot> {
    let without = |at: usize| {
        let mut smaller = plot.clone();
        list(&mut smaller).remove(at);
        smaller
    };
    (0..list(&mut plot.clone()).len()).map(without).collect()
}

/// Leaves a site out, with all that is said of it; those behind it move up.
fn leave_out(plot: &mut Plot, gone: usize) {
    let up = |site: usize| site - usize::from(site > gone);
    plot.actions.retain(|(_, action)| !action.sites().contains(&gone));
    plot.crowds.retain(|crowd| crowd.site != gone);
    plot.links.retain(|(from, to, _)| ![*from, *to].contains(&gone));
    plot.conducts.retain(|(site, _)| *site != gone);
    plot.budgets.retain(|(site, _)| *site != gone);
    plot.loads.retain(|(site, _)| *site != gone);
    plot.drifts.remove(gone);
    plot.faults.manifests_lost_at = plot.faults.manifests_lost_at.filter(|site| *site != gone).map(up);
    plot.actions.iter_mut().for_each(|(_, action)| *action = action.renamed(up));
    plot.crowds.iter_mut().for_each(|crowd| crowd.site = up(crowd.site));
    plot.links.iter_mut().for_each(|(from, to, _)| (*from, *to) = (up(*from), up(*to)));
    plot.conducts.iter_mut().for_each(|(site, _)| *site = up(*site));
    plot.loads.iter_mut().for_each(|(site, _)| *site = up(*site));
    plot.budgets.iter_mut().for_each(|(site, _)| *site = up(*site));
    *(if gone < plot.members { &mut plot.members } else { &mut plot.outside }) -= 1;
}

/// The weather with one kind of fault less.
fn weather(faults: Faults) -> impl Iterator<Item = Faults> {
    [
        Faults { loss: 0, ..faults },
        Faults { doubling: 0, ..faults },
        Faults { latency_max: faults.latency_max.min(5), ..faults },
        Faults { crash: 0, ..faults },
        Faults { breaks: 0, ..faults },
        Faults { crash_weighty: 0, ..faults },
        Faults { crash_at: None, ..faults },
        Faults { manifests_lost_at: None, ..faults },
    ]
    .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Action, Size, promise};

    #[test]
    fn each_candidate_is_another_plot_and_names_only_sites_that_are_there() {
        for seed in 0..200 {
            let plot = Plot::sized(seed, Size { members: (seed % 3 == 0).then_some(12), length: None });
            for candidate in candidates(&plot) {
                assert_ne!(candidate, plot);
                assert_eq!(candidate.drifts.len(), candidate.sites());
                let sites =
                    candidate.actions.iter().flat_map(|(_, action)| action.sites()).chain(candidate.crowds.iter().map(|crowd| crowd.site));
                assert!(sites.into_iter().all(|site| site < candidate.sites()), "{candidate:?}");
            }
        }
    }

    /// A world of few words: a promise is broken when a site whose disk lies is struck, in two worlds of three.
    fn small_world(plot: &Plot) -> Outcome {
        let struck = |site: &usize| plot.crowds.iter().any(|crowd| crowd.site == *site);
        let lies = plot.actions.iter().filter_map(|(_, action)| if let Action::Lies(site) = action { Some(site) } else { None });
        let broken = !plot.seed.is_multiple_of(3) && lies.filter(|site| struck(site)).count() > 0;
        let failures = if broken { vec![String::from("site 1 signed two states")] } else { Vec::new() };
        Outcome {
            promise: failures.first().map(|words| promise::of(words, &[])),
            failures,
            trace_hash: overspill_governance::digest::Digest::ZERO,
            events: 0,
            virtual_time: Duration::ZERO,
            met: Default::default(),
            tail: String::new(),
        }
    }

    #[test]
    fn what_has_nothing_to_do_with_it_is_left_out() {
        let mut plot = Plot::sized(4, Size { members: Some(12), length: None });
        plot.actions.push((0, Action::Lies(5)));
        plot.actions.push((0, Action::Lies(6)));
        plot.crowds.push(Crowd { site: 5, from: 3_000, onset: 1_000, plateau: 18_000, decay: 1_000, peak: 80 });
        let outcome = small_world(&plot);
        assert!(outcome.promise.is_some() && plot.actions.len() > 4 && plot.crowds.len() > 1);
        let shrunk = shrink(&plot, &outcome, 2_000, small_world, |_, _| ());
        assert!(shrunk.done && shrunk.outcome.promise == outcome.promise && small_world(&shrunk.plot).promise == outcome.promise);
        assert_eq!(shrunk.plot.charter, brisk());
        let Plot { members, outside, actions, crowds, faults, links, drifts, length, .. } = &shrunk.plot;
        assert_eq!((*members, *outside, actions.len(), crowds.len(), links.len()), (1, 0, 1, 1, 0), "{}", shrunk.plot);
        assert_eq!((*faults, &drifts[..]), (Faults { latency_max: 5, ..Faults::default() }, &[0][..]));
        assert_eq!((actions[0], crowds[0].site), ((0, Action::Lies(0)), 0), "the site that is left has moved up");
        assert!(*length <= Duration::from_secs(24));
        let bounded = shrink(&plot, &outcome, 5, small_world, |_, _| ());
        assert_eq!((bounded.tries, bounded.done), (5, false));
        assert_eq!(bounded.outcome.promise, outcome.promise);
    }
}
