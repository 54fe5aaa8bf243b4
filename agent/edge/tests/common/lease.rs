//! A lease as both ends' control planes would tell it, without a mesh.

use std::{sync::Arc, thread};

use overspill_edge::{Clock, FillFailed, Handle};
use overspill_governance::{
    digest::Digest,
    invite::MeshId,
    payword::{Chain, LeaseId},
    site::SiteId,
    time::Time,
    units::{ByteRate, Bytes, RequestRate},
};
use overspill_protocol::{
    manifest::{Manifest, Object},
    plan::{Host, Spill},
    ticket::{Bound, Method, TICKET_PARAMETER, Ticket, TicketKey},
};

/// One owner's lease at one helper, wide in all but its tickets.
pub struct Lease {
    pub id: LeaseId,
    pub owner: SiteId,
    pub helper: SiteId,
    /// Scheme and authority of the guest's name at the helper.
    pub base: String,
    /// Scheme and authority of the owner.
    pub canonical: String,
    key: TicketKey,
    chain: Arc<Chain>,
}

impl Lease {
    /// The lease of this number, with so many tickets.
    pub fn new(number: u8, owner: SiteId, (base, canonical): (String, &str), tickets: u32) -> Self {
        let id = LeaseId([number; 8]);
        let chain = Arc::new(Chain::from_seed([number; 32], id, tickets));
        Self { id, owner, helper: SiteId([200; 32]), base, canonical: canonical.to_owned(), key: TicketKey([number; 32]), chain }
    }

    /// The owner's side.
    pub fn spill(&self, manifest: &Arc<Manifest>) -> Spill {
        Spill {
            lease: self.id,
            helper: self.helper,
            base: self.base.clone(),
            requests: RequestRate(1_000),
            bytes: ByteRate(1 << 30),
            allotted: Bytes(1 << 30),
            key: self.key,
            chain: Arc::clone(&self.chain),
            serial_from: 1,
            clock_offset_ms: 0,
            weight: 1,
            held_back: false,
            manifest: Arc::clone(manifest),
            standby: Arc::default(),
            until: Time::MAX,
        }
    }

    /// The helper's side.
    pub fn host(&self, manifest: &Arc<Manifest>) -> Host {
        Host {
            lease: self.id,
            owner: self.owner,
            authority: self.base.split_once("://").unwrap().1.to_owned(),
            canonical: self.canonical.clone(),
            requests: RequestRate(1_000),
            bytes: ByteRate(1 << 30),
            allotted_requests: self.chain.len(),
            allotted_bytes: Bytes(1 << 30),
            storage: Bytes(1 << 20),
            key: self.key,
            anchor: self.chain.anchor(),
            manifest: Arc::clone(manifest),
            attested: Arc::default(),
            generation_until: Time::MAX,
            until: Time::MAX,
            closed: false,
        }
    }

    /// A path at the helper with the ticket of a serial, as its owner would make it.
    pub fn address(&self, path: &str, serial: u32) -> String {
        let bound = Bound { method: Method::Get, owner: &self.owner, path };
        let ticket = Ticket::issue(&self.key, self.id, serial, self.chain.word(serial).unwrap(), u32::MAX, bound);
        format!("{}{path}?{TICKET_PARAMETER}={}", self.base, ticket.to_text())
    }
}

/// What an owner holds at these paths, as its control plane would sign it.
pub fn manifest(handle: &Handle, owner: SiteId, clock: &Clock, is_listed: impl Fn(&str) -> bool) -> Arc<Manifest> {
    let seen = handle.observe();
    let listed = seen.hot.into_iter().filter(|hot| is_listed(&hot.path));
    let mut objects: Vec<Object> = listed
        .map(|hot| Object { path: hot.path, digest: hot.digest, size: hot.size, media_type: hot.media_type, fresh_until: hot.fresh_until })
        .collect();
    objects.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = Manifest { mesh: MeshId(Digest::ZERO), owner, run: 1, generation: seen.generation, date: clock.date(), objects };
    assert!(manifest.is_well_formed());
    Arc::new(manifest)
}

/// Moves what a helper wants from its owner, until the test ends.
pub fn fill(owner: &Arc<Handle>, helper: &Arc<Handle>) {
    let (owner, helper) = (Arc::clone(owner), Arc::clone(helper));
    let mut wanted = helper.take_wanted().unwrap();
    thread::spawn(move || {
        while let Some(want) = wanted.blocking_recv() {
            helper.filled(&want, owner.held(&want.digest).ok_or(FillFailed::Gone));
        }
    });
}
