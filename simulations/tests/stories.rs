//! Stories in fair weather: each part of the protocol does what it is for.

use overspill_protocol::event::Event;
use overspill_simulations::{story::Story, world::Faults};

const FAIR: Faults =
    Faults { loss: 0, doubling: 0, latency_max: 5, crash: 0, breaks: 0, crash_weighty: 0, crash_at: None, forgetful: false };

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
fn partners_carry_a_crowd_and_are_paid_for_it() {
    let mut story = Story::of(2, 3, FAIR);
    story.pass(15);
    story.crowd(0, 100, 30);
    let tally = story.world.bodies[0].server.tally;
    assert!(tally.spilled * 10 >= (tally.spilled + tally.shed) * 9, "{tally:?}");
    let onset = story.world.bodies[0].events.iter().any(|event| matches!(event, Event::LeaseHeld { as_owner: true, .. }));
    assert!(onset);
    story.heal();
    story.check();
    assert!(story.balance(0).0 < 0 && story.balance(1).0 > 0 && story.balance(2).0 > 0);
    assert_eq!(story.balance(0).0 + story.balance(1).0 + story.balance(2).0, 0);
    assert_eq!(story.told(0, |event| matches!(event, Event::CrowdBegan)), 1);
    assert_eq!(story.told(0, |event| matches!(event, Event::CrowdEnded)), 1);
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
