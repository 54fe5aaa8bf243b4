//! `simulate run` and `simulate list`.

use std::time::{Duration, Instant};

use overspill_simulations::scenario::{Plot, Scenario, Size, play::guarded, shipped, text, transcript::perform};

use crate::{
    args,
    ending::{Ending, Fault},
    object,
    progress::Progress,
    told,
};

/// Plays one scenario.
///
/// # Errors
/// When it cannot be read.
pub fn run(options: &args::Run) -> Result<Ending, Fault> {
    options.planted.switch();
    let scenario = match &options.scenario {
        Some(name) => {
            let mut scenario = read(name)?;
            scenario.plot.seed = options.seed.unwrap_or(scenario.plot.seed);
            scenario
        }
        None => drawn(options.seed.unwrap_or_default(), Size { members: options.sites.map(usize::from), length: options.days }),
    };
    play(&scenario, options)
}

/// What a seed draws, with nothing expected of it but that every promise is kept.
pub fn drawn(seed: u64, size: Size) -> Scenario {
    Scenario { plot: Plot::sized(seed, size), expected: Vec::new(), about: String::new() }
}

fn play(scenario: &Scenario, options: &args::Run) -> Result<Ending, Fault> {
    let (name, json) = (options.scenario.as_deref(), options.json);
    if !json {
        told::line(scenario.to_string().trim_end())?;
    }
    let (began, mut progress) = (Instant::now(), Progress::new());
    let mut unwritten = None;
    let outcome = guarded(|| {
        perform(scenario, 0, &mut |line| {
            if json || (options.quiet && !line.contains("  ! ")) {
                progress.show(|| {
                    format!("{} of {} s", line.trim_start().split(' ').next().unwrap_or_default(), scenario.plot.length.as_secs())
                });
            } else if unwritten.is_none() {
                progress.clear();
                unwritten = told::line(line).err();
            }
        })
    });
    progress.clear();
    unwritten.map_or(Ok(()), Err)?;
    let wall = began.elapsed();
    if json {
        told::line(object::run("run", name, scenario, &outcome, wall))?;
    } else {
        told::line(summary(&outcome.failures, outcome.events, outcome.virtual_time, wall))?;
        told::line(format_args!("trace hash {}", outcome.trace_hash))?;
    }
    Ok(Ending::of(!outcome.failures.is_empty()))
}

/// One line of what a run came to.
pub fn summary(failures: &[String], events: u64, virtual_time: Duration, wall: Duration) -> String {
    let kept = if failures.is_empty() { String::from("every promise kept") } else { format!("{} broken", failures.len()) };
    format!("{kept}: {events} events, {:.0} s of virtual time in {:.2} s", virtual_time.as_secs_f64(), wall.as_secs_f64())
}

/// Reads a scenario by its name, or from its file.
///
/// # Errors
/// When it is neither, or not understood.
pub fn read(name: &str) -> Result<Scenario, Fault> {
    let text = match shipped::named(name) {
        Some(text) => text.to_owned(),
        None => std::fs::read_to_string(name).map_err(|error| {
            Fault::new(
                Ending::Usage,
                format!("{name}: neither a scenario that comes along nor a file that can be read ({error})"),
                "`simulate list` names those that come along; docs/src/scenarios.md says how to write one",
            )
        })?,
    };
    text::read(&text).map_err(|mistake| {
        Fault::new(Ending::Usage, format!("{name}, {mistake}"), "mend that line; docs/src/scenarios.md lists all statements")
    })
}

/// Names the scenarios that come along, with what they are about.
///
/// # Errors
/// When nobody can be told.
pub fn list() -> Result<Ending, Fault> {
    for (name, text) in shipped::SHIPPED {
        let about = text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
        told::line(format_args!("{name:<26} {about}"))?;
    }
    Ok(Ending::Kept)
}
