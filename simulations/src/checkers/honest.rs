//! The honest are never punished: no mishap of links, disks or clocks makes one correct agent hold another for a bad one.

use std::collections::BTreeSet;

use overspill_governance::{regard::Note, site::SiteId};
use overspill_protocol::event::Event;

/// Who may be accused.
#[derive(Debug, Clone, Default)]
pub struct Honest {
    members: BTreeSet<SiteId>,
    culprits: BTreeSet<SiteId>,
}

impl Honest {
    pub(super) fn on_site(&mut self, site: SiteId) {
        self.members.insert(site);
    }

    pub(super) fn on_culprit(&mut self, site: SiteId) {
        self.culprits.insert(site);
    }

    pub(super) fn on_rotated(&mut self, old: SiteId, new: SiteId) {
        if self.culprits.contains(&old) {
            self.culprits.insert(new);
        }
    }

    pub(super) fn is_honest(&self, site: &SiteId) -> bool {
        self.members.contains(site) && !self.culprits.contains(site)
    }

    pub(super) fn on_event(&self, site: SiteId, event: &Event) -> Option<String> {
        let (peer, what) = match event {
            Event::Shunned { peer, reason } => (peer, format!("shuns it: {reason}")),
            Event::Misspoke { peer, reason } => (peer, format!("finds fault with it: {reason}")),
            Event::Forked { peer, proof } => (peer, format!("accuses it of a fork, which holds: {}", proof.convicts())),
            Event::Convicted { peer, bundle } => {
                let innocent = self.is_honest(peer);
                return innocent.then(|| format!("{} is honest, and {} convicts it: {}", peer.short(), site.short(), bundle.charge()));
            }
            Event::Suspended { helper, until } => {
                let innocent = self.is_honest(helper);
                return innocent.then(|| format!("{} is honest, and {} suspends it until {until}", helper.short(), site.short()));
            }
            Event::Altered { helper, .. } => (helper, String::from("finds that it alters files")),
            Event::Noted { partner, note: Note::Altered } => (partner, String::from("takes no help of it for altered files")),
            _ => return None,
        };
        let innocent = self.is_honest(peer) && self.is_honest(&site);
        innocent.then(|| format!("{} is honest, and {} {what}", peer.short(), site.short()))
    }
}
