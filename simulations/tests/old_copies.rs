//! Stories of ledgers that are old copies, or gone: nothing is signed before the other end was heard, and everything goes on afterwards.

use std::time::Duration;

use overspill_governance::{entry::Entry, units::Credit};
use overspill_protocol::{event::Event, io::Command};
use overspill_simulations::{
    story::{Story, brisk},
    world::Faults,
};

const MOMENT: Duration = Duration::from_millis(500);

/// A mesh of three in which the first owes both others, and more than in the copy of its ledger.
fn with_old_copy(seed: u64) -> Story {
    let mut story = Story::of(seed, 3, Faults { latency_max: 5, ..Faults::default() });
    story.pass(15);
    story.crowd(0, 100, 8);
    story.pass(15);
    story.world.bodies[0].disk.keep_copy();
    story.crowd(0, 100, 8);
    story.pass(15);
    story
}

fn signed(story: &Story, site: usize) -> usize {
    let signs = |entry: &Entry| matches!(entry, Entry::Proposed { .. } | Entry::Agreed { .. } | Entry::Cast(_) | Entry::Ruled(_));
    story.ledger(site).iter().filter(|entry| signs(entry)).count()
}

fn may_sign(story: &Story, site: usize, other: usize) -> bool {
    let other = story.world.bodies[other].id;
    story.report(site).is_some_and(|report| report.lines.iter().any(|line| line.partner == other && !line.frozen))
}

fn end(mut story: Story) {
    story.heal();
    story.check();
}

#[test]
fn who_hears_nobody_signs_nothing_and_serves_on() {
    let mut story = with_old_copy(31);
    let before = story.balance(0);
    story.world.cut(0, 1, true);
    story.world.cut(0, 2, true);
    story.world.put_copy_back(0, MOMENT);
    story.pass(1);
    let written = signed(&story, 0);
    let served = story.world.bodies[0].server.tally.own;
    story.crowd(0, 30, 20);
    assert_eq!(signed(&story, 0), written);
    assert!(story.world.bodies[0].server.tally.own > served, "its visitors are served");
    story.world.cut(0, 1, false);
    story.world.cut(0, 2, false);
    story.pass(20);
    assert_eq!(story.told(0, |event| *event == Event::Recovered), 1);
    assert!(story.balance(0) <= before && before < Credit::ZERO, "what it owed it owes");
    story.crowd(0, 100, 8);
    assert!(story.is_sent_to(0, 1) || signed(&story, 0) > written, "and it is helped again");
    end(story);
}

#[test]
fn a_partner_that_is_away_holds_up_its_own_line_alone() {
    let mut story = with_old_copy(32);
    story.world.cut(0, 2, true);
    story.world.put_copy_back(0, MOMENT);
    story.pass(20);
    assert!(may_sign(&story, 0, 1) && !may_sign(&story, 0, 2));
    story.world.want(0, 60);
    story.pass(5);
    assert!(story.is_sent_to(0, 1) && !story.is_sent_to(0, 2));
    story.world.want(0, 0);
    story.world.cut(0, 2, false);
    story.pass(40);
    assert!(may_sign(&story, 0, 2));
    end(story);
}

#[test]
fn whoever_left_hears_so_when_an_old_copy_comes_back() {
    let mut story = with_old_copy(33);
    story.world.command(0, Command::Leave);
    story.pass(200);
    story.world.put_copy_back(0, MOMENT);
    story.pass(20);
    let departed = |entry: &Entry| matches!(entry, Entry::Departed(_));
    assert!(story.ledger(0).iter().any(departed), "it is told its own word");
    let written = signed(&story, 0);
    story.crowd(0, 100, 10);
    assert_eq!(signed(&story, 0), written);
}

