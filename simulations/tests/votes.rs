//! Stories of votes: rules that change by consent, everywhere at one date, whatever is lost, cut off, late or killed.
//!
//! `OVERSPILL_SEEDS` sets how many seeds each storm is told with.

use std::collections::BTreeSet;

use overspill_governance::{charter::Charter, entry::Entry, standing::Standing, units::Credit};
use overspill_protocol::{
    event::{Answer, Event},
    io::{Command, Keeps, Wish},
    report::CouncilReport,
};
use overspill_simulations::{
    conduct::Conduct,
    story::{Story, brisk},
    world::Faults,
};

fn seeds(default: u64) -> u64 {
    std::env::var("OVERSPILL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Every pause of a vote as short as the charter lets it be.
fn hasty() -> Charter {
    let pauses = [("vote_discussion", 600), ("vote_cooling", 300), ("vote_epoch", 300), ("vote_transition", 300)];
    pauses.into_iter().fold(brisk(), |charter, (name, seconds)| charter.with(name, seconds).expect("within the bounds"))
}

/// Discussion, the slowest clock, one epoch, cooling.
const ONE_VOTE: u64 = 600 + 120 + 300 + 300;

/// A mesh whose members have all been in it for long enough to have a voice.
fn mesh(seed: u64, sites: usize, faults: Faults) -> Story {
    let mut story = Story::under(hasty(), seed, sites, faults);
    story.pass(700);
    story
}

fn price(to: i64) -> Wish {
    Wish::Amend { parameter: String::from("price_request"), to }
}

fn council(story: &Story, site: usize) -> CouncilReport {
    story.report(site).map(|report| report.council).unwrap_or_default()
}

/// Has a site wish something until its agent lived to answer.
fn wish(story: &mut Story, site: usize, command: &Command) -> Result<Answer, String> {
    for _ in 0..20 {
        story.world.bodies[site].answers.clear();
        story.world.command(site, command.clone());
        story.pass(3);
        if let Some(answer) = story.world.bodies[site].answers.pop() {
            return answer;
        }
    }
    story.fail("a wish was never answered")
}

/// A site moves something and another seconds it; returns the motion's name.
fn move_and_second(story: &mut Story, mover: usize, seconder: usize, change: Wish) -> String {
    let propose = Command::Propose { wish: change, discuss: String::from("https://forum.example/1") };
    let name = match wish(story, mover, &propose) {
        Ok(Answer::Moved { motion, .. }) => motion.to_string(),
        // A crash took the answer, not the motion.
        Err(words) if words.contains("open already") => {
            let ours = story.world.bodies[mover].id;
            let votes = council(story, mover).votes;
            votes.iter().find(|vote| vote.mover == ours).map_or_else(|| story.fail("no motion of ours"), |vote| vote.motion.to_string())
        }
        other => story.fail(&format!("{other:?}")),
    };
    for _ in 0..40 {
        if wish(story, seconder, &Command::Second { motion: name.clone() }).is_ok() {
            return name;
        }
        story.pass(10);
    }
    story.fail("the motion never reached its seconder")
}

fn object(story: &mut Story, site: usize, motion: &str) {
    for _ in 0..40 {
        let said = wish(story, site, &Command::Object { motion: motion.to_owned(), reason: String::from("Small sites cannot pay that.") });
        if said.is_ok() || said.is_err_and(|words| words.contains("objects to it already")) {
            return;
        }
        story.pass(10);
    }
    story.fail("the motion never reached its objector")
}

/// The rules in force, as each of these sites has them.
fn rules(story: &Story, sites: impl IntoIterator<Item = usize>) -> BTreeSet<(u32, i64)> {
    let rule = |site| {
        let council = council(story, site);
        let (_, charter) = council.charters.iter().find(|(_, charter)| charter.version == council.version)?;
        Some((council.version, charter.price_request.0))
    };
    sites.into_iter().filter_map(rule).collect()
}

fn decided(story: &Story, site: usize) -> Vec<bool> {
    let outcome = |entry: Entry| match entry {
        Entry::Decided(decision) => Some(decision.outcome.adopts),
        _ => None,
    };
    story.ledger(site).into_iter().filter_map(outcome).collect()
}

fn all() -> std::ops::Range<usize> {
    0..5
}

#[test]
fn a_change_that_nobody_objects_to_is_in_force_everywhere_at_one_date() {
    let mut story = mesh(1, 5, Faults::default());
    move_and_second(&mut story, 1, 2, price(20));
    story.pass(600 + 120 + 60);
    assert!(all().all(|site| decided(&story, site) == [true]), "agents sign by themselves as soon as they may");
    assert_eq!(rules(&story, all()), BTreeSet::from([(1, 10)]), "it is decided, and not in force yet");
    let dates: BTreeSet<_> = all().map(|site| council(&story, site).charters[1].0).collect();
    assert_eq!(dates.len(), 1, "one date for all");
    story.pass(ONE_VOTE);
    assert_eq!(rules(&story, all()), BTreeSet::from([(2, 20)]));
    assert!(all().all(|site| story.told(site, |event| matches!(event, Event::RulesChanged { version: 2 })) == 1));
    story.heal();
    story.check();
}

#[test]
fn enough_objections_stop_a_motion_and_one_does_not() {
    let mut story = mesh(2, 5, Faults::default());
    let motion = move_and_second(&mut story, 0, 1, price(20));
    object(&mut story, 3, &motion);
    object(&mut story, 4, &motion);
    let other = move_and_second(&mut story, 2, 1, price(30));
    object(&mut story, 4, &other);
    let twice = wish(&mut story, 4, &Command::Object { motion: other.clone(), reason: String::from("again") });
    assert!(twice.is_err_and(|words| words.contains("counts once")));
    story.pass(ONE_VOTE);
    for site in all() {
        let council = council(&story, site);
        let by_name = |name: &str| council.decided.iter().find(|decided| decided.motion.to_string() == name).map(|decided| decided.adopts);
        assert_eq!((by_name(&motion), by_name(&other)), (Some(false), Some(true)), "site {site}");
    }
    assert_eq!(rules(&story, all()), BTreeSet::from([(2, 30)]));
    let late = wish(&mut story, 3, &Command::Object { motion, reason: String::from("late") });
    assert!(late.is_err_and(|words| words.contains("no open motion")));
    story.check();
}

#[test]
fn two_changes_at_once_have_one_order_everywhere() {
    let mut story = mesh(3, 5, Faults::default());
    move_and_second(&mut story, 0, 1, price(20));
    move_and_second(&mut story, 2, 3, Wish::Amend { parameter: String::from("settle_window"), to: 3 });
    move_and_second(&mut story, 4, 3, price(30));
    story.pass(ONE_VOTE + 60);
    let charters: BTreeSet<String> = all().map(|site| format!("{:?}", council(&story, site).charters)).collect();
    assert_eq!(charters.len(), 1);
    assert_eq!(rules(&story, all()), BTreeSet::from([(3, 20)]), "the third found another value than it would replace");
    assert!(all().all(|site| council(&story, site).decided.iter().filter(|decided| decided.void).count() == 1));
    story.check();
}

#[test]
fn a_mesh_that_is_cut_in_two_decides_when_it_is_whole_again() {
    let mut story = mesh(4, 5, Faults::default());
    let motion = move_and_second(&mut story, 0, 3, price(20));
    let cut = |story: &mut Story, cut| (0..2).for_each(|a| (2..5).for_each(|b| story.world.cut(a, b, cut)));
    cut(&mut story, true);
    // One half sees an objection that the other does not.
    object(&mut story, 1, &motion);
    story.pass(ONE_VOTE);
    assert!(all().all(|site| decided(&story, site).is_empty()), "two of five, and three of five, are no two thirds");
    cut(&mut story, false);
    story.pass(3 * ONE_VOTE);
    assert!(all().all(|site| decided(&story, site) == [true]));
    assert_eq!(rules(&story, all()), BTreeSet::from([(2, 20)]));
    story.check();
}

#[test]
fn who_was_away_during_a_vote_learns_the_rules() {
    let mut story = mesh(5, 5, Faults::default());
    story.world.stop(4, true);
    move_and_second(&mut story, 0, 1, price(20));
    story.pass(ONE_VOTE + 60);
    assert_eq!(rules(&story, 0..4), BTreeSet::from([(2, 20)]));
    story.world.stop(4, false);
    story.pass(60);
    assert_eq!(rules(&story, [4]), BTreeSet::from([(2, 20)]));
    story.world.crash(4, std::time::Duration::from_secs(1));
    story.pass(5);
    assert_eq!(rules(&story, [4]), BTreeSet::from([(2, 20)]), "from its own ledger");
    story.check();
}

/// Before any ballot is signed all agents are killed, and start when objections are over: their ledgers say that they were told in time.
#[test]
fn who_starts_after_the_deadline_remembers_that_it_was_told() {
    let mut story = mesh(11, 4, Faults::default());
    move_and_second(&mut story, 0, 1, price(20));
    story.pass(650);
    assert!((0..4).all(|site| council(&story, site).votes[0].signed.is_none()));
    (0..4).for_each(|site| story.world.crash(site, std::time::Duration::from_secs(120)));
    story.pass(150);
    for site in 0..4 {
        assert_eq!(decided(&story, site), [true], "site {site}");
        assert_eq!(story.told(site, |event| matches!(event, Event::Lapsed { .. })), 0);
    }
    story.pass(ONE_VOTE);
    assert_eq!(rules(&story, 0..4), BTreeSet::from([(2, 20)]));
    story.check();
}

#[test]
fn a_newcomer_learns_what_was_decided_before_it_came() {
    let mut story = mesh(6, 4, Faults::default());
    move_and_second(&mut story, 0, 1, price(20));
    story.pass(ONE_VOTE + 60);
    story.world.add_site();
    story.join(2, 4);
    story.pass(30);
    assert_eq!(rules(&story, 0..5), BTreeSet::from([(2, 20)]));
    let early = wish(&mut story, 4, &Command::Propose { wish: price(5), discuss: String::from("http://x") });
    assert!(early.is_err_and(|words| words.contains("no voice yet")));
    story.check();
}

/// Members on both sides of a change help each other, and what was allotted under the old rules is settled by them.
#[test]
fn members_on_two_versions_help_and_pay_each_other() {
    let mut story = Story::under(hasty(), 7, 3, Faults::default());
    // Nearly two minutes lie between the clocks of the first and the last.
    (story.world.bodies[0].clock.offset_ms, story.world.bodies[2].clock.offset_ms) = (-55_000, 55_000);
    story.pass(700);
    move_and_second(&mut story, 0, 1, price(20));
    story.pass(600 + 120 + 300 + 180);
    let mut mixed = 0;
    for _ in 0..24 {
        story.crowd(0, 90, 5);
        story.crowd(2, 90, 5);
        mixed += usize::from(rules(&story, 0..3).len() == 2);
    }
    assert!(mixed > 4, "both versions were in force at once: {mixed}");
    assert_eq!(rules(&story, 0..3), BTreeSet::from([(2, 20)]));
    story.heal();
    story.check();
    let allotted = |version| {
        let under = |entry: &Entry| matches!(entry, Entry::Allotted(allotment) if allotment.body.charter == version && allotment.body.price_request == Credit(i64::from(version) * 10));
        story.ledger(1).iter().filter(|entry| under(entry)).count()
    };
    assert!(allotted(1) > 0 && allotted(2) > 0, "{} and {}", allotted(1), allotted(2));
    let held = |story: &Story| {
        (0..3).map(|site| story.told(site, |event| matches!(event, Event::LeaseHeld { as_owner: true, .. }))).sum::<usize>()
    };
    assert!(held(&story) > 4);
}

#[test]
fn the_founder_is_removed_like_anybody_and_does_not_come_back() {
    let mut story = mesh(8, 5, Faults::default());
    let founder = story.world.bodies[0].id;
    let unsaid = Wish::Remove { member: founder, keeps: Keeps::Unsaid };
    let unsaid = wish(&mut story, 3, &Command::Propose { wish: unsaid, discuss: String::from("http://x") });
    assert!(unsaid.is_err_and(|words| words.contains("say with --keep")), "nobody removes others by silence");
    move_and_second(&mut story, 3, 4, Wish::Remove { member: founder, keeps: Keeps::All });
    story.pass(600 + 120 + 60);
    // Between the vote and its date it is a member like any, and its ledger says so.
    story.crowd(0, 90, 20);
    story.crowd(0, 0, 60);
    assert!(
        story
            .ledger(0)
            .iter()
            .rev()
            .take_while(|entry| !matches!(entry, Entry::Decided(_)))
            .any(|entry| matches!(entry, Entry::Agreed { .. }))
    );
    story.pass(ONE_VOTE);
    let members = |story: &Story| (1..5).map(|site| story.report(site).unwrap().mesh.unwrap().members).collect::<BTreeSet<_>>();
    assert_eq!(members(&story), BTreeSet::from([4]), "whom it brought in stays");
    assert_eq!(story.report(0).unwrap().mesh, None, "its own agent obeys");
    (0..5).for_each(|site| story.world.crash(site, std::time::Duration::from_secs(1)));
    story.pass(60);
    assert_eq!((members(&story), story.report(0).unwrap().mesh), (BTreeSet::from([4]), None));
    let token = story.invite(1).unwrap();
    assert!(story.redeem(0, &token).is_err_and(|words| words.contains("final")));
    assert!((1..5).all(|site| story.told(site, |event| matches!(event, Event::Removed { site } if *site == founder)) == 1));
    story.heal();
    story.check();
}

/// A member is expelled with all its farm: who is not listed goes.
#[test]
fn whom_a_removed_member_brought_in_stays_only_where_the_motion_says_so() {
    let mut story = mesh(15, 5, Faults::default());
    [5, 6].into_iter().for_each(|puppet| {
        story.world.add_site();
        story.join(4, puppet);
    });
    story.pass(700);
    let [farmer, kept, fallen] = [4, 5, 6].map(|site| story.world.bodies[site].id);
    move_and_second(&mut story, 2, 3, Wish::Remove { member: farmer, keeps: Keeps::These(vec![kept]) });
    story.pass(ONE_VOTE + 60);
    let members: Vec<bool> = (0..7).map(|site| story.report(site).unwrap().mesh.is_some()).collect();
    assert_eq!(members, [true, true, true, true, false, true, false]);
    assert_eq!(story.told(0, |event| matches!(event, Event::Removed { site } if *site == farmer || *site == fallen)), 2);
    story.heal();
    story.check();
}

#[test]
fn who_is_removed_while_it_is_away_hears_of_it_when_it_comes_back() {
    let mut story = mesh(12, 4, Faults::default());
    let away = story.world.bodies[3].id;
    story.world.stop(3, true);
    move_and_second(&mut story, 0, 1, Wish::Remove { member: away, keeps: Keeps::Unsaid });
    story.pass(ONE_VOTE + 60);
    assert_eq!(story.report(0).unwrap().mesh.unwrap().members, 3);
    story.world.stop(3, false);
    story.pass(60);
    assert_eq!(story.report(3).unwrap().mesh, None, "it checks the vote and obeys");
    assert_eq!(story.told(3, |event| matches!(event, Event::Removed { site } if *site == away)), 1);
    story.heal();
    story.check();
}

/// Members start again, and read of a removal and of a later motion in one go: the removed has no seat in that.
#[test]
fn who_was_removed_has_no_seat_after_a_restart_either() {
    let mut story = mesh(13, 5, Faults::default());
    let founder = story.world.bodies[0].id;
    move_and_second(&mut story, 3, 4, Wish::Remove { member: founder, keeps: Keeps::All });
    // Whoever was a member ten minutes before a motion has a voice in it.
    story.pass(ONE_VOTE + 60 + 600);
    move_and_second(&mut story, 1, 2, price(20));
    story.pass(30);
    let seats = |story: &Story| (1..5).map(|site| council(story, site).votes[0].seats).collect::<BTreeSet<_>>();
    assert_eq!(seats(&story), BTreeSet::from([4]));
    (1..5).for_each(|site| story.world.crash(site, std::time::Duration::from_secs(1)));
    story.pass(60);
    assert_eq!(seats(&story), BTreeSet::from([4]));
    story.pass(ONE_VOTE);
    assert_eq!(rules(&story, 1..5), BTreeSet::from([(2, 20)]));
    story.heal();
    story.check();
}

/// One vote in a storm, with objections of chance.
fn storm(seed: u64, sites: usize, faults: Faults) -> (u32, usize) {
    let mut story = mesh(seed, sites, Faults { crash: 0, crash_weighty: 0, ..faults });
    story.world.faults = faults;
    let motion = move_and_second(&mut story, 0, 1, price(20));
    vote_in(story, seed, &motion)
}

/// The vote on a motion that is made and seconded.
fn vote_in(mut story: Story, seed: u64, motion: &str) -> (u32, usize) {
    let sites = story.world.bodies.len();
    let last = sites - 1;
    if seed.is_multiple_of(2) {
        object(&mut story, last, motion);
    }
    if seed.is_multiple_of(3) {
        object(&mut story, last - 1, motion);
    }
    story.pass(ONE_VOTE);
    story.world.faults = Faults { latency_max: 5, ..Faults::default() };
    story.pass(2 * ONE_VOTE);
    story.heal();
    story.check();
    let outcomes: BTreeSet<Vec<bool>> = (0..sites).map(|site| decided(&story, site)).collect();
    let all: BTreeSet<(u32, i64)> = rules(&story, 0..sites);
    assert_eq!((outcomes.len(), all.len()), (1, 1), "seed {seed}: {outcomes:?} {all:?}");
    assert!(outcomes.iter().all(|outcome| outcome.len() == 1), "seed {seed}: {outcomes:?}");
    (story.deaths(), usize::from(all == BTreeSet::from([(2, 20)])))
}

#[test]
fn votes_survive_loss_doubling_and_crashes() {
    let (mut deaths, mut adopted, told) = (0, 0, seeds(6));
    for seed in 0..told {
        let faults = Faults {
            loss: 100_000,
            doubling: 100_000,
            latency_max: 300,
            breaks: 2_000,
            crash: 100,
            crash_weighty: 60_000,
            ..Faults::default()
        };
        let (died, passed) = storm(seed, 4 + usize::try_from(seed % 2).unwrap(), faults);
        (deaths, adopted) = (deaths + died, adopted + passed);
    }
    assert!(deaths > 10 && adopted > 0 && (adopted as u64) < told, "{deaths} deaths, {adopted} of {told} adopted");
}

/// A disk that forgets its last entry makes an honest agent vote twice; the checker says so.
#[test]
fn an_agent_that_forgets_its_ballot_is_found_out() {
    let caught = (0..8).any(|seed| {
        let told = || {
            let faults = Faults { loss: 50_000, latency_max: 80, crash_weighty: 200_000, ..Faults::default() };
            let mut story = mesh(100 + seed, 4, Faults { crash_weighty: 0, ..faults });
            let motion = move_and_second(&mut story, 0, 1, price(20));
            story.world.bodies.iter_mut().for_each(|body| body.disk.lies = true);
            story.world.faults = faults;
            vote_in(story, seed, &motion)
        };
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(told)).err();
        failed.and_then(|words| words.downcast_ref::<String>().cloned()).is_some_and(|words| words.contains("voted twice"))
    });
    assert!(caught, "eight votes with lying disks, and nobody noticed");
}

/// An agent that signs both outcomes is convicted by all, and its friends can lift that by a vote.
#[test]
fn who_votes_twice_is_convicted_and_a_vote_pardons_it() {
    let mut story = mesh(11, 5, Faults::default());
    story.world.behave(4, Conduct::VotesTwice);
    let culprit = story.world.bodies[4].id;
    move_and_second(&mut story, 1, 2, price(20));
    story.pass(ONE_VOTE);
    let standing =
        |story: &Story, site| council(story, site).convicted.iter().map(|report| (report.site, report.standing)).collect::<Vec<_>>();
    for site in 0..4 {
        assert_eq!(decided(&story, site), [true], "one liar of five decides nothing");
        assert_eq!(standing(&story, site), [(culprit, Standing::Warned)]);
    }
    story.world.behave(4, Conduct::Honest);
    move_and_second(&mut story, 2, 3, Wish::Pardon { member: culprit });
    story.pass(ONE_VOTE);
    for site in 0..4 {
        assert_eq!(standing(&story, site), [(culprit, Standing::Good)], "what came to light before weighs no more");
    }
}

/// It is its own ballot, shown by a partner, that tells an agent how old its ledger is; what it heard of its lines before tells it nothing then.
#[test]
fn a_ledger_found_old_by_a_vote_opens_its_lines_again() {
    for seed in 12..16 {
        let mut story = mesh(seed, 3, Faults { latency_max: 5, ..Faults::default() });
        story.crowd(1, 100, 8);
        story.pass(20);
        story.world.bodies[1].disk.keep_copy();
        move_and_second(&mut story, 0, 2, price(20));
        story.world.cut(0, 2, true);
        story.world.cut(1, 2, true);
        story.pass(600 + 120 + 60);
        assert!(decided(&story, 1).is_empty(), "the third ballot is missing");
        story.world.put_copy_back(1, std::time::Duration::from_millis(500));
        story.pass(60);
        assert_eq!(story.told(1, |event| *event == Event::Recovered), 1);
        assert_eq!(story.told(1, |event| matches!(event, Event::Renewed { .. })), 1, "its line goes on in a new epoch");
        story.world.cut(0, 2, false);
        story.world.cut(1, 2, false);
        story.heal();
        story.check();
    }
}
