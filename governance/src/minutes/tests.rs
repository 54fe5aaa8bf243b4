use super::*;
use crate::{
    ballot::Outcome,
    fixtures::{BEGINNING, DAY, dearer, later, minutes, moved, site},
    units::Credit,
};
use alloc::{string::String, vec};
use core::time::Duration;
use proptest::prelude::*;

/// The decision of a motion made on a day, without its votes: whoever records it has checked those.
fn adopted(change: Change, day: u64, epoch: u32) -> Decision {
    under(Digest::ZERO, change, day, epoch)
}

/// The same, of a motion that names other rules than the founding's.
fn under(rules: Digest, change: Change, day: u64, epoch: u32) -> Decision {
    let motion = moved(0, change, rules, later(day * DAY));
    Decision { motion, epoch, outcome: Outcome { objections: Digest::ZERO, adopts: true }, votes: vec![] }
}

fn amend(parameter: &str, from: i64, to: i64) -> Change {
    Change::Amend { parameter: String::from(parameter), from, to }
}

/// When what was moved on a day and decided in the first epoch is in force: a week, two minutes, an hour, three days.
fn in_force(day: u64) -> Date {
    later(day * DAY + 10 * DAY + 3_600 + 120)
}

#[test]
fn a_change_is_in_force_from_its_date_on() {
    let mut minutes = minutes();
    assert!(minutes.record(adopted(dearer(), 1, 0)));
    assert!(!minutes.record(adopted(dearer(), 1, 0)), "twice is once");
    let before = in_force(1).before(Duration::from_millis(1));
    assert_eq!((minutes.in_force(before).version, minutes.in_force(in_force(1)).version), (1, 2));
    assert_eq!(minutes.in_force(in_force(1)).price_mib, Credit(2_000));
    assert_eq!((minutes.next(before), minutes.next(in_force(1))), (Some(in_force(1)), None));
}

#[test]
fn what_objections_stopped_changes_nothing() {
    let mut minutes = minutes();
    let mut stopped = adopted(dearer(), 1, 0);
    stopped.outcome.adopts = false;
    assert!(!minutes.record(stopped));
    assert_eq!(minutes.versions().len(), 1);
}

#[test]
fn of_two_changes_of_one_rule_the_earlier_counts_and_the_other_is_void() {
    let (one, other) = (adopted(dearer(), 1, 0), adopted(amend("price_mib", 1_000, 3_000), 2, 0));
    for order in [[&one, &other], [&other, &one]] {
        let mut minutes = minutes();
        order.into_iter().for_each(|decision| assert!(minutes.record(decision.clone())));
        assert_eq!(minutes.in_force(Date::MAX).price_mib, Credit(2_000));
        assert!(minutes.is_void(&other.motion.body.digest()) && !minutes.is_void(&one.motion.body.digest()));
    }
}

#[test]
fn the_earlier_of_two_certificates_dates_a_change() {
    let mut minutes = minutes();
    assert!(minutes.record(adopted(dearer(), 1, 3)) && minutes.record(adopted(dearer(), 1, 0)));
    assert!(!minutes.record(adopted(dearer(), 1, 2)));
    assert_eq!((minutes.versions().len(), minutes.in_force(in_force(1)).version), (2, 2));
}

#[test]
fn both_versions_are_understood_around_a_change_and_one_of_them_long_before_and_after() {
    let mut minutes = minutes();
    let _ = minutes.record(adopted(dearer(), 1, 0));
    let understood = |date| [1, 2, 3].map(|version| minutes.understood(version, date).is_some());
    let (change, window) = (in_force(1), Duration::from_secs(900));
    assert_eq!(understood(BEGINNING), [true, false, false]);
    assert_eq!(understood(change.before(SKEW_MAX)), [true, true, false], "a clock that is ahead is not unheard");
    assert_eq!(understood(change.after(window)), [true, true, false]);
    assert_eq!(understood(change.after(window).after(Duration::from_millis(1))), [false, true, false]);
    assert_eq!(minutes.version(1).unwrap().price_mib, Credit(1_000), "what was signed under it is judged by it for ever");
}

#[test]
fn a_removal_is_no_version() {
    let mut minutes = minutes();
    let _ = minutes.record(adopted(Change::Remove { member: site(3), keeps: vec![] }, 1, 0));
    assert_eq!((minutes.versions().len(), minutes.removals().len(), minutes.removals()[0].from), (1, 1, in_force(1)));
}

