//! Is the origin under pressure? CoDel's test on the queue before it (RFC 8289 section 3), and Little's law on what is wanted of it.
//!
//! A long queue is a burst until the *smallest* delay over a while stays above a target. But once copies answer in the origin's place the queue is
//! empty, and the test alone would flap; so pressure lasts while what is wanted (requests that would go to the origin in calm, each
//! second, times the time each takes) is more than the origin's places. Both look back one second at most: nothing can stick.

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use overspill_governance::time::Time;

/// Length of one slot of memory.
const SLOT: Duration = Duration::from_millis(250);
/// Slots over which the smallest delay is taken.
const DELAY_SLOTS: usize = 2;
/// Slots over which wants are counted.
const WANT_SLOTS: usize = 4;
/// Pressure lasts while wants are at least this share of the origin's places.
const LASTING: f64 = 0.8;
/// Page service times remembered for the median.
const SERVICES: usize = 32;
/// A median is good for so long: every request asks for it, and sorting takes longer than all else that is asked here.
const MEDIAN_AGE: Duration = Duration::from_millis(20);
/// A service time older than this says nothing of now.
const SERVICE_AGE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    number: u64,
    delay_min: Option<Duration>,
    wanted: u32,
}

/// What the last second says.
#[derive(Debug, Default)]
pub struct Queueing {
    slots: [Slot; WANT_SLOTS + 1],
    services: VecDeque<(Time, Duration)>,
    /// Their median, and when it was found.
    median: Option<(Time, Duration)>,
    pressed: bool,
}

impl Queueing {
    fn slot(&mut self, now: Time) -> &mut Slot {
        let number = number(now);
        let slots = self.slots.len() as u64;
        let slot = &mut self.slots[usize::try_from(number % slots).unwrap_or_default()];
        if slot.number != number {
            *slot = Slot { number, ..Slot::default() };
        }
        slot
    }

    /// Notes that the oldest waiting request had waited `delay` when one was let through.
    pub fn on_delay(&mut self, delay: Duration, now: Time) {
        let slot = self.slot(now);
        slot.delay_min = Some(slot.delay_min.map_or(delay, |least| least.min(delay)));
    }

    /// Notes a request that would go to the origin in calm, whether it did or not.
    pub fn on_wanted(&mut self, now: Time) {
        let slot = self.slot(now);
        slot.wanted = slot.wanted.saturating_add(1);
    }

    /// Notes how long the origin took for a page.
    pub fn on_service(&mut self, service: Duration, now: Time) {
        if self.services.len() == SERVICES {
            self.services.pop_front();
        }
        self.services.push_back((now, service));
    }

    /// Median service time of pages; zero when nothing recent is known.
    pub fn service_median(&mut self, now: Time) -> Duration {
        if let Some((at, median)) = self.median
            && now.since(at) < MEDIAN_AGE
        {
            return median;
        }
        while self.services.front().is_some_and(|(at, _)| now.since(*at) > SERVICE_AGE) {
            self.services.pop_front();
        }
        let mut services: Vec<Duration> = self.services.iter().map(|(_, service)| *service).collect();
        services.sort_unstable();
        let median = services.get(services.len() / 2).copied();
        // Of nothing there is none; the first answer is heard at once.
        self.median = median.map(|median| (now, median));
        median.unwrap_or_default()
    }

    /// The smallest delay over the last slots; while nothing was let through, how long the oldest request waits already.
    pub fn delay_min(&self, oldest: Option<Time>, now: Time) -> Duration {
        let current = number(now);
        let recent = self.slots.iter().filter(|slot| slot.number + DELAY_SLOTS as u64 >= current && slot.number <= current);
        let waiting = oldest.map_or(Duration::ZERO, |since| now.since(since));
        recent.filter_map(|slot| slot.delay_min).min().unwrap_or(waiting)
    }

    /// Tells whether the origin is under pressure. `limit` is the number of its places.
    pub fn under_pressure(&mut self, target: Duration, limit: u32, oldest: Option<Time>, now: Time) -> bool {
        self.pressed = self.delay_min(oldest, now) > target || (self.pressed && self.wanted_places(now) >= LASTING * f64::from(limit));
        self.pressed
    }

    /// Places at the origin that the requests of the last second would have filled.
    fn wanted_places(&mut self, now: Time) -> f64 {
        let current = number(now);
        let past = self.slots.iter().filter(|slot| slot.number < current && slot.number + WANT_SLOTS as u64 >= current);
        let wanted: u32 = past.map(|slot| slot.wanted).fold(0, u32::saturating_add);
        f64::from(wanted) * self.service_median(now).as_secs_f64() / (SLOT * WANT_SLOTS as u32).as_secs_f64()
    }
}

/// Slots are numbered from one, so that the empty memory of the beginning belongs to no time.
fn number(now: Time) -> u64 {
    now.as_micros() / SLOT.as_micros() as u64 + WANT_SLOTS as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(200);

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    #[test]
    fn a_burst_is_not_pressure() {
        let mut queueing = Queueing::default();
        for millis in (0..2_000).step_by(10) {
            // One request in each slot found no queue at all.
            let delay = if millis % 250 == 0 { Duration::ZERO } else { Duration::from_secs(1) };
            queueing.on_delay(delay, at(millis));
            assert!(!queueing.under_pressure(TARGET, 4, None, at(millis)));
        }
    }

    #[test]
    fn a_standing_queue_is_pressure_within_a_second() {
        let mut queueing = Queueing::default();
        queueing.on_delay(Duration::ZERO, at(0));
        assert!(!queueing.under_pressure(TARGET, 4, None, at(10)));
        for millis in (100..1_000).step_by(100) {
            queueing.on_delay(Duration::from_millis(500), at(millis));
        }
        assert!(queueing.under_pressure(TARGET, 4, None, at(1_000)));
    }

    #[test]
    fn a_queue_that_does_not_move_is_pressure() {
        let mut queueing = Queueing::default();
        assert!(!queueing.under_pressure(TARGET, 4, Some(at(5_000)), at(5_100)));
        assert!(queueing.under_pressure(TARGET, 4, Some(at(5_000)), at(5_201)));
    }

    #[test]
    fn pressure_lasts_while_more_is_wanted_than_there_is_and_not_a_second_longer() {
        let mut queueing = Queueing::default();
        queueing.on_service(Duration::from_millis(400), at(5_000));
        assert!(queueing.under_pressure(TARGET, 4, Some(at(4_000)), at(5_000)));
        // A hundred visitors a second, all answered by copies: the queue is empty.
        for millis in (5_000..8_000).step_by(10) {
            queueing.on_wanted(at(millis));
            if millis > 5_500 {
                assert!(queueing.under_pressure(TARGET, 4, None, at(millis)), "{millis}");
            }
        }
        // The crowd is gone; three visitors a second remain.
        for millis in (8_000..9_500).step_by(300) {
            queueing.on_wanted(at(millis));
        }
        assert!(!queueing.under_pressure(TARGET, 4, None, at(9_250)));
    }

    #[test]
    fn old_service_times_are_forgotten() {
        let mut queueing = Queueing::default();
        for millis in [100, 900, 300] {
            queueing.on_service(Duration::from_millis(millis), at(millis));
        }
        assert_eq!(queueing.service_median(at(1_000)), Duration::from_millis(300));
        assert_eq!(queueing.service_median(at(60_000)), Duration::ZERO);
    }
}
