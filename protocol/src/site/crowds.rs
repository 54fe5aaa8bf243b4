//! Routing of what the data plane sees and wants: crowds, guests, fills.

use alloc::vec::Vec;

use overspill_governance::{
    site::SiteId,
    time::Time,
    units::{ByteRate, Bytes, RequestRate},
};

use super::Site;
use crate::{
    advert::Offer,
    event::Event,
    io::Output,
    lease::{owner::crowd::Change, table::Phase},
    limits::{LEASES_AT_ONCE, OFFER_LIFETIME, STANDBY_CALM_PERCENT},
    message::Preposition,
    observation::Observation,
    plan::FillWanted,
    timer::Reason,
    together::MILLION,
};

impl Site {
    pub(super) fn on_observed(&mut self, seen: &Observation) {
        let now = self.desk.now;
        self.owner.on_spilled(&seen.spilled, now.time);
        let (desk, settle, mut ends, _) = self.ends();
        settle.on_counted(desk, &mut ends);
        self.helper.on_observed(&seen.hosted, seen.site.under_pressure, now.date);
        self.helper.certified.clone_from(&seen.certified);
        self.owner.publisher.on_hot(&seen.hot, seen.generation);
        let change = self.owner.crowd.on_observed(seen, now.time);
        self.together.on_ours(self.owner.crowd.load_permille(), now.date);
        if change == Some(Change::Began) {
            self.desk.tell(Event::CrowdBegan);
            self.take_leases();
            self.tend_soon();
        }
        self.publish();
        self.sampler.look(&mut self.desk, &self.membership, &self.partners, &self.owner, &seen.hot);
        self.place(seen);
        if !self.helper.leases.is_empty() {
            self.desk.wake_in(Reason::Checkpoint, crate::limits::CHECKPOINT_PAUSE);
            self.settle_if_pressing();
        }
    }

    /// Makes and sends a new manifest when the hot set asks for one and anybody needs it.
    pub(super) fn publish(&mut self) {
        let helpers = self.owner.helpers();
        let asked = self.owner.leases.values().any(|owned| owned.terms.phase == Phase::Asked);
        let Some(mesh) = self.membership.mesh().filter(|_| asked || !helpers.is_empty()) else { return };
        if !self.owner.publisher.refresh(&self.desk, mesh, &helpers) {
            return;
        }
        for helper in &helpers {
            self.owner.publisher.send(&mut self.desk, *helper, 0);
        }
        // The beat that follows a purge bars what was purged, even where the manifest itself is lost.
        self.beat();
    }

    /// Places what is hot with partners, while the site's own visitors leave room for it.
    fn place(&mut self, seen: &Observation) {
        let mut placing = core::mem::take(&mut self.owner.placing);
        placing.on_hot(&mut self.desk, &seen.hot, seen.generation);
        let (wanted, budget) = (seen.site.wanted.0, seen.site.budget);
        let roomy = budget.0 == 0 || wanted.saturating_mul(100) <= budget.0.saturating_mul(STANDBY_CALM_PERCENT);
        let calm = roomy && !seen.site.under_pressure && !self.owner.crowd.is_on() && self.membership.leaving().is_none();
        let now = self.desk.now.time;
        if calm && placing.is_due(now) {
            placing.retain(|site| self.partners.partner(site).is_some_and(|partner| now.since(partner.last_heard) <= OFFER_LIFETIME));
            let offers = self.offers(now);
            placing.look(&mut self.desk, budget, &offers);
        }
        self.owner.placing = placing;
    }

