//! Drawing a plot from its seed: who is there, what the links are like, whom a crowd strikes, and what goes wrong around it.

use std::time::Duration;

use overspill_governance::charter::{Charter, PARAMETERS};

use super::plot::{Action, Plot};
use crate::{
    conduct::{CONDUCTS, Conduct},
    dice::Dice,
    link::{Latency, Link},
    story::brisk,
    traffic::events::Event,
    world::{Faults, Signer},
};

/// What is asked of a plot instead of being drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Members from the start.
    pub members: Option<usize>,
    /// How long it lasts before everything is mended.
    pub length: Option<Duration>,
}

/// How many plots have votes in them, in a million.
const VOTED_ON: u32 = 350_000;
/// Members of the first moment have a voice after so long, in milliseconds.
const VOICE_MS: u64 = 620_000;
/// From a motion to a change that is in force: discussion, the slowest clock, two epochs, cooling, and a little.
const VOTE_MS: u64 = 1_000 * (600 + 120 + 300 + 600 + 300 + 60);

/// The shortest plot: crowds and mishaps need so much room.
pub const EPISODE_MIN: Duration = Duration::from_secs(20);
/// How long each of a circle's members is struck, in milliseconds.
const CIRCLE_PART: u64 = 7_000;
/// Calm between two episodes of a long plot, in milliseconds: from and to.
const CALM: (u64, u64) = (20 * 60_000, 40 * 60_000);

impl Plot {
    /// Draws a plot.
    pub fn of(seed: u64) -> Self {
        Self::sized(seed, Size::default())
    }

