//! The docket: the votes that are open, as a function of the papers that a member holds.
//!
//! A paper is anything signed that belongs to a vote. Papers come in any order, twice, late or never; what cannot be placed yet is dropped,
//! and an exchange between members brings it again. What is kept is bounded: one open motion for each mover, [`MOTIONS_OPEN_MAX`] in all,
//! and where that is too few, the branch of the mesh that has most of them waits.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use bincode::{Decode, Encode};

use crate::{
    ballot::{Ballot, Equivocation},
    charter::Charter,
    codec,
    decision::Decision,
    digest::Digest,
    electorate::Electorate,
    evidence::Bundle,
    limits::{MOTIONS_OPEN_MAX, SEATS_MAX, VOTES_ENDED_KEPT},
    minutes::Minutes,
    motion::{Change, Motion, Objection, Schedule, Second},
    roster::Roster,
    site::{Signed, SiteId, Statement},
    time::{Date, SKEW_MAX},
    vote::{PaperError, Taken, Vote},
};

/// Anything signed that all members are to know, beside who belongs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Paper {
    /// A motion.
    Moved(Signed<Motion>),
    /// A second.
    Seconded(Signed<Second>),
    /// An objection.
    Objected(Signed<Objection>),
    /// A ballot.
    Cast(Signed<Ballot>),
    /// The end of a vote, with all that proves it.
    Decided(Box<Decision>),
    /// Evidence against a member. It belongs to no vote, and travels with what does.
    Accused(Box<Bundle>),
}

impl Paper {
    /// The paper's name. Two proofs of one decision have one name, and so have two of one matter.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Moved(motion) => motion.body.digest(),
            Self::Seconded(second) => second.body.digest(),
            Self::Objected(objection) => objection.body.digest(),
            Self::Cast(ballot) => ballot.body.digest(),
            Self::Decided(decision) => named(decision),
            Self::Accused(bundle) => bundle.charge().matter,
        }
    }
}

fn named(decision: &Decision) -> Digest {
    let Decision { motion, epoch, outcome, .. } = decision;
    Digest::of("overspill decision v1", &codec::encode(&(motion.body.digest(), *epoch, *outcome)))
}

/// What became of a paper.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Received {
    /// It is kept.
    New,
    /// It is kept, and with one that was known before it convicts its voter.
    Convicts(Box<Equivocation>),
    /// It changes nothing, or cannot be placed yet, or there is no room.
    Nothing,
}

/// What a vote is looked at with: who belongs, what was decided, what the calendar says.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Who belongs.
    pub roster: &'a Roster,
    /// [`Roster::digest`], as the caller has it at hand.
    pub digest: Digest,
    /// What was decided.
    pub minutes: &'a Minutes,
    /// Our calendar.
    pub now: Date,
}

/// The open votes, and those that objections ended a while ago.
#[derive(Debug, Clone, Default)]
pub struct Docket {
    votes: BTreeMap<Digest, Open>,
    stopped: BTreeMap<Digest, (Date, Decision)>,
    /// The votes that ended last: a ballot that comes after the end may be the other half of a proof.
    ended: VecDeque<Vote>,
    /// What our own agent signed, of all votes that ever were: a clock that was wrong for a while must not make it sign anew.
    ours: BTreeMap<Digest, Vec<Signed<Ballot>>>,
}

/// What a vote's dates and electorate follow from: notices, burials, and what was decided.
type Stamp = (Digest, u64, u64);

/// A vote with its electorate, and what that was made from.
#[derive(Debug, Clone)]
struct Open {
    vote: Vote,
    electorate: Electorate,
    stamp: Stamp,
    /// The end that somebody showed us: good by itself, whatever ballots we hold.
    proof: Option<Decision>,
}

impl Docket {
    /// A vote that is open, and who decides it.
    pub fn vote(&self, motion: &Digest) -> Option<(&Vote, &Electorate)> {
        self.votes.get(motion).map(|open| (&open.vote, &open.electorate))
    }

    /// All open votes.
    pub fn votes(&self) -> impl Iterator<Item = (&Vote, &Electorate)> {
        self.votes.values().map(|open| (&open.vote, &open.electorate))
    }

    /// Motions that were stopped a while ago.
    pub fn stopped(&self) -> impl Iterator<Item = &Decision> {
        self.stopped.values().map(|(_, decision)| decision)
    }

