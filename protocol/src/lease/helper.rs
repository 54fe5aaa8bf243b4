//! The helper's side of leases: what is promised to whom within hard caps, what was served, and what is claimed for it.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::String,
    sync::Arc,
    vec::Vec,
};

use overspill_governance::{
    allotment::Allotment,
    claim::Claim,
    entry::Entry,
    payword::{LeaseId, Word},
    site::{Signed, SiteId},
    time::{Date, Time},
    units::{ByteRate, Bytes, Credit, RequestRate},
};

use super::{
    Terms,
    shelf::Shelf,
    table::{Phase, Turn},
};
use crate::{
    desk::Desk,
    event::Event,
    io::{Caps, GuestAddress},
    limits::{DRAIN_TIME, HELPER_LOST, UNSETTLED_MAX},
    membership::Membership,
    message::LeaseHeld,
    observation::Hosted,
    partners::Partners,
    standby::keeping::Keeping,
    ticket::TicketKey,
};

pub(crate) mod fetch;
mod grant;
pub(crate) mod month;
mod quota;
mod stopped;

use fetch::Fetches;
use month::Month;
use quota::Day;

/// One lease that we host.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    /// What both ends keep.
    pub(crate) terms: Terms,
    /// What only the process that granted the lease knows: after a restart it can be claimed, but not served.
    pub(crate) live: Option<Promise>,
    /// What was served, as the data plane last said.
    pub(crate) seen: Claim,
    /// What was served, as the ledger knows.
    pub(crate) saved: Claim,
    /// How far claiming has come.
    pub(crate) claiming: Claiming,
}

/// What was promised.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    /// Requests in each second.
    pub(crate) requests: RequestRate,
    /// Body bytes in each second.
    pub(crate) bytes: ByteRate,
    /// MAC key of tickets.
    pub(crate) key: TicketKey,
    /// Ends then, by our own running clock.
    pub(crate) until: Time,
    /// Our answer, to be given again.
    held: LeaseHeld,
}

/// How far the claims of a lease have come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Claiming {
    /// When the next claim is due at the latest.
    pub(crate) due: Time,
    /// How often it was sent without an answer.
    pub(crate) tries: u32,
    /// What the owner said it would sign for; ours to propose when we sequence the line.
    pub(crate) accepted: Option<Claim>,
}

/// All leases that we host.
#[derive(Debug, Clone)]
pub(crate) struct HelperSide {
    pub(crate) leases: BTreeMap<LeaseId, Guest>,
    pub(crate) shelves: BTreeMap<SiteId, Shelf>,
    pub(crate) fetches: Fetches,
    pub(crate) keeping: Keeping,
    pub(crate) address: Option<GuestAddress>,
    pub(crate) caps: Caps,
    /// For whom nothing is carried.
    stopped: BTreeSet<SiteId>,
    /// Names of leases that have ended, the latest last: an allotment is good for one lease only.
    ended: VecDeque<LeaseId>,
    month: Month,
    day: Day,
    pressed: bool,
    /// Names for which certificates are shown here; `None`: that is not our business.
    pub(crate) certified: Option<Arc<Vec<String>>>,
}

impl HelperSide {
    pub(crate) fn new(address: Option<GuestAddress>, caps: Caps) -> Self {
        Self {
            leases: BTreeMap::new(),
            shelves: BTreeMap::new(),
            fetches: Fetches::default(),
            keeping: Keeping::default(),
            address,
            caps,
            stopped: BTreeSet::new(),
            ended: VecDeque::new(),
            month: Month::default(),
            day: Day::default(),
            pressed: false,
            certified: None,
        }
    }

    /// Takes back a lease from the ledger: over for visitors, to be claimed.
    pub(crate) fn restore(&mut self, allotment: Signed<Allotment>, now: Time) {
        let lease = allotment.body.lease;
        let nothing = nothing_of(&allotment.body);
        let terms = Terms::new(allotment, Phase::Settling, now);
        self.leases.insert(lease, Guest { terms, live: None, seen: nothing, saved: nothing, claiming: Claiming::default() });
    }

    /// Takes back a lease's end from the ledger.
    pub(crate) fn restore_ended(&mut self, lease: LeaseId) {
        if self.leases.remove(&lease).is_some() {
            self.remember_ended(lease);
        }
    }

    fn remember_ended(&mut self, lease: LeaseId) {
        self.ended.push_back(lease);
        if self.ended.len() > UNSETTLED_MAX {
            self.ended.pop_front();
        }
    }

