//! Stories of clearing: debts that run in a circle are cancelled at all ends or at none, whatever is lost, doubled, late or killed, and wherever.
//!
//! `OVERSPILL_SEEDS` sets how many seeds the storm is told with.

use std::time::Duration;

use overspill_governance::{charter::Charter, entry::Entry, evidence::Crime, line::Step, units::Credit};
use overspill_protocol::{
    event::Event,
    io::{Command, Keeps, Wish},
};
use overspill_simulations::{
    conduct::Conduct,
    laboratory::arms::Setting,
    scenario::{Plot, run},
    story::{Story, brisk},
    world::Faults,
};

/// Rules under which the first search comes when all debts are made.
fn rules(members: usize) -> Charter {
    let pause = 20 * i64::try_from(members).expect("a small number");
    brisk().with("clearing_pause", pause).expect("within the bounds")
}

/// A mesh in which each member owes the next, and the last the first.
fn circle(charter: Charter, seed: u64, members: usize) -> Story {
    let mut story = Story::settled(charter, seed, members);
    story.pass(6);
    story.owe_around(&(0..members).collect::<Vec<usize>>());
    story
}

/// What all sites owe, before what is owed to them is taken off.
fn debts(story: &Story) -> i64 {
    let reports = (0..story.world.bodies.len()).filter_map(|site| story.report(site));
    reports.flat_map(|report| report.lines.into_iter().map(|line| -line.balance.0.min(0))).sum()
}

fn cleared(story: &Story) -> usize {
    (0..story.world.bodies.len()).map(|site| story.told(site, |event| matches!(event, Event::Cleared { .. }))).sum()
}

/// Rounds that any site still keeps open.
fn open(story: &Story) -> usize {
    (0..story.world.bodies.len()).filter_map(|site| story.report(site)).map(|report| report.rounds.len()).sum()
}

fn locks(story: &Story, site: usize) -> Credit {
    Credit(story.report(site).map_or(0, |report| report.lines.iter().map(|line| line.locked.0).sum()))
}

#[test]
fn circles_of_three_to_five_are_cleared() {
    for members in [3, 4, 5] {
        let mut story = circle(rules(members), 1, members);
        let before = debts(&story);
        assert!(before > 15_000 && cleared(&story) == 0, "{before}");
        story.pass(60);
        assert!(cleared(&story) >= members, "{members}: {}", cleared(&story));
        assert!(debts(&story) < before / 2, "{members}: {} of {before}", debts(&story));
        story.heal();
        story.check();
    }
}

/// Between any two outputs of anybody, from the search to the last receipt.
#[test]
fn a_crash_at_any_step_leaves_every_line_consistent() {
    let mut calm = circle(rules(3), 2, 3);
    let begins = calm.world.weighty();
    while cleared(&calm) < 3 {
        calm.pass(1);
    }
    let ends = calm.world.weighty();
    let (mut whole, mut given_up) = (0, 0);
    for step in begins + 1..=ends {
        let mut story = circle(rules(3), 2, 3);
        story.world.faults.crash_at = Some(step);
        story.pass(50);
        assert_eq!(story.deaths(), 1, "step {step}");
        story.heal();
        story.check();
        assert_eq!(open(&story), 0);
        let ended =
            (0..3).flat_map(|site| story.ledger(site)).any(|entry| matches!(entry, Entry::Ruled(ruled) if !ruled.ruling.body.moves));
        given_up += usize::from(ended);
        whole += usize::from(debts(&story) < 20_000);
    }
    println!("{} steps: {whole} cleared after all, {given_up} given up at first", ends - begins);
    assert!(whole > 0 && given_up > 0);
}

