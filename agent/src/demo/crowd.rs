//! The crowd: who comes when, fixed before the first visitor sets out.
//!
//! Arrivals do not wait for answers (an *open* load): a site that grows slow is not spared. Popularity follows Zipf's law with
//! exponent 1.03, as measured on requests to small sites' pages; the shape is calm, onset, plateau, decay and calm again.

mod log;
mod replay;
mod stretch;
mod visits;

use std::{sync::Arc, time::Duration};

pub use log::{Log, Logged, Verdict, judge_line, read};
pub use replay::{Account, Demand, Replay};
pub use visits::{SetAside, TooLarge};

use super::{content::Content, draw::Draw, limits};

/// Exponent of popularity over rank.
pub const ZIPF: f64 = 1.03;

/// Part of a crowd's length that its rise takes, and its fall. In the per-minute trace of the 1998 World Cup site (M. Arlitt and
/// T. Jin, 1998) the rise from half to the peak takes 1 to 74 minutes, 16 in the median, of crowds that last about two hours.
const RAMP: u32 = 4;

/// One visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Arrival after the run's start.
    pub at: Duration,
    /// Place in [`Content::resources`] of what is asked for first.
    pub first: u32,
    /// Places of what is asked for when that has come.
    pub assets: Arc<[u32]>,
}

impl Visit {
    /// A visitor with an empty cache, who loads everything that belongs to `first`.
    #[must_use]
    pub fn whole(content: &Content, at: Duration, first: u32) -> Self {
        Self { at, first, assets: Arc::clone(&content.resources[first as usize].assets) }
    }

    /// Places of all that the visitor wants.
    pub fn wants(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.first).chain(self.assets.iter().copied())
    }

    /// Bytes of all that the visitor wants.
    #[must_use]
    pub fn weight(&self, content: &Content) -> u64 {
        self.wants().map(|place| content.resources[place as usize].body.len() as u64).sum()
    }
}

/// When the crowd's parts begin, after the run's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// Arrivals begin to rise.
    pub onset: Duration,
    /// They are at their highest.
    pub plateau: Duration,
    /// They begin to fall.
    pub decay: Duration,
    /// They are as before.
    pub end: Duration,
    /// The last visitor arrives before this.
    pub finish: Duration,
}

/// Everyone who comes, in order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crowd {
    /// Sorted by arrival.
    pub visits: Vec<Visit>,
    /// Its parts.
    pub marks: Marks,
}

/// How a synthetic crowd is shaped.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Page visits per second before and after.
    pub calm: f64,
    /// Page visits per second on the plateau.
    pub peak: f64,
    /// From onset to end.
    pub length: Duration,
    /// Calm before the onset, at least; it lasts until every page was read once.
    pub before: Duration,
    /// Calm after the end.
    pub tail: Duration,
}

impl Crowd {
    /// When the crowd strikes: the first second has passed in which more is wanted than a line of `uplink` bytes/s carries. The onset,
    /// if that never happens.
    #[must_use]
    pub fn strikes(&self, content: &Content, uplink: u64) -> Duration {
        let (mut from, mut wanted) = (0, 0_u64);
        for visit in &self.visits {
            wanted += visit.weight(content);
            while visit.at.saturating_sub(self.visits[from].at) >= Duration::from_secs(1) {
                wanted -= self.visits[from].weight(content);
                from += 1;
            }
            if visit.at >= self.marks.onset && wanted > uplink {
                return visit.at;
            }
        }
        self.marks.onset
    }

    /// Draws a synthetic crowd over the pages of `content`.
    ///
    /// In the calm before, every page is asked for at least once, as minutes of real calm would have it.
    ///
    /// # Errors
    /// When the crowd would make more than [`limits::REQUESTS_MAX`] requests.
    pub fn synthetic(shape: &Shape, content: &Content, seed: u64) -> anyhow::Result<Self> {
        let mut draw = Draw::new(seed, "crowd");
        let pages: Vec<u32> = content.pages().collect();
        let zipf = Zipf::new(pages.len(), ZIPF);
        let mut visits = Vec::new();
        let mut first: Vec<u32> = pages.clone();
        draw.shuffle(&mut first);
        let before = (pages.len() + pages.len() / 10 + 2).max((shape.before.as_secs_f64() * shape.calm).ceil() as usize);
        first.extend((first.len()..before).map(|_| pages[zipf.draw(&mut draw)]));
        calm(&mut visits, content, Duration::ZERO, &first, shape.calm, &mut draw);

        let onset = Duration::from_secs_f64(before as f64 / shape.calm);
        let slope = shape.length / RAMP;
        let marks = Marks {
            onset,
            plateau: onset + slope,
            decay: onset + shape.length - slope,
            end: onset + shape.length,
            finish: onset + shape.length + shape.tail,
        };
        rush(shape, &marks, &mut draw, |at, draw| visits.push(Visit::whole(content, at, pages[zipf.draw(draw)])));

        let after: Vec<u32> = (0..(shape.calm * shape.tail.as_secs_f64()) as usize).map(|_| pages[zipf.draw(&mut draw)]).collect();
        calm(&mut visits, content, marks.end, &after, shape.calm, &mut draw);
        visits.sort_by_key(|visit| visit.at);
        let crowd = Self { visits, marks };
        anyhow::ensure!(
            crowd.requests() <= limits::REQUESTS_MAX,
            "this crowd makes {} requests, more than {}: lower --factor or --seconds",
            crowd.requests(),
            limits::REQUESTS_MAX
        );
        Ok(crowd)
    }

