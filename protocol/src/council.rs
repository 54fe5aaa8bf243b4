//! The council: how this site takes part in votes. People move, second and object ([`wish`]); the agent signs by itself what was seen, in its
//! ledger first; papers go by gossip at once, and an exchange between partners repairs whatever gossip lost ([`spread`]).

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};
use core::time::Duration;

use overspill_governance::{
    digest::Digest,
    docket::{Docket, Paper, Place, Received},
    entry::Entry,
    evidence::Bundle,
    motion::Schedule,
    planted,
    site::{SiteId, Statement},
    time::{Date, SKEW_MAX, Time},
    vote::{PaperError, Vote},
};

use crate::{
    bucket::Bucket,
    desk::Desk,
    event::Event,
    limits::{BALLOT_HEARING, PAPERS_BURST, PAPERS_PER_SECOND, SMALL_BYTES_MAX, VOTE_LOOK},
    membership::Membership,
    message::Message,
    timer::Reason,
    wire,
};

pub(crate) mod spread;
pub(crate) mod wish;

/// The votes as this site knows them.
#[derive(Debug, Clone)]
pub(crate) struct Council {
    docket: Docket,
    /// Motions that stand in the ledger, with their movers, and until when no other of that mover's is written down.
    logged: BTreeMap<Digest, (SiteId, Date)>,
    /// Motions of which a second stands in the ledger: without it they would lapse at a start after their deadline.
    seconds: BTreeSet<Digest>,
    /// What partners compare, while nothing has changed.
    digest: Option<Digest>,
    gossip: Bucket,
    version: u32,
    hearing: Hearing,
}

/// What partners hold of votes, as far as this process heard: they may hold ballots of ours that our ledger does not know.
#[derive(Debug, Clone, Default)]
struct Hearing {
    /// Who holds just what we hold.
    agreed: BTreeSet<SiteId>,
    /// When the first was heard.
    since: Option<Time>,
    over: bool,
}

impl Council {
    pub(crate) fn new() -> Self {
        Self {
            docket: Docket::default(),
            logged: BTreeMap::new(),
            seconds: BTreeSet::new(),
            digest: None,
            gossip: Bucket::new(PAPERS_PER_SECOND, PAPERS_BURST, Time::ZERO),
            version: 0,
            hearing: Hearing::default(),
        }
    }

    /// The open votes.
    pub(crate) fn docket(&self) -> &Docket {
        &self.docket
    }

    /// Takes back what the ledger knows; tells whether it could.
    pub(crate) fn restore(&mut self, desk: &Desk, membership: &mut Membership, entry: Entry) -> bool {
        let Some(place) = place(desk, membership) else { return true };
        match entry {
            // What has lapsed meanwhile, or is decided, is not opened again.
            Entry::Moved { motion, heard } => {
                let deadline = place.minutes.rules(&motion.body.rules).map(|charter| Schedule::of(&motion.body, charter).deadline);
                self.logged.insert(motion.body.digest(), (motion.body.mover, deadline.unwrap_or(motion.body.date)));
                self.docket.take_motion(*motion, place, Some(heard)) != Err(PaperError::NotGood)
            }
            Entry::Seconded(second) => {
                self.seconds.insert(second.body.motion);
                self.docket.receive(Paper::Seconded(second), place) != Err(PaperError::NotGood)
            }
            Entry::Objected(objection) => self.docket.receive(Paper::Objected(objection), place) != Err(PaperError::NotGood),
            Entry::Cast(ballot) => {
                let ours = ballot.body.voter == desk.id;
                if !planted!(ForgetsBallots) {
                    self.docket.remember(ballot);
                }
                ours
            }
            Entry::Decided(decision) => {
                self.docket.close(&decision, place);
                membership.record(*decision);
                true
            }
            _ => false,
        }
    }

