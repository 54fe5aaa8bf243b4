//! What is counted for each visitor's address: open connections, and what was fetched from the origin in vain.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use overspill_governance::time::Time;

use crate::limits::{DEBT_TIME, DEBTORS_MAX};

/// Who is taken for one visitor: an IPv4 address, or the /64 that a network gives to each IPv6 host.
pub(crate) fn visitor_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Open connections of each address, so that one visitor cannot take them all.
#[derive(Debug, Default)]
pub(crate) struct Addresses(Mutex<HashMap<IpAddr, u32>>);

impl Addresses {
    /// Counts one more connection of `address`, unless it has `max` already.
    pub(crate) fn enter(&self, address: IpAddr, max: u32) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(visitor_of(address)).or_default();
        if *count >= max {
            return false;
        }
        *count += 1;
        true
    }

    pub(crate) fn leave(&self, address: IpAddr) {
        let (mut counts, visitor) = (self.0.lock().unwrap_or_else(PoisonError::into_inner), visitor_of(address));
        if let Some(count) = counts.get_mut(&visitor) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&visitor);
            }
        }
    }
}

/// Bytes that were fetched from the origin for an address beyond twice what it received. They are forgiven at a constant rate, a whole
/// budget in [`DEBT_TIME`]; while more is owed than the budget, nothing is fetched for that address.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    debts: Mutex<HashMap<IpAddr, Debt>>,
    /// How many there are: nearly always none, and then nobody takes the lock.
    count: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
struct Debt {
    bytes: u64,
    at: Time,
}

impl Debt {
    fn owed(self, budget: u64, now: Time) -> u64 {
        let share = now.since(self.at).as_micros().min(DEBT_TIME.as_micros());
        self.bytes.saturating_sub(u64::try_from(u128::from(budget) * share / DEBT_TIME.as_micros()).unwrap_or(u64::MAX))
    }
}

impl Debts {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Debt>> {
        self.debts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes bytes that came from the origin for `address`. Those of this machine and of proxies that are not told as such stand for many.
    pub(crate) fn charge(&self, address: IpAddr, bytes: u64, budget: u64, now: Time) {
        if address.is_loopback() || bytes == 0 {
            return;
        }
        let mut debts = self.lock();
        if debts.len() >= DEBTORS_MAX {
            debts.retain(|_, debt| debt.owed(budget, now) > 0);
        }
        if debts.len() < DEBTORS_MAX || debts.contains_key(&visitor_of(address)) {
            let debt = debts.entry(visitor_of(address)).or_insert(Debt { bytes: 0, at: now });
            *debt = Debt { bytes: debt.owed(budget, now).saturating_add(bytes), at: now };
        }
        self.count.store(debts.len(), Relaxed);
    }

    /// Tells whether anybody owes anything.
    pub(crate) fn has_any(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// Notes bytes that `address` received: they pay for twice as many.
    pub(crate) fn pay(&self, address: IpAddr, bytes: u64, budget: u64, now: Time) {
        self.forgive(address, bytes.saturating_mul(2), budget, now);
    }

    /// Takes a charge back, or a part of it.
    fn forgive(&self, address: IpAddr, bytes: u64, budget: u64, now: Time) {
        if self.count.load(Relaxed) == 0 || bytes == 0 {
            return;
        }
        let mut debts = self.lock();
        if let Some(debt) = debts.get_mut(&visitor_of(address)) {
            let owed = debt.owed(budget, now).saturating_sub(bytes);
            *debt = Debt { bytes: owed, at: now };
            if owed == 0 {
                debts.remove(&visitor_of(address));
            }
        }
        self.count.store(debts.len(), Relaxed);
    }

    /// Makes a charge that was made in advance, of `charged` bytes, one of `bytes`.
    pub(crate) fn amend(&self, address: IpAddr, (charged, bytes): (u64, u64), budget: u64, now: Time) {
        self.charge(address, bytes.saturating_sub(charged), budget, now);
        self.forgive(address, charged.saturating_sub(bytes), budget, now);
    }

    /// How long nothing is fetched for `address`; nothing if it may go on.
    pub(crate) fn pause(&self, address: IpAddr, budget: u64, now: Time) -> Option<Duration> {
        if self.count.load(Relaxed) == 0 {
            return None;
        }
        let owed = self.lock().get(&visitor_of(address))?.owed(budget, now);
        let over = owed.checked_sub(budget).filter(|over| *over > 0)?;
        Some(DEBT_TIME.mul_f64(over as f64 / budget.max(1) as f64).min(DEBT_TIME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: u64 = 1_000;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    #[test]
    fn nobody_opens_more_connections_than_one_may() {
        let addresses = Addresses::default();
        assert!(addresses.enter(address(1), 2) && addresses.enter(address(1), 2) && !addresses.enter(address(1), 2));
        assert!(addresses.enter(address(2), 2));
        addresses.leave(address(1));
        assert!(addresses.enter(address(1), 2));
        let (one, other): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::ffff:2".parse().unwrap());
        assert!(addresses.enter(one, 1) && !addresses.enter(other, 1), "an IPv6 host has as many addresses as it likes");
        assert!(addresses.enter("2001:db8:0:1::1".parse().unwrap(), 1));
    }

    #[test]
    fn what_is_received_pays_and_what_is_not_is_forgiven_in_time() {
        let (debts, start) = (Debts::default(), Time::ZERO);
        let pause = |last, now| debts.pause(address(last), BUDGET, now);
        debts.charge(address(1), 3_000, BUDGET, start);
        assert_eq!((pause(1, start), pause(2, start)), (Some(DEBT_TIME), None));
        debts.pay(address(1), 500, BUDGET, start);
        assert_eq!(pause(1, start), Some(DEBT_TIME), "2,000 are owed, a budget more than one may owe");
        assert_eq!(pause(1, start.after(DEBT_TIME)), None);
        debts.charge(address(3), 2_000, BUDGET, start);
        debts.amend(address(3), (2_000, 1_000), BUDGET, start);
        assert_eq!(pause(3, start), None, "half of what was expected came");
        debts.amend(address(3), (1_000, 2_000), BUDGET, start);
        assert_eq!(pause(3, start), Some(DEBT_TIME));
        debts.amend(address(3), (2_000, 0), BUDGET, start);
        debts.pay(address(1), 1_000, BUDGET, start);
        assert!(debts.lock().is_empty());
        debts.charge(IpAddr::from([127, 0, 0, 1]), 10_000, BUDGET, start);
        assert!(debts.lock().is_empty(), "a proxy on this machine stands for everybody");
    }

    #[test]
    fn debtors_are_bounded_and_those_who_owe_nothing_make_room() {
        let debts = Debts::default();
        for number in 0..u32::try_from(DEBTORS_MAX).unwrap() + 10 {
            debts.charge(IpAddr::V4((0x0a00_0000 + number).into()), 1, BUDGET, Time::ZERO);
        }
        assert_eq!(debts.lock().len(), DEBTORS_MAX);
        debts.charge(address(9), 2_000, BUDGET, Time::ZERO.after(DEBT_TIME));
        assert_eq!(debts.lock().len(), 1);
    }
}
