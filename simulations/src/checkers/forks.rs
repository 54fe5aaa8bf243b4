//! Nobody signs two states at one place of a line, and no signature leaves before its entry is durable.

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
#[derive(Debug, Default)]
pub struct Forks {
    signed: BTreeMap<(SiteId, LineId, u64), Digest>,
    proposed: BTreeSet<(SiteId, Digest)>,
    agreed: BTreeMap<(SiteId, u64), Vec<Signature>>,
    allotted: BTreeSet<(SiteId, LeaseId)>,
    admitted: BTreeSet<(SiteId, Digest)>,
    taken: BTreeMap<(SiteId, LeaseId), u32>,
}

impl Forks {
    pub(super) fn on_entry(&mut self, site: SiteId, entry: &Entry) -> Option<String> {
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
                return None;
            }
            Entry::Taken(claim) => {
                self.taken.insert((site, claim.lease), claim.requests);
                return None;
            }
            _ => return None,
        };
        let before = self.signed.insert((site, state.line, state.seq), state.digest());
        let forked = before.is_some_and(|before| before != state.digest());
        forked.then(|| format!("{} signed two states at place {} of one line", site.short(), state.seq))
    }

    pub(super) fn on_message(&self, site: SiteId, message: &Message) -> Option<String> {
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
