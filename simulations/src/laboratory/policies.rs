//! Other ways to share a crowd, beside ours: each plays the same crowds on the same sites.
//!
//! Ours is played by the agents' own machines. The others have planes of control that are better than any could be: what a policy may know it
//! knows at once and rightly, messages cost nothing and are never lost. What is left is what the policy itself is worth.

use std::time::Duration;

use overspill_governance::charter::Charter;

use super::measures::{Quantity, measures};
use crate::{dice::Dice, scenario::Plot, traffic::events::Event};

mod course;
mod others;
mod ours;

pub use course::Course;

/// A way to share a crowd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Leases, tickets and lines of credit, as agents do.
    Ours,
    /// Everybody alone.
    NoMesh,
    /// All sites mirror all: each sends an equal part of everything to each other, always.
    StaticSplit,
    /// Above 90 % of what it carries, averaged over 5 s, a site sends away all above 60 %; below 60 % it ends.
    Thresholds,
    /// A site serves the four that served it most in the last 20 s, and one that it draws every 30 s.
    TitForTat,
    /// One account for each site in one ledger for all: who is above its limit is served by anybody.
    OneAccount,
    /// What a site sends away is decided every 120 s, by what was wanted then.
    Heartbeats,
}

/// All of them, with their names.
pub const POLICIES: [(&str, Policy); 7] = [
    ("ours", Policy::Ours),
    ("no mesh", Policy::NoMesh),
    ("static split", Policy::StaticSplit),
    ("thresholds", Policy::Thresholds),
    ("tit-for-tat", Policy::TitForTat),
    ("one account", Policy::OneAccount),
    ("heartbeats 120 s", Policy::Heartbeats),
];

/// Sites and crowds that all policies share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Members, crowds, and the charter.
    pub plot: Plot,
    /// Requests in each second that everybody wants beside crowds.
    pub base: u32,
    /// Members, from the last on, that serve nobody and have a crowd all the time.
    pub riders: usize,
}

/// Requests in each second that a site can serve by itself, and for others while its own visitors leave it time: as in all worlds.
const BUDGET: u32 = 20;
const ROOM: u32 = 60;
/// How many times what is usual everything costs, so that minutes are to lines of credit as hours are.
const DEARER: i64 = 20;
/// What a rider's visitors want beside what others' do.
const RIDES: u32 = 80;

impl Stage {
    /// Crowds that strike honest members one after the other, from a seed; so many of the members are riders.
    pub fn of(seed: u64, (sites, riders): (usize, usize), minutes: u64) -> Self {
        let riders = riders.min(sites.saturating_sub(1));
        let mut plot = Plot::quiet(seed, sites, Duration::from_secs(minutes * 60));
        let usual = Charter::default();
        let dearer = [("price_request", usual.price_request), ("price_mib", usual.price_mib), ("unsettled_cap", usual.unsettled_cap)];
        let made = dearer.iter().try_fold(usual, |charter, (name, credit)| charter.with(name, credit.0 * DEARER));
        plot.charter = made.unwrap_or_default();
        let (mut dice, honest) = (Dice::new(seed ^ 0x706f_6c69_6379), sites - riders);
        let events = minutes * 2;
        for event in 0..events {
            let at = 15_000 + (minutes * 60_000 - 40_000) * event / events.max(1);
            let event = Event { at, correlation: 100_000, lag: 5_000, peak: 90 };
            plot.crowds.extend(event.crowds(&mut dice, honest.max(1)));
        }
        Self { plot, base: 8, riders }
    }

    /// Whether a member is a rider.
    pub fn rides(&self, site: usize) -> bool {
        site + self.riders >= self.plot.members
    }

    /// Requests in each second that visitors want of a site at a moment.
    pub fn wanted(&self, site: usize, millis: u64) -> u32 {
        let base = if self.rides(site) && millis >= 15_000 { self.base + RIDES } else { self.base };
        self.plot.wanted(site, base, millis)
    }

    /// Plays it under a policy.
    pub fn play(&self, policy: Policy) -> Course {
        match policy {
            Policy::Ours => ours::play(self),
            _ => others::play(self, policy),
        }
    }
}

measures! {
    Shared, SHARED;
    goodput, "Of what visitors of honest members wanted, served by their site or a helper.", "%", 10;
    refused, "Of that, neither.", "%", 10;
    redirected, "Of that, sent to helpers.", "%", 10;
    needless, "Of that, sent to helpers though their site could have served it.", "%", 10;
    origin_load, "Of what honest members can serve by themselves, used for their own visitors.", "%", 10;
    settle, "Until a site sends nobody away any more after its crowd, at most 30 s.", "s", 1_000;
    burden, "How unequally honest members help (Gini): 0 all alike, 1 one alone.", "", 1_000;
    riders, "Of all that helpers served, served for members that help nobody.", "%", 10;
}
