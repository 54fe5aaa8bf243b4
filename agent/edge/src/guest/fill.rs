//! Fills as the data plane sees them: one ask for each missing object, any number of visitors waiting for it, briefly.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use overspill_governance::{digest::ObjectDigest, site::SiteId, time::Time};
use overspill_protocol::plan::FillWanted;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

use super::limits::{FILL_LIFETIME, FILL_PATIENCE, FILL_REST, FILL_WAITERS_MAX, FILLS_MAX};

/// Why a wanted object did not come. Visitors who wait for it are sent back to the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FillFailed {
    /// The owner's agent did not answer in time, or is not connected.
    #[error("the owner did not answer in time")]
    Late,
    /// The owner does not hold these bytes any more, or does not list them.
    #[error("the owner does not hold the object")]
    Gone,
    /// What came did not have the digest that was asked for.
    #[error("the owner sent other bytes than it signed")]
    Wrong,
    /// A bound on fills was reached.
    #[error("too many fills at once")]
    Busy,
}

type Key = (SiteId, ObjectDigest);
type Ended = Option<Result<Bytes, FillFailed>>;

/// Fills under way. Shared by all threads.
#[derive(Debug)]
pub(crate) struct Fills {
    wanted: mpsc::Sender<FillWanted>,
    flights: Mutex<BTreeMap<Key, Flight>>,
}

#[derive(Debug)]
struct Flight {
    began: Time,
    ended: watch::Sender<Ended>,
    /// Set when it failed: until then nobody asks again.
    rests_until: Option<Time>,
}

impl Fills {
    /// Makes the waiting room, and the channel on which the control plane reads what is wanted.
    pub(crate) fn new() -> (Self, mpsc::Receiver<FillWanted>) {
        let (wanted, receiver) = mpsc::channel(FILLS_MAX);
        (Self { wanted, flights: Mutex::default() }, receiver)
    }

    /// Waits for an object, asking for it unless somebody did. Ends after [`FILL_PATIENCE`] at the latest.
    pub(crate) async fn fetch(&self, want: FillWanted, now: Time) -> Result<Bytes, FillFailed> {
        let mut ended = self.join(want, now)?;
        let waited = tokio::time::timeout(FILL_PATIENCE, ended.wait_for(Option::is_some)).await;
        match waited {
            Ok(Ok(ended)) => ended.clone().unwrap_or(Err(FillFailed::Late)),
            Ok(Err(_)) => Err(FillFailed::Late),
            Err(_) => Err(FillFailed::Late),
        }
    }

    fn join(&self, want: FillWanted, now: Time) -> Result<watch::Receiver<Ended>, FillFailed> {
        let key = (want.owner, want.digest);
        let mut flights = self.lock();
        if let Some(flight) = flights.get(&key) {
            let rests = flight.rests_until.is_some_and(|until| now < until);
            let flies = flight.rests_until.is_none() && now.since(flight.began) < FILL_LIFETIME;
            if rests || flight.ended.receiver_count() >= FILL_WAITERS_MAX {
                return Err(FillFailed::Busy);
            }
            if flies {
                return Ok(flight.ended.subscribe());
            }
            flights.remove(&key);
        }
        if flights.len() >= FILLS_MAX {
            flights.retain(|_, flight| flight.rests_until.map_or(now.since(flight.began) < FILL_LIFETIME, |until| now < until));
            if flights.len() >= FILLS_MAX {
                return Err(FillFailed::Busy);
            }
        }
        self.wanted.try_send(want).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => FillFailed::Busy,
            mpsc::error::TrySendError::Closed(_) => FillFailed::Late,
        })?;
        let (ended, receiver) = watch::channel(None);
        flights.insert(key, Flight { began: now, ended, rests_until: None });
        Ok(receiver)
    }

    /// Tells all who wait how the fill ended; a failed one rests a moment before it is asked for again.
    pub(crate) fn end(&self, key: Key, result: Result<Bytes, FillFailed>, now: Time) {
        let mut flights = self.lock();
        let Some(flight) = flights.get_mut(&key) else { return };
        let failed = result.is_err();
        flight.ended.send_replace(Some(result));
        if failed {
            flight.rests_until = Some(now.after(FILL_REST));
        } else {
            flights.remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::{payword::LeaseId, units};

    fn want(name: u8) -> FillWanted {
        FillWanted { lease: LeaseId([1; 8]), owner: SiteId([1; 32]), digest: ObjectDigest([name; 32]), size: units::Bytes(3) }
    }

    fn key(name: u8) -> Key {
        (want(name).owner, want(name).digest)
    }

    #[tokio::test]
    async fn many_wait_for_one_fill() {
        let (fills, mut wanted) = Fills::new();
        let waiting = futures::future::join_all((0..50).map(|_| fills.fetch(want(1), Time::ZERO)));
        let filling = async {
            let want = wanted.recv().await.unwrap();
            fills.end((want.owner, want.digest), Ok(Bytes::from_static(b"abc")), Time::ZERO);
            wanted.try_recv().is_err()
        };
        let (bodies, asked_once) = futures::join!(waiting, filling);
        assert!(bodies.iter().all(|body| body.as_deref() == Ok(b"abc")));
        assert!(asked_once);
    }

    #[tokio::test]
    async fn a_failed_fill_rests_and_is_then_asked_for_again() {
        let (fills, mut wanted) = Fills::new();
        let mut waiting = fills.join(want(1), Time::ZERO).unwrap();
        fills.end(key(1), Err(FillFailed::Gone), Time::ZERO);
        assert_eq!(waiting.wait_for(Option::is_some).await.unwrap().clone(), Some(Err(FillFailed::Gone)));
        assert_eq!(fills.fetch(want(1), Time::ZERO).await, Err(FillFailed::Busy));
        assert!(fills.join(want(1), Time::ZERO.after(FILL_REST)).is_ok());
        assert!(wanted.try_recv().is_ok() && wanted.try_recv().is_ok());
    }

    #[tokio::test]
    async fn fills_are_bounded_and_a_dead_mesh_does_not_hold_visitors() {
        let (fills, wanted) = Fills::new();
        for name in 0..=u8::MAX {
            assert!(fills.join(want(name), Time::ZERO).is_ok());
        }
        let one_more = FillWanted { digest: ObjectDigest::of(b"one more"), ..want(0) };
        assert_eq!(fills.fetch(one_more.clone(), Time::ZERO).await, Err(FillFailed::Busy));
        drop(wanted);
        let later = Time::ZERO.after(FILL_LIFETIME);
        assert_eq!(fills.fetch(one_more, later).await, Err(FillFailed::Late));
        fills.end(key(9), Ok(Bytes::new()), later);
    }

    #[tokio::test]
    async fn a_crowd_on_one_fill_is_bounded() {
        let (fills, _wanted) = Fills::new();
        let waiting: Vec<_> = (0..FILL_WAITERS_MAX).map(|_| fills.join(want(1), Time::ZERO).unwrap()).collect();
        assert!(matches!(fills.join(want(1), Time::ZERO), Err(FillFailed::Busy)));
        drop(waiting);
        assert!(fills.join(want(1), Time::ZERO).is_ok());
    }
}