    /// Takes a paper from anywhere; `Ok` tells whether it is news.
    fn take(&mut self, desk: &mut Desk, membership: &Membership, paper: Paper) -> Result<bool, &'static str> {
        let Some(place) = place(desk, membership) else { return Ok(false) };
        let ours = match &paper {
            Paper::Cast(ballot) if ballot.body.voter == desk.id => Some(ballot.body.motion),
            _ => None,
        };
        match self.docket.receive(paper, place) {
            Ok(Received::New | Received::Convicts(_)) if ours.is_some() => {
                self.digest = None;
                let motion = ours.and_then(|motion| self.docket.vote(&motion)).map(|(vote, _)| vote.motion().body.date);
                if motion.is_some_and(|date| !is_forgotten(desk, date)) {
                    desk.begin_anew();
                }
                Ok(true)
            }
            Ok(Received::Nothing) | Err(PaperError::NoPart) => Ok(false),
            Ok(received) => {
                self.digest = None;
                if let Received::Convicts(proof) = received {
                    desk.accuse(Bundle::Equivocation(proof));
                }
                Ok(true)
            }
            Err(PaperError::NotGood) => Err("a paper of a vote that is not valid"),
        }
    }

    /// Takes a paper from a peer or the gossip: what belongs to votes, and evidence. `Ok` tells whether it is news.
    fn hear(&mut self, desk: &mut Desk, membership: &mut Membership, paper: Paper) -> Result<bool, &'static str> {
        let Paper::Accused(bundle) = paper else { return self.take(desk, membership, paper) };
        let news = membership.hear(desk, bundle)?;
        if news {
            self.digest = None;
        }
        Ok(news)
    }

    /// Judges what was found here, and shows everybody what convicts. What is too long for the gossip goes by the exchange.
    pub(crate) fn accuse(&mut self, desk: &mut Desk, membership: &mut Membership) {
        for bundle in desk.take_accused() {
            let accused = Paper::Accused(Box::new(bundle));
            let told = Message::VoteTell(vec![accused.clone()]);
            if self.hear(desk, membership, accused) == Ok(true) && wire::encode(&told).len() <= SMALL_BYTES_MAX {
                desk.broadcast(told);
            }
        }
    }

    /// Does what is due: logs motions that go to the vote, signs, decides, forgets; and sets the timer for the next date.
    pub(crate) fn tend(&mut self, desk: &mut Desk, membership: &mut Membership) {
        let Some(place) = place(desk, membership) else { return };
        self.docket.refresh(place);
        if !desk.is_silent() {
            self.log(desk);
            self.sign(desk, membership);
            self.decide(desk, membership);
        }
        for motion in self.docket.forget(desk.now.date) {
            self.digest = None;
            desk.tell(Event::Lapsed { motion });
        }
        self.announce(desk, membership);
        let now = desk.now.date;
        let dates = [self.docket.next(now), membership.minutes().and_then(|minutes| minutes.next(now))];
        if let Some(date) = dates.into_iter().flatten().min() {
            desk.wake_in(Reason::Vote, (date.since(now) + Duration::from_millis(1)).min(VOTE_LOOK));
        }
    }

    /// A motion that was seconded goes into the ledger, with the date on which we heard of it, and its second. Not one of which we heard too
    /// late to consent to it, and of each mover one in the time of a discussion: two colluders could write without end.
    fn log(&mut self, desk: &mut Desk) {
        let (now, docket) = (desk.now.date, &self.docket);
        self.logged.retain(|motion, (_, until)| now <= *until || docket.vote(motion).is_some());
        for (vote, _) in docket.votes().filter(|(vote, electorate)| vote.is_seconded(electorate)) {
            let (motion, mover) = (vote.digest(), vote.motion().body.mover);
            let known = self.logged.contains_key(&motion);
            let another = || self.logged.values().any(|(by, until)| *by == mover && now <= *until);
            if !known && (vote.heard() > vote.schedule().told_by || another()) {
                continue;
            }
            if !known {
                self.logged.insert(motion, log_motion(desk, vote));
            }
            if let Some(second) = vote.seconded()
                && self.seconds.insert(motion)
            {
                desk.persist(Entry::Seconded(second.clone()));
            }
        }
        let logged = &self.logged;
        self.seconds.retain(|motion| logged.contains_key(motion));
    }

    /// Signs whatever this agent signs next, in every vote.
    fn sign(&mut self, desk: &mut Desk, membership: &Membership) {
        if !self.has_heard(desk, membership) {
            return;
        }
        // What we may have signed of, and do not know, others decide.
        let known = |vote: &Vote| !is_forgotten(desk, vote.motion().body.date) || planted!(VotesAgain);
        let motions: Vec<Digest> = self.docket.votes().filter(|(vote, _)| known(vote)).map(|(vote, _)| vote.digest()).collect();
        for motion in motions {
            while let Some(ballot) =
                self.docket.vote(&motion).and_then(|(vote, electorate)| vote.next_ballot(desk.id, electorate, desk.now.date))
            {
                let Some(ballot) = desk.sign(ballot) else { return };
                // The motion stands in the ledger before what was signed of it.
                self.log_first(desk, &motion);
                if !planted!(CastsUnwritten) {
                    desk.persist(Entry::Cast(ballot.clone()));
                }
                self.docket.remember(ballot.clone());
                self.digest = None;
                self.publish(desk, membership, Paper::Cast(ballot));
            }
        }
    }

    /// Whether partners had the time to show us ballots of ours: all others hold what we hold, or some were there for a while.
    fn has_heard(&mut self, desk: &Desk, membership: &Membership) -> bool {
        if !self.hearing.over && !planted!(VotesAgain) {
            let waited = self.hearing.since.is_some_and(|at| desk.now.time >= at.after(BALLOT_HEARING));
            self.hearing.over = waited || membership.others(&desk.id).iter().all(|site| self.hearing.agreed.contains(site));
        }
        self.hearing.over || planted!(VotesAgain)
    }

    /// A partner said what it holds of votes.
    fn hear_digest(&mut self, desk: &mut Desk, partner: &SiteId, agrees: bool) {
        if self.hearing.over {
            return;
        }
        if self.hearing.since.is_none() {
            self.hearing.since = Some(desk.now.time);
            desk.wake_in(Reason::Vote, BALLOT_HEARING);
        }
        if agrees && self.hearing.agreed.insert(*partner) {
            desk.wake_in(Reason::Vote, Duration::ZERO);
        }
    }

    /// Writes down a motion of which more is to be written down.
    fn log_first(&mut self, desk: &mut Desk, motion: &Digest) {
        if let Some((vote, _)) = self.docket.vote(motion).filter(|_| !self.logged.contains_key(motion)) {
            self.logged.insert(*motion, log_motion(desk, vote));
        }
    }

    fn decide(&mut self, desk: &mut Desk, membership: &mut Membership) {
        for decision in self.docket.decide(desk.now.date) {
            self.digest = None;
            let (motion, adopts) = (decision.motion.body.digest(), decision.outcome.adopts);
            if membership.record(decision.clone()) || !adopts {
                desk.persist(Entry::Decided(decision.into()));
                desk.tell(Event::Decided { motion, adopts });
            }
        }
    }

    /// Tells once when other rules are in force.
    fn announce(&mut self, desk: &mut Desk, membership: &Membership) {
        let Some(version) = membership.charter().map(|charter| charter.version) else { return };
        if self.version != 0 && self.version != version {
            desk.tell(Event::RulesChanged { version });
        }
        self.version = version;
    }

    /// Gives a paper of ours to everybody.
    fn publish(&self, desk: &mut Desk, membership: &Membership, paper: Paper) {
        if membership.roster().is_some() {
            desk.broadcast(Message::VoteTell(vec![paper]));
        }
    }
}

/// Whether we may have signed of a motion of this date what we do not know.
fn is_forgotten(desk: &Desk, motion: Date) -> bool {
    desk.recovered().is_some_and(|date| motion <= date.after(SKEW_MAX))
}

/// Tells whose motion it is, and its deadline.
fn log_motion(desk: &mut Desk, vote: &Vote) -> (SiteId, Date) {
    let motion = vote.motion().clone();
    let (mover, change, deadline) = (motion.body.mover, alloc::format!("{}", motion.body.change), vote.schedule().deadline);
    desk.persist(Entry::Moved { motion: motion.into(), heard: vote.heard() });
    desk.tell(Event::Moved { motion: vote.digest(), change, deadline });
    (mover, deadline)
}

/// What votes are looked at with, while we belong to a mesh.
fn place<'a>(desk: &Desk, membership: &'a Membership) -> Option<Place<'a>> {
    let (roster, digest, minutes) = (membership.roster()?, membership.roster_digest()?, membership.minutes()?);
    Some(Place { roster, digest, minutes, now: desk.now.date })
}
