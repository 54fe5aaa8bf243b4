//! What went out under each lease: serials in order, bytes, rates. Carried over from plan to plan.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use overspill_governance::{
    digest::ObjectDigest,
    payword::{LeaseId, Word},
    site::SiteId,
    time::{Date, Now, Time},
    units::Bytes,
};
use overspill_protocol::{
    limits::{PLAN_LIFETIME, TICKET_LIFETIME},
    observation::Spilled,
    overload::bucket::{Bucket, Flow},
    plan::{Plan, Spill},
};

use super::{
    choose,
    holders::Holders,
    limits::{LEASE_BURST, RETIRED_LEASES_MAX},
};

/// One plan's leases with what was drawn on them. Immutable but for the draws; the next plan makes the next book.
#[derive(Debug, Default)]
pub(crate) struct Book {
    made: Time,
    /// In the plan's order.
    pub(crate) pages: Vec<Page>,
    /// Leases that have left the plan, oldest first.
    retired: Vec<Page>,
    holders: Holders,
}

/// One lease.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// As the newest plan that named it says.
    pub(crate) spill: Spill,
    /// The helper's part of the objects' hash.
    pub(crate) helper_hash: u64,
    drawn: Arc<Mutex<Drawn>>,
}

/// What was drawn on a lease by this process.
#[derive(Debug, Default)]
struct Drawn {
    serial: u32,
    bytes: u64,
    sent_back: u32,
    requests: Bucket,
    body: Bucket,
}

/// What a ticket is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw {
    pub(crate) serial: u32,
    pub(crate) word: Word,
    /// Second of the helper's calendar.
    pub(crate) expires: u32,
}

impl Book {
    /// The book of a new plan: leases that it goes on naming keep their serials, others retire.
    pub(crate) fn next(&self, plan: &Plan) -> Self {
        let mut known: BTreeMap<LeaseId, &Page> = self.retired.iter().chain(&self.pages).map(|page| (page.spill.lease, page)).collect();
        let pages = plan.spill.iter().take(choose::CANDIDATES_MAX).map(|spill| {
            let drawn = known.remove(&spill.lease).map(|page| Arc::clone(&page.drawn)).unwrap_or_default();
            let page = Page { spill: spill.clone(), helper_hash: choose::helper(&spill.helper), drawn };
            let mut drawn = page.drawn();
            drawn.serial = drawn.serial.max(spill.serial_from.saturating_sub(1));
            drop(drawn);
            page
        });
        let pages: Vec<Page> = pages.collect();
        let holders = Holders::new(&pages, (&self.holders, &self.pages));
        let left = self.retired.iter().chain(&self.pages).filter(|page| known.contains_key(&page.spill.lease));
        let mut retired: Vec<Page> = left.cloned().collect();
        retired.drain(..retired.len().saturating_sub(RETIRED_LEASES_MAX));
        Self { made: plan.made, pages, retired, holders }
    }

    /// Tells whether the plan still counts: an old one names no helpers, because the mesh task may be dead.
    pub(crate) fn is_current(&self, now: Time) -> bool {
        now.since(self.made) <= PLAN_LIFETIME
    }

    /// Arranges the pages in `order` for the object's next visitor, by who holds it.
    pub(crate) fn arrange(&self, digest: &ObjectDigest, order: &mut Vec<u16>, now: Now) {
        let spare = |at: u16| self.pages.get(usize::from(at)).map_or(Duration::ZERO, |page| page.spare(now));
        self.holders.arrange(digest, order, spare, now.time);
    }

    /// A visitor is sent to the helper at this page.
    pub(crate) fn note_sent(&self, digest: &ObjectDigest, at: u16, now: Now) {
        self.holders.note_sent(digest, at, now.time);
    }

    /// A helper asks for the object, and with `whole` it has been handed its last byte.
    pub(crate) fn note_fill(&self, helper: &SiteId, digest: &ObjectDigest, whole: bool, now: Now) {
        for (at, _) in self.pages.iter().enumerate().filter(|(_, page)| page.spill.helper == *helper) {
            if whole {
                self.holders.note_filled(digest, at);
            } else {
                self.holders.note_fetching(digest, at, now.time);
            }
        }
    }

    /// A lease, in the plan or lately retired.
    pub(crate) fn page(&self, lease: LeaseId) -> Option<&Page> {
        self.pages.iter().chain(self.retired.iter().rev()).find(|page| page.spill.lease == lease)
    }

    /// Each lease's use so far.
    pub(crate) fn spilled(&self) -> Vec<Spilled> {
        let spilled = self.retired.iter().chain(&self.pages).map(|page| {
            let drawn = page.drawn();
            Spilled { lease: page.spill.lease, serial: drawn.serial, bytes: Bytes(drawn.bytes), sent_back: drawn.sent_back }
        });
        spilled.collect()
    }
}

impl Page {
    /// Draws the next serial for an object of `size` bytes, or nothing: held back, ended, used up, or beyond its rates.
    pub(crate) fn draw(&self, size: u64, now: Now) -> Option<Draw> {
        let spill = &self.spill;
        if spill.held_back || now.time >= spill.until {
            return None;
        }
        let requests = flow(u64::from(spill.requests.0));
        let body = flow(spill.bytes.0);
        let mut drawn = self.drawn();
        let serial = drawn.serial.checked_add(1)?;
        let bytes = drawn.bytes.checked_add(size).filter(|bytes| *bytes <= spill.allotted.0)?;
        let word = spill.chain.word(serial)?;
        if !drawn.requests.affords(1, Duration::ZERO, requests, now.time) || !drawn.body.affords(size, Duration::ZERO, body, now.time) {
            return None;
        }
        drawn.requests.charge(1, requests, now.time);
        drawn.body.charge(size, body, now.time);
        (drawn.serial, drawn.bytes) = (serial, bytes);
        drop(drawn);
        let expires = self.helper_date(now.date).after(TICKET_LIFETIME).as_secs();
        Some(Draw { serial, word, expires: u32::try_from(expires).ok()? })
    }

    /// How much of its rates is saved up, as time at those rates; nothing if it is held back or has ended.
    pub(crate) fn spare(&self, now: Now) -> Duration {
        let spill = &self.spill;
        if spill.held_back || now.time >= spill.until {
            return Duration::ZERO;
        }
        let drawn = self.drawn();
        drawn.requests.saved(flow(u64::from(spill.requests.0)), now.time).min(drawn.body.saved(flow(spill.bytes.0), now.time))
    }

    /// Our date on the helper's calendar.
    pub(crate) fn helper_date(&self, date: Date) -> Date {
        Date::from_millis(date.as_millis().saturating_add_signed(self.spill.clock_offset_ms))
    }

    /// Counts a visitor whom the helper sent back.
    pub(crate) fn note_sent_back(&self) {
        let mut drawn = self.drawn();
        drawn.sent_back = drawn.sent_back.saturating_add(1);
    }

    /// A thread that died while it held the lock left whole numbers behind.
    fn drawn(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn flow(per_second: u64) -> Flow {
    Flow { per_second, burst: LEASE_BURST, debt_max: Duration::from_secs(60) }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
