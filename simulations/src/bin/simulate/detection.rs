//! `simulate detection`: how soon everybody convicts a member that says two things.

use std::time::{Duration, Instant};

use overspill_simulations::laboratory::detection::{Detected, MATTERS, Matter};
use serde_json::{Value, json};

use crate::{
    args,
    cores::on_all_cores,
    ending::{Ending, Fault},
    object, run, told,
};

/// Parts of the honest members, in per cent.
const PARTS: [usize; 4] = [1, 50, 99, 100];

/// Plays them.
///
/// # Errors
/// When what was found cannot be written.
pub fn detection(options: &args::Detection) -> Result<Ending, Fault> {
    let seeds = options.from..options.from.saturating_add(u64::from(options.seeds));
    let wanted = |name: &&str| options.of.is_empty() || options.of.iter().any(|of| of == name);
    let jobs: Vec<(&str, Matter, u64)> = MATTERS
        .iter()
        .filter(|(name, _)| wanted(name))
        .flat_map(|(name, matter)| seeds.clone().map(move |seed| (*name, *matter, seed)))
        .collect();
    let began = Instant::now();
    let found = on_all_cores(&jobs, |(_, matter, seed)| matter.play(options.sites.into(), *seed));
    let wall = began.elapsed();
    let failures: Vec<String> = jobs
        .iter()
        .zip(&found)
        .flat_map(|((name, _, seed), detected)| detected.failures.iter().map(move |words| format!("{name}, seed {seed}: {words}")))
        .collect();
    if options.json {
        let rows: Vec<Value> = jobs.iter().zip(&found).map(|((name, _, seed), detected)| row(name, *seed, detected)).collect();
        told::line(
            json!({ "schema": object::SCHEMA, "command": "detection", "sites": options.sites, "failures": failures, "rows": rows }),
        )?;
    } else {
        told::line(format_args!(
            "{} sites; milliseconds from when the second thing was first said until so many of the honest members had convicted.",
            options.sites
        ))?;
        told::line("| matter | runs | first | half | 99 % | all | honest accused by |")?;
        told::line("|---|--:|--:|--:|--:|--:|--:|")?;
        for (name, _) in MATTERS.iter().filter(|(name, _)| wanted(name)) {
            told::line(summary(name, jobs.iter().zip(&found).filter(|((of, ..), _)| of == name).map(|(_, detected)| detected)))?;
        }
        failures.iter().try_for_each(|words| told::line(format_args!("! {words}")))?;
        let (events, virtual_time) =
            found.iter().fold((0, Duration::ZERO), |(events, time), one| (events + one.events, time + one.virtual_time));
        told::line(run::summary(&failures, events, virtual_time, wall))?;
    }
    let missed = found.iter().any(|detected| detected.after.len() < detected.honest || detected.accusers > 0);
    Ok(Ending::of(!failures.is_empty() || missed))
}

/// The slowest of all runs for each part: what holds for these holds for the others.
fn summary<'a>(name: &str, found: impl Iterator<Item = &'a Detected>) -> String {
    let found: Vec<&Detected> = found.collect();
    let slowest = |percent: &usize| {
        let within: Option<Vec<u64>> = found.iter().map(|detected| detected.within(*percent)).collect();
        within.and_then(|within| within.into_iter().max()).map_or_else(|| String::from("never"), |millis| millis.to_string())
    };
    let accusers: usize = found.iter().map(|detected| detected.accusers).sum();
    format!("| {name} | {} | {} | {accusers} |", found.len(), PARTS.iter().map(slowest).collect::<Vec<_>>().join(" | "))
}

fn row(name: &str, seed: u64, detected: &Detected) -> Value {
    let within = |percent| detected.within(percent);
    json!({
        "matter": name, "seed": seed, "honest": detected.honest, "convicted_by": detected.after.len(), "accusers": detected.accusers,
        "first_ms": within(1), "half_ms": within(50), "p99_ms": within(99), "all_ms": within(100),
        "events": detected.events, "virtual_seconds": detected.virtual_time.as_secs(),
    })
}
