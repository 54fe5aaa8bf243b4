//! Lines whose ends go on under new keys.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::site::Signed;

/// An end that may have had several keys; the last is in use.
struct End {
    keys: Vec<u8>,
    line: Line,
}

impl End {
    fn key(&self) -> Key {
        Key::from_seed([*self.keys.last().unwrap(); 32])
    }

    fn ids(&self) -> Vec<SiteId> {
        self.keys.iter().rev().map(|seed| Key::from_seed([*seed; 32]).site()).collect()
    }
}

fn fresh() -> (End, End) {
    let key = LineKey::between(MeshId(Digest::ZERO), Key::from_seed([1; 32]).site(), Key::from_seed([2; 32]).site());
    let end = |seed: u8| End { keys: vec![seed], line: Line::new(key, Key::from_seed([seed; 32]).site(), &charter()).unwrap() };
    (end(1), end(2))
}

fn ends_of(one: &End, other: &End) -> Ends {
    Ends::between(MeshId(Digest::ZERO), one.ids(), other.ids()).unwrap()
}

/// `amount` is earned by one of the two, and agreed but for the last word, if that is lost.
fn serve(one: &mut End, other: &mut End, by_one: bool, amount: i64, lost: bool) -> bool {
    let earner = if by_one { one.key().site() } else { other.key().site() };
    let (low, high) = if one.line.is_low() { (one, other) } else { (other, one) };
    let moves = Moves { earner, amount: Credit(amount) };
    let Ok(proposal) = low.line.propose(&low.key(), moves, None, &charter()) else { return false };
    let receipt = high.line.countersign(&high.key(), &proposal, &charter()).unwrap();
    if !lost {
        let _ = low.line.conclude(receipt.state.seq, receipt.high_sig).unwrap();
    }
    true
}

/// Both ends have heard of a rotation: neither signs before the line began anew.
fn hand_over(one: &mut End, other: &mut End) {
    let ends = ends_of(one, other);
    one.line = one.line.handed_over(&ends, one.key().site(), &charter()).unwrap();
    other.line = other.line.handed_over(&ends, other.key().site(), &charter()).unwrap();
    assert_eq!((one.line.head().check(&ends), other.line.head().check(&ends)), (Ok(()), Ok(())), "no wish of a former key is shown");
}

/// `wishes` asks for a new epoch, the other end grants it.
fn begin(wishes: &mut End, other: &mut End, epoch: u32) {
    let ends = ends_of(wishes, other);
    let renewal = Signed::new(Renewal { key: ends.key(epoch), by: wishes.key().site() }, &wishes.key());
    let wish = Head { renewal: Some(renewal), ..wishes.line.head() };
    assert_eq!(wish.check(&ends), Ok(()));
    let granted = wish.with_last_of(&other.line.head());
    assert_eq!(granted.check(&ends), Ok(()));
    other.line.renew(&granted, &ends, &charter()).unwrap();
    wishes.line.renew(&granted, &ends, &charter()).unwrap();
}

#[test]
fn a_new_key_carries_balance_and_limits_whichever_end_it_is_then() {
    let mut turned = 0;
    for new in 3..13 {
        let (mut one, mut other) = fresh();
        assert!(serve(&mut one, &mut other, true, 400, false) && serve(&mut one, &mut other, false, 100, false));
        let before = (one.line.balance(), one.line.limit_given(), one.line.limit_taken());
        let (was_low, old) = (one.line.is_low(), one.line.head());
        one.keys.push(new);
        hand_over(&mut one, &mut other);
        assert!(one.line.waits() && !serve(&mut one, &mut other, true, 1, false), "nothing is signed before the line begins anew");
        assert_eq!((one.line.balance(), one.line.limit_given(), one.line.limit_taken()), before);
        begin(&mut one, &mut other, 7);
        assert_eq!((one.line.balance(), one.line.limit_given(), one.line.limit_taken()), before);
        assert_eq!((other.line.balance(), other.line.limit_given(), other.line.limit_taken()), (Credit(-300), before.2, before.1));
        assert_eq!(one.line.state().prev, old.last.unwrap().receipt.state.digest());
        assert!(serve(&mut one, &mut other, false, 50, false));
        assert_eq!((one.line.balance(), other.line.balance()), (Credit(250), Credit(-250)));
        turned += usize::from(one.line.is_low() != was_low);
    }
    assert!((1..10).contains(&turned), "{turned} of ten keys turn the line");
}

