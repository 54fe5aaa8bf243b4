//! All decisions about a motion are one; nobody signs two ballots in one place, or goes back; no paper leaves before its entry is durable.

use std::collections::{BTreeMap, BTreeSet};

use overspill_governance::{
    ballot::{Ballot, Outcome, Stage},
    digest::Digest,
    docket::Paper,
    entry::Entry,
    site::{SiteId, Statement},
};
use overspill_protocol::message::Message;

/// A ballot's place and name.
type Cast = ((u32, Stage), Digest);

/// What every site has signed and seen decided, of all its lives.
#[derive(Debug, Clone, Default)]
pub struct Votes {
    cast: BTreeMap<(SiteId, Digest), Vec<Cast>>,
    durable: BTreeSet<(SiteId, Digest)>,
    decided: BTreeMap<Digest, (SiteId, Outcome)>,
}

impl Votes {
    /// `differs` tells whether what was signed before, first, can be held against what is signed now.
    pub(super) fn on_entry(&mut self, site: SiteId, entry: &Entry, differs: impl Fn(&Digest, &Digest) -> bool) -> Option<String> {
        match entry {
            Entry::Cast(ballot) => {
                let (Ballot { motion, .. }, digest) = (&ballot.body, ballot.body.digest());
                self.durable.insert((site, digest));
                let before = self.cast.entry((site, *motion)).or_default();
                let back = before.iter().any(|(place, before)| *place >= ballot.body.place() && differs(before, &digest));
                before.push((ballot.body.place(), digest));
                back.then(|| format!("{} voted twice, or went back, about motion {}", site.short(), motion.short()))
            }
            Entry::Moved { motion, .. } => {
                self.durable.insert((site, motion.body.digest()));
                None
            }
            Entry::Seconded(second) => {
                self.durable.insert((site, second.body.digest()));
                None
            }
            Entry::Objected(objection) => {
                self.durable.insert((site, objection.body.digest()));
                None
            }
            Entry::Decided(decision) => {
                let motion = decision.motion.body.digest();
                let (first, outcome) = *self.decided.entry(motion).or_insert((site, decision.outcome));
                let differs = outcome != decision.outcome;
                differs.then(|| format!("{} and {} decided otherwise about motion {}", first.short(), site.short(), motion.short()))
            }
            _ => None,
        }
    }

    pub(super) fn on_message(&self, site: SiteId, message: &Message) -> Option<String> {
        let Message::VoteTell(papers) = message else { return None };
        let ours = |paper: &&Paper| match paper {
            Paper::Moved(motion) => motion.body.mover == site,
            Paper::Seconded(second) => second.body.seconder == site,
            Paper::Objected(objection) => objection.body.objector == site,
            Paper::Cast(ballot) => ballot.body.voter == site,
            Paper::Decided(_) | Paper::Accused(_) => false,
        };
        let early = papers.iter().filter(ours).find(|paper| !self.durable.contains(&(site, paper.digest())));
        early.map(|_| format!("{} told a paper of a vote before it was durable", site.short()))
    }
}
