//! Choosing helpers that are not struck when we are, against choosing blindly.
//!
//! A family of sites is struck together, and others are not struck then. Agents measure that
//! ([`overspill_protocol::together`]), and ask first who is not struck with them. What was measured does not survive a restart: so
//! the same mesh, with all agents restarted before the last crowd, chooses by load, by the size of offers and then by key, which is no choice at all.

use std::time::Duration;

use overspill_governance::units::{ByteRate, RequestRate};
use overspill_protocol::{io::Caps, limits::TOGETHER_WINDOW, quota::Quota};

use super::super::spill::{Spill, Watch};
use crate::{
    dice::Dice,
    scenario::{
        Crowd, Plot,
        visitors::{STEP_MS, Visitors},
    },
    story::{brisk, heal, judge},
    world::{Body, World},
};

/// Who is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Sites that are struck together, the first of all.
    pub family: usize,
    /// Sites that are not struck when the family is.
    pub others: usize,
    /// All chance.
    pub seed: u64,
}

/// What became of the family's crowds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Wanted spill of each crowd; at the first nobody knows anything.
    pub spills: Vec<Spill>,
    /// Requests that helpers served in the last.
    pub given: u64,
    /// Of these, served by helpers whose own visitors wanted more than they serve.
    pub amid: u64,
    /// Members of the family that got help for less than a tenth of what they wanted.
    pub starved: u64,
    /// Promises that were broken.
    pub failures: Vec<String>,
    /// How much happened.
    pub events: u64,
    /// How long it lasted, in milliseconds.
    pub millis: u64,
}

/// Windows in which the family was struck before the last crowd: enough to tell who is struck always from who never is.
const LEARNT: u64 = 3;
/// When the first crowd comes; a window of the calendar ends in the middle between any two.
const FIRST: u64 = 20_000;
/// How long before the last crowd agents are restarted that are to forget, and how long what follows it is looked at, in milliseconds.
const FORGET: u64 = 60_000;
const LAST: u64 = 45_000;
/// What any one member may have of what a site carries for others.
const QUOTA: u32 = 15;
/// Requests in each second of a crowd, and by how much members of a family are struck later than the first at most.
const PEAK: u32 = 100;
const LAG: u64 = 5_000;

fn window() -> u64 {
    u64::try_from(TOGETHER_WINDOW.as_millis()).unwrap_or(u64::MAX)
}

impl Stage {
    fn sites(&self) -> usize {
        self.family + self.others
    }

    /// A crowd at all sites of the family.
    fn event(&self, dice: &mut Dice, at: u64) -> Vec<Crowd> {
        let crowd = |site| Crowd { site, from: at + dice.between(0, LAG), onset: 1_000, plateau: 15_000, decay: 2_000, peak: PEAK };
        (0..self.family).map(crowd).collect()
    }

    /// When the last crowd comes, and all crowds.
    fn crowds(&self) -> (u64, Vec<Crowd>) {
        let window = window();
        let mut dice = Dice::new(self.seed ^ 0x6368_6f69_6365);
        let begins = |at: u64| FIRST + window * at;
        let crowds = (0..=LEARNT).flat_map(|at| self.event(&mut dice, begins(at))).collect();
        (begins(LEARNT), crowds)
    }

    /// Plays it; `forgets`: nobody knows at the last crowd who was struck when.
    pub fn play(&self, forgets: bool) -> Chosen {
        let (last, crowds) = self.crowds();
        let end = last + LAST;
        let plot = Plot { crowds, ..Plot::quiet(self.seed, self.sites(), Duration::from_millis(end)) };
        let mut world = World::settled(self.seed, self.sites(), &brisk());
        for site in 0..self.sites() {
            let caps = world.bodies[site].caps;
            let bytes = ByteRate(u64::from(QUOTA) * world.bodies[site].server.size());
            world.offer(site, Caps { member: Quota { requests: RequestRate(QUOTA), bytes, ..Quota::OPEN }, ..caps });
        }
        let (mut visitors, mut watch, mut before) = (Visitors::of(&plot), Watch::default(), Spill::default());
        let window = window();
        let (mut chosen, mut guests) = (Chosen::default(), vec![0; self.sites()]);
        let mut sent = Vec::new();
        for now in (STEP_MS..=end).step_by(STEP_MS as usize) {
            if forgets && now == last - FORGET {
                (0..self.sites()).for_each(|site| world.crash(site, Duration::from_millis(100)));
            }
            world.run(Duration::from_millis(STEP_MS));
            watch.look(&world);
            for (body, guests) in world.bodies.iter().zip(&mut guests) {
                let (served, struck) = (body.server.tally.guests - *guests, body.server.wanted > body.server.budget);
                *guests = body.server.tally.guests;
                if now > last {
                    chosen.given += served;
                    chosen.amid += if struck { served } else { 0 };
                }
            }
            match now.checked_sub(FIRST).map(|since| since % window) {
                Some(0) => before = watch.spill,
                Some(LAST) => chosen.spills.push(watch.spill.since(&before)),
                _ => {}
            }
            if now == last {
                sent = spills(&world, self.family);
            }
            visitors.step(&mut world, now);
        }
        let helped = spills(&world, self.family);
        let starved = helped.iter().zip(&sent).filter(|((sent, wanted), (had, before))| (sent - had) * 10 < wanted - before);
        chosen.starved = starved.count() as u64;
        (0..self.sites()).for_each(|site| world.want(site, 0));
        let healed = heal(&mut world);
        chosen.failures = judge(&world, healed.is_ok()).into_iter().chain(healed.err()).collect();
        (chosen.events, chosen.millis) = (world.happenings(), end);
        chosen
    }
}

/// Of each of the first sites, what was sent to helpers, and all wanted spill.
fn spills(world: &World, sites: usize) -> Vec<(u64, u64)> {
    let tally = |body: &Body| (body.server.tally.spilled, body.server.tally.spilled + body.server.tally.shed);
    world.bodies.iter().take(sites).map(tally).collect()
}
