//! Stories of single mishaps: a helper stopped or killed, clocks wrong, disks full, peers that speak garbage, members that leave.

use std::{collections::BTreeSet, time::Duration};

use overspill_protocol::{
    event::Event,
    io::Command,
    limits::{MISSPEAK_BAN, PROOF_AGAIN, PROOF_RETRY_MAX},
};
use overspill_simulations::{
    story::{Story, brisk},
    world::Faults,
};

/// A mesh of three in which the first site has had a crowd for some seconds.
fn in_mid_crowd(seed: u64) -> Story {
    let mut story = Story::of(seed, 3, Faults { latency_max: 5, ..Faults::default() });
    story.pass(15);
    story.world.want(0, 100);
    story.pass(3);
    assert!(story.is_sent_to(0, 1) && story.is_sent_to(0, 2));
    story
}

fn end(mut story: Story) {
    for site in 0..story.world.bodies.len() {
        story.world.want(site, 0);
    }
    story.heal();
    story.check();
}

#[test]
fn a_stopped_helper_gets_no_visitors_within_two_seconds() {
    let mut story = in_mid_crowd(10);
    story.world.stop(1, true);
    story.pass_ms(1_900);
    assert!(!story.is_sent_to(0, 1) && story.is_sent_to(0, 2));
    story.pass(3);
    story.world.stop(1, false);
    story.pass(5);
    end(story);
}

#[test]
fn a_killed_helper_gets_no_visitors_at_once() {
    let mut story = in_mid_crowd(11);
    story.world.crash(1, Duration::from_secs(5));
    story.pass_ms(20);
    assert!(!story.is_sent_to(0, 1) && story.is_sent_to(0, 2));
    story.pass(15);
    assert!(story.is_sent_to(0, 1), "it came back and was asked again");
    end(story);
}

/// What a helper wrote down before it died may be newer than what its owner counted last.
#[test]
fn a_last_claim_that_is_ahead_of_the_owners_count_is_paid_in_whole() {
    let mut story = in_mid_crowd(14);
    story.world.bodies[0].blind = true;
    story.pass_ms(1_500);
    story.world.crash(1, Duration::from_millis(1));
    story.pass(2);
    story.world.bodies[0].blind = false;
    assert!(story.told(0, |event| matches!(event, Event::ClaimReduced { .. })) == 0);
    end(story);
}

#[test]
fn a_partner_that_is_not_there_is_dialled_again_without_waiting_for_an_answer() {
    let mut story = in_mid_crowd(13);
    let them = story.world.bodies[1].id.short();
    story.world.crash(1, Duration::from_secs(20));
    let mut dials = BTreeSet::new();
    for _ in 0..200 {
        story.pass_ms(50);
        let dialled = format!("site 0 dials {them} (1)");
        dials.extend(story.world.trace.tail().lines().filter(|line| line.ends_with(&dialled)).map(str::to_owned));
    }
    // With pauses of 0.5 s, 1 s, 2 s and 4 s between them; an unanswered dial alone would take 5 s.
    assert!((4..=6).contains(&dials.len()), "{dials:?}");
    story.pass(15);
    assert!(story.is_sent_to(0, 1), "it came back and was asked again");
    end(story);
}

#[test]
fn a_host_that_changes_hands_gets_no_new_visitors() {
    let mut story = in_mid_crowd(21);
    story.world.want(0, 0);
    story.world.bodies[1].mute_host = true;
    // Nothing is asked again before three quarters of the pause.
    story.world.run(PROOF_AGAIN * 2 / 3);
    story.world.want(0, 100);
    story.pass(10);
    assert!(story.is_sent_to(0, 1) && story.is_sent_to(0, 2), "nobody knows yet");
    let is_known = |story: &Story| !story.report(0).unwrap().partners.iter().all(|partner| partner.guest_proved);
    let until = story.world.now().after(PROOF_AGAIN * 5 / 8);
    while !is_known(&story) && story.world.now() < until {
        story.pass(1);
    }
    assert!(is_known(&story) && !story.is_sent_to(0, 1) && story.is_sent_to(0, 2), "in the middle of a crowd");
    story.pass(15);
    assert!(!story.is_sent_to(0, 1), "its lease has no successor either");
    story.world.want(0, 0);
    story.world.bodies[1].mute_host = false;
    story.world.run(PROOF_RETRY_MAX);
    story.world.want(0, 100);
    story.pass(5);
    assert!(story.is_sent_to(0, 1), "and it is the partner's again");
    end(story);
}

#[test]
fn a_cut_link_ends_serving_and_is_settled_when_it_is_mended() {
    let mut story = in_mid_crowd(12);
    story.world.cut(0, 1, true);
    story.pass(12);
    let served = story.world.bodies[1].server.tally.guests;
    story.pass(3);
    assert_eq!(story.world.bodies[1].server.tally.guests, served, "a helper without the owner's word serves nothing");
    story.world.cut(0, 1, false);
    end(story);
}

#[test]
fn a_clock_ten_minutes_off_keeps_a_site_out_of_leases_and_nothing_else() {
    let mut story = Story::of(13, 3, Faults::default());
    story.world.bodies[1].clock.offset_ms = 600_000;
    story.pass(60);
    story.crowd(0, 100, 10);
    assert!(story.told(0, |event| matches!(event, Event::ClocksApart { .. })) >= 1);
    assert_eq!(story.world.bodies[1].server.tally.guests, 0);
    assert!(story.world.bodies[2].server.tally.guests > 0);
    assert_eq!(story.told(0, |event| matches!(event, Event::Misspoke { .. })), 0, "a wrong clock is no misdeed");
    story.world.bodies[1].clock.offset_ms = 0;
    story.pass(60);
    story.crowd(0, 100, 10);
    assert!(story.world.bodies[1].server.tally.guests > 0, "a mended clock is forgiven");
    end(story);
}

