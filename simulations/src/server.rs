//! A tiny data plane: it has a budget, a crowd wants more, a plan says where the excess may go, and it counts what it did.
//!
//! It keeps the second seam's contract as the edge does (serials in order from `serial_from`, nothing by a stale plan, nothing closed), and
//! nothing else of the edge: no HTTP, one object, visitors in batches.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use overspill_governance::{
    digest::ObjectDigest,
    payword::{LeaseId, Word},
    site::SiteId,
    time::{Date, Time},
    units::{ByteRate, Bytes},
};
use overspill_protocol::{
    limits::PLAN_LIFETIME,
    observation::{Hosted, HotObject, Observation, SiteLoad, Spilled},
    plan::{FillWanted, Plan, Spill},
};

/// How often a server is looked at, in microseconds.
pub const TICK_MICROS: u64 = 100_000;

/// A batch of visitors on their way from an owner to a helper.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    /// Who sends them.
    pub owner: SiteId,
    /// Where they are sent.
    pub helper: SiteId,
    /// On whose tickets.
    pub lease: LeaseId,
    /// How many.
    pub visitors: u32,
    /// The last ticket's serial.
    pub serial: u32,
    /// Its word.
    pub word: Word,
}

/// What visitors got, over a server's whole time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Served here for ourselves.
    pub own: u64,
    /// Sent to helpers.
    pub spilled: u64,
    /// Served here for others.
    pub guests: u64,
    /// Sent back to their owner.
    pub sent_back: u64,
    /// Neither served nor spilled.
    pub shed: u64,
}

/// One site's data plane. It dies with its agent; what it counted dies with it.
#[derive(Debug)]
pub struct Server {
    /// Requests in each second that visitors make of this site.
    pub wanted: u32,
    /// Requests in each second that it can serve by itself.
    pub budget: u32,
    /// Counted since the world began.
    pub tally: Tally,
    /// As helper: the names for which it has certificates; `None`: nobody asks.
    pub certified: Option<Arc<Vec<String>>>,
    object: HotObject,
    generation: u64,
    plan: Option<Arc<Plan>>,
    out: BTreeMap<LeaseId, Spilled>,
    hosted: BTreeMap<LeaseId, Hosted>,
    store: BTreeSet<(SiteId, ObjectDigest)>,
}

impl Server {
    /// A server that holds one object of `size` bytes.
    pub fn new(name: u8, size: u64, budget: u32) -> Self {
        let object = HotObject {
            path: format!("/{name}.png"),
            digest: ObjectDigest::of(&[name]),
            size: Bytes(size),
            media_type: String::from("image/png"),
            fresh_until: Date::MAX,
            wanted: Bytes::ZERO,
        };
        Self {
            wanted: 0,
            budget,
            tally: Tally::default(),
            certified: None,
            object,
            generation: 0,
            plan: None,
            out: BTreeMap::new(),
            hosted: BTreeMap::new(),
            store: BTreeSet::new(),
        }
    }

