//! The demonstration, small: the same processes, relays and visitors as in the great one, for a few seconds.

use std::{collections::BTreeSet, process::Command};

use serde_json::{Value, json};

/// Runs a tiny demonstration and returns what it prints.
fn demonstrate(arguments: &[&str]) -> Value {
    let report = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_overspill"));
    command.args(["demo", "--json", "--pages", "4", "--seconds", "3", "--report"]).arg(report.path()).args(arguments);
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = std::fs::read_to_string(report.path()).expect("the report is there");
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg"), "the report has charts");
    serde_json::from_slice(&output.stdout).expect("one JSON object on standard output")
}

fn fields(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

const MESH: [&str; 14] = [
    "helpers",
    "factor",
    "seed",
    "carried_ratio",
    "helper_bytes",
    "onset_to_first_redirect_ms",
    "end_to_share_below_1pct_ms",
    "end_to_last_lease_ms",
    "owner_copies_per_object",
    "origin_in_flight_max",
    "origin_limit_max",
    "credit_moved",
    "credit_sum",
    "fault",
];
const ARM: [&str; 7] = ["requests", "right_bytes", "right_bytes_ratio", "errors", "p50_ms", "p95_ms", "p99_ms"];

#[test]
fn a_calm_crowd_is_served_by_a_bare_origin() {
    let told = demonstrate(&["--arms", "bare", "--factor", "0.5"]);
    assert_eq!(told["schema"], "overspill.demo/1");
    assert!(ARM.iter().all(|field| fields(&told["bare_origin"]).contains(field)), "{told}");
    assert!(told["agent_alone"].is_null() && told["mesh"].is_null());
    assert_eq!(told["bare_origin"]["ends"]["wrong"], 0, "every body is what the visitors expected");
    assert!(told["bare_origin"]["right_bytes"].as_u64().is_some_and(|bytes| bytes > 100_000), "{told}");
}

#[test]
fn an_access_log_is_replayed() {
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let line = |second: usize, path: &str, size: usize| {
        format!("192.0.2.1 - - [10/Oct/2025:13:55:{second:02} +0000] \"GET {path} HTTP/1.1\" 200 {size}\n")
    };
    let lines = (0..40).flat_map(|at| [line(at, "/story/", 9_000), line(at, "/story.css?v=2", 4_321), line(at, "/all.iso", 90_000_000)]);
    std::fs::write(log.path(), lines.collect::<String>() + "not a line of a log\n").expect("the log is written");
    let log = log.path().to_str().expect("a plain path");
    let told = demonstrate(&["--arms", "bare", "--factor", "0.4", "--log", log]);
    let bare = &told["bare_origin"];
    assert!(bare["requests"].as_u64().is_some_and(|requests| requests > 4), "{told}");
    assert_eq!(bare["ends"]["wrong"], 0, "{told}");
    let account = &told["log"];
    assert_eq!(
        (&account["lines"], &account["requests"], &account["odd"], &account["first_odd"]),
        (&json!(121), &json!(120), &json!(1), &json!(121))
    );
    assert_eq!(account["too_large"]["requests"], 40, "what cannot come in time is counted: {told}");
}

#[test]
fn a_crowd_is_carried_by_two_helpers() {
    let told = demonstrate(&["--arms", "mesh", "--helpers", "2", "--factor", "12"]);
    for field in MESH {
        assert!(fields(&told).contains(field), "the object has no {field}");
    }
    let mesh = &told["mesh"];
    assert!(ARM.iter().all(|field| fields(mesh).contains(field)), "{told}");
    assert_eq!(mesh["ends"]["wrong"], 0, "every body is what the visitors expected: {told}");
    assert!(mesh["right_bytes"].as_u64().is_some_and(|bytes| bytes > 100_000), "{told}");
    let carried: u64 = told["helper_bytes"].as_array().expect("a list").iter().filter_map(Value::as_u64).sum();
    assert!(carried > 0, "helpers carried something: {told}");
    assert_eq!(mesh["carried"]["helpers"], told["helper_bytes"]);
    assert!(told["credit_moved"].as_i64().is_some_and(|moved| moved > 0), "and were credited for it: {told}");
    assert_eq!((&told["credit_sum"], &told["unsettled"]), (&json!(0), &json!(0)), "both ends of every line agree: {told}");
    assert_eq!((&told["ledgers_whole"], &told["ledgers_read"]), (&json!(3), &json!(3)));
}

#[test]
fn what_cannot_be_run_is_refused_in_words() {
    for (arguments, word) in [(["--helpers", "0"], "--helpers"), (["--factor", "0"], "--factor"), (["--log", "/nowhere"], "/nowhere")] {
        let output = Command::new(env!("CARGO_BIN_EXE_overspill")).arg("demo").args(arguments).output().expect("the program runs");
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains(word), "{word}");
    }
    let series = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(series.path(), "timestamp,value\n2015-02-26 21:42:53,104\n").expect("the series is written");
    let output =
        Command::new(env!("CARGO_BIN_EXE_overspill")).args(["demo", "--log"]).arg(series.path()).output().expect("the program runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("of its 2 lines, 2 are not of that format"), "{said}");
}
