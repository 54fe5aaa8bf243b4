//! Plans: what the leases come to, for the data plane.

use alloc::{sync::Arc, vec::Vec};

use overspill_governance::{
    payword::LeaseId,
    planted,
    time::Time,
    units::{Bytes, Credit},
};

use crate::{
    attest::Attester,
    desk::Desk,
    io::Output,
    lease::{
        helper::{Guest, HelperSide},
        owner::{Owned, OwnerSide},
        table::Phase,
    },
    limits::{DRAIN_TIME, PLAN_PAUSE},
    membership::Membership,
    partners::Partners,
    plan::{Host, Plan, Spill},
    settle::{lines::Lines, stake::Rooms},
    timer::Reason,
};

mod homes;

use homes::Homes;

/// Everything that a plan is made from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) membership: &'a Membership,
    pub(crate) partners: &'a Partners,
    pub(crate) owner: &'a OwnerSide,
    pub(crate) helper: &'a HelperSide,
    pub(crate) lines: &'a Lines,
}

/// The last plan, and what it was made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Planner {
    version: u64,
    /// The data plane has the last one.
    told: bool,
    made: Time,
    last: Vec<Feature>,
    help_may_come: bool,
    homes: Homes,
    attester: Attester,
}

/// What makes a new plan necessary when it changes: the lease, where it stands, whether it is shut, its manifest's generation, and a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Feature {
    lease: LeaseId,
    as_owner: bool,
    phase: Phase,
    shut: bool,
    generation: u64,
    until: Time,
}

impl Planner {
    /// The last plan may have been lost with an entry that it stood behind: the next look makes one in any case.
    pub(crate) fn doubt(&mut self) {
        self.told = false;
    }

    /// Makes a plan if anything in it changed, or the last one grows stale; and the first in any case, with which hosting begins.
    pub(crate) fn refresh(&mut self, desk: &mut Desk, from: Sources<'_>) {
        let now = desk.now.time;
        let features = features(desk, from);
        let stale = !features.is_empty() && now.since(self.made) >= PLAN_PAUSE;
        let moved = self.homes.follow(from.membership, from.helper, &desk.id);
        let help_may_come = help_may_come(desk, from);
        if features == self.last && help_may_come == self.help_may_come && !stale && !moved && self.told {
            return;
        }
        self.help_may_come = help_may_come;
        self.version += 1;
        (self.told, self.made, self.last) = (true, now, features);
        if !self.last.is_empty() {
            desk.wake_in(Reason::Plan, PLAN_PAUSE);
        }
        let homes = self.homes.known().clone();
        let host = hosts(desk, from, &mut self.attester);
        let plan = Plan { version: self.version, made: now, spill: spills(desk, from), help_may_come, host, homes };
        desk.put(Output::Apply(Arc::new(plan)));
    }
}

fn features(desk: &Desk, from: Sources<'_>) -> Vec<Feature> {
    let generation = from.owner.publisher.manifest().map_or(0, |manifest| manifest.generation);
    let owned = from.owner.leases.iter().filter(|(_, owned)| is_usable(owned)).map(|(id, owned)| Feature {
        lease: *id,
        as_owner: true,
        phase: owned.terms.phase,
        shut: from.owner.is_held_back(from.partners, owned, desk.now.time),
        generation,
        until: Time::ZERO,
    });
    let rooms = rooms(desk, from);
    let hosted = from.helper.leases.iter().filter(|(_, guest)| guest.live.is_some()).map(|(id, guest)| {
        let shelf = from.helper.shelves.get(&guest.terms.owner());
        Feature {
            lease: *id,
            as_owner: false,
            phase: guest.terms.phase,
            shut: is_closed(desk, from, &rooms, guest),
            generation: shelf.map_or(0, |shelf| shelf.manifest().generation),
            until: shelf.map_or(Time::ZERO, |shelf| shelf.until()),
        }
    });
    owned.chain(hosted).collect()
}

/// Whether there is no lease for visitors, and a first one may be held a round trip after it is wanted.
fn help_may_come(desk: &Desk, from: Sources<'_>) -> bool {
    let now = desk.now.time;
    let https = from.membership.is_https();
    let offered = || {
        let mut fit = from.partners.iter().filter(|(_, partner)| partner.offer(now).is_some_and(|offer| offer.https || !https));
        from.membership.leaving().is_none() && fit.any(|(site, _)| from.owner.may_ask(site, now))
    };
    let asked = || from.owner.leases.values().any(|owned| owned.live.is_some() && owned.terms.phase == Phase::Asked);
    !from.owner.leases.values().any(is_usable) && (asked() || offered())
}

