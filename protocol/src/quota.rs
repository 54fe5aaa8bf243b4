//! What one member may have of what a site carries for others, and at which hours anything is carried.

use overspill_governance::{
    time::Date,
    units::{ByteRate, Bytes, RequestRate},
};

/// Bounds for each member, beside the caps for all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests in each second.
    pub requests: RequestRate,
    /// Body bytes in each second.
    pub bytes: ByteRate,
    /// Body bytes in a day of the calendar (UTC).
    pub day: Bytes,
    /// Bytes of stored objects.
    pub storage: Bytes,
}

impl Quota {
    /// No bounds.
    pub const OPEN: Self =
        Self { requests: RequestRate(u32::MAX), bytes: ByteRate(u64::MAX), day: Bytes(u64::MAX), storage: Bytes(u64::MAX) };
}

/// A part of each day (UTC), in minutes since midnight: from one to before the other, over midnight if the other is not later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    to: u16,
}

impl Hours {
    /// All of them.
    pub const ALWAYS: Self = Self { from: 0, to: DAY };

    /// The part of the day between two minutes of it; `None` when there is no such minute, or no time between them.
    #[must_use]
    pub fn between(from: u16, to: u16) -> Option<Self> {
        (from < DAY && to <= DAY && from != to).then_some(Self { from, to })
    }

    /// First minute, and the minute after the last.
    #[must_use]
    pub fn minutes(self) -> (u16, u16) {
        (self.from, self.to)
    }

    /// Whether a date is in it.
    #[must_use]
    pub fn contain(self, date: Date) -> bool {
        let minute = date.as_secs() / 60 % u64::from(DAY);
        let (from, to) = (u64::from(self.from), u64::from(self.to));
        if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
    }
}

/// Minutes of a day.
const DAY: u16 = 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_night_goes_over_midnight_and_a_day_has_all_hours() {
        let at = |hour: u64| Date::from_millis((40_000 * 24 + hour) * 3_600_000);
        let of = |hours: Hours| -> Vec<u64> { (0..24).filter(|hour| hours.contain(at(*hour))).collect() };
        assert_eq!(of(Hours::between(22 * 60, 2 * 60).unwrap()), [0, 1, 22, 23]);
        assert_eq!(of(Hours::between(8 * 60, 10 * 60).unwrap()), [8, 9]);
        assert_eq!(of(Hours::between(22 * 60, DAY).unwrap()), [22, 23]);
        assert_eq!(of(Hours::ALWAYS).len(), 24);
        assert_eq!([Hours::between(5, 5), Hours::between(DAY, 5), Hours::between(5, DAY + 1)], [None; 3]);
    }
}
