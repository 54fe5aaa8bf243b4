//! Stories of lines: what a member saw of a partner, and what either end disputes, decides what the line carries from then on.

use overspill_governance::{regard::Note, units::Credit};
use overspill_protocol::{event::Event, io::Command, report::LineReport};
use overspill_simulations::story::{Story, brisk};

/// Visitors wait for a while, so that whoever would help does.
fn crowd(story: &mut Story) -> [bool; 2] {
    story.world.want(0, 100);
    story.pass(6);
    let sent = [1, 2].map(|helper| story.is_sent_to(0, helper));
    story.world.want(0, 0);
    story.pass(70);
    sent
}

fn dispute(story: &mut Story, site: usize, with: usize, open: bool) {
    let reason = open.then(|| "Those were not my visitors.".into());
    let partner = story.world.bodies[with].id;
    story.world.command(site, Command::Dispute { partner, reason });
    story.pass(3);
}

fn line(story: &Story, site: usize, with: usize) -> LineReport {
    let partner = story.world.bodies[with].id;
    let found = story.report(site).and_then(|report| report.lines.into_iter().find(|line| line.partner == partner));
    found.unwrap_or_else(|| story.fail("there is no such line"))
}

#[test]
fn a_disputed_line_carries_no_new_lease_until_the_dispute_is_taken_back() {
    for (site, with) in [(0, 1), (1, 0)] {
        let mut story = Story::settled(brisk(), 5, 3);
        story.pass(15);
        assert_eq!(crowd(&mut story), [true, true]);
        dispute(&mut story, site, with, true);
        assert!(line(&story, 0, 1).is_disputed() && line(&story, 1, 0).is_disputed() && !line(&story, 0, 2).is_disputed());
        assert_eq!(crowd(&mut story), [false, true], "disputed by {site}");
        story.world.crash(0, core::time::Duration::from_secs(1));
        story.world.crash(1, core::time::Duration::from_secs(1));
        story.pass(15);
        assert_eq!(crowd(&mut story), [false, true], "nobody forgets it");
        dispute(&mut story, with, site, false);
        assert!(line(&story, 0, 1).is_disputed(), "it is not the other end's to take back");
        dispute(&mut story, site, with, false);
        assert_eq!(crowd(&mut story), [true, true]);
        story.heal();
        story.check();
    }
}

#[test]
fn a_dispute_that_the_partner_missed_is_told_when_it_is_back() {
    let mut story = Story::settled(brisk(), 6, 3);
    story.pass(15);
    story.crowd(0, 100, 4);
    story.world.cut(0, 1, true);
    dispute(&mut story, 0, 1, true);
    assert!(!line(&story, 1, 0).is_disputed());
    story.world.cut(0, 1, false);
    story.pass(20);
    assert!(line(&story, 1, 0).is_disputed());
    story.heal();
    story.check();
}

#[test]
fn who_is_gone_in_the_middle_of_helping_is_granted_less_by_whom_it_helped() {
    let charter = brisk().with("lease_length", 60).expect("within the bounds");
    let mut story = Story::settled(charter, 7, 3);
    story.pass(15);
    story.world.want(0, 100);
    story.pass(5);
    assert!(story.is_sent_to(0, 1));
    story.world.stop(1, true);
    story.pass(40);
    story.world.stop(1, false);
    story.world.want(0, 0);
    story.pass(20);
    let seen = |event: &Event| matches!(event, Event::Noted { note: Note::Undelivered, .. });
    assert_eq!(story.told(0, seen), 1, "one breach, however many leases");
    story.world.crash(0, core::time::Duration::from_secs(1));
    story.pass(10);
    let line = line(&story, 0, 1);
    assert_eq!((line.breaches.len(), line.granted), (1, Credit(line.limit_given.0 - line.limit_given.0 / 4)), "a restart forgives nothing");
    story.heal();
    story.check();
}
