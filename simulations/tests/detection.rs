//! How soon everybody convicts a member that says two things: the experiment of `simulate detection`, small.

use overspill_simulations::laboratory::detection::{MATTERS, Matter};

#[test]
fn everybody_convicts_who_says_two_things_and_nobody_else() {
    for (name, matter) in MATTERS {
        let detected = matter.play(7, 1);
        assert_eq!(detected.failures, Vec::<String>::new(), "{name}");
        assert_eq!((detected.after.len(), detected.accusers), (detected.honest, 0), "{name}: {detected:?}");
        assert!(detected.within(99).is_some_and(|millis| millis <= 10_000), "{name}: {detected:?}");
    }
}

#[test]
fn a_run_is_a_function_of_its_seed_and_parts_are_ascending() {
    let (one, again) = (Matter::Roster.play(9, 3), Matter::Roster.play(9, 3));
    assert_eq!((&one.after, one.events), (&again.after, again.events));
    assert!(one.within(1) <= one.within(50) && one.within(50) <= one.within(100));
    assert_eq!(one.within(100), one.after.last().copied());
}
