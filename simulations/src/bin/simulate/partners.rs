//! `simulate partners`: what it is worth to seek partners by merit, in a mesh that is too large for everybody to be everybody's.

use std::time::{Duration, Instant};

use overspill_simulations::laboratory::economics::partners::{Found, Stage};
use serde_json::{Value, json};

use crate::{
    args,
    cores::on_all_cores,
    ending::{Ending, Fault},
    object, run, told,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Plays it.
///
/// # Errors
/// When what was found cannot be written.
pub fn partners(options: &args::Partners) -> Result<Ending, Fault> {
    let acquainted = MINUTE * options.minutes.into();
    let seeds = options.from..options.from.saturating_add(u64::from(options.seeds));
    let stages: Vec<Stage> = seeds.map(|seed| Stage { sites: options.sites.into(), acquainted, seed }).collect();
    let began = Instant::now();
    let found = on_all_cores(&stages, Stage::play);
    let wall = began.elapsed();
    let broken =
        |(stage, found): (&Stage, &Found)| found.failures.iter().map(|words| format!("seed {}: {words}", stage.seed)).collect::<Vec<_>>();
    let failures: Vec<String> = stages.iter().zip(&found).flat_map(broken).collect();
    if options.json {
        let rows: Vec<Value> = stages.iter().zip(&found).map(|(stage, found)| row(stage, found)).collect();
        told::line(json!({
            "schema": object::SCHEMA, "command": "partners", "sites": options.sites, "minutes": options.minutes,
            "failures": failures, "rows": rows,
        }))?;
    } else {
        told::line(format_args!(
            "{} sites, few of them large; small ones are struck at the beginning, and in a second world after {} minutes.",
            options.sites, options.minutes
        ))?;
        told::line("| seed | offered to a small site, by lot | by merit | refused spill, by lot | by merit | places exchanged |")?;
        told::line("|--:|--:|--:|--:|--:|--:|")?;
        for (stage, found) in stages.iter().zip(&found) {
            let ([lot, merit], [at_first, at_last]) = (found.offered, found.spills.map(|spill| spill.share() as f64 / 10.0));
            told::line(format_args!("| {} | {lot}/s | {merit}/s | {at_first} % | {at_last} % | {} |", stage.seed, found.exchanges))?;
        }
        failures.iter().try_for_each(|words| told::line(format_args!("! {words}")))?;
        let events = found.iter().map(|found| found.events).sum();
        told::line(run::summary(&failures, events, acquainted * options.seeds, wall))?;
    }
    Ok(Ending::of(!failures.is_empty()))
}

fn row(stage: &Stage, found: &Found) -> Value {
    let spill = |at: usize| {
        let spill = found.spills[at];
        json!({ "offered": found.offered[at], "sent": spill.sent, "refused": spill.refused, "hopeless": spill.hopeless })
    };
    json!({ "seed": stage.seed, "by_lot": spill(0), "by_merit": spill(1), "exchanges": found.exchanges, "events": found.events })
}
