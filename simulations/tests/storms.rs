//! Stories in foul weather, over many seeds: messages lost, doubled and late, connections broken, agents killed between any two outputs.
//!
//! `OVERSPILL_SEEDS` sets how many seeds each story is told with.

use overspill_simulations::{story::Story, world::Faults};

fn seeds(default: u64) -> u64 {
    std::env::var("OVERSPILL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What all stories of a test came to, so that a test in which nothing happened fails.
#[derive(Debug, Default)]
struct Sum {
    deaths: u32,
    receipts: usize,
    guests: u64,
    debts: usize,
}

/// One crowd at each of two sites, one after the other, so that credit moves both ways.
fn two_crowds(seed: u64, sites: usize, faults: Faults, sum: &mut Sum) {
    let mut story = Story::of(seed, sites, Faults { crash: 0, crash_weighty: 0, ..faults });
    story.world.faults = faults;
    story.crowd(0, 80, 12);
    story.crowd(1, 80, 8);
    story.heal();
    story.check();
    sum.deaths += story.deaths();
    sum.receipts += story.receipts();
    sum.guests += story.world.bodies.iter().map(|body| body.server.tally.guests).sum::<u64>();
    sum.debts += usize::from(story.balance(0).0 != 0);
}

#[test]
fn loss_doubling_and_disorder_lose_nothing() {
    let mut sum = Sum::default();
    for seed in 0..seeds(12) {
        two_crowds(seed, 3, Faults { loss: 100_000, doubling: 100_000, latency_max: 300, breaks: 1_000, ..Faults::default() }, &mut sum);
    }
    assert!(sum.receipts > 100 && sum.guests > 1_000 && sum.debts > 0, "{sum:?}");
}

#[test]
fn a_crash_between_any_two_outputs_loses_nothing() {
    let mut sum = Sum::default();
    for seed in 1_000..1_000 + seeds(24) {
        two_crowds(
            seed,
            3,
            Faults { loss: 10_000, doubling: 10_000, latency_max: 50, crash: 4_000, breaks: 500, ..Faults::default() },
            &mut sum,
        );
    }
    assert!(sum.deaths > 20 && sum.receipts > 100 && sum.guests > 1_000 && sum.debts > 0, "{sum:?}");
}

#[test]
fn crashes_around_every_signature_double_nothing() {
    let mut sum = Sum::default();
    for seed in 4_000..4_000 + seeds(24) {
        two_crowds(
            seed,
            3,
            Faults { loss: 30_000, doubling: 30_000, latency_max: 80, crash_weighty: 60_000, ..Faults::default() },
            &mut sum,
        );
    }
    assert!(sum.deaths > 100 && sum.receipts > 100 && sum.guests > 100, "{sum:?}");
}

/// Two sites and a short crowd, with one crash before the `n`-th weighty output from the crowd's onset on. Tells how many there were.
fn one_crash(n: Option<u64>) -> u64 {
    let mut story = Story::of(5, 2, Faults::default());
    story.pass(12);
    let from = story.world.weighty();
    story.world.faults.crash_at = n.map(|n| from + n);
    story.crowd(0, 60, 7);
    story.pass(8);
    let until = story.world.weighty();
    story.heal();
    story.check();
    assert_eq!(story.deaths(), u32::from(n.is_some()));
    until - from
}

#[test]
fn there_is_no_bad_place_to_crash() {
    let places = one_crash(None);
    assert!(places > 30, "{places}");
    let step = (places / seeds(24)).max(1);
    for n in (1..=places).step_by(usize::try_from(step).unwrap()) {
        one_crash(Some(n));
    }
}

#[test]
fn joining_survives_crashes() {
    for seed in 2_000..2_000 + seeds(12) {
        let mut story = Story::of(
            seed,
            3,
            Faults { loss: 50_000, doubling: 50_000, latency_max: 100, crash: 20_000, breaks: 5_000, ..Faults::default() },
        );
        story.heal();
        story.check();
        for site in 0..3 {
            assert!(story.report(site).unwrap().mesh.unwrap().members == 3, "seed {seed}");
        }
    }
}

#[test]
fn five_sites_in_a_storm() {
    let mut sum = Sum::default();
    for seed in 3_000..3_000 + seeds(4) {
        two_crowds(
            seed,
            5,
            Faults { loss: 50_000, doubling: 50_000, latency_max: 100, crash: 2_500, breaks: 1_000, ..Faults::default() },
            &mut sum,
        );
    }
    assert!(sum.deaths > 3 && sum.receipts > 30 && sum.guests > 1_000, "{sum:?}");
}
