//! Lines that begin anew because an end forgot what it signed.

use alloc::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{limits::LOCKS_MAX, site::Signed};

/// What `by` wishes of the line, as far as it knows it.
fn wish(line: &Line, by: &Key, epoch: u32) -> Head {
    let renewal = Renewal { key: LineKey { epoch, ..*line.key() }, by: by.site() };
    Head { renewal: Some(Signed::new(renewal, by)), ..line.head() }
}

/// `forgot` wishes, the other end grants; both begin the epoch.
fn renew(forgot: &mut Line, by: &Key, other: &mut Line, epoch: u32) {
    let wish = wish(forgot, by, epoch);
    assert_eq!(wish.check(&Ends::from(&line_key())), Ok(()));
    let granted = wish.with_last_of(&other.head());
    assert_eq!(granted.check(&Ends::from(&line_key())), Ok(()));
    other.renew(&granted, &Ends::from(&line_key()), &charter()).unwrap();
    forgot.renew(&granted, &Ends::from(&line_key()), &charter()).unwrap();
}

#[test]
fn a_line_goes_on_from_the_later_of_two_heads() {
    let (low, high, mut ours, mut theirs) = ends();
    agree(&mut ours, &mut theirs, earns(&low, 400));
    let mut copy = theirs.clone();
    agree(&mut ours, &mut theirs, earns(&high, 100));
    let last = agree(&mut ours, &mut theirs, earns(&high, 30));
    let pending = ours.propose(&low, earns(&low, 7), None, &charter()).unwrap();
    assert!(copy.head().place() < ours.head().place());

    renew(&mut copy, &high, &mut ours, 50);
    assert_eq!((ours.balance(), copy.balance()), (Credit(270), Credit(-270)));
    assert_eq!((ours.limit_given(), ours.limit_taken()), (copy.limit_taken(), copy.limit_given()));
    assert_eq!((ours.state().seq, ours.state().prev), (0, last.state.digest()));
    assert_eq!(ours.pending(), None, "what was not answered is given up");
    assert_eq!(copy.examine(&pending, &charter()), Err(LineError::OtherLine), "nobody signs in the old epoch");

    let next = agree(&mut ours, &mut copy, earns(&low, 5));
    assert_eq!((next.state.seq, ours.balance()), (1, Credit(275)));
    assert_eq!(ours.head().place(), (50, 1));
}

#[test]
fn whoever_forgot_everything_learns_it_from_the_other_end() {
    let (low, high, mut ours, mut theirs) = ends();
    agree(&mut ours, &mut theirs, earns(&high, 600));
    let mut nothing = Line::new(line_key(), low.site(), &charter()).unwrap();
    renew(&mut nothing, &low, &mut theirs, 9);
    assert_eq!((nothing.balance(), theirs.balance()), (Credit(-600), Credit(600)));
    // Once more, before anything was signed in the new epoch: its beginning stands for what was signed before.
    let mut nothing = Line::new(line_key(), low.site(), &charter()).unwrap();
    renew(&mut nothing, &low, &mut theirs, 10);
    assert_eq!((nothing.balance(), theirs.balance()), (Credit(-600), Credit(600)));
    agree(&mut nothing, &mut theirs, earns(&low, 100));
    assert_eq!(theirs.balance(), Credit(500));
}

#[test]
fn nobody_is_granted_an_epoch_with_less_than_was_shown() {
    let (low, high, mut ours, mut theirs) = ends();
    agree(&mut ours, &mut theirs, earns(&low, 400));
    let earlier = theirs.head();
    agree(&mut ours, &mut theirs, earns(&low, 100));
    let (before, state) = (ours.clone(), *ours.state());
    let renewal = wish(&ours, &high, 5).renewal;
    let less = Head { renewal: renewal.clone(), ..earlier };
    assert!(less.check(&Ends::from(&line_key())).is_ok() && ours.renew(&less, &Ends::from(&line_key()), &charter()).is_err());
    let nothing = Head { renewal, ..Head::default() };
    assert!(nothing.check(&Ends::from(&line_key())).is_ok() && ours.renew(&nothing, &Ends::from(&line_key()), &charter()).is_err());
    assert!(ours.renew(&ours.head(), &Ends::from(&line_key()), &charter()).is_err(), "no epoch is begun twice, nor without a wish");
    assert_eq!((ours.state(), ours.head()), (&state, before.head()));
    let _ = low;
}

