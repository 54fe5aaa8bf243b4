//! The origin's own record of its load: requests in flight, measured where they are worked on.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use crate::demo::limits::{LOAD_SLOT, LOAD_SLOTS_MAX};

/// Requests in flight at the site, and their largest number in each slot of time.
#[derive(Debug)]
pub(super) struct Load(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    since: Instant,
    in_flight: u32,
    slots: Vec<u32>,
    rendered: u64,
    refused: u64,
}

/// What the second port tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRecord {
    /// Largest number of requests in flight.
    pub in_flight_max: u32,
    /// Pages rendered.
    pub rendered: u64,
    /// Requests refused because the queue was full.
    pub refused: u64,
    /// Width of a slot in milliseconds.
    pub slot_ms: u64,
    /// Largest number in flight in each slot since the count began.
    pub slots: Vec<u32>,
}

/// A request that is in flight until this is dropped.
pub(super) struct InFlight(Arc<Load>);

impl Load {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Inner { since: Instant::now(), in_flight: 0, slots: vec![0], rendered: 0, refused: 0 }))
    }

    pub(super) fn enter(self: &Arc<Self>) -> InFlight {
        let mut inner = self.inner();
        inner.mark();
        inner.in_flight += 1;
        inner.mark();
        InFlight(Arc::clone(self))
    }

    pub(super) fn count(&self, rendered: bool) {
        let mut inner = self.inner();
        *(if rendered { &mut inner.rendered } else { &mut inner.refused }) += 1;
    }

    pub(super) fn reset(&self) {
        let mut inner = self.inner();
        let in_flight = inner.in_flight;
        *inner = Inner { since: Instant::now(), in_flight, slots: vec![in_flight], rendered: 0, refused: 0 };
    }

    pub(super) fn report(&self) -> LoadRecord {
        let mut inner = self.inner();
        inner.mark();
        LoadRecord {
            in_flight_max: inner.slots.iter().copied().max().unwrap_or(0),
            rendered: inner.rendered,
            refused: inner.refused,
            slot_ms: LOAD_SLOT.as_millis() as u64,
            slots: inner.slots.clone(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Brings the slots up to the present one, each begun slot holding at least the number that was in flight.
    fn mark(&mut self) {
        let slot = (self.since.elapsed().as_millis() / LOAD_SLOT.as_millis()) as usize;
        let wanted = (slot + 1).min(LOAD_SLOTS_MAX);
        if self.slots.len() < wanted {
            self.slots.resize(wanted, self.in_flight);
        }
        if let Some(last) = self.slots.last_mut() {
            *last = (*last).max(self.in_flight);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        inner.mark();
        inner.in_flight -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_number_in_flight_is_kept() {
        let load = Arc::new(Load::new());
        let first = load.enter();
        drop((load.enter(), load.enter()));
        assert_eq!(load.report().in_flight_max, 3);
        load.reset();
        assert_eq!(load.report().in_flight_max, 1, "what is in flight stays so across a reset");
        drop(first);
        load.reset();
        assert_eq!(load.report().in_flight_max, 0);
    }
}
