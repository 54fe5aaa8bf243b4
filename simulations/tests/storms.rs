//! Stories in foul weather, over many seeds: messages lost, doubled and late, connections broken, agents killed between any two outputs.
//!
//! `OVERSPILL_SEEDS` sets how many seeds each story is told with.

use overspill_simulations::{story::Story, world::Faults};

fn seeds(default: u64) -> u64 {
    std::env::var("OVERSPILL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One crowd at each of two sites, one after the other, so that credit moves both ways.
fn two_crowds(seed: u64, sites: usize, faults: Faults) {
    let mut story = Story::of(seed, sites, Faults { crash: 0, ..faults });
    story.world.faults = faults;
    story.crowd(0, 80, 12);
    story.crowd(1, 80, 8);
    story.heal();
    story.check();
}

#[test]
fn loss_doubling_and_disorder_lose_nothing() {
    for seed in 0..seeds(12) {
        two_crowds(seed, 3, Faults { loss: 100_000, doubling: 100_000, latency_max: 300, crash: 0, breaks: 1_000 });
    }
}

#[test]
fn a_crash_between_any_two_outputs_loses_nothing() {
    for seed in 1_000..1_000 + seeds(24) {
        two_crowds(seed, 3, Faults { loss: 10_000, doubling: 10_000, latency_max: 50, crash: 4_000, breaks: 500 });
    }
}

#[test]
fn joining_survives_crashes() {
    for seed in 2_000..2_000 + seeds(12) {
        let mut story = Story::of(seed, 3, Faults { loss: 50_000, doubling: 50_000, latency_max: 100, crash: 20_000, breaks: 5_000 });
        story.heal();
        story.check();
        for site in 0..3 {
            assert!(story.report(site).unwrap().mesh.unwrap().members == 3, "seed {seed}");
        }
    }
}

#[test]
fn five_sites_in_a_storm() {
    for seed in 3_000..3_000 + seeds(4) {
        two_crowds(seed, 5, Faults { loss: 50_000, doubling: 50_000, latency_max: 100, crash: 1_500, breaks: 1_000 });
    }
}
