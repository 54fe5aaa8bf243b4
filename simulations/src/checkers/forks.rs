//! Nobody signs two things where there may be one, and no signature leaves before its entry is durable.
//!
//! One: a state at a place of a line, a manifest of a generation, an allotment of a lease, an answer to an invite. What is known to be signed
//! outlives every crash here, as it does with whoever received it.

use std::collections::{BTreeMap, BTreeSet};

use overspill_governance::{
    digest::Digest,
    entry::Entry,
    line::LineId,
    payword::LeaseId,
    site::{Signature, SiteId, Statement},
};
use overspill_protocol::message::Message;

/// What every site has signed, of all its lives.
#[derive(Debug, Clone, Default)]
pub struct Forks {
    signed: BTreeMap<(SiteId, LineId, u64), Digest>,
    proposed: BTreeSet<(SiteId, Digest)>,
    agreed: BTreeMap<(SiteId, u64), Vec<Signature>>,
    allotted: BTreeSet<(SiteId, LeaseId)>,
    admitted: BTreeSet<(SiteId, Digest)>,
    taken: BTreeMap<(SiteId, LeaseId), u32>,
    manifests: BTreeMap<(SiteId, u64, u64), Digest>,
    answers: BTreeMap<(SiteId, Digest), SiteId>,
    /// Whose ledger takes no entries.
    mute: BTreeSet<SiteId>,
}

impl Forks {
    /// `differs` tells whether what was signed before, first, can be held against what is signed now; `honest`, who lets nobody in twice.
    pub(super) fn on_entry(
        &mut self,
        site: SiteId,
        entry: &Entry,
        differs: impl Fn(&Digest, &Digest) -> bool,
        honest: impl Fn(&SiteId) -> bool,
    ) -> Option<String> {
        let state = match entry {
            Entry::Proposed { proposal, .. } => {
                self.proposed.insert((site, proposal.state.digest()));
                proposal.state
            }
            Entry::Agreed { receipt, .. } => {
                self.agreed.entry((site, receipt.state.seq)).or_default().push(receipt.high_sig);
                receipt.state
            }
            Entry::Allotted(allotment) => {
                self.allotted.insert((site, allotment.body.lease));
                return None;
            }
            Entry::Admitted(admission) => {
                self.admitted.insert((site, admission.body.digest()));
                let body = &admission.body;
                let before = self.answers.insert((body.sponsor, body.invite), body.member);
                let twice = before.is_some_and(|before| before != body.member) && honest(&body.sponsor);
                return twice.then(|| format!("{} admitted two sites on one invite", body.sponsor.short()));
            }
            Entry::Taken(claim) => {
                self.taken.insert((site, claim.lease), claim.requests);
                return None;
            }
            _ => return None,
        };
        let before = self.signed.insert((site, state.line, state.seq), state.digest());
        let forked = before.is_some_and(|before| before != state.digest() && differs(&before, &state.digest()));
        forked.then(|| format!("{} signed two states at place {} of one line", site.short(), state.seq))
    }

    /// Whom a member admitted under its old key, it may tell so under the new one.
    pub(super) fn on_rotated(&mut self, old: SiteId, new: SiteId) {
        let theirs: Vec<Digest> = self.admitted.iter().filter(|(site, _)| *site == old).map(|(_, digest)| *digest).collect();
        self.admitted.extend(theirs.into_iter().map(|digest| (new, digest)));
    }

    /// A new process is told by its own ledger.
    pub(super) fn on_death(&mut self, site: SiteId) {
        self.mute.remove(&site);
    }

    pub(super) fn on_ledger_failed(&mut self, site: SiteId) {
        self.mute.insert(site);
    }

    pub(super) fn on_message(&mut self, site: SiteId, message: &Message) -> Option<String> {
        let signs = message.rests_on_entries() || matches!(message, Message::Advert(_));
        if signs && self.mute.contains(&site) {
            return Some(format!("{} says {} though its ledger takes no entries", site.short(), message.kind()));
        }
        if let Message::Manifest(signed) = message {
            let (run, generation, digest) = (signed.body.run, signed.body.generation, signed.body.digest());
            let before = self.manifests.insert((site, run, generation), digest);
            let twice = before.is_some_and(|before| before != digest);
            return twice.then(|| format!("{} signed two manifests of generation {generation}", site.short()));
        }
        let durable = match message {
            Message::Propose(proposal) => self.proposed.contains(&(site, proposal.state.digest())),
            Message::Agree(agree) => self.agreed.get(&(site, agree.seq)).is_some_and(|signatures| signatures.contains(&agree.signature)),
            Message::LeaseTake(take) => self.allotted.contains(&(site, take.allotment.body.lease)),
            Message::LeaseHeld(held) => self.allotted.contains(&(site, held.lease)),
            Message::JoinDone(done) => self.admitted.contains(&(site, done.admission.body.digest())),
            Message::Claim(made) => {
                made.claim.is_none_or(|claim| self.taken.get(&(site, claim.lease)).is_some_and(|requests| *requests >= claim.requests))
            }
            _ => true,
        };
        (!durable).then(|| format!("{} said {} before its entry was durable", site.short(), message.kind()))
    }
}
