//! `simulate sweep` and `simulate compare`: several arms over the same seeds, side by side.

use std::time::{Duration, Instant};

use overspill_governance::digest::Digest;
use overspill_simulations::{
    laboratory::{
        Arm, Measures, Setting,
        arms::alone,
        measured,
        measures::{Quantity, TABLE},
    },
    scenario::{Outcome, Plot},
};
use serde_json::{Value, json};

use crate::{
    args, chart,
    cores::on_all_cores,
    ending::{Ending, Fault},
    object, phase, report, run, told,
};

/// What an arm came to over its seeds.
#[derive(Debug, Default)]
pub struct Row {
    pub name: String,
    pub seeds: usize,
    /// Least, mean and greatest of each quantity, in the order of the table; in the quantity's unit.
    pub spans: Vec<(f64, f64, f64)>,
    pub failures: Vec<String>,
}

/// What all runs came to together.
#[derive(Debug, Default)]
pub struct Sum {
    sites: usize,
    pub events: u64,
    pub virtual_time: Duration,
    hashes: Vec<u8>,
}

/// Changes one parameter, or two in all pairs.
///
/// # Errors
/// When it is none, or the report cannot be written.
pub fn sweep(options: &args::Sweep) -> Result<Ending, Fault> {
    let setting = setting(options);
    let wrong = |words| Fault::new(Ending::Usage, words, "such as settle_window=2,10,60 or sites=3,10,30");
    let about = |what: &str| {
        format!(
            "{what}; otherwise {} sites, {} min, {} events with {} % correlation and peaks of {} requests a second. Seeds {} to {} each.",
            options.sites,
            options.minutes,
            options.events,
            options.correlation,
            options.peak,
            options.common.from,
            options.common.from.saturating_add(u64::from(options.common.seeds) - 1),
        )
    };
    if let [first, second] = options.parameters.as_slice() {
        let diagram = setting.diagram(first, second).map_err(wrong)?;
        return phase::phase(&diagram, about, &options.common);
    }
    let (name, arms) = setting.sweep(&options.parameters[0]).map_err(wrong)?;
    experiment("sweep", &name, &about(&format!("{name} at {} values", arms.len())), &arms, &options.common)
}

/// What all arms of a sweep have in common.
pub fn setting(options: &args::Sweep) -> Setting {
    Setting {
        sites: usize::from(options.sites),
        length: Duration::from_secs(u64::from(options.minutes) * 60),
        events: options.events,
        correlation: u32::from(options.correlation) * 10_000,
        peak: options.peak,
        seeds: (options.common.from, u64::from(options.common.seeds)),
        attackers: None,
    }
}

/// Plays scenarios side by side, the first without any mesh, too.
///
/// # Errors
/// When one cannot be read, or the report cannot be written.
pub fn compare(options: &args::Compare) -> Result<Ending, Fault> {
    let seeds = options.common.from..options.common.from.saturating_add(u64::from(options.common.seeds));
    let over = |plot: &Plot| seeds.clone().map(|seed| Plot { seed, ..plot.clone() }).collect();
    let mut arms = Vec::new();
    for name in &options.scenarios {
        let plot = run::read(name)?.plot;
        if arms.is_empty() {
            arms.push(Arm { name: String::from("no mesh"), plots: over(&alone(&plot)) });
        }
        arms.push(Arm { name: name.clone(), plots: over(&plot) });
    }
    let about = format!(
        "Each scenario in {} worlds, seeds from {}; `no mesh` is the first with every link cut.",
        options.common.seeds, options.common.from
    );
    experiment("compare", "scenario", &about, &arms, &options.common)
}

fn experiment(command: &str, parameter: &str, about: &str, arms: &[Arm], common: &args::Common) -> Result<Ending, Fault> {
    std::panic::set_hook(Box::new(|_| ()));
    let began = Instant::now();
    let (rows, sum) = play(arms);
    let wall = began.elapsed();
    if let Some(file) = &common.report {
        let page = report::page(&format!("simulate {command}: {parameter}"), about, parameter, &rows);
        report::write(file, &page)?;
    }
    let failures: Vec<&String> = rows.iter().flat_map(|row| &row.failures).collect();
    if common.json {
        told::line(sum.object((command, parameter), common, wall, &rows))?;
    } else {
        told::line(about)?;
        table(parameter, &rows)?;
        failures.iter().try_for_each(|words| told::line(format_args!("! {words}")))?;
        let failures: Vec<String> = failures.iter().map(|words| (*words).clone()).collect();
        told::line(run::summary(&failures, sum.events, sum.virtual_time, wall))?;
    }
    Ok(Ending::of(!failures.is_empty()))
}

