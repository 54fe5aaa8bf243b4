//! No plan makes a helper carry more than its hard caps, or more for one member than its quota, no owner's data plane is sent where the words have run out, and no owner allots
//! to one helper more than their line can bear.

use std::collections::BTreeMap;

use overspill_governance::{
    charter::Charter,
    entry::Entry,
    line::LineId,
    payword::LeaseId,
    site::SiteId,
    units::{Bytes, Credit},
};
use overspill_protocol::{
    event::Event,
    io::Caps,
    limits::LEASES_MAX,
    plan::{Host, Plan},
};

use super::{keys::Keys, terms::Terms};
use crate::server::Visit;

/// A lease as its owner has to count it.
#[derive(Debug, Clone, Copy)]
struct Open {
    terms: Terms,
    /// What all of it would cost, or what is out once no new visitors are sent.
    most: i64,
    settled: i64,
    requests: u32,
    bytes: Bytes,
}

/// Visitors who may be on their way when an owner counts what is out: three looks at a data plane.
const UNCOUNTED_TICKS: i64 = 3;

/// Caps of sites, and what owners have allotted and not settled.
#[derive(Debug, Clone, Default)]
pub struct LeaseCaps {
    caps: BTreeMap<SiteId, Caps>,
    charter: Charter,
    /// By owner and helper, then by lease: what it may still cost.
    open: BTreeMap<(SiteId, SiteId), BTreeMap<LeaseId, Open>>,
    /// By owner and helper: how far the line may still move towards the helper.
    room: BTreeMap<(SiteId, SiteId), i64>,
    balances: BTreeMap<(SiteId, LineId), Credit>,
}

impl LeaseCaps {
    pub(super) fn on_site(&mut self, site: SiteId, caps: Caps) {
        self.caps.insert(site, caps);
    }

    pub(super) fn on_charter(&mut self, charter: &Charter) {
        self.charter = charter.clone();
    }

    pub(super) fn on_entry(&mut self, site: SiteId, entry: &Entry, keys: &Keys) -> Option<String> {
        match entry {
            Entry::Allotted(allotment) if allotment.body.owner == site => {
                let (lease, helper) = (allotment.body.lease, allotment.body.helper);
                let worst = allotment.body.price(allotment.body.requests, allotment.body.bytes).0;
                let open = self.open.entry((site, helper)).or_default();
                open.insert(lease, Open { terms: Terms::of(&allotment.body), most: worst, settled: 0, requests: 0, bytes: Bytes::ZERO });
                let sum: i64 = open.values().map(|lease| (lease.most - lease.settled).max(0)).sum();
                let room = self.room.get(&(site, helper)).copied().unwrap_or(self.charter.newcomer_limit.0);
                let slack = self
                    .caps
                    .get(&helper)
                    .map_or(0, |caps| allotment.body.price(caps.requests.0, Bytes(caps.bytes.0)).0 / 10 * UNCOUNTED_TICKS);
                (sum > room + slack).then(|| {
                    let (owner, helper) = (site.short(), helper.short());
                    format!("{owner} allots {} to {helper}, where their line has room for {}", Credit(sum), Credit(room))
                })
            }
            Entry::Agreed { with, receipt } => {
                let state = &receipt.state;
                // What the other end may still earn of us, by the state's own limits.
                let room = if site < *with { state.limit_high.0 + state.balance.0 } else { state.limit_low.0 - state.balance.0 };
                self.room.insert((site, *with), room);
                let before = self.balances.insert((site, state.line), state.balance).unwrap_or(Credit::ZERO);
                let moved = (state.balance.0 - before.0).abs();
                if let Some(claim) = receipt.claim
                    && let Some(left) = self.open.get_mut(&(site, *with)).and_then(|open| open.get_mut(&claim.lease))
                {
                    left.settled += moved;
                }
                None
            }
            Entry::Renewed { with, head } => {
                let Some(last) = &head.last else { return None };
                let (state, line) = (&last.receipt.state, head.renewal.as_ref()?.body.key.id());
                // Seen from here it is what it was, whoever is the lower end now.
                let carried = keys.carried(&site, with, head);
                let limit = if keys.was_low(&site, with, head) { state.limit_high } else { state.limit_low };
                self.room.insert((site, *with), limit.0 + carried);
                self.balances.insert((site, line), Credit(if site < *with { carried } else { -carried }));
                None
            }
            Entry::LeaseEnded { lease } => {
                for ((owner, _), open) in &mut self.open {
                    if *owner == site {
                        open.remove(lease);
                    }
                }
                None
            }
            _ => None,
        }
    }

    /// What an owner forgot it allotted, it does not pay.
    pub(super) fn on_forgotten(&mut self, site: SiteId) {
        self.open.retain(|(owner, _), _| *owner != site);
        self.room.retain(|(owner, _), _| *owner != site);
    }

    /// Visitors were sent under a lease.
    pub(super) fn on_sent(&mut self, visit: &Visit) {
        if let Some(lease) = self.open.get_mut(&(visit.owner, visit.helper)).and_then(|open| open.get_mut(&visit.lease)) {
            lease.requests = lease.requests.max(visit.serial);
            lease.bytes = lease.bytes.saturating_add(visit.bytes);
        }
    }

    /// Of a lease that drains only what is out can still be claimed.
    pub(super) fn on_event(&mut self, site: SiteId, event: &Event) {
        let Event::LeaseDraining { lease, partner, .. } = event else { return };
        if let Some(open) = self.open.get_mut(&(site, *partner)).and_then(|open| open.get_mut(lease)) {
            let out = open.terms.price(open.requests, open.bytes);
            open.most = open.most.min(i64::try_from(out).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn on_plan(&self, site: SiteId, plan: &Plan) -> Option<String> {
        let open = plan.host.iter().filter(|host| !host.closed);
        let (requests, bytes) =
            open.fold((0_u64, 0_u64), |(requests, bytes), host| (requests + u64::from(host.requests.0), bytes + host.bytes.0));
        let caps = self.caps.get(&site)?;
        if requests > u64::from(caps.requests.0) || bytes > caps.bytes.0 {
            return Some(format!("{} plans to carry {requests} requests/s and {bytes} bytes/s, beyond its caps", site.short()));
        }
        let over = |host: &&Host| {
            let theirs = plan.host.iter().filter(|other| !other.closed && other.owner == host.owner);
            let (requests, bytes) =
                theirs.fold((0_u64, 0_u64), |(requests, bytes), host| (requests + u64::from(host.requests.0), bytes + host.bytes.0));
            let quota = caps.member;
            requests > u64::from(quota.requests.0) || bytes > quota.bytes.0 || host.storage > quota.storage
        };
        if let Some(host) = plan.host.iter().find(over) {
            return Some(format!("{} plans to carry more for {} than one member's quota", site.short(), host.owner.short()));
        }
        let spent = plan.spill.iter().find(|spill| spill.serial_from > spill.chain.len() + 1);
        if let Some(spill) = spent {
            return Some(format!("{} plans serials beyond the chain of lease {}", site.short(), spill.lease));
        }
        let many = plan.spill.len() > 2 * LEASES_MAX || plan.host.len() > 2 * LEASES_MAX;
        many.then(|| format!("{} plans more leases than there may be", site.short()))
    }
}
