//! What was carried for others in the last thirty days, by days, so that a monthly cap needs no reset.

use alloc::collections::BTreeMap;

use overspill_governance::{time::Date, units::Bytes};

const DAYS: u64 = 30;

/// Body bytes by day; never more than a month of days.
#[derive(Debug, Clone, Default)]
pub(crate) struct Month(BTreeMap<u64, Bytes>);

impl Month {
    /// Adds what was carried on the day of `date`.
    pub(crate) fn add(&mut self, date: Date, bytes: Bytes) {
        if bytes > Bytes::ZERO {
            let today = day(date);
            let sum = self.0.entry(today).or_default();
            *sum = sum.saturating_add(bytes);
            while self.0.len() as u64 > DAYS {
                self.0.pop_first();
            }
        }
    }

    /// What was carried in the thirty days that end with the day of `date`.
    pub(crate) fn sum(&self, date: Date) -> Bytes {
        let from = (day(date) + 1).saturating_sub(DAYS);
        self.0.range(from..).fold(Bytes::ZERO, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

fn day(date: Date) -> u64 {
    date.as_secs() / 86_400
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_fall_out_of_the_month() {
        let date = |day: u64| Date::from_millis(day * 86_400_000);
        let mut month = Month::default();
        for day in 0..60 {
            month.add(date(day), Bytes(1));
        }
        assert_eq!((month.sum(date(59)), month.sum(date(69)), month.sum(date(200))), (Bytes(30), Bytes(20), Bytes(0)));
        assert_eq!(month.0.len(), 30);
    }
}
