//! How many requests the origin can work on at once, learned from how long they take (after Netflix's Gradient2).
//!
//! While more requests bring more throughput, service times stay what they are at rest; when they only queue inside the origin, service times grow
//! in proportion. So the limit follows the ratio between service times at rest and service times now, and moves only while the
//! limit is what holds requests back: an idle origin teaches nothing about its limit.

use core::time::Duration;

use overspill_governance::time::Time;

/// What a request asks of the origin: kinds with service times of different magnitude, each measured against itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A file.
    Asset,
    /// A page, most likely rendered from a database.
    Page,
}

/// Service times below this are not told apart: they are noise of scheduling.
const FLOOR: f64 = 0.020;
/// How much slower than at rest the origin may become before the limit falls: some queueing inside keeps its workers busy.
const TOLERANCE: f64 = 1.3;
/// Share of a new measurement in the average of now, and in the average at rest.
const NOW: f64 = 0.1;
const REST: f64 = 0.05;
/// What the average at rest takes over from that of now while saturated and faster: then the origin was never at rest before. A slower one
/// teaches nothing, or the limit would creep up with the queue that it allows.
const REST_FASTER: f64 = 1.0 / 50.0;
/// Most of the computed limit that is taken at once. Larger limits move by less with each answer, about once in all while as many
/// are out as may be: what is learned now was caused that long ago, and faster steps would swing.
const STEP_MAX: f64 = 0.2;
/// After an answer that never came.
const DROP_FACTOR: f64 = 0.9;
/// Drops within this time are one event.
const DROP_PAUSE: Duration = Duration::from_millis(200);

/// The learned limit. Floats: it is a control loop, nothing is accounted by it.
#[derive(Debug, Clone)]
pub struct Gradient {
    limit: f64,
    min: f64,
    max: f64,
    /// Mean service times of each kind of work: at rest, and now; in seconds.
    means: [Option<(f64, f64)>; 2],
    dropped: Time,
}

impl Gradient {
    /// Learns between two bounds, from a first guess.
    pub fn new(min: u32, initial: u32, max: u32) -> Self {
        let min = f64::from(min.max(1));
        let max = f64::from(max).max(min);
        Self { limit: f64::from(initial).clamp(min, max), min, max, means: [None; 2], dropped: Time::ZERO }
    }

    /// The limit: at least one.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn limit(&self) -> u32 {
        // Clamped between two u32 by every path that sets it.
        self.limit as u32
    }

    /// Takes new bounds.
    pub fn bound(&mut self, min: u32, max: u32) {
        self.min = f64::from(min.max(1));
        self.max = f64::from(max).max(self.min);
        self.limit = self.limit.clamp(self.min, self.max);
    }

    /// Learns from an answer that took `service`, when `in_flight` requests (it included) were at the origin.
    pub fn on_answer(&mut self, work: Work, service: Duration, in_flight: u32) {
        let service = service.as_secs_f64().max(FLOOR);
        let load = f64::from(in_flight) / f64::from(self.limit());
        let (rest, now) = self.means[work as usize].get_or_insert((service, service));
        *now += (service - *now) * NOW;
        if load <= 0.5 {
            *rest += (service - *rest) * REST;
        } else if *now < *rest {
            *rest += (*now - *rest) * REST_FASTER;
        }
        let strain = *now / *rest;
        if load < 0.8 {
            return;
        }
        let gradient = (TOLERANCE / strain).clamp(0.5, 1.0);
        let room = root(self.limit) / 2.0;
        let wanted = self.limit * gradient + room;
        self.limit = (self.limit + (wanted - self.limit) * (1.0 / self.limit).min(STEP_MAX)).clamp(self.min, self.max);
    }

    /// Learns from an answer that did not come, or that said "too busy".
    pub fn on_drop(&mut self, now: Time) {
        if now.since(self.dropped) >= DROP_PAUSE {
            self.dropped = now;
            self.limit = (self.limit * DROP_FACTOR).clamp(self.min, self.max);
        }
    }
}

