//! Decisions: an outcome with the signatures that make it one, to be checked by whoever knows who was a member.

use alloc::vec::Vec;
use core::fmt;

use bincode::{Decode, Encode};

use crate::{
    ballot::{Ballot, Outcome, Stage},
    electorate::Electorate,
    motion::Motion,
    site::{Signature, Signed, SiteId, Statement},
};

/// How a motion was decided: a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Decision {
    /// What was moved.
    pub motion: Signed<Motion>,
    /// The epoch in which it was decided; the date of activation follows from it.
    pub epoch: u32,
    /// How.
    pub outcome: Outcome,
    /// Who committed to that, ascending, each with its signature under its ballot.
    pub votes: Vec<(SiteId, Signature)>,
}

impl Decision {
    /// The ballots that the votes stand for.
    pub fn ballots(&self) -> impl Iterator<Item = Signed<Ballot>> {
        let (mesh, motion) = (self.motion.body.mesh, self.motion.body.digest());
        self.votes.iter().map(move |(voter, signature)| {
            let body = Ballot { mesh, motion, voter: *voter, epoch: self.epoch, stage: Stage::Commit, basis: None, outcome: self.outcome };
            Signed { body, signature: *signature }
        })
    }

    /// Tells whether every vote is signed by whom it names, in order and each once, and so is the motion.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.motion.is_good(self.motion.body.mesh)
            && self.votes.is_sorted_by(|a, b| a.0 < b.0)
            && self.ballots().all(|ballot| ballot.body.is_well_formed() && ballot.is_by(&ballot.body.voter))
    }

    /// Tells whether more than two thirds of the seats signed it. A good one ([`Decision::is_good`]) that is certified is final.
    #[must_use]
    pub fn is_certified(&self, electorate: &Electorate) -> bool {
        electorate.certifies(self.votes.iter().filter(|(voter, _)| electorate.has_seat(voter)).count())
    }
}

impl fmt::Display for Decision {
    /// Writes the decision as one plain sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.outcome.adopts { "adopted" } else { "stopped by objections" };
        let (motion, votes) = (self.motion.body.digest().short(), self.votes.len());
        write!(f, "Motion {motion} was {how} ({votes} signed): {}", self.motion.body.change)
    }
}
