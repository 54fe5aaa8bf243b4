//! Our own policy: whole agents in a world.

use std::time::Duration;

use overspill_protocol::io::Caps;

use super::{
    Course, Stage,
    course::{Did, STEP_MS},
};
use crate::{server::Tally, world::World};

pub(super) fn play(stage: &Stage) -> Course {
    let mut world = World::settled(stage.plot.seed, stage.plot.members, &stage.plot.charter);
    for site in (0..stage.plot.members).filter(|site| stage.rides(*site)) {
        world.bodies[site].caps = Caps::NOTHING;
        // Caps are read at the start.
        world.crash(site, Duration::from_millis(50));
    }
    let mut course = Course::default();
    let (mut last, mut homes) = (vec![Tally::default(); stage.plot.members], vec![0; stage.plot.members]);
    for step in 0..stage.plot.length.as_millis() as u64 / STEP_MS {
        let wanted: Vec<u32> = (0..stage.plot.members).map(|site| stage.wanted(site, step * STEP_MS)).collect();
        for (site, wanted) in wanted.iter().enumerate() {
            if world.bodies[site].server.wanted == 0 {
                world.want(site, *wanted);
            }
            world.bodies[site].server.wanted = *wanted;
        }
        world.run(Duration::from_millis(STEP_MS));
        let did = wanted.iter().enumerate().map(|(site, wanted)| {
            let (now, before) = (world.bodies[site].server.tally, last[site]);
            last[site] = now;
            let tenths = |count: fn(&Tally) -> u64| 10 * (count(&now) - count(&before));
            Did {
                wanted: u64::from(*wanted),
                own: tenths(|tally| tally.own),
                sent: tenths(|tally| tally.spilled),
                helped: tenths(|tally| tally.spilled),
                given: tenths(|tally| tally.guests),
            }
        });
        let mut did: Vec<Did> = did.collect();
        // A visitor who was sent back was not helped; by whom tells only the owner's count of all.
        for (site, did) in did.iter_mut().enumerate() {
            let home = world.bodies[site].server.tally.came_home;
            did.helped = did.helped.saturating_sub(10 * (home - core::mem::replace(&mut homes[site], home)));
        }
        course.steps.push(did);
    }
    course.failures = world.checkers.violations().to_vec();
    course
}
