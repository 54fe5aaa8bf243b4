//! From the journal of a run to its figures.

mod timeline;

use std::time::Duration;

use serde::Serialize;

pub use timeline::{STEP, Step, Timeline};

use super::{
    content::Content,
    crowd::Crowd,
    limits,
    sampler::Sample,
    site::LoadRecord,
    visitors::{Carrier, Journal, Outcome, Record},
};

/// One arm of the demonstration, measured.
#[derive(Debug, Clone, Default)]
pub struct Arm {
    /// What the visitors saw.
    pub seen: Seen,
    /// How requests ended.
    pub ends: Ends,
    /// Right body bytes by who sent them.
    pub carried: Carried,
    /// Body bytes that were wanted.
    pub wanted_bytes: u64,
    /// Right body bytes per second among what was wanted on the crowd's plateau; 0 when it has none.
    pub plateau_rate: f64,
    /// Redirects followed, of all requests.
    pub redirected: u64,
    /// Requests for which a page named a helper.
    pub named: u64,
    /// Requests with which the owner had to do: all that were sent, but those that a helper answered which a page had named.
    pub asked_owner: u64,
    /// Requests that a helper sent back to the owner.
    pub sent_back: u64,
    /// When more was wanted than the owner's line carries, after the run's start.
    pub struck: Duration,
    /// From then to the first redirect.
    pub onset_to_first_redirect: Option<Duration>,
    /// From the crowd's end to the end of the last second in which 1 % of the requests or more were redirected.
    pub end_to_share_below_1pct: Duration,
    /// The run over time.
    pub timeline: Timeline,
    /// Samples taken while it ran.
    pub samples: Vec<Sample>,
    /// The origin's own record of its load.
    pub origin: LoadRecord,
}

/// What the visitors saw: the part of an arm that stands in the output of `--json`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Seen {
    /// Requests that visitors wanted answered: pages and assets, redirects not counted.
    pub requests: u64,
    /// Body bytes that were right and in time.
    pub right_bytes: u64,
    /// Those, relative to the body bytes that were wanted.
    pub right_bytes_ratio: f64,
    /// Requests without the right bytes in time.
    pub errors: u64,
    /// Median latency; a request that failed counts as the deadline at least.
    pub p50_ms: f64,
    /// Latency that 95 % of the requests kept.
    pub p95_ms: f64,
    /// Latency that 99 % of the requests kept.
    pub p99_ms: f64,
}

/// Requests by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// Right and in time.
    pub right: u64,
    /// 503 or 429.
    pub refused: u64,
    /// Not within the deadline.
    pub late: u64,
    /// Other bytes or another status.
    pub wrong: u64,
    /// The connection failed.
    pub broken: u64,
    /// The page that wanted it did not come.
    pub not_asked: u64,
}

/// Right body bytes by who sent them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// The origin, for the request at hand.
    pub origin: u64,
    /// The owner's agent, which held them.
    pub cache: u64,
    /// Each helper.
    pub helpers: Vec<u64>,
}

impl Carried {
    /// Share of the right bytes that helpers sent.
    #[must_use]
    pub fn helped_ratio(&self) -> f64 {
        let helped: u64 = self.helpers.iter().sum();
        ratio(helped, helped + self.origin + self.cache)
    }
}

impl Arm {
    /// Computes the figures of a run with `helpers` helpers.
    #[must_use]
    pub fn measure(crowd: &Crowd, content: &Content, uplink: u64, journal: &Journal, helpers: usize) -> Self {
        let requests = crowd.requests() as u64;
        let wanted_bytes = crowd.bytes(content);
        let mut arm = Self { wanted_bytes, carried: Carried { helpers: vec![0; helpers], ..Carried::default() }, ..Self::default() };
        let (plateau, mut plateau_bytes) = (crowd.marks.plateau..crowd.marks.decay, 0);
        for record in &journal.records {
            arm.ends.count(record.outcome);
            arm.redirected += u64::from(record.redirect.is_some() && !record.named);
            arm.named += u64::from(record.named);
            arm.asked_owner += u64::from(record.outcome != Outcome::NotAsked && (!record.named || record.sent_back));
            arm.sent_back += u64::from(record.sent_back);
            if record.outcome == Outcome::Right {
                let bytes = content.resources[record.resource as usize].body.len() as u64;
                arm.seen.right_bytes += bytes;
                plateau_bytes += if plateau.contains(&record.wanted) { bytes } else { 0 };
                match record.carrier {
                    Carrier::Helper(at) => arm.carried.helpers[usize::from(at)] += bytes,
                    Carrier::Cache => arm.carried.cache += bytes,
                    Carrier::Origin | Carrier::Nobody => arm.carried.origin += bytes,
                }
            }
        }
        if !plateau.is_empty() {
            arm.plateau_rate = plateau_bytes as f64 / (plateau.end - plateau.start).as_secs_f64();
        }
        arm.seen.requests = requests;
        arm.seen.errors = requests - arm.ends.right;
        arm.seen.right_bytes_ratio = ratio(arm.seen.right_bytes, wanted_bytes);
        let mut latencies: Vec<f64> = journal.records.iter().map(judged_latency_ms).collect();
        latencies.sort_by(f64::total_cmp);
        arm.seen.p50_ms = quantile(&latencies, 0.50);
        arm.seen.p95_ms = quantile(&latencies, 0.95);
        arm.seen.p99_ms = quantile(&latencies, 0.99);
        let first = journal.records.iter().filter_map(|record| record.redirect).map(|redirect| redirect.at);
        arm.struck = crowd.strikes(content, uplink);
        arm.onset_to_first_redirect = first.filter(|at| *at >= crowd.marks.onset).min().map(|at| at.saturating_sub(arm.struck));
        arm.end_to_share_below_1pct = share_below(&journal.records, crowd.marks.end, 0.01);
        arm.timeline = Timeline::new(crowd, content, journal, helpers);
        arm
    }
}

