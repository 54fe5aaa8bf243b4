//! `simulate seeds`: many seeds on all cores, up to the first that breaks a promise.

use std::{
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::channel,
    },
    time::{Duration, Instant},
};

use overspill_governance::digest::Digest;
use overspill_simulations::{
    scenario::{Outcome, Plot, Scenario, Size, play::guarded, run, shrink, shrink::Shrunk},
    sometimes::Met,
};
use serde_json::json;

use crate::{
    args,
    ending::{Ending, Fault},
    object,
    progress::Progress,
    run::{drawn, summary},
    told,
};

/// Failures that are printed of a run; the first ones tell.
const FAILURES_SHOWN: usize = 4;

/// What the seeds came to.
#[derive(Debug, Default)]
struct Sum {
    played: u64,
    sites: usize,
    events: u64,
    virtual_time: Duration,
    met: Met,
    /// Of each seed, for one hash of them all.
    hashes: Vec<(u64, Digest)>,
    broken: Option<(u64, Outcome)>,
}

/// Plays the seeds.
///
/// # Errors
/// When what was found cannot be told or saved.
pub fn seeds(options: &args::Seeds) -> Result<Ending, Fault> {
    let Some(end) = options.from.checked_add(options.count) else {
        return Err(Fault::new(Ending::Usage, "the last seed is above 2^64", "begin with a smaller --from"));
    };
    // A panic is a broken promise, which is told in one line below.
    std::panic::set_hook(Box::new(|_| ()));
    let began = Instant::now();
    let mut sum = play_all(options, end);
    let wall = began.elapsed();
    // Seeds behind the first that breaks a promise may or may not have been played: they do not count.
    let first = sum.broken.as_ref().map_or(end, |(seed, _)| *seed);
    sum.hashes.retain(|(seed, _)| *seed <= first);
    sum.hashes.sort_unstable_by_key(|(seed, _)| *seed);
    let bytes: Vec<u8> = sum.hashes.iter().flat_map(|(_, hash)| hash.0).collect();
    let hash = Digest::of("overspill simulate seeds", &bytes);
    let failures = sum.broken.as_ref().map_or(&[][..], |(_, outcome)| &outcome.failures);
    let shrunk = match &sum.broken {
        Some((seed, outcome)) => {
            if !options.json {
                tell_broken(options, *seed, outcome)?;
            }
            made_smaller(options, *seed, outcome)?
        }
        None => None,
    };
    if options.json {
        let seed = sum.broken.as_ref().map(|(seed, _)| *seed);
        let smaller = shrunk.as_ref().map(|shrunk| scenario(shrunk).to_string());
        told::line(json!({
            "schema": object::SCHEMA,
            "command": "seeds",
            "seed": options.from,
            "count": options.count,
            "played": sum.played,
            "sites": sum.sites,
            "events": sum.events,
            "virtual_seconds": object::seconds(sum.virtual_time),
            "wall_seconds": object::seconds(wall),
            "trace_hash": hash.to_string(),
            "failures": failures,
            "failed_seed": seed,
            "promise": sum.broken.as_ref().and_then(|(_, outcome)| outcome.promise.clone()),
            "replay": seed.map(|seed| replay(options, seed)),
            "plot": seed.map(|seed| drawn(seed, Size::default()).to_string()),
            "plot_trace_hash": sum.broken.as_ref().map(|(_, outcome)| outcome.trace_hash.to_string()),
            "smaller_plot": smaller,
            "shrink_tries": shrunk.as_ref().map(|shrunk| shrunk.tries),
            "met": object::met(&sum.met),
        }))?;
    } else {
        told::line(format_args!("{} seeds from {}, {}", sum.played, options.from, summary(failures, sum.events, sum.virtual_time, wall)))?;
        told::line(format_args!("trace hash of all {hash}"))?;
    }
    Ok(Ending::of(sum.broken.is_some()))
}

