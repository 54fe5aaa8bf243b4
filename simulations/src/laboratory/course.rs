//! One site in focus amid partners that have time for it: what happens to it at which moment, and what its people got.

use std::{collections::BTreeMap, time::Duration};

use overspill_governance::{charter::Charter, digest::Digest};
use overspill_protocol::io::Caps;

use crate::{
    server::{
        Focus, Model,
        counts::{Fetched, Slot},
    },
    world::World,
};

/// Something that happens to the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// So many views in a thousand seconds, of those who always come (0) or of a trigger (1).
    Rate(usize, u64),
    /// The origin takes so many thousandths of what it takes at rest.
    Slow(u32),
    /// All copies are gone.
    Cool,
}

/// A run of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What the site is made of.
    pub model: Model,
    /// Members beside it.
    pub partners: usize,
    /// What each of them is willing to carry; as in all worlds if nothing is said.
    pub caps: Option<Caps>,
    /// All chance.
    pub seed: u64,
    /// How long it lasts, in milliseconds.
    pub length: u64,
    /// What happens when, in milliseconds, in order.
    pub acts: Vec<(u64, Act)>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Course {
    /// What people got, by the tenth of a second in which their view began.
    pub slots: Vec<Slot>,
    /// How many answers took how many milliseconds.
    pub times: BTreeMap<u64, u64>,
    /// What the origin was asked for.
    pub fetched: Fetched,
    /// Copies that partners took of a file.
    pub copied: u64,
    /// Promises that were broken.
    pub failures: Vec<String>,
    /// How much happened among the agents.
    pub events: u64,
    /// What happened there, as one hash.
    pub trace_hash: Digest,
}

/// Answers are waited for so long after the end.
const LAST: Duration = Duration::from_secs(8);

impl Run {
    /// Plays it, under the charter as it is by default.
    pub fn play(&self) -> Course {
        let mut world = World::settled(self.seed, 1 + self.partners, &Charter::default());
        if let Some(caps) = self.caps {
            (1..=self.partners).for_each(|partner| world.offer(partner, caps));
        }
        let (begun, now) = (world.now(), world.now_of(0).time);
        world.bodies[0].server.focus_on(Focus::new(self.model, self.seed, now));
        for (at, act) in &self.acts {
            let at = begun.after(Duration::from_millis((*at).min(self.length)));
            world.run(at.since(world.now()));
            let now = world.now_of(0).time;
            if let Some(focus) = world.bodies[0].server.focus() {
                match act {
                    Act::Rate(source, views) => focus.rate(*source, *views, now),
                    Act::Slow(thousandths) => focus.slow(*thousandths),
                    Act::Cool => focus.cool(),
                }
            }
        }
        world.run(begun.after(Duration::from_millis(self.length) + LAST).since(world.now()));
        let copied = world.bodies[0].server.tally.copied;
        let (failures, events, trace_hash) = (world.checkers.violations().to_vec(), world.happenings(), world.trace.hash());
        let (slots, times, fetched) = world.bodies[0]
            .server
            .focus()
            .map(|focus| (focus.counts.slots().to_vec(), focus.counts.times().clone(), focus.counts.fetched()))
            .unwrap_or_default();
        Course { slots, times, fetched, copied, failures, events, trace_hash }
    }
}
