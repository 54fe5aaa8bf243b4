//! Redirects that nobody needs: a site that is busy and not overfull, with helpers at hand.

use crate::{
    laboratory::course::{Act, Course, Run},
    server::{
        Model,
        counts::{ALWAYS, SLOT_MS, Slot},
    },
};

/// Nothing is counted before: connections are made.
const FROM: u64 = 20_000;

/// So many seconds of one load, in per cent of the capacity.
pub fn run(model: Model, partners: usize, load: u64, seconds: u64, seed: u64) -> Run {
    let acts = vec![(0, Act::Rate(ALWAYS, model.capacity() * load / 100)), (FROM + seconds * 1_000, Act::Rate(ALWAYS, 0))];
    Run { model, partners, caps: None, seed, length: FROM + seconds * 1_000, acts }
}

/// Of requests, redirected, and refused or late; both in a million.
pub fn shares(runs: &[Course]) -> (u64, u64) {
    let mut sum = Slot::default();
    let from = usize::try_from(FROM / SLOT_MS).unwrap_or(usize::MAX);
    runs.iter().flat_map(|run| run.slots.iter().skip(from)).for_each(|slot| sum.add(slot));
    let wanted = u64::from(sum.wanted[ALWAYS]);
    let of = |part: u64| (part * 1_000_000).checked_div(wanted).unwrap_or_default();
    let (good, redirected) = (u64::from(sum.good[ALWAYS]), u64::from(sum.redirected[ALWAYS]));
    (of(redirected), of(wanted.saturating_sub(good + redirected)))
}

/// A site with the same line, whose files are smaller and come more often: `share` per cent of their size.
pub fn lighter(model: Model, share: u64) -> Model {
    let of = |bytes: u64| (bytes * share / 100).max(1);
    Model { html: of(model.html), sizes: (model.sizes.0, of(model.sizes.1)), service: (model.service.0, of(model.service.1)), ..model }
}
