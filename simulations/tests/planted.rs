//! Planted bugs: each is found by the checkers within 500 seeds, and which seed it took is printed.
//!
//! `cargo test --release -p overspill-simulations --features planted --test planted -- --nocapture`
//! `OVERSPILL_BUG` names a single one.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
};

use overspill_governance::planted::{Bug, switch};
use overspill_simulations::{
    cores,
    scenario::{Plot, run, text},
};

const SEEDS: u64 = 500;

/// The first seed that finds a bug, and the first thing that was found.
fn find(bug: Bug) -> Option<(u64, String)> {
    switch(Some(bug));
    let found = (0..SEEDS).find_map(|seed| {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&Plot::of(seed)).failures));
        let first = match outcome {
            Ok(failures) => failures.into_iter().next()?,
            Err(_) => String::from("it panics"),
        };
        Some((seed, first))
    });
    switch(None);
    found
}

#[test]
fn every_planted_bug_is_found() {
    let chosen = std::env::var("OVERSPILL_BUG").ok();
    let bugs: Vec<Bug> = Bug::ALL.iter().copied().filter(|bug| chosen.as_ref().is_none_or(|name| *name == format!("{bug:?}"))).collect();
    let found = cores::on_all(&bugs, |bug| (*bug, find(*bug)));
    let missed: Vec<Bug> = found.iter().filter(|(_, found)| found.is_none()).map(|(bug, _)| *bug).collect();
    for (bug, found) in &found {
        let (seeds, words) = found.as_ref().map_or((String::from("never"), ""), |(seed, words)| ((seed + 1).to_string(), words.as_str()));
        println!("{:<22} {seeds:>5}  {}", format!("{bug:?}"), words.chars().take(110).collect::<String>());
    }
    assert!(missed.is_empty(), "not found in {SEEDS} seeds: {missed:?}");
}

/// What is not switched on is not there: the same seeds pass.
#[test]
fn a_bug_that_is_not_switched_on_does_nothing() {
    for seed in 0..20 {
        let outcome = run(&Plot::of(seed));
        assert!(outcome.failures.is_empty(), "{}\n{}", Plot::of(seed), outcome.failures.join("\n"));
    }
}

/// The program stops at the first seed that finds the bug, and makes its plot smaller; the smaller one breaks the same promise.
#[test]
fn a_broken_seed_is_made_smaller() {
    let found = Command::new(env!("CARGO_BIN_EXE_simulate"))
        .args(["seeds", "500", "--bug", "BelievesAnyCount", "--tries", "120", "--json"])
        .output()
        .expect("the program can be run");
    let object: serde_json::Value = serde_json::from_slice(&found.stdout).expect("it prints an object");
    assert_eq!(found.status.code(), Some(1));
    assert!(object["replay"].as_str().is_some_and(|command| command.ends_with(" --bug BelievesAnyCount")), "{object}");
    let lines = |name: &str| object[name].as_str().map_or(0, |plot| plot.lines().filter(|line| line.starts_with("at ")).count());
    assert!(lines("smaller_plot") < lines("plot") && lines("smaller_plot") > 0, "{object}");
    let smaller = text::read(object["smaller_plot"].as_str().unwrap_or_default()).expect("a plot is read as it is printed");
    switch(Some(Bug::BelievesAnyCount));
    let again = run(&smaller.plot);
    switch(None);
    assert_eq!(again.promise.as_deref(), object["promise"].as_str());
    assert!(run(&smaller.plot).failures.is_empty(), "without the bug nothing is broken");
}
