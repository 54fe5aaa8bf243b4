//! A run cut into equal steps of time.

use std::time::Duration;

use super::{judged_latency_ms, quantile, ratio};
use crate::demo::{
    content::Content,
    crowd::Crowd,
    visitors::{Carrier, Journal, Outcome},
};

/// Length of one step.
pub const STEP: Duration = Duration::from_millis(500);

/// What happened in each step.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// In order of time.
    pub steps: Vec<Step>,
}

/// One step. Rates are per second.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Body bytes that were wanted, by when they were wanted.
    pub wanted: f64,
    /// Right body bytes that the origin sent, by when they had arrived.
    pub origin: f64,
    /// Those that the owner's agent held.
    pub cache: f64,
    /// Those of each helper.
    pub helpers: Vec<f64>,
    /// Requests that failed, by when they were wanted.
    pub errors: f64,
    /// Share of requests that were redirected, by when they were wanted.
    pub redirect_share: f64,
    /// Median latency in milliseconds of requests wanted in this step.
    pub p50_ms: f64,
    /// Latency that 99 % of them kept.
    pub p99_ms: f64,
}

impl Timeline {
    pub(super) fn new(crowd: &Crowd, content: &Content, journal: &Journal, helpers: usize) -> Self {
        let step_of = |at: Duration| (at.as_millis() / STEP.as_millis()) as usize;
        let count = step_of(crowd.marks.finish) + 5;
        let mut steps = vec![Step { helpers: vec![0.0; helpers], ..Step::default() }; count];
        let mut latencies: Vec<Vec<f64>> = vec![Vec::new(); count];
        let mut redirects = vec![0_u64; count];
        let per_second = 1.0 / STEP.as_secs_f64();
        for record in &journal.records {
            let bytes = content.resources[record.resource as usize].body.len() as f64 * per_second;
            let wanted = step_of(record.wanted).min(count - 1);
            steps[wanted].wanted += bytes;
            redirects[wanted] += u64::from(record.redirect.is_some());
            latencies[wanted].push(judged_latency_ms(record));
            if record.outcome == Outcome::Right {
                let ended = &mut steps[step_of(record.ended).min(count - 1)];
                match record.carrier {
                    Carrier::Helper(at) => ended.helpers[usize::from(at)] += bytes,
                    Carrier::Cache => ended.cache += bytes,
                    Carrier::Origin | Carrier::Nobody => ended.origin += bytes,
                }
            } else {
                steps[wanted].errors += per_second;
            }
        }
        for ((step, latencies), redirects) in steps.iter_mut().zip(&mut latencies).zip(redirects) {
            latencies.sort_by(f64::total_cmp);
            step.p50_ms = quantile(latencies, 0.50);
            step.p99_ms = quantile(latencies, 0.99);
            step.redirect_share = ratio(redirects, latencies.len() as u64);
        }
        Self { steps }
    }

    /// The start of each step in seconds, with the step.
    pub fn iter(&self) -> impl Iterator<Item = (f64, &Step)> {
        self.steps.iter().enumerate().map(|(at, step)| (at as f64 * STEP.as_secs_f64(), step))
    }
}
