//! Models: leases, clearing and votes by the real machines, in every order of messages, losses, copies, deaths and moments up to a bound.
//!
//! The ordinary run looks at a few hundred states. `OVERSPILL_STATES` sets how many different ones each model has to come to:
//! `OVERSPILL_STATES=1000000 cargo test --release -p overspill-simulations --test models -- --nocapture --test-threads 1`
#![expect(clippy::disallowed_types, reason = "a check says how long it took; what a machine did is looked up, never gone through")]

use std::time::Instant;

use stateright::{Checker, Model, Path};

#[path = "models/local.rs"]
mod local;
#[path = "models/plots.rs"]
mod plots;
#[path = "models/store.rs"]
mod store;
#[path = "models/world.rs"]
mod world;

use store::Bug;
use world::{Act, Budget, Mesh, State};

/// A plot with so much mischief at most, and perhaps a bug.
type Make = fn(Budget, Bug) -> Mesh;

/// What is tried from the beginning on, in breadth.
const WIDE: Budget = Budget { moments: 5, losses: 1, doubles: 1, deaths: 1, events: 1 };
/// Two members and one lease come to no more than 285,368 states with that, so they get more mischief.
const WIDER: Budget = Budget { losses: 2, deaths: 2, ..WIDE };
/// What is tried to the end, in depth.
const DEEP: Budget = Budget { moments: 8, losses: 2, doubles: 1, deaths: 2, events: 3 };
/// Most states that are come to again, for each new one.
const AGAIN: usize = 5;
/// States in depth, for each in breadth.
const SHARE: usize = 5;

fn states() -> usize {
    std::env::var("OVERSPILL_STATES").ok().and_then(|text| text.parse().ok()).unwrap_or(150)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The way to a broken promise, in words.
fn told(mesh: &Mesh, property: &str, path: &Path<State, Act>) -> String {
    let acts: Vec<String> = path.clone().into_vec().into_iter().filter_map(|(_, act)| Some(mesh.words(&act?))).collect();
    let last = path.last_state();
    let broken: Vec<String> = mesh.locals(last).iter().flat_map(|local| local.broken.clone()).collect();
    format!("not so: {property}\n  {}\n  {broken:?} {:?}", acts.join("\n  "), mesh.rest(last).err())
}

fn look(mesh: &Mesh, checker: &impl Checker<Mesh>, how: &str, began: Instant) -> usize {
    let [sites, messages, steps] = mesh.store.counts();
    println!(
        "{}, {how}: {} states of {} sites and {messages} messages, {} steps of which {steps} by machines, depth {}, {:.0} s",
        mesh.plot.name,
        checker.unique_state_count(),
        sites,
        checker.state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    );
    let found: Vec<String> = checker.discoveries().iter().map(|(property, path)| told(mesh, property, path)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    checker.unique_state_count()
}

fn check(make: Make, budget: Budget) {
    let (wanted, began) = (states(), Instant::now());
    let wide = make(budget, None).checker().threads(threads()).target_state_count(AGAIN * wanted).spawn_bfs().join();
    assert!(look(wide.model(), &wide, "in breadth", began) >= wanted);
    let began = Instant::now();
    let deep = make(DEEP, None).checker().threads(threads()).target_state_count(wanted / SHARE).spawn_dfs().join();
    look(deep.model(), &deep, "in depth", began);
}

#[test]
fn leases_are_settled_in_every_order() {
    check(plots::settling, WIDER);
}

#[test]
fn circles_of_debts_are_cleared_in_every_order() {
    check(plots::clearing, WIDE);
}

#[test]
fn votes_are_decided_once_and_come_into_force_in_every_order() {
    check(plots::voting, WIDE);
}

/// The counter-example of each of these bugs is found, and told.
#[cfg(feature = "planted")]
mod planted {
    use super::*;
    use overspill_governance::planted::Bug::{
        self, AgreesTooEarly, AllotsUnwritten, CastsUnwritten, ClaimsUnwritten, ForgetsBallots, OpensNothing, ProposesUnwritten,
        RulesTooEarly, RulesUnwritten,
    };

    /// States in which a bug is looked for.
    const STATES: usize = 400_000;

    fn hunt(make: Make, bugs: &[Bug]) {
        let mut missed = Vec::new();
        for bug in bugs {
            let began = Instant::now();
            let mesh = make(WIDE, Some(*bug));
            let any = stateright::HasDiscoveries::Any;
            let checker = mesh.checker().threads(threads()).target_state_count(STATES).finish_when(any).spawn_bfs().join();
            let found = checker.discoveries();
            let first = found.iter().min_by_key(|(_, path)| (*path).clone().into_vec().len());
            println!("{bug:?}: {} states, {:.0} s", checker.unique_state_count(), began.elapsed().as_secs_f64());
            match first {
                Some((property, path)) => println!("{}", told(checker.model(), property, path)),
                None => missed.push(*bug),
            }
        }
        assert!(missed.is_empty(), "not found: {missed:?}");
    }

    #[test]
    fn what_breaks_settling_is_found() {
        hunt(plots::settling, &[ProposesUnwritten, AgreesTooEarly, ClaimsUnwritten, AllotsUnwritten]);
    }

    #[test]
    fn what_breaks_votes_is_found() {
        hunt(plots::voting, &[ForgetsBallots, CastsUnwritten]);
    }

    /// `BelievesAnyRuling` takes a member that lies, of which there is none here.
    #[test]
    fn what_breaks_clearing_is_found() {
        hunt(plots::clearing, &[RulesTooEarly, RulesUnwritten, OpensNothing]);
    }
}
