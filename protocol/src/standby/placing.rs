//! The owner's side: which object stands by with which partner.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};

use overspill_governance::{
    digest::ObjectDigest,
    payword::LeaseId,
    site::SiteId,
    time::{Date, Time},
    units::{ByteRate, Bytes},
};

use crate::{
    advert::Offer,
    desk::Desk,
    limits::{STANDBY_BYTES_MAX, STANDBY_FRESH_MIN, STANDBY_OBJECTS_MAX, STANDBY_PAUSE, STANDBY_RATE, STANDBY_SHARE_PERCENT},
    message::{Message, Preposition, StandbyObject},
    observation::HotObject,
};

/// What is hot, and where it stands by.
#[derive(Debug, Default)]
pub(crate) struct Placing {
    /// Hottest first.
    hot: Vec<Candidate>,
    /// The data plane's generation that `placed` reflects.
    generation: u64,
    placed: BTreeMap<SiteId, Placed>,
    looked: Time,
    /// Bytes that may be placed now.
    saved: u64,
}

/// What matters here of a hot object.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    digest: ObjectDigest,
    size: Bytes,
    fresh_until: Date,
}

/// What was placed with one partner.
#[derive(Debug)]
struct Placed {
    permit: LeaseId,
    objects: BTreeMap<ObjectDigest, Bytes>,
    bytes: u64,
    /// The same digests, for plans.
    shared: Arc<BTreeSet<ObjectDigest>>,
}

impl Placing {
    /// Takes what the data plane holds. What was purged stands by no longer, and those who hold it are told so.
    pub(crate) fn on_hot(&mut self, desk: &mut Desk, hot: &[HotObject], generation: u64) {
        self.hot.clear();
        self.hot.extend(hot.iter().map(|object| Candidate { digest: object.digest, size: object.size, fresh_until: object.fresh_until }));
        if generation <= self.generation {
            return;
        }
        self.generation = generation;
        self.take_back(desk);
    }

    /// Tells partners to drop what is no longer hot.
    fn take_back(&mut self, desk: &mut Desk) {
        let still: BTreeSet<ObjectDigest> = self.hot.iter().map(|object| object.digest).collect();
        for (helper, placed) in &mut self.placed {
            if placed.keep(&still) {
                desk.send(*helper, placed.message(true));
            }
        }
    }

    /// Whether it is time to look again.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        now.since(self.looked) >= STANDBY_PAUSE
    }

    /// Places what is hot and stands by nowhere, as far as `budget` lets it. To be asked in calm only.
    pub(crate) fn look(&mut self, desk: &mut Desk, budget: ByteRate, offers: &[(SiteId, Offer)]) {
        let now = desk.now;
        let allowance = if budget.0 == 0 { STANDBY_RATE } else { budget.0.saturating_mul(STANDBY_SHARE_PERCENT) / 100 };
        self.looked = now.time;
        self.saved = self.saved.saturating_add(allowance).min(2 * allowance);
        let lacking = self.lacking(now.date.after(STANDBY_FRESH_MIN), allowance);
        if lacking.first().is_some_and(|(_, size)| self.roomiest(offers, *size).is_none()) {
            self.take_back(desk);
        }
        let mut told: BTreeSet<SiteId> = BTreeSet::new();
        for (digest, size) in lacking {
            let Some(left) = self.saved.checked_sub(size.0) else { break };
            let Some(helper) = self.roomiest(offers, size) else { continue };
            let placed = self.placed.entry(helper).or_insert_with(|| Placed::new(LeaseId(desk.draw())));
            placed.add(digest, size);
            self.saved = left;
            told.insert(helper);
        }
        for helper in told {
            if let Some(placed) = self.placed.get_mut(&helper) {
                desk.send(helper, placed.message(false));
            }
        }
    }

    /// Hot objects that stand by nowhere, stay fresh until `fresh_until`, and fit `size_max`; hottest first.
    fn lacking(&self, fresh_until: Date, size_max: u64) -> Vec<(ObjectDigest, Bytes)> {
        let standing = |digest: &ObjectDigest| self.placed.values().any(|placed| placed.objects.contains_key(digest));
        let mut seen = BTreeSet::new();
        let fit = self.hot.iter().filter(|object| object.fresh_until >= fresh_until && object.size.0 <= size_max);
        fit.filter(|object| !standing(&object.digest) && seen.insert(object.digest)).map(|object| (object.digest, object.size)).collect()
    }

    /// The partner that holds the least in proportion to what it offers to send.
    fn roomiest(&self, offers: &[(SiteId, Offer)], size: Bytes) -> Option<SiteId> {
        let after = |helper: &SiteId| self.placed.get(helper).map_or(0, |placed| placed.bytes).saturating_add(size.0);
        let count = |helper: &SiteId| self.placed.get(helper).map_or(0, |placed| placed.objects.len());
        let room = |(helper, offer): &&(SiteId, Offer)| {
            after(helper) <= STANDBY_BYTES_MAX.min(offer.storage.0 / 2) && count(helper) < STANDBY_OBJECTS_MAX && offer.bytes.0 > 0
        };
        // a / b < c / d without a division.
        let fuller = |(one, of_one): &&(SiteId, Offer), (two, of_two): &&(SiteId, Offer)| {
            let share = |site: &SiteId, other: &Offer| u128::from(after(site)) * u128::from(other.bytes.0);
            share(one, of_two).cmp(&share(two, of_one)).then(one.cmp(two))
        };
        offers.iter().filter(room).min_by(fuller).map(|(helper, _)| *helper)
    }

    /// Size of an object that `peer` may be filled with under `permit`, without a lease.
    pub(crate) fn permitted(&self, peer: &SiteId, permit: &LeaseId, digest: &ObjectDigest) -> Option<Bytes> {
        let placed = self.placed.get(peer).filter(|placed| placed.permit == *permit)?;
        placed.objects.get(digest).copied()
    }

    /// What stands by with `helper`.
    pub(crate) fn held_by(&self, helper: &SiteId) -> Arc<BTreeSet<ObjectDigest>> {
        self.placed.get(helper).map(|placed| placed.shared.clone()).unwrap_or_default()
    }

    /// Forgets partners that are not `alive`: what they hold helps nobody.
    pub(crate) fn retain(&mut self, alive: impl Fn(&SiteId) -> bool) {
        self.placed.retain(|helper, _| alive(helper));
    }

    /// A partner is gone, and with it perhaps what it held: its copies are placed anew.
    pub(crate) fn forget(&mut self, helper: &SiteId) {
        self.placed.remove(helper);
    }
}

impl Placed {
    fn new(permit: LeaseId) -> Self {
        Self { permit, objects: BTreeMap::new(), bytes: 0, shared: Arc::default() }
    }

    fn add(&mut self, digest: ObjectDigest, size: Bytes) {
        self.objects.insert(digest, size);
        self.bytes += size.0;
    }

    /// Keeps what is `still` hot; tells whether anything went.
    fn keep(&mut self, still: &BTreeSet<ObjectDigest>) -> bool {
        let before = self.objects.len();
        self.objects.retain(|digest, _| still.contains(digest));
        self.bytes = self.objects.values().map(|size| size.0).sum();
        self.objects.len() < before
    }

    fn message(&mut self, only: bool) -> Message {
        self.shared = Arc::new(self.objects.keys().copied().collect());
        let objects = self.objects.iter().map(|(digest, size)| StandbyObject { digest: *digest, size: *size }).collect();
        Message::Preposition(Preposition { permit: self.permit, objects, only })
    }
}

#[cfg(test)]
#[path = "placing_tests.rs"]
mod tests;
