//! A lease at its helper: which tickets were taken, at what rate, and what was served for them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use overspill_governance::{
    payword::Word,
    time::Time,
    units::{self, ByteRate},
};
use overspill_protocol::{
    observation::Hosted,
    overload::bucket::{Bucket, Flow},
    plan::Host,
    ticket::Ticket,
};

use super::{limits::LEASE_BURST, metrics::Refusal, replay::Replay};

/// One lease as the newest plan says, with what it has served.
#[derive(Debug, Clone)]
pub(crate) struct Hosting {
    pub(crate) host: Host,
    /// Has left the plan: visitors are sent back.
    pub(crate) retired: bool,
    served: Arc<Mutex<Served>>,
}

#[derive(Debug)]
struct Served {
    replay: Replay,
    /// The highest serial taken, and its word, which reaches the anchor.
    top: u32,
    word: Word,
    requests: u32,
    bytes: u64,
    /// Taken, and being filled or answered: counts against the allotment, and not yet as served.
    pending_requests: u32,
    pending_bytes: u64,
    request_rate: Bucket,
    byte_rate: Bucket,
}

/// A ticket that was taken. Dropped without [`Taken::served`], it was not served and is not claimed.
#[derive(Debug)]
pub(crate) struct Taken {
    served: Arc<Mutex<Served>>,
    size: u64,
}

impl Hosting {
    /// A new lease, or a newer plan's word on `known`.
    pub(crate) fn new(host: Host, known: Option<&Self>) -> Self {
        let fresh = || {
            let (replay, word) = (Replay::default(), host.anchor);
            let (request_rate, byte_rate) = (Bucket::default(), Bucket::default());
            let counts =
                Served { replay, top: 0, word, requests: 0, bytes: 0, pending_requests: 0, pending_bytes: 0, request_rate, byte_rate };
            Arc::new(Mutex::new(counts))
        };
        let served = known.map_or_else(fresh, |known| Arc::clone(&known.served));
        Self { host, retired: false, served }
    }

    /// Tells whether the lease serves at all.
    pub(crate) fn is_open(&self, now: Time) -> Result<(), Refusal> {
        if self.retired || self.host.closed || now >= self.host.until {
            return Err(Refusal::LeaseOver);
        }
        if now >= self.host.generation_until {
            return Err(Refusal::GenerationUnseen);
        }
        Ok(())
    }

    /// Takes a ticket whose MAC is good, for an object of `size` bytes: once, in the allotment, within the rates, on the chain.
    pub(crate) fn take(&self, ticket: &Ticket, size: u64, now: Time) -> Result<Taken, Refusal> {
        let host = &self.host;
        let requests = flow(u64::from(host.requests.0));
        let ByteRate(bytes_per_second) = host.bytes;
        let bytes = flow(bytes_per_second);
        let mut served = lock(&self.served);
        let taken_requests = served.requests.saturating_add(served.pending_requests);
        let taken_bytes = served.bytes.saturating_add(served.pending_bytes);
        if taken_requests >= host.allotted_requests || taken_bytes.saturating_add(size) > host.allotted_bytes.0 {
            return Err(Refusal::AllotmentUsed);
        }
        if !served.request_rate.affords(1, Duration::ZERO, requests, now) || !served.byte_rate.affords(size, Duration::ZERO, bytes, now) {
            return Err(Refusal::RateExceeded);
        }
        // Each serial above the highest costs one hash, once; below it the MAC alone speaks, which only the owner can make.
        if ticket.serial > served.top && !reaches(ticket, served.top, served.word, host.allotted_requests) {
            return Err(Refusal::OffChain);
        }
        if !served.replay.take(ticket.serial, host.allotted_requests) {
            return Err(Refusal::Replayed);
        }
        if ticket.serial > served.top {
            (served.top, served.word) = (ticket.serial, ticket.word);
        }
        served.request_rate.charge(1, requests, now);
        served.byte_rate.charge(size, bytes, now);
        served.pending_requests += 1;
        served.pending_bytes += size;
        Ok(Taken { served: Arc::clone(&self.served), size })
    }

    /// What was served so far.
    pub(crate) fn hosted(&self) -> Hosted {
        let served = lock(&self.served);
        Hosted {
            lease: self.host.lease,
            serial: served.top,
            word: served.word,
            requests: served.requests,
            bytes: units::Bytes(served.bytes),
        }
    }
}

impl Taken {
    /// The visitor is being answered with `bytes` of body: no more than the object's size counts.
    pub(crate) fn served(self, bytes: u64) {
        let mut served = lock(&self.served);
        served.requests = served.requests.saturating_add(1);
        served.bytes = served.bytes.saturating_add(bytes.min(self.size));
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut served = lock(&self.served);
        served.pending_requests = served.pending_requests.saturating_sub(1);
        served.pending_bytes = served.pending_bytes.saturating_sub(self.size);
    }
}

/// Tells whether the ticket's word leads down to the word at `top`. Costs as many hashes as there are serials between.
fn reaches(ticket: &Ticket, top: u32, word: Word, allotted: u32) -> bool {
    if ticket.serial > allotted {
        return false;
    }
    let mut reached = ticket.word;
    for index in (top + 1..=ticket.serial).rev() {
        reached = reached.before(ticket.lease, index);
    }
    reached == word
}

fn flow(per_second: u64) -> Flow {
    Flow { per_second, burst: LEASE_BURST, debt_max: Duration::from_secs(60) }
}

/// A thread that died while it held the lock left whole numbers behind.
fn lock(served: &Mutex<Served>) -> MutexGuard<'_, Served> {
    served.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "hosting_tests.rs"]
mod tests;
