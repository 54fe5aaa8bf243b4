//! Who holds what others signed. Whoever comes back with an old copy of its disk can know of its own signatures only from these: what
//! nobody holds can be shown to nobody, and is as if it had never been signed.

use std::collections::{BTreeMap, BTreeSet};

use overspill_governance::{
    ballot::Ballot,
    digest::Digest,
    docket::Paper,
    entry::Entry,
    site::{Signed, SiteId, Statement},
};
use overspill_protocol::{message::Message, wire};

/// States and ballots with good signatures, by who holds them.
#[derive(Debug, Clone, Default)]
pub struct Witnesses {
    /// Ballots that a process has heard; they end with it.
    heard: BTreeMap<SiteId, BTreeSet<Digest>>,
    /// What stands in a ledger.
    written: BTreeMap<SiteId, BTreeSet<Digest>>,
}

impl Witnesses {
    /// Ballots are kept by whoever hears them. Of a state its line's other end keeps nothing before it is in its ledger.
    pub(super) fn on_heard(&mut self, site: SiteId, bytes: &[u8]) {
        if let Ok(Message::VoteTell(papers)) = wire::decode(bytes) {
            let digests =
                papers.iter().flat_map(ballots).filter(|ballot| ballot.is_by(&ballot.body.voter)).map(|ballot| ballot.body.digest());
            self.heard.entry(site).or_default().extend(digests);
        }
    }

    pub(super) fn on_entry(&mut self, site: SiteId, entry: &Entry) {
        let digests = match entry {
            Entry::Agreed { receipt, .. } => vec![receipt.state.digest()],
            Entry::Renewed { head, .. } => head.last.iter().map(|last| last.receipt.state.digest()).collect(),
            Entry::Decided(decision) => decision.ballots().map(|ballot| ballot.body.digest()).collect(),
            _ => return,
        };
        self.written.entry(site).or_default().extend(digests);
    }

    pub(super) fn on_death(&mut self, site: SiteId) {
        self.heard.remove(&site);
    }

    pub(super) fn on_forgotten(&mut self, site: SiteId) {
        self.written.remove(&site);
    }

    /// What a member holds is no witness against itself under another key.
    pub(super) fn on_rotated(&mut self, old: SiteId, new: SiteId) {
        for held in [&mut self.heard, &mut self.written] {
            let theirs = held.remove(&old).unwrap_or_default();
            held.entry(new).or_default().extend(theirs);
        }
    }

    /// Whether anybody but its signer holds this.
    pub fn hold(&self, signer: &SiteId, digest: &Digest) -> bool {
        [&self.heard, &self.written].into_iter().flatten().any(|(site, held)| site != signer && held.contains(digest))
    }
}

fn ballots(paper: &Paper) -> Vec<Signed<Ballot>> {
    match paper {
        Paper::Cast(ballot) => vec![ballot.clone()],
        Paper::Decided(decision) => decision.ballots().collect(),
        _ => Vec::new(),
    }
}
