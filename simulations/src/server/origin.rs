//! The origin behind an edge: workers with one queue before them, which become slower for each other beyond a point.

use std::collections::VecDeque;

use overspill_governance::time::Time;

/// Workers, what waits for them, and what ails them.
#[derive(Debug, Clone)]
pub struct Origin {
    workers: u32,
    /// Requests at the origin from which each further one makes all that begin slower.
    knee: u32,
    /// By how much, in thousandths.
    thrash: u32,
    /// How long everything takes, in thousandths of what it takes at rest.
    slow: u32,
    busy: u32,
    waiting: VecDeque<(u64, u64)>,
}

/// A request that a worker begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Which.
    pub request: u64,
    /// When it will be done.
    pub done: Time,
}

impl Origin {
    /// Idle workers.
    pub fn new(workers: u32, knee: u32, thrash: u32) -> Self {
        Self { workers, knee, thrash, slow: 1_000, busy: 0, waiting: VecDeque::new() }
    }

    /// From now on what begins takes so many thousandths of what it takes at rest.
    pub fn slow(&mut self, thousandths: u32) {
        self.slow = thousandths;
    }

    /// A request comes that takes `micros` by itself. Nothing if it has to wait.
    pub fn ask(&mut self, request: u64, micros: u64, now: Time) -> Option<Begun> {
        if self.busy >= self.workers {
            self.waiting.push_back((request, micros));
            return None;
        }
        Some(self.begin(request, micros, now))
    }

    /// A request is done; the next begins.
    pub fn next(&mut self, now: Time) -> Option<Begun> {
        self.busy = self.busy.saturating_sub(1);
        let (request, micros) = self.waiting.pop_front()?;
        Some(self.begin(request, micros, now))
    }

    fn begin(&mut self, request: u64, micros: u64, now: Time) -> Begun {
        self.busy += 1;
        let here = u64::from(self.busy) + self.waiting.len() as u64;
        let beyond = here.saturating_sub(u64::from(self.knee));
        let strained = 1_000 + beyond.saturating_mul(u64::from(self.thrash));
        let takes = u128::from(micros) * u128::from(self.slow) * u128::from(strained) / 1_000_000;
        let takes = u64::try_from(takes).unwrap_or(u64::MAX);
        Begun { request, done: now.after(std::time::Duration::from_micros(takes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Time {
        Time::from_micros(micros)
    }

    #[test]
    fn workers_take_one_after_the_other() {
        let mut origin = Origin::new(2, 100, 0);
        assert_eq!(origin.ask(1, 10, at(0)), Some(Begun { request: 1, done: at(10) }));
        assert_eq!(origin.ask(2, 30, at(0)), Some(Begun { request: 2, done: at(30) }));
        assert_eq!(origin.ask(3, 5, at(1)), None);
        assert_eq!(origin.next(at(10)), Some(Begun { request: 3, done: at(15) }));
        assert_eq!((origin.next(at(15)), origin.next(at(30))), (None, None));
    }

    #[test]
    fn it_thrashes_beyond_its_knee_and_only_there() {
        let mut origin = Origin::new(4, 2, 500);
        let takes: Vec<u64> = (0..4).filter_map(|at| origin.ask(at, 1_000, Time::ZERO)).map(|begun| begun.done.as_micros()).collect();
        assert_eq!(takes, [1_000, 1_000, 1_500, 2_000]);
        origin.slow(3_000);
        (0..4).for_each(|_| assert_eq!(origin.next(Time::ZERO), None));
        assert_eq!(origin.ask(9, 1_000, Time::ZERO).map(|begun| begun.done.as_micros()), Some(3_000));
    }
}
