//! A site's clocks: one that runs, perhaps a little too fast, and a calendar that is off, drifts with it and may be set.

use overspill_governance::time::{Date, Now, Time};

/// The calendar when worlds begin.
const BEGINNING: Date = Date::from_millis(1_700_000_000_000);

const MILLION: i128 = 1_000_000;

/// What a site believes of time. Exact: integers, and the way back from its time to the world's is the way there.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The calendar's error, in milliseconds. May be set at any time: the calendar jumps.
    pub offset_ms: i64,
    /// How much too fast both run, in millionths. Quartz is off by up to a hundred.
    ppm: i32,
    /// When the speed last changed, in the world's time and in the site's own.
    since: (Time, Time),
}

impl Default for Clock {
    fn default() -> Self {
        Self { offset_ms: 0, ppm: 0, since: (Time::ZERO, Time::ZERO) }
    }
}

impl Clock {
    /// From `now` on the clock runs `ppm` millionths too fast, or too slow. What it showed so far it keeps.
    pub fn drift(&mut self, now: Time, ppm: i32) {
        (self.since, self.ppm) = ((now, self.running(now)), ppm.clamp(-500_000, 500_000));
    }

    /// The moment as the site reads it.
    pub fn read(&self, now: Time) -> Now {
        let time = self.running(now);
        let millis = BEGINNING.as_millis() + time.as_micros() / 1_000;
        Now { time, date: Date::from_millis(millis.saturating_add_signed(self.offset_ms)) }
    }

    /// The first moment of the world at which the site's clock shows `local`.
    pub fn world_time(&self, local: Time) -> Time {
        if local == Time::MAX {
            return local;
        }
        let span = i128::from(local.as_micros()) - i128::from(self.since.1.as_micros());
        let speed = MILLION + i128::from(self.ppm);
        // Rounded up: at the moment before, the clock shows less.
        let span = -((-span * MILLION).div_euclid(speed));
        moved(self.since.0, span)
    }

    fn running(&self, now: Time) -> Time {
        let span = i128::from(now.as_micros()) - i128::from(self.since.0.as_micros());
        moved(self.since.1, (span * (MILLION + i128::from(self.ppm))).div_euclid(MILLION))
    }
}

fn moved(from: Time, span: i128) -> Time {
    Time::from_micros(u64::try_from(i128::from(from.as_micros()) + span).unwrap_or(if span < 0 { 0 } else { u64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_deadline_is_met_at_the_first_moment_that_shows_it(
            ppms in prop::collection::vec(-1_000_i32..1_000, 1..4), steps in prop::collection::vec(1_u64..1 << 40, 4), ahead in 0_u64..1 << 40,
        ) {
            let (mut clock, mut now) = (Clock::default(), Time::ZERO);
            for (ppm, step) in ppms.iter().zip(&steps) {
                let before = clock.read(now).time;
                now = Time::from_micros(now.as_micros() + step);
                prop_assert!(clock.read(now).time >= before, "a running clock does not go back");
                let shown = clock.read(now);
                clock.drift(now, *ppm);
                prop_assert_eq!(clock.read(now), shown, "a new speed is no jump");
            }
            let local = Time::from_micros(clock.read(now).time.as_micros() + ahead);
            let met = clock.world_time(local);
            prop_assert!(clock.read(met).time >= local);
            prop_assert!(met <= now || clock.read(Time::from_micros(met.as_micros() - 1)).time < local);
        }
    }

    #[test]
    fn a_clock_that_is_a_tenth_fast_is_six_seconds_ahead_after_a_minute() {
        let mut clock = Clock::default();
        clock.drift(Time::ZERO, 100_000);
        let minute = Time::from_micros(60_000_000);
        assert_eq!(clock.read(minute).time, Time::from_micros(66_000_000));
        assert_eq!(clock.world_time(Time::from_micros(66_000_000)), minute);
        clock.offset_ms = -1_000;
        assert_eq!(clock.read(minute).date.as_millis(), BEGINNING.as_millis() + 65_000);
    }
}
