//! The votes of one mesh, as a ledger tells them: the audit's second half.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{Finding, require};
use crate::{
    ballot::{Ballot, Stage},
    charter::Charter,
    decision::Decision,
    digest::Digest,
    electorate::Electorate,
    invite::Founding,
    minutes::Minutes,
    motion::{Motion, Objection, Schedule, Second},
    roster::{Notice, Roster},
    site::{Signed, SiteId, Statement},
};

/// Who belongs to a mesh and what it decided, by what the ledger holds so far.
#[derive(Debug)]
pub(super) struct Polls {
    pub(super) site: SiteId,
    roster: Roster,
    minutes: Minutes,
    /// The last ballot of the ledger's site in each vote.
    cast: BTreeMap<Digest, (u32, Stage)>,
}

impl Polls {
    pub(super) fn new(site: SiteId, founding: &Signed<Founding>) -> Option<Self> {
        let roster = Roster::new(founding.clone())?;
        let minutes = Minutes::new(founding.body.charter.clone(), founding.body.date);
        Some(Self { site, roster, minutes, cast: BTreeMap::new() })
    }

    /// The version of the charter that a statement names.
    pub(super) fn charter(&self, version: u32) -> Result<&Charter, Finding> {
        self.minutes.version(version).ok_or(Finding::BadStatement)
    }

    pub(super) fn take_notice(&mut self, notice: Notice) -> Result<(), Finding> {
        require(notice.is_good(self.roster.mesh()), Finding::BadStatement)?;
        // What does not count for the roster was written down in good faith.
        let _ = self.roster.receive(notice);
        Ok(())
    }

    /// Every key whose place another has now, with that one.
    pub(super) fn heirs(&self) -> BTreeMap<SiteId, SiteId> {
        self.roster.heirs().collect()
    }

    /// Whether a key was not given up for another.
    pub(super) fn keeps_key(&self, site: &SiteId) -> bool {
        self.roster.heir(site) == *site
    }

    /// A member's keys; of who is none, the one that is asked about.
    pub(super) fn keys_of(&self, site: &SiteId) -> Vec<SiteId> {
        self.roster.keys_of(site)
    }

    pub(super) fn take_motion(&mut self, motion: &Signed<Motion>) -> Result<(), Finding> {
        require(motion.is_good(self.roster.mesh()), Finding::BadStatement)
    }

    pub(super) fn take_second(&mut self, second: &Signed<Second>) -> Result<(), Finding> {
        require(second.is_by(&second.body.seconder), Finding::BadStatement)
    }

    pub(super) fn take_objection(&mut self, objection: &Signed<Objection>) -> Result<(), Finding> {
        require(objection.body.objector == self.site, Finding::NotOurs)?;
        require(objection.is_good(), Finding::BadStatement)
    }

    pub(super) fn take_ballot(&mut self, ballot: &Signed<Ballot>) -> Result<(), Finding> {
        let Ballot { voter, motion, .. } = ballot.body;
        require(voter == self.site, Finding::NotOurs)?;
        require(ballot.body.is_well_formed() && ballot.is_by(&voter), Finding::BadStatement)?;
        let last = self.cast.insert(motion, ballot.body.place());
        require(last.is_none_or(|last| last < ballot.body.place()), Finding::VotedTwice)
    }

    pub(super) fn take_decision(&mut self, decision: &Decision) -> Result<(), Finding> {
        let motion = &decision.motion.body;
        require(decision.is_good() && motion.mesh == self.roster.mesh(), Finding::BadStatement)?;
        let charter = self.minutes.rules(&motion.rules).ok_or(Finding::BadStatement)?;
        let snapshot = Schedule::of(motion, charter).snapshot;
        let electorate = Electorate::of(&self.roster, snapshot, &motion.digest(), charter);
        require(decision.is_certified(&electorate), Finding::Uncertified)?;
        if self.minutes.record(decision.clone()) {
            for removal in self.minutes.removals() {
                self.roster.bury(removal.member, removal.from, &removal.keeps);
            }
        }
        Ok(())
    }
}
