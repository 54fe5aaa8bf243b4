//! What one member has had of its quota: by the day, and at once.

use alloc::collections::BTreeMap;

use overspill_governance::{
    payword::LeaseId,
    site::SiteId,
    time::Date,
    units::{ByteRate, Bytes, RequestRate},
};

use super::{Guest, HelperSide};
use crate::{lease::table::Phase, limits::DRAIN_SHARE_PERCENT, quota::Quota};

/// Body bytes that were carried for each member on the last day on which there were any; of one day at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Day {
    day: u64,
    members: BTreeMap<SiteId, Bytes>,
}

impl Day {
    /// Adds what was carried on the day of `date`; of days that are over nothing is kept.
    pub(super) fn add(&mut self, member: SiteId, date: Date, bytes: Bytes) {
        let day = day_of(date);
        if bytes == Bytes::ZERO || day < self.day {
            return;
        }
        if day > self.day {
            self.day = day;
            self.members.clear();
        }
        let sum = self.members.entry(member).or_default();
        *sum = sum.saturating_add(bytes);
    }

    /// What was carried for each member on the day of `date`.
    fn of(&self, date: Date) -> impl Iterator<Item = (&SiteId, &Bytes)> {
        self.members.iter().filter(move |_| day_of(date) == self.day)
    }

    fn sum(&self, member: &SiteId, date: Date) -> Bytes {
        let of_today = self.members.get(member).filter(|_| day_of(date) == self.day);
        of_today.copied().unwrap_or_default()
    }
}

fn day_of(date: Date) -> u64 {
    date.as_secs() / 86_400
}

impl HelperSide {
    /// Whether nothing is carried for this member at present: it is stopped, it is not the hour, or it had its bytes of the day.
    pub(crate) fn withholds(&self, member: &SiteId, now: Date) -> bool {
        self.is_stopped(member) || !self.caps.hours.contain(now) || self.day.sum(member, now) >= self.caps.member.day
    }

    /// Bytes that may be stored for one member.
    pub(crate) fn storage(&self) -> Bytes {
        self.caps.storage.min(self.caps.member.storage)
    }

    /// Body bytes that were carried today, by member.
    pub(crate) fn carried_today(&self, today: Date) -> BTreeMap<SiteId, Bytes> {
        self.day.of(today).map(|(member, bytes)| (*member, *bytes)).collect()
    }

    /// Rates that may be promised to one member in all: a part is kept for its leases that drain.
    pub(super) fn promised_most(&self) -> (RequestRate, ByteRate) {
        let Quota { requests, bytes, .. } = self.caps.member;
        let share = |most: u64| {
            let share = u128::from(most) * u128::from(100 - DRAIN_SHARE_PERCENT) / 100;
            u64::try_from(share).unwrap_or(most).max(most.min(1))
        };
        (RequestRate(u32::try_from(share(requests.0.into())).unwrap_or(u32::MAX)), ByteRate(share(bytes.0)))
    }

    /// Rates that may still be promised to a member, not counting a lease that is about to be replaced.
    pub(super) fn left_to_promise(&self, member: &SiteId, without: Option<LeaseId>) -> (RequestRate, ByteRate) {
        let (most, promised) = (self.promised_most(), self.bound(Some(member), without));
        (RequestRate(most.0.0.saturating_sub(promised.0.0)), ByteRate(most.1.0.saturating_sub(promised.1.0)))
    }

    /// Rates that each lease of a member which drains may use: of what its held ones leave.
    pub(crate) fn left_of(&self, member: &SiteId) -> (RequestRate, ByteRate) {
        let drains = |guest: &&Guest| guest.terms.phase == Phase::Draining && guest.terms.owner() == *member && guest.live.is_some();
        let draining = u32::try_from(self.leases.values().filter(drains).count()).unwrap_or(u32::MAX).max(1);
        let (quota, promised) = (self.caps.member, self.bound(Some(member), None));
        let (requests, bytes) = (quota.requests.0.saturating_sub(promised.0.0), quota.bytes.0.saturating_sub(promised.1.0));
        (RequestRate(requests / draining), ByteRate(bytes / u64::from(draining)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_and_a_calendar_put_back_gives_nothing() {
        let date = |hours: u64| Date::from_millis(hours * 3_600_000);
        let (one, other) = (SiteId([1; 32]), SiteId([2; 32]));
        let mut day = Day::default();
        day.add(one, date(25), Bytes(5));
        day.add(one, date(47), Bytes(2));
        day.add(other, date(47), Bytes(1));
        assert_eq!((day.sum(&one, date(40)), day.sum(&other, date(40)), day.sum(&one, date(48))), (Bytes(7), Bytes(1), Bytes(0)));
        day.add(one, date(49), Bytes(3));
        day.add(one, date(30), Bytes(9));
        assert_eq!((day.sum(&one, date(50)), day.sum(&other, date(50)), day.members.len()), (Bytes(3), Bytes(0), 1));
    }
}
