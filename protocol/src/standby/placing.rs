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
    limits::{
        STANDBY_BYTES_MAX, STANDBY_FRESH_MIN, STANDBY_OBJECTS_MAX, STANDBY_PAUSE, STANDBY_RATE, STANDBY_RESERVE_PERCENT,
        STANDBY_SHARE_PERCENT,
    },
    message::{Message, Preposition, StandbyObject},
    observation::HotObject,
};

/// What is hot, and where it stands by.
#[derive(Debug, Clone, Default)]
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

/// What matters here of a hot object, or of one copy of it.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    digest: ObjectDigest,
    size: Bytes,
    fresh_until: Date,
    /// Bytes that visitors want of it.
    wanted: u64,
}

/// What was placed with one partner.
#[derive(Debug, Clone)]
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
        let mut seen = BTreeSet::new();
        let known = hot.iter().filter(|object| seen.insert(object.digest));
        self.hot.extend(known.map(|object| Candidate {
            digest: object.digest,
            size: object.size,
            fresh_until: object.fresh_until,
            wanted: object.wanted.0,
        }));
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

    /// Places what is hot and does not stand by as often as it should, as far as `budget` lets it. To be asked in calm only.
    pub(crate) fn look(&mut self, desk: &mut Desk, budget: ByteRate, offers: &[(SiteId, Offer)]) {
        let now = desk.now;
        let allowance = if budget.0 == 0 { STANDBY_RATE } else { budget.0.saturating_mul(STANDBY_SHARE_PERCENT) / 100 };
        self.looked = now.time;
        self.saved = self.saved.saturating_add(allowance).min(2 * allowance);
        let lacking = self.lacking(now.date.after(STANDBY_FRESH_MIN), allowance, offers.len());
        if lacking.first().is_some_and(|copy| self.roomiest(offers, copy, &BTreeMap::new()).is_none()) {
            self.take_back(desk);
        }
        let mut loads = self.loads();
        let mut told: BTreeSet<SiteId> = BTreeSet::new();
        for copy in lacking {
            let Some(left) = self.saved.checked_sub(copy.size.0) else { break };
            let Some(helper) = self.roomiest(offers, &copy, &loads) else { continue };
            let placed = self.placed.entry(helper).or_insert_with(|| Placed::new(LeaseId(desk.draw())));
            placed.add(copy.digest, copy.size);
            let load = loads.entry(helper).or_default();
            *load = load.saturating_add(copy.wanted);
            self.saved = left;
            told.insert(helper);
        }
        for helper in told {
            if let Some(placed) = self.placed.get_mut(&helper) {
                desk.send(helper, placed.message(false));
            }
        }
    }

    /// Copies that `partners` lack: of each hot object that stays fresh until `fresh_until` and fits `size_max` one, and as many as its
    /// share of what visitors want, with a reserve, asks for. First those of which most is wanted, each of an object's copies counted as
    /// carrying its part (the method of highest averages, D'Hondt 1882).
    fn lacking(&self, fresh_until: Date, size_max: u64, partners: usize) -> Vec<Candidate> {
        let fit = || self.hot.iter().filter(|object| object.fresh_until >= fresh_until && object.size.0 <= size_max);
        let total: u128 = fit().map(|object| u128::from(object.wanted)).sum();
        let mut copies = Vec::new();
        for object in fit() {
            let share = u128::from(object.wanted) * partners as u128 * u128::from(100 + STANDBY_RESERVE_PERCENT);
            let should = usize::try_from(share.div_ceil((100 * total).max(1))).unwrap_or(partners).clamp(1, partners.max(1));
            let part = Candidate { wanted: object.wanted / should as u64, ..*object };
            copies.extend((self.copies(&object.digest)..should).map(|nth| (object.wanted / (nth as u64 + 1), part)));
        }
        // Stable: among equals the hottest stays first.
        copies.sort_by_key(|(average, _)| core::cmp::Reverse(*average));
        copies.into_iter().map(|(_, copy)| copy).collect()
    }

    /// How often an object stands by.
    fn copies(&self, digest: &ObjectDigest) -> usize {
        self.placed.values().filter(|placed| placed.objects.contains_key(digest)).count()
    }

    /// What visitors want of that which stands by with each partner, an object's demand shared among its copies.
    fn loads(&self) -> BTreeMap<SiteId, u64> {
        let mut loads = BTreeMap::new();
        for object in &self.hot {
            let part = object.wanted / self.copies(&object.digest).max(1) as u64;
            for (helper, _) in self.placed.iter().filter(|(_, placed)| placed.objects.contains_key(&object.digest)) {
                let load: &mut u64 = loads.entry(*helper).or_default();
                *load = load.saturating_add(part);
            }
        }
        loads
    }

    /// The partner that would bear the least, in proportion to what it offers to send, of those that lack the object and have room.
    fn roomiest(&self, offers: &[(SiteId, Offer)], copy: &Candidate, loads: &BTreeMap<SiteId, u64>) -> Option<SiteId> {
        let bytes = |helper: &SiteId| self.placed.get(helper).map_or(0, |placed| placed.bytes).saturating_add(copy.size.0);
        let lacks = |placed: &Placed| placed.objects.len() < STANDBY_OBJECTS_MAX && !placed.objects.contains_key(&copy.digest);
        let room = |(helper, offer): &&(SiteId, Offer)| {
            let space = STANDBY_BYTES_MAX.min(offer.storage.0 / 2);
            bytes(helper) <= space && offer.bytes.0 > 0 && self.placed.get(helper).is_none_or(lacks)
        };
        let load = |helper: &SiteId| loads.get(helper).copied().unwrap_or_default().saturating_add(copy.wanted);
        // a / b < c / d without a division; bytes break ties, as where nothing is known of the demand.
        let fuller = |(one, of_one): &&(SiteId, Offer), (two, of_two): &&(SiteId, Offer)| {
            let share = |amount: u64, other: &Offer| u128::from(amount) * u128::from(other.bytes.0);
            let by_load = share(load(one), of_two).cmp(&share(load(two), of_one));
            by_load.then_with(|| share(bytes(one), of_two).cmp(&share(bytes(two), of_one))).then(one.cmp(two))
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
