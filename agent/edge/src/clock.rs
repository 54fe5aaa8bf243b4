//! The one clock of the process, shared with the agent's driver so that both speak of the same [`Time`].

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use overspill_governance::time::{Date, Now, Time};

/// Reads both kinds of time. Copies of one clock agree.
#[derive(Debug, Clone)]
pub struct Clock {
    start: Instant,
    shift_ms: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// Starts a clock: its [`Time::ZERO`] is this moment.
    #[must_use]
    pub fn new() -> Self {
        Self::shifted(0)
    }

    /// Starts a clock whose calendar is wrong by so many milliseconds, for trials.
    #[must_use]
    pub fn shifted(shift_ms: i64) -> Self {
        Self { start: Instant::now(), shift_ms }
    }

    /// The running time: cheap, for decisions on the hot path.
    #[must_use]
    pub fn time(&self) -> Time {
        let passed = self.start.elapsed();
        Time::from_micros(passed.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(passed.subsec_micros())))
    }

    /// The moment of a running time.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.start + Duration::from_micros(time.as_micros())
    }

    /// The calendar, as the operating system believes it, with the clock's shift.
    #[must_use]
    pub fn date(&self) -> Date {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Date::from_millis(millis.saturating_add_signed(self.shift_ms))
    }

    /// Both readings.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { time: self.time(), date: self.date() }
    }
}
