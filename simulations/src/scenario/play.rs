//! Playing a plot: every action at its time, then everything is mended, and every checker is asked.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use overspill_governance::{charter::PARAMETERS, digest::Digest, time::Time};
use overspill_protocol::{
    event::Answer,
    io::{Command, Keeps, Wish},
};

use super::{
    plot::{Action, Plot},
    promise,
    visitors::{STEP_MS, Visitors},
};
use crate::{
    checkers::bounds,
    sometimes::Met,
    story::{heal_in_sight, judge},
    trace::LINES_KEPT,
    world::World,
};

/// What became of a plot.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Promises that were broken, in words.
    pub failures: Vec<String>,
    /// The first of them without what differs from run to run; two runs that break the same promise have the same.
    pub promise: Option<String>,
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

/// What a watcher of a run is shown.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// An action was carried out.
    Acted(Action),
    /// A tenth of a second has passed, or a whole one while everything comes to rest.
    Passed,
    /// Everything was mended and has come to rest, or had its time to.
    Rested,
}

/// Plays a plot. What is broken early ends it early.
pub fn run(plot: &Plot) -> Outcome {
    watched(plot, LINES_KEPT, &mut |_, _, _| Vec::new())
}

/// Plays a plot before a watcher, which sees each moment with its time in milliseconds; what it says is broken counts as broken.
/// Of what happens the last `lines` are kept, for an outcome that is broken.
pub fn watched(plot: &Plot, lines: usize, watch: &mut impl FnMut(&World, u64, Moment) -> Vec<String>) -> Outcome {
    let mut world = stage(plot);
    world.trace.keep(lines);
    let begun = world.now();
    let mut failures = Vec::new();
    let mut actions = plot.actions.iter().peekable();
    let mut visitors = Visitors::of(plot);
    let end = plot.length.as_millis() as u64;
    let mut now = 0;
    while now < end {
        let next = (now + STEP_MS).min(end);
        while let Some((at, action)) = actions.next_if(|(at, _)| *at < next) {
            pass_until(&mut world, begun, *at);
            act(&mut world, &mut visitors, *at, *action);
            failures.extend(watch(&world, *at, Moment::Acted(*action)));
        }
        pass_until(&mut world, begun, next);
        visitors.step(&mut world, next);
        failures.extend(watch(&world, next, Moment::Passed));
        if next.is_multiple_of(1_000) {
            let reports = world.bodies.iter().filter_map(|body| Some(body.agent.as_ref()?.report(body.clock.read(world.now()))));
            failures.extend(reports.flat_map(|report| bounds::check(&report)));
        }
        if !failures.is_empty() || !world.checkers.violations().is_empty() {
            failures.extend_from_slice(world.checkers.violations());
            return outcome(world, begun, failures);
        }
        now = next;
    }
    for site in 0..world.bodies.len() {
        world.want(site, 0);
    }
    let millis = |world: &World| world.now().since(begun).as_millis() as u64;
    let healed = heal_in_sight(&mut world, |world| failures.extend(watch(world, millis(world), Moment::Passed)));
    failures.extend(judge(&world, healed.is_ok()));
    failures.extend(healed.err());
    failures.extend(watch(&world, millis(&world), Moment::Rested));
    outcome(world, begun, failures)
}

/// Plays, and takes a panic for a broken promise; of such a run nothing is known but its words.
pub fn guarded(play: impl FnOnce() -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
        let failure = format!("it panics: {}", words.unwrap_or_default());
        Outcome {
            promise: Some(promise::of(&failure, &[])),
            failures: vec![failure],
            trace_hash: Digest::ZERO,
            events: 0,
            virtual_time: Duration::ZERO,
            met: Met::default(),
            tail: String::new(),
        }
    })
}

fn pass_until(world: &mut World, begun: Time, millis: u64) {
    let at = begun.after(Duration::from_millis(millis));
    world.run(at.since(world.now()));
}

fn outcome(world: World, begun: Time, failures: Vec<String>) -> Outcome {
    let tail = if failures.is_empty() { String::new() } else { world.trace.tail() };
    let names: Vec<String> = world.bodies.iter().map(|body| body.id.short()).collect();
    Outcome {
        promise: failures.first().map(|words| promise::of(words, &names)),
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
    for (site, budget) in &plot.budgets {
        world.bodies[*site].server.budget = *budget;
    }
    world
}

fn act(world: &mut World, visitors: &mut Visitors<'_>, now: u64, action: Action) {
    match action {
        Action::Want(site, requests) => visitors.want(world, site, requests, now),
        Action::Purge(site) => world.purge(site),
        Action::Crash(site, millis) => world.crash(site, Duration::from_millis(millis)),
        Action::Stop(site, stopped) => world.stop(site, stopped),
        Action::Cut(one, other, cut) => world.cut(one, other, cut),
        Action::Mute(from, to, mute) => world.mute(from, to, mute),
        Action::Clog(from, to, millis) => world.clog(from, to, Duration::from_millis(millis)),
        Action::Full(site, full) => world.bodies[site].disk.full = full,
        Action::Broken(site) => world.bodies[site].disk.broken = true,
        Action::Lies(site) => world.bodies[site].disk.lies = true,
        Action::Rot(site) => {
            world.crash(site, Duration::from_millis(500));
            world.rot(site);
        }
        Action::Copy(site) => world.bodies[site].disk.keep_copy(),
        Action::PutBack(site) => world.put_copy_back(site, Duration::from_millis(500)),
        Action::Lose(site) => world.lose_disk(site, Duration::from_millis(500)),
        Action::Recover(site, partner) => world.recover(site, partner),
        Action::Rotate(site, signer) => world.rotate(site, signer, Duration::from_millis(500)),
        Action::Knock(site, strangers) => world.knock(site, strangers),
        Action::Jump(site, millis) => world.bodies[site].clock.offset_ms = millis,
        Action::Join(sponsor, joiner) => join(world, sponsor, joiner),
        Action::Leave(site) => world.command(site, Command::Leave),
        Action::Amend(site, parameter, to) => {
            let parameter = PARAMETERS[parameter].name.to_owned();
            propose(world, site, Wish::Amend { parameter, to });
        }
        Action::Expel(mover, member) => {
            let member = world.bodies[member].id;
            propose(world, mover, Wish::Remove { member, keeps: Keeps::All });
        }
        Action::Second(site) => {
            on_motion(world, site, |motion| Command::Second { motion });
        }
        Action::Object(site) => {
            on_motion(world, site, |motion| Command::Object { motion, reason: String::from("A scenario has it so.") });
        }
        Action::Weather(faults) => world.faults = faults,
        Action::Mend => world.mend(),
    }
}

fn propose(world: &mut World, site: usize, wish: Wish) {
    world.command(site, Command::Propose { wish, discuss: String::from("https://forum.example/1") });
}

/// Has a site say something of the oldest motion that it knows, if it knows one.
fn on_motion(world: &mut World, site: usize, command: impl FnOnce(String) -> Command) {
    let report = world.bodies[site].agent.as_ref().map(|agent| agent.report(world.now_of(site)));
    let motion = report.and_then(|report| report.council.votes.first().map(|vote| vote.motion.to_string()));
    if let Some(motion) = motion {
        world.command(site, command(motion));
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
