//! How an owner comes to leases: takes an offer, hears the answer, and asks for a successor before a lease runs dry.

use alloc::{sync::Arc, vec::Vec};

use overspill_governance::{
    entry::Entry,
    payword::{Chain, LeaseId},
    planted,
    site::SiteId,
    time::Time,
    units::{Bytes, Credit},
};

use super::{Ahead, Asking, Live, Owned, OwnerSide};
use crate::{
    advert::Offer,
    desk::Desk,
    event::Event,
    lease::{
        Terms,
        table::{Phase, Turn},
        take::{self, Parties},
    },
    limits::{BEAT_PAUSE, LEASE_RETRY, LEASE_TRIES_MAX, LEASES_MAX, SUCCESSOR_PERCENT},
    membership::Membership,
    message::{LeaseClosed, LeaseHeld, LeaseRefused, LeaseTake, Message},
    settle::lines::Lines,
    ticket::TicketKey,
};

impl OwnerSide {
    /// Takes an offer. The allotment is in the ledger before the helper hears of it.
    pub(crate) fn take(
        &mut self,
        desk: &mut Desk,
        membership: &Membership,
        lines: &Lines,
        (helper, offer): (SiteId, &Offer),
        replaces: Option<LeaseId>,
    ) -> Option<LeaseId> {
        let (mesh, charter) = (membership.mesh()?, membership.charter()?);
        if desk.is_silent() || self.unended() >= LEASES_MAX || lines.is_disputed(membership, &helper, desk.now.date) {
            return None;
        }
        let reserved = if planted!(SpendsTwice) { Credit::ZERO } else { self.reserved(&helper) };
        let credit = lines.headroom(membership, desk.id, helper).checked_sub(reserved)?;
        let lease = LeaseId(desk.draw());
        let mut allotment = take::allotment(Parties { mesh, charter, owner: desk.id, helper }, lease, offer, credit, desk.now.date)?;
        let chain = Chain::from_seed(desk.draw(), lease, allotment.requests);
        allotment.anchor = chain.anchor();
        let allotment = desk.sign(allotment)?;
        let (key, until) = (TicketKey(desk.draw()), desk.in_(charter.lease_length.span()));
        let take =
            LeaseTake { allotment: allotment.clone(), key, requests: offer.requests, bytes: offer.bytes, storage: offer.storage, replaces };
        if !planted!(AllotsUnwritten) {
            desk.persist(Entry::Allotted(allotment.clone().into()));
        }
        desk.send(helper, Message::LeaseTake(take.clone()));
        let live = Live {
            chain: Arc::new(chain),
            key,
            base: Default::default(),
            requests: offer.requests,
            bytes: offer.bytes,
            until,
            serial: 0,
            issued: Bytes::ZERO,
            returned: 0,
            settled_in: Time::MAX,
            take,
            tries: 1,
            successor: None,
        };
        let terms = Terms::new(allotment, Phase::Asked, desk.now.time);
        self.leases.insert(lease, Owned { terms, live: Some(live), claimed: None, ahead: Ahead::No, asking: Asking::default() });
        Some(lease)
    }

