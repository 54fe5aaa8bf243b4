//! Models: every order of events up to a bound, with the real machines.

use std::time::Instant;

use stateright::{Checker, Model};

#[path = "models/local.rs"]
mod local;
#[path = "models/plots.rs"]
mod plots;
#[path = "models/store.rs"]
mod store;
#[path = "models/world.rs"]
mod world;

use world::{Budget, Mesh};

fn check(mesh: Mesh, states: usize) {
    let began = Instant::now();
    let name = mesh.plot.name;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = mesh.checker().threads(threads).target_state_count(states).spawn_bfs().join();
    let found = checker.discoveries();
    println!(
        "{name}: {} states, {} generated, depth {}, {:?} sites, messages and steps, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        checker.model().store.counts(),
        began.elapsed().as_secs_f64()
    );
    for (property, path) in &found {
        println!("{property}:");
        for (state, act) in path.clone().into_vec() {
            println!("  {:?} -> {act:?}", state.millis);
            let _ = state;
        }
        let last = path.last_state();
        for local in checker.model().locals(last) {
            println!("  {:?}", local.broken);
        }
        println!("  {:?}", checker.model().open_after_healing(last));
    }
    assert!(found.is_empty(), "{name}: {:?}", found.keys());
}

fn states() -> usize {
    std::env::var("OVERSPILL_STATES").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000)
}

const LEFT: Budget = Budget { moments: 4, losses: 1, doubles: 1, deaths: 1, events: 2 };

#[test]
fn settling() {
    check(plots::settling(LEFT, None), states());
}

#[test]
fn clearing() {
    check(plots::clearing(LEFT, None), states());
}

#[test]
fn voting() {
    check(plots::voting(Budget { events: 1, ..LEFT }, None), states());
}
