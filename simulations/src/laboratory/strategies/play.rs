//! How strategies are played.

use std::{collections::BTreeSet, ops::Range};

use overspill_governance::{
    entry::Entry,
    regard::Note,
    site::SiteId,
    units::{ByteRate, RequestRate},
};
use overspill_protocol::{
    event::Event,
    io::{Command, Wish},
};

use super::{HONEST, Strategy, Taking, rules};
use crate::{
    conduct::Conduct,
    story::{Story, heal, judge},
    world::{Body, World},
};

/// How often everybody is struck.
const ROUNDS: usize = 4;
/// Requests in each second of a crowd, unless told.
pub const CROWD: u32 = 80;
/// How long a crowd lasts.
const CROWD_SECONDS: u64 = 6;
/// How many visitors colluders invent, and for how long.
const INVENTED: (u32, u64) = (80, 10);

/// How long a vote takes, in seconds: until the newcomers have a voice, until it is seconded, and by the charter's rules.
pub(super) const VOTE: u64 = 700 + 20 + 10 + DECIDED;
const DECIDED: u64 = 600 + 120 + 300 + 300 + 60;

/// What became of a run.
#[derive(Debug, Clone)]
pub struct Played {
    /// What the strategist's sites took.
    pub taking: Taking,
    /// What others made up for, by their service, of what the strategist's sites left unpaid with honest members, in micro-credits.
    pub made_up: i128,
    /// Whether another rule was in force at the end.
    pub rules_changed: bool,
    /// How many honest members hold a conviction of any of its sites.
    pub convicted_by: usize,
    /// Promises that were broken, in words.
    pub failures: Vec<String>,
}

/// Plays a strategy in crowds of so many requests a second; `twin`: with sites that are honest instead, which is the same for all strategies that
/// bring in as many sites.
pub fn play(strategy: Strategy, seed: u64, crowd: u32, twin: bool) -> Played {
    let mut story = Story::settled(rules(), seed, HONEST + 1);
    let mut ours = vec![HONEST];
    story.pass(15);
    for _ in 0..strategy.brings() {
        let at = story.world.add_site();
        story.join(HONEST, at);
        ours.push(at);
    }
    if twin {
        story.pass(strategy.waits());
    } else {
        begin(&mut story, strategy, &ours);
    }
    story.pass(10);
    for round in 0..ROUNDS {
        if !twin {
            between(&mut story, strategy, &mut ours, round);
        }
        for site in (0..HONEST).chain(ours.iter().copied()) {
            if story.report(site).is_some_and(|report| report.mesh.is_some()) {
                story.crowd(site, crowd, CROWD_SECONDS);
                story.pass(20);
            }
        }
    }
    let healed = heal(&mut story.world);
    let ids: BTreeSet<SiteId> = ours.iter().map(|at| story.world.bodies[*at].id).collect();
    let council = |site: usize| story.report(site).map(|report| report.council).unwrap_or_default();
    let convicts = |site: &usize| council(*site).convicted.iter().any(|convicted| ids.contains(&convicted.site));
    Played {
        taking: Taking::of(&story.world, &ids),
        made_up: made_up(&story.world, &ids),
        rules_changed: (0..HONEST).any(|site| council(site).version != 1),
        convicted_by: (0..HONEST).filter(convicts).count(),
        failures: judge(&story.world, healed.is_ok()).into_iter().chain(healed.err()).collect(),
    }
}

/// What honest members wrote off and was made up for since: so much of the stake is there again for whom the sponsor lets in next.
fn made_up(world: &World, ours: &BTreeSet<SiteId>) -> i128 {
    let honest = world.bodies.iter().filter(|body| !ours.contains(&body.id));
    let of_one = |body: &Body| {
        let written = body.disk.read().into_iter().filter_map(|entry| match entry {
            Entry::Noted { note: Note::Answers { member, amount }, .. } if ours.contains(&member) => Some(i128::from(amount.0)),
            _ => None,
        });
        let members = body.agent.as_ref().and_then(|agent| agent.members()).map(|report| report.members).unwrap_or_default();
        let left = members.iter().filter(|member| ours.contains(&member.site)).map(|member| i128::from(member.unpaid.0));
        written.sum::<i128>() - left.sum::<i128>()
    };
    honest.map(of_one).sum()
}

