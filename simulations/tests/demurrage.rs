//! Stories of demurrage: once a day a share of every debt fades at both ends, and what open leases count on does not.

use overspill_governance::{charter::Charter, entry::Entry, line::Step, units::Credit};
use overspill_protocol::{event::Event, io::Command};
use overspill_simulations::story::{Story, brisk};

const TENTH: i64 = 100_000;
/// Stories begin on 2023-11-14 at 22:13:20.
const TO_MIDNIGHT: u64 = 6_400;

fn rules() -> Charter {
    brisk().with("demurrage", TENTH).expect("within the bounds")
}

fn faded(story: &Story, site: usize) -> usize {
    story.told(site, |event| matches!(event, Event::Faded { .. }))
}

/// The steps of demurrage that a site's ledger holds, with the balances after them.
fn days(story: &Story, site: usize) -> Vec<u32> {
    let day = |entry: &Entry| match entry {
        Entry::Agreed { receipt, .. } => {
            receipt.step.as_ref().and_then(|step| if let Step::Fade(fade) = step { Some(fade.day) } else { None })
        }
        _ => None,
    };
    story.ledger(site).iter().filter_map(day).collect()
}

#[test]
fn a_debt_fades_once_a_day_at_both_ends() {
    for seed in 1..3 {
        let mut story = Story::settled(rules(), seed, 2);
        story.pass(15);
        story.crowd(0, 100, 10);
        story.pass(200);
        let first = story.balance(0);
        assert!(first < Credit::ZERO && faded(&story, 0) == 1 && faded(&story, 1) == 1, "{first}");
        story.pass(TO_MIDNIGHT);
        let second = story.balance(0);
        assert_eq!(second.0, first.0 - first.0 / 10, "a tenth of {first}");
        assert_eq!(days(&story, 0), [19_675, 19_676]);
        assert_eq!(days(&story, 0), days(&story, 1));
        // A day on which one of them was not there is not made up for.
        story.world.stop(1, true);
        story.pass(2 * 86_400);
        story.world.stop(1, false);
        story.pass(200);
        assert_eq!(days(&story, 0), [19_675, 19_676, 19_678]);
        assert_eq!(story.balance(0).0, second.0 - second.0 / 10);
        story.heal();
        story.check();
    }
}

#[test]
fn nothing_fades_by_the_default_rules() {
    let mut story = Story::settled(brisk(), 1, 2);
    story.pass(15);
    story.crowd(0, 100, 10);
    story.pass(2 * TO_MIDNIGHT);
    assert!(story.balance(0) < Credit::ZERO && days(&story, 0).is_empty());
}

/// A clock that is a day behind agrees to no day, and holds up nothing.
#[test]
fn ends_that_disagree_on_the_day_take_none() {
    for behind in [0, 1] {
        let mut story = Story::settled(rules(), 7, 2);
        story.pass(15);
        story.crowd(0, 100, 10);
        story.pass(200);
        story.world.bodies[behind].clock.offset_ms = -86_400_000;
        story.pass(TO_MIDNIGHT);
        assert_eq!(days(&story, 0), [19_675]);
        story.world.bodies[behind].clock.offset_ms = 0;
        story.pass(200);
        assert_eq!(days(&story, 0), [19_675, 19_676]);
        story.heal();
        story.check();
    }
}

/// Under its last leases a helper that owes may earn all that it owes, and its own limit: that much does not fade away under them.
#[test]
fn what_open_leases_count_on_does_not_fade() {
    let tight = rules().with("newcomer_limit", 5_000).and_then(|charter| charter.with("limit_growth", 0)).expect("within the bounds");
    let mut met = 0;
    for seed in 1..9 {
        let mut story = Story::settled(tight.clone(), seed, 2);
        story.pass(15);
        story.crowd(1, 100, 8);
        story.pass(200);
        let before = faded(&story, 0);
        while story.world.now().as_micros() < (TO_MIDNIGHT - 2) * 1_000_000 {
            story.pass(1);
        }
        // As much as the line has room for, over midnight.
        story.world.want(0, 100);
        story.pass(3);
        let open = story.report(0).map_or(0, |report| report.leases.len());
        met += usize::from(open > 0 && faded(&story, 0) == before);
        story.pass(5);
        story.world.want(0, 0);
        story.pass(200);
        assert_eq!(story.told(1, |event| matches!(event, Event::ClaimReduced { .. })), 0, "seed {seed}");
        story.heal();
        story.check();
    }
    assert!(met > 0, "no day came while leases were open");
}

#[test]
fn whoever_leaves_takes_no_day_along() {
    let mut story = Story::settled(rules(), 3, 3);
    story.pass(15);
    story.crowd(0, 100, 10);
    story.pass(200);
    story.world.command(0, Command::Leave);
    story.pass(200);
    let before = (days(&story, 1), days(&story, 2));
    story.pass(TO_MIDNIGHT);
    assert_eq!((days(&story, 1), days(&story, 2)), before);
}

/// Who only takes runs dry, and gets each day what has faded of its limit: a tenth, here, with one partner.
#[test]
fn who_only_takes_gets_on_no_more_than_what_fades() {
    let small = rules().with("newcomer_limit", 10_000).and_then(|charter| charter.with("limit_growth", 0)).expect("within the bounds");
    let mut story = Story::settled(small, 9, 2);
    story.pass(15);
    for _ in 0..3 {
        story.crowd(0, 100, 8);
        story.pass(100);
    }
    let dry = story.balance(0).0;
    assert!((-10_000..-8_500).contains(&dry), "{dry}");
    let served = story.world.bodies[1].server.tally.guests;
    story.crowd(0, 100, 8);
    story.pass(100);
    assert!(story.world.bodies[1].server.tally.guests < served + 60, "it is dry");
    let (dry, served) = (story.balance(0).0, story.world.bodies[1].server.tally.guests);
    story.pass(TO_MIDNIGHT);
    assert_eq!(story.balance(0).0, dry - dry / 10);
    story.crowd(0, 100, 8);
    story.pass(100);
    let guests = story.world.bodies[1].server.tally.guests - served;
    assert!((1..100).contains(&guests) && story.balance(0).0 >= -10_000, "{guests} of some hundreds");
    story.heal();
    story.check();
}
