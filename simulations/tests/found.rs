//! What drawn runs have found, each told again as a story of its own.

use std::time::Duration;

use overspill_governance::entry::Entry;
use overspill_protocol::{event::Event, io::Command};
use overspill_simulations::{
    conduct::Conduct,
    story::{Story, brisk},
    world::Faults,
};

/// The entries that were lost with a full disk must not be spoken of again, however long nobody answers.
#[test]
fn a_silent_site_repeats_nothing() {
    for silent in [0, 1] {
        let mut story = Story::settled(brisk(), 1, 3);
        story.pass(20);
        story.world.bodies[silent].disk.full = true;
        story.world.faults = Faults { loss: 300_000, ..Faults::default() };
        story.crowd(0, 100, 10);
        assert!(story.report(silent).unwrap().silent && story.told(silent, |event| matches!(event, Event::Silent { .. })) == 1);
        assert!(story.world.checkers.violations().is_empty(), "{:?}", story.world.checkers.violations());
        story.heal();
        story.check();
    }
}

#[test]
fn who_upgrades_first_is_not_cut_off() {
    let mut story = Story::settled(brisk(), 2, 3);
    story.world.behave(0, Conduct::Newer);
    story.world.behave(1, Conduct::Older);
    story.pass(20);
    story.crowd(0, 100, 30);
    let newer = story.world.bodies[0].id;
    for site in [1, 2] {
        let report = story.report(site).unwrap();
        let partner = report.partners.iter().find(|partner| partner.site == newer).unwrap();
        assert!(partner.connected && partner.passed_over > 20, "{partner:?}");
    }
    assert!(story.world.bodies[0].server.tally.spilled > 500);
    story.heal();
    story.check();
}

#[test]
fn leases_with_who_has_left_are_given_up() {
    let mut story = Story::settled(brisk(), 3, 3);
    story.pass(20);
    story.world.want(0, 100);
    story.pass(5);
    // One helper never hears of its end from the owner itself.
    story.world.cut(0, 1, true);
    story.pass(3);
    story.world.command(0, Command::Leave);
    let kept = |story: &Story| story.report(1).unwrap().leases.len();
    assert!(kept(&story) > 0);
    story.world.run(Duration::from_secs(200));
    assert_eq!(story.report(1).unwrap().mesh.unwrap().members, 2, "the third site told of it");
    assert_eq!(kept(&story), 0);
}

/// A departure is final as soon as it is in the ledger; a crash right after must not keep it from everybody for ever.
#[test]
fn a_departure_that_a_crash_kept_back_is_told_all_the_same() {
    let mut kept_back = 0;
    for seed in 0..8 {
        let mut story = Story::settled(brisk(), seed, 3);
        story.pass(20);
        let weighty = story.world.weighty();
        story.world.command(1, Command::Leave);
        story.world.faults.crash_at = Some(weighty + 2);
        story.pass(60);
        let left = story.ledger(1).iter().any(|entry| matches!(entry, Entry::Departed(_)));
        kept_back += usize::from(left && story.deaths() == 1);
        for site in [0, 2] {
            assert_eq!(story.report(site).unwrap().mesh.unwrap().members, if left { 2 } else { 3 }, "seed {seed}");
        }
    }
    assert!(kept_back > 0, "no crash came between the entry and its telling");
}

/// The same when nobody heard it the first time, and nothing crashed.
#[test]
fn a_departure_that_nobody_heard_is_told_again() {
    let mut story = Story::settled(brisk(), 4, 3);
    story.pass(20);
    story.world.faults.loss = 1_000_000;
    story.world.command(1, Command::Leave);
    story.pass(2);
    assert_eq!(story.report(0).unwrap().mesh.unwrap().members, 3);
    story.world.faults.loss = 0;
    story.pass(60);
    assert_eq!((story.report(0).unwrap().mesh.unwrap().members, story.report(2).unwrap().mesh.unwrap().members), (2, 2));
}

/// A plan that stood behind an entry is lost with it when the disk fails. The data plane must not go on by the plan before.
#[test]
fn a_plan_that_was_lost_with_an_entry_is_made_again() {
    let mut story = Story::settled(brisk(), 5, 2);
    story.pass(20);
    story.world.want(0, 100);
    while !story.is_sent_to(0, 1) {
        story.pass_ms(1);
    }
    // Its lease is lost before anybody was served: it ends at once, which is an entry, and then a plan without it.
    story.world.bodies[0].disk.broken = true;
    story.world.crash(1, Duration::from_millis(100));
    story.pass(3);
    assert!(story.report(0).unwrap().silent);
    assert!(!story.is_sent_to(0, 1));
    story.world.want(0, 0);
    story.heal();
    story.check();
}

/// A helper is away until after its owner was removed by a vote, or has left: nobody settles any more what was open between them.
#[test]
fn what_is_unsettled_with_who_is_gone_is_lost() {
    let mut story = Story::settled(brisk(), 6, 3);
    story.pass(20);
    story.world.want(0, 100);
    story.pass(3);
    let served = story.world.bodies[1].server.tally.guests;
    assert!(served > 0);
    story.world.cut(0, 1, true);
    story.world.want(0, 0);
    story.world.command(0, Command::Leave);
    story.pass(200);
    assert_eq!(story.report(1).unwrap().mesh.unwrap().members, 2, "the third site told of it");
    story.heal();
    story.check();
}
