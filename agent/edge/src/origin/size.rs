//! How many connections to the origin are worth having: a high-water mark of use that is remembered for an interval. Pure; time is told.
//!
//! The mark is a maximum over a window, not an average: use that comes and goes within the interval never moves it, so that connections are
//! not closed only to be opened again.

use std::time::Duration;

use overspill_governance::time::Time;

/// Parts of the window. A use is remembered for the interval, or up to a part less.
const PARTS: u32 = 8;

/// What the operator asks of the pool's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Connections that are there, used or not, from the start.
    pub(crate) start: u32,
    /// Connections that are there unused, at most.
    pub(crate) max: u32,
    /// How long use is remembered.
    pub(crate) interval: Duration,
}

/// Use, and its high-water mark.
#[derive(Debug, Default)]
pub(crate) struct Size {
    /// In use now.
    used: u32,
    /// The highest use in each part of the window, the present one first.
    marks: [u32; PARTS as usize],
    /// When the present part began.
    began: Time,
}

impl Size {
    /// In use now.
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// One more is in use.
    pub(crate) fn rise(&mut self, bounds: Bounds, now: Time) {
        self.turn(bounds, now);
        self.used += 1;
        self.marks[0] = self.marks[0].max(self.used);
    }

    /// One less is.
    pub(crate) fn fall(&mut self, bounds: Bounds, now: Time) {
        self.turn(bounds, now);
        self.used = self.used.saturating_sub(1);
    }

    /// The most that were in use at once within the interval.
    pub(crate) fn mark(&mut self, bounds: Bounds, now: Time) -> u32 {
        self.turn(bounds, now);
        self.marks.into_iter().max().unwrap_or_default()
    }

    /// Unused connections that are worth keeping: what was in use lately and is not, and a quarter more. Together with those in use they are
    /// as many as at the mark, or what is closed when use ebbs would be prepared again when it comes back.
    pub(crate) fn kept(&mut self, bounds: Bounds, now: Time) -> u32 {
        let mark = self.mark(bounds, now);
        (mark + ahead(mark)).max(bounds.start).saturating_sub(self.used).min(bounds.max)
    }

    /// Unused connections that should be there before anybody needs them: the first ones, then a quarter of what was in use lately. To an
    /// origin that does not `keep` connections, only the first ones.
    pub(crate) fn prepared(&mut self, bounds: Bounds, keeps: bool, now: Time) -> u32 {
        let ahead = if keeps { ahead(self.mark(bounds, now)) } else { 0 };
        bounds.start.saturating_sub(self.used).max(ahead).min(bounds.max)
    }

    /// Moves the window on. What was in use when a part began was in use in it.
    fn turn(&mut self, bounds: Bounds, now: Time) {
        let part = (bounds.interval / PARTS).max(Duration::from_micros(1));
        let passed = now.since(self.began);
        if passed < part {
            return;
        }
        let parts = passed.as_micros() / part.as_micros();
        let fresh = usize::try_from(parts).unwrap_or(usize::MAX).min(self.marks.len());
        self.marks.rotate_right(fresh);
        self.marks[..fresh].fill(self.used);
        self.began = self.began.after(Duration::from_micros(u64::try_from(parts * part.as_micros()).unwrap_or(u64::MAX)));
    }
}

