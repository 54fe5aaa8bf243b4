//! Partners by merit, against partners by lot.
//!
//! A mesh with more members than anybody has partners, whose members are of all sizes: few large, many small. At first everybody's partners
//! are as the lot has them; then partners tell of partners, and places go to who has more to spare. Two small members are struck once at the
//! beginning, and in a second world, which is the same but for that, at the end. They want more than their partners by lot offer, and less than all
//! members together.

use std::time::Duration;

use overspill_governance::units::{ByteRate, RequestRate};
use overspill_protocol::{event::Event, io::Caps};

use super::super::spill::{Spill, Watch};
use crate::{
    dice::Dice,
    scenario::{
        Crowd, Plot,
        visitors::{STEP_MS, Visitors},
    },
    story::{brisk, heal, judge},
    world::World,
};

/// Who is in it, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Members.
    pub sites: usize,
    /// How long partners have to find each other.
    pub acquainted: Duration,
    /// All chance.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What partners who are there offer a small member, at its beginning and at its end: requests a second, in the mean.
    pub offered: [u64; 2],
    /// What became of crowds at the beginning, and of the same crowds at the end.
    pub spills: [Spill; 2],
    /// Places that went to somebody else, in all.
    pub exchanges: u64,
    /// Promises that were broken.
    pub failures: Vec<String>,
    /// How much happened in both.
    pub events: u64,
}

/// When the first crowds come, and how long is looked at them, in milliseconds.
const FIRST: u64 = 45_000;
const LOOKED_AT: u64 = 40_000;
/// Requests in each second of a crowd.
const PEAK: u32 = 800;
/// Members that are struck.
const STRUCK: usize = 2;
/// What the largest member carries for others in a second, and the smallest.
const LARGEST: u64 = 480;
const SMALLEST: u64 = 8;

impl Stage {
    /// What a member carries for others, in requests a second: the nth largest the nth part of the largest.
    fn carries(&self, site: usize) -> u32 {
        // The order of sizes has nothing to do with that of founding.
        let rank = (site * 29 + 7) % self.sites + 1;
        u32::try_from((LARGEST / rank as u64).max(SMALLEST)).unwrap_or(u32::MAX)
    }

    /// Members that are struck: of the small ones.
    fn small(&self) -> impl Iterator<Item = usize> {
        let small: Vec<usize> = (0..self.sites).filter(|site| u64::from(self.carries(*site)) <= 2 * SMALLEST).collect();
        small.into_iter().take(STRUCK)
    }

    /// Plays both worlds.
    pub fn play(&self) -> Found {
        let mut found = Found::default();
        let wait = u64::try_from(self.acquainted.as_millis()).unwrap_or(u64::MAX);
        for (at, begins) in [FIRST, FIRST + wait].into_iter().enumerate() {
            self.play_once(begins, at, &mut found);
        }
        found
    }

    fn play_once(&self, begins: u64, at: usize, found: &mut Found) {
        let end = begins + LOOKED_AT;
        let mut dice = Dice::new(self.seed ^ 0x7061_7274_6e65_7273);
        let crowd = |site| Crowd { site, from: begins + dice.between(0, 3_000), onset: 1_000, plateau: 15_000, decay: 2_000, peak: PEAK };
        let crowds = self.small().map(crowd).collect();
        let plot = Plot { crowds, ..Plot::quiet(self.seed, self.sites, Duration::from_millis(end)) };
        let mut world = World::settled(self.seed, self.sites, &brisk());
        for site in 0..self.sites {
            let (caps, requests) = (world.bodies[site].caps, self.carries(site));
            let bytes = ByteRate(u64::from(requests) * world.bodies[site].server.size());
            world.offer(site, Caps { requests: RequestRate(requests), bytes, ..caps });
        }
        let (mut visitors, mut watch, mut before) = (Visitors::of(&plot), Watch::default(), Spill::default());
        for now in (STEP_MS..=end).step_by(STEP_MS as usize) {
            world.run(Duration::from_millis(STEP_MS));
            watch.look(&world);
            if now + STEP_MS == begins {
                before = watch.spill;
                found.offered[at] = self.offered(&world);
            }
            visitors.step(&mut world, now);
        }
        found.spills[at] = watch.spill.since(&before);
        found.exchanges +=
            world.bodies.iter().flat_map(|body| &body.events).filter(|event| matches!(event, Event::PartnerExchanged { .. })).count()
                as u64;
        (0..self.sites).for_each(|site| world.want(site, 0));
        let healed = heal(&mut world);
        found.failures.extend(judge(&world, healed.is_ok()).into_iter().chain(healed.err()));
        found.events += world.happenings();
    }

    fn offered(&self, world: &World) -> u64 {
        let of = |site: usize| {
            let report = world.bodies[site].agent.as_ref().map(|agent| agent.report(world.now_of(site)));
            let partners = report.map(|report| report.partners).unwrap_or_default();
            let here = partners.iter().filter(|partner| partner.connected).filter_map(|partner| partner.offer);
            here.map(|offer| u64::from(offer.requests.0)).sum::<u64>()
        };
        let offers: Vec<u64> = self.small().map(of).collect();
        offers.iter().sum::<u64>().checked_div(offers.len() as u64).unwrap_or_default()
    }
}