    /// A partner would like us to hold its objects before it needs us.
    pub(super) fn on_preposition(&mut self, from: SiteId, wish: &Preposition) -> Option<&'static str> {
        let welcome = !self.helper.withholds(&from, self.desk.now.date)
            && self.helper.address.is_some()
            && self.partners.is_proved(&from)
            && self.membership.leaving().is_none();
        let storage = if welcome { self.helper.storage() } else { Bytes::ZERO };
        let governed = self.helper.live_with(&from).next().is_some();
        self.helper.keeping.on_preposition(&mut self.desk, from, wish, storage, governed).err()
    }

    /// Takes standing offers until the leases suffice, all in one breath; successors first, so that no lease runs dry.
    pub(super) fn take_leases(&mut self) {
        let now = self.desk.now.time;
        if !self.owner.crowd.is_on() || self.membership.leaving().is_some() {
            return;
        }
        let Some(length) = self.membership.charter().map(|charter| charter.lease_length.span()) else { return };
        for (lease, helper) in self.owner.worn(length, now) {
            let Some(offer) = self.offer_of_lease(&lease, &helper, now) else { continue };
            let taken = self.owner.take(&mut self.desk, &self.membership, &self.settle.lines, (helper, &offer), Some(lease));
            if let Some(next) = taken {
                self.owner.succeed(&lease, next);
            }
        }
        if !self.owner.crowd.is_pressing() {
            return;
        }
        let wanted = self.owner.crowd.wanted_bytes();
        let onset = self.owner.promised_bytes(now) == 0;
        for (helper, offer) in self.offers(now).into_iter().take(LEASES_AT_ONCE) {
            // Without a budget it is not known what suffices: one round is taken.
            if self.owner.promised_bytes(now) >= wanted && (wanted > 0 || !onset) {
                break;
            }
            self.owner.take(&mut self.desk, &self.membership, &self.settle.lines, (helper, &offer), None);
        }
    }

    /// Offers that may be taken now: the least loaded first, of those who kept their promises and are not struck with us, and the largest.
    fn offers(&self, now: Time) -> Vec<(SiteId, Offer)> {
        let (date, https) = (self.desk.now.date, self.membership.is_https());
        let fit = |(site, partner): (&SiteId, &crate::partners::Partner)| {
            let offer = partner.offer(now).filter(|offer| offer.https || !https)?;
            let load = partner.heard.as_ref().map_or(0, |heard| heard.advert.load_permille);
            self.owner.may_ask(site, now).then_some((
                (load / 250, self.broken(site), self.together.beside(site, date) * 4 / MILLION),
                core::cmp::Reverse(offer.bytes),
                *site,
                offer,
            ))
        };
        let mut offers: Vec<_> = self.partners.iter().filter_map(fit).collect();
        offers.sort_unstable_by_key(|(load, bytes, site, _)| (*load, *bytes, *site));
        offers.into_iter().map(|(_, _, site, offer)| (site, offer)).collect()
    }

    /// What a successor may ask for: what its predecessor was promised, as the helper's free room does not count that.
    fn offer_of_lease(&self, lease: &overspill_governance::payword::LeaseId, helper: &SiteId, now: Time) -> Option<Offer> {
        let partner =
            self.partners.partner(helper).filter(|partner| partner.connected && !partner.avoided && partner.proved_base().is_some())?;
        if !self.owner.may_succeed(helper, now) {
            return None;
        }
        let live = self.owner.leases.get(lease)?.live.as_ref()?;
        let (requests, bytes): (RequestRate, ByteRate) = (live.requests, live.bytes);
        let offered = partner.heard.as_ref().and_then(|heard| heard.advert.offer);
        let storage = offered.map_or(live.storage(), |offer| offer.storage);
        Some(Offer { requests, bytes, storage, https: self.membership.is_https() })
    }

    pub(super) fn on_wanted(&mut self, want: FillWanted) {
        let guest = self.helper.leases.get(&want.lease).filter(|guest| guest.terms.owner() == want.owner && guest.terms.phase.is_live());
        let known = guest.and_then(|_| self.helper.shelves.get(&want.owner));
        let listed = known
            .is_some_and(|shelf| shelf.manifest().objects.iter().any(|object| object.digest == want.digest && object.size == want.size));
        if listed && self.partners.is_connected(&want.owner) && self.helper.fetches.starts(want.lease, want.digest) {
            let from = want.owner;
            self.desk.put(Output::Fetch { want, from });
        } else {
            self.desk.put(Output::Refuse { want });
        }
    }

    pub(super) fn on_fetched(&mut self, want: &FillWanted, _from: SiteId, good: bool) {
        if !self.helper.keeping.on_fetched(&mut self.desk, want, good) {
            self.helper.fetches.ends(want.lease, want.digest);
        }
        self.helper.on_came(&mut self.desk, want.owner);
    }
}
