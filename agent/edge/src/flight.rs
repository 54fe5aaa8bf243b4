//! Request collapsing: one fetch, any number of visitors who wait for it and follow its body as it comes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use overspill_governance::time::Time;
use tokio::sync::watch;

use crate::{
    admission::{Interest, Permit},
    cache::{
        admit::Kept,
        growing::Growing,
        key::Key,
        stored::Stored,
        vary::{Encoding, Vary},
    },
    debts::Reservation,
    limits::FLIGHTS_MAX,
    origin::{Arriving, Fault},
};

/// What becomes of a fetch.
#[derive(Debug, Clone)]
pub(crate) enum Landing {
    /// An answer for everybody, whose body is coming.
    Shared(Arc<Shared>),
    /// The origin confirmed the stored response.
    Confirmed(Arc<Stored>),
    /// An answer for one visitor only: the first takes it, the others fetch their own.
    Alone,
    /// No answer.
    Failed(Fault),
    /// The origin had no place for it in time.
    Shed,
}

/// An answer for everybody.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// On whose word it is stored; `None`: it is shared by those who wait, and not stored (an error page).
    pub(crate) kept: Option<Kept>,
    pub(crate) vary: Vary,
    pub(crate) values: Vec<u8>,
    /// Length of the body, if the origin said it.
    pub(crate) length: Option<u64>,
    pub(crate) body: Arc<Growing>,
}

/// What visitors must have in common to share a fetch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Course {
    pub(crate) key: Key,
    pub(crate) encoding: Encoding,
    /// They have cookies that may tell.
    pub(crate) with_cookies: bool,
}

/// An answer for one visitor only, its place at the origin, and what that visitor owes for it.
pub(crate) type Leftover = (http::Response<Arriving>, Permit, Option<Reservation>);

/// A fetch on its way.
pub(crate) struct Flight {
    pub(crate) began: Time,
    landing: watch::Sender<Option<Landing>>,
    /// The answer for one visitor only, until that visitor takes it.
    leftover: Mutex<Option<Leftover>>,
    /// Held by everybody who waits or follows; and once by the flight itself.
    pub(crate) interest: Arc<Interest>,
}

impl Flight {
    pub(crate) fn new(began: Time) -> Arc<Self> {
        Arc::new(Self { began, landing: watch::Sender::new(None), leftover: Mutex::default(), interest: Arc::default() })
    }

    /// Tells everybody who waits.
    pub(crate) fn land(&self, landing: Landing) {
        self.landing.send_replace(Some(landing));
    }

    /// Ends a fetch that died without a word, so that nobody waits for ever.
    fn land_if_lost(&self) {
        self.landing.send_if_modified(|landing| {
            let lost = landing.is_none();
            if lost {
                *landing = Some(Landing::Failed(Fault::Broken));
            }
            lost
        });
    }

    /// Lands with an answer for one visitor only.
    pub(crate) fn land_alone(&self, leftover: Leftover) {
        *self.leftover.lock().unwrap_or_else(PoisonError::into_inner) = Some(leftover);
        self.land(Landing::Alone);
    }

    /// Takes the answer for one visitor only.
    pub(crate) fn take_leftover(&self) -> Option<Leftover> {
        self.leftover.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until it is known what becomes of the fetch.
    pub(crate) async fn landed(&self) -> Landing {
        let mut landing = self.landing.subscribe();
        let landed = landing.wait_for(Option::is_some).await;
        landed.ok().and_then(|landing| landing.clone()).unwrap_or(Landing::Failed(Fault::Broken))
    }

    /// Tells whether at most one visitor waits or follows.
    pub(crate) fn is_one_visitors(&self) -> bool {
        Arc::strong_count(&self.interest) <= 2
    }

    /// Tells whether nobody waits or follows any more.
    pub(crate) fn is_deserted(&self) -> bool {
        Arc::strong_count(&self.interest) == 1
    }
}

/// All fetches that can be joined.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<Course, Arc<Flight>>>);

/// A visitor's part in a fetch.
pub(crate) enum Boarding {
    /// Begins it.
    First(Arc<Flight>),
    /// Joins it.
    Joined(Arc<Flight>),
}

impl Flights {
    /// Joins the fetch on this course, or begins it. One of which nothing came for `attached` is not joined any more, but replaced. Beyond the
    /// bound on fetches it begins one that nobody can join.
    pub(crate) fn board(&self, course: &Course, attached: Duration, now: Time) -> Boarding {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = flights.get(course);
        if let Some(flight) = known.filter(|flight| flight.landing.borrow().is_some() || now.since(flight.began) < attached) {
            return Boarding::Joined(Arc::clone(flight));
        }
        let replaces = known.is_some();
        let flight = Flight::new(now);
        if replaces || flights.len() < FLIGHTS_MAX {
            flights.insert(course.clone(), Arc::clone(&flight));
        }
        Boarding::First(flight)
    }

    /// Nobody can join this fetch from now on.
    pub(crate) fn close(&self, course: &Course, flight: &Arc<Flight>) {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(course).is_some_and(|known| Arc::ptr_eq(known, flight)) {
            flights.remove(course);
        }
    }

    /// Nobody can join a fetch of anything on this site from now on.
    pub(crate) fn close_site(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|course, _| course.key.origin() != key.origin());
    }

    /// Nobody can join a fetch of this resource from now on.
    pub(crate) fn close_all(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|course, _| course.key != *key);
    }
}

/// Closes a flight when its fetch ends in whatever way: also by a panic, or by its thread's end.
pub(crate) struct Closing<'a> {
    pub(crate) flights: &'a Flights,
    pub(crate) course: &'a Course,
    pub(crate) flight: &'a Arc<Flight>,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.flights.close(self.course, self.flight);
        self.flight.land_if_lost();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::uri::{Authority, PathAndQuery, Scheme};

    fn course() -> Course {
        let key = Key::new(&Scheme::HTTP, &Authority::from_static("a.example"), &PathAndQuery::from_static("/"));
        Course { key, encoding: Encoding::Identity, with_cookies: false }
    }

    #[tokio::test]
    async fn a_fetch_that_dies_leaves_nobody_waiting() {
        let (flights, course) = (Flights::default(), course());
        let board = |seconds| flights.board(&course, Duration::from_secs(20), Time::ZERO.after(Duration::from_secs(seconds)));
        let Boarding::First(flight) = board(0) else { panic!("somebody flies already") };
        let Boarding::Joined(joined) = board(0) else { panic!("nobody flies") };
        drop(Closing { flights: &flights, course: &course, flight: &flight });
        assert!(matches!(joined.landed().await, Landing::Failed(Fault::Broken)));
        assert!(matches!(board(0), Boarding::First(_)));
    }

    #[test]
    fn a_fetch_of_which_nothing_comes_is_replaced_by_one() {
        let (flights, course) = (Flights::default(), course());
        let board = |seconds| flights.board(&course, Duration::from_secs(20), Time::ZERO.after(Duration::from_secs(seconds)));
        let Boarding::First(stalled) = board(0) else { panic!("somebody flies already") };
        assert!(matches!(board(19), Boarding::Joined(_)));
        let Boarding::First(second) = board(20) else { panic!("the stalled one is joined") };
        drop(Closing { flights: &flights, course: &course, flight: &stalled });
        let Boarding::Joined(joined) = board(21) else { panic!("the first one's end closed the second") };
        assert!(Arc::ptr_eq(&joined, &second));
        second.land(Landing::Shed);
        assert!(matches!(board(99), Boarding::Joined(_)), "what has landed is joined while its body comes");
    }
}
