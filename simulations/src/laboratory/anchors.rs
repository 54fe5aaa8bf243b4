//! Anchors: published figures of earlier systems and of crowds, beside what our own machines come to in like trouble.
//!
//! Each file plays one of them, and says where its figures are from, what is like the original and what is not.

use std::collections::BTreeMap;

use overspill_governance::digest::Digest;

use super::course::Course;
use crate::traffic::series::Series;

mod bare;
mod coral;
mod crowd;
mod dotslash;
mod front_page;
mod heartbeats;
mod previews;
mod response;
mod world_cup;

/// How anchors are played.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// All chance.
    pub seed: u64,
    /// Few and short runs, for tests and pictures.
    pub small: bool,
    /// Requests in each minute of the 1998 World Cup, where somebody has them.
    pub world_cup: Option<Series>,
}

/// One figure, in thousandths of its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// In which unit; nothing for plain numbers.
    pub unit: &'static str,
    /// What was published; nothing where nothing can be compared.
    pub original: Option<u64>,
    /// What we come to.
    pub ours: u64,
}

/// What playing an anchor came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Its figures.
    pub figures: Vec<Figure>,
    /// What its picture shows.
    pub title: &'static str,
    /// Bars of the picture, in thousandths of what the title says.
    pub bars: Vec<(String, u64)>,
    /// Promises that were broken.
    pub failures: Vec<String>,
    /// Sites of all worlds.
    pub sites: usize,
    /// What happened in them.
    pub events: u64,
    /// How long they lasted, in milliseconds.
    pub millis: u64,
    /// Hashes of all that happened.
    pub hashes: Vec<u8>,
}

/// An anchor.
#[derive(Debug, Clone, Copy)]
pub struct Anchor {
    /// Its name on the command line.
    pub name: &'static str,
    /// Where its figures are from: authors, year, title.
    pub source: &'static str,
    /// What is like the original.
    pub like: &'static str,
    /// What is not.
    pub unlike: &'static str,
    /// Plays it; nothing if it needs data that are not there.
    pub play: fn(&Setting) -> Option<Found>,
}

/// All of them.
pub const ANCHORS: [Anchor; 7] =
    [dotslash::ANCHOR, coral::ANCHOR, front_page::ANCHOR, previews::ANCHOR, heartbeats::ANCHOR, response::ANCHOR, world_cup::ANCHOR];

impl Figure {
    /// How many times the original ours is, in thousandths.
    pub fn ratio(&self) -> Option<u64> {
        self.ours.saturating_mul(1_000).checked_div(self.original?)
    }
}

impl Found {
    fn new(title: &'static str) -> Self {
        Self { title, ..Self::default() }
    }

    fn figure(&mut self, what: impl Into<String>, unit: &'static str, original: Option<u64>, ours: u64) {
        self.figures.push(Figure { what: what.into(), unit, original, ours });
    }

    fn bar(&mut self, name: impl Into<String>, value: u64) {
        self.bars.push((name.into(), value));
    }

    /// A world more.
    fn add(&mut self, sites: usize, millis: u64, (events, hash): (u64, Digest), failures: &[String]) {
        (self.sites, self.millis, self.events) = (self.sites + sites, self.millis + millis, self.events + events);
        self.hashes.extend(hash.0);
        self.failures.extend(failures.iter().cloned());
    }

    fn add_course(&mut self, sites: usize, millis: u64, course: &Course) {
        self.add(sites, millis, (course.events, course.trace_hash), &course.failures);
    }
}

/// The mean of what was counted by its milliseconds, in thousandths.
fn mean(times: &BTreeMap<u64, u64>) -> u64 {
    let (sum, count) = times.iter().fold((0, 0), |(sum, all), (millis, count)| (sum + millis * count, all + count));
    (sum * 1_000).checked_div(count).unwrap_or_default()
}

/// What so many of a thousand do not exceed, in thousandths.
fn quantile(times: &BTreeMap<u64, u64>, of_thousand: u64) -> u64 {
    let mut left = (times.values().sum::<u64>() * of_thousand).div_ceil(1_000);
    let found = times.iter().find(|(_, count)| {
        left = left.saturating_sub(**count);
        left == 0
    });
    found.map_or(0, |(millis, _)| millis * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_quantiles_are_of_all_that_was_counted() {
        let times = BTreeMap::from([(1, 90), (10, 9), (1_000, 1)]);
        assert_eq!(
            (mean(&times), quantile(&times, 900), quantile(&times, 950), quantile(&times, 1_000)),
            (11_800, 1_000, 10_000, 1_000_000)
        );
        assert_eq!((mean(&BTreeMap::new()), quantile(&BTreeMap::new(), 950)), (0, 0));
    }

    #[test]
    fn a_ratio_needs_an_original() {
        let figure = |original| Figure { what: String::new(), unit: "", original, ours: 3_000 };
        assert_eq!([figure(Some(2_000)), figure(Some(0)), figure(None)].map(|figure| figure.ratio()), [Some(1_500), None, None]);
    }
}