    /// Requests that the visitors want answered: pages and their assets, redirects not counted.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.visits.iter().map(|visit| 1 + visit.assets.len()).sum()
    }

    /// Body bytes that the visitors want.
    #[must_use]
    pub fn bytes(&self, content: &Content) -> u64 {
        self.visits.iter().map(|visit| visit.weight(content)).sum()
    }
}

/// Spreads `pages` evenly with some jitter: in calm, visitors hardly ever meet.
fn calm(visits: &mut Vec<Visit>, content: &Content, from: Duration, pages: &[u32], rate: f64, draw: &mut Draw) {
    for (number, first) in pages.iter().enumerate() {
        let at = (number as f64 + 0.3 + 0.4 * draw.unit()) / rate;
        visits.push(Visit::whole(content, from + Duration::from_secs_f64(at), *first));
    }
}

/// Draws independent arrivals (Poisson) whose rate rises, stays and falls.
fn rush(shape: &Shape, marks: &Marks, draw: &mut Draw, mut arrive: impl FnMut(Duration, &mut Draw)) {
    const STEP: Duration = Duration::from_millis(1);
    let (mut due, mut passed, mut at) = (draw.exponential(), 0.0, marks.onset);
    while at < marks.end {
        let share = |from: Duration, to: Duration| (at - from).as_secs_f64() / (to - from).as_secs_f64();
        let height = if at < marks.plateau {
            share(marks.onset, marks.plateau)
        } else if at < marks.decay {
            1.0
        } else {
            1.0 - share(marks.decay, marks.end)
        };
        let step = (shape.calm + (shape.peak - shape.calm) * height) * STEP.as_secs_f64();
        while passed + step >= due {
            arrive(at + STEP.mul_f64(((due - passed) / step).clamp(0.0, 1.0)), draw);
            due += draw.exponential();
        }
        passed += step;
        at += STEP;
    }
}

/// Ranks whose share falls as `1 / rank^exponent`.
#[derive(Debug, Clone)]
pub struct Zipf {
    /// Sums of shares up to and with each rank.
    sums: Vec<f64>,
}

impl Zipf {
    /// Makes the law over `ranks` ranks.
    #[must_use]
    pub fn new(ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let sums = (1..=ranks).map(|rank| (rank as f64).powf(-exponent)).map(|share| {
            sum += share;
            sum
        });
        Self { sums: sums.collect() }
    }

    /// Draws a rank, counted from 0.
    pub fn draw(&self, draw: &mut Draw) -> usize {
        let at = draw.unit() * self.sums.last().copied().unwrap_or(0.0);
        self.sums.partition_point(|sum| *sum <= at).min(self.sums.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::demo::content::blog;

    fn shape(calm: f64, peak: f64, seconds: u64) -> Shape {
        Shape { calm, peak, length: Duration::from_secs(seconds), before: Duration::ZERO, tail: Duration::from_secs(4) }
    }

    #[test]
    fn the_first_rank_gets_its_share() {
        let (zipf, mut draw) = (Zipf::new(40, ZIPF), Draw::new(9, "test"));
        let mut counts = [0_u32; 40];
        (0..100_000).for_each(|_| counts[zipf.draw(&mut draw)] += 1);
        let whole: f64 = (1..=40).map(|rank| f64::from(rank).powf(-ZIPF)).sum();
        for rank in [1_u32, 2, 10] {
            let share = f64::from(counts[rank as usize - 1]) / 100_000.0;
            let expected = f64::from(rank).powf(-ZIPF) / whole;
            assert!((share / expected - 1.0).abs() < 0.1, "rank {rank}: {share} instead of {expected}");
        }
    }

    #[test]
    fn the_plateau_carries_the_wanted_rate_and_the_calm_before_sees_every_page() {
        let content = Content::new(&blog(12, 100 << 10), 1).unwrap();
        let crowd = Crowd::synthetic(&shape(3.0, 100.0, 40), &content, 1).unwrap();
        let between = |from, to| crowd.visits.iter().filter(move |visit| (from..to).contains(&visit.at));
        let plateau = between(crowd.marks.plateau, crowd.marks.decay).count() as f64;
        let rate = plateau / (crowd.marks.decay - crowd.marks.plateau).as_secs_f64();
        assert!((rate / 100.0 - 1.0).abs() < 0.1, "{rate}");
        let mut seen: Vec<u32> = between(Duration::ZERO, crowd.marks.onset).map(|visit| visit.first).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, content.pages().collect::<Vec<_>>());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn arrivals_are_sorted_bounded_and_the_same_for_one_seed(seed: u64, calm in 1.0_f64..5.0, peak in 5.0_f64..80.0, seconds in 1_u64..8) {
            let content = Content::new(&blog(4, 60 << 10), 1).unwrap();
            let crowd = Crowd::synthetic(&shape(calm, peak, seconds), &content, seed).unwrap();
            prop_assert!(crowd.visits.windows(2).all(|pair| pair[0].at <= pair[1].at));
            prop_assert!(crowd.visits.last().unwrap().at < crowd.marks.finish);
            prop_assert_eq!(&crowd, &Crowd::synthetic(&shape(calm, peak, seconds), &content, seed).unwrap());
            prop_assert_ne!(&crowd, &Crowd::synthetic(&shape(calm, peak, seconds), &content, !seed).unwrap());
        }
    }
}