/// The square root of a number from 1 on. Without a standard library there is none for floats.
fn root(number: f64) -> f64 {
    // Five of Newton's steps leave nothing to see of a first guess that is right to half of it.
    let guess = f64::from((number as u32).isqrt().max(1));
    (0..5).fold(guess, |root, _| f64::midpoint(root, number / root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BinaryHeap;
    use core::cmp::Reverse;

    /// An origin with workers that share nothing: a request waits for the first that is free. Drives it at the limit, as a crowd does, and
    /// returns the limit at the end.
    fn saturate(gradient: &mut Gradient, workers: usize, service_ms: impl Fn(u64) -> u64, requests: u64) -> u32 {
        let mut free: BinaryHeap<Reverse<u64>> = (0..workers).map(|_| Reverse(0)).collect();
        let mut flying: BinaryHeap<Reverse<(u64, u64)>> = BinaryHeap::new();
        let (mut now, mut sent) = (0, 0);
        while sent < requests {
            while flying.len() < gradient.limit() as usize {
                let start = free.pop().unwrap().0.max(now);
                let end = start + service_ms(sent);
                free.push(Reverse(end));
                flying.push(Reverse((end, now)));
                sent += 1;
            }
            let in_flight = u32::try_from(flying.len()).unwrap();
            let Reverse((end, began)) = flying.pop().unwrap();
            now = end;
            gradient.on_answer(Work::Page, Duration::from_millis(end - began), in_flight);
        }
        gradient.limit()
    }

    #[test]
    fn it_finds_a_small_origin_and_a_large_one() {
        for (workers, least, most) in [(2_usize, 2, 7), (8, 6, 18), (32, 24, 60)] {
            for initial in [2, 8, 64] {
                let mut gradient = Gradient::new(2, initial, 128);
                // At rest first: one request at a time, as before every crowd.
                for _ in 0..50 {
                    gradient.on_answer(Work::Page, Duration::from_millis(400), 1);
                }
                let limit = saturate(&mut gradient, workers, |index| if index % 4 == 0 { 700 } else { 300 }, 3_000);
                assert!((least..=most).contains(&limit), "{workers} workers, from {initial}: {limit}");
            }
        }
    }

    #[test]
    fn roots_are_right() {
        for number in [1.0, 1.99, 2.0, 3.9, 8.0, 127.3, 65_000.5_f64] {
            let found = root(number);
            assert!((found * found - number).abs() <= number * 1e-9, "{number}: {found}");
        }
    }

    #[test]
    fn idling_teaches_nothing_about_the_limit() {
        let mut gradient = Gradient::new(2, 8, 128);
        for _ in 0..1_000 {
            gradient.on_answer(Work::Page, Duration::from_millis(100), 1);
        }
        assert_eq!(gradient.limit(), 8);
    }

    #[test]
    fn files_and_pages_are_not_compared_with_each_other() {
        let mut gradient = Gradient::new(2, 8, 128);
        for _ in 0..200 {
            gradient.on_answer(Work::Asset, Duration::from_millis(2), 2);
            gradient.on_answer(Work::Page, Duration::from_millis(400), 2);
        }
        // The assets are cached now; only pages come, as fast as ever.
        for _ in 0..200 {
            gradient.on_answer(Work::Page, Duration::from_millis(400), gradient.limit());
        }
        assert!(gradient.limit() > 8);
    }

    #[test]
    fn answers_that_do_not_come_lower_it_to_its_bound_and_not_beyond() {
        let mut gradient = Gradient::new(2, 64, 128);
        for second in 1..100 {
            gradient.on_drop(Time::ZERO.after(Duration::from_secs(second)));
        }
        assert_eq!(gradient.limit(), 2);
        let mut gradient = Gradient::new(2, 64, 128);
        for _ in 0..100 {
            gradient.on_drop(Time::ZERO.after(Duration::from_secs(1)));
        }
        assert_eq!(gradient.limit(), 57);
    }
}
