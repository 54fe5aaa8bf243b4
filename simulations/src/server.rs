//! A tiny data plane: it has a budget, a crowd wants more, a plan says where the excess may go, and it counts what it did.
//!
//! It keeps the second seam's contract as the edge does (serials in order from `serial_from`, nothing by a stale plan, nothing closed), and
//! nothing else of the edge: no HTTP, one object, visitors in batches. A site in [`focus`] has people, queues and copies instead of rates.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use overspill_governance::{
    digest::ObjectDigest,
    payword::{LeaseId, Word},
    planted,
    site::SiteId,
    time::{Date, Now, Time},
    units::{ByteRate, Bytes},
};
use overspill_protocol::{
    limits::{PLAN_LIFETIME, TICKET_LIFETIME},
    observation::{Hosted, HotObject, Observation, SiteLoad, Spilled},
    overload::bucket::Bucket,
    plan::{FillWanted, Plan, Spill},
    ticket::{Bound, Method, Ticket},
};

pub mod counts;
pub mod focus;
mod focused;
pub mod model;
pub mod origin;
pub mod spread;

pub use focus::Focus;
pub use model::Model;

/// How often a server is looked at while anything goes on there, in microseconds.
pub const TICK_MICROS: u64 = 100_000;
/// How often it is looked at in calm. Most sites are calm most of the time: this bounds what a quiet site costs.
pub const TICK_CALM_MICROS: u64 = 1_000_000;

/// Looks at a busy server in a second.
const TICKS_IN_A_SECOND: u32 = (1_000_000 / TICK_MICROS) as u32;

/// Leases that no plan names and whose counts are still told.
const RETIRED_LEASES_MAX: usize = 128;

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
    /// Body bytes of what they come for.
    pub bytes: Bytes,
    /// When they were sent.
    pub sent: Time,
    /// How often they were redirected to a helper, this time included.
    pub hops: u8,
    /// It is one of these, and no visitor.
    pub sampled: Option<Sampled>,
}

/// Who made a sample.
#[derive(Debug, Clone, Copy)]
pub struct Sampled {
    /// The sample's number there.
    pub number: u64,
    /// At which site.
    pub by: u32,
    /// In which of its agent's lives.
    pub life: u32,
}

/// What became of guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// They were served this object, so many bytes in all.
    Served {
        /// Which.
        digest: ObjectDigest,
        /// Of all of them.
        bytes: Bytes,
    },
    /// They were sent home, perhaps for want of an object.
    SentHome(Option<FillWanted>),
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
    /// Our own, sent back to us and served.
    pub came_home: u64,
    /// Neither served nor spilled.
    pub shed: u64,
    /// Tickets that were drawn for samples.
    pub sampled: u64,
    /// Copies that others took from here.
    pub copied: u64,
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
    name: u64,
    object: HotObject,
    generation: u64,
    returned: u32,
    /// Of what is wanted, and of what is too much: tenths of requests that the last looks left over.
    left: (u32, u32),
    plan: Option<Arc<Plan>>,
    out: BTreeMap<LeaseId, Spilled>,
    hosted: BTreeMap<LeaseId, Hosted>,
    store: BTreeSet<(SiteId, ObjectDigest)>,
    focus: Option<Box<Focus>>,
    /// In focus: what of each lease's rates was drawn, requests and bytes.
    drawn: BTreeMap<LeaseId, [Bucket; 2]>,
}

impl Server {
    /// A server that holds one object of `size` bytes.
    pub fn new(name: usize, size: u64, budget: u32) -> Self {
        let name = name as u64;
        let object = HotObject {
            path: format!("/{name}.png"),
            digest: version(name, 0),
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
            name,
            object,
            generation: 0,
            returned: 0,
            left: (0, 0),
            plan: None,
            out: BTreeMap::new(),
            hosted: BTreeMap::new(),
            store: BTreeSet::new(),
            focus: None,
            drawn: BTreeMap::new(),
        }
    }

    /// The agent died: everything but what the world counts is gone.
    pub fn die(&mut self) {
        (self.plan, self.out, self.hosted, self.store) = (None, BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        self.returned = 0;
    }

    /// Takes a plan; the latest wins.
    pub fn apply(&mut self, plan: Arc<Plan>) {
        self.plan = Some(plan);
    }

    /// The plan that it serves by.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_deref()
    }

    /// A purge: the object has other bytes from now on, and older manifests must not be served any more.
    pub fn purge(&mut self) {
        self.generation += 1;
        self.object.digest = version(self.name, self.generation);
    }

