//! What a seed draws: the whole of a run before anything of it happens, so that it can be printed, and one day be written by hand.

use std::{fmt, time::Duration};

use overspill_governance::charter::Charter;

use crate::{
    conduct::{CONDUCTS, Conduct},
    dice::Dice,
    link::{Latency, Link},
    story::brisk,
    world::Faults,
};

/// Something that happens at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Visitors want so many requests in each second of a site.
    Crowd(usize, u32),
    /// A site purges its object.
    Purge(usize),
    /// An agent is killed, and starts again so many milliseconds later.
    Crash(usize, u64),
    /// A process stands still, or goes on.
    Stop(usize, bool),
    /// A link is cut, or mended.
    Cut(usize, usize, bool),
    /// One direction of a link carries nothing, or does again.
    Mute(usize, usize, bool),
    /// One direction of a link stands still for so many milliseconds.
    Clog(usize, usize, u64),
    /// A disk is full, or has space.
    Full(usize, bool),
    /// A disk's syncs fail from now on.
    Broken(usize),
    /// A bit flips on a disk, and its agent starts again.
    Rot(usize),
    /// Strangers come to a site.
    Knock(usize, usize),
    /// A calendar is set wrong by so many milliseconds.
    Jump(usize, i64),
    /// A member invites a site that belongs nowhere.
    Join(usize, usize),
    /// A member leaves.
    Leave(usize),
}

/// Everything that a seed draws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// The seed, of the world's own chance too.
    pub seed: u64,
    /// Members from the start.
    pub members: usize,
    /// Sites that belong nowhere at the start.
    pub outside: usize,
    /// The rules.
    pub charter: Charter,
    /// What goes wrong everywhere, at any time.
    pub faults: Faults,
    /// Links that are not as the others.
    pub links: Vec<(usize, usize, Link)>,
    /// Who behaves how; who is not named is honest.
    pub conducts: Vec<(usize, Conduct)>,
    /// How much too fast each clock runs, in millionths.
    pub drifts: Vec<i32>,
    /// What happens when, by milliseconds.
    pub actions: Vec<(u64, Action)>,
    /// How long it lasts before everything is mended.
    pub length: Duration,
}

impl Plot {
    /// Draws a plot.
    pub fn of(seed: u64) -> Self {
        // Another stream than the world's, or the first draw of the one would be the first of the other.
        let mut dice = Dice::new(seed ^ 0x9e37_79b9_7f4a_7c15);
        let members = dice.one_of(&[2, 3, 3, 3, 4, 5]);
        let outside = dice.one_of(&[0, 0, 0, 1]);
        let mut plot = Self {
            seed,
            members,
            outside,
            charter: charter(&mut dice),
            faults: faults(&mut dice),
            links: Vec::new(),
            conducts: conducts(&mut dice, members),
            drifts: (0..members + outside).map(|_| dice.one_of(&[0, 0, 0, 100, -100, 2_000])).collect(),
            actions: Vec::new(),
            length: Duration::from_secs(dice.between(25, 40)),
        };
        for _ in 0..dice.one_of(&[0, 0, 1, 2]) {
            let (from, to) = two(&mut dice, members);
            plot.links.push((from, to, link(&mut dice)));
        }
        plot.draw_actions(&mut dice);
        plot.actions.sort_by_key(|(at, _)| *at);
        plot
    }

    fn draw_actions(&mut self, dice: &mut Dice) {
        let end = self.length.as_millis() as u64;
        let first = dice.between(4_000, 9_000);
        let struck = dice.below(self.members);
        self.crowd(dice, struck, first, end);
        if dice.happens(500_000) {
            let (another, at) = (dice.below(self.members), dice.between(first, end - 4_000));
            self.crowd(dice, another, at, end);
        }
        for _ in 0..dice.between(0, 4) {
            let at = dice.between(first, end - 2_000);
            let until = at + dice.between(500, 9_000);
            self.mishap(dice, at, until, struck);
        }
        if self.outside > 0 {
            let at = dice.between(0, end / 2);
            let sponsor = dice.below(self.members);
            self.actions.extend([at, at + 6_000, at + 14_000].map(|at| (at, Action::Join(sponsor, self.members))));
        }
        if dice.happens(150_000) {
            self.actions.push((dice.between(first, end), Action::Leave(dice.below(self.members))));
        }
    }

    fn crowd(&mut self, dice: &mut Dice, site: usize, at: u64, end: u64) {
        let until = (at + dice.between(6_000, 22_000)).min(end);
        self.actions.push((at, Action::Crowd(site, dice.one_of(&[30, 60, 80, 100, 300]))));
        self.actions.push((until, Action::Crowd(site, 0)));
    }