    /// The agent died: everything but what the world counts is gone.
    pub fn die(&mut self) {
        (self.plan, self.out, self.hosted, self.store) = (None, BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    }

    /// Takes a plan; the latest wins.
    pub fn apply(&mut self, plan: Arc<Plan>) {
        self.plan = Some(plan);
    }

    /// The plan that it serves by.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// A purge: older manifests must not be served any more.
    pub fn purge(&mut self) {
        self.generation += 1;
    }

    /// Serves for one tick; gives the visitors that go elsewhere.
    pub fn tick(&mut self, us: SiteId, now: Time) -> Vec<Visit> {
        let ticks_in_a_second = u32::try_from(1_000_000 / TICK_MICROS).unwrap_or(1);
        let (wanted, mut excess) = (self.wanted / ticks_in_a_second, (self.wanted.saturating_sub(self.budget)) / ticks_in_a_second);
        self.tally.own += u64::from(wanted - excess);
        let mut visits = Vec::new();
        for spill in self.spills(now) {
            let promised = (spill.requests.0 / ticks_in_a_second).max(1);
            let visitors = excess.min(promised);
            if let Some(visit) = self.hand_out(us, &spill, visitors) {
                excess -= visit.visitors;
                self.tally.spilled += u64::from(visit.visitors);
                visits.push(visit);
            }
        }
        self.tally.shed += u64::from(excess);
        visits
    }

    fn spills(&self, now: Time) -> Vec<Spill> {
        let Some(plan) = self.plan.as_ref().filter(|plan| now.since(plan.made) <= PLAN_LIFETIME) else { return Vec::new() };
        let usable = |spill: &&Spill| {
            let listed = spill.manifest.object(&self.object.path).is_some_and(|object| object.digest == self.object.digest);
            !spill.held_back && now < spill.until && listed
        };
        plan.spill.iter().filter(usable).cloned().collect()
    }

    fn hand_out(&mut self, owner: SiteId, spill: &Spill, visitors: u32) -> Option<Visit> {
        let fresh = Spilled { lease: spill.lease, serial: spill.serial_from - 1, bytes: Bytes::ZERO, sent_back: 0 };
        let out = self.out.entry(spill.lease).or_insert(fresh);
        let room = (spill.allotted.0.saturating_sub(out.bytes.0)) / self.object.size.0;
        let visitors = visitors.min(spill.chain.len().saturating_sub(out.serial)).min(u32::try_from(room).unwrap_or(u32::MAX));
        if visitors == 0 {
            return None;
        }
        out.serial += visitors;
        out.bytes = out.bytes.saturating_add(Bytes(u64::from(visitors) * self.object.size.0));
        let word = spill.chain.word(out.serial)?;
        Some(Visit { owner, helper: spill.helper, lease: spill.lease, visitors, serial: out.serial, word })
    }

    /// Guests arrive: served if the plan allows it, else sent back; an object that is lacking is wanted.
    pub fn receive(&mut self, visit: &Visit, now: Time) -> Option<FillWanted> {
        let host = self.plan.as_ref().and_then(|plan| plan.host.iter().find(|host| host.lease == visit.lease));
        let open = host.filter(|host| !host.closed && now < host.until && now < host.generation_until);
        let object = open.and_then(|host| host.manifest.objects.first().map(|object| (host, object)));
        let Some((host, object)) = object else {
            self.tally.sent_back += u64::from(visit.visitors);
            return None;
        };
        if !self.store.contains(&(host.owner, object.digest)) {
            self.tally.sent_back += u64::from(visit.visitors);
            return Some(FillWanted { lease: host.lease, owner: host.owner, digest: object.digest, size: object.size });
        }
        let nothing = Hosted { lease: visit.lease, serial: 0, word: Word([0; 16]), requests: 0, bytes: Bytes::ZERO };
        let hosted = self.hosted.entry(visit.lease).or_insert(nothing);
        if visit.serial > hosted.serial {
            (hosted.serial, hosted.word) = (visit.serial, visit.word);
        }
        hosted.requests += visit.visitors;
        hosted.bytes = hosted.bytes.saturating_add(Bytes(u64::from(visit.visitors) * object.size.0));
        self.tally.guests += u64::from(visit.visitors);
        None
    }

    /// A fill has arrived.
    pub fn filled(&mut self, owner: SiteId, digest: ObjectDigest) {
        self.store.insert((owner, digest));
    }

    /// All of an owner's objects but these are gone.
    pub fn keep(&mut self, owner: &SiteId, digests: &BTreeSet<ObjectDigest>) {
        self.store.retain(|(of, digest)| of != owner || digests.contains(digest));
    }

    /// Whether an object of `owner` is here.
    pub fn holds(&self, owner: &SiteId, digest: &ObjectDigest) -> bool {
        self.store.contains(&(*owner, *digest))
    }

    /// What the agent is told.
    pub fn observe(&self) -> Observation {
        let rate = |requests: u32| ByteRate(u64::from(requests) * self.object.size.0);
        let under_pressure = self.wanted > self.budget;
        let (sent, wanted) = (rate(self.wanted.min(self.budget)), rate(self.wanted));
        let site = SiteLoad { sent, wanted, budget: rate(self.budget), requests: self.wanted, under_pressure, ..SiteLoad::default() };
        let asked = self.tally.own + self.tally.spilled + self.tally.shed;
        Observation {
            site,
            spilled: self.out.values().copied().collect(),
            hosted: self.hosted.values().copied().collect(),
            hot: vec![HotObject { wanted: Bytes(asked.saturating_mul(self.object.size.0)), ..self.object.clone() }],
            generation: self.generation,
            certified: self.certified.clone(),
            ..Observation::default()
        }
    }
}
