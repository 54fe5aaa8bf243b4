//! The owner's side of leases: taken when a crowd comes, renewed by successors while it lasts, released when it is gone.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use overspill_governance::{
    entry::Entry,
    payword::{Chain, LeaseId},
    planted,
    site::{Signed, SiteId},
    time::Time,
    units::{ByteRate, Bytes, Credit, RequestRate},
};

use super::{
    Terms,
    publish::Publisher,
    table::{Phase, Turn},
};
use crate::{
    desk::Desk,
    event::Event,
    limits::{
        CLAIM_ASK_AFTER, DRAIN_TIME, HELPER_LOST, HELPER_SILENCE, LEASE_RETRY, LEASE_TRIES_MAX, LEASES_PER_OWNER_MAX, REFUSAL_PAUSE,
        UNSETTLED_LIFETIME, UNSETTLED_MAX,
    },
    membership::Membership,
    message::{ClaimMade, LeaseClosed, LeaseTake, Message},
    observation::Spilled,
    partners::Partners,
    standby::placing::Placing,
    ticket::TicketKey,
};

mod asking;
pub(crate) mod crowd;
mod returns;

use crowd::Crowd;
use returns::Returns;

/// A claim for more than was counted, and the count that decides on it: what was counted is a moment old, what is claimed may be younger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// It is not, or was not looked at yet.
    #[default]
    No,
    /// The next count decides.
    Waits,
    /// That count has come.
    Counted,
}

/// One lease that we own.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    /// What both ends keep.
    pub(crate) terms: Terms,
    /// What only the process that took the lease knows: after a restart it can be settled, but not used.
    pub(crate) live: Option<Live>,
    /// The helper's latest claim, until it is settled or answered.
    pub(crate) claimed: Option<ClaimMade>,
    /// Whether that claim is ahead of what our data plane had counted when it came.
    pub(crate) ahead: Ahead,
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
#[derive(Debug, Clone)]
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
    /// Visitors whom the helper sent back, as the data plane reported.
    returned: u32,
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
#[derive(Debug, Clone)]
pub(crate) struct OwnerSide {
    pub(crate) leases: BTreeMap<LeaseId, Owned>,
    pub(crate) publisher: Publisher,
    pub(crate) crowd: Crowd,
    pub(crate) placing: Placing,
    not_before: BTreeMap<SiteId, Time>,
    returns: Returns,
}

impl OwnerSide {
    pub(crate) fn new(run: u64) -> Self {
        Self {
            leases: BTreeMap::new(),
            publisher: Publisher::new(run),
            crowd: Crowd::default(),
            placing: Placing::default(),
            not_before: BTreeMap::new(),
            returns: Returns::default(),
        }
    }

    /// Takes back a lease from the ledger: over for visitors, to be settled.
    pub(crate) fn restore(&mut self, allotment: Signed<overspill_governance::allotment::Allotment>, now: Time) {
        let terms = Terms::new(allotment, Phase::Settling, now);
        self.leases.insert(
            terms.allotment.body.lease,
            Owned { terms, live: None, claimed: None, ahead: Ahead::No, asking: Asking { at: now.after(CLAIM_ASK_AFTER), tries: 0 } },
        );
    }

    /// Tells `helper` which leases ended with our last process: it would keep room for them until it misses our beats.
    pub(crate) fn close_lost(&self, desk: &mut Desk, helper: SiteId) {
        let lost = self.leases.iter().filter(|(_, owned)| owned.terms.helper() == helper && owned.live.is_none());
        for (lease, _) in lost.take(LEASES_PER_OWNER_MAX) {
            desk.send(helper, Message::LeaseClosed(LeaseClosed { lease: *lease }));
        }
    }