impl Sum {
    /// What `--json` prints of it.
    pub fn object(&self, (command, parameter): (&str, &str), common: &args::Common, wall: Duration, rows: &[Row]) -> Value {
        json!({
            "schema": object::SCHEMA,
            "command": command,
            "parameter": parameter,
            "seed": common.from,
            "sites": self.sites,
            "events": self.events,
            "virtual_seconds": object::seconds(self.virtual_time),
            "wall_seconds": object::seconds(wall),
            "trace_hash": Digest::of("overspill simulate experiment", &self.hashes).to_string(),
            "failures": rows.iter().flat_map(|row| &row.failures).collect::<Vec<_>>(),
            "rows": rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

/// Plays all plots of all arms on all cores.
pub fn play(arms: &[Arm]) -> (Vec<Row>, Sum) {
    let runs: Vec<(usize, &Plot)> = arms.iter().enumerate().flat_map(|(at, arm)| arm.plots.iter().map(move |plot| (at, plot))).collect();
    let found: Vec<(usize, (Outcome, Option<Measures>))> = (0..).zip(on_all_cores(&runs, |(_, plot)| measured(plot))).collect();
    let mut sum = Sum::default();
    for (at, (outcome, _)) in &found {
        sum.sites += runs[*at].1.sites();
        sum.events += outcome.events;
        sum.virtual_time += outcome.virtual_time;
        sum.hashes.extend(outcome.trace_hash.0);
    }
    let rows = arms.iter().enumerate().map(|(arm, Arm { name, .. })| {
        let theirs = found.iter().filter(|(at, _)| runs[*at].0 == arm);
        Row::of(name, theirs.map(|(at, (outcome, measures))| (runs[*at].1.seed, outcome, measures.as_ref())))
    });
    (rows.collect(), sum)
}

impl Row {
    fn of<'a>(name: &str, runs: impl Iterator<Item = (u64, &'a Outcome, Option<&'a Measures>)>) -> Self {
        let mut row = Self { name: name.to_owned(), ..Self::default() };
        let mut values: Vec<Vec<f64>> = vec![Vec::new(); TABLE.len()];
        for (seed, outcome, measures) in runs {
            row.seeds += 1;
            row.failures.extend(outcome.failures.iter().map(|words| format!("{name}, seed {seed}: {words}")));
            for ((all, value), quantity) in values.iter_mut().zip(measures.iter().flat_map(|measures| measures.values())).zip(TABLE) {
                all.push(value as f64 / quantity.scale as f64);
            }
        }
        row.spans = values.iter().map(|all| span(all)).collect();
        row
    }
}

/// Least, mean and greatest.
pub fn span(values: &[f64]) -> (f64, f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0, 0.0);
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, values.iter().sum::<f64>() / values.len() as f64, greatest)
}

fn row(row: &Row) -> Value {
    let quantities = TABLE.iter().zip(&row.spans).map(|(Quantity { name, unit, .. }, (least, mean, greatest))| {
        ((*name).to_owned(), json!({ "unit": unit, "least": least, "mean": mean, "greatest": greatest }))
    });
    json!({ "value": row.name, "seeds": row.seeds, "failures": row.failures.len(), "measures": quantities.collect::<serde_json::Map<_, _>>() })
}

/// The means as a table.
fn table(parameter: &str, rows: &[Row]) -> Result<(), Fault> {
    let width = rows.iter().map(|row| row.name.len()).chain([parameter.len()]).max().unwrap_or_default();
    let heads: Vec<String> =
        TABLE.iter().map(|quantity| format!("{:>12}", format!("{} {}", quantity.name, short(quantity.unit)))).collect();
    told::line(format_args!("{parameter:<width$}  {}", heads.join("  ")))?;
    for row in rows {
        let cells: Vec<String> =
            row.spans.iter().zip(&heads).map(|((_, mean, _), head)| format!("{:>1$}", chart::number(*mean), head.len())).collect();
        told::line(format_args!("{:<width$}  {}", row.name, cells.join("  ")))?;
    }
    Ok(())
}

/// Units that their quantity does not name already.
fn short(unit: &str) -> &str {
    if ["%", "kB"].contains(&unit) { unit } else { "" }
}