impl Ends {
    fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Right => &mut self.right,
            Outcome::Refused => &mut self.refused,
            Outcome::Late => &mut self.late,
            Outcome::Wrong => &mut self.wrong,
            Outcome::Broken => &mut self.broken,
            Outcome::NotAsked => &mut self.not_asked,
        } += 1;
    }
}

/// Latency in milliseconds, at least the deadline for a request that failed: a quick refusal is not a quick answer.
fn judged_latency_ms(record: &Record) -> f64 {
    let latency = record.latency();
    let judged = if record.outcome == Outcome::Right { latency } else { latency.max(limits::DEADLINE) };
    judged.as_secs_f64() * 1_000.0
}

/// From `end` to the end of the last second in which at least `share` of the wanted requests were redirected; 0 if there is none.
fn share_below(records: &[Record], end: Duration, share: f64) -> Duration {
    const WIDTH: u32 = 4;
    let slot = Duration::from_millis(250);
    let mut slots: Vec<(u32, u32)> = Vec::new();
    for record in records.iter().filter(|record| record.wanted >= end) {
        let at = ((record.wanted - end).as_millis() / slot.as_millis()) as usize;
        slots.resize(slots.len().max(at + 1), (0, 0));
        slots[at].0 += 1;
        slots[at].1 += u32::from(record.redirect.is_some());
    }
    let sum = |window: &[(u32, u32)]| window.iter().fold((0, 0), |sum, slot| (sum.0 + slot.0, sum.1 + slot.1));
    let width = slots.len().min(WIDTH as usize).max(1);
    let above = |window: &[(u32, u32)]| {
        let (wanted, redirected) = sum(window);
        redirected > 0 && f64::from(redirected) >= share * f64::from(wanted)
    };
    let last = slots.windows(width).rposition(above);
    last.map_or(Duration::ZERO, |at| {
        // Within the last window above the share, its last redirect is what ended it.
        let redirected = slots[at..at + width].iter().rposition(|slot| slot.1 > 0).unwrap_or(0);
        slot * (at + redirected + 1) as u32
    })
}

/// `part` of `whole`; 0 when there is no whole.
#[must_use]
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The value below which `share` of the sorted `values` lie (nearest rank); 0 when there are none.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{
        content::blog,
        crowd::{Marks, Visit},
        visitors::Redirect,
    };

    fn record(wanted: u64, took: u64, resource: u32, outcome: Outcome, carrier: Carrier) -> Record {
        let (wanted, took) = (Duration::from_millis(wanted), Duration::from_millis(took));
        Record { wanted, ended: wanted + took, resource, outcome, carrier, redirect: None, named: false, sent_back: false }
    }

    #[test]
    fn requests_that_never_came_back_are_errors() {
        let content = Content::new(&blog(1, 100 << 10), 1).unwrap();
        let page = content.pages().next().unwrap();
        let marks = Marks { end: Duration::from_secs(5), finish: Duration::from_secs(6), ..Marks::default() };
        let crowd = Crowd { visits: vec![Visit::whole(&content, Duration::ZERO, page)], marks };
        let mut journal = Journal::default();
        journal.add(vec![
            record(0, 10, page, Outcome::Right, Carrier::Cache),
            record(10, 30, 0, Outcome::Right, Carrier::Helper(1)),
            record(10, 5, 1, Outcome::Refused, Carrier::Nobody),
        ]);
        let arm = Arm::measure(&crowd, &content, 2_500_000, &journal, 2);
        assert_eq!((arm.seen.requests, arm.seen.errors, arm.ends.right, arm.ends.refused), (9, 7, 2, 1));
        assert_eq!(arm.carried, Carried { origin: 0, cache: 6 << 10, helpers: vec![0, 12 << 10] });
        assert!((arm.carried.helped_ratio() - 2.0 / 3.0).abs() < 1e-9);
        assert!(arm.seen.p99_ms >= 2_000.0, "a quick refusal is not a quick answer");
    }

    #[test]
    fn the_redirects_end_with_their_last_second_above_the_share() {
        let end = Duration::from_secs(10);
        let mut records: Vec<Record> = (0..100).map(|at| record(10_000 + at * 50, 10, 0, Outcome::Right, Carrier::Cache)).collect();
        assert_eq!(share_below(&records, end, 0.01), Duration::ZERO);
        records[12].redirect = Some(Redirect { at: end, to: 0 });
        assert_eq!(share_below(&records, end, 0.01), Duration::from_millis(750));
    }
}