#[test]
fn the_old_key_signs_nothing_on_the_new_line_and_the_new_one_nothing_on_the_old() {
    let (mut one, mut other) = fresh();
    assert!(serve(&mut one, &mut other, true, 400, false));
    let (thief, late) = (one.line.clone(), other.line.clone());
    one.keys.push(3);
    hand_over(&mut one, &mut other);
    begin(&mut one, &mut other, 7);
    let mut thief = End { keys: vec![1], line: thief };
    let mut late = End { keys: vec![2], line: late };
    assert!(serve(&mut thief, &mut late, false, 300, false), "who has not heard is deceived");
    let ends = ends_of(&one, &other);
    let told = Head { renewal: None, ..thief.line.head() };
    assert!(told.check(&ends).is_ok(), "what a former key signed is seen");
    assert!(other.line.renew(&told, &ends, &charter()).is_err(), "and begins nothing");
    let wish = Renewal { key: ends.key(99), by: thief.key().site() };
    let told = Head { renewal: Some(Signed::new(wish, &thief.key())), ..thief.line.head() };
    assert_eq!(told.check(&ends), Err(LineError::OtherLine), "a former key wishes for nothing");
    let stranger = Ends::between(MeshId(Digest::ZERO), vec![Key::from_seed([9; 32]).site()], other.ids()).unwrap();
    assert_eq!(thief.line.head().check(&stranger), Err(LineError::BadSignature), "nobody else carries it on");
}

/// A round names its members by the keys that they had: what it locked is free again under the new ones.
#[test]
fn locks_are_open_when_a_key_is_another() {
    let (low, high) = keys();
    let lock = |locked_low, locked_high| {
        let first = LineState::first(line_key().id(), &charter());
        LineState { locked_low: Credit(locked_low), locked_high: Credit(locked_high), ..first }
    };
    let ends = Ends::between(MeshId(Digest::ZERO), vec![Key::from_seed([9; 32]).site(), low.site()], vec![high.site()]).unwrap();
    for state in [lock(70, 0), lock(0, 70)] {
        let receipt = Receipt { state, low_sig: state.sign(&low), high_sig: state.sign(&high), claim: None, step: None };
        let carried = ends.carried(&ends.key(7), &Agreed { epoch: 0, receipt });
        assert_eq!((carried.locked_low, carried.locked_high), (Credit::ZERO, Credit::ZERO));
    }
}

proptest! {
    /// Whichever end rotates whenever, and whichever last words are lost: both ends carry the same, nothing is made and nothing is shed.
    #[test]
    fn what_was_agreed_is_carried_whoever_rotates(
        deeds in prop::collection::vec((0_u8..8, any::<bool>(), 1_i64..300, any::<bool>()), 1..30)
    ) {
        let (mut one, mut other) = fresh();
        let (mut owed, mut next) = (0, 3);
        for (deed, which, amount, lost) in deeds {
            if deed > 2 {
                // What was lost once is answered by whatever is asked next, or carried by the next beginning.
                if serve(&mut one, &mut other, which, amount, lost) {
                    owed += if which { amount } else { -amount };
                }
                continue;
            }
            let first = if which { &mut one } else { &mut other };
            first.keys.push(next);
            next += 1;
            if deed == 2 {
                let second = if which { &mut other } else { &mut one };
                second.keys.push(next);
                next += 1;
            }
            hand_over(&mut one, &mut other);
            let epoch = u32::from(next);
            if one.line.waits() || other.line.waits() {
                if lost { begin(&mut one, &mut other, epoch) } else { begin(&mut other, &mut one, epoch) }
            }
            prop_assert_eq!((one.line.balance(), other.line.balance()), (Credit(owed), Credit(-owed)));
            prop_assert_eq!((one.line.limit_given(), one.line.limit_taken()), (other.line.limit_taken(), other.line.limit_given()));
            prop_assert_eq!(one.line.key(), other.line.key());
            prop_assert_eq!(one.line.state(), other.line.state());
            prop_assert!(one.line.state().is_within_limits() && !one.line.waits() && !other.line.waits());
        }
    }
}
