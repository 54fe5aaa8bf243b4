//! The owner's side of leases: taken when a crowd comes, renewed by successors while it lasts, released when it is gone.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use overspill_governance::{
    entry::Entry,
    payword::{Chain, LeaseId},
    site::{Signed, SiteId},
    time::Time,
    units::{ByteRate, Bytes, Credit, RequestRate},
};

use super::{
    Terms,
    publish::Publisher,
    table::{Phase, Turn},
    take::{self, Parties},
};
use crate::{
    advert::Offer,
    desk::Desk,
    event::Event,
    limits::{
        CLAIM_ASK_AFTER, DRAIN_TIME, HELPER_LOST, HELPER_SILENCE, LEASE_RETRY, LEASE_TRIES_MAX, LEASES_MAX, REFUSAL_PAUSE,
        SUCCESSOR_PERCENT, UNSETTLED_LIFETIME, UNSETTLED_MAX,
    },
    membership::Membership,
    message::{ClaimMade, LeaseClosed, LeaseHeld, LeaseRefused, LeaseTake, Message},
    observation::Spilled,
    partners::Partners,
    settle::lines::Lines,
    ticket::TicketKey,
};

pub(crate) mod crowd;

use crowd::Crowd;

/// One lease that we own.
#[derive(Debug)]
pub(crate) struct Owned {
    /// What both ends keep.
    pub(crate) terms: Terms,
    /// What only the process that took the lease knows: after a restart it can be settled, but not used.
    pub(crate) live: Option<Live>,
    /// The helper's latest claim, until it is settled or answered.
    pub(crate) claimed: Option<ClaimMade>,
    /// When the helper is asked for its last claim, and how often it was.
    pub(crate) asking: Asking,
}

/// How far asking for a last claim has come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asking {
    /// Not before this time.
    pub(crate) at: Time,
    /// How often it was.
    pub(crate) tries: u32,
}

/// The secrets and the promise of a lease.
#[derive(Debug)]
pub(crate) struct Live {
    /// Words of tickets.
    pub(crate) chain: Arc<Chain>,
    /// MAC key of tickets.
    pub(crate) key: TicketKey,
    /// Where visitors are sent; empty until the helper promised.
    pub(crate) base: alloc::string::String,
    /// The promise: requests in each second.
    pub(crate) requests: RequestRate,
    /// The promise: body bytes in each second.
    pub(crate) bytes: ByteRate,
    /// Ends for new visitors.
    pub(crate) until: Time,
    /// Highest serial that the data plane reported.
    pub(crate) serial: u32,
    /// Sum of the sizes that the data plane reported.
    pub(crate) issued: Bytes,
    /// Not used until then: the helper's first beats may not know of the lease yet.
    settled_in: Time,
    take: LeaseTake,
    tries: u32,
    successor: Option<LeaseId>,
}

impl Live {
    /// Bytes of objects that the helper was asked to store.
    pub(crate) fn storage(&self) -> Bytes {
        self.take.storage
    }
}

/// All leases that we own, and what they publish.
#[derive(Debug)]
pub(crate) struct OwnerSide {
    pub(crate) leases: BTreeMap<LeaseId, Owned>,
    pub(crate) publisher: Publisher,
    pub(crate) crowd: Crowd,
    not_before: BTreeMap<SiteId, Time>,
}

impl OwnerSide {
    pub(crate) fn new() -> Self {
        Self { leases: BTreeMap::new(), publisher: Publisher::new(), crowd: Crowd::default(), not_before: BTreeMap::new() }
    }

    /// Takes back a lease from the ledger: over for visitors, to be settled.
    pub(crate) fn restore(&mut self, allotment: Signed<overspill_governance::allotment::Allotment>, now: Time) {
        let terms = Terms::new(allotment, Phase::Settling, now);
        self.leases.insert(
            terms.allotment.body.lease,
            Owned { terms, live: None, claimed: None, asking: Asking { at: now.after(CLAIM_ASK_AFTER), tries: 0 } },
        );
    }

