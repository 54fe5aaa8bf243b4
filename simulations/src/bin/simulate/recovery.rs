//! `simulate recovery`: whether a site is itself again after a trigger, at every load.

use std::time::{Duration, Instant};

use overspill_governance::digest::Digest;
use overspill_simulations::{
    laboratory::{
        course::{Course, Run},
        recovery::{Cell, Recovery, TRIGGERS, Trigger, needless, pulses},
    },
    server::{
        Model,
        model::Rule,
        spread::{SPREADS, Spread},
    },
};
use serde_json::{Value, json};

use crate::{
    args,
    chart::{self, Bar, Heat},
    cores::on_all_cores,
    ending::{Ending, Fault},
    object, report, told,
};

/// How long a cell may take to be back, in milliseconds.
const SETTLED: u64 = 10_000;
/// How much may be redirected in the ten seconds after it beyond what the twin redirects, in thousandths.
const OVERSHOT: u64 = 200;
/// Load at which redirects are needless, in per cent, and how many of a million may be redirected there.
const CALM: u64 = 70;
const NEEDLESS: u64 = 1_000;
/// How long the runs for needless redirects are.
const CALM_SECONDS: u64 = 120;
/// By how much goodput in pulses may be below that in a crowd that stays, in thousandths.
const RESONANCE: u64 = 10;

/// What all of it came to.
#[derive(Debug, Default)]
pub struct Map {
    /// Names of triggers with their strengths, loads, and the cells in that order.
    pub rows: Vec<(String, Trigger, u64)>,
    pub loads: Vec<u64>,
    pub cells: Vec<Recovery>,
    /// Periods in milliseconds (`None`: a crowd that stays) with goodput in thousandths.
    pub pulses: Vec<(Option<u64>, u64)>,
    /// Distributions and weights of views in per cent, with what was redirected and what failed of a million.
    pub needless: Vec<(&'static str, u64, (u64, u64))>,
    sites: usize,
    events: u64,
    virtual_time: Duration,
    hashes: Vec<u8>,
    failures: Vec<String>,
}

/// Plays it.
///
/// # Errors
/// When the report cannot be written.
pub fn recovery(options: &args::Recovery) -> Result<Ending, Fault> {
    let began = Instant::now();
    let map = Map::of(options);
    let wall = began.elapsed();
    if let Some(file) = &options.report {
        report::write(file, &map.page(&about(options)))?;
    }
    if options.json {
        told::line(map.object(options, wall))?;
    } else {
        told::line(about(options))?;
        map.tell()?;
        told::line(crate::run::summary(&map.failures, map.events, map.virtual_time, wall))?;
    }
    Ok(Ending::of(!map.failures.is_empty()))
}

fn about(options: &args::Recovery) -> String {
    format!(
        "A site in focus amid {} partners, rule `{}`; seeds {} to {}. A trigger lasts 10 s; the site is watched for 30 s after it and compared with a \
         twin that has the same visitors and no trigger.",
        options.partners,
        options.rule.name(),
        options.from,
        options.from + u64::from(options.seeds) - 1,
    )
}

/// Rules by the names that the command line has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Chosen {
    /// As agents do.
    Shipped,
    /// Only while a queue stands on the line.
    Standing,
    /// One that remembers, to see it found out.
    Sticky,
}

impl Chosen {
    fn name(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Standing => "standing",
            Self::Sticky => "sticky",
        }
    }

    fn rule(self) -> Rule {
        match self {
            Self::Shipped => Rule::Shipped,
            Self::Standing => Rule::Standing,
            Self::Sticky => Rule::Sticky,
        }
    }
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum For {
    /// The twin of cells with this load; whether people come again.
    Twin(u64, bool),
    Cell(usize, u64),
    Pulses(Option<u64>),
    Needless(usize, u64),
}

impl Map {
    /// Plays all runs.
    pub fn of(options: &args::Recovery) -> Self {
        let model = Model { rule: options.rule.rule(), ..Model::SMALL };
        let mut map = Self { loads: options.loads.clone(), ..Self::default() };
        for (name, trigger) in TRIGGERS {
            map.rows.extend(options.strengths.iter().map(|strength| (format!("{name} x{strength}"), trigger, *strength)));
        }
        let mut jobs: Vec<(For, Run)> = Vec::new();
        for seed in options.from..options.from + u64::from(options.seeds) {
            map.add_cells(&mut jobs, model, options.partners.into(), seed);
            if !options.map_only {
                let periods = core::iter::once(None).chain(pulses::PERIODS.map(Some));
                jobs.extend(periods.map(|period| (For::Pulses(period), pulses::run(model, options.partners.into(), period, seed))));
                jobs.extend(calm(model, options.partners.into(), seed));
            }
        }
        let courses = on_all_cores(&jobs, |(_, run)| run.play());
        let done: Vec<(For, Course)> = jobs.iter().map(|(what, _)| *what).zip(courses).collect();
        for ((_, run), (_, course)) in jobs.iter().zip(&done) {
            map.sites += 1 + run.partners;
            map.events += course.events;
            map.virtual_time += Duration::from_millis(run.length);
            map.hashes.extend(course.trace_hash.0);
            map.failures.extend(course.failures.iter().map(|words| format!("seed {}: {words}", run.seed)));
        }
        map.judge(&done);
        map
    }

