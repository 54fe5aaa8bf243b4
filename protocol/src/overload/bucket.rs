//! A token bucket as one number: the moment at which it was, or will be, empty.
//!
//! The state is a time and not a count of tokens, so that it fits one atomic word, needs no refilling, and survives a change
//! of rate. Nothing else is remembered: when demand ends, so does every effect of it (design 5.2).

use core::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use overspill_governance::time::Time;

/// Keeps "now minus the burst" above zero for a process that has just started.
const OFFSET_NANOS: u64 = 3_600_000_000_000;

/// How fast a bucket fills, how much it holds, and how far it may be overdrawn, the latter two as time at that rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Units in each second; 0 lets nothing through.
    pub per_second: u64,
    /// What a full bucket holds.
    pub burst: Duration,
    /// Debt beyond this is forgiven, so that no single charge can silence a site for long.
    pub debt_max: Duration,
}

impl Flow {
    /// How long the flow takes to carry `amount`, rounded up so that rounding never lets anything through.
    pub fn nanos(&self, amount: u64) -> u64 {
        if self.per_second == 0 {
            return u64::MAX;
        }
        let nanos = (u128::from(amount) * 1_000_000_000).div_ceil(u128::from(self.per_second));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// A lock-free token bucket.
#[derive(Debug, Default)]
pub struct Bucket {
    empty_at: AtomicU64,
}

impl Bucket {
    /// Takes `amount` if the bucket holds it above the level `keep`, in one atomic step.
    ///
    /// A full bucket pays for any amount, and owes the rest: an object larger than the burst must be servable in calm.
    pub fn take(&self, amount: u64, keep: Duration, flow: Flow, now: Time) -> bool {
        let (now, burst) = (nanos(now), span(flow.burst));
        let (cost, keep) = (flow.nanos(amount), span(keep).min(burst));
        self.empty_at
            .try_update(Relaxed, Relaxed, |empty_at| {
                let start = empty_at.max(now - burst);
                let need = cost.min(burst - keep);
                let affords = start.saturating_add(need).saturating_add(keep) <= now;
                affords.then(|| start.saturating_add(cost).min(now.saturating_add(span(flow.debt_max))))
            })
            .is_ok()
    }

    /// Tells whether [`Bucket::take`] would succeed.
    pub fn affords(&self, amount: u64, keep: Duration, flow: Flow, now: Time) -> bool {
        let (now, burst) = (nanos(now), span(flow.burst));
        let keep = span(keep).min(burst);
        let start = self.empty_at.load(Relaxed).max(now - burst);
        start.saturating_add(flow.nanos(amount).min(burst - keep)).saturating_add(keep) <= now
    }

    /// Takes `amount` whatever the bucket holds, into bounded debt.
    pub fn charge(&self, amount: u64, flow: Flow, now: Time) {
        let (now, cost) = (nanos(now), flow.nanos(amount));
        let floor = now - span(flow.burst);
        let ceiling = now.saturating_add(span(flow.debt_max));
        let _ = self.empty_at.try_update(Relaxed, Relaxed, |empty_at| Some(empty_at.max(floor).saturating_add(cost).min(ceiling)));
    }

    /// What the bucket holds, as time at its flow.
    pub fn saved(&self, flow: Flow, now: Time) -> Duration {
        let empty_at = self.empty_at.load(Relaxed);
        Duration::from_nanos(nanos(now).saturating_sub(empty_at)).min(flow.burst)
    }

    /// How long the bucket's flow needs to pay its debt; zero when it holds anything.
    pub fn debt(&self, now: Time) -> Duration {
        Duration::from_nanos(self.empty_at.load(Relaxed).saturating_sub(nanos(now)))
    }
}

fn nanos(time: Time) -> u64 {
    time.as_micros().saturating_mul(1_000).saturating_add(OFFSET_NANOS)
}

fn span(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).min(OFFSET_NANOS)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;

    const FLOW: Flow = Flow { per_second: 1_000_000, burst: Duration::from_millis(100), debt_max: Duration::from_secs(1) };

    #[test]
    fn a_full_bucket_pays_for_what_is_larger_than_itself_and_owes_the_rest() {
        let bucket = Bucket::default();
        let start = Time::ZERO;
        assert!(bucket.take(600_000, Duration::ZERO, FLOW, start));
        assert_eq!(bucket.debt(start), Duration::from_millis(500));
        assert!(!bucket.take(1, Duration::ZERO, FLOW, start.after(Duration::from_millis(500))));
        assert!(bucket.take(1, Duration::ZERO, FLOW, start.after(Duration::from_millis(501))));
    }

    #[test]
    fn what_is_kept_is_there_for_those_who_need_not_keep_it() {
        let bucket = Bucket::default();
        let keep = Duration::from_millis(20);
        assert!(bucket.take(80_000, keep, FLOW, Time::ZERO));
        assert!(!bucket.take(1, keep, FLOW, Time::ZERO));
        assert!(bucket.take(20_000, Duration::ZERO, FLOW, Time::ZERO));
    }

    #[test]
    fn threads_cannot_take_more_together_than_one_alone() {
        let bucket = Bucket::default();
        let take = || (0..1_000).filter(|_| bucket.take(100, Duration::ZERO, FLOW, Time::ZERO)).count();
        let taken: usize = std::thread::scope(|scope| {
            let threads: std::vec::Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
        });
        assert_eq!(taken, 1_000);
    }

    #[test]
    fn a_flow_of_nothing_carries_nothing_and_does_not_divide_by_zero() {
        let bucket = Bucket::default();
        let none = Flow { per_second: 0, ..FLOW };
        bucket.charge(1, none, Time::ZERO);
        assert!(!bucket.take(1, Duration::ZERO, none, Time::ZERO));
    }

    proptest! {
        #[test]
        fn never_more_than_the_flow_and_one_burst_and_one_object(
            rate in 1_000_u64..10_000_000,
            asks in prop::collection::vec((0_u64..20_000, 1_u64..40_000), 1..300),
        ) {
            let flow = Flow { per_second: rate, burst: Duration::from_millis(150), debt_max: Duration::from_secs(3_000) };
            let bucket = Bucket::default();
            let (mut now, mut through, mut largest) = (Time::ZERO, 0_u64, 0_u64);
            for (micros, amount) in asks {
                now = now.after(Duration::from_micros(micros));
                if bucket.take(amount, Duration::ZERO, flow, now) {
                    through += amount;
                    largest = largest.max(amount);
                }
                let carried = u128::from(now.as_micros() + 150_000) * u128::from(rate) / 1_000_000;
                prop_assert!(u128::from(through) <= carried + u128::from(largest));
            }
        }

        #[test]
        fn recovers_at_once_when_demand_ends(charges in prop::collection::vec(1_u64..1_000_000, 1..100)) {
            let bucket = Bucket::default();
            for amount in charges {
                bucket.charge(amount, FLOW, Time::ZERO);
            }
            let later = Time::ZERO.after(FLOW.debt_max).after(FLOW.burst);
            prop_assert!(bucket.affords(100_000, Duration::ZERO, FLOW, later));
        }

        #[test]
        fn asking_tells_what_taking_does(amounts in prop::collection::vec((0_u64..50_000, 0_u64..30_000), 1..100)) {
            let bucket = Bucket::default();
            let mut now = Time::ZERO;
            for (amount, micros) in amounts {
                now = now.after(Duration::from_micros(micros));
                let affords = bucket.affords(amount, Duration::from_millis(10), FLOW, now);
                prop_assert_eq!(bucket.take(amount, Duration::from_millis(10), FLOW, now), affords);
            }
        }
    }
}