    /// One thing that goes wrong from `at` to `until`, more often than not around the site that the crowd strikes.
    fn mishap(&mut self, dice: &mut Dice, at: u64, until: u64, struck: usize) {
        let (mut one, other) = two(dice, self.members);
        if other != struck && dice.happens(500_000) {
            one = struck;
        }
        let pause = until - at;
        let actions: &[(u64, Action)] = match dice.below(15) {
            0 | 1 => &[(at, Action::Crash(one, pause))],
            2 => &[(at, Action::Crash(other, pause))],
            3 => &[(at, Action::Stop(other, true)), (until, Action::Stop(other, false))],
            4 => &[(at, Action::Cut(one, other, true)), (until, Action::Cut(one, other, false))],
            5 => &[(at, Action::Mute(one, other, true)), (until, Action::Mute(one, other, false))],
            6 => &[(at, Action::Clog(one, other, pause.min(5_000)))],
            7 => &[(at, Action::Full(other, true)), (until, Action::Full(other, false))],
            8 => &[(at, Action::Broken(one))],
            9 => &[(at, Action::Rot(other))],
            10 => &[(at, Action::Knock(one, 40))],
            11 => &[(at, Action::Jump(other, dice.one_of(&[-600_000, -30_000, 60_000, 600_000]))), (until, Action::Jump(other, 0))],
            12 => &[(at, Action::Purge(one)), (until, Action::Purge(one))],
            // A purge that some helper does not hear of.
            _ => &[(at, Action::Mute(struck, other, true)), (at + 100, Action::Purge(struck)), (until, Action::Mute(struck, other, false))],
        };
        self.actions.extend_from_slice(actions);
    }
}

fn two(dice: &mut Dice, sites: usize) -> (usize, usize) {
    let one = dice.below(sites);
    (one, (one + 1 + dice.below(sites - 1)) % sites)
}

/// Rules that settle often, so that a short run has much of it; sometimes with little trust, so that limits are met.
fn charter(dice: &mut Dice) -> Charter {
    let (cap, limit) = (dice.one_of(&[1_000, 2_000, 500_000]), dice.one_of(&[20_000, 60_000, 2_000_000]));
    brisk().with("unsettled_cap", cap).and_then(|charter| charter.with("newcomer_limit", limit)).unwrap_or_default()
}

fn faults(dice: &mut Dice) -> Faults {
    let often = |dice: &mut Dice, rates: &[u32]| dice.one_of(rates);
    Faults {
        loss: often(dice, &[0, 0, 10_000, 100_000]),
        doubling: often(dice, &[0, 0, 10_000, 100_000]),
        latency_max: often(dice, &[5, 50, 300]),
        crash: often(dice, &[0, 0, 0, 1_000]),
        breaks: often(dice, &[0, 0, 1_000]),
        crash_weighty: often(dice, &[0, 0, 20_000, 60_000]),
        crash_at: None,
        manifests_lost_at: None,
    }
}

fn link(dice: &mut Dice) -> Link {
    let far = Latency::log_normal(Duration::from_millis(dice.between(10, 120)), 500);
    let satellite = Latency::Constant(280_000);
    // Round trips that were measured between two homes, in milliseconds, as an example of a table.
    let measured = Latency::measured(&[18, 19, 19, 20, 21, 23, 24, 31, 48, 180].map(Duration::from_millis)).unwrap_or(satellite.clone());
    match dice.below(4) {
        0 => Link { latency: far, reorders: false, ..Link::default() },
        1 => Link { latency: satellite, loss: 5_000, reorders: false, ..Link::default() },
        2 => Link { bandwidth: dice.one_of(&[4_000, 20_000]), reorders: false, ..Link::default() },
        _ => Link { latency: measured, loss: 50_000, doubling: 50_000, ..Link::default() },
    }
}

/// At most one member that is up to no good, and perhaps one of another version.
fn conducts(dice: &mut Dice, members: usize) -> Vec<(usize, Conduct)> {
    let mut conducts = Vec::new();
    if dice.happens(350_000) {
        conducts.push((dice.below(members), dice.one_of(&CONDUCTS[3..])));
    }
    if dice.happens(300_000) {
        let site = dice.below(members);
        if conducts.iter().all(|(other, _)| *other != site) {
            conducts.push((site, dice.one_of(&CONDUCTS[1..3])));
        }
    }
    conducts
}

impl fmt::Display for Plot {
    /// One line for each thing that was drawn.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {} members, {} outside, {} s", self.seed, self.members, self.outside, self.length.as_secs())?;
        let Charter { unsettled_cap, newcomer_limit, .. } = &self.charter;
        writeln!(f, "charter: unsettled_cap {unsettled_cap}, newcomer_limit {newcomer_limit}")?;
        writeln!(f, "{:?}", self.faults)?;
        for (from, to, link) in &self.links {
            writeln!(f, "link {from} to {to}: {link:?}")?;
        }
        for (site, conduct) in &self.conducts {
            writeln!(f, "site {site} is {conduct:?}")?;
        }
        writeln!(f, "clocks run too fast by {:?} millionths", self.drifts)?;
        for (at, action) in &self.actions {
            writeln!(f, "{at} ms: {action:?}")?;
        }
        Ok(())
    }
}