    /// Draws a plot of a given size. A long one is a string of episodes, each what a short one is as a whole, with calm between them; in a
    /// large one an event strikes about one site in ten at once.
    pub fn sized(seed: u64, size: Size) -> Self {
        // Another stream than the world's, or the first draw of the one would be the first of the other.
        let mut dice = Dice::new(seed ^ 0x9e37_79b9_7f4a_7c15);
        let drawn = dice.one_of(&[2, 3, 3, 3, 4, 5]);
        let members = size.members.unwrap_or(drawn);
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
            budgets: Vec::new(),
            crowds: Vec::new(),
            loads: Vec::new(),
            patience: None,
            actions: Vec::new(),
            length: Duration::from_secs(dice.between(25, 40)),
        };
        for _ in 0..dice.one_of(&[0, 0, 1, 2]) {
            let (from, to) = two(&mut dice, members);
            plot.links.push((from, to, link(&mut dice)));
        }
        let episode = plot.length.as_millis() as u64;
        plot.length = size.length.map_or(plot.length, |length| length.max(EPISODE_MIN));
        let end = plot.length.as_millis() as u64;
        let first = plot.draw_episode(&mut dice, 0, episode.min(end));
        plot.draw_changes(&mut dice, first, episode.min(end));
        if size != Size::default() {
            plot.draw_more(&mut dice, episode, end);
        } else if dice.happens(VOTED_ON) {
            plot.draw_votes(&mut dice);
        } else {
            plot.draw_circle(&mut Dice::new(seed ^ 0x517c_c1b7_2722_0a95), end);
        }
        let end = plot.length.as_millis() as u64;
        if size == Size::default() {
            plot.draw_loss(&mut Dice::new(seed ^ 0x6a09_e667_f3bc_c908), end);
            plot.draw_rotations(&mut Dice::new(seed ^ 0x3c6e_f372_fe94_f82b), end);
            plot.draw_demurrage(&mut Dice::new(seed ^ 0xa54f_f53a_5f1d_36f1));
        }
        // A site is not muted to itself, and what comes after the end does not come.
        plot.actions.retain(|(at, action)| *at < end && !matches!(action, Action::Mute(from, to, _) if from == to));
        plot.crowds.retain(|crowd| crowd.from < end);
        plot.actions.sort_by_key(|(at, _)| *at);
        plot
    }

    /// One crowd or two from `from` on, and what goes wrong around them. Gives when the first crowd begins.
    fn draw_episode(&mut self, dice: &mut Dice, from: u64, span: u64) -> u64 {
        let (first, end) = (from + dice.between(4_000, 9_000), from + span);
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
        first
    }

    /// Who comes and who goes.
    fn draw_changes(&mut self, dice: &mut Dice, first: u64, end: u64) {
        if self.outside > 0 {
            let at = dice.between(0, end / 2);
            let sponsor = dice.below(self.members);
            self.actions.extend([at, at + 6_000, at + 14_000].map(|at| (at, Action::Join(sponsor, self.members))));
        }
        if dice.happens(150_000) {
            self.actions.push((dice.between(first, end), Action::Leave(dice.below(self.members))));
        }
    }

    /// Now and then debts in a circle at the end: each of three is struck while it reaches only the next. Something goes wrong while they are
    /// cleared.
    fn draw_circle(&mut self, dice: &mut Dice, from: u64) {
        if self.members < 3 || !dice.happens(250_000) {
            return;
        }
        let first = dice.below(self.members);
        let ring = [first, (first + 1) % self.members, (first + 2) % self.members];
        for (at, struck) in ring.into_iter().enumerate() {
            let (at, next) = (from + at as u64 * CIRCLE_PART, ring[(at + 1) % 3]);
            for other in (0..self.members).filter(|other| *other != struck && *other != next) {
                self.actions
                    .extend([(at, Action::Cut(struck, other, true)), (at + CIRCLE_PART - 1_000, Action::Cut(struck, other, false))]);
            }
            self.actions.extend([(at + 500, Action::Want(struck, 80)), (at + CIRCLE_PART - 2_500, Action::Want(struck, 0))]);
        }
        let clears = from + 3 * CIRCLE_PART;
        for _ in 0..dice.between(0, 3) {
            let (at, pause) = (clears + dice.between(0, 9_000), dice.between(500, 6_000));
            self.mishap(dice, at, at + pause, ring[0]);
        }
        self.length = Duration::from_millis(clears + 16_000);
    }

    /// Now and then a site's disk is lost, or an old copy of it is put back while the mesh went on.
    fn draw_loss(&mut self, dice: &mut Dice, end: u64) {
        if !dice.happens(300_000) {
            return;
        }
        let (site, partner) = two(dice, self.members);
        let moved = self.actions.iter().find(|(_, action)| matches!(action, Action::Amend(..) | Action::Expel(..))).map(|(at, _)| *at);
        // Where there is a vote, more often than not while agents sign.
        let (copied, at) = match moved.filter(|_| dice.happens(700_000)) {
            Some(moved) => (moved + dice.between(60_000, 719_000), moved + dice.between(721_000, 760_000)),
            None => {
                let at = dice.between(end / 3, end - 4_000);
                (dice.between(at / 4, at - 1_000), at)
            }
        };
        if dice.happens(700_000) {
            self.actions.extend([(copied, Action::Copy(site)), (at, Action::PutBack(site))]);
        } else {
            self.actions.push((at, Action::Lose(site)));
            self.actions.extend([1_000, 3_000].map(|later| (at + later, Action::Recover(site, partner))));
        }
    }

    /// Now and then what is owed fades, little or much.
    fn draw_demurrage(&mut self, dice: &mut Dice) {
        if dice.happens(300_000) {
            let rate = dice.one_of(&[333, 20_000, 100_000]);
            self.charter = self.charter.clone().with("demurrage", rate).unwrap_or_default();
        }
    }

    /// Now and then a member or two go on under new keys, perhaps more than once, while anything goes on.
    fn draw_rotations(&mut self, dice: &mut Dice, end: u64) {
        if !dice.happens(400_000) {
            return;
        }
        for _ in 0..dice.one_of(&[1, 1, 2, 3]) {
            let (site, at) = (dice.below(self.members), dice.between(end / 4, end - 3_000));
            let signer = dice.one_of(&[Signer::OldKey, Signer::OldKey, Signer::RecoveryKey]);
            self.actions.push((at, Action::Rotate(site, signer)));
        }
    }

    /// What a plot of a given size has beside its first episode.
    fn draw_more(&mut self, dice: &mut Dice, first: u64, end: u64) {
        let (mut from, mut span) = (0, first);
        loop {
            if self.members >= 10 {
                let event =
                    Event { at: from + dice.between(0, span / 2), correlation: 100_000, lag: 5_000, peak: dice.one_of(&[60, 100, 300]) };
                let crowds = event.crowds(dice, self.members);
                self.crowds.extend(crowds);
            }
            let calm = from + span + 2_000;
            from = calm + dice.between(CALM.0, CALM.1);
            span = dice.between(25_000, 40_000);
            if from + span > end {
                return;
            }
            self.actions.extend([(calm, Action::Mend), (from, Action::Weather(self.faults))]);
            self.draw_episode(dice, from, span);
        }
    }

    /// One motion or two, long after the crowds: a vote takes most of an hour, in which little else happens.
    fn draw_votes(&mut self, dice: &mut Dice) {
        self.charter = hasty(&self.charter);
        let motions = dice.one_of(&[1, 1, 2]);
        let liar = dice.below(self.members);
        if dice.happens(400_000) && self.conducts.iter().all(|(site, conduct)| *site != liar && conduct.is_honest()) {
            self.conducts.push((liar, Conduct::VotesTwice));
        }
        let mut at = VOICE_MS;
        for _ in 0..motions {
            at += dice.between(5_000, 60_000);
            self.draw_vote(dice, at);
            at += VOTE_MS;
        }
        self.length = Duration::from_millis(at);
    }

    fn draw_vote(&mut self, dice: &mut Dice, at: u64) {
        let (mover, seconder) = two(dice, self.members);
        let expelled = (mover + 1 + dice.below(self.members - 1)) % self.members;
        let wish = match self.members > 2 && dice.happens(600_000) {
            true => Action::Expel(mover, expelled),
            false => Action::Amend(mover, dice.below(2), dice.between(11, 99) as i64),
        };
        self.actions.push((at, wish));
        // Whoever was down may have missed it.
        self.actions.extend([10_000, 60_000, 200_000].map(|later| (at + later, Action::Second(seconder))));
        let objectors = dice.one_of(&[0, 0, 0, 1, self.members - 1]);
        self.actions.extend((0..objectors).map(|site| (at + dice.between(60_000, 590_000), Action::Object(site))));
        if dice.happens(250_000) {
            let (away, from) = (dice.below(self.members), at + dice.between(0, 500_000));
            self.actions.extend([(from, Action::Stop(away, true)), (at + VOTE_MS - 1_000, Action::Stop(away, false))]);
        }
        for _ in 0..dice.between(0, 4) {
            let (from, struck) = (at + dice.between(500_000, 1_100_000), dice.below(self.members));
            let until = from + dice.between(500, 300_000);
            self.mishap(dice, from, until, struck);
        }
    }

    fn crowd(&mut self, dice: &mut Dice, site: usize, at: u64, end: u64) {
        let until = (at + dice.between(6_000, 22_000)).min(end);
        self.actions.push((at, Action::Want(site, dice.one_of(&[30, 60, 80, 100, 300]))));
        self.actions.push((until, Action::Want(site, 0)));
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

/// The same rules with every pause of a vote as short as the table lets it be.
fn hasty(charter: &Charter) -> Charter {
    let pauses = ["vote_discussion", "vote_cooling", "vote_epoch", "vote_transition"];
    let shortest = PARAMETERS.iter().filter(|parameter| pauses.contains(&parameter.name));
    shortest.fold(charter.clone(), |charter, least| charter.clone().with(least.name, least.min).unwrap_or(charter))
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
    if dice.happens(550_000) {
        conducts.push((dice.below(members), dice.one_of(&CONDUCTS[3..11])));
    }
    if dice.happens(300_000) {
        let site = dice.below(members);
        if conducts.iter().all(|(other, _)| *other != site) {
            conducts.push((site, dice.one_of(&CONDUCTS[1..3])));
        }
    }
    conducts
}