    /// The leases with `helper` of which visitors may hold tickets.
    pub(crate) fn live_with<'a>(&'a self, helper: &'a SiteId) -> impl Iterator<Item = (&'a LeaseId, &'a Owned)> {
        self.leases.iter().filter(move |(_, owned)| owned.terms.helper() == *helper && owned.terms.phase.is_live())
    }

    /// Takes what went out. Numbers only grow.
    pub(crate) fn on_spilled(&mut self, spilled: &[Spilled]) {
        for Spilled { lease, serial, bytes, .. } in spilled {
            if let Some(live) = self.leases.get_mut(lease).and_then(|owned| owned.live.as_mut()) {
                (live.serial, live.issued) = (live.serial.max(*serial), live.issued.max(*bytes));
            }
        }
    }

    /// Body bytes in each second that leases promise, or are asked for.
    pub(crate) fn promised_bytes(&self) -> u64 {
        let open = self.leases.values().filter(|owned| owned.terms.phase <= Phase::Held);
        open.filter_map(|owned| owned.live.as_ref()).map(|live| live.bytes.0).fold(0, u64::saturating_add)
    }

    /// Helpers with whom a lease is live.
    pub(crate) fn helpers(&self) -> Vec<SiteId> {
        let live = self.leases.values().filter(|owned| owned.terms.phase.is_live());
        let mut helpers: Vec<SiteId> = live.map(|owned| owned.terms.helper()).collect();
        helpers.sort_unstable();
        helpers.dedup();
        helpers
    }

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
        if desk.is_silent() || self.unended() >= LEASES_MAX {
            return None;
        }
        let credit = lines.headroom(membership, desk.id, helper).checked_sub(self.reserved(&helper))?;
        let lease = LeaseId(desk.draw());
        let mut allotment = take::allotment(Parties { mesh, charter, owner: desk.id, helper }, lease, offer, credit, desk.now.date)?;
        let chain = Chain::from_seed(desk.draw(), lease, allotment.requests);
        allotment.anchor = chain.anchor();
        let allotment = desk.sign(allotment)?;
        let (key, until) = (TicketKey(desk.draw()), desk.in_(charter.lease_length.span()));
        let take =
            LeaseTake { allotment: allotment.clone(), key, requests: offer.requests, bytes: offer.bytes, storage: offer.storage, replaces };
        desk.persist(Entry::Allotted(allotment.clone().into()));
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
            settled_in: Time::MAX,
            take,
            tries: 1,
            successor: None,
        };
        let terms = Terms::new(allotment, Phase::Asked, desk.now.time);
        self.leases.insert(lease, Owned { terms, live: Some(live), claimed: None, asking: Asking::default() });
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
        live.settled_in = desk.in_(2 * crate::limits::BEAT_PAUSE + LEASE_RETRY);
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

    /// A helper said which leases it holds: one that it has forgotten is lost.
    pub(crate) fn on_hosted(&mut self, desk: &mut Desk, from: SiteId, hosted: &[LeaseId]) {
        let now = desk.now.time;
        let forgotten = |(id, owned): (&LeaseId, &Owned)| {
            let held = owned.terms.phase == Phase::Held && owned.live.as_ref().is_some_and(|live| live.settled_in <= now);
            (held && !hosted.contains(id)).then_some(*id)
        };
        let lost: Vec<LeaseId> = self.live_with(&from).filter_map(forgotten).collect();
        for lease in lost {
            self.turn(desk, lease, Turn::Lost);
        }
    }

    /// Whether a helper that holds a lease is to get no visitors now.
    pub(crate) fn is_held_back(&self, partners: &Partners, owned: &Owned, now: Time) -> bool {
        let heard = partners.partner(&owned.terms.helper()).filter(|partner| partner.connected);
        owned.terms.phase != Phase::Held || heard.is_none_or(|partner| now.since(partner.last_heard) >= HELPER_SILENCE)
    }

    /// Moves every lease on that time moves on.
    pub(crate) fn on_time(&mut self, desk: &mut Desk, membership: &Membership, partners: &Partners, release: bool) {
        let now = desk.now.time;
        let turns: Vec<(LeaseId, Turn)> = self
            .leases
            .iter()
            .filter_map(|(id, owned)| {
                let helper = owned.terms.helper();
                let age = now.since(owned.terms.since);
                let gone = !membership.is_member(&helper)
                    || partners.partner(&helper).is_none_or(|partner| now.since(partner.last_heard) >= HELPER_LOST);
                let turn = match (owned.terms.phase, &owned.live) {
                    (Phase::Asked, _) if release => Turn::Released,
                    (Phase::Asked, Some(live)) if age >= LEASE_RETRY && live.tries >= LEASE_TRIES_MAX => Turn::Unanswered,
                    (Phase::Held, _) if gone => Turn::Lost,
                    (Phase::Held, Some(live)) if live.until <= now => Turn::Expired,
                    (Phase::Held, _) if release => Turn::Released,
                    (Phase::Draining, _) if age >= DRAIN_TIME => Turn::Drained,
                    (Phase::Settling, _) if age >= UNSETTLED_LIFETIME => Turn::GivenUp,
                    _ => return None,
                };
                Some((*id, turn))
            })
            .collect();
        for (lease, turn) in turns {
            self.turn(desk, lease, turn);
        }
        self.ask_again(desk);
        self.give_up_oldest(desk);
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

    /// Whether `helper` may be asked to go on: it did not refuse a moment ago.
    pub(crate) fn may_succeed(&self, helper: &SiteId, now: Time) -> bool {
        self.not_before.get(helper).is_none_or(|at| *at <= now)
    }

    /// Moves one lease on, and does what that entails. What the table does not foresee changes nothing.
    pub(crate) fn turn(&mut self, desk: &mut Desk, lease: LeaseId, turn: Turn) {
        let Some(owned) = self.leases.get_mut(&lease) else { return };
        let partner = owned.terms.helper();
        match owned.terms.turn(turn, desk.now.time) {
            Ok(Phase::Draining) => {
                desk.send(partner, Message::LeaseClosed(LeaseClosed { lease }));
                desk.tell(Event::LeaseDraining { lease, partner, reason: turn.words() });
            }
            Ok(Phase::Ended) => {
                self.leases.remove(&lease);
                desk.persist(Entry::LeaseEnded { lease });
                desk.tell(Event::LeaseEnded { lease, partner, reason: turn.words() });
                if self.live_with(&partner).next().is_none() {
                    self.publisher.forget(&partner);
                }
            }
            Ok(Phase::Settling) => owned.asking = Asking { at: desk.in_(CLAIM_ASK_AFTER), tries: 0 },
            Ok(_) => {}
            Err(_) => return,
        }
        if matches!(turn, Turn::Refused | Turn::Unanswered | Turn::Lost) {
            let until = desk.in_(REFUSAL_PAUSE);
            self.not_before.retain(|_, at| *at > desk.now.time);
            self.not_before.insert(partner, until);
        }
    }

    fn phase(&self, lease: &LeaseId) -> Option<Phase> {
        self.leases.get(lease).map(|owned| owned.terms.phase)
    }

    /// Leases that are not over for visitors.
    fn unended(&self) -> usize {
        self.leases.values().filter(|owned| owned.terms.phase < Phase::Settling).count()
    }

    /// Credit that open leases with `helper` may still claim.
    fn reserved(&self, helper: &SiteId) -> Credit {
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

    fn ask_again(&mut self, desk: &mut Desk) {
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

    fn give_up_oldest(&mut self, desk: &mut Desk) {
        while self.leases.values().filter(|owned| owned.terms.phase == Phase::Settling).count() > UNSETTLED_MAX {
            let settling = self.leases.iter().filter(|(_, owned)| owned.terms.phase == Phase::Settling);
            let Some(oldest) = settling.min_by_key(|(_, owned)| owned.terms.since).map(|(id, _)| *id) else { return };
            self.turn(desk, oldest, Turn::GivenUp);
        }
    }
}
