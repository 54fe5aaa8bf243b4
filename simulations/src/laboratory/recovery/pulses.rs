//! Trains of pulses: crowds that come and go in a rhythm, which a rule with a memory of the wrong length would swing with.

use super::pooled;
use crate::{
    laboratory::course::{Act, Course, Run},
    server::{
        Model,
        counts::{ALWAYS, SLOT_MS},
    },
};

/// Periods that are tried, in milliseconds.
pub const PERIODS: [u64; 9] = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 45_000, 60_000];
/// Busy anyway with so much of its capacity, in per cent.
const LOAD: u64 = 50;
/// A pulse has so many times its capacity.
const STRENGTH: u64 = 5;
const FROM: u64 = 20_000;
/// Two of the longest.
const LASTS: u64 = 120_000;

/// A train of one period; each pulse lasts half of it. Without a period the crowd stays.
pub fn run(model: Model, partners: usize, period: Option<u64>, seed: u64) -> Run {
    let capacity = model.capacity();
    let mut acts = vec![(0, Act::Rate(ALWAYS, capacity * LOAD / 100))];
    let period = period.unwrap_or(LASTS * 2).max(2);
    for pulse in 0..LASTS.div_ceil(period) {
        let from = FROM + pulse * period;
        acts.push((from, Act::Rate(1, capacity * STRENGTH)));
        acts.push(((from + period / 2).min(FROM + LASTS), Act::Rate(1, 0)));
    }
    acts.push((FROM + LASTS, Act::Rate(ALWAYS, 0)));
    Run { model, partners, caps: None, seed, length: FROM + LASTS, acts }
}

/// What those got during the train who always come, in thousandths of what they wanted.
pub fn goodput(runs: &[Course]) -> u64 {
    let slot = |millis: u64| usize::try_from(millis / SLOT_MS).unwrap_or(usize::MAX);
    pooled(runs).goodput(slot(FROM), slot(LASTS)).unwrap_or_default()
}
