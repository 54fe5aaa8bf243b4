//! Stories in fair weather: each part of the protocol does what it is for. What needs no look into a machine is a scenario (`scenarios/`).

use std::{collections::BTreeSet, sync::Arc};

use overspill_protocol::{event::Event, io::Command};
use overspill_simulations::{
    story::{Story, brisk},
    world::Faults,
};

const FAIR: Faults =
    Faults { loss: 0, doubling: 0, latency_max: 5, crash: 0, breaks: 0, crash_weighty: 0, crash_at: None, manifests_lost_at: None };

#[test]
fn everybody_knows_everybody() {
    let mut story = Story::of(1, 5, FAIR);
    story.pass(30);
    for site in 0..5 {
        let report = story.report(site).unwrap();
        assert_eq!(report.mesh.unwrap().members, 5);
        assert_eq!(report.partners.iter().filter(|partner| partner.connected && partner.proved).count(), 4);
        assert_eq!(report.strangers, 0);
    }
    story.check();
}

#[test]
fn what_is_hot_stands_by_with_a_partner_before_any_crowd_and_with_another_when_that_one_is_gone() {
    let mut story = Story::of(3, 3, FAIR);
    let holders = |story: &Story| -> Vec<usize> {
        let owner = &story.world.bodies[0];
        let digest = owner.server.digest();
        (1..3).filter(|site| story.world.bodies[*site].server.holds(&owner.id, &digest)).collect()
    };
    story.pass(30);
    let before = holders(&story);
    assert_eq!(before.len(), 1, "one partner holds it, though there was no lease");
    assert_eq!(story.told(0, |event| matches!(event, Event::LeaseHeld { .. })), 0);
    story.world.stop(before[0], true);
    story.pass(60);
    assert_eq!(holders(&story).len(), 2, "the other holds it too, since the first was not heard of any more");
    story.world.stop(before[0], false);
    story.heal();
    story.check();
}

#[test]
fn a_guest_without_a_certificate_is_not_taken() {
    let mut story = Story::of(5, 2, FAIR);
    let leases = |story: &Story| story.told(0, |event| matches!(event, Event::LeaseHeld { as_owner: true, .. }));
    story.world.bodies[1].server.certified = Some(Arc::new(vec![String::from("blog.example")]));
    story.pass(15);
    story.crowd(0, 100, 10);
    assert_eq!(leases(&story), 0, "visitors would be shown a certificate for another name");
    let name = format!("{}.{}", story.world.bodies[0].id.short(), story.world.bodies[1].stated_suffix);
    story.world.bodies[1].server.certified = Some(Arc::new(vec![name]));
    story.crowd(0, 100, 30);
    assert!(leases(&story) > 0, "it is asked again, and has one meanwhile");
    story.heal();
    story.check();
}

/// Offers are taken until they suffice; where credit pays for a moment of an offer only, that takes more of them.
#[test]
fn as_many_helpers_are_asked_as_are_needed() {
    let helpers = |newcomer_limit: i64| {
        let rules = [("newcomer_limit", newcomer_limit), ("unsettled_cap", 2_000)];
        let charter = rules.into_iter().fold(brisk(), |charter, (name, value)| charter.with(name, value).unwrap());
        let mut story = Story::settled(charter, 9, 7);
        story.pass(15);
        story.crowd(0, 100, 3);
        let held = story.world.bodies[0].events.iter().filter_map(|event| match event {
            Event::LeaseHeld { partner, as_owner: true, .. } => Some(*partner),
            _ => None,
        });
        let helpers = held.collect::<BTreeSet<_>>().len();
        story.heal();
        story.check();
        helpers
    };
    // 80 requests a second are too many, and half more are asked for; each of six offers 54.
    assert_eq!(helpers(1_000_000), 3);
    assert_eq!(helpers(6_000), 6, "each lease is good for a few seconds of that");
}

#[test]
fn one_seed_is_one_run() {
    let hash = |seed| {
        let faults = Faults { loss: 20_000, doubling: 20_000, latency_max: 80, crash: 300, breaks: 300, ..Faults::default() };
        let mut story = Story::of(seed, 3, faults);
        story.crowd(1, 80, 10);
        story.world.trace.hash()
    };
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}

#[test]
fn for_whom_nothing_is_carried_there_are_no_leases_and_no_copies_until_that_is_taken_back() {
    let mut story = Story::of(7, 3, FAIR);
    story.pass(20);
    let (owner, helper) = (story.world.bodies[0].id, 1);
    story.world.want(0, 100);
    story.pass(10);
    assert!(story.is_sent_to(0, helper) && story.is_sent_to(0, 2));
    story.world.command(helper, Command::Stop { members: BTreeSet::from([owner]) });
    story.pass(2);
    assert!(!story.is_sent_to(0, helper) && story.is_sent_to(0, 2), "its lease is lost to the owner within a beat, the other's is not");
    let now = story.world.now_of(0).time;
    let seen = story.world.bodies[0].server.observe(now);
    let digests: Vec<_> = seen.hot.iter().map(|hot| hot.digest).collect();
    let holds = |story: &Story| digests.iter().any(|digest| story.world.bodies[helper].server.holds(&owner, digest));
    assert!(!holds(&story), "its copies are gone");
    story.pass(60);
    assert!(!story.is_sent_to(0, helper) && !holds(&story), "and it takes none again");
    let held = |story: &Story| story.report(helper).unwrap().leases.iter().filter(|lease| !lease.as_owner && lease.phase.is_live()).count();
    assert_eq!(held(&story), 0);
    story.world.command(helper, Command::Stop { members: BTreeSet::new() });
    story.pass(20);
    assert!(story.is_sent_to(0, helper), "it carries again");
    story.world.want(0, 0);
    story.heal();
    story.check();
}