#[test]
fn a_key_is_enough_for_a_founder_too() {
    for site in 0..3 {
        let mut story = Story::settled(brisk(), 34, 3);
        story.pass(15);
        story.crowd(site, 100, 8);
        story.pass(15);
        let before = story.balance(site);
        story.world.lose_disk(site, MOMENT);
        story.pass(1);
        story.world.recover(site, (site + 1) % 3);
        story.pass(20);
        assert_eq!((story.balance(site), before < Credit::ZERO), (before, true));
        assert!((0..3).filter(|other| *other != site).all(|other| may_sign(&story, site, other)));
        story.crowd(site, 100, 8);
        end(story);
    }
}

#[test]
fn who_is_no_member_is_told_so() {
    let mut story = with_old_copy(35);
    let stranger = story.world.add_site();
    story.pass(2);
    story.world.recover(stranger, 1);
    story.pass(60);
    let answer = story.world.bodies[stranger].answers.last().cloned();
    assert!(answer.is_some_and(|answer| answer.is_err()), "nobody is let in by this door");
    assert!(story.report(stranger).is_some_and(|report| report.mesh.is_none()));
    end(story);
}

#[test]
fn nobody_returns_by_a_wrong_clock() {
    let mut story = with_old_copy(36);
    story.world.lose_disk(1, MOMENT);
    story.world.bodies[1].clock.offset_ms = 600_000;
    story.pass(1);
    story.world.recover(1, 0);
    story.pass(5);
    let refused = story.world.bodies[1].answers.last().cloned().and_then(Result::err);
    assert!(refused.is_some_and(|words| words.contains("set the one that is wrong")), "its lines would stay shut for ten minutes");
    story.world.bodies[1].clock.offset_ms = 0;
    story.world.recover(1, 0);
    story.pass(20);
    assert!(may_sign(&story, 1, 0) && may_sign(&story, 1, 2));
    end(story);
}

/// Its wish for a new epoch is of a day that for its partners has not come. Set right, the clock shuts the lines no longer.
#[test]
fn two_ends_that_wait_for_each_other_do_not_chase_each_other() {
    let mut story = with_old_copy(37);
    story.world.bodies[0].clock.offset_ms = 600_000;
    story.world.put_copy_back(0, MOMENT);
    story.pass(20);
    assert_eq!(story.told(0, |event| *event == Event::Recovered), 1);
    assert_eq!(story.told(0, |event| matches!(event, Event::Renewed { .. })), 0);
    let tail = story.world.trace.tail();
    let heads = tail.lines().filter(|line| line.contains("sends Head")).count();
    assert!((1..=40).contains(&heads) && tail.lines().count() > 100, "{heads} of {}", tail.lines().count());
    story.world.bodies[0].clock.offset_ms = 0;
    story.pass(90);
    assert!(may_sign(&story, 0, 1) && may_sign(&story, 0, 2));
    end(story);
}

/// What a line has missed, its leases have missed: a process that ends in between must not have its successor pay for them again.
#[test]
fn the_leases_of_a_line_that_began_anew_end_with_its_old_epoch() {
    let mut story = with_old_copy(38);
    story.world.bodies[0].disk.keep_copy();
    story.crowd(0, 100, 4);
    story.world.put_copy_back(0, MOMENT);
    story.pass(20);
    let ledger = story.ledger(0);
    let recovered = ledger.iter().position(|entry| matches!(entry, Entry::Recovered { .. })).unwrap();
    let renewed = |site: usize| {
        let id = story.world.bodies[site].id;
        ledger.iter().position(|entry| matches!(entry, Entry::Renewed { with, .. } if *with == id)).unwrap()
    };
    let ended = |lease| ledger.iter().position(|entry| matches!(entry, Entry::LeaseEnded { lease: ended } if *ended == lease));
    let mut missed = 0;
    for site in [1, 2] {
        let helper = story.world.bodies[site].id;
        for entry in &ledger[..recovered] {
            let Entry::Allotted(allotment) = entry else { continue };
            if allotment.body.helper == helper {
                let at = ended(allotment.body.lease);
                assert!(at.is_some_and(|at| at < renewed(site)), "a crash after the line began anew would bring it back");
                missed += usize::from(at > Some(recovered));
            }
        }
    }
    assert!(missed > 0);
    end(story);
}