    /// Takes back a checkpoint from the ledger.
    pub(crate) fn restore_taken(&mut self, taken: Claim) {
        if let Some(guest) = self.leases.get_mut(&taken.lease) {
            let more = taken.bytes.saturating_sub(guest.saved.bytes);
            self.month.add(guest.terms.allotment.body.made, more);
            self.day.add(guest.terms.owner(), guest.terms.allotment.body.made, more);
            (guest.seen, guest.saved) = (taken, taken);
        }
    }

    /// Takes what the data plane served. Numbers only grow; what it says of leases that it should not know is ignored.
    pub(crate) fn on_observed(&mut self, hosted: &[Hosted], pressed: bool, today: Date) {
        self.pressed = pressed;
        for Hosted { lease, serial, word, requests, bytes } in hosted {
            let Some(guest) = self.leases.get_mut(lease).filter(|guest| guest.live.is_some()) else { continue };
            let seen = &mut guest.seen;
            let more = bytes.saturating_sub(seen.bytes);
            self.month.add(today, more);
            self.day.add(guest.terms.allotment.body.owner, today, more);
            if *serial > seen.serial {
                (seen.serial, seen.word) = (*serial, *word);
            }
            (seen.requests, seen.bytes) = (seen.requests.max(*requests), seen.bytes.max(*bytes));
        }
    }

    /// Makes what was served durable, so that a crash loses at most a second's earnings.
    pub(crate) fn checkpoint(&mut self, desk: &mut Desk) {
        if desk.is_silent() {
            return;
        }
        for guest in self.leases.values_mut().filter(|guest| guest.seen != guest.saved) {
            desk.persist(Entry::Taken(guest.seen));
            guest.saved = guest.seen;
        }
    }

    /// An owner said which leases it holds, or closed one: what it does not hold drains.
    pub(crate) fn on_owned(&mut self, desk: &mut Desk, from: SiteId, keep: impl Fn(&LeaseId) -> bool) {
        let held = self.leases.iter().filter(|(_, guest)| guest.terms.owner() == from && guest.terms.phase == Phase::Held);
        // The owner's beat may have left before it heard of our promise.
        let young = |guest: &Guest| desk.now.time.since(guest.terms.since) < 3 * crate::limits::BEAT_PAUSE;
        let closed: Vec<LeaseId> = held.filter(|(id, guest)| !keep(id) && !young(guest)).map(|(id, _)| *id).collect();
        for lease in closed {
            self.turn(desk, lease, Turn::Released);
        }
    }

    /// The owner closed one lease; tells whether it was held.
    pub(crate) fn on_closed(&mut self, desk: &mut Desk, from: SiteId, lease: LeaseId) -> bool {
        let held = self.leases.get(&lease).is_some_and(|guest| guest.terms.owner() == from && guest.terms.phase == Phase::Held);
        if held {
            self.turn(desk, lease, Turn::Released);
        }
        held
    }

    /// Moves every lease on that time moves on.
    /// Tells which members never settled what they were served.
    pub(crate) fn on_time(&mut self, desk: &mut Desk, membership: &Membership, partners: &Partners, release: bool) -> Vec<SiteId> {
        let now = desk.now.time;
        let turn = |guest: &Guest| {
            let owner = guest.terms.owner();
            let silent = partners.partner(&owner).is_none_or(|partner| now.since(partner.last_heard) >= HELPER_LOST);
            match (guest.terms.phase, &guest.live) {
                (Phase::Held, _) if silent || !membership.is_member(&owner) => Some(Turn::Lost),
                (Phase::Held, Some(live)) if live.until <= now => Some(Turn::Expired),
                (Phase::Held, _) if release => Some(Turn::Released),
                (Phase::Held, _) if self.withholds(&owner, desk.now.date) => Some(Turn::Stopped),
                (Phase::Draining, _) if now.since(guest.terms.since) >= DRAIN_TIME => Some(Turn::Drained),
                (Phase::Settling, _) if now.since(guest.terms.since) >= crate::limits::UNSETTLED_LIFETIME => Some(Turn::GivenUp),
                // Departure is final: who has left signs nothing on our line any more.
                (Phase::Settling, _) if membership.has_left(&owner) => Some(Turn::GivenUp),
                _ => None,
            }
        };
        let turns: Vec<_> = self.leases.iter().filter_map(|(id, guest)| turn(guest).map(|turn| (*id, turn))).collect();
        let unpaid = turns.iter().filter(|(_, turn)| *turn == Turn::GivenUp).filter_map(|(lease, _)| self.leases.get(lease));
        let unpaid = unpaid.filter(|guest| guest.unsettled() > Credit::ZERO && membership.is_member(&guest.terms.owner()));
        let unpaid = unpaid.map(|guest| guest.terms.owner()).collect();
        for (lease, turn) in turns {
            self.turn(desk, lease, turn);
        }
        unpaid
    }

