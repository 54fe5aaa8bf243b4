//! Demurrage: what fades, of what, and when.

use super::*;
use alloc::string::ToString;
use proptest::prelude::*;

const TENTH: Millionths = Millionths(100_000);

fn on(day: u32) -> Step {
    Step::Fade(Fade { day, rate: TENTH })
}

/// One day's demurrage, from proposal to receipt.
fn fade(ours: &mut Line, theirs: &mut Line, day: u32) -> Result<(), LineError> {
    let (low, high) = keys();
    let proposal = ours.propose_step(&low, on(day), &charter())?;
    assert_eq!(theirs.examine(&proposal, &charter()), Ok(Examined::Step(on(day))));
    let receipt = theirs.countersign(&high, &proposal, &charter())?;
    ours.conclude(receipt.state.seq, receipt.high_sig).map(|_| ())
}

#[test]
fn a_tenth_a_day_of_whoever_is_owed_and_no_day_twice() {
    let (low, high, mut ours, mut theirs) = ends();
    assert_eq!(fade(&mut ours, &mut theirs, 1), Err(LineError::NotFading), "nobody owes anything");
    for (earner, owed) in [(&low, [810, 729]), (&high, [-810, -729])] {
        let limits = (ours.limit_given(), ours.limit_taken());
        let gap = Credit(if earner.site() == low.site() { 900 } else { 900 + ours.balance().0 });
        agree(&mut ours, &mut theirs, Moves { earner: earner.site(), amount: gap });
        let (grown, day) = ((ours.limit_given(), ours.limit_taken()), ours.state().faded + 1);
        assert_ne!(limits, grown);
        assert_eq!(fade(&mut ours, &mut theirs, day), Ok(()));
        assert_eq!((ours.balance(), theirs.balance(), ours.state().faded), (Credit(owed[0]), Credit(-owed[0]), day));
        assert_eq!(fade(&mut ours, &mut theirs, day), Err(LineError::NotFading), "that day was taken");
        // Days between that nobody took are not made up for.
        assert_eq!(fade(&mut ours, &mut theirs, day + 9), Ok(()));
        assert_eq!(ours.balance(), Credit(owed[1]));
        assert_eq!((ours.limit_given(), ours.limit_taken()), grown, "what was forgiven is no service");
        assert_eq!(fade(&mut ours, &mut theirs, day + 3), Err(LineError::NotFading), "nor later");
    }
}

#[test]
fn a_share_that_is_nothing_is_no_step() {
    let (low, _, mut ours, mut theirs) = ends();
    agree(&mut ours, &mut theirs, earns(&low, 9));
    assert_eq!(fade(&mut ours, &mut theirs, 3), Err(LineError::NotFading));
    agree(&mut ours, &mut theirs, earns(&low, 1));
    assert_eq!(fade(&mut ours, &mut theirs, 3), Ok(()));
    assert_eq!(ours.balance(), Credit(9));
}

#[test]
fn another_balance_than_the_day_makes_is_not_next() {
    let (low, _, mut ours, mut theirs) = ends();
    agree(&mut ours, &mut theirs, earns(&low, 500));
    let honest = ours.propose_step(&low, on(5), &charter()).unwrap();
    for (balance, faded) in [(451, 5), (449, 5), (500, 5), (450, 4)] {
        let state = LineState { balance: Credit(balance), faded, ..honest.state };
        let forged = Proposal { state, low_sig: signed(&state, &low), ..honest.clone() };
        assert_eq!(theirs.examine(&forged, &charter()), Err(LineError::NotNext));
    }
    let without = Proposal { step: None, ..honest };
    assert_eq!(theirs.examine(&without, &charter()), Err(LineError::NotNext), "a day is a step, no settlement");
}

#[test]
fn what_fades_is_said_with_its_day() {
    let (low, high, mut ours, mut theirs) = ends();
    agree(&mut ours, &mut theirs, earns(&low, 500));
    let proposal = ours.propose_step(&low, on(19_675), &charter()).unwrap();
    let said = crate::entry::Entry::Proposed { with: high.site(), proposal }.to_string();
    assert!(said.contains(", demurrage of 2023-11-14"), "{said}");
}

proptest! {
    /// A day takes at most its share of what is owed and not locked, from the end that is owed, and leaves no debt the other way.
    #[test]
    fn a_day_takes_its_share_and_no_more(balance: i64, locked in 0..i64::MAX, rate in 0..1_000_000_u32) {
        let (locked_low, locked_high) = if balance < 0 { (Credit(locked), Credit(7)) } else { (Credit(7), Credit(locked)) };
        let state = LineState { balance: Credit(balance), locked_low, locked_high, ..LineState::first(line_key().id(), &charter()) };
        let shift = i128::from(state.fading(Millionths(rate)).0);
        let owed = i128::from(balance).abs().min(i128::from(i64::MAX));
        let free = (owed - i128::from(locked)).max(0);
        prop_assert!(shift.signum() != i128::from(balance).signum() || shift == 0);
        prop_assert_eq!(shift.abs(), free * i128::from(rate) / 1_000_000);
    }
}