/// Later motions name rules; that an earlier change becomes known gives those another number, and changes no date that rests on them.
#[test]
fn rules_keep_their_name_when_an_earlier_change_becomes_known() {
    let slower = adopted(amend("vote_cooling", 3 * DAY as i64, 30 * DAY as i64), 2, 0);
    let next = under(slower.motion.body.digest(), dearer(), 20, 0);
    let earlier = adopted(amend("settle_window", 60, 70), 1, 0);
    let told = |order: [&Decision; 3]| {
        let mut minutes = minutes();
        for decision in order {
            assert!(minutes.record(decision.clone()));
        }
        minutes.versions().to_vec()
    };
    let one = told([&slower, &next, &earlier]);
    assert_eq!(one, told([&earlier, &slower, &next]));
    assert_eq!(one[3].from, later(20 * DAY + 37 * DAY + 3_600 + 120), "by the slower rules, whatever their number");
    assert!(!minutes().record(next), "by rules that are not known nothing can be dated");
}

#[test]
fn what_names_the_rules_after_a_void_change_names_those_that_were_in_force_then() {
    let (one, void) = (adopted(dearer(), 1, 0), adopted(amend("price_mib", 1_000, 3_000), 2, 0));
    let next = under(void.motion.body.digest(), amend("settle_window", 60, 70), 20, 0);
    let mut minutes = minutes();
    // Whoever moved it knew nothing of the first.
    assert!([&void, &next, &one].into_iter().all(|decision| minutes.record(decision.clone())));
    assert_eq!(minutes.rules(&void.motion.body.digest()).map(|charter| charter.price_mib), Some(Credit(2_000)));
    assert_eq!((minutes.versions().len(), minutes.in_force(Date::MAX).price_mib), (3, Credit(2_000)));
}

#[test]
fn decisions_are_told_in_an_order_in_which_each_rests_on_earlier_ones() {
    let first = adopted(dearer(), 1, 0);
    let next = under(first.motion.body.digest(), amend("settle_window", 60, 70), 20, 0);
    let (mut ours, mut theirs) = (minutes(), minutes());
    assert!([adopted(amend("price_request", 10, 20), 30, 0), first, next].into_iter().all(|decision| ours.record(decision)));
    assert!(ours.decisions().all(|decision| theirs.record(decision.clone())));
    assert_eq!(ours.versions(), theirs.versions());
}

proptest! {
    /// Motions name any rules that an earlier one made, and change how long decisions take, too.
    #[test]
    fn any_order_of_decisions_makes_the_same_rules(
        changes in prop::collection::vec((0_usize..4, 0_i64..4, 0_i64..4, 1_u64..4, 0_u32..2, any::<prop::sample::Index>()), 0..8),
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let names = ["price_mib", "price_request", "settle_window", "vote_cooling"];
        let (defaults, steps) = ([1_000, 10, 60, 3 * DAY as i64], [1, 1, 1, 9 * DAY as i64]);
        let (mut made, mut decisions) = (vec![(Digest::ZERO, 0)], Vec::new());
        for (name, from, to, day, epoch, rules) in &changes {
            let (rules, after) = made[rules.index(made.len())];
            let value = |steps_on: &i64| defaults[*name] + steps[*name] * steps_on;
            let decision = under(rules, amend(names[*name], value(from), value(to)), after + day, *epoch);
            made.push((decision.motion.body.digest(), after + day + 12));
            decisions.push(decision);
        }
        let (mut one, mut other) = (minutes(), minutes());
        decisions.iter().for_each(|decision| _ = one.record(decision.clone()));
        // What cannot be dated yet is told again.
        for _ in 0..decisions.len() {
            order.iter().filter_map(|at| decisions.get(*at)).for_each(|decision| _ = other.record(decision.clone()));
        }
        prop_assert_eq!(one.versions(), other.versions());
        prop_assert_eq!(one.decisions().collect::<Vec<_>>(), other.decisions().collect::<Vec<_>>());
        prop_assert!(one.versions().iter().all(|rules| rules.charter.validate().is_ok()));
        prop_assert!((1..).zip(one.versions()).all(|(version, rules)| rules.charter.version == version));
    }
}
