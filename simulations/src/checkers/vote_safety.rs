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

/// What every site has signed and seen decided, of all its lives.
#[derive(Debug, Clone, Default)]
pub struct Votes {
    cast: BTreeMap<(SiteId, Digest), (u32, Stage)>,
    durable: BTreeSet<(SiteId, Digest)>,
    decided: BTreeMap<Digest, (SiteId, Outcome)>,
}

impl Votes {
    pub(super) fn on_entry(&mut self, site: SiteId, entry: &Entry) -> Option<String> {
        match entry {
            Entry::Cast(ballot) => {
                let Ballot { motion, .. } = ballot.body;
                self.durable.insert((site, ballot.body.digest()));
                let before = self.cast.insert((site, motion), ballot.body.place());
                let back = before.is_some_and(|before| before >= ballot.body.place());
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