    /// Where its object is.
    pub fn path(&self) -> &str {
        &self.object.path
    }

    /// How many bytes that has.
    pub fn size(&self) -> u64 {
        self.object.size.0
    }

    /// The bytes that are in force.
    pub fn digest(&self) -> ObjectDigest {
        self.object.digest
    }

    /// Bytes that are the site's own business: they are in no manifest, and nobody else may hold them.
    pub fn secret(&self) -> ObjectDigest {
        version(self.name, u64::MAX)
    }

    /// Whether anything goes on here: visitors want more than nothing, or leases run.
    pub fn is_busy(&self) -> bool {
        self.wanted > 0 || self.focus.is_some() || self.plan.as_ref().is_some_and(|plan| !plan.spill.is_empty() || !plan.host.is_empty())
    }

    /// A lease under which `owner` is a guest here.
    pub fn lease_of(&self, owner: &SiteId) -> Option<LeaseId> {
        self.plan.as_ref()?.host.iter().find(|host| host.owner == *owner && !host.closed).map(|host| host.lease)
    }

    /// Serves for one tick; gives the visitors that go elsewhere.
    pub fn tick(&mut self, us: SiteId, now: Time) -> Vec<Visit> {
        if let Some(focus) = self.focus.take() {
            return self.tick_in_focus(us, focus, now);
        }
        let wanted = share(&mut self.left.0, self.wanted);
        let mut excess = share(&mut self.left.1, self.wanted.saturating_sub(self.budget)).min(wanted);
        self.tally.own += u64::from(wanted - excess);
        let returned = core::mem::take(&mut self.returned);
        let mut hops = 1;
        if planted!(SpillsWhoComesHome) {
            (excess, hops) = (excess + returned, 1 + u8::from(returned > 0));
        } else {
            self.tally.came_home += u64::from(returned);
        }
        self.forget_ended();
        let mut visits = Vec::new();
        for spill in self.spills(now) {
            let promised = (spill.requests.0 / TICKS_IN_A_SECOND).max(1);
            let visitors = excess.min(promised);
            if let Some(visit) = self.hand_out(us, &spill, visitors, (hops, now)) {
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

    fn hand_out(&mut self, owner: SiteId, spill: &Spill, visitors: u32, (hops, sent): (u8, Time)) -> Option<Visit> {
        let fresh = Spilled { lease: spill.lease, serial: spill.serial_from - 1, bytes: Bytes::ZERO, sent_back: 0 };
        let out = self.out.entry(spill.lease).or_insert(fresh);
        let room = (spill.allotted.0.saturating_sub(out.bytes.0)) / self.object.size.0;
        let visitors = visitors.min(spill.chain.len().saturating_sub(out.serial)).min(u32::try_from(room).unwrap_or(u32::MAX));
        if visitors == 0 {
            return None;
        }
        out.serial += visitors;
        let bytes = Bytes(u64::from(visitors) * self.object.size.0);
        out.bytes = out.bytes.saturating_add(bytes);
        let word = spill.chain.word(out.serial)?;
        Some(Visit {
            owner,
            helper: spill.helper,
            lease: spill.lease,
            visitors,
            serial: out.serial,
            word,
            bytes,
            sent,
            hops,
            sampled: None,
        })
    }

    /// Draws a ticket for a sample, as for the next visitor who is sent there. In focus there are none.
    pub fn draw_for_sample(&mut self, us: SiteId, lease: LeaseId, path: &str, now: Now) -> Option<(Visit, String)> {
        let spill = self.spills(now.time).into_iter().find(|spill| spill.lease == lease && self.focus.is_none())?;
        let listed = spill.manifest.object(path).is_some_and(|object| object.digest == self.object.digest);
        let visit = self.hand_out(us, &spill, u32::from(listed), (1, now.time))?;
        self.tally.sampled += 1;
        let expires = now.date.after(TICKET_LIFETIME).as_secs().saturating_add_signed(spill.clock_offset_ms / 1_000);
        let bound = Bound { method: Method::Get, owner: &us, path };
        let ticket = Ticket::issue(&spill.key, lease, visit.serial, visit.word, u32::try_from(expires).ok()?, bound);
        Some((visit, ticket.to_text()))
    }

    /// What goes out beside an object that is served under a lease: the helper's signature.
    pub fn attested(&self, lease: &LeaseId, path: &str) -> Option<String> {
        let host = self.plan.as_ref()?.host.iter().find(|host| host.lease == *lease)?;
        host.attested.value(host.manifest.object(path)?).map(String::from)
    }

    /// Visitors whom a helper sent back: they are served here, whatever it costs, and go nowhere else.
    pub fn come_home(&mut self, lease: &LeaseId, visitors: u32) {
        self.returned = self.returned.saturating_add(visitors);
        if let Some(out) = self.out.get_mut(lease) {
            out.sent_back = out.sent_back.saturating_add(visitors);
        }
    }

    /// Guests arrive: served if the plan allows it, else sent home; an object that is lacking is wanted.
    pub fn receive(&mut self, visit: &Visit, now: Time) -> Received {
        let host = self.plan.as_ref().and_then(|plan| plan.host.iter().find(|host| host.lease == visit.lease));
        let open = host.filter(|host| !host.closed && now < host.until && now < host.generation_until);
        let object = open.and_then(|host| host.manifest.objects.first().map(|object| (host, object)));
        let Some((host, object)) = object else {
            self.tally.sent_back += u64::from(visit.visitors);
            return Received::SentHome(None);
        };
        if !self.store.contains(&(host.owner, object.digest)) {
            self.tally.sent_back += u64::from(visit.visitors);
            let want = FillWanted { lease: host.lease, owner: host.owner, digest: object.digest, size: object.size };
            return Received::SentHome(Some(want));
        }
        let nothing = Hosted { lease: visit.lease, serial: 0, word: Word([0; 16]), requests: 0, bytes: Bytes::ZERO };
        let hosted = self.hosted.entry(visit.lease).or_insert(nothing);
        if visit.serial > hosted.serial {
            (hosted.serial, hosted.word) = (visit.serial, visit.word);
        }
        let bytes = Bytes(u64::from(visit.visitors) * object.size.0);
        hosted.requests += visit.visitors;
        hosted.bytes = hosted.bytes.saturating_add(bytes);
        self.tally.guests += u64::from(visit.visitors);
        Received::Served { digest: object.digest, bytes }
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

    /// Counts of leases that no plan names any more are kept for a while, as the edge does: the control plane may not have seen the last.
    fn forget_ended(&mut self) {
        let Some(plan) = &self.plan else { return };
        if self.out.len() > RETIRED_LEASES_MAX {
            self.out.retain(|lease, _| plan.spill.iter().any(|spill| spill.lease == *lease));
            self.drawn.retain(|lease, _| self.out.contains_key(lease));
        }
        if self.hosted.len() > RETIRED_LEASES_MAX {
            self.hosted.retain(|lease, _| plan.host.iter().any(|host| host.lease == *lease));
        }
    }

    /// What the agent is told.
    pub fn observe(&mut self, now: Time) -> Observation {
        let rate = |requests: u32| ByteRate(u64::from(requests) * self.object.size.0);
        let under_pressure = self.wanted > self.budget;
        let (sent, wanted) = (rate(self.wanted.min(self.budget)), rate(self.wanted));
        let site = SiteLoad { sent, wanted, budget: rate(self.budget), requests: self.wanted, under_pressure, ..SiteLoad::default() };
        let asked = self.tally.own + self.tally.spilled + self.tally.shed;
        let seen = Observation {
            site,
            spilled: self.out.values().copied().collect(),
            hosted: self.hosted.values().copied().collect(),
            hot: vec![HotObject { wanted: Bytes(asked.saturating_mul(self.object.size.0)), ..self.object.clone() }],
            generation: self.generation,
            certified: self.certified.clone(),
            ..Observation::default()
        };
        self.observe_in_focus(now, seen)
    }
}

/// What of a rate comes by one look; what does not divide is left for the next.
fn share(left: &mut u32, rate: u32) -> u32 {
    let due = left.saturating_add(rate);
    *left = due % TICKS_IN_A_SECOND;
    due / TICKS_IN_A_SECOND
}

/// The digest of one version of a site's object.
fn version(name: u64, generation: u64) -> ObjectDigest {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&name.to_le_bytes());
    bytes[8..].copy_from_slice(&generation.to_le_bytes());
    ObjectDigest::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::site::Key;

    #[test]
    fn no_request_is_lost_in_rounding() {
        for (wanted, own, shed) in [(9, 90, 0), (20, 200, 0), (27, 200, 70), (1, 10, 0)] {
            let mut server = Server::new(0, 20_000, 20);
            server.wanted = wanted;
            let us = Key::from_seed([1; 32]).site();
            (0..100).for_each(|_| assert!(server.tick(us, Time::ZERO).is_empty()));
            assert_eq!((server.tally.own, server.tally.shed), (own, shed), "{wanted} a second for ten seconds");
        }
    }
}