    /// All papers that are kept, without the decisions that the minutes hold.
    pub fn papers(&self) -> impl Iterator<Item = Paper> {
        let open = self.votes.values().flat_map(|Open { vote, .. }| {
            let motion = core::iter::once(Paper::Moved(vote.motion().clone()));
            let said = vote.seconded().cloned().map(Paper::Seconded).into_iter().chain(vote.objections().cloned().map(Paper::Objected));
            motion.chain(said).chain(vote.ballots().cloned().map(Paper::Cast))
        });
        open.chain(self.stopped().cloned().map(|decision| Paper::Decided(decision.into())))
    }

    /// The papers that two members compare, ascending: kept here, and the decisions of the minutes.
    pub fn digests(&self, minutes: &Minutes) -> Vec<Digest> {
        let mut digests: Vec<Digest> = self.papers().map(|paper| paper.digest()).chain(minutes.decisions().map(named)).collect();
        digests.sort_unstable();
        digests
    }

    /// The papers that are not among `theirs` (ascending), decisions first: they say by which rules the others are to be read.
    pub fn unknown_to<'a>(&'a self, theirs: &'a [Digest], minutes: &'a Minutes) -> impl Iterator<Item = Paper> + 'a {
        let decided = minutes.decisions().cloned().map(|decision| Paper::Decided(decision.into()));
        decided.chain(self.papers()).filter(|paper| theirs.binary_search(&paper.digest()).is_err())
    }

    /// Takes a paper.
    ///
    /// # Errors
    /// [`PaperError`]; nothing of it is kept, but ballots of a decision that are good by themselves.
    pub fn receive(&mut self, paper: Paper, place: Place<'_>) -> Result<Received, PaperError> {
        let taken = match paper {
            Paper::Moved(motion) => return self.take_motion(motion, place, None),
            Paper::Seconded(second) => match self.open(&second.body.motion, place) {
                Some(Open { vote, electorate, .. }) => vote.second(second, electorate)?,
                None => Taken::Known,
            },
            Paper::Objected(objection) => match self.open(&objection.body.motion, place) {
                Some(Open { vote, electorate, .. }) => vote.object(objection, electorate)?,
                None => Taken::Known,
            },
            Paper::Cast(ballot) => match self.open(&ballot.body.motion, place) {
                Some(Open { vote, electorate, .. }) if vote.schedule().begins(ballot.body.epoch) <= place.now.after(SKEW_MAX) => {
                    vote.cast(ballot, electorate)?
                }
                Some(_) => Taken::Known,
                None => self.cast_late(&ballot),
            },
            Paper::Decided(decision) => return self.take_decision(*decision, place),
            // The register's.
            Paper::Accused(_) => Taken::Known,
        };
        Ok(match taken {
            Taken::New => Received::New,
            Taken::Convicts(proof) => Received::Convicts(proof),
            Taken::Known => Received::Nothing,
        })
    }

    /// Takes a motion of which this agent heard first on `heard`, as its ledger says, or else now.
    ///
    /// # Errors
    /// [`PaperError`]; nothing was changed.
    pub fn take_motion(&mut self, motion: Signed<Motion>, place: Place<'_>, heard: Option<Date>) -> Result<Received, PaperError> {
        let digest = motion.body.digest();
        if self.knows(&digest, place.minutes) {
            return Ok(Received::Nothing);
        }
        let Some(charter) = place.minutes.current(&motion.body.rules, motion.body.date) else { return Ok(Received::Nothing) };
        // What is in the ledger was not early when it came: a clock may start in 1970, until it is set.
        let early = heard.is_none() && motion.body.date > place.now && !place.now.agrees_with(motion.body.date);
        if early || Schedule::of(&motion.body, charter).lapses() <= place.now {
            return Ok(Received::Nothing);
        }
        if !motion.is_good(place.roster.mesh()) {
            return Err(PaperError::NotGood);
        }
        if !is_possible(&motion.body.change, charter) {
            return Ok(Received::Nothing);
        }
        let vote = Vote::new(motion, charter, heard.unwrap_or(place.now));
        let open = Open::new(vote, charter, place);
        if !open.electorate.has_voice(&open.vote.motion().body.mover) {
            return Err(PaperError::NoPart);
        }
        self.insert(digest, open);
        self.shorten(place.roster);
        Ok(if self.votes.contains_key(&digest) { Received::New } else { Received::Nothing })
    }

    /// Takes the end of a vote that others saw. Where their proof does not do, as our rosters differ, its ballots count with the others.
    fn take_decision(&mut self, decision: Decision, place: Place<'_>) -> Result<Received, PaperError> {
        let motion = decision.motion.body.digest();
        let known = place.minutes.decision(&motion).is_some_and(|(_, known)| known.epoch <= decision.epoch);
        // That its rules were in force on its date is what those say who signed.
        let rules = place.minutes.rules(&decision.motion.body.rules);
        let Some(charter) = rules.filter(|_| !known && !self.stopped.contains_key(&motion)) else { return Ok(Received::Nothing) };
        let matters = match decision.outcome.adopts {
            true => !place.minutes.is_full(),
            false => Schedule::of(&decision.motion.body, charter).lapses() > place.now,
        };
        if !matters {
            return Ok(Received::Nothing);
        }
        if decision.votes.len() > SEATS_MAX || !decision.motion.is_good(place.roster.mesh()) {
            return Err(PaperError::NotGood);
        }
        if !is_possible(&decision.motion.body.change, charter) {
            return Ok(Received::Nothing);
        }
        let known = self.open(&motion, place).is_some();
        if !known {
            // A vote that was over before we came: it is opened for as long as it takes to look at its end.
            let open = Open::new(Vote::new(decision.motion.clone(), charter, Date::MAX), charter, place);
            if !decision.is_certified(&open.electorate) {
                return Ok(Received::Nothing);
            }
            self.insert(motion, open);
        }
        let taken = self.votes.get_mut(&motion).map_or(Ok(false), |open| open.end(decision));
        if taken.is_err() && !known {
            self.votes.remove(&motion);
        }
        taken.map(|news| if news { Received::New } else { Received::Nothing })
    }

    /// A ballot of no open vote decides nothing, but may convict who signed it.
    fn cast_late(&self, ballot: &Signed<Ballot>) -> Taken {
        let vote = self.ended.iter().find(|vote| vote.digest() == ballot.body.motion);
        vote.and_then(|vote| vote.convicted_by(ballot)).map_or(Taken::Known, |proof| Taken::Convicts(proof.into()))
    }

    fn insert(&mut self, motion: Digest, mut open: Open) {
        for ballot in self.ours.get(&motion).into_iter().flatten() {
            open.vote.remember(ballot.clone());
        }
        self.votes.insert(motion, open);
    }

    /// Takes a ballot that our own agent signed and that is durable, or will be before anybody sees it.
    pub fn remember(&mut self, ballot: Signed<Ballot>) {
        if let Some(open) = self.votes.get_mut(&ballot.body.motion) {
            open.vote.remember(ballot.clone());
        }
        self.ours.entry(ballot.body.motion).or_default().push(ballot);
    }

    /// The decisions that the papers make, each told once: the caller persists them, and records those that adopt in the minutes.
    pub fn decide(&mut self, now: Date) -> Vec<Decision> {
        let of = |open: &Open| open.proof.clone().or_else(|| open.vote.decision(&open.electorate));
        let ends: Vec<(Decision, Date)> = self.votes.values().filter_map(|open| Some((of(open)?, open.vote.schedule().lapses()))).collect();
        ends.into_iter()
            .map(|(decision, lapses)| {
                self.end(&decision, lapses, now);
                decision
            })
            .collect()
    }

    /// Closes the vote that a decision of the ledger ends.
    pub fn close(&mut self, decision: &Decision, place: Place<'_>) {
        let body = &decision.motion.body;
        let lapses = place.minutes.rules(&body.rules).map_or(place.now, |charter| Schedule::of(body, charter).lapses());
        self.end(decision, lapses, place.now);
    }

    fn end(&mut self, decision: &Decision, lapses: Date, now: Date) {
        let motion = decision.motion.body.digest();
        self.ended.extend(self.votes.remove(&motion).map(|open| open.vote));
        if self.ended.len() > VOTES_ENDED_KEPT {
            self.ended.pop_front();
        }
        if !decision.outcome.adopts && lapses > now {
            self.stopped.insert(motion, (lapses, decision.clone()));
        }
    }

    /// Drops what is over: motions that nobody seconded in time, that nobody decided, and what was stopped long ago.
    pub fn forget(&mut self, now: Date) -> Vec<Digest> {
        let over = |open: &Open| {
            let schedule = open.vote.schedule();
            now >= schedule.lapses() || (now > schedule.begins(0) && !open.vote.is_seconded(&open.electorate))
        };
        let gone: Vec<Digest> = self.votes.iter().filter(|(_, open)| over(open)).map(|(motion, _)| *motion).collect();
        self.votes.retain(|motion, _| gone.binary_search(motion).is_err());
        self.stopped.retain(|_, (lapses, _)| *lapses > now);
        gone
    }

    /// When there is something to do after `now`.
    pub fn next(&self, now: Date) -> Option<Date> {
        self.votes.values().filter_map(|open| open.vote.schedule().next(now)).min()
    }

    fn knows(&self, motion: &Digest, minutes: &Minutes) -> bool {
        self.votes.contains_key(motion) || self.stopped.contains_key(motion) || minutes.decision(motion).is_some()
    }

    /// An open vote, with its dates and electorate by what is known now.
    fn open(&mut self, motion: &Digest, place: Place<'_>) -> Option<&mut Open> {
        let open = self.votes.get_mut(motion)?;
        if open.stamp != place.stamp()
            && let Some(charter) = place.minutes.rules(&open.vote.motion().body.rules)
        {
            open.vote.read_by(charter);
            *open = Open { proof: open.proof.take(), ..Open::new(open.vote.clone(), charter, place) };
        }
        Some(open)
    }

    /// Brings every vote up to the roster and the rules of now.
    pub fn refresh(&mut self, place: Place<'_>) {
        let motions: Vec<Digest> = self.votes.keys().copied().collect();
        for motion in motions {
            self.open(&motion, place);
        }
    }

    /// Keeps within the bounds: what we or more than a branch have signed on, then what is seconded, then the earlier, and of each branch
    /// its share.
    fn shorten(&mut self, roster: &Roster) {
        let mut order: Vec<(bool, bool, Date, Digest)> = self
            .votes
            .iter()
            .map(|(digest, Open { vote, electorate, .. })| {
                let signed = vote.is_under_way(electorate) || self.ours.contains_key(digest);
                (!signed, !vote.is_seconded(electorate), vote.motion().body.date, *digest)
            })
            .collect();
        order.sort_unstable();
        let (mut movers, mut branches) = (BTreeMap::<SiteId, usize>::new(), BTreeMap::<SiteId, usize>::new());
        let mut ranked = Vec::new();
        for (unsigned, _, date, digest) in order {
            let Some(open) = self.votes.get(&digest) else { continue };
            let mover = open.vote.motion().body.mover;
            let (of_mover, of_branch) = (movers.entry(mover).or_default(), branches.entry(roster.branch(&mover)).or_default());
            if !unsigned || *of_mover == 0 {
                ranked.push((unsigned.then_some(*of_branch), date, digest));
                *of_branch += 1;
            }
            *of_mover += 1;
        }
        ranked.sort_unstable();
        let kept: Vec<Digest> = ranked.into_iter().take(MOTIONS_OPEN_MAX).map(|(_, _, digest)| digest).collect();
        self.votes.retain(|digest, _| kept.contains(digest));
    }
}