    /// The helper promised. What we no longer know is closed at once, so that it binds no capacity.
    pub(crate) fn on_held(&mut self, desk: &mut Desk, from: SiteId, held: LeaseHeld, proved: Option<&str>) -> Option<&'static str> {
        let known = self.leases.get_mut(&held.lease).filter(|owned| owned.terms.helper() == from);
        let Some((owned, Some(live))) = known.map(|owned| (&mut owned.terms, owned.live.as_mut())) else {
            desk.send(from, Message::LeaseClosed(LeaseClosed { lease: held.lease }));
            return None;
        };
        if owned.phase != Phase::Asked {
            return None;
        }
        // It stands in the `Location` of our answers: a helper must not be able to send our crowd to somebody else.
        if proved != Some(held.base.as_str()) {
            self.turn(desk, held.lease, Turn::Refused);
            return Some("a lease at an address that does not prove to be the helper's");
        }
        let replaces = live.take.replaces;
        live.base = held.base;
        (live.requests, live.bytes) = (live.requests.min(held.requests), live.bytes.min(held.bytes));
        live.settled_in = desk.in_(2 * BEAT_PAUSE + LEASE_RETRY);
        if owned.turn(Turn::Granted, desk.now.time).is_ok() {
            desk.tell(Event::LeaseHeld { lease: held.lease, partner: from, as_owner: true });
        }
        if let Some(old) = replaces.filter(|old| self.phase(old) == Some(Phase::Held)) {
            self.turn(desk, old, Turn::Succeeded);
        }
        None
    }

    /// The helper would not.
    pub(crate) fn on_refused(&mut self, desk: &mut Desk, from: SiteId, refused: &LeaseRefused) {
        let asked = self.leases.get(&refused.lease).is_some_and(|owned| owned.terms.helper() == from && owned.terms.phase == Phase::Asked);
        if asked {
            desk.tell(Event::LeaseRefused { partner: from, reason: refused.reason.words() });
            self.turn(desk, refused.lease, Turn::Refused);
        }
    }

    /// Held leases of which most is used, and whose successor is not yet asked for.
    pub(crate) fn worn(&self, charter_length: core::time::Duration, now: Time) -> Vec<(LeaseId, SiteId)> {
        let is_worn = |owned: &Owned, live: &Live| {
            let allotment = &owned.terms.allotment.body;
            let used = |part: u64, whole: u64| part.saturating_mul(100) >= whole.saturating_mul(SUCCESSOR_PERCENT);
            let left = live.until.since(now);
            let spent = charter_length.saturating_sub(left).as_millis();
            used(u64::from(live.serial), u64::from(allotment.requests))
                || used(live.issued.0, allotment.bytes.0)
                || used(u64::try_from(spent).unwrap_or(u64::MAX), u64::try_from(charter_length.as_millis()).unwrap_or(u64::MAX))
        };
        let unsucceeded = |live: &Live| live.successor.is_none_or(|next| self.phase(&next).is_none_or(|phase| phase == Phase::Ended));
        let held = self.leases.iter().filter(|(_, owned)| owned.terms.phase == Phase::Held);
        let live = held.filter_map(|(id, owned)| owned.live.as_ref().map(|live| (id, owned, live)));
        live.filter(|(_, owned, live)| unsucceeded(live) && is_worn(owned, live))
            .map(|(id, owned, _)| (*id, owned.terms.helper()))
            .collect()
    }

    /// Notes that `next` is to take over from `lease`.
    pub(crate) fn succeed(&mut self, lease: &LeaseId, next: LeaseId) {
        if let Some(live) = self.leases.get_mut(lease).and_then(|owned| owned.live.as_mut()) {
            live.successor = Some(next);
        }
    }

    /// Whether `helper` may be asked now: no lease with it is asked for or held, and it did not refuse a moment ago.
    pub(crate) fn may_ask(&self, helper: &SiteId, now: Time) -> bool {
        let busy = self.leases.values().any(|owned| owned.terms.helper() == *helper && owned.terms.phase <= Phase::Held);
        !busy && self.may_succeed(helper, now)
    }

    /// Whether `helper` may be asked to go on: it did not refuse a moment ago, and does not send visitors home.
    pub(crate) fn may_succeed(&self, helper: &SiteId, now: Time) -> bool {
        self.not_before.get(helper).is_none_or(|at| *at <= now) && !self.returns.rests(helper, now)
    }

    /// Credit that open leases with `helper` may still claim.
    pub(crate) fn reserved(&self, helper: &SiteId) -> Credit {
        let open = self.leases.values().filter(|owned| owned.terms.helper() == *helper);
        let claimable = |owned: &Owned| {
            let allotment = &owned.terms.allotment.body;
            // Of a lease that sends no new visitors, only what is out can be claimed, if we still know it.
            let (requests, bytes) = match (&owned.live, owned.terms.phase) {
                (Some(live), phase) if phase >= Phase::Draining => (live.serial, live.issued),
                _ => (allotment.requests, allotment.bytes),
            };
            allotment.price(requests, bytes).0.saturating_sub(owned.terms.settled.0).max(0)
        };
        Credit(open.map(claimable).fold(0, i64::saturating_add))
    }

    pub(super) fn ask_again(&mut self, desk: &mut Desk) {
        for owned in self.leases.values_mut().filter(|owned| owned.terms.phase == Phase::Asked) {
            let helper = owned.terms.helper();
            let Some(live) = owned.live.as_mut() else { continue };
            if desk.now.time.since(owned.terms.since) >= LEASE_RETRY && live.tries < LEASE_TRIES_MAX {
                live.tries += 1;
                owned.terms.since = desk.now.time;
                desk.send(helper, Message::LeaseTake(live.take.clone()));
            }
        }
    }
}