/// A quarter, rounded up.
fn ahead(mark: u32) -> u32 {
    mark.div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INTERVAL: Duration = Duration::from_secs(8);
    const BOUNDS: Bounds = Bounds { start: 2, max: 32, interval: INTERVAL };

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    /// Brings use to a level.
    fn set(size: &mut Size, level: u32, now: Time) {
        while size.used < level {
            size.rise(BOUNDS, now);
        }
        while size.used > level {
            size.fall(BOUNDS, now);
        }
    }

    #[test]
    fn it_starts_as_configured_grows_with_use_and_shrinks_when_the_interval_is_over() {
        let mut size = Size::default();
        assert_eq!((size.kept(BOUNDS, at(0)), size.prepared(BOUNDS, true, at(0))), (2, 2));
        set(&mut size, 20, at(1_000));
        assert_eq!((size.kept(BOUNDS, at(1_000)), size.prepared(BOUNDS, true, at(1_000))), (5, 5), "a quarter ahead of use");
        assert_eq!(size.prepared(BOUNDS, false, at(1_000)), 0, "an origin that closes them gets none in vain");
        set(&mut size, 0, at(2_000));
        assert_eq!(size.kept(BOUNDS, at(2_000)), 25);
        assert_eq!(size.kept(BOUNDS, at(9_000)), 25, "seven eighths of the interval later");
        assert_eq!(size.kept(BOUNDS, at(10_000)), 2, "a whole interval later");
        set(&mut size, 1_000, at(11_000));
        set(&mut size, 0, at(11_000));
        assert_eq!(size.kept(BOUNDS, at(11_000)), BOUNDS.max);
    }

    #[test]
    fn use_that_lasts_is_not_forgotten() {
        let mut size = Size::default();
        set(&mut size, 5, at(0));
        assert_eq!(size.mark(BOUNDS, at(3_600_000)), 5);
    }

    #[test]
    fn an_interval_of_nothing_and_one_that_a_reload_changes_divide_by_nothing() {
        let mut size = Size::default();
        size.rise(Bounds { interval: Duration::ZERO, ..BOUNDS }, at(5));
        size.fall(Bounds { interval: Duration::MAX, ..BOUNDS }, at(6));
        assert_eq!(size.mark(Bounds { interval: Duration::ZERO, ..BOUNDS }, at(7)), 0);
    }

    proptest! {
        /// Against the definition: the highest use within the interval, or up to a part of it less.
        #[test]
        fn the_mark_is_the_highest_use_of_the_interval(steps in prop::collection::vec((0_u64..3_000, 0_u32..40), 1..80)) {
            let (mut size, mut now, mut past) = (Size::default(), 0, vec![(0_u64, 0_u32)]);
            for (pause, level) in steps {
                now += pause;
                set(&mut size, level, at(now));
                past.push((now, level));
                // Each level lasts until the next step.
                let highest = |span: u64| {
                    let until = past.iter().skip(1).map(|(time, _)| *time).chain([u64::MAX]);
                    past.iter().zip(until).filter(|(_, until)| until.saturating_add(span) >= now).map(|((_, level), _)| *level).max().unwrap()
                };
                let mark = size.mark(BOUNDS, at(now));
                prop_assert!(mark >= highest(6_999) && mark <= highest(8_000), "{mark} at {now}: {past:?}");
                prop_assert!(mark >= size.used());
                prop_assert!(size.prepared(BOUNDS, true, at(now)) <= size.kept(BOUNDS, at(now)));
                prop_assert!(size.kept(BOUNDS, at(now)) <= BOUNDS.max);
            }
        }

        /// Use that swings within the interval, however wide and however often, has nothing closed once it has swung one time.
        #[test]
        fn it_does_not_flap(low in 0_u32..10, more in 1_u32..20, period in 10_u64..7_000, swings in 2_u64..40) {
            let mut size = Size::default();
            let high = low + more;
            set(&mut size, high, at(0));
            for swing in 0..swings {
                let begin = swing * period;
                for (time, level) in [(begin, high), (begin + period / 2, low), (begin + period - 1, low)] {
                    set(&mut size, level, at(time));
                    // All that were in use, idle or not, are worth keeping, and so are those that were prepared beside them.
                    let all = (high + ahead(high)).min(BOUNDS.max);
                    prop_assert!(size.kept(BOUNDS, at(time)) + level >= all, "{level} at {time}");
                }
            }
        }

        #[test]
        fn it_shrinks_to_its_start_when_nobody_comes(level in 0_u32..100, after in 8_000_u64..100_000) {
            let mut size = Size::default();
            set(&mut size, level, at(0));
            set(&mut size, 0, at(0));
            prop_assert_eq!(size.kept(BOUNDS, at(after)), BOUNDS.start);
        }
    }
}
