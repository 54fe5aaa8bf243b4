//! Members who are no partners, as partners told of them: what they had to spare when it was last heard.

use alloc::collections::BTreeMap;

use overspill_governance::{site::SiteId, time::Time};

use super::spare::Spare;
use crate::limits::{PROSPECT_DECLINED, PROSPECT_LIFETIME, PROSPECTS_MAX};

/// A bounded memory of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prospects {
    heard: BTreeMap<SiteId, Spare>,
    /// Who gave up a place lately, and until when it takes none.
    declined: BTreeMap<SiteId, Time>,
}

impl Prospects {
    /// Takes what a member had to spare. When there are too many, the one that was heard the longest ago is forgotten.
    pub(crate) fn hear(&mut self, site: SiteId, spare: u64, now: Time) {
        if self.declined.get(&site).is_some_and(|until| now < *until) {
            return;
        }
        if let Some(known) = self.heard.get_mut(&site) {
            known.note(spare, now);
            return;
        }
        if self.heard.len() >= PROSPECTS_MAX {
            let oldest = self.heard.iter().min_by_key(|(_, spare)| spare.at()).map(|(site, _)| *site);
            oldest.and_then(|site| self.heard.remove(&site));
        }
        self.heard.insert(site, Spare::first(spare, now));
    }

    /// All, with the bytes a second that each had to spare.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SiteId, u64)> {
        self.heard.iter().map(|(site, spare)| (site, spare.mean()))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.heard.len()
    }

    /// Forgets one who is a partner now.
    pub(crate) fn remove(&mut self, site: &SiteId) {
        self.heard.remove(site);
    }

    /// One has given up its place: nothing is heard of it for a while.
    pub(crate) fn decline(&mut self, site: SiteId, now: Time) {
        self.heard.remove(&site);
        if self.declined.len() >= PROSPECTS_MAX {
            let first = self.declined.iter().min_by_key(|(_, until)| **until).map(|(site, _)| *site);
            first.and_then(|site| self.declined.remove(&site));
        }
        self.declined.insert(site, now.after(PROSPECT_DECLINED));
    }

    /// Forgets of whom nothing was heard lately, and who may take a place again.
    pub(crate) fn forget_old(&mut self, now: Time) {
        self.heard.retain(|_, spare| now.since(spare.at()) < PROSPECT_LIFETIME);
        self.declined.retain(|_, until| now < *until);
    }

    /// Forgets who left.
    pub(crate) fn retain(&mut self, is_member: impl Fn(&SiteId) -> bool) {
        self.heard.retain(|site, _| is_member(site));
        self.declined.retain(|site, _| is_member(site));
    }
}
