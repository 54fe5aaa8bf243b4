//! One vote: everything that was said about one motion, and what follows from it.
//!
//! What is said only grows, and every question is answered from the set, so that members who hold the same papers come to the same view
//! whatever the order in which they came. An agent signs by itself ([`Vote::next_ballot`]), only forward, and never twice in one place:
//! its own ballots stand in its ledger before anybody sees them.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use crate::{
    ballot::{Ballot, Equivocation, Outcome, Stage},
    charter::Charter,
    decision::Decision,
    digest::Digest,
    electorate::Electorate,
    limits::BALLOTS_KEPT,
    motion::{Motion, Objection, Schedule, Second},
    site::{Signed, SiteId, Statement},
    time::Date,
};

/// What became of a paper.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// It counts from here on.
    New,
    /// It counts, and with one that was known before it convicts its voter.
    Convicts(Box<Equivocation>),
    /// It changes nothing.
    Known,
}

/// Why a paper is not taken. The vote is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaperError {
    /// It is not signed by whom it names, or breaks a bound: whoever sends such a thing is at fault.
    NotGood,
    /// Its signer has no part in this vote, as far as our roster goes.
    NoPart,
}

/// A motion and all that was said about it.
#[derive(Debug, Clone)]
pub struct Vote {
    motion: Signed<Motion>,
    digest: Digest,
    schedule: Schedule,
    heard: Date,
    second: Option<Signed<Second>>,
    objections: BTreeMap<SiteId, Signed<Objection>>,
    ballots: BTreeMap<(u32, Stage, SiteId), Vec<Signed<Ballot>>>,
}

impl Vote {
    /// The vote of a motion that is good, under the charter that it names, of which this agent heard first on `heard`.
    pub fn new(motion: Signed<Motion>, charter: &Charter, heard: Date) -> Self {
        let (digest, schedule) = (motion.body.digest(), Schedule::of(&motion.body, charter));
        let (objections, ballots) = (BTreeMap::new(), BTreeMap::new());
        Self { motion, digest, schedule, heard, second: None, objections, ballots }
    }

    /// What is moved.
    pub fn motion(&self) -> &Signed<Motion> {
        &self.motion
    }

    /// The motion's name.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its dates.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Its dates follow from the rules by which it is decided: another change, earlier than those, may just have become known.
    pub fn read_by(&mut self, charter: &Charter) {
        self.schedule = Schedule::of(&self.motion.body, charter);
    }

    /// When this agent heard of it.
    pub fn heard(&self) -> Date {
        self.heard
    }

    /// Who seconded it; of several, the lowest key.
    pub fn seconded(&self) -> Option<&Signed<Second>> {
        self.second.as_ref()
    }

    /// Who objects, and why.
    pub fn objections(&self) -> impl Iterator<Item = &Signed<Objection>> {
        self.objections.values()
    }

    /// What agents signed.
    pub fn ballots(&self) -> impl Iterator<Item = &Signed<Ballot>> {
        self.ballots.values().flatten()
    }

    /// Whether the motion goes to the vote. In a mesh of one there is nobody to second it.
    #[must_use]
    pub fn is_seconded(&self, electorate: &Electorate) -> bool {
        electorate.members() == 1 || self.second.is_some()
    }

    /// Whether agents of more than one branch have signed something.
    #[must_use]
    pub fn is_under_way(&self, electorate: &Electorate) -> bool {
        let voters: BTreeSet<&SiteId> = self.ballots.keys().map(|(.., voter)| voter).filter(|voter| electorate.has_seat(voter)).collect();
        electorate.is_beyond_a_branch(voters.len())
    }

    /// Takes a second.
    ///
    /// # Errors
    /// [`PaperError`].
    pub fn second(&mut self, second: Signed<Second>, electorate: &Electorate) -> Result<Taken, PaperError> {
        let by = second.body.seconder;
        if self.second.as_ref().is_some_and(|known| known.body.seconder <= by) {
            return Ok(Taken::Known);
        }
        if !electorate.has_voice(&by) || by == self.motion.body.mover {
            return Err(PaperError::NoPart);
        }
        let ours = (second.body.mesh, second.body.motion) == (self.motion.body.mesh, self.digest);
        if !ours || !second.is_by(&by) {
            return Err(PaperError::NotGood);
        }
        self.second = Some(second);
        Ok(Taken::New)
    }

