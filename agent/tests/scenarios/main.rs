//! The simulator's scenarios, played by real agents: each site in a network namespace of its own, with a firewall between them.
//!
//! All of it happens in namespaces of processes, mounts and networks that `unshare` makes and that vanish with it, so that nothing of the machine is
//! touched or left behind. A machine that lets nobody make namespaces, or lacks `ip` or `nft`, is told of and passed over.
//!
//! `OVERSPILL_SCENARIO=FILE cargo test -p overspill --test scenarios -- --nocapture one_of_your_own` plays a file.
#![allow(clippy::unwrap_used)]

mod beside;
mod books;
mod machine;
mod measure;
mod net;
mod origin;
mod pace;
mod site;
mod stage;
mod visitors;

use std::{env, fs};

use overspill_simulations::scenario::{shipped, text};

use stage::Outcome;

/// Those of the scenarios that come along that real agents can play: nobody lies in them, no clock is wrong, and all that is done can be done from outside.
const PLAYED: [&str; 9] = [
    "two_sites_one_crowd",
    "partners_carry_a_crowd",
    "helper_dies",
    "owner_dies_in_its_crowd",
    "partition_heals",
    "disk_full",
    "member_leaves_in_mid_crowd",
    "slow_and_lossy",
    "everyone_struck_at_once",
];

/// Names a scenario, or a file, that somebody wants to see.
const OWN: &str = "OVERSPILL_SCENARIO";
/// Which scenario a run inside the namespaces plays.
const NAME: &str = "OVERSPILL_SCENARIO_ON_STAGE";

#[test]
fn real_agents_do_as_scenarios_expect() {
    machine::play(&PLAYED);
}

/// Plays the scenario that `OVERSPILL_SCENARIO` names; without it there is nothing to play.
#[test]
fn one_of_your_own() {
    if let Ok(name) = env::var(OWN) {
        machine::play(&[&name]);
    }
}

/// What the others start in namespaces of its own.
#[test]
fn inside() {
    let Ok(name) = env::var(NAME) else { return };
    let text = shipped::named(&name).map_or_else(|| fs::read_to_string(&name), |text| Ok(text.to_owned()));
    let text = text.unwrap_or_else(|error| panic!("{name}: {error}; `simulate list` names what comes along, a file wants its whole path"));
    let scenario = text::read(&text).unwrap_or_else(|mistake| panic!("{name}: {mistake}"));
    let Outcome { broken, unexpected, fell_behind } = stage::play(&scenario);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    if let Some(how) = fell_behind.filter(|_| !unexpected.is_empty()) {
        panic!("{}: {how}\n{}", machine::TOO_SLOW, unexpected.join("\n"));
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
}
