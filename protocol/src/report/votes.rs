//! How votes stand.

use alloc::{string::String, vec::Vec};

use overspill_governance::{
    ballot::Stage,
    charter::Charter,
    digest::Digest,
    electorate::Electorate,
    evidence::Crime,
    motion::Change,
    register::Kept,
    site::{SiteId, Statement},
    standing::Standing,
    time::Date,
    vote::Vote,
};

use crate::site::Site;

/// Rules and votes, as this site knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CouncilReport {
    /// Every version of the charter with the date from which it is in force; the first first.
    pub charters: Vec<(Date, Charter)>,
    /// The version in force; 0 without a mesh.
    pub version: u32,
    /// Open votes, by date.
    pub votes: Vec<VoteReport>,
    /// What was decided: all that was adopted, and what was stopped of late.
    pub decided: Vec<DecidedReport>,
    /// What members were convicted of, as this site heard it.
    pub convicted: Vec<ConvictedReport>,
}

/// A conviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvictedReport {
    /// Who.
    pub site: SiteId,
    /// Of what.
    pub crime: Crime,
    /// Names the matter.
    pub matter: Digest,
    /// When this site heard of it.
    pub heard: Date,
    /// Where its member stands by all that is known of it.
    pub standing: Standing,
    /// When that ends or gets better.
    pub until: Option<Date>,
}

/// An open vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteReport {
    /// The motion's name.
    pub motion: Digest,
    /// Who moved it.
    pub mover: SiteId,
    /// What.
    pub change: Change,
    /// Where it is discussed.
    pub discuss: String,
    /// When it was moved.
    pub date: Date,
    /// Last moment of objections.
    pub deadline: Date,
    /// When it is in force at the earliest, if it is adopted.
    pub in_force: Date,
    /// Another member wants it decided.
    pub seconded: bool,
    /// We were told in time to object, so that our silence is consent.
    pub told_in_time: bool,
    /// Who objects, and why.
    pub objections: Vec<(SiteId, String)>,
    /// What they weigh.
    pub weight: usize,
    /// What stops the motion.
    pub quorum: usize,
    /// Agents who sign.
    pub seats: usize,
    /// The latest epoch in which anybody signed, and how many prepared and committed in it.
    pub signed: Option<(u32, usize, usize)>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedReport {
    /// The motion's name.
    pub motion: Digest,
    /// What was moved.
    pub change: Change,
    /// Whether it was adopted.
    pub adopts: bool,
    /// Agents who signed it.
    pub signed: usize,
    /// From when it is in force; `None` for what was stopped.
    pub from: Option<Date>,
    /// It changed nothing, as another motion had changed the same rule before.
    pub void: bool,
}

impl Site {
    pub(super) fn council_report(&self) -> CouncilReport {
        let (Some(minutes), Some(charter)) = (self.membership.minutes(), self.membership.charter()) else {
            return CouncilReport::default();
        };
        let mut votes: Vec<VoteReport> = self.council.docket().votes().map(|(vote, electorate)| report(vote, electorate)).collect();
        votes.sort_by_key(|vote| (vote.date, vote.motion));
        let decided = minutes.decisions().chain(self.council.docket().stopped()).map(|decision| {
            let motion = decision.motion.body.digest();
            let from = minutes.decision(&motion).map(|(from, _)| from);
            let (change, adopts, signed) = (decision.motion.body.change.clone(), decision.outcome.adopts, decision.votes.len());
            DecidedReport { motion, change, adopts, signed, from, void: minutes.is_void(&motion) }
        });
        CouncilReport {
            charters: minutes.versions().iter().map(|rules| (rules.from, rules.charter.clone())).collect(),
            version: charter.version,
            votes,
            decided: decided.collect(),
            convicted: self.convicted(),
        }
    }
}

impl Site {
    fn convicted(&self) -> Vec<ConvictedReport> {
        let report = |(who, matter, kept): (&SiteId, &Digest, &Kept)| {
            let (standing, until) = self.membership.standing_until(who);
            ConvictedReport { site: *who, crime: kept.crime, matter: *matter, heard: kept.heard, standing, until }
        };
        self.membership.register().iter().map(report).collect()
    }
}

fn report(vote: &Vote, electorate: &Electorate) -> VoteReport {
    let (motion, schedule) = (&vote.motion().body, vote.schedule());
    let objectors: Vec<SiteId> = vote.objections().map(|objection| objection.body.objector).collect();
    let latest = vote.ballots().map(|ballot| ballot.body.epoch).max();
    let count = |epoch, stage| vote.ballots().filter(|ballot| ballot.body.place() == (epoch, stage)).count();
    VoteReport {
        motion: vote.digest(),
        mover: motion.mover,
        change: motion.change.clone(),
        discuss: motion.discuss.clone(),
        date: motion.date,
        deadline: schedule.deadline,
        in_force: schedule.activation(0),
        seconded: vote.is_seconded(electorate),
        told_in_time: vote.heard() <= schedule.told_by,
        objections: vote.objections().map(|objection| (objection.body.objector, objection.body.reason.clone())).collect(),
        weight: electorate.weight(objectors.iter()),
        quorum: electorate.quorum(),
        seats: electorate.seats(),
        signed: latest.map(|epoch| (epoch, count(epoch, Stage::Prepare), count(epoch, Stage::Commit))),
    }
}