    /// Takes an objection. Of several by one member the one with the lowest digest stays, the same everywhere.
    ///
    /// # Errors
    /// [`PaperError`].
    pub fn object(&mut self, objection: Signed<Objection>, electorate: &Electorate) -> Result<Taken, PaperError> {
        let by = objection.body.objector;
        if self.objections.get(&by).is_some_and(|known| known.body.digest() <= objection.body.digest()) {
            return Ok(Taken::Known);
        }
        if !electorate.has_voice(&by) {
            return Err(PaperError::NoPart);
        }
        let ours = (objection.body.mesh, objection.body.motion) == (self.motion.body.mesh, self.digest);
        if !ours || !objection.is_good() {
            return Err(PaperError::NotGood);
        }
        self.objections.insert(by, objection);
        Ok(Taken::New)
    }

    /// Takes a ballot. One that contradicts another of its voter still counts, as it may have counted elsewhere; the pair is evidence.
    ///
    /// # Errors
    /// [`PaperError`].
    pub fn cast(&mut self, ballot: Signed<Ballot>, electorate: &Electorate) -> Result<Taken, PaperError> {
        let Ballot { mesh, motion, voter, epoch, stage, .. } = ballot.body;
        let place = (epoch, stage, voter);
        let known = self.ballots.get(&place).map_or(&[][..], Vec::as_slice);
        if known.len() >= BALLOTS_KEPT || known.iter().any(|known| known.body == ballot.body) {
            return Ok(Taken::Known);
        }
        if !electorate.has_seat(&voter) {
            return Err(PaperError::NoPart);
        }
        let ours = (mesh, motion) == (self.motion.body.mesh, self.digest);
        if !ours || !ballot.body.is_well_formed() || !ballot.is_by(&voter) {
            return Err(PaperError::NotGood);
        }
        let proof = self.convicted_by(&ballot);
        self.ballots.entry(place).or_default().push(ballot);
        Ok(proof.map_or(Taken::New, |proof| Taken::Convicts(proof.into())))
    }

    /// The proof that a ballot makes with one that is known; nothing of it is kept.
    pub fn convicted_by(&self, ballot: &Signed<Ballot>) -> Option<Equivocation> {
        let known = self.of(&ballot.body.voter);
        known.map(|other| Equivocation { one: other.clone(), other: ballot.clone() }).find(Equivocation::convicts)
    }

    /// Takes back a ballot of our own from the ledger, which is believed: whatever else is known, it is not signed again.
    pub fn remember(&mut self, ballot: Signed<Ballot>) {
        let Ballot { voter, epoch, stage, .. } = ballot.body;
        let known = self.ballots.entry((epoch, stage, voter)).or_default();
        if !known.contains(&ballot) {
            known.push(ballot);
        }
    }

    /// How the vote comes out by the objections that are known here.
    pub fn outcome(&self, electorate: &Electorate) -> Outcome {
        let objectors: Vec<&[u8]> = self.objections.keys().map(|site| &site.0[..]).collect();
        let objections = Digest::of_parts("overspill objections v1", &objectors);
        Outcome { objections, adopts: electorate.weight(self.objections.keys()) < electorate.quorum() }
    }

    /// What more than two thirds of the seats prepared, by epochs. Two in one epoch take a third that signed twice.
    pub fn prepared(&self, electorate: &Electorate) -> BTreeMap<u32, Vec<Outcome>> {
        let mut prepared: BTreeMap<u32, Vec<Outcome>> = BTreeMap::new();
        for epoch in self.epochs() {
            // A ballot that follows an earlier majority counts where that majority is known, too: that is what makes a lie about it provable.
            let rests = |ballot: &Ballot| {
                let on = |basis: u32| prepared.get(&basis).is_some_and(|outcomes| outcomes.contains(&ballot.outcome));
                ballot.basis.is_none_or(on)
            };
            let outcomes = self.certified(electorate, epoch, Stage::Prepare, rests);
            if !outcomes.is_empty() {
                prepared.insert(epoch, outcomes);
            }
        }
        prepared
    }

    /// The decision, once more than two thirds of the seats have committed to one outcome in one epoch; the earliest such.
    pub fn decision(&self, electorate: &Electorate) -> Option<Decision> {
        self.epochs().find_map(|epoch| {
            let outcome = *self.certified(electorate, epoch, Stage::Commit, |_| true).first()?;
            let cast = self.at(epoch, Stage::Commit).filter(|ballot| ballot.body.outcome == outcome);
            let votes = cast.filter(|ballot| electorate.has_seat(&ballot.body.voter)).map(|ballot| (ballot.body.voter, ballot.signature));
            Some(Decision { motion: self.motion.clone(), epoch, outcome, votes: votes.collect() })
        })
    }

