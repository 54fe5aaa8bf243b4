//! Playing a plot: every action at its time, then everything is mended, and every checker is asked.

use std::time::Duration;

use overspill_governance::digest::Digest;
use overspill_protocol::{event::Answer, io::Command};

use super::plot::{Action, Plot};
use crate::{
    checkers::bounds,
    sometimes::Met,
    story::{heal, judge},
    world::World,
};

/// What became of a plot.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Promises that were broken, in words.
    pub failures: Vec<String>,
    /// What happened, as one hash.
    pub trace_hash: Digest,
    /// How much happened.
    pub events: u64,
    /// How long it took, in the world's time.
    pub virtual_time: Duration,
    /// What was met.
    pub met: Met,
    /// The last that happened, in words, if a promise was broken.
    pub tail: String,
}

/// Plays a plot. What is broken early ends it early.
pub fn run(plot: &Plot) -> Outcome {
    let mut world = stage(plot);
    let begun = world.now();
    let mut failures = Vec::new();
    let mut actions = plot.actions.iter().peekable();
    for second in 1..=plot.length.as_secs() {
        while let Some((at, action)) = actions.next_if(|(at, _)| *at < second * 1_000) {
            let at = begun.after(Duration::from_millis(*at));
            world.run(at.since(world.now()));
            act(&mut world, *action);
        }
        world.run(begun.after(Duration::from_secs(second)).since(world.now()));
        let reports = world.bodies.iter().filter_map(|body| Some(body.agent.as_ref()?.report(body.clock.read(world.now()))));
        failures.extend(reports.flat_map(|report| bounds::check(&report)));
        if !failures.is_empty() || !world.checkers.violations().is_empty() {
            failures.extend_from_slice(world.checkers.violations());
            return outcome(world, begun, failures);
        }
    }
    for site in 0..world.bodies.len() {
        world.want(site, 0);
    }
    let healed = heal(&mut world);
    failures.extend(judge(&world, healed.is_ok()));
    failures.extend(healed.err());
    outcome(world, begun, failures)
}

fn outcome(world: World, begun: overspill_governance::time::Time, failures: Vec<String>) -> Outcome {
    let tail = if failures.is_empty() { String::new() } else { world.trace.tail() };
    Outcome {
        failures,
        trace_hash: world.trace.hash(),
        events: world.happenings(),
        virtual_time: world.now().since(begun),
        met: world.met,
        tail,
    }
}

fn stage(plot: &Plot) -> World {
    let mut world = World::settled(plot.seed, plot.members, &plot.charter);
    for _ in 0..plot.outside {
        world.add_site();
    }
    world.faults = plot.faults;
    for (from, to, link) in &plot.links {
        world.link(*from, *to, Some(link.clone()));
    }
    for (site, conduct) in &plot.conducts {
        world.behave(*site, *conduct);
    }
    for (site, ppm) in plot.drifts.iter().enumerate() {
        let now = world.now();
        world.bodies[site].clock.drift(now, *ppm);
    }
    world
}

fn act(world: &mut World, action: Action) {
    match action {
        Action::Crowd(site, requests) => world.want(site, requests),
        Action::Purge(site) => world.purge(site),
        Action::Crash(site, millis) => world.crash(site, Duration::from_millis(millis)),
        Action::Stop(site, stopped) => world.stop(site, stopped),
        Action::Cut(one, other, cut) => world.cut(one, other, cut),
        Action::Mute(from, to, mute) => world.mute(from, to, mute),
        Action::Clog(from, to, millis) => world.clog(from, to, Duration::from_millis(millis)),
        Action::Full(site, full) => world.bodies[site].disk.full = full,
        Action::Broken(site) => world.bodies[site].disk.broken = true,
        Action::Rot(site) => {
            world.crash(site, Duration::from_millis(500));
            world.rot(site);
        }
        Action::Knock(site, strangers) => world.knock(site, strangers),
        Action::Jump(site, millis) => world.bodies[site].clock.offset_ms = millis,
        Action::Join(sponsor, joiner) => join(world, sponsor, joiner),
        Action::Leave(site) => world.command(site, Command::Leave),
    }
}

/// A member invites a site, as far as it lives to do so; a member does not join again.
fn join(world: &mut World, sponsor: usize, joiner: usize) {
    world.bodies[sponsor].answers.clear();
    world.command(sponsor, Command::Invite { lifetime: Duration::from_secs(600) });
    let token = world.bodies[sponsor].answers.iter().find_map(|answer| match answer {
        Ok(Answer::Invited { token }) => Some(token.clone()),
        _ => None,
    });
    if let Some(token) = token {
        world.command(joiner, Command::Join { token });
    }
}
