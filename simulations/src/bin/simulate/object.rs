//! The one object that `--json` prints; its schema is `overspill.simulate/1`.

use std::time::Duration;

use overspill_simulations::{
    scenario::{Outcome, Scenario, text::words::kebab},
    sometimes::Met,
};
use serde_json::{Map, Value, json};

pub const SCHEMA: &str = "overspill.simulate/1";

/// What became of one run.
pub fn run(command: &str, name: Option<&str>, scenario: &Scenario, outcome: &Outcome, wall: Duration) -> Value {
    json!({
        "schema": SCHEMA,
        "command": command,
        "scenario": name,
        "seed": scenario.plot.seed,
        "sites": scenario.plot.sites(),
        "events": outcome.events,
        "virtual_seconds": seconds(outcome.virtual_time),
        "wall_seconds": seconds(wall),
        "trace_hash": outcome.trace_hash.to_string(),
        "failures": outcome.failures,
        "promise": outcome.promise,
        "met": met(&outcome.met),
        "plot": scenario.to_string(),
    })
}

/// Seconds to the millisecond.
pub fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e3).round() / 1e3
}

/// How often each condition was met, by its name.
pub fn met(met: &Met) -> Value {
    Value::Object(met.iter().map(|(condition, times)| (kebab(&condition.to_string()), json!(times))).collect::<Map<_, _>>())
}
