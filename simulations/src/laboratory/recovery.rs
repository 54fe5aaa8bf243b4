//! The recovery map: whether a site is itself again after a trigger, whatever the trigger was and however busy it is anyway.
//!
//! Each cell is a load, a kind of trigger and its strength, over several seeds. Beside each run stands its twin, with the same people and no
//! trigger: what those get who always come is compared with what they get there.

pub mod needless;
pub mod pulses;

use crate::{
    laboratory::course::{Act, Course, Run},
    server::{
        Model,
        counts::{AGAIN, ALWAYS, SLOT_MS, Slot, TRIGGER},
        model::Rule,
    },
    traffic::retries::Patience,
};

/// What strikes a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// So many times as many views as it can answer.
    Crowd,
    /// Its origin takes so many times as long.
    Slow,
    /// Its copies are lost so many times.
    Cold,
    /// A crowd, of whom those who get no page come again, up to five times.
    Retries,
}

/// All of them, with their names.
pub const TRIGGERS: [(&str, Trigger); 4] =
    [("crowd", Trigger::Crowd), ("slow-origin", Trigger::Slow), ("cold-cache", Trigger::Cold), ("retry-storm", Trigger::Retries)];

/// Who is refused a page comes again after two seconds, five times, nine in ten of them.
pub const STUBBORN: Patience = Patience { times: 5, after: 2_000, share: 900_000 };

/// The trigger, in milliseconds.
const FROM: u64 = 20_000;
const LASTS: u64 = 10_000;
/// The end of the trigger.
pub const ENDS: u64 = FROM + LASTS;
/// How long the site is watched from then on.
pub const WATCHED: u64 = 30_000;
/// And so long if people come again, who keep a trigger up after its end.
pub const WATCHED_STORM: u64 = 120_000;
/// Goodput is taken over so many slots: two seconds.
const WINDOW: usize = 20;
/// Goodput is back when it is at least so many thousandths of the twin's.
const BACK: u64 = 990;

/// A cell of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// How much of the site's capacity is wanted anyway, in per cent.
    pub load: u64,
    /// What strikes it.
    pub trigger: Trigger,
    /// How hard.
    pub strength: u64,
}

/// What a cell came to over its seeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Least goodput of two seconds during the trigger, in thousandths of what was wanted.
    pub depth: u64,
    /// How long after the trigger's end its visitors kept coming again, in milliseconds.
    pub lasted: u64,
    /// How long after that goodput was below 99 % of the twin's for the last time, in milliseconds.
    pub settle: u64,
    /// Of what was wanted in the ten seconds after the end, sent to helpers beyond what the twin sends, in thousandths.
    pub overshoot: u64,
    /// How often pressure began or ended after the end, in tenths for each run.
    pub reversals: u64,
}

impl Cell {
    /// The cell's run with one seed, or its twin.
    pub fn run(&self, model: Model, partners: usize, seed: u64, twin: bool) -> Run {
        let capacity = model.capacity();
        let patience = if self.trigger == Trigger::Retries { Some(STUBBORN) } else { model.patience };
        let mut acts = vec![(0, Act::Rate(ALWAYS, capacity * self.load / 100))];
        let strength = u32::try_from(self.strength).unwrap_or(u32::MAX);
        match self.trigger {
            _ if twin => {}
            Trigger::Crowd | Trigger::Retries => {
                acts.extend([(FROM, Act::Rate(1, capacity * self.strength)), (ENDS, Act::Rate(1, 0))]);
            }
            Trigger::Slow => acts.extend([(FROM, Act::Slow(strength.saturating_mul(1_000))), (ENDS, Act::Slow(1_000))]),
            Trigger::Cold => acts.extend((1..=self.strength).map(|time| (FROM + LASTS * time / self.strength, Act::Cool))),
        }
        let length = ENDS + if self.trigger == Trigger::Retries { WATCHED_STORM } else { WATCHED };
        acts.push((length, Act::Rate(ALWAYS, 0)));
        // What is to be reached is what the shipped rule reaches in calm, whichever rule is tried.
        let rule = if twin { Rule::Shipped } else { model.rule };
        Run { model: Model { patience, rule, ..model }, partners, caps: None, seed, length, acts }
    }
}

impl Recovery {
    /// Lays runs beside their twins.
    pub fn of(runs: &[Course], twins: &[Course]) -> Self {
        let (runs, twins) = (pooled(runs), pooled(twins));
        let slot = |millis: u64| usize::try_from(millis / SLOT_MS).unwrap_or(usize::MAX);
        let (from, end) = (slot(FROM), slot(ENDS));
        let storm = runs.slots.iter().rposition(|slot| slot.wanted[TRIGGER + AGAIN] > 0).map_or(end, |at| end.max(at + 1));
        let last = storm + slot(WATCHED) - WINDOW;
        let depth = (from..end.saturating_sub(WINDOW)).filter_map(|at| runs.goodput(at, WINDOW)).min().unwrap_or(1_000);
        let is_bad = |at: &usize| {
            let (Some(run), Some(twin)) = (runs.goodput(*at, WINDOW), twins.goodput(*at, WINDOW)) else { return false };
            run * 1_000 < twin * BACK
        };
        // A storm that goes on until the end has never ended.
        let settle = if last > runs.slots.len() {
            WATCHED
        } else {
            (storm..last).rev().find(is_bad).map_or(0, |at| (at + 1 - storm) as u64 * SLOT_MS)
        };
        let ten = slot(10_000);
        let overshoot = runs.redirected(storm, ten).saturating_sub(twins.redirected(storm, ten));
        let turns: u32 = runs.slots.iter().skip(storm).take(slot(WATCHED)).map(|slot| slot.turns).sum();
        Self { depth, lasted: (storm - end) as u64 * SLOT_MS, settle, overshoot, reversals: u64::from(turns) * 10 / runs.runs.max(1) }
    }
}

/// Several runs as one: people of all seeds together.
#[derive(Debug, Clone, Default)]
pub struct Pooled {
    /// Their slots, added.
    pub slots: Vec<Slot>,
    runs: u64,
}

/// Adds runs.
pub fn pooled(courses: &[Course]) -> Pooled {
    let mut pooled = Pooled { slots: Vec::new(), runs: courses.len() as u64 };
    for course in courses {
        pooled.slots.resize(pooled.slots.len().max(course.slots.len()), Slot::default());
        pooled.slots.iter_mut().zip(&course.slots).for_each(|(sum, one)| sum.add(one));
    }
    pooled
}

impl Pooled {
    fn window(&self, at: usize, slots: usize) -> Slot {
        let mut sum = Slot::default();
        self.slots.iter().skip(at).take(slots).for_each(|one| sum.add(one));
        sum
    }

    /// Of what those wanted who always come, answered right and in time, here or by helpers; in thousandths. Nothing if nothing was wanted.
    pub fn goodput(&self, at: usize, slots: usize) -> Option<u64> {
        let sum = self.window(at, slots);
        let good = u64::from(sum.good[ALWAYS]) + u64::from(sum.redirected[ALWAYS]);
        (good.saturating_sub(u64::from(sum.home.1)) * 1_000).checked_div(u64::from(sum.wanted[ALWAYS]))
    }

    /// Of what those wanted, sent to helpers, in thousandths.
    pub fn redirected(&self, at: usize, slots: usize) -> u64 {
        let sum = self.window(at, slots);
        (u64::from(sum.redirected[ALWAYS]) * 1_000).checked_div(u64::from(sum.wanted[ALWAYS])).unwrap_or_default()
    }
}