    fn add_cells(&self, jobs: &mut Vec<(For, Run)>, model: Model, partners: usize, seed: u64) {
        for load in &self.loads {
            for again in [false, true] {
                let trigger = if again { Trigger::Retries } else { Trigger::Crowd };
                jobs.push((For::Twin(*load, again), Cell { load: *load, trigger, strength: 1 }.run(model, partners, seed, true)));
            }
            for (row, (_, trigger, strength)) in self.rows.iter().enumerate() {
                let cell = Cell { load: *load, trigger: *trigger, strength: *strength };
                jobs.push((For::Cell(row, *load), cell.run(model, partners, seed, false)));
            }
        }
    }

    fn judge(&mut self, done: &[(For, Course)]) {
        let of = |what: For| -> Vec<Course> { done.iter().filter(|(one, _)| *one == what).map(|(_, course)| course.clone()).collect() };
        for (row, (name, trigger, _)) in self.rows.iter().enumerate() {
            for load in &self.loads {
                let twins = of(For::Twin(*load, *trigger == Trigger::Retries));
                let cell = Recovery::of(&of(For::Cell(row, *load)), &twins);
                if cell.settle > SETTLED {
                    self.failures.push(format!(
                        "{name} at {load} %: goodput is back {} s after the last visitor of the trigger",
                        seconds(cell.settle)
                    ));
                }
                if cell.overshoot > OVERSHOT {
                    self.failures.push(format!("{name} at {load} %: {} % redirected when it was over", percent(cell.overshoot)));
                }
                self.cells.push(cell);
            }
        }
        let periods = core::iter::once(None).chain(pulses::PERIODS.map(Some));
        let pulses = periods.map(|period| (period, of(For::Pulses(period)))).filter(|(_, runs)| !runs.is_empty());
        self.pulses = pulses.map(|(period, runs)| (period, pulses::goodput(&runs))).collect();
        let stays = self.pulses.first().map_or(0, |(_, goodput)| *goodput);
        let worse = self.pulses.iter().filter(|(_, goodput)| goodput + RESONANCE < stays);
        self.failures.extend(worse.map(|(period, goodput)| {
            format!("pulses of {} s: goodput {} %, below a crowd that stays", seconds(period.unwrap_or_default()), percent(*goodput))
        }));
        for (at, (name, _)) in SPREADS.iter().enumerate() {
            for weight in args::WEIGHTS {
                let runs = of(For::Needless(at, weight));
                if runs.is_empty() {
                    continue;
                }
                let shares = needless::shares(&runs);
                if shares.0 > NEEDLESS {
                    let redirected = shares.0 as f64 / 1e4;
                    self.failures
                        .push(format!("{name}, views of {weight} % of their weight: {redirected:.2} % redirected at {CALM} % load"));
                }
                self.needless.push((name, weight, shares));
            }
        }
    }

    fn tell(&self) -> Result<(), Fault> {
        let heads: Vec<String> = self.loads.iter().map(|load| format!("{:>7}", format!("{load} %"))).collect();
        for (title, of) in QUANTITIES {
            told::line(format_args!("\n{title}, by load"))?;
            told::line(format_args!("{:<18}{}", "", heads.join("")))?;
            for (row, (name, ..)) in self.rows.iter().enumerate() {
                let cells = self.row(row).iter().map(|cell| format!("{:>7}", of(cell)));
                told::line(format_args!("{name:<18}{}", cells.collect::<String>()))?;
            }
        }
        if !self.pulses.is_empty() {
            told::line("\nGoodput in trains of pulses of five times the capacity, at 50 % load")?;
            for (period, goodput) in &self.pulses {
                told::line(format_args!("{:<18}{:>7} %", name_of(*period), percent(*goodput)))?;
            }
        }
        if !self.needless.is_empty() {
            told::line(format_args!("\nAt {CALM} % load: redirected, and failed, by distribution and weight of a view"))?;
            for (name, weight, (redirected, failed)) in &self.needless {
                let share = |part: u64| format!("{:.3} %", part as f64 / 1e4);
                told::line(format_args!("{name:<14}{weight:>4} %{:>12}{:>12}", share(*redirected), share(*failed)))?;
            }
        }
        told::line("")?;
        self.failures.iter().try_for_each(|words| told::line(format_args!("! {words}")))
    }

    fn row(&self, row: usize) -> &[Recovery] {
        &self.cells[row * self.loads.len()..(row + 1) * self.loads.len()]
    }

