//! What the answer to a sample comes to. It depends on the answer and on lists of one's own alone.

use alloc::{boxed::Box, collections::VecDeque, string::String, sync::Arc};
use core::time::Duration;

use overspill_governance::{
    digest::ObjectDigest,
    edition::{Misserved, Served, beside},
    evidence::Bundle,
    invite::MeshId,
    site::{Signed, SiteId},
};

use super::PATIENCE;
use crate::{
    attest::{self, Response},
    manifest::Manifest,
};

/// What a helper answered, as the driver saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Whether the body came to its end, as long as the answer said, and not in an encoding.
    pub whole: bool,
    /// Digest of the body.
    pub body: ObjectDigest,
    /// The digest that the answer itself names: its entity tag.
    pub named: Option<ObjectDigest>,
    /// The field [`attest::FIELD`].
    pub served: Option<String>,
    /// From the request to the head of the answer.
    pub waited: Duration,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) mesh: MeshId,
    pub(crate) owner: SiteId,
    pub(crate) helper: SiteId,
    pub(crate) path: String,
    /// What is listed there.
    pub(crate) body: ObjectDigest,
}

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The right bytes, in time.
    Good,
    /// The right bytes, too late.
    Late,
    /// Sent home, or refused.
    TurnedAway,
    /// Nothing came, or not the whole of it: perhaps for want of our own link.
    Unanswered,
    /// Nothing can be said of it: what the helper signed and sent is from another list than ours.
    Unclear,
    /// Bytes that nobody listed; with the helper's signature under others, if it sent one.
    Altered(Option<(Box<Signed<Served>>, ObjectDigest)>),
    /// The helper signed what contradicts the list that it names.
    Contradiction(Bundle),
}

impl Looked {
    /// Weighs an answer; `None`: there was none. `listed`: our own lists, if we are the owner.
    pub(crate) fn weigh(&self, answer: Option<&Answer>, listed: &VecDeque<Arc<Manifest>>) -> Finding {
        let Some(answer) = answer else { return Finding::Unanswered };
        if answer.status != 200 {
            return Finding::TurnedAway;
        }
        if !answer.whole {
            return Finding::Unanswered;
        }
        let lists = || listed.iter().filter(|list| list.owner == self.owner);
        let was_listed = |list: &Arc<Manifest>| list.object(&self.path).is_some_and(|object| object.digest == answer.body);
        if answer.body == self.body || lists().any(was_listed) {
            return if answer.waited < PATIENCE { Finding::Good } else { Finding::Late };
        }
        if let Some(served) = self.signed(answer, answer.body) {
            return lists().find_map(|list| self.contradiction(list, &served)).map_or(Finding::Unclear, Finding::Contradiction);
        }
        let signed = [answer.named, Some(self.body)].into_iter().flatten().find_map(|body| self.signed(answer, body));
        Finding::Altered(signed.map(|served| (Box::new(served), answer.body)))
    }

    /// The helper's signature, if it holds under these bytes.
    fn signed(&self, answer: &Answer, body: ObjectDigest) -> Option<Signed<Served>> {
        let Self { mesh, owner, helper, ref path, .. } = *self;
        attest::read(answer.served.as_deref()?, Response { mesh, owner, helper, path, body })
    }

    /// The proof that a response contradicts the list that it names, if that is this list.
    fn contradiction(&self, list: &Manifest, served: &Signed<Served>) -> Option<Bundle> {
        if list.edition().root != served.body.root {
            return None;
        }
        let at = list.objects.iter().position(|object| object.path == self.path)?;
        let leaves = list.leaves();
        let leaf = *leaves.get(at)?;
        Some(Bundle::Misserving(Misserved { served: served.clone(), leaf, beside: beside(&leaves, at) }.into()))
    }
}
