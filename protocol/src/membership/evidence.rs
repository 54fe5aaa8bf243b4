//! Evidence against members: taken from anywhere, judged once, kept in the ledger, and what follows from it for whom we deal with.

use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};

use overspill_governance::{
    digest::Digest,
    entry::Entry,
    evidence::Bundle,
    planted,
    register::{Heard, Register, enough},
    site::SiteId,
    standing::Standing,
    time::Date,
};

use super::Membership;
use crate::{desk::Desk, event::Event};

impl Membership {
    /// Takes evidence; tells whether it convicts anew. Whoever heard of it keeps it across restarts.
    pub(crate) fn hear(&mut self, desk: &mut Desk, bundle: Box<Bundle>) -> Result<bool, &'static str> {
        if desk.is_silent() || !self.was_member(&bundle.charge().who) {
            return Ok(false);
        }
        let Some((mesh, charter)) = self.mesh().zip(self.charter().cloned()) else { return Ok(false) };
        match self.register.hear(bundle.clone(), mesh, desk.now.date, &charter) {
            Heard::New(conviction) => {
                if !planted!(ConvictsUnwritten) {
                    desk.persist(Entry::Convicted { bundle: bundle.clone(), heard: desk.now.date });
                }
                desk.tell(Event::Convicted { peer: conviction.who, bundle });
                Ok(true)
            }
            Heard::Nothing => Ok(false),
            Heard::NotProven(_) => Err("evidence that proves nothing"),
        }
    }

    /// Takes back a conviction from the ledger.
    pub(super) fn restore_convicted(&mut self, bundle: Box<Bundle>, heard: Date) {
        if let Some((roster, minutes)) = self.roster.as_ref().zip(self.minutes.as_ref()) {
            let _ = self.register.hear(bundle, roster.mesh(), heard, minutes.in_force(heard));
        }
    }

    fn was_member(&self, site: &SiteId) -> bool {
        self.roster().is_some_and(|roster| roster.contains(site) || roster.has_left(site))
    }

    /// Who was convicted of what.
    pub(crate) fn register(&self) -> &Register {
        &self.register
    }

    /// What evidence says of a member now, and when that ends or gets better.
    pub(crate) fn standing_until(&self, site: &SiteId) -> (Standing, Option<Date>) {
        let Some((minutes, charter)) = self.minutes().zip(self.charter()) else {
            return (Standing::Good, None);
        };
        let keys = self.roster.iter().flat_map(|roster| roster.keys_of(site));
        let pardoned = keys.filter_map(|key| minutes.pardoned(&key, self.date)).max();
        self.register.standing(site, pardoned, self.date, charter)
    }

    /// What evidence says of a member now.
    pub(crate) fn standing(&self, site: &SiteId) -> Standing {
        self.standing_until(site).0
    }

    /// Whether `site` is a member that is talked to.
    pub(crate) fn is_welcome(&self, site: &SiteId) -> bool {
        self.is_member(site) && self.standing(site).is_heard()
    }

    /// Members who are not talked to for now.
    pub(crate) fn expelled(&self) -> BTreeSet<SiteId> {
        let convicted = self.register.iter().map(|(who, ..)| *who);
        let heirs = self.heirs().into_iter().map(|(_, heir)| heir);
        convicted.chain(heirs).filter(|who| !self.standing(who).is_heard()).collect()
    }

    /// Evidence whose term is not over, as partners compare it.
    pub(crate) fn evidence_names(&self) -> Vec<Digest> {
        self.charter().map(|charter| self.register.names(self.date, charter)).unwrap_or_default()
    }

    /// Evidence that partners need not tell us.
    pub(crate) fn evidence_known(&self) -> Vec<Digest> {
        self.charter().map(|charter| self.register.known(self.date, charter)).unwrap_or_default()
    }

    /// Evidence whose term is not over, but for what a partner names as known (ascending).
    pub(crate) fn evidence_beyond<'a>(&'a self, known: &'a [Digest]) -> impl Iterator<Item = &'a Bundle> {
        let lacks = |name: &Digest| known.binary_search(name).is_err();
        let current = self.charter().into_iter().flat_map(|charter| self.register.current(self.date, charter));
        current.filter(move |(who, matter, _)| lacks(matter) && lacks(&enough(who))).map(|(_, _, bundle)| bundle)
    }
}
