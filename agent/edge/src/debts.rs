//! What was fetched from the origin for each visitor's address in vain, or is about to be.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use overspill_governance::time::Time;
use tokio::sync::Notify;

use crate::{
    addresses::visitor_of,
    clock::Clock,
    limits::{DEBT_TIME, DEBTORS_MAX, UNSEEN_BYTES},
};

/// Bytes that were fetched from the origin for an address beyond twice what it received. They are forgiven at a constant rate, a whole
/// budget in [`DEBT_TIME`]; while more is owed than the budget, nothing is fetched for that address.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    debts: Mutex<HashMap<IpAddr, Debt>>,
    /// How many there are: nearly always none, and then nobody takes the lock.
    count: AtomicUsize,
}

/// What one address owes.
#[derive(Debug)]
struct Debt {
    bytes: u64,
    at: Time,
    /// Requests of which it is not known yet what the origin sends for them.
    reserved: u64,
    /// Whoever waits for one of those to be known.
    turn: Arc<Notify>,
}

impl Debt {
    fn new(now: Time) -> Self {
        Self { bytes: 0, at: now, reserved: 0, turn: Arc::default() }
    }

    fn set(&mut self, bytes: u64, now: Time) {
        (self.bytes, self.at) = (bytes, now);
    }

    /// Nothing is owed, reserved or waited for.
    fn is_over(&self, budget: u64, now: Time) -> bool {
        self.reserved == 0 && Arc::strong_count(&self.turn) == 1 && self.owed(budget, now) == 0
    }

