//! `simulate compare --policies`: ways to share a crowd, over the same crowds.

use std::time::{Duration, Instant};

use overspill_simulations::laboratory::{
    measures::Quantity,
    policies::{POLICIES, SHARED, Stage},
};
use serde_json::{Map, Value, json};

use crate::{
    args,
    chart::{self, Bar},
    cores::on_all_cores,
    ending::{Ending, Fault},
    object, report, run, told,
};

/// Least, mean and greatest.
type Span = (f64, f64, f64);

/// What each policy came to in each quantity, in its unit.
#[derive(Debug, Default)]
pub struct Table {
    pub rows: Vec<(&'static str, Vec<Span>)>,
    failures: Vec<String>,
}

impl Table {
    /// Plays all policies over the seeds.
    pub fn of(members: (usize, usize), minutes: u64, (from, seeds): (u64, u64)) -> Self {
        let stages: Vec<Stage> = (from..from + seeds).map(|seed| Stage::of(seed, members, minutes)).collect();
        let jobs: Vec<(usize, &Stage)> = (0..POLICIES.len()).flat_map(|policy| stages.iter().map(move |stage| (policy, stage))).collect();
        let found = on_all_cores(&jobs, |(policy, stage)| {
            let course = stage.play(POLICIES[*policy].1);
            (course.measure(stage), course.failures)
        });
        let mut table = Self::default();
        for (policy, (name, _)) in POLICIES.iter().enumerate() {
            let mine = || jobs.iter().zip(&found).filter(move |((one, _), _)| *one == policy);
            let all: Vec<Vec<i64>> = mine().map(|(_, (shared, _))| shared.values()).collect();
            let spans = SHARED.iter().enumerate().map(|(at, quantity)| {
                let values: Vec<f64> = all.iter().map(|values| values[at] as f64 / quantity.scale as f64).collect();
                crate::experiment::span(&values)
            });
            table.rows.push((name, spans.collect()));
            table.failures.extend(
                mine().flat_map(|((_, stage), (_, failures))| {
                    failures.iter().map(|words| format!("{name}, seed {}: {words}", stage.plot.seed))
                }),
            );
        }
        table
    }

    /// One quantity as a picture.
    pub fn picture(&self, name: &str) -> String {
        let Some((at, quantity)) = SHARED.iter().enumerate().find(|(_, quantity)| quantity.name == name) else { return String::new() };
        let bars: Vec<Bar> = self.rows.iter().map(|(name, spans)| Bar { name: (*name).to_owned(), value: spans[at].1 }).collect();
        chart::bars(&with_unit(quantity), &bars)
    }

    fn tell(&self) -> Result<(), Fault> {
        let heads: String = SHARED.iter().map(|quantity| format!("{:>13}", quantity.name.replace('_', " "))).collect();
        told::line(format_args!("{:<17}{heads}", "policy"))?;
        for (name, spans) in &self.rows {
            let cells: String = spans.iter().map(|(_, mean, _)| format!("{:>13}", chart::number(*mean))).collect();
            told::line(format_args!("{name:<17}{cells}"))?;
        }
        SHARED
            .iter()
            .try_for_each(|quantity| told::line(format_args!("{:<17}{}", quantity.name.replace('_', " "), with_unit(quantity))))?;
        self.failures.iter().try_for_each(|words| told::line(format_args!("! {words}")))
    }
}

/// What a quantity is, with its unit.
pub fn with_unit(quantity: &Quantity) -> String {
    let unit = if quantity.unit.is_empty() { String::new() } else { format!(" ({})", quantity.unit) };
    format!("{}{unit}", quantity.words.trim_end_matches('.'))
}

/// Plays it.
///
/// # Errors
/// When the report cannot be written.
pub fn compare(options: &args::Compare) -> Result<Ending, Fault> {
    let common = &options.common;
    let began = Instant::now();
    let table =
        Table::of((options.sites.into(), options.riders.into()), u64::from(options.minutes), (common.from, u64::from(common.seeds)));
    let wall = began.elapsed();
    let about = format!(
        "{} sites for {} min, of which {} help nobody and want too much all the time; seeds {} to {}. All but `ours` have planes of \
         control that know everything at once and lose nothing.",
        options.sites,
        options.minutes,
        options.riders,
        common.from,
        common.from + u64::from(common.seeds) - 1
    );
    if let Some(file) = &common.report {
        let pictures: Vec<String> = SHARED.iter().map(|quantity| table.picture(quantity.name)).collect();
        report::write(file, &report::pictures("simulate compare: policies", &about, &pictures, &table.failures))?;
    }
    let virtual_time = Duration::from_secs(u64::from(options.minutes) * 60) * common.seeds * POLICIES.len() as u32;
    if common.json {
        let quantity = |(quantity, (least, mean, greatest)): (&Quantity, &Span)| {
            (quantity.name.to_owned(), json!({ "unit": quantity.unit, "least": least, "mean": mean, "greatest": greatest }))
        };
        let row = |(name, spans): &(&str, Vec<Span>)| -> Value {
            json!({ "value": name, "measures": SHARED.iter().zip(spans).map(quantity).collect::<Map<_, _>>() })
        };
        told::line(json!({
            "schema": object::SCHEMA, "command": "compare", "parameter": "policy", "seed": common.from, "sites": options.sites,
            "virtual_seconds": object::seconds(virtual_time), "wall_seconds": object::seconds(wall), "failures": table.failures,
            "rows": table.rows.iter().map(row).collect::<Vec<_>>(),
        }))?;
    } else {
        told::line(about)?;
        table.tell()?;
        told::line(run::summary(&table.failures, 0, virtual_time, wall))?;
    }
    Ok(Ending::of(!table.failures.is_empty()))
}