fn everybody_but(story: &Story, but: &[usize]) -> BTreeSet<SiteId> {
    story.world.bodies.iter().enumerate().filter(|(at, _)| !but.contains(at)).map(|(_, body)| body.id).collect()
}

/// What a strategist does at the beginning.
fn begin(story: &mut Story, strategy: Strategy, ours: &[usize]) {
    let at = ours[0];
    match strategy {
        Strategy::OverClaimer => story.world.behave(at, Conduct::OverClaims),
        Strategy::SelectiveServer => story.world.behave(at, Conduct::Pretends),
        Strategy::Forker => story.world.behave(at, Conduct::Forks),
        Strategy::CapacityLiar => {
            let body = &mut story.world.bodies[at];
            let (RequestRate(requests), ByteRate(bytes)) = (body.caps.requests, body.caps.bytes);
            (body.caps.requests, body.caps.bytes) = (RequestRate(requests * 10), ByteRate(bytes * 10));
            let (id, caps) = (body.id, body.caps);
            story.world.checkers.on_site(id, caps);
            story.world.behave(at, Conduct::Overpromises);
            story.world.crash(at, std::time::Duration::from_millis(100));
        }
        Strategy::Withholder => {
            story.world.behave(at, Conduct::Withholds);
            rides(story, at);
        }
        Strategy::FreeRider | Strategy::Whitewasher => rides(story, at),
        Strategy::SybilFarm => ours.iter().for_each(|at| rides(story, *at)),
        Strategy::CollusiveInflation => inflate(story, ours, 0..HONEST),
        Strategy::VoteFarm => farm(story, ours),
    }
}

/// What it does before a round of crowds.
fn between(story: &mut Story, strategy: Strategy, ours: &mut Vec<usize>, round: usize) {
    if strategy == Strategy::Whitewasher && round == ROUNDS / 2 {
        let at = ours[0];
        story.world.command(at, Command::Leave);
        story.pass(200);
        let next = story.world.add_site();
        story.join(0, next);
        rides(story, next);
        ours.push(next);
    }
}

/// From here on it carries nothing for anybody.
fn rides(story: &mut Story, at: usize) {
    let members = everybody_but(story, &[at]);
    story.world.command(at, Command::Stop { members });
}

/// Two see nobody else for a while, and each serves the other's invented visitors.
fn inflate(story: &mut Story, ours: &[usize], honest: Range<usize>) {
    let cut = |story: &mut Story, cut| {
        for (at, other) in ours.iter().flat_map(|at| honest.clone().map(move |other| (*at, other))) {
            story.world.cut(at, other, cut);
        }
    };
    cut(story, true);
    for _ in 0..2 {
        for at in ours {
            story.crowd(*at, INVENTED.0, INVENTED.1);
            story.pass(20);
        }
    }
    cut(story, false);
    story.pass(20);
}

/// A farm moves that a request costs nothing; half of the honest members object.
fn farm(story: &mut Story, ours: &[usize]) {
    story.pass(700);
    let wish = Wish::Amend { parameter: String::from("price_mib"), to: 0 };
    story.world.command(ours[0], Command::Propose { wish, discuss: String::from("https://forum.example/1") });
    story.pass(20);
    let motion = story.report(ours[1]).and_then(|report| report.council.votes.first().map(|vote| vote.motion.to_string()));
    let Some(motion) = motion else { return };
    story.world.command(ours[1], Command::Second { motion: motion.clone() });
    story.pass(10);
    for site in 0..HONEST / 2 {
        story.world.command(site, Command::Object { motion: motion.clone(), reason: String::from("No.") });
    }
    story.pass(DECIDED);
    debug_assert!(story.told(0, |event| matches!(event, Event::Decided { .. })) > 0);
}
