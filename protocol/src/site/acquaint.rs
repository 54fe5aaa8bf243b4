//! Getting acquainted: partners are asked of whom they know, and places go to who is worth most.

use overspill_governance::site::SiteId;

use super::Site;
use crate::{
    event::Event,
    io::Output,
    lease::{helper::HelperSide, owner::OwnerSide},
    limits::{OFFER_LIFETIME, PARTNERS_INBOUND_MAX, PARTNERS_REVIEW},
    partners::merit::Record,
    settle::Settle,
};

/// Whether something is open between us and a partner: leases, debts, or what waits for a signature.
fn is_bound(settle: &Settle, owner: &OwnerSide, helper: &HelperSide, site: &SiteId) -> bool {
    settle.lines.account(site).is_some_and(|account| !account.is_idle())
        || owner.leases.values().any(|owned| owned.terms.helper() == *site)
        || helper.leases.values().any(|guest| guest.terms.owner() == *site)
}

impl Site {
    pub(super) fn tend_acquaintance(&mut self) {
        self.partners.ask_around(&mut self.desk);
        let now = self.desk.now.time;
        if now.since(self.partners.choice.reviewed) >= PARTNERS_REVIEW && self.membership.leaving().is_none() {
            self.review_partners();
        }
    }

    fn review_partners(&mut self) {
        let mut choice = core::mem::take(&mut self.partners.choice);
        let promise = |_: &SiteId, spare: u64| Record::BLANK.weigh(spare);
        let exchange = choice.review(self.desk.now.time, |site| self.merit(site), |site| self.is_bound(site), promise);
        self.partners.choice = choice;
        let Some(exchange) = exchange else { return };
        self.desk.tell(Event::PartnerExchanged { gone: exchange.gone, taken: exchange.taken });
        if self.partners.is_connected(&exchange.gone) {
            self.desk.put(Output::Hang { peer: exchange.gone });
        }
        self.sync_partners();
    }

    /// Bytes a second of a partner's that we can reckon with; nothing of one that is not here.
    fn merit(&self, site: &SiteId) -> u64 {
        let now = self.desk.now;
        let here = |partner: &&crate::partners::Partner| partner.connected && now.time.since(partner.last_heard) <= OFFER_LIFETIME;
        let Some(partner) = self.partners.partner(site).filter(here) else { return 0 };
        let record = Record { beside: self.together.beside(site, now.date), broken: self.broken(site), away: partner.away };
        record.weigh(partner.spare.map_or(0, |spare| spare.mean()))
    }

    /// Promises that a partner broke to us, and quarters of an hour in which drawn members saw it serve badly.
    pub(super) fn broken(&self, site: &SiteId) -> u64 {
        let (date, charter) = (self.desk.now.date, self.membership.charter());
        let broken = self.settle.lines.regard(site).zip(charter).map_or(0, |(regard, charter)| regard.breaches(charter, date).len());
        (broken + self.sampler.bad_quarters(site)) as u64
    }

    fn is_bound(&self, site: &SiteId) -> bool {
        is_bound(&self.settle, &self.owner, &self.helper, site)
    }

    /// Dials whom we seek, and those to whom we are bound.
    pub(super) fn dial(&mut self) {
        let Self { desk, membership, partners, settle, owner, helper, .. } = self;
        partners.on_dial_timer(desk, membership, |site| is_bound(settle, owner, helper, site));
    }

    /// Makes room for a member that seeks us; tells whether there is any.
    pub(super) fn has_room_for(&mut self, site: &SiteId) -> bool {
        let Self { desk, partners, settle, owner, helper, .. } = self;
        partners.forget(desk.now.time, |site| is_bound(settle, owner, helper, site));
        partners.partner(site).is_some() || partners.iter().count() < PARTNERS_INBOUND_MAX
    }

    /// Takes up whom we seek now, and forgets of whom nothing is left.
    pub(super) fn sync_partners(&mut self) {
        let Self { desk, membership, partners, settle, owner, helper, .. } = self;
        // Debts first: who owes and who is owed is to be found again after a restart, however the lot falls.
        let accounts = || settle.lines.iter().filter(|(_, account)| !account.is_former);
        let of = |idle: bool| accounts().filter(move |(_, account)| account.is_idle() == idle).map(|(site, _)| *site);
        partners.sync(desk, membership, of(false).collect(), of(true).collect());
        partners.forget(desk.now.time, |site| is_bound(settle, owner, helper, site));
        self.together.retain(|site| self.partners.partner(site).is_some());
        self.sampler.retain(|site| self.partners.partner(site).is_some());
    }
}
