//! Two kinds of time that cannot be confused: [`Time`] runs, [`Date`] is agreed on.

use core::{fmt, time::Duration};

use bincode::{Decode, Encode};

/// Monotonic time of one process, in microseconds since an arbitrary start. Never on the wire, never in a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The start of this process's time.
    pub const ZERO: Self = Self(0);
    /// Later than every other time.
    pub const MAX: Self = Self(u64::MAX);

    /// Makes a time from microseconds since the process's start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the process's start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This time moved later by `span`, stopping at [`Time::MAX`].
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Calendar time as members state it to each other, in milliseconds since 1970-01-01T00:00:00Z. Compared with a tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Date(u64);

/// How far the clocks of two honest members may be apart.
pub const SKEW_MAX: Duration = Duration::from_secs(120);

const DAY_MS: u64 = 86_400_000;

impl Date {
    /// Later than every other date.
    pub const MAX: Self = Self(u64::MAX);

    /// Makes a date from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole days since the Unix epoch, in UTC.
    pub fn day(self) -> u32 {
        u32::try_from(self.0 / DAY_MS).unwrap_or(u32::MAX)
    }

    /// When a day since the Unix epoch begins, in UTC.
    pub fn of_day(day: u32) -> Self {
        Self(u64::from(day) * DAY_MS)
    }

    /// This date moved later by `span`, stopping at [`Date::MAX`].
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// This date moved earlier by `span`, stopping at the epoch.
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Tells whether `stated`, another member's date for this moment, is within [`SKEW_MAX`] of ours.
    pub fn agrees_with(self, stated: Self) -> bool {
        self.0.abs_diff(stated.0) <= SKEW_MAX.as_millis() as u64
    }
}

impl Date {
    /// The day alone, as RFC 3339 writes it.
    pub fn on(self) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            let (year, month, day) = civil(self.0 / DAY_MS);
            write!(f, "{year:04}-{month:02}-{day:02}")
        })
    }
}

impl fmt::Display for Date {
    /// Writes the date as RFC 3339 in UTC, to the second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.as_secs() / 86_400, self.as_secs() % 86_400);
        let (year, month, day) = civil(days);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
    }
}

/// Year, month and day of a day counted from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Both readings of the moment at which a machine is told or asked something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// The running clock.
    pub time: Time,
    /// The calendar, as this site believes it.
    pub date: Date,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn dates_print_as_rfc_3339() {
        assert_eq!(Date::from_millis(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Date::from_millis(951_782_399_000).to_string(), "2000-02-28T23:59:59Z");
        assert_eq!(Date::from_millis(951_782_400_000).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(Date::from_millis(1_795_305_600_000).to_string(), "2026-11-22T00:00:00Z");
    }

    #[test]
    fn every_day_of_the_calendars_round_follows_the_one_before() {
        let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let mut expected = (1970, 1, 1);
        for day in 0..146_097 + 365 {
            assert_eq!(civil(day), expected);
            let (year, month, date) = expected;
            let last = match month {
                2 => 28 + u64::from(is_leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, date == last) {
                (12, true) => (year + 1, 1, 1),
                (_, true) => (year, month + 1, 1),
                _ => (year, month, date + 1),
            };
        }
    }

    #[test]
    fn clocks_agree_within_the_tolerance_on_either_side() {
        let (now, tolerance) = (Date::from_millis(1_000_000), 120_000);
        assert!(now.agrees_with(Date::from_millis(1_000_000 + tolerance)) && now.agrees_with(Date::from_millis(1_000_000 - tolerance)));
        assert!(!now.agrees_with(Date::from_millis(1_000_001 + tolerance)) && !now.agrees_with(Date::from_millis(999_999 - tolerance)));
    }

    #[test]
    fn time_stops_at_its_ends() {
        assert_eq!(Time::MAX.after(Duration::from_secs(1)), Time::MAX);
        assert_eq!(Time::ZERO.since(Time::MAX), Duration::ZERO);
        assert_eq!(Date::from_millis(5).before(Duration::from_secs(1)), Date::from_millis(0));
    }
}
