//! How soon everybody convicts a member that signs two things of which it may sign one, and shows some members the one, some the other.
//!
//! The time counts from the first time that it said either in the other way. Who is in a mesh of many has thirty partners; what gossip brings
//! to all goes from partner to partner, and so do the two things that do not fit.

use std::{collections::BTreeSet, time::Duration};

use overspill_governance::{charter::Charter, evidence::Crime, time::Time, units::Credit};
use overspill_protocol::{
    event::Event,
    io::{Command, Wish},
};

use crate::{
    conduct::Conduct,
    story::{Story, brisk},
};

/// How often is looked at who has convicted.
const LOOK: Duration = Duration::from_millis(50);
/// How long is waited for everybody, once the second thing was said.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long is waited for the second thing to be said.
const ONSET: Duration = Duration::from_secs(1_500);
/// Milliseconds on the way, at most.
const LATENCY_MAX: u32 = 100;

/// What is said in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// A place of a line: the other end gets both states.
    Line,
    /// Who is let in on an invite: some members hear of one site, some of another.
    Roster,
    /// The outcome of a vote: some members get one ballot, some the other.
    Vote,
    /// The ruling on a round of clearing: it moves, and it ends.
    Ruling,
}

/// All of them, with their names.
pub const MATTERS: [(&str, Matter); 4] =
    [("line", Matter::Line), ("roster", Matter::Roster), ("vote", Matter::Vote), ("clearing", Matter::Ruling)];

/// What one run came to.
#[derive(Debug, Clone, Default)]
pub struct Detected {
    /// How long it took each honest member that has convicted, in milliseconds, in ascending order.
    pub after: Vec<u64>,
    /// Honest members.
    pub honest: usize,
    /// Honest members who convicted somebody who had done nothing.
    pub accusers: usize,
    /// Promises that were broken, in words.
    pub failures: Vec<String>,
    /// How much happened.
    pub events: u64,
    /// How long it took, in the world's time.
    pub virtual_time: Duration,
}

impl Detected {
    /// The time within which a part of the honest members have convicted, in milliseconds; `None` when fewer ever did.
    pub fn within(&self, percent: usize) -> Option<u64> {
        let needed = (self.honest * percent).div_ceil(100).max(1);
        self.after.get(needed - 1).copied()
    }
}

impl Matter {
    /// What it convicts of.
    pub fn crime(self) -> Crime {
        match self {
            Self::Line => Crime::Fork,
            Self::Roster => Crime::DoubleAdmission,
            Self::Vote => Crime::Equivocation,
            Self::Ruling => Crime::DoubleRuling,
        }
    }

    /// Plays it in a mesh of `sites`, 5 at least.
    pub fn play(self, sites: usize, seed: u64) -> Detected {
        let mut story = Story::settled(rules(), seed, sites);
        story.world.faults.latency_max = LATENCY_MAX;
        story.pass(20);
        let culprit = self.begin(&mut story);
        let begun = story.world.now();
        while story.world.bodies[culprit].lied.is_none() && story.world.now().since(begun) < ONSET {
            story.world.run(LOOK);
        }
        watch(&mut story, culprit, self.crime())
    }

    /// Brings it about; who it is that says two things.
    fn begin(self, story: &mut Story) -> usize {
        match self {
            Self::Line => {
                // Of the two ends the lower writes the next state.
                let lowest = (0..story.world.bodies.len()).min_by_key(|site| story.world.bodies[*site].id).unwrap_or_default();
                story.world.behave(lowest, Conduct::Forks);
                story.world.want(lowest, 100);
                lowest
            }
            Self::Roster => {
                story.world.behave(1, Conduct::AdmitsTwice);
                let joiner = story.world.add_site();
                if let Some(token) = story.invite(1) {
                    story.world.command(joiner, Command::Join { token });
                }
                1
            }
            Self::Vote => {
                // Newcomers have no voice.
                story.pass(700);
                let liar = story.world.bodies.len() - 1;
                story.world.behave(liar, Conduct::VotesTwice);
                let wish = Wish::Amend { parameter: String::from("price_request"), to: 20 };
                story.world.command(1, Command::Propose { wish, discuss: String::from("https://forum.example/1") });
                story.pass(20);
                let motion = story.report(2).and_then(|report| report.council.votes.first().map(|vote| vote.motion.to_string()));
                story.world.command(2, Command::Second { motion: motion.unwrap_or_default() });
                liar
            }
            Self::Ruling => circle(story),
        }
    }
}

/// Short terms, so that a run is short.
fn rules() -> Charter {
    let terms = [("vote_discussion", 600), ("vote_cooling", 300), ("vote_epoch", 300), ("vote_transition", 300), ("clearing_pause", 60)];
    terms.into_iter().try_fold(brisk(), |charter, (name, value)| charter.with(name, value)).unwrap_or_default()
}

/// Three members owe each other in a circle, and one finds it: it is the one that will rule.
fn circle(story: &mut Story) -> usize {
    let three = [0, 1, 2];
    story.owe_around(&three);
    let locked = |story: &Story, site: usize| {
        let report = story.report(site)?;
        let is_locked = report.lines.iter().any(|line| line.locked > Credit::ZERO);
        report.rounds.first().filter(|_| is_locked).map(|round| round.members[0])
    };
    let begun = story.world.now();
    let initiator = loop {
        story.pass_ms(1);
        let found = three.into_iter().find_map(|site| locked(story, site));
        if found.is_some() || story.world.now().since(begun) >= ONSET {
            break found.and_then(|site| story.world.index_of(&site)).unwrap_or_default();
        }
    };
    story.world.behave(initiator, Conduct::RulesTwice);
    initiator
}

/// Sees who convicts the culprit, and when.
fn watch(story: &mut Story, culprit: usize, crime: Crime) -> Detected {
    let id = story.world.bodies[culprit].id;
    let honest: Vec<usize> = (0..story.world.bodies.len()).filter(|site| *site != culprit).collect();
    let (mut seen, mut open) = (Detected { honest: honest.len(), ..Detected::default() }, honest);
    let lied: Option<Time> = story.world.bodies[culprit].lied;
    if let Some(lied) = lied {
        while !open.is_empty() && story.world.now().since(lied) < PATIENCE {
            let now = story.world.now().since(lied).as_millis() as u64;
            open.retain(|site| {
                let convicts = |event: &Event| matches!(event, Event::Convicted { peer, bundle } if *peer == id && bundle.crime() == crime);
                let has = story.world.bodies[*site].events.iter().any(convicts);
                seen.after.extend(has.then_some(now));
                !has
            });
            story.world.run(LOOK);
        }
    } else {
        seen.failures.push(String::from("the second thing was never said"));
    }
    let innocent = |event: &Event| matches!(event, Event::Convicted { peer, .. } if *peer != id);
    let accusers: BTreeSet<usize> =
        (0..story.world.bodies.len()).filter(|site| story.world.bodies[*site].events.iter().any(innocent)).collect();
    seen.accusers = accusers.len();
    seen.failures.extend_from_slice(story.world.checkers.violations());
    (seen.events, seen.virtual_time) = (story.world.happenings(), Duration::from_micros(story.world.now().as_micros()));
    seen
}