    fn object(&self, options: &args::Recovery, wall: Duration) -> Value {
        let mut cells = Vec::new();
        for (row, (_, trigger, strength)) in self.rows.iter().enumerate() {
            let name = TRIGGERS.iter().find(|(_, one)| one == trigger).map_or("", |(name, _)| *name);
            for (load, cell) in self.loads.iter().zip(self.row(row)) {
                cells.push(json!({
                    "trigger": name, "strength": strength, "load_percent": load, "depth_permille": cell.depth,
                    "lasted_seconds": cell.lasted as f64 / 1e3, "settle_seconds": cell.settle as f64 / 1e3, "overshoot_permille": cell.overshoot, "reversals": cell.reversals as f64 / 10.0,
                }));
            }
        }
        let pulse = |(period, goodput): &(Option<u64>, u64)| json!({ "period_ms": period, "goodput_permille": goodput });
        let calm = |(name, weight, (redirected, failed)): &(&str, u64, (u64, u64))| json!({ "spread": name, "weight_percent": weight, "redirected_ppm": redirected, "failed_ppm": failed });
        json!({
            "schema": object::SCHEMA, "command": "recovery", "rule": options.rule.name(), "seed": options.from, "sites": self.sites,
            "events": self.events, "virtual_seconds": object::seconds(self.virtual_time), "wall_seconds": object::seconds(wall),
            "trace_hash": Digest::of("overspill simulate recovery", &self.hashes).to_string(), "failures": self.failures, "cells": cells,
            "pulses": self.pulses.iter().map(pulse).collect::<Vec<_>>(), "needless": self.needless.iter().map(calm).collect::<Vec<_>>(),
        })
    }

    /// The map as a picture.
    pub fn heat(&self) -> String {
        let columns: Vec<String> = self.loads.iter().map(|load| format!("{load} %")).collect();
        let shown = |cell: &Recovery| {
            let badness = (cell.settle * 1_000 / SETTLED).max(cell.overshoot * 1_000 / OVERSHOT);
            (badness, format!("{} s, {} %", seconds(cell.settle), percent(cell.overshoot)))
        };
        let rows = self.rows.iter().enumerate();
        let rows = rows.map(|(row, (name, ..))| (name.clone(), self.row(row).iter().map(shown).collect()));
        let title = "Until goodput is back at 99 %, and redirected in the ten seconds after, by load";
        chart::heat(&Heat { title, columns, rows: rows.collect(), worst: 2_000 })
    }

    fn page(&self, about: &str) -> String {
        let mut parts = vec![self.heat()];
        let bars = self.pulses.iter().map(|(period, goodput)| Bar { name: name_of(*period), value: *goodput as f64 / 10.0 });
        if !self.pulses.is_empty() {
            parts.push(chart::bars("Goodput in trains of pulses, in per cent", &bars.collect::<Vec<_>>()));
        }
        let bars = self
            .needless
            .iter()
            .map(|(name, weight, (redirected, _))| Bar { name: format!("{name} {weight} %"), value: *redirected as f64 / 1e4 });
        if !self.needless.is_empty() {
            parts.push(chart::bars("Redirected at 70 % load, in per cent of requests", &bars.collect::<Vec<_>>()));
        }
        report::pictures("simulate recovery", about, &parts, &self.failures)
    }
}

/// Runs in which nobody needs a redirect.
fn calm(model: Model, partners: usize, seed: u64) -> Vec<(For, Run)> {
    let mut jobs = Vec::new();
    for (at, (_, spread)) in SPREADS.iter().enumerate() {
        for weight in args::WEIGHTS {
            let spread: Spread = *spread;
            let model = needless::lighter(Model { service: (spread, model.service.1), sizes: (spread, model.sizes.1), ..model }, weight);
            jobs.push((For::Needless(at, weight), needless::run(model, partners, CALM, CALM_SECONDS, seed)));
        }
    }
    jobs
}

/// Words for one quantity of a cell.
type Words = fn(&Recovery) -> String;

/// What is told of a cell.
const QUANTITIES: [(&str, Words); 5] = [
    ("Seconds until goodput is back at 99 % of the twin's", |cell| seconds(cell.settle)),
    ("Seconds that the trigger's visitors kept coming again after its end", |cell| seconds(cell.lasted)),
    ("Least goodput during the trigger, in per cent", |cell| percent(cell.depth)),
    ("Redirected in the ten seconds after it beyond what the twin does, in per cent", |cell| percent(cell.overshoot)),
    ("Times that pressure began or ended after it", |cell| percent(cell.reversals)),
];

fn name_of(period: Option<u64>) -> String {
    period.map_or_else(|| String::from("a crowd that stays"), |period| format!("{} s", seconds(period)))
}

fn seconds(millis: u64) -> String {
    format!("{}.{}", millis / 1_000, millis % 1_000 / 100)
}

fn percent(thousandths: u64) -> String {
    format!("{}.{}", thousandths / 10, thousandths % 10)
}