    /// What `me`, an honest agent that knows just this, signs next; `None` when there is nothing to sign at `now`.
    ///
    /// 1. Who sees within an epoch that more than two thirds prepared an outcome in it commits to that. Later it only follows (2): a decision
    ///    is dated from its epoch, and must not be made when that date is near or over.
    /// 2. In an epoch in which it has signed nothing it prepares: the outcome that more than two thirds prepared last, or the one that it
    ///    has committed to, whichever is later; or else, if its owner was told in time, what it has seen itself.
    pub fn next_ballot(&self, me: SiteId, electorate: &Electorate, now: Date) -> Option<Ballot> {
        if !electorate.has_seat(&me) {
            return None;
        }
        let ballot = |epoch, stage, basis, outcome| {
            let (mesh, motion) = (self.motion.body.mesh, self.digest);
            Some(Ballot { mesh, motion, voter: me, epoch, stage, basis, outcome })
        };
        let last = self.of(&me).map(|ballot| ballot.body.place()).max();
        let lock = self.of(&me).filter(|ballot| ballot.body.stage == Stage::Commit).map(|ballot| (ballot.body.epoch, ballot.body.outcome));
        let lock = lock.max_by_key(|(epoch, _)| *epoch);
        let prepared = self.prepared(electorate);
        let latest = prepared.last_key_value().and_then(|(epoch, outcomes)| match outcomes[..] {
            [outcome] => Some((*epoch, outcome)),
            // A third of the seats signs twice: nothing that is added helps.
            _ => None,
        });
        let epoch = self.schedule.epoch(now)?;
        let is_next = |stage| last.is_none_or(|last| last < (epoch, stage));
        if let Some((_, outcome)) = latest.filter(|(at, _)| *at == epoch && is_next(Stage::Commit)) {
            return ballot(epoch, Stage::Commit, None, outcome);
        }
        if !is_next(Stage::Prepare) {
            return None;
        }
        // Of two from one epoch the one that it committed to: nothing of that epoch releases it.
        let bound = [latest, lock].into_iter().flatten().filter(|(at, _)| *at < epoch).max_by_key(|(at, _)| *at);
        match bound {
            Some((basis, outcome)) => ballot(epoch, Stage::Prepare, Some(basis), outcome),
            None if self.is_seconded(electorate) && self.heard <= self.schedule.told_by => {
                ballot(epoch, Stage::Prepare, None, self.outcome(electorate))
            }
            None => None,
        }
    }

    /// Outcomes for which more than two thirds of the seats signed in one place, among the ballots that count.
    ///
    /// Who prepared twice counts for every outcome: it may have signed each for somebody, and only two of its ballots are kept. Otherwise
    /// what it signed for one member would be worth nothing to another. A decision has to be shown, and so only signatures make it.
    fn certified(&self, electorate: &Electorate, epoch: u32, stage: Stage, counts: impl Fn(&Ballot) -> bool) -> Vec<Outcome> {
        let (mut voters, mut twice) = (BTreeMap::<Outcome, BTreeSet<SiteId>>::new(), BTreeSet::new());
        let mut seen = BTreeSet::new();
        for Signed { body, .. } in self.at(epoch, stage).filter(|ballot| electorate.has_seat(&ballot.body.voter)) {
            if !seen.insert(body.voter) && stage == Stage::Prepare {
                twice.insert(body.voter);
            }
            if counts(body) {
                voters.entry(body.outcome).or_default().insert(body.voter);
            }
        }
        let certified = |voters: &BTreeSet<SiteId>| {
            let count = voters.union(&twice).count();
            electorate.certifies(count) || (planted!(DecidesByHalf) && stage == Stage::Commit && count * 2 >= electorate.seats())
        };
        voters.into_iter().filter(|(_, voters)| certified(voters)).map(|(outcome, _)| outcome).collect()
    }

    fn epochs(&self) -> impl Iterator<Item = u32> {
        self.ballots.keys().map(|(epoch, ..)| *epoch).collect::<BTreeSet<_>>().into_iter()
    }

    fn at(&self, epoch: u32, stage: Stage) -> impl Iterator<Item = &Signed<Ballot>> {
        let all = (epoch, stage, SiteId([0; 32]))..=(epoch, stage, SiteId([255; 32]));
        self.ballots.range(all).flat_map(|(_, ballots)| ballots)
    }

    fn of<'a>(&'a self, voter: &'a SiteId) -> impl Iterator<Item = &'a Signed<Ballot>> {
        self.ballots.iter().filter(move |((_, _, by), _)| by == voter).flat_map(|(_, ballots)| ballots)
    }
}

#[cfg(test)]
mod tests;