/// Plays the seeds on all cores. No seed is begun behind one that broke a promise; all before it are played to their ends.
fn play_all(options: &args::Seeds, end: u64) -> Sum {
    let (next, stop) = (AtomicU64::new(options.from), AtomicU64::new(end));
    let (sender, played) = channel();
    let work = |sender: std::sync::mpsc::Sender<(u64, usize, Outcome)>| {
        options.planted.switch();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= stop.load(Ordering::Relaxed) {
                return;
            }
            let plot = Plot::of(seed);
            let outcome = guarded(|| run(&plot));
            if !outcome.failures.is_empty() {
                stop.fetch_min(seed, Ordering::Relaxed);
            }
            if sender.send((seed, plot.sites(), outcome)).is_err() {
                return;
            }
        }
    };
    let (mut sum, mut progress) = (Sum::default(), Progress::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let sender = sender.clone();
            scope.spawn(move || work(sender));
        }
        drop(sender);
        for (seed, sites, outcome) in played {
            sum.add(seed, sites, outcome);
            progress.show(|| format!("{} of {} seeds, {} events", sum.played, options.count, sum.events));
        }
    });
    progress.clear();
    sum
}

impl Sum {
    fn add(&mut self, seed: u64, sites: usize, outcome: Outcome) {
        self.played += 1;
        self.sites += sites;
        self.events += outcome.events;
        self.virtual_time += outcome.virtual_time;
        self.met.add(&outcome.met);
        self.hashes.push((seed, outcome.trace_hash));
        if !outcome.failures.is_empty() && self.broken.as_ref().is_none_or(|(first, _)| seed < *first) {
            self.broken = Some((seed, outcome));
        }
    }
}

fn tell_broken(options: &args::Seeds, seed: u64, outcome: &Outcome) -> Result<(), Fault> {
    told::line(format_args!("seed {seed} breaks a promise:"))?;
    for words in outcome.failures.iter().take(FAILURES_SHOWN) {
        told::line(format_args!("  ! {words}"))?;
    }
    told::line(format_args!("play it again: {}", replay(options, seed)))
}

/// The command that plays a seed again.
fn replay(options: &args::Seeds, seed: u64) -> String {
    format!("simulate run --seed {seed}{}", options.planted.flag())
}

/// Makes the plot smaller, tells it, and saves it where that was asked for.
fn made_smaller(options: &args::Seeds, seed: u64, outcome: &Outcome) -> Result<Option<Shrunk>, Fault> {
    if options.tries == 0 {
        return Ok(None);
    }
    options.planted.switch();
    let mut progress = Progress::new();
    let shrunk = shrink(
        &Plot::of(seed),
        outcome,
        options.tries,
        |plot| guarded(|| run(plot)),
        |tries, plot| {
            progress.show(|| {
                format!("smaller: try {tries} of {}, {} sites and {} actions left", options.tries, plot.sites(), plot.actions.len())
            });
        },
    );
    progress.clear();
    let text = scenario(&shrunk).to_string();
    if !options.json {
        let end = if shrunk.done { "nothing more can be left out" } else { "there were no more tries" };
        told::line(format_args!(
            "--- the same promise, smaller ({} tries; {end}); as a file it is a scenario to `simulate run`:",
            shrunk.tries
        ))?;
        told::line(text.trim_end())?;
        told::line("---")?;
    }
    if let Some(file) = &options.save {
        std::fs::write(file, &text).map_err(|error| {
            Fault::new(Ending::System, format!("{}: {error}", file.display()), "name a file that can be written, and run it again")
        })?;
    }
    Ok(Some(shrunk))
}

/// The smaller plot as a scenario that says what it is about.
fn scenario(shrunk: &Shrunk) -> Scenario {
    let about =
        format!("Breaks a promise: {}", shrunk.outcome.failures.first().map_or("", |words| words.lines().next().unwrap_or_default()));
    Scenario { plot: shrunk.plot.clone(), expected: Vec::new(), about }
}
