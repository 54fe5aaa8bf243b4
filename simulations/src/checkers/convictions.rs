//! A conviction is in the ledger before it is told, so that no restart forgets it.

use std::collections::BTreeSet;

use overspill_governance::{digest::Digest, entry::Entry, site::SiteId};
use overspill_protocol::event::Event;

/// What each site has durably heard of whom.
#[derive(Debug, Clone, Default)]
pub struct Convictions {
    durable: BTreeSet<(SiteId, Digest)>,
}

impl Convictions {
    pub(super) fn on_entry(&mut self, site: SiteId, entry: &Entry) {
        if let Entry::Convicted { bundle, .. } = entry {
            self.durable.insert((site, bundle.charge().matter));
        }
    }

    pub(super) fn on_rotated(&mut self, old: SiteId, new: SiteId) {
        let theirs: Vec<Digest> = self.durable.iter().filter(|(site, _)| *site == old).map(|(_, matter)| *matter).collect();
        self.durable.extend(theirs.into_iter().map(|matter| (new, matter)));
    }

    pub(super) fn on_event(&self, site: SiteId, event: &Event) -> Option<String> {
        let Event::Convicted { bundle, .. } = event else { return None };
        let charge = bundle.charge();
        let unwritten = !self.durable.contains(&(site, charge.matter));
        unwritten.then(|| format!("{} told a conviction that is in no ledger: {charge}", site.short()))
    }
}