    fn owed(&self, budget: u64, now: Time) -> u64 {
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
            debts.retain(|_, debt| !debt.is_over(budget, now));
        }
        if debts.len() < DEBTORS_MAX || debts.contains_key(&visitor_of(address)) {
            let debt = debts.entry(visitor_of(address)).or_insert_with(|| Debt::new(now));
            debt.set(debt.owed(budget, now).saturating_add(bytes), now);
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
            debt.set(debt.owed(budget, now).saturating_sub(bytes), now);
            if debt.is_over(budget, now) {
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
        pause(self.lock().get(&visitor_of(address))?.owed(budget, now), budget)
    }

    /// Lets `address` have something fetched, which counts as owed, [`UNSEEN_BYTES`] of it, until it is known what comes. Requests that are made
    /// together would otherwise all be let through before the first is charged. While what is reserved is all that is too much, it waits its turn.
    ///
    /// # Errors
    /// How long nothing is fetched for it.
    pub(crate) async fn reserve(
        self: &Arc<Self>,
        address: IpAddr,
        budget: u64,
        wait: Duration,
        clock: &Clock,
    ) -> Result<Reservation, Duration> {
        let (deadline, mut waited) = (clock.time().after(wait), None::<Arc<Notify>>);
        loop {
            let attempt = self.try_reserve(address, budget, clock.time());
            // Whoever had a turn hands it on: there may be room for the next, too, and a debt is told to all who wait at once.
            if let Some(turn) = waited.take().filter(|_| !matches!(attempt, Attempt::Waits(_))) {
                turn.notify_one();
            }
            match attempt {
                Attempt::Reserved(reservation) => return Ok(reservation),
                Attempt::Owes(pause) => return Err(pause),
                Attempt::Waits(turn) => {
                    let left = deadline.since(clock.time());
                    if left.is_zero() || tokio::time::timeout(left, turn.notified()).await.is_err() {
                        return Err(Duration::from_secs(1));
                    }
                    waited = Some(turn);
                }
            }
        }
    }

    /// The same at once, or not.
    pub(crate) fn reserve_now(self: &Arc<Self>, address: IpAddr, budget: u64, now: Time) -> Option<Reservation> {
        match self.try_reserve(address, budget, now) {
            Attempt::Reserved(reservation) => Some(reservation),
            Attempt::Owes(_) | Attempt::Waits(_) => None,
        }
    }

    fn try_reserve(self: &Arc<Self>, address: IpAddr, budget: u64, now: Time) -> Attempt {
        let visitor = visitor_of(address);
        if address.is_loopback() {
            return Attempt::Reserved(Reservation { debts: None, visitor });
        }
        let mut debts = self.lock();
        if debts.len() >= DEBTORS_MAX && !debts.contains_key(&visitor) {
            debts.retain(|_, debt| !debt.is_over(budget, now));
            if debts.len() >= DEBTORS_MAX {
                return Attempt::Reserved(Reservation { debts: None, visitor });
            }
        }
        let debt = debts.entry(visitor).or_insert_with(|| Debt::new(now));
        let owed = debt.owed(budget, now);
        if let Some(pause) = pause(owed, budget) {
            return Attempt::Owes(pause);
        }
        if owed.saturating_add(debt.reserved.saturating_mul(UNSEEN_BYTES)) > budget {
            return Attempt::Waits(Arc::clone(&debt.turn));
        }
        debt.reserved += 1;
        self.count.store(debts.len(), Relaxed);
        drop(debts);
        Attempt::Reserved(Reservation { debts: Some(Arc::clone(self)), visitor })
    }
}

/// How long nothing is fetched for whoever owes so much; nothing if it may go on.
fn pause(owed: u64, budget: u64) -> Option<Duration> {
    let over = owed.checked_sub(budget).filter(|over| *over > 0)?;
    Some(DEBT_TIME.mul_f64(over as f64 / budget.max(1) as f64).min(DEBT_TIME))
}

/// What came of trying to reserve.
enum Attempt {
    Reserved(Reservation),
    Owes(Duration),
    Waits(Arc<Notify>),
}

/// That something is fetched for an address, until it is known how much.
#[derive(Debug)]
pub(crate) struct Reservation {
    /// Nothing for those who owe nothing whatever they do.
    debts: Option<Arc<Debts>>,
    visitor: IpAddr,
}

impl Reservation {
    /// Makes a charge of it, now that it is known what comes. Tells whether no more than the budget was owed before.
    pub(crate) fn charge(self, bytes: u64, budget: u64, now: Time) -> bool {
        let Some(debts) = &self.debts else { return true };
        let was_within = debts.lock().get(&self.visitor).is_none_or(|debt| debt.owed(budget, now) <= budget);
        debts.charge(self.visitor, bytes, budget, now);
        was_within
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some(all) = &self.debts else { return };
        let mut debts = all.lock();
        if let Some(debt) = debts.get_mut(&self.visitor) {
            debt.reserved = debt.reserved.saturating_sub(1);
            debt.turn.notify_one();
            if debt.bytes == 0 && debt.reserved == 0 && Arc::strong_count(&debt.turn) == 1 {
                debts.remove(&self.visitor);
            }
        }
        all.count.store(debts.len(), Relaxed);
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

    const WIDE: u64 = 2 * UNSEEN_BYTES;

    fn reserve(debts: &Arc<Debts>, last: u8) -> Option<Reservation> {
        debts.reserve_now(address(last), WIDE, Time::ZERO)
    }

    #[test]
    fn what_is_under_way_counts_before_it_is_known() {
        let debts = Arc::<Debts>::default();
        let begun: Vec<_> = (0..9).map_while(|_| reserve(&debts, 1)).collect();
        assert_eq!(begun.len(), 3, "a budget, and one more");
        assert!(reserve(&debts, 2).is_some(), "another address");
        let mut begun = begun.into_iter();
        assert!(begun.next().unwrap().charge(10, WIDE, Time::ZERO));
        drop(begun.next());
        let again = reserve(&debts, 1);
        assert!(again.is_some(), "what was little makes room");
        assert!(begun.next().unwrap().charge(WIDE, WIDE, Time::ZERO), "ten bytes were owed");
        assert!(!again.unwrap().charge(1, WIDE, Time::ZERO), "more than the budget was");
        assert_eq!(debts.lock()[&address(1)].bytes, WIDE + 11);
        assert!(matches!(debts.try_reserve(address(1), WIDE, Time::ZERO), Attempt::Owes(_)));
        assert_eq!(debts.lock().len(), 1, "who owes nothing is forgotten");
        let local = [127, 0, 0, 1].into();
        assert!((0..9).all(|_| matches!(debts.try_reserve(local, WIDE, Time::ZERO), Attempt::Reserved(_))));
    }

    #[tokio::test]
    async fn whoever_waits_has_a_turn_or_is_told_in_time() {
        let (debts, clock) = (Arc::<Debts>::default(), Clock::new());
        let reserve = |wait: Duration| {
            let (debts, clock) = (Arc::clone(&debts), clock.clone());
            async move { debts.reserve(address(1), WIDE, wait, &clock).await }
        };
        let long = Duration::from_secs(60);
        let mut begun = Vec::new();
        for _ in 0..3 {
            begun.push(reserve(long).await.unwrap());
        }
        assert_eq!(reserve(Duration::from_millis(1)).await.unwrap_err(), Duration::from_secs(1), "not for ever");
        let waiting: Vec<_> = (0..4).map(|_| tokio::spawn(reserve(long))).collect();
        while Arc::strong_count(&debts.lock()[&address(1)].turn) < 5 {
            tokio::task::yield_now().await;
        }
        drop(begun.pop());
        let mut came = Vec::new();
        let charged = begun.pop().unwrap();
        for (number, waits) in waiting.into_iter().enumerate() {
            match (number, waits.await.unwrap()) {
                (0, Ok(reservation)) => {
                    came.push(reservation);
                    debts.charge(address(1), 2 * WIDE, WIDE, clock.time());
                    drop(begun.pop());
                }
                (1.., Err(pause)) => assert!(pause > Duration::from_secs(1), "everybody hears of the debt at once: {pause:?}"),
                (number, other) => panic!("{number}: {other:?}"),
            }
        }
        drop((charged, came));
    }
}
