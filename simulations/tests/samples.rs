//! Samples: a helper that alters what it serves is found by whom it cannot tell from visitors, and nobody else is taken for one.

use std::time::Duration;

use overspill_governance::{regard::Note, testimony::TURN, units::Credit};
use overspill_protocol::event::Event;
use overspill_simulations::{
    conduct::Conduct,
    sometimes::Sometimes,
    story::{Story, brisk},
};

/// A mesh whose last member behaves in its own way, after a crowd of so many seconds at the first.
fn crowded(seed: u64, sites: usize, conduct: Conduct, seconds: u64) -> Story {
    let mut story = Story::settled(brisk().with("sample_share", 50).expect("within its range"), seed, sites);
    story.world.behave(sites - 1, conduct);
    story.crowd(0, 100, seconds);
    story
}

fn altered(story: &Story, site: usize) -> usize {
    story.told(site, |event| matches!(event, Event::Altered { .. }))
}

#[test]
fn who_alters_files_is_found_and_gets_no_more_visitors() {
    let mut story = crowded(5, 4, Conduct::Tampers, 120);
    let tamperer = story.world.bodies[3].id;
    assert!((0..3).any(|site| altered(&story, site) > 0));
    assert!(story.told(0, |event| *event == Event::Noted { partner: tamperer, note: Note::Altered }) > 0);
    assert!(!story.is_sent_to(0, 3));
    story.heal();
    story.check();
}

#[test]
fn honest_helpers_are_sampled_and_nothing_follows() {
    for seed in 0..8 {
        let mut story = crowded(seed, 4, Conduct::Honest, 60);
        assert!(story.world.met.times(Sometimes::SampledWell) > 10, "seed {seed}");
        assert_eq!((0..4).map(|site| story.told(site, |event| matches!(event, Event::Noted { .. }))).sum::<usize>(), 0, "seed {seed}");
        assert!((1..4).all(|site| story.is_sent_to(0, site)) || story.balance(0) < Credit::ZERO);
        story.heal();
        story.check();
    }
}

fn suspended(story: &Story, site: usize) -> usize {
    story.told(site, |event| matches!(event, Event::Suspended { .. }))
}

/// What an owner finds, the drawn members look at: where enough of them find it, nobody takes help there.
#[test]
fn drawn_members_who_agree_suspend_a_helper_for_a_while() {
    let mut story = Story::settled(brisk().with("sample_share", 50).and_then(|charter| charter.with("suspension", 600)).unwrap(), 5, 8);
    let tamperer = story.world.bodies[7].id;
    // Who came in within an hour is not drawn in it.
    story.pass(TURN.as_secs());
    story.world.behave(7, Conduct::Tampers);
    story.world.bodies[7].alters = 1_000_000;
    story.crowd(0, 300, 60);
    assert!((0..7).all(|site| suspended(&story, site) == 1), "{:?}", (0..7).map(|site| suspended(&story, site)).collect::<Vec<_>>());
    story.crowd(1, 300, 30);
    assert!(!story.is_sent_to(1, 7), "who never had a lease of it takes none");
    assert_eq!(story.told(1, |event| matches!(event, Event::LeaseHeld { partner, as_owner: true, .. } if *partner == tamperer)), 0);
    // Who was away is told when it comes back, and one that starts again remembers by what others tell it.
    story.world.crash(2, Duration::from_secs(1));
    story.pass(20);
    assert_eq!(suspended(&story, 2), 2);
    // It ends by the calendar.
    story.world.behave(7, Conduct::Honest);
    story.pass(TURN.as_secs() + 600);
    story.crowd(1, 300, 30);
    assert!(
        story.is_sent_to(1, 7)
            || story.told(1, |event| matches!(event, Event::LeaseHeld { partner, as_owner: true, .. } if *partner == tamperer)) > 0
    );
    story.heal();
    story.check();
}

/// One that looks at addresses serves members well. Whose samples come from elsewhere finds it as soon as any other.
#[test]
fn who_serves_members_addresses_well_is_found_by_others() {
    let plain = crowded(6, 3, Conduct::Selects, 120);
    assert_eq!((0..3).map(|site| altered(&plain, site)).sum::<usize>(), 0, "it sees who asks");
    let mut veiled = Story::settled(brisk().with("sample_share", 50).unwrap(), 6, 3);
    veiled.world.bodies.iter_mut().for_each(|body| body.veiled = true);
    veiled.world.behave(2, Conduct::Selects);
    veiled.crowd(0, 100, 120);
    assert!((0..2).any(|site| altered(&veiled, site) > 0));
}

/// A mesh that is cut in two, helpers that stop and die: nobody is taken for a cheat.
#[test]
fn no_mishap_makes_a_cheat_of_anybody() {
    for seed in 0..6 {
        let mut story = Story::settled(brisk().with("sample_share", 200).unwrap(), seed, 6);
        for site in 0..6 {
            story.world.want(site, if site < 2 { 150 } else { 0 });
        }
        story.pass(10);
        for (one, other) in (0..3).flat_map(|one| (3..6).map(move |other| (one, other))) {
            story.world.cut(one, other, true);
        }
        story.pass(15);
        story.world.purge(0);
        story.world.stop(4, true);
        story.pass(10);
        story.world.crash(5, Duration::from_secs(2));
        story.world.want(0, 0);
        story.world.want(1, 0);
        story.heal();
        assert_eq!((0..6).map(|site| suspended(&story, site) + altered(&story, site)).sum::<usize>(), 0, "seed {seed}");
        story.check();
    }
}

/// Samples until the one that alters one answer in a hundred is found; `None`: not within 300.
fn samples_until_found(seed: u64, conduct: Conduct, veiled: bool) -> Option<u64> {
    let mut story = Story::settled(brisk().with("sample_share", 200).expect("within its range"), seed, 2);
    story.world.checkers.blind = true;
    story.world.bodies[0].veiled = veiled;
    story.world.behave(1, conduct);
    story.world.bodies[1].alters = 10_000;
    story.world.want(0, 80);
    loop {
        story.pass(1);
        let taken = story.world.bodies[0].server.tally.sampled;
        if altered(&story, 0) > 0 {
            return (taken <= 300).then_some(taken);
        }
        if taken > 300 || story.world.now().as_micros() > 3_600_000_000 {
            return None;
        }
    }
}

/// `OVERSPILL_SEEDS=1000 cargo test --release -p overspill-simulations --test samples -- --nocapture odds`
#[test]
fn odds_of_finding_one_altered_answer_in_a_hundred_within_300_samples() {
    let seeds = std::env::var("OVERSPILL_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(24_u64);
    let found = |conduct, veiled| (0..seeds).filter(|seed| samples_until_found(*seed, conduct, veiled).is_some()).count() as f64;
    let rows = [("alters for anybody", Conduct::Tampers, false), ("spares members' addresses", Conduct::Selects, true)];
    let expected = 1.0 - 0.99_f64.powi(300);
    for (name, conduct, veiled) in rows {
        let share = found(conduct, veiled) / seeds as f64;
        println!("{name}: found within 300 samples in {:.1} % of {seeds} worlds; expected {:.1} %", 100.0 * share, 100.0 * expected);
        // Four standard deviations.
        assert!(share >= expected - 4.0 * (expected * (1.0 - expected) / seeds as f64).sqrt(), "{name}: {share}");
    }
    let spared = (0..seeds.min(50)).filter(|seed| samples_until_found(*seed, Conduct::Selects, false).is_some()).count();
    println!("spares members' addresses, and samples come from one: found in {spared} of {} worlds", seeds.min(50));
    assert_eq!(spared, 0);
}