#[test]
fn a_head_holds_with_both_signatures_the_locks_and_an_ends_own_wish() {
    let (low, high, mut ours, mut theirs) = ends();
    agree(&mut ours, &mut theirs, earns(&low, 400));
    let good = wish(&ours, &high, 5);
    assert_eq!(good.check(&Ends::from(&line_key())), Ok(()));
    let stranger = Key::from_seed([9; 32]);
    let forged = Head {
        renewal: Some(Signed { body: good.renewal.clone().unwrap().body, signature: good.renewal.clone().unwrap().body.sign(&low) }),
        ..good.clone()
    };
    assert_eq!(forged.check(&Ends::from(&line_key())), Err(LineError::BadSignature), "nobody wishes in another's name");
    assert_eq!(wish(&ours, &stranger, 5).check(&Ends::from(&line_key())), Err(LineError::OtherLine));
    assert_eq!(wish(&ours, &high, 0).check(&Ends::from(&line_key())), Err(LineError::OtherLine), "the first epoch is nobody's wish");
    let elsewhere = LineKey { mesh: MeshId(Digest([1; 32])), ..line_key() };
    assert!(good.check(&Ends::from(&elsewhere)).is_err());
    for bend in [
        |last: &mut Agreed| last.receipt.state.balance = Credit(1),
        |last: &mut Agreed| last.epoch = 3,
        |last: &mut Agreed| {
            last.receipt.high_sig = last.receipt.low_sig;
        },
    ] {
        let mut bent = good.clone();
        bend(bent.last.as_mut().unwrap());
        assert_eq!(bent.check(&Ends::from(&line_key())), Err(LineError::BadSignature));
    }
    let later = Head { last: good.last.clone().map(|last| Agreed { epoch: 6, ..last }), ..good.clone() };
    assert_eq!(later.check(&Ends::from(&line_key())), Err(LineError::BadSignature), "nothing was signed in an epoch that is to come");
    let cycle = alloc::vec![low.site(), high.site(), stranger.site()];
    let round =
        crate::clearing::Round { mesh: MeshId(Digest::ZERO), charter: 1, cycle, amount: Credit(5), date: crate::time::Date::default() };
    let locked = Head { locks: alloc::vec![Signed::new(round, &low); LOCKS_MAX + 1], ..good };
    assert_eq!(locked.check(&Ends::from(&line_key())), Err(LineError::NotLocked), "locks are those that the state names");
}

/// What both ends sign, whether it follows or not, with these rounds as its locks.
fn conspired(seq: u64, locked_low: i64, locks: Vec<Signed<crate::clearing::Round>>) -> Head {
    let (low, high) = keys();
    let state = LineState { seq, locked_low: Credit(locked_low), ..LineState::first(line_key().id(), &charter()) };
    let receipt = Receipt { state, low_sig: state.sign(&low), high_sig: state.sign(&high), claim: None, step: None };
    Head { renewal: None, last: Some(Agreed { epoch: 0, receipt }), locks }
}

#[test]
fn the_locks_of_a_head_are_good_few_and_of_this_mesh() {
    let (low, high) = keys();
    let (ends, initiator) = (Ends::from(&line_key()), Key::from_seed([9; 32]));
    let round = |mesh: u8, minute: u64| {
        let cycle = alloc::vec![initiator.site(), low.site(), high.site()];
        let date = crate::time::Date::from_millis(60_000 * minute);
        crate::clearing::Round { mesh: MeshId(Digest([mesh; 32])), charter: 1, cycle, amount: Credit(5), date }
    };
    let locks = |count: usize| (1..=count as u64).map(|minute| Signed::new(round(0, minute), &initiator)).collect::<Vec<_>>();
    let check = |seq, locks: Vec<Signed<_>>| conspired(seq, 5 * locks.len() as i64, locks).check(&ends);
    assert_eq!((check(1, locks(LOCKS_MAX)), check(1, locks(LOCKS_MAX + 1))), (Ok(()), Err(LineError::NotLocked)));
    assert_eq!(check(1, alloc::vec![Signed::new(round(0, 1), &low)]), Err(LineError::NotLocked), "its initiator's");
    let elsewhere = conspired(1, 0, alloc::vec![Signed::new(round(1, 1), &initiator)]);
    assert_eq!(elsewhere.check(&ends), Err(LineError::NotLocked));
    assert_eq!(conspired(1, 6, locks(1)).check(&ends), Err(LineError::NotLocked), "as much as the state says");
    assert_eq!(check(0, Vec::new()), Err(LineError::BadSignature), "nobody signs the state before the first");
}

