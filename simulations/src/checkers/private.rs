//! Nothing private at a peer: a helper's store holds only what the owner itself put into a manifest or placed with that helper.

use std::collections::BTreeSet;

use overspill_governance::{digest::ObjectDigest, site::SiteId};
use overspill_protocol::message::Message;

/// What owners published, and what they placed with whom.
#[derive(Debug, Clone, Default)]
pub struct Private {
    listed: BTreeSet<(SiteId, ObjectDigest)>,
    placed: BTreeSet<(SiteId, SiteId, ObjectDigest)>,
}

impl Private {
    pub(super) fn on_message(&mut self, site: SiteId, to: &SiteId, message: &Message) {
        match message {
            Message::Manifest(signed) if signed.body.owner == site => {
                self.listed.extend(signed.body.objects.iter().map(|object| (site, object.digest)));
            }
            Message::Preposition(wish) => self.placed.extend(wish.objects.iter().map(|object| (site, *to, object.digest))),
            _ => {}
        }
    }

    pub(super) fn on_stored(&self, helper: SiteId, owner: SiteId, digest: ObjectDigest) -> Option<String> {
        let public = self.listed.contains(&(owner, digest)) || self.placed.contains(&(owner, helper, digest));
        (!public).then(|| format!("{} holds {digest} of {}, which never let it out", helper.short(), owner.short()))
    }
}
