//! Stories of quotas: what one member has of what a site carries for others, by the second, by the day, and by the hour.

use core::time::Duration;

use overspill_governance::units::{ByteRate, Bytes, RequestRate};
use overspill_protocol::{
    io::Caps,
    lease::table::Phase,
    quota::{Hours, Quota},
};
use overspill_simulations::{
    story::{Story, brisk},
    world::caps,
};

/// The crowded site, its only helper, and a second site that wants help of it.
const OWNER: usize = 0;
const HELPER: usize = 1;
const OTHER: usize = 2;

/// Three sites that have known each other for long, one of which helps within `caps`; nobody else helps.
fn helped_within(seed: u64, caps: Caps) -> Story {
    let mut story = Story::settled(brisk(), seed, 3);
    for site in 0..3 {
        let caps = if site == HELPER { caps } else { Caps::NOTHING };
        story.world.bodies[site].caps = caps;
        story.world.checkers.on_site(story.world.bodies[site].id, caps);
        // Caps are read at the start.
        story.world.crash(site, Duration::from_millis(50));
    }
    story.pass(20);
    story
}

/// Requests in each second that the leases promise which the helper holds with a site.
fn promised(story: &Story, site: usize) -> u32 {
    let owner = story.world.bodies[site].id;
    let leases = story.report(HELPER).map(|report| report.leases).unwrap_or_default();
    leases.iter().filter(|lease| lease.phase == Phase::Held && lease.partner == owner).map(|lease| lease.requests.0).sum()
}

/// Body bytes that the helper has carried today for a site.
fn today(story: &Story, site: usize) -> u64 {
    let owner = story.world.bodies[site].id;
    story.report(HELPER).and_then(|report| report.carried_today.get(&owner).copied()).unwrap_or_default().0
}

#[test]
fn one_member_is_promised_no_more_than_its_quota_and_leaves_room_for_another() {
    let member = Quota { requests: RequestRate(20), bytes: ByteRate(500_000), ..Quota::OPEN };
    let mut story = helped_within(11, Caps { member, ..caps() });
    story.world.want(OWNER, 200);
    story.pass(30);
    assert!(story.is_sent_to(OWNER, HELPER) && (1..=18).contains(&promised(&story, OWNER)), "{}", promised(&story, OWNER));
    story.world.want(OTHER, 200);
    story.pass(10);
    assert!(story.is_sent_to(OTHER, HELPER), "there is room for another");
    story.world.want(OWNER, 0);
    story.world.want(OTHER, 0);
    story.heal();
    story.check();
}

#[test]
fn who_had_its_bytes_of_the_day_is_carried_again_after_midnight() {
    let quota = 2_000_000;
    let mut story = helped_within(12, Caps { member: Quota { day: Bytes(quota), ..Quota::OPEN }, ..caps() });
    story.world.want(OWNER, 100);
    story.pass(40);
    let had = today(&story, OWNER);
    assert!(!story.is_sent_to(OWNER, HELPER), "{had} of {quota}");
    assert!((quota..quota + caps().bytes.0).contains(&had), "{had}: no more than a second beyond");
    story.world.want(OTHER, 100);
    story.pass(15);
    assert!(today(&story, OTHER) >= quota, "another has its own");
    story.world.want(OTHER, 0);

    story.world.crash(HELPER, Duration::from_secs(1));
    story.pass(15);
    assert!(!story.is_sent_to(OWNER, HELPER) && today(&story, OWNER) >= quota / 2, "a restart gives nothing back");
    story.world.want(OWNER, 0);
    let date = story.world.now_of(HELPER).date.as_secs();
    story.pass(86_400 - date % 86_400);
    assert_eq!(today(&story, OWNER), 0);
    story.world.want(OWNER, 100);
    story.pass(20);
    assert!(today(&story, OWNER) >= quota, "a new day has as much");
    story.world.want(OWNER, 0);
    story.heal();
    story.check();
}

#[test]
fn nothing_is_carried_beyond_the_hours_and_leases_end_with_them() {
    let minute = |story: &Story| u16::try_from(story.world.now_of(HELPER).date.as_secs() / 60 % 1_440).expect("a day has 1,440 minutes");
    let start = minute(&Story::settled(brisk(), 13, 3));
    let (from, to) = ((start + 2) % 1_440, (start + 4) % 1_440);
    let hours = Hours::between(from, to).expect("two minutes of a day");
    let mut story = helped_within(13, Caps { hours, ..caps() });
    story.world.want(OWNER, 100);
    let (mut helped, mut idle) = (0, 0);
    for _ in 0..360 {
        story.pass(1);
        let now = story.world.now_of(HELPER).date;
        let just_begun = now.as_secs() % 60 < 15;
        match (hours.contain(now), story.is_sent_to(OWNER, HELPER)) {
            (true, sent) if !just_begun => {
                assert!(sent, "at {now}");
                helped += 1;
            }
            (false, sent) if !just_begun => {
                assert!(!sent && story.report(HELPER).is_some_and(|report| report.offer.is_none()), "at {now}");
                idle += 1;
            }
            _ => {}
        }
    }
    assert!(helped > 60 && idle > 120, "{helped} {idle}");
    story.world.want(OWNER, 0);
    story.heal();
    story.check();
}
