//! What a helper promises: within its hard caps over all leases, to owners that are proved and can still pay.

use overspill_governance::{
    entry::Entry,
    evidence::{Bundle, Pair},
    payword::LeaseId,
    planted,
    site::SiteId,
    time::Date,
    units::{ByteRate, Credit, RequestRate},
};

use super::{Claiming, Guest, HelperSide, Promise, nothing_of};
use crate::{
    advert::Offer,
    desk::Desk,
    event::Event,
    lease::{
        Terms,
        shelf::Shelf,
        table::{Phase, Turn},
    },
    limits::{DRAIN_SHARE_PERCENT, LEASES_MAX, LEASES_PER_OWNER_MAX, UNSETTLED_MAX},
    membership::Membership,
    message::{LeaseHeld, LeaseRefusal, LeaseRefused, LeaseTake, Message},
    partners::Partners,
    settle::lines::Lines,
};

impl HelperSide {
    /// What we would carry for a partner now: our caps less what is promised and what our own site needs.
    pub(crate) fn offer(&self, today: Date) -> Option<Offer> {
        let address = self.address.as_ref()?;
        let (requests, bytes) = self.free(None);
        let most = self.promised_most();
        let (requests, bytes) = (requests.min(most.0), bytes.min(most.1));
        let (storage, month) = (self.storage(), self.caps.month.saturating_sub(self.month.sum(today)));
        let free = (!self.pressed || planted!(HelpsWhilePressed))
            && self.caps.hours.contain(today)
            && requests.0 > 0
            && bytes.0 > 0
            && month.0 > 0
            && self.hosted() < LEASES_MAX;
        free.then_some(Offer { requests, bytes, storage, https: address.scheme == "https" })
    }

    /// Answers an owner that takes our offer. The allotment is in the ledger before the owner hears of it.
    pub(crate) fn on_take(&mut self, desk: &mut Desk, context: (&Membership, &Partners, &Lines), from: SiteId, take: LeaseTake) {
        let lease = take.allotment.body.lease;
        match self.grant(desk, context, from, &take) {
            Ok(held) => desk.send(from, Message::LeaseHeld(held)),
            Err(reason) => desk.send(from, Message::LeaseRefused(LeaseRefused { lease, reason })),
        }
    }

    fn grant(
        &mut self,
        desk: &mut Desk,
        (membership, partners, lines): (&Membership, &Partners, &Lines),
        from: SiteId,
        take: &LeaseTake,
    ) -> Result<LeaseHeld, LeaseRefusal> {
        let allotment = &take.allotment.body;
        if let Some(known) = self.leases.get(&allotment.lease) {
            let pair = Pair { one: known.terms.allotment.clone(), other: take.allotment.clone() };
            if pair.one != pair.other && known.terms.owner() == from {
                desk.accuse(Bundle::DoubleAllotment(pair.into()));
            }
            let same = known.terms.allotment == take.allotment && known.terms.phase == Phase::Held;
            return known
                .live
                .as_ref()
                .filter(|live| same && live.key == take.key)
                .map(|live| live.held.clone())
                .ok_or(LeaseRefusal::Taken);
        }
        if self.ended.contains(&allotment.lease) {
            return Err(LeaseRefusal::Taken);
        }
        let address = self.address.clone().ok_or(LeaseRefusal::NoRoom)?;
        let minutes = membership.minutes().ok_or(LeaseRefusal::BadTerms)?;
        let charter = minutes.understood(allotment.charter, desk.now.date).ok_or(LeaseRefusal::BadTerms)?;
        if !self.is_certified(&address.authority(&from)) {
            return Err(LeaseRefusal::NoRoom);
        }
        if desk.is_silent() {
            return Err(LeaseRefusal::Silent);
        }
        let parties = (allotment.owner, allotment.helper, Some(allotment.mesh)) == (from, desk.id, membership.mesh());
        let length = allotment.until.since(allotment.made);
        let dated = desk.now.date.agrees_with(allotment.made) && length <= charter.lease_length.span();
        if !parties || !dated || !take.allotment.is_good(charter) {
            return Err(LeaseRefusal::BadTerms);
        }
        if self.withholds(&from, desk.now.date) {
            return Err(LeaseRefusal::NoRoom);
        }
        if !partners.is_proved(&from) {
            return Err(LeaseRefusal::Unproven);
        }
        let mut outstanding = self.outstanding();
        outstanding.entry(from).or_default();
        // An owner that has not heard of a lock yet counts on what that takes.
        let is_locking = lines.account(&from).is_some_and(|account| account.locking() > Credit::ZERO);
        if is_locking || lines.rooms(membership, outstanding, desk.now.date).of(&from) <= Credit::ZERO {
            return Err(LeaseRefusal::NoCredit);
        }
        if lines.is_disputed(membership, &from, desk.now.date) {
            return Err(LeaseRefusal::Disputed);
        }
        let replaced = take.replaces.filter(|old| self.leases.get(old).is_some_and(|guest| guest.terms.owner() == from));
        let (requests, bytes) = self.free(replaced);
        let theirs = self.left_to_promise(&from, replaced);
        let (requests, bytes) = (requests.min(take.requests).min(theirs.0), bytes.min(take.bytes).min(theirs.1));
        let theirs = self.leases.values().filter(|guest| guest.terms.owner() == from).count();
        let full = theirs >= LEASES_PER_OWNER_MAX
            || membership.leaving().is_some()
            || self.hosted() >= LEASES_MAX
            || self.leases.len() >= UNSETTLED_MAX
            || (self.pressed && !planted!(HelpsWhilePressed));
        if full || requests.0 == 0 || bytes.0 == 0 || self.month.sum(desk.now.date) >= self.caps.month {
            return Err(LeaseRefusal::NoRoom);
        }
        let base = address.base(&from);
        let held = LeaseHeld { lease: allotment.lease, base, requests, bytes };
        let live = Promise { requests, bytes, key: take.key, until: desk.in_(length), held: held.clone() };
        self.admit(desk, take, live, charter.settle_window.span());
        if let Some(old) = replaced {
            self.turn(desk, old, Turn::Succeeded);
        }
        Ok(held)
    }

