//! Down the second seam: what the control plane wants of the data plane.
//!
//! A [`Plan`] is immutable and whole; the latest wins. The data plane never waits for one, serves by the last, and after
//! [`crate::limits::PLAN_LIFETIME`] without a newer one behaves as if it named no helpers.

use alloc::{collections::BTreeSet, string::String, sync::Arc, vec::Vec};

use overspill_governance::{
    digest::ObjectDigest,
    payword::{Chain, LeaseId, Word},
    site::SiteId,
    time::Time,
    units::{ByteRate, Bytes, RequestRate},
};

use crate::{attest::Attested, manifest::Manifest, ticket::TicketKey};

/// What the data plane is to do, until the next plan.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Counts plans of this process.
    pub version: u64,
    /// When it was made.
    pub made: Time,
    /// As owner: where excess may go.
    pub spill: Vec<Spill>,
    /// As owner: nowhere yet, but partners offer help or were asked for it, so that excess may go somewhere in a moment.
    pub help_may_come: bool,
    /// As helper: what is hosted for others.
    pub host: Vec<Host>,
    /// As helper: where visitors belong who come without a lease that we know; one home for each other member. The same pointer as long
    /// as nothing in it changes.
    pub homes: Arc<Vec<Home>>,
}

/// Where the visitors of one member belong. Known of every member of the roster, which outlives leases and processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The one hostname (with port) under which the member would be a guest here.
    pub authority: String,
    /// The member's canonical scheme and authority.
    pub canonical: String,
}

/// A lease as its owner's data plane sees it: a place to send visitors.
#[derive(Debug, Clone)]
pub struct Spill {
    /// The lease.
    pub lease: LeaseId,
    /// Who serves.
    pub helper: SiteId,
    /// Where visitors are sent: scheme and authority of the (site, helper) hostname, such as `https://blog-7x.helper.example`.
    pub base: String,
    /// The helper's promise: requests in each second.
    pub requests: RequestRate,
    /// The helper's promise: body bytes in each second.
    pub bytes: ByteRate,
    /// What the allotment still lets be served, counted over the whole lease.
    pub allotted: Bytes,
    /// MAC key of tickets.
    pub key: TicketKey,
    /// Words of tickets. The data plane takes serials in order and reports the highest.
    pub chain: Arc<Chain>,
    /// First serial that this process may hand out: serials below it may be out already.
    pub serial_from: u32,
    /// The helper's calendar minus ours, in milliseconds.
    pub clock_offset_ms: i64,
    /// Share of spilled requests, relative to the other leases'.
    pub weight: u32,
    /// Spill nothing new: the lease is draining, or its helper did not answer lately.
    pub held_back: bool,
    /// What may be spilled: a request whose path is not in it stays here.
    pub manifest: Arc<Manifest>,
    /// What the helper held before the lease: these visitors wait for no fill.
    pub standby: Arc<BTreeSet<ObjectDigest>>,
    /// The lease ends.
    pub until: Time,
}

/// A lease as its helper's data plane sees it: a guest.
#[derive(Debug, Clone)]
pub struct Host {
    /// The lease.
    pub lease: LeaseId,
    /// Whose content it is.
    pub owner: SiteId,
    /// The one hostname (with port, as in `Host`) under which this guest is served.
    pub authority: String,
    /// The owner's canonical scheme and authority: where requests without a good ticket are sent.
    pub canonical: String,
    /// Most requests in each second.
    pub requests: RequestRate,
    /// Most body bytes in each second.
    pub bytes: ByteRate,
    /// Most requests over the lease: the allotment.
    pub allotted_requests: u32,
    /// Most body bytes over the lease: the allotment.
    pub allotted_bytes: Bytes,
    /// Most bytes of guest objects stored for this owner.
    pub storage: Bytes,
    /// MAC key of tickets.
    pub key: TicketKey,
    /// The chain's anchor: a word that does not reach it is refused.
    pub anchor: Word,
    /// What may be served, and as which bytes.
    pub manifest: Arc<Manifest>,
    /// What goes out beside each object: our signature under what we serve.
    pub attested: Arc<Attested>,
    /// Serve nothing after this, however long the lease runs: the owner's generation must be seen again first.
    pub generation_until: Time,
    /// The lease ends.
    pub until: Time,
    /// Over or ending: visitors are sent back to the owner with a mark, nothing is served.
    pub closed: bool,
}

/// An object that the helper's data plane lacks and the owner holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillWanted {
    /// The lease under which it is wanted.
    pub lease: LeaseId,
    /// Whose content it is.
    pub owner: SiteId,
    /// Which bytes.
    pub digest: ObjectDigest,
    /// How many.
    pub size: Bytes,
}