impl Place<'_> {
    fn stamp(&self) -> Stamp {
        (self.digest, self.roster.burials(), self.minutes.readings())
    }
}

impl Open {
    fn new(vote: Vote, charter: &Charter, place: Place<'_>) -> Self {
        let electorate = Electorate::of(place.roster, vote.schedule().snapshot, &vote.digest(), charter);
        Self { vote, electorate, stamp: place.stamp(), proof: None }
    }

    /// Takes the end of the vote, or what of it counts here; tells whether that is news.
    fn end(&mut self, decision: Decision) -> Result<bool, PaperError> {
        // Names cost nothing to look at, signatures do.
        if decision.is_certified(&self.electorate) {
            if !decision.is_good() {
                return Err(PaperError::NotGood);
            }
            self.proof = Some(decision);
            return Ok(true);
        }
        let mut news = false;
        for ballot in decision.ballots() {
            match self.vote.cast(ballot, &self.electorate) {
                Ok(taken) => news |= taken != Taken::Known,
                Err(PaperError::NoPart) => {}
                Err(PaperError::NotGood) => return Err(PaperError::NotGood),
            }
        }
        Ok(news)
    }
}

/// Whether the change fits the charter by which it was moved; a removal always does. It is nobody's fault when it does not: who was away
/// for long may count versions otherwise.
fn is_possible(change: &Change, charter: &Charter) -> bool {
    match change {
        Change::Amend { parameter, from, to } => charter.amended(parameter, *from, *to).is_ok(),
        Change::Remove { .. } | Change::Pardon { .. } => true,
    }
}

#[cfg(test)]
mod tests;