    /// The leases with `helper` of which visitors may hold tickets.
    pub(crate) fn live_with<'a>(&'a self, helper: &'a SiteId) -> impl Iterator<Item = (&'a LeaseId, &'a Owned)> {
        self.leases.iter().filter(move |(_, owned)| owned.terms.helper() == *helper && owned.terms.phase.is_live())
    }

    /// Takes what went out, and who came back. Numbers only grow.
    pub(crate) fn on_spilled(&mut self, spilled: &[Spilled], now: Time) {
        for Spilled { lease, serial, bytes, sent_back } in spilled {
            let Some(owned) = self.leases.get_mut(lease) else { continue };
            let helper = owned.terms.helper();
            if let Some(live) = owned.live.as_mut() {
                self.returns.count(helper, serial.saturating_sub(live.serial), sent_back.saturating_sub(live.returned), now);
                (live.serial, live.issued) = (live.serial.max(*serial), live.issued.max(*bytes));
                live.returned = live.returned.max(*sent_back);
            }
        }
    }

    /// Worth of the tickets that were given out to be redeemed at `helper`, as far as it is not settled; of leases of an earlier process, of what
    /// it claims.
    pub(crate) fn unsettled(&self, helper: &SiteId) -> Credit {
        let worth = |owned: &Owned| match (&owned.live, owned.claimed.as_ref().and_then(|made| made.claim)) {
            (Some(live), _) => owned.terms.left_of(live.serial, live.issued),
            (None, Some(claim)) => owned.terms.worth(&claim),
            (None, None) => Credit::ZERO,
        };
        let theirs = self.leases.values().filter(|owned| owned.terms.helper() == *helper);
        Credit(theirs.map(|owned| worth(owned).0).fold(0, i64::saturating_add))
    }

    /// Body bytes in each second that leases promise, or are asked for, as far as what is left of their allotments lasts to their ends:
    /// little credit pays for a moment of a large promise. What a helper promised that sends visitors home counts for nothing meanwhile.
    pub(crate) fn promised_bytes(&self, now: Time) -> u64 {
        let open = self.leases.values().filter(|owned| owned.terms.phase <= Phase::Held && !self.returns.rests(&owned.terms.helper(), now));
        let lasting = |owned: &Owned| {
            let live = owned.live.as_ref()?;
            let left = owned.terms.allotment.body.bytes.0.saturating_sub(live.issued.0);
            Some(live.bytes.0.min(left / live.until.since(now).as_secs().max(1)))
        };
        open.filter_map(lasting).fold(0, u64::saturating_add)
    }

    /// Helpers with whom a lease is live.
    pub(crate) fn helpers(&self) -> Vec<SiteId> {
        let live = self.leases.values().filter(|owned| owned.terms.phase.is_live());
        let mut helpers: Vec<SiteId> = live.map(|owned| owned.terms.helper()).collect();
        helpers.sort_unstable();
        helpers.dedup();
        helpers
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
        let heard = partners.partner(&owned.terms.helper()).filter(|partner| partner.connected && !partner.avoided);
        let base = owned.live.as_ref().map(|live| live.base.as_str());
        let reachable = heard.is_some_and(|partner| {
            now.since(partner.last_heard) < HELPER_SILENCE && partner.proved_base().is_some_and(|at| base == Some(at))
        });
        owned.terms.phase != Phase::Held
            || (!reachable && !planted!(TrustsTheDead))
            || self.returns.rests(&owned.terms.helper(), now)
            || self.publisher.is_ignored_by(&owned.terms.helper(), now)
    }

    /// Moves every lease on that time moves on.
    /// Tells which members were lost in the middle of helping.
    pub(crate) fn on_time(&mut self, desk: &mut Desk, membership: &Membership, partners: &Partners, release: bool) -> Vec<SiteId> {
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
                    (Phase::Draining, _) if age >= DRAIN_TIME && !planted!(DrainsForEver) => Turn::Drained,
                    (Phase::Settling, _) if age >= UNSETTLED_LIFETIME || membership.has_left(&helper) => Turn::GivenUp,
                    _ => return None,
                };
                Some((*id, turn))
            })
            .collect();
        let lost = turns.iter().filter(|(_, turn)| *turn == Turn::Lost).filter_map(|(lease, _)| self.leases.get(lease));
        let lost = lost.map(|owned| owned.terms.helper()).filter(|helper| membership.is_member(helper)).collect();
        for (lease, turn) in turns {
            self.turn(desk, lease, turn);
        }
        self.ask_again(desk);
        self.give_up_oldest(desk);
        lost
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
                self.returns.forget(desk.now.time, |helper| self.leases.values().any(|owned| owned.terms.helper() == *helper));
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

    fn give_up_oldest(&mut self, desk: &mut Desk) {
        while self.leases.values().filter(|owned| owned.terms.phase == Phase::Settling).count() > UNSETTLED_MAX {
            let settling = self.leases.iter().filter(|(_, owned)| owned.terms.phase == Phase::Settling);
            let Some(oldest) = settling.min_by_key(|(_, owned)| owned.terms.since).map(|(id, _)| *id) else { return };
            self.turn(desk, oldest, Turn::GivenUp);
        }
    }
}
