//! Whom a site seeks as partners, in a mesh that is too large for everybody to be everybody's: half by lot, half by merit.
//!
//! The lot is a hash that both ends compute alike: it keeps the mesh in one piece, makes nobody everybody's partner, and cannot be bent by what
//! anybody says of itself. The other half is held by those with whom our lines are used, and by those who have the most to spare when we
//! need it: members of whom partners have told us ([`super::prospects`]) take the places of the least, one at a time.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use overspill_governance::{digest::Digest, site::SiteId, time::Time};

use super::prospects::Prospects;
use crate::limits::{PARTNER_TRIAL, PARTNERS_DRAWN, PARTNERS_MAX, PARTNERS_REVIEW};

/// Whom we seek, and of whom we have heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    /// By lot; in a small mesh everybody.
    drawn: BTreeSet<SiteId>,
    /// By merit, and since when.
    held: BTreeMap<SiteId, Time>,
    /// Members who are no partners, as partners told us of them.
    pub(crate) prospects: Prospects,
    /// There are more members than partners.
    pub(crate) is_to_choose: bool,
    /// When it was last looked at who is to be held.
    pub(crate) reviewed: Time,
}

/// How a member came to be a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// By lot, or because everybody is everybody's.
    Lot,
    /// For what it is worth to us, or for what there is between us.
    Merit,
    /// It seeks us.
    Theirs,
}

/// Who gives up a place, and who takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) gone: SiteId,
    /// `None` where there were too many.
    pub(crate) taken: Option<SiteId>,
}

impl Choice {
    /// Takes up the members of now. Places that are free go to those in `used`, the first first, and then by lot.
    pub(crate) fn sync(&mut self, us: &SiteId, others: Vec<SiteId>, used: impl Iterator<Item = SiteId>, now: Time) {
        self.is_to_choose = others.len() > PARTNERS_MAX;
        let members: BTreeSet<SiteId> = others.iter().copied().collect();
        let order = by_lot(us, others);
        let drawn = order.iter().copied().take(if self.is_to_choose { PARTNERS_DRAWN } else { PARTNERS_MAX });
        let before = core::mem::replace(&mut self.drawn, drawn.collect());
        self.held.extend(before.into_iter().map(|site| (site, now)));
        self.held.retain(|site, _| members.contains(site) && !self.drawn.contains(site));
        self.prospects.retain(|site| members.contains(site));
        for site in used.filter(|site| members.contains(site)).chain(order) {
            if self.sought().count() >= PARTNERS_MAX {
                break;
            }
            if !self.is_sought(&site) {
                self.held.insert(site, now);
            }
        }
    }

    /// How `site`, a partner, came to be one.
    pub(crate) fn place(&self, site: &SiteId) -> Place {
        match (self.drawn.contains(site), self.held.contains_key(site)) {
            (true, _) => Place::Lot,
            (_, true) => Place::Merit,
            _ => Place::Theirs,
        }
    }

    /// Whether we seek `site`, and are not only sought by it.
    pub(crate) fn is_sought(&self, site: &SiteId) -> bool {
        self.drawn.contains(site) || self.held.contains_key(site)
    }

    /// All whom we seek.
    pub(crate) fn sought(&self) -> impl Iterator<Item = &SiteId> {
        self.drawn.iter().chain(self.held.keys())
    }

    /// Exchanges the least of those held by merit for the best prospect, if that is better by half. Whoever has its place for less than
    /// [`PARTNER_TRIAL`], or `is_bound` to us, keeps it; who is worth nothing, as it has not come or offers nothing, has less patience to expect.
    pub(crate) fn review(
        &mut self,
        now: Time,
        merit: impl Fn(&SiteId) -> u64,
        is_bound: impl Fn(&SiteId) -> bool,
        promise: impl Fn(&SiteId, u64) -> u64,
    ) -> Option<Exchange> {
        self.reviewed = now;
        self.prospects.forget_old(now);
        if !self.is_to_choose {
            return None;
        }
        let judged = self.held.iter().map(|(site, since)| (merit(site), *site, now.since(*since)));
        let tried = |(merit, _, held): &(u64, SiteId, Duration)| *held >= if *merit == 0 { PARTNERS_REVIEW } else { PARTNER_TRIAL };
        let (least, gone, _) = judged.filter(tried).filter(|(_, site, _)| !is_bound(site)).min()?;
        let taken = if self.sought().count() > PARTNERS_MAX {
            None
        } else {
            let best = self.prospects.iter().filter(|(site, _)| !self.is_sought(site));
            let best = best.map(|(site, spare)| (promise(site, spare), core::cmp::Reverse(*site))).max();
            let (promised, core::cmp::Reverse(site)) = best?;
            if promised <= least.saturating_add(least / 2) {
                return None;
            }
            Some(site)
        };
        self.held.remove(&gone);
        self.prospects.decline(gone, now);
        if let Some(site) = taken {
            self.held.insert(site, now);
            self.prospects.remove(&site);
        }
        Some(Exchange { gone, taken })
    }
}

/// At most [`PARTNERS_MAX`] members, in the order of the lot; all when there are no more.
fn by_lot(us: &SiteId, mut others: Vec<SiteId>) -> Vec<SiteId> {
    if others.len() > PARTNERS_MAX {
        let place = |other: &SiteId| Digest::of_parts("overspill partner choice v1", &[&us.min(other).0, &us.max(other).0]);
        others.sort_by_cached_key(place);
        others.truncate(PARTNERS_MAX);
    }
    others
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