#[test]
fn a_clock_one_minute_off_is_allowed_for() {
    let mut story = Story::of(14, 2, Faults::default());
    story.world.bodies[1].clock.offset_ms = -60_000;
    story.pass(30);
    story.world.want(0, 50);
    story.pass(5);
    let offset = story.world.bodies[0].server.plan().and_then(|plan| plan.spill.first().map(|spill| spill.clock_offset_ms));
    assert!(offset.is_some_and(|offset| (-60_100..=-59_900).contains(&offset)), "{offset:?}");
    end(story);
}

#[test]
fn a_full_disk_silences_a_site_that_goes_on_serving() {
    for site in [0, 1] {
        let mut story = in_mid_crowd(15);
        story.world.bodies[site].disk.full = true;
        story.pass(20);
        assert!(story.report(site).unwrap().silent);
        let entries = story.world.bodies[site].disk.entries();
        let own = story.world.bodies[site].server.tally.own;
        story.pass(10);
        assert_eq!(story.world.bodies[site].disk.entries(), entries);
        assert!(site != 0 || story.world.bodies[site].server.tally.own > own);
        story.world.bodies[site].disk.full = false;
        story.world.crash(site, Duration::from_secs(1));
        end(story);
    }
}

#[test]
fn a_partner_that_speaks_garbage_is_left_alone_for_a_while() {
    let mut story = in_mid_crowd(16);
    for at in 0..20_u8 {
        story.world.garble(1, 0, vec![at; 100]);
    }
    story.pass(1);
    let connected = |story: &Story| {
        let partner = story.world.bodies[1].id;
        story.report(0).unwrap().partners.iter().any(|report| report.site == partner && report.connected)
    };
    assert!(!connected(&story) && !story.is_sent_to(0, 1) && story.is_sent_to(0, 2));
    assert_eq!(story.told(0, |event| matches!(event, Event::Shunned { .. })), 1, "and the owner hears of it");
    story.pass(MISSPEAK_BAN.as_secs() + 40);
    assert!(connected(&story), "the ban ends");
    end(story);
}

#[test]
fn a_helper_stops_at_the_unsettled_cap() {
    let charter = brisk().with("unsettled_cap", 2_000).unwrap();
    let mut story = Story::under(charter, 17, 2, Faults { loss: 0, ..Faults::default() });
    story.pass(15);
    story.world.want(0, 70);
    story.pass(2);
    // Nothing is settled any more, while visitors keep coming.
    story.world.cut(0, 1, true);
    for _ in 0..80 {
        story.pass_ms(100);
        for lease in story.report(1).unwrap().leases {
            // What a tick serves before the plan closes may go beyond.
            let worth = i64::from(lease.used_requests) * 29 - lease.settled.0;
            assert!(worth <= 2_000 + 5 * 29, "{lease:?}");
        }
    }
    story.world.cut(0, 1, false);
    end(story);
}

#[test]
fn who_leaves_settles_first_and_does_not_come_back() {
    let mut story = in_mid_crowd(18);
    story.world.command(1, Command::Leave);
    story.pass(60);
    assert!(story.world.bodies[1].answers.contains(&Ok(overspill_protocol::event::Answer::Left)));
    assert_eq!(story.report(0).unwrap().mesh.unwrap().members, 2);
    assert_eq!(story.report(1).unwrap().mesh, None);
    let token = story.invite(0).unwrap();
    assert!(story.redeem(1, &token).unwrap_err().contains("final"));
    end(story);
}

#[test]
fn a_purge_reaches_helpers_within_a_second() {
    let mut story = in_mid_crowd(19);
    let generation = |story: &Story| story.world.bodies[1].server.plan().unwrap().host.iter().map(|host| host.manifest.generation).max();
    let before = generation(&story);
    story.world.purge(0);
    story.pass(1);
    assert!(generation(&story) > before);
    end(story);
}

#[test]
fn a_helper_that_does_not_confirm_a_purge_gets_no_visitors_until_it_does() {
    let mut story = in_mid_crowd(21);
    story.world.faults.manifests_lost_at = Some(1);
    story.world.purge(0);
    story.pass_ms(900);
    assert!(story.is_sent_to(0, 1) && story.is_sent_to(0, 2), "it may still confirm");
    // It beats on: it is not its silence by which it is known.
    story.pass_ms(400);
    assert!(!story.is_sent_to(0, 1) && story.is_sent_to(0, 2));
    story.pass(5);
    assert!(!story.is_sent_to(0, 1) && story.is_sent_to(0, 2));
    let served = story.world.bodies[1].server.tally.guests;
    story.pass(1);
    assert_eq!(story.world.bodies[1].server.tally.guests, served, "and it serves nothing meanwhile");
    story.world.faults.manifests_lost_at = None;
    story.pass_ms(1_500);
    assert!(story.is_sent_to(0, 1) && story.is_sent_to(0, 2));
    end(story);
}

#[test]
fn a_helper_cannot_send_a_crowd_to_somebody_else() {
    let mut story = Story::of(20, 3, Faults::default());
    story.world.bodies[1].stated_suffix = String::from("victim.example");
    story.world.crash(1, Duration::from_millis(100));
    story.pass(40);
    story.crowd(0, 100, 10);
    assert_eq!(story.world.bodies[1].server.tally.guests, 0);
    assert!(story.world.bodies[2].server.tally.guests > 0);
    assert!(story.told(0, |event| matches!(event, Event::Unproven { .. })) >= 1);
    end(story);
}
