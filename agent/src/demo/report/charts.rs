//! The report's charts: which figures are drawn how.

use std::time::Duration;

use plotters::style::RGBColor;

use super::plot::{Chart, Points, Series, helper_colour};
use crate::demo::{
    crowd::Marks,
    figures::{Arm, Step},
    limits,
    sampler::Sample,
};

const ORIGIN: RGBColor = RGBColor(196, 78, 62);
const OWNER: RGBColor = RGBColor(62, 110, 180);
const WANTED: RGBColor = RGBColor(40, 40, 46);
const LIMIT: RGBColor = RGBColor(214, 140, 36);

/// Names and time axis that all charts of one arm share.
fn chart(marks: &Marks, arm: &Arm, unit: &'static str) -> Chart {
    let mut named = vec![(marks.onset, "onset"), (marks.end, "end")];
    if marks.decay < marks.end {
        named.push((marks.decay, "decay"));
    }
    if let Some(first) = arm.onset_to_first_redirect {
        named.push((arm.struck + first, "first redirect"));
    }
    Chart { unit, marks: named, until: marks.finish + limits::DEADLINE, ..Chart::default() }
}

fn series(name: impl Into<String>, colour: RGBColor, points: Points) -> Series {
    Series { name: name.into(), colour, points }
}

fn over_time(arm: &Arm, value: impl Fn(&Step) -> f64) -> Points {
    arm.timeline.iter().map(|(at, step)| (at, value(step))).collect()
}

/// Who carried the bytes that were wanted.
pub(super) fn carried(arm: &Arm, marks: &Marks) -> anyhow::Result<String> {
    let mut chart = chart(marks, arm, "MB/s");
    chart.stack.push(series("origin", ORIGIN, over_time(arm, |step| step.origin / 1e6)));
    chart.stack.push(series("owner's cache", OWNER, over_time(arm, |step| step.cache / 1e6)));
    let helpers = arm.carried.helpers.len();
    for at in 0..helpers {
        chart.stack.push(series(format!("helper {}", at + 1), helper_colour(at, helpers), over_time(arm, |step| step.helpers[at] / 1e6)));
    }
    chart.lines.push(series("wanted", WANTED, over_time(arm, |step| step.wanted / 1e6)));
    chart.html()
}

/// Use of each site's uplink, as its relay counted it.
pub(super) fn uplinks(arm: &Arm, marks: &Marks, capacity: u64) -> anyhow::Result<String> {
    let mut chart = chart(marks, arm, "MB/s");
    let sites = arm.samples.first().map_or(0, |sample| sample.to_visitors.len());
    for site in (0..sites).rev() {
        let (name, colour) = match site {
            0 => ("owner".to_owned(), OWNER),
            _ => (if sites <= 8 { format!("helper {site}") } else { String::new() }, helper_colour(site - 1, sites - 1)),
        };
        chart.lines.push(series(name, colour, rates(&arm.samples, |sample| sample.to_visitors[site] + sample.to_peers[site])));
    }
    if sites > 0 {
        chart.lines.push(series("owner to helpers", LIMIT, rates(&arm.samples, |sample| sample.to_peers[0])));
    }
    let until = chart.until.as_secs_f64();
    chart.lines.push(series("the line's rate", WANTED, vec![(0.0, capacity as f64 / 1e6), (until, capacity as f64 / 1e6)]));
    chart.html()
}

/// MB/s between one sample and the one a second later.
fn rates(samples: &[Sample], count: impl Fn(&Sample) -> u64) -> Points {
    const APART: usize = 4;
    samples
        .windows(APART + 1)
        .map(|window| {
            let (from, to) = (&window[0], &window[APART]);
            let seconds = (to.at.saturating_sub(from.at)).max(Duration::from_millis(1)).as_secs_f64();
            (to.at.as_secs_f64(), count(to).saturating_sub(count(from)) as f64 / 1e6 / seconds)
        })
        .collect()
}

/// Latency as visitors saw it.
pub(super) fn latency(arm: &Arm, marks: &Marks) -> anyhow::Result<String> {
    let mut chart = chart(marks, arm, "ms");
    chart.lines.push(series("99 % within", ORIGIN, over_time(arm, |step| step.p99_ms)));
    chart.lines.push(series("median", OWNER, over_time(arm, |step| step.p50_ms)));
    chart.html()
}

/// Requests without the right bytes in time, of all arms.
pub(super) fn errors(arms: &[(&str, &Arm)], marks: &Marks) -> anyhow::Result<String> {
    let Some((_, last)) = arms.last() else { return Ok(String::new()) };
    let mut chart = chart(marks, last, "failed/s");
    for ((name, arm), colour) in arms.iter().zip([ORIGIN, OWNER, RGBColor(52, 140, 84)]) {
        chart.lines.push(series(*name, colour, over_time(arm, |step| step.errors)));
    }
    chart.html()
}

/// Requests at the origin, counted there, against the limit that the agent has learned.
pub(super) fn origin(arm: &Arm, marks: &Marks) -> anyhow::Result<String> {
    let mut chart = chart(marks, arm, "requests");
    let slot = arm.origin.slot_ms as f64 / 1e3;
    let counted = arm.origin.slots.iter().enumerate().map(|(at, count)| (at as f64 * slot, f64::from(*count)));
    chart.lines.push(series(
        "in flight, counted at the origin",
        ORIGIN,
        counted.filter(|point| point.0 < chart.until.as_secs_f64()).collect(),
    ));
    let limit: Points =
        arm.samples.iter().filter_map(|sample| sample.limit.map(|limit| (sample.at.as_secs_f64(), f64::from(limit)))).collect();
    if !limit.is_empty() {
        chart.lines.push(series("learned limit", LIMIT, limit));
    }
    chart.html()
}

/// Share of requests that were redirected, in per cent.
pub(super) fn redirects(arm: &Arm, marks: &Marks) -> anyhow::Result<String> {
    let mut chart = chart(marks, arm, "% redirected");
    chart.lines.push(series("redirected", OWNER, over_time(arm, |step| step.redirect_share * 100.0)));
    chart.html()
}

/// Use of the machine's processor while the arm ran, in per cent.
pub(super) fn processor(arm: &Arm, marks: &Marks) -> anyhow::Result<String> {
    let mut chart = chart(marks, arm, "% of all cores");
    let points = arm.samples.iter().map(|sample| (sample.at.as_secs_f64(), f64::from(sample.cpu_permille) / 10.0)).collect();
    chart.lines.push(series("processor", WANTED, points));
    chart.html()
}