    /// Tells whether visitors who are sent to this hostname would be shown a certificate for it.
    fn is_certified(&self, authority: &str) -> bool {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let parent = host.split_once('.').map_or("", |(_, parent)| parent);
        let is_for = |name: &alloc::string::String| name == host || name.strip_prefix("*.").is_some_and(|wild| wild == parent);
        self.certified.as_ref().is_none_or(|names| names.iter().any(is_for))
    }

    fn admit(&mut self, desk: &mut Desk, take: &LeaseTake, live: Promise, window: core::time::Duration) {
        let (lease, owner) = (take.allotment.body.lease, take.allotment.body.owner);
        desk.persist(Entry::Allotted(take.allotment.clone().into()));
        desk.tell(Event::LeaseHeld { lease, partner: owner, as_owner: false });
        let nothing = nothing_of(&take.allotment.body);
        let terms = Terms::new(take.allotment.clone(), Phase::Held, desk.now.time);
        let claiming = Claiming { due: desk.in_(window), ..Claiming::default() };
        self.leases.insert(lease, Guest { terms, live: Some(live), seen: nothing, saved: nothing, claiming });
        self.shelves.entry(owner).or_insert_with(|| Shelf::new(owner));
    }

    /// Rates that leases which drain may share: what held ones leave of the caps.
    pub(crate) fn left_for_draining(&self) -> (RequestRate, ByteRate) {
        let (requests, bytes) = self.bound(None, None);
        let draining =
            self.leases.values().filter(|guest| guest.terms.phase == Phase::Draining && guest.live.is_some()).count().max(1) as u64;
        let requests = u64::from(self.caps.requests.0.saturating_sub(requests.0)) / draining;
        (RequestRate(u32::try_from(requests).unwrap_or(u32::MAX)), ByteRate(self.caps.bytes.0.saturating_sub(bytes.0) / draining))
    }

    /// Rates that may be promised and that no held lease binds, not counting one that is about to be replaced.
    fn free(&self, without: Option<LeaseId>) -> (RequestRate, ByteRate) {
        let (requests, bytes) = if planted!(PromisesTwice) { (RequestRate(0), ByteRate(0)) } else { self.bound(None, without) };
        let promised = 100 - DRAIN_SHARE_PERCENT;
        let most = u32::try_from(u64::from(self.caps.requests.0) * promised / 100).unwrap_or(u32::MAX);
        let most_bytes = self.caps.bytes.0 / 100 * promised;
        (RequestRate(most.saturating_sub(requests.0)), ByteRate(most_bytes.saturating_sub(bytes.0)))
    }

    /// Rates that held leases bind, those with one member or all.
    pub(super) fn bound(&self, member: Option<&SiteId>, without: Option<LeaseId>) -> (RequestRate, ByteRate) {
        let held = self.leases.iter().filter(|(id, guest)| guest.terms.phase == Phase::Held && Some(**id) != without);
        let held = held.filter(|(_, guest)| member.is_none_or(|member| guest.terms.owner() == *member));
        let promises = held.filter_map(|(_, guest)| guest.live.as_ref());
        promises.fold((RequestRate(0), ByteRate(0)), |(requests, bytes), promise| {
            (RequestRate(requests.0.saturating_add(promise.requests.0)), ByteRate(bytes.0.saturating_add(promise.bytes.0)))
        })
    }

    /// Leases that bind capacity or may still serve.
    fn hosted(&self) -> usize {
        self.leases.values().filter(|guest| guest.terms.phase.is_live()).count()
    }
}
