//! Who is who: the keys that members had one after the other, as rotations say it. No promise of its own; others are asked of members, whatever
//! keys they had at a time.

use std::collections::BTreeMap;

use overspill_governance::{
    entry::Entry,
    line::{Head, LineKey},
    site::SiteId,
};

/// Each key that was given up for another, and the other way round.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    after: BTreeMap<SiteId, SiteId>,
    before: BTreeMap<SiteId, SiteId>,
}

impl Keys {
    /// What these ledgers say; in these worlds nobody contradicts itself.
    pub fn of(ledgers: &[(SiteId, Vec<Entry>)]) -> Self {
        let mut keys = Self::default();
        for entry in ledgers.iter().flat_map(|(_, entries)| entries) {
            if let Entry::Rotated { rotation, .. } = entry {
                keys.rotate(rotation.body.old, rotation.body.new);
            }
        }
        keys
    }

    /// A member goes on under a new key.
    pub fn rotate(&mut self, old: SiteId, new: SiteId) {
        self.after.insert(old, new);
        self.before.insert(new, old);
    }

    /// The key that a member has now, whichever of its keys is asked about.
    pub fn now(&self, site: &SiteId) -> SiteId {
        core::iter::successors(Some(*site), |at| self.after.get(at).copied()).last().unwrap_or(*site)
    }

    /// All keys of a member up to this one, this one first.
    pub fn up_to(&self, site: &SiteId) -> impl Iterator<Item = SiteId> {
        core::iter::successors(Some(*site), |at| self.before.get(at).copied())
    }

    /// The entries of a member's ledger, each with the key that the member had when it was written.
    pub fn signed<'a>(&self, site: SiteId, entries: &'a [Entry]) -> impl Iterator<Item = (SiteId, &'a Entry)> {
        let mut us = self.up_to(&site).last().unwrap_or(site);
        entries.iter().map(move |entry| {
            if let Entry::Rotated { rotation, .. } = entry
                && rotation.body.old == us
            {
                us = rotation.body.new;
            }
            (us, entry)
        })
    }

    /// Whether `site` was the lower end of its line with another when the last state in `head` was signed, under whatever keys.
    pub fn was_low(&self, site: &SiteId, with: &SiteId, head: &Head) -> bool {
        let Some((renewal, last)) = head.renewal.as_ref().zip(head.last.as_ref()) else { return site < with };
        let state = &last.receipt.state;
        let signed = |one: &SiteId, other: &SiteId| {
            LineKey { epoch: last.epoch, ..LineKey::between(renewal.body.key.mesh, *one, *other) }.id() == state.line
        };
        let mut pairs = self.up_to(site).flat_map(|one| self.up_to(with).map(move |other| (one, other)));
        pairs.find(|(one, other)| signed(one, other)).map_or(site < with, |(one, other)| one < other)
    }

    /// What the line began anew with, seen from `site`.
    pub fn carried(&self, site: &SiteId, with: &SiteId, head: &Head) -> i64 {
        let balance = head.last.as_ref().map_or(0, |last| last.receipt.state.balance.0);
        if self.was_low(site, with, head) { balance } else { -balance }
    }
}
