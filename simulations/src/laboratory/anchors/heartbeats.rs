//! Heartbeats: how long visitors go to a helper that is dead, or busy with a crowd of its own.

use std::time::Duration;

use overspill_governance::charter::Charter;
use overspill_protocol::report::PartnerReport;

use super::{Anchor, Found, Setting};
use crate::world::World;

pub(super) const ANCHOR: Anchor = Anchor {
    name: "heartbeats",
    source: "Pierre and van Steen, \"Globule: a Collaborative Content Delivery Network\" (2006); the interval of 120 s as Overspill's design cites it",
    like: "a helper that serves an owner's visitors dies, falls silent, or is struck by a crowd of its own, at twelve moments",
    unlike: "their side is arithmetic: what is not known before the next of heartbeats 120 s apart is acted on then, at once and without fail; ours is whole agents",
    play,
};

/// Between two of theirs, in milliseconds.
const HEARTBEAT: u64 = 120_000;
const MOMENTS: u64 = 12;
/// An owner and its helpers.
const SITES: usize = 6;
/// What visitors want of the owner, and of a helper that is struck, in each second.
const CROWD: u32 = 200;
/// How exactly is looked, and for how long at who is gone and who is struck, in milliseconds.
const LOOK: u64 = 50;
const GONE: u64 = 8_000;
const STRUCK: u64 = 70_000;
/// From this load on a helper is busy, in thousandths.
const BUSY: u16 = 1_000;

/// What befalls the helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its process ends, and so do its connections.
    Dies,
    /// Its machine is gone without a word: connections stay open and nothing comes.
    FallsSilent,
    /// A crowd of its own comes.
    IsStruck,
}

/// What one fate came to, at one moment; spans in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Course {
    /// Until when the owner sent visitors there.
    sent: u64,
    /// Until when it knew by what it was told that the helper is busy.
    known: u64,
    /// Of the visitors who were sent there, how many were not served.
    unserved: u64,
    /// The longest that the owner had not heard of the helper while it was well.
    unheard: u64,
}

fn play(setting: &Setting) -> Option<Found> {
    let mut found = Found::new("How long an owner goes by what is no longer so, in seconds, on average");
    let moments = if setting.small { 2 } else { MOMENTS };
    let theirs = mean((0..moments).map(|at| HEARTBEAT - (2 * at + 1) * HEARTBEAT / (2 * moments)));
    let mut unheard = 0;
    for (name, fate) in [("dies", Fate::Dies), ("falls silent", Fate::FallsSilent), ("is struck itself", Fate::IsStruck)] {
        let ours: Vec<Course> = (0..moments).map(|at| one(setting.seed + at, at * 1_000 / moments, fate, &mut found)).collect();
        unheard = ours.iter().map(|course| course.unheard).max().unwrap_or_default().max(unheard);
        if fate == Fate::IsStruck {
            let known = mean(ours.iter().map(|course| course.known));
            found.figure(format!("a helper {name}: until its owner knows, mean"), "s", Some(theirs), known);
            found.figure("until its last guest comes, mean", "s", None, mean(ours.iter().map(|course| course.sent)));
            found.bar(format!("{name}, 120 s"), theirs);
            found.bar(format!("{name}, ours"), known);
        } else {
            let sent = mean(ours.iter().map(|course| course.sent));
            found.figure(format!("a helper {name}: visitors go on to it, mean"), "s", Some(theirs), sent);
            found.figure("at most", "s", Some(HEARTBEAT), ours.iter().map(|course| course.sent).max().unwrap_or_default());
            found.bar(format!("{name}, 120 s"), theirs);
            found.bar(format!("{name}, ours"), sent);
        }
        found.figure("of its guests, not served, mean", "", None, mean(ours.iter().map(|course| course.unserved * 1_000)));
    }
    found.figure("longest that nothing was heard of a helper that is well", "s", Some(HEARTBEAT), unheard);
    Some(found)
}

fn mean(values: impl Iterator<Item = u64>) -> u64 {
    let (sum, count) = values.fold((0_u64, 0_u64), |(sum, count), value| (sum + value, count + 1));
    sum.checked_div(count).unwrap_or_default()
}

/// One fate of a helper that serves an owner's visitors.
fn one(seed: u64, phase: u64, fate: Fate, found: &mut Found) -> Course {
    let mut world = World::settled(seed, SITES, &Charter::default());
    world.run(Duration::from_secs(10));
    world.want(0, CROWD);
    world.run(Duration::from_secs(10));
    let helper = (1..SITES).find(|helper| is_sent_to(&world, *helper)).unwrap_or(1);
    let mut course = Course::default();
    for _ in 0..(5_000 + phase) / LOOK {
        world.run(Duration::from_millis(LOOK));
        let heard = partner(&world, helper).and_then(|partner| partner.heard_ago).unwrap_or(Duration::MAX);
        course.unheard = course.unheard.max(u64::try_from(heard.as_millis()).unwrap_or(u64::MAX));
    }
    let (before, mut arrived) = (unserved(&world, helper, fate), arrivals(&world, helper));
    match fate {
        Fate::Dies => world.crash(helper, Duration::from_secs(3_600)),
        Fate::FallsSilent => world.stop(helper, true),
        Fate::IsStruck => world.want(helper, CROWD),
    }
    let watched = if fate == Fate::IsStruck { STRUCK } else { GONE };
    let mut knows = false;
    for look in 1..=watched / LOOK {
        world.run(Duration::from_millis(LOOK));
        let now = arrivals(&world, helper);
        let goes_on = if fate == Fate::IsStruck { now > arrived } else { is_sent_to(&world, helper) };
        arrived = now;
        if goes_on {
            course.sent = look * LOOK;
        }
        knows = knows || fate != Fate::IsStruck || partner(&world, helper).is_some_and(|partner| partner.load_permille >= BUSY);
        if !knows {
            course.known = look * LOOK;
        }
    }
    found.add(SITES, 25_000 + phase + watched, (world.happenings(), world.trace.hash()), world.checkers.violations());
    course.unserved = unserved(&world, helper, fate).saturating_sub(before);
    course
}

/// What the owner knows of the helper.
fn partner(world: &World, helper: usize) -> Option<PartnerReport> {
    let report = world.bodies[0].agent.as_ref()?.report(world.now_of(0));
    report.partners.into_iter().find(|partner| partner.site == world.bodies[helper].id)
}

fn is_sent_to(world: &World, helper: usize) -> bool {
    let id = world.bodies[helper].id;
    world.bodies[0].server.plan().is_some_and(|plan| plan.spill.iter().any(|spill| spill.helper == id && !spill.held_back))
}

/// Guests who came to a helper so far.
fn arrivals(world: &World, helper: usize) -> u64 {
    let tally = world.bodies[helper].server.tally;
    tally.guests + tally.sent_back
}

/// Visitors so far whom nobody answered, or whom the struck helper sent home.
fn unserved(world: &World, helper: usize, fate: Fate) -> u64 {
    match fate {
        Fate::Dies | Fate::FallsSilent => {
            let came = (1..SITES).map(|site| arrivals(world, site)).sum::<u64>();
            let owner = world.bodies[0].server.tally;
            (owner.spilled + owner.sampled).saturating_sub(came + world.visitors_on_their_way())
        }
        Fate::IsStruck => world.bodies[helper].server.tally.sent_back,
    }
}