#[test]
fn new_rules_are_those_of_a_line_on_which_nothing_was_signed() {
    let (low, high, mut ours, mut theirs) = ends();
    let generous = Charter { newcomer_limit: Credit(2_000), ..charter() };
    ours.turn_to(&generous);
    assert_eq!(ours.limit_given(), Credit(2_000));
    ours.turn_to(&charter());
    let proposal = ours.propose(&low, earns(&low, 400), None, &charter()).unwrap();
    let unchanged = |line: &mut Line| {
        let before = *line.state();
        line.turn_to(&generous);
        assert_eq!(*line.state(), before);
    };
    unchanged(&mut ours);
    let receipt = theirs.countersign(&high, &proposal, &charter()).unwrap();
    let _ = ours.conclude(1, receipt.high_sig).unwrap();
    unchanged(&mut ours);
    renew(&mut theirs, &high, &mut ours, 50);
    unchanged(&mut ours);
}

#[test]
fn an_epoch_is_begun_once() {
    let (low, high, mut ours, mut theirs) = ends();
    agree(&mut ours, &mut theirs, earns(&low, 400));
    renew(&mut theirs, &high, &mut ours, 50);
    let pending = ours.propose(&low, earns(&low, 5), None, &charter()).unwrap();
    let head = ours.head();
    assert!(ours.renew(&head, &Ends::from(&line_key()), &charter()).is_err());
    assert_eq!(ours.pending(), Some(&pending), "it goes on");
}

#[test]
fn who_is_shown_another_state_at_the_same_place_does_not_begin_with_it() {
    let (low, high, mut ours, mut theirs) = ends();
    let (mut twin, mut other) = (ours.clone(), theirs.clone());
    agree(&mut ours, &mut theirs, earns(&low, 400));
    agree(&mut twin, &mut other, earns(&low, 100));
    let (forked, before) = (wish(&other, &high, 50), ours.head());
    assert_eq!(forked.check(&Ends::from(&line_key())), Ok(()));
    assert!(ours.renew(&forked, &Ends::from(&line_key()), &charter()).is_err());
    assert_eq!(ours.head(), before);
}

proptest! {
    /// However often either end is put back to whatever it once knew: nobody signs two states at one place, and both ends stand at what was
    /// signed last.
    #[test]
    fn old_copies_sign_nothing_twice(deeds in prop::collection::vec((0_u8..5, any::<bool>(), 1_i64..90, any::<prop::sample::Index>()), 1..40)) {
        let (low, high, mut ours, mut theirs) = ends();
        let (mut copies, mut signed) = (alloc::vec![(ours.clone(), theirs.clone())], BTreeMap::new());
        let mut epoch = 0;
        for (deed, of_low, amount, which) in deeds {
            if deed > 0 {
                let moves = earns(if of_low { &low } else { &high }, amount);
                let Ok(proposal) = ours.propose(&low, moves, None, &charter()) else { continue };
                let first = *signed.entry((proposal.state.line, proposal.state.seq)).or_insert(proposal.state);
                prop_assert_eq!(first, proposal.state, "two states at one place");
                let receipt = theirs.countersign(&high, &proposal, &charter()).unwrap();
                let _ = ours.conclude(receipt.state.seq, receipt.high_sig).unwrap();
                copies.push((ours.clone(), theirs.clone()));
                continue;
            }
            epoch += 1;
            let (mut copy_low, mut copy_high) = which.get(&copies).clone();
            let balance = ours.balance();
            if of_low {
                renew(&mut copy_low, &low, &mut theirs, epoch);
                ours = copy_low;
            } else {
                renew(&mut copy_high, &high, &mut ours, epoch);
                theirs = copy_high;
            }
            prop_assert_eq!((ours.balance(), ours.state()), (balance, theirs.state()));
        }
    }
}
