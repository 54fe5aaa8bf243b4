//! What people at a site in focus got, by the tenth of a second in which their view began.

use std::{collections::BTreeMap, time::Duration};

use overspill_governance::time::Time;

/// Length of a slot, in milliseconds.
pub const SLOT_MS: u64 = 100;
/// Who is counted: those who always come, those of a trigger; and of both, those who come again.
pub const SOURCES: usize = 4;
/// Those who always come.
pub const ALWAYS: usize = 0;
/// Those of a trigger.
pub const TRIGGER: usize = 1;
/// How far the places of those who come again are from where they were first.
pub const AGAIN: usize = 2;

/// One tenth of a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slot {
    /// Requests that the views begun then are made of, from each source.
    pub wanted: [u32; SOURCES],
    /// Of those, answered here, right and in time.
    pub good: [u32; SOURCES],
    /// Sent to helpers.
    pub redirected: [u32; SOURCES],
    /// Refused.
    pub refused: [u32; SOURCES],
    /// Sent back by helpers, and served; and refused then.
    pub home: (u32, u32),
    /// How often pressure of the line or of the origin began or ended.
    pub turns: u32,
}

impl Slot {
    /// Adds another, of other people.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.wanted, &other.wanted),
            (&mut self.good, &other.good),
            (&mut self.redirected, &other.redirected),
            (&mut self.refused, &other.refused),
        ] {
            mine.iter_mut().zip(theirs).for_each(|(sum, one)| *sum += one);
        }
        self.home = (self.home.0 + other.home.0, self.home.1 + other.home.1);
        self.turns += other.turns;
    }
}

/// All slots since the beginning.
#[derive(Debug, Clone)]
pub struct Counts {
    began: Time,
    asked: u64,
    /// Answered here in time, and refused.
    total: (u64, u64),
    slots: Vec<Slot>,
    fetched: Fetched,
    times: BTreeMap<u64, u64>,
}

/// What the origin was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Pages of which copies are kept.
    pub pages: u64,
    /// Pages that no copy can stand for.
    pub own: u64,
    /// Files.
    pub files: u64,
}

impl Counts {
    /// Nothing yet.
    pub fn new(began: Time) -> Self {
        Self { began, asked: 0, total: (0, 0), slots: Vec::new(), fetched: Fetched::default(), times: BTreeMap::new() }
    }

    /// All slots.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// What the origin was asked for so far.
    pub fn fetched(&self) -> Fetched {
        self.fetched
    }

    /// How many answers took how many milliseconds, early or late. One by a helper took until the redirect, and what its bytes take on a line like ours.
    pub fn times(&self) -> &BTreeMap<u64, u64> {
        &self.times
    }

    /// Requests so far.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Requests that were answered here in time, and that were refused.
    pub fn total(&self) -> (u64, u64) {
        self.total
    }

    fn slot(&mut self, at: Time) -> &mut Slot {
        let number = at.since(self.began).as_millis() as u64 / SLOT_MS;
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        if self.slots.len() <= number {
            self.slots.resize(number + 1, Slot::default());
        }
        &mut self.slots[number]
    }

    pub(super) fn wanted(&mut self, source: usize, requests: u32, born: Time) {
        self.asked += u64::from(requests);
        self.slot(born).wanted[source] += requests;
    }

    pub(super) fn good(&mut self, source: usize, born: Time) {
        self.total.0 += 1;
        self.slot(born).good[source] += 1;
    }

    pub(super) fn redirected(&mut self, source: usize, born: Time) {
        self.slot(born).redirected[source] += 1;
    }

    pub(super) fn refused(&mut self, source: usize, born: Time) {
        self.total.1 += 1;
        self.slot(born).refused[source] += 1;
    }

    pub(super) fn fetched_one(&mut self, kind: fn(&mut Fetched) -> &mut u64) {
        *kind(&mut self.fetched) += 1;
    }

    pub(super) fn took(&mut self, time: Duration) {
        *self.times.entry(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).or_default() += 1;
    }

    pub(super) fn came_home(&mut self, served: bool, now: Time) {
        let home = &mut self.slot(now).home;
        if served {
            home.0 += 1;
        } else {
            home.1 += 1;
        }
    }

    pub(super) fn turned(&mut self, times: u32, now: Time) {
        self.slot(now).turns += times;
    }
}