fn spills(desk: &Desk, from: Sources<'_>) -> Vec<Spill> {
    let Some(manifest) = from.owner.publisher.manifest() else { return Vec::new() };
    let usable = from.owner.leases.iter().filter(|(_, owned)| is_usable(owned));
    let spill = |(id, owned): (&LeaseId, &Owned)| {
        let (live, helper) = (owned.live.as_ref()?, owned.terms.helper());
        Some(Spill {
            lease: *id,
            helper,
            base: live.base.clone(),
            requests: live.requests,
            bytes: live.bytes,
            allotted: owned.terms.allotment.body.bytes,
            key: live.key,
            chain: live.chain.clone(),
            serial_from: live.serial.saturating_add(1),
            clock_offset_ms: from.partners.partner(&helper).map_or(0, |partner| partner.clock_offset_ms()),
            weight: u32::try_from(live.bytes.0 / 1_024).unwrap_or(u32::MAX).max(1),
            held_back: from.owner.is_held_back(from.partners, owned, desk.now.time),
            manifest: manifest.clone(),
            standby: from.owner.placing.held_by(&helper),
            until: live.until,
        })
    };
    usable.filter_map(spill).collect()
}

fn hosts(desk: &Desk, from: Sources<'_>, attester: &mut Attester) -> Vec<Host> {
    let (left, rooms) = (from.helper.left_for_draining(), rooms(desk, from));
    attester.keep(|owner| from.helper.shelves.contains_key(owner));
    let host = |(id, guest): (&LeaseId, &Guest)| {
        let (live, owner) = (guest.live.as_ref()?, guest.terms.owner());
        let shelf = from.helper.shelves.get(&owner)?;
        let (canonical, _) = from.membership.contact(&owner)?;
        let allotment = &guest.terms.allotment.body;
        // All rates of a plan stay within the caps, although a lease that drains stands beside its successor.
        let rates = match guest.terms.phase {
            Phase::Draining => {
                let theirs = from.helper.left_of(&owner);
                (live.requests.min(left.0).min(theirs.0), live.bytes.min(left.1).min(theirs.1))
            }
            _ => (live.requests, live.bytes),
        };
        Some(Host {
            lease: *id,
            owner,
            authority: from.helper.authority(&owner)?,
            canonical: canonical.into(),
            requests: rates.0,
            bytes: rates.1,
            allotted_requests: allotment.requests,
            allotted_bytes: allotment.bytes,
            storage: from.helper.storage(),
            key: live.key,
            anchor: allotment.anchor,
            manifest: shelf.manifest().clone(),
            attested: attester.fields(desk, shelf.manifest()),
            generation_until: if planted!(ServesForEver) { Time::MAX } else { shelf.until() },
            // Tickets handed out at the lease's very end are still served: the lease drains.
            until: if guest.terms.phase == Phase::Held { live.until } else { guest.terms.since }.after(DRAIN_TIME),
            closed: is_closed(desk, from, &rooms, guest),
        })
    };
    from.helper.leases.iter().filter_map(host).collect()
}

/// Whether visitors may hold tickets of a lease that this process took.
fn is_usable(owned: &Owned) -> bool {
    owned.terms.phase.is_live() && owned.live.as_ref().is_some_and(|live| !live.base.is_empty())
}

/// How much more each owner with a lease here may be served.
fn rooms<'a>(desk: &Desk, from: Sources<'a>) -> Rooms<'a> {
    from.lines.rooms(from.membership, from.helper.outstanding(), desk.now.date)
}

/// Whether a guest is served no more: its time is over, its owner owes too much unsettled, our month is used up, or we carry nothing for its
/// owner now.
fn is_closed(desk: &Desk, from: Sources<'_>, rooms: &Rooms<'_>, guest: &Guest) -> bool {
    let owner = guest.terms.owner();
    let over = !matches!(guest.terms.phase, Phase::Held | Phase::Draining);
    let spent = rooms.of(&owner) <= Credit::ZERO && !planted!(ServesOnCredit);
    over || spent || from.helper.withholds(&owner, desk.now.date) || from.helper.month_left(desk.now.date) == Bytes::ZERO
}