#[test]
fn bad_links_and_many_crashes_leave_every_line_consistent() {
    let seeds = std::env::var("OVERSPILL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let mut done = 0;
    for seed in 0..seeds {
        let members = 3 + usize::try_from(seed % 3).expect("a small number");
        let mut story = circle(rules(members), seed, members);
        story.world.faults = Faults { loss: 200_000, doubling: 300_000, latency_max: 300, crash_weighty: 30_000, ..Faults::default() };
        story.pass(100);
        story.heal();
        story.check();
        done += cleared(&story);
    }
    assert!(done > 0, "none was ever cleared");
}

/// Who wrote the round that is open.
fn initiator(story: &Story) -> usize {
    let rounds = (0..story.world.bodies.len()).filter_map(|site| story.report(site)).flat_map(|report| report.rounds);
    let first = rounds.map(|round| round.members[0]).next().unwrap_or_else(|| story.fail("no round is open"));
    story.world.index_of(&first).expect("a site of this world")
}

#[test]
fn who_is_silent_in_the_middle_holds_nobody_else_up() {
    let mut story = circle(rules(3), 3, 3);
    let site = (0..60_000).find_map(|_| {
        story.pass_ms(1);
        (0..3).find(|site| locks(&story, *site) > Credit::ZERO)
    });
    assert!(site.is_some());
    let silent = (initiator(&story) + 2) % 3;
    story.world.stop(silent, true);
    story.pass(30);
    for site in (0..3).filter(|site| *site != silent) {
        assert_eq!(story.report(site).map(|report| report.rounds.len()), Some(0), "its rounds end without the silent one");
    }
    story.world.stop(silent, false);
    story.heal();
    story.check();
}

/// The initiator dies and does not come back; a vote removes it, and its locks are opened without it.
#[test]
fn locks_of_an_initiator_who_is_removed_are_opened_by_both_ends() {
    let pauses = [("vote_discussion", 600), ("vote_cooling", 300), ("vote_epoch", 300), ("vote_transition", 300), ("clearing_grace", 60)];
    let charter = pauses.into_iter().fold(rules(5), |charter, (name, value)| charter.with(name, value).expect("within the bounds"));
    let mut story = circle(charter, 4, 5);
    let mut first = None;
    for _ in 0..60_000 {
        story.pass_ms(1);
        // Locked between two members, neither of whom began it.
        first = (0..5).find(|site| {
            story.report(*site).is_some_and(|report| report.lines.iter().filter(|line| line.locked > Credit::ZERO).count() == 2)
        });
        if first.is_some() {
            break;
        }
    }
    assert!(first.is_some(), "nothing was ever locked");
    let gone = initiator(&story);
    story.world.crash(gone, Duration::from_secs(100_000));
    story.pass(60);
    let held: Vec<usize> = (0..5).filter(|site| *site != gone && locks(&story, *site) > Credit::ZERO).collect();
    assert!(held.len() >= 2, "they wait for its word: {held:?}");
    story.pass(700);
    let (mover, seconder) = if gone == 0 { (1, 2) } else { (0, 1 + usize::from(gone == 1)) };
    let member = story.world.bodies[gone].id;
    let discuss = String::from("https://forum.example/1");
    story.world.command(mover, Command::Propose { wish: Wish::Remove { member, keeps: Keeps::All }, discuss });
    story.pass(20);
    let motion = story.report(seconder).and_then(|report| report.council.votes.first().map(|vote| vote.motion.to_string()));
    story.world.command(seconder, Command::Second { motion: motion.unwrap_or_default() });
    story.pass(1_600);
    for site in (0..5).filter(|site| *site != gone) {
        assert_eq!(story.report(site).and_then(|report| report.mesh).map(|mesh| mesh.members), Some(4), "site {site}");
        assert_eq!(story.report(site).map(|report| report.rounds.len()), Some(0), "site {site}");
    }
    let opened = |entry: &Entry| matches!(entry, Entry::Agreed { receipt, .. } if matches!(receipt.step, Some(Step::Gone(_))));
    assert!((0..5).any(|site| story.ledger(site).iter().any(opened)), "by both ends, without a word of who is gone");
}

/// With small limits and everybody struck at once, leases use up what lines leave, and circles are cleared all the time.
#[test]
fn what_open_leases_count_on_is_not_cleared_away() {
    let setting = Setting {
        sites: 8,
        length: Duration::from_secs(120),
        events: 4,
        correlation: 1_000_000,
        peak: 100,
        seeds: (0, 1),
        attackers: None,
    };
    let charter = brisk().with("newcomer_limit", 6_000).expect("within the bounds");
    let outcome = run(&Plot { charter, ..setting.plot(7) });
    assert_eq!(outcome.failures, Vec::<String>::new());
}

/// An initiator that says to some that its round moves and to others that it ends is convicted by everybody, and costs nobody more than what
/// was locked.
#[test]
fn who_rules_both_ways_is_convicted_by_everybody() {
    let mut found = 0;
    for seed in 0..6 {
        let mut story = circle(rules(4), seed, 4);
        (0..60_000).find(|_| {
            story.pass_ms(1);
            (0..4).any(|site| locks(&story, site) > Credit::ZERO)
        });
        let liar = initiator(&story);
        let id = story.world.bodies[liar].id;
        story.world.behave(liar, Conduct::RulesTwice);
        story.pass(60);
        let convicts = |site: &usize| {
            let council = story.report(*site).map(|report| report.council).unwrap_or_default();
            council.convicted.iter().any(|convicted| (convicted.site, convicted.crime) == (id, Crime::DoubleRuling))
        };
        let by = (0..4).filter(|site| *site != liar).filter(convicts).count();
        assert!(by == 0 || by == 3, "seed {seed}: {by} of the other members");
        found += usize::from(by == 3);
        story.heal();
        story.check();
    }
    assert!(found >= 3, "whose two rulings met: {found} of 6");
}