    /// Moves one lease on, and does what that entails. What the table does not foresee changes nothing.
    pub(crate) fn turn(&mut self, desk: &mut Desk, lease: LeaseId, turn: Turn) {
        let Some(guest) = self.leases.get_mut(&lease) else { return };
        let partner = guest.terms.owner();
        match guest.terms.turn(turn, desk.now.time) {
            Ok(Phase::Draining) => desk.tell(Event::LeaseDraining { lease, partner, reason: turn.words() }),
            Ok(Phase::Settling) => guest.claiming = Claiming { due: desk.now.time, ..Claiming::default() },
            Ok(Phase::Ended) => {
                self.leases.remove(&lease);
                self.remember_ended(lease);
                self.fetches.forget(&lease);
                desk.persist(Entry::LeaseEnded { lease });
                desk.tell(Event::LeaseEnded { lease, partner, reason: turn.words() });
                if !self.leases.values().any(|guest| guest.terms.owner() == partner && guest.live.is_some()) {
                    self.shelves.remove(&partner);
                }
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// The leases with `owner` of which visitors may hold tickets.
    pub(crate) fn live_with<'a>(&'a self, owner: &'a SiteId) -> impl Iterator<Item = (&'a LeaseId, &'a Guest)> {
        self.leases.iter().filter(move |(_, guest)| guest.terms.owner() == *owner && guest.terms.phase.is_live())
    }

    /// Owners with whom a lease is live.
    pub(crate) fn owners(&self) -> Vec<SiteId> {
        let live = self.leases.values().filter(|guest| guest.terms.phase.is_live());
        let mut owners: Vec<SiteId> = live.map(|guest| guest.terms.owner()).collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    /// Worth of what was served for `owner` and is not settled.
    pub(crate) fn unsettled(&self, owner: &SiteId) -> Credit {
        let theirs = self.leases.values().filter(|guest| guest.terms.owner() == *owner);
        Credit(theirs.map(|guest| guest.unsettled().0).fold(0, i64::saturating_add))
    }

    /// Credit that we may still claim under open leases with `owner`.
    pub(crate) fn reserved(&self, owner: &SiteId) -> Credit {
        let theirs = self.leases.values().filter(|guest| guest.terms.owner() == *owner);
        let claimable = |guest: &Guest| {
            let allotment = &guest.terms.allotment.body;
            let all = guest.terms.left_of(allotment.requests, allotment.bytes);
            if guest.terms.phase <= Phase::Draining { all } else { guest.unsettled() }
        };
        Credit(theirs.map(|guest| claimable(guest).0).fold(0, i64::saturating_add))
    }

    /// The worth of what was served and is not settled, for everybody who has a lease here, or whose last one is not settled.
    pub(crate) fn outstanding(&self) -> BTreeMap<SiteId, Credit> {
        let mut all: BTreeMap<SiteId, Credit> = BTreeMap::new();
        for guest in self.leases.values() {
            let sum = all.entry(guest.terms.owner()).or_default();
            *sum = Credit(sum.0.saturating_add(guest.unsettled().0));
        }
        all
    }

    /// The one name under which `owner` is served here.
    pub(crate) fn authority(&self, owner: &SiteId) -> Option<String> {
        self.address.as_ref().map(|address| address.authority(owner))
    }

    /// Body bytes that the caps leave for the rest of the month.
    pub(crate) fn month_left(&self, today: Date) -> Bytes {
        self.caps.month.saturating_sub(self.month.sum(today))
    }
}

impl Guest {
    /// Worth of what was served under this lease and is not settled.
    pub(crate) fn unsettled(&self) -> Credit {
        self.terms.worth(&self.seen)
    }
}

fn nothing_of(allotment: &Allotment) -> Claim {
    Claim { lease: allotment.lease, serial: 0, word: Word([0; 16]), requests: 0, bytes: Bytes::ZERO }
}
