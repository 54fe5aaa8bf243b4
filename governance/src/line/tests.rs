use super::*;
use crate::{
    limits::RECEIPT_BYTES_MAX,
    payword::{LeaseId, Word},
    units::{Bytes, Millionths, Permille},
};
use alloc::vec::Vec;

mod crashes;
mod fading;
mod handovers;
mod renewals;

fn keys() -> (Key, Key) {
    let (one, other) = (Key::from_seed([1; 32]), Key::from_seed([2; 32]));
    if one.site() < other.site() { (one, other) } else { (other, one) }
}

/// Small numbers, so that limits are met.
fn charter() -> Charter {
    Charter { newcomer_limit: Credit(1_000), line_limit_cap: Credit(3_000), limit_growth: Permille(500), ..Charter::default() }
}

fn line_key() -> LineKey {
    let (low, high) = keys();
    LineKey::between(MeshId(Digest::ZERO), high.site(), low.site())
}

fn ends() -> (Key, Key, Line, Line) {
    let (low, high) = keys();
    let ours = Line::new(line_key(), low.site(), &charter()).unwrap();
    let theirs = Line::new(line_key(), high.site(), &charter()).unwrap();
    (low, high, ours, theirs)
}

fn earns(key: &Key, amount: i64) -> Moves {
    Moves { earner: key.site(), amount: Credit(amount) }
}

fn claim(requests: u32) -> Claim {
    Claim { lease: LeaseId([4; 8]), serial: requests, word: Word([1; 16]), requests, bytes: Bytes::ZERO }
}

/// One state, from proposal to receipt, at both ends.
fn agree(ours: &mut Line, theirs: &mut Line, moves: Moves) -> Receipt {
    let (low, high) = keys();
    let proposal = ours.propose(&low, moves, None, &charter()).unwrap();
    let receipt = theirs.countersign(&high, &proposal, &charter()).unwrap();
    assert_eq!(ours.conclude(receipt.state.seq, receipt.high_sig), Ok(Concluded::New(receipt.clone().into())));
    receipt
}

#[test]
fn service_is_proposed_countersigned_and_agreed() {
    let (low, high, mut ours, mut theirs) = ends();
    let proposal = ours.propose(&low, earns(&low, 900), Some(claim(9)), &charter()).unwrap();
    assert_eq!(theirs.examine(&proposal, &charter()), Ok(Examined::Next(earns(&low, 900))));
    let receipt = theirs.countersign(&high, &proposal, &charter()).unwrap();
    assert!(receipt.is_good(ours.key()));
    assert_eq!(ours.conclude(1, receipt.high_sig), Ok(Concluded::New(receipt.into())));
    assert_eq!((ours.balance(), theirs.balance()), (Credit(900), Credit(-900)));
    assert_eq!((ours.partner(), theirs.partner()), (high.site(), low.site()));
}

#[test]
fn every_copy_and_every_late_word_is_of_no_consequence() {
    let (low, high, mut ours, mut theirs) = ends();
    let proposal = ours.propose(&low, earns(&low, 1), None, &charter()).unwrap();
    assert_eq!(ours.pending(), Some(&proposal));
    assert_eq!(ours.propose(&low, earns(&low, 2), None, &charter()), Err(LineError::Busy));
    let first = theirs.countersign(&high, &proposal, &charter()).unwrap();
    assert_eq!(theirs.examine(&proposal, &charter()), Ok(Examined::Again(first.clone().into())));
    assert_eq!(theirs.countersign(&high, &proposal, &charter()), Err(LineError::NotNext), "one signature is enough");
    let _ = ours.conclude(1, first.high_sig).unwrap();
    agree(&mut ours, &mut theirs, earns(&high, 5));
    assert_eq!(theirs.examine(&proposal, &charter()), Ok(Examined::Old));
    assert_eq!(ours.conclude(1, first.high_sig), Ok(Concluded::Old));
    assert_eq!(theirs.adopt(&first), Ok(false));
    let (last, pending) = (ours.receipt().unwrap().clone(), ours.propose(&low, earns(&low, 3), None, &charter()).unwrap());
    assert_eq!((ours.adopt(&last), ours.restore_agreed(&last), ours.pending()), (Ok(false), Ok(()), Some(&pending)), "known already");
    assert_eq!((ours.balance(), theirs.balance()), (Credit(-4), Credit(4)));
}

#[test]
fn a_fork_is_proven_to_strangers() {
    let (low, high, mut ours, mut theirs) = ends();
    let mut twin = ours.clone();
    let honest = ours.propose(&low, earns(&low, 1), None, &charter()).unwrap();
    let forked = twin.propose(&low, earns(&low, 2), None, &charter()).unwrap();
    let _ = theirs.countersign(&high, &honest, &charter()).unwrap();
    let Ok(Examined::Forked(proof)) = theirs.examine(&forked, &charter()) else { panic!("a fork") };
    assert!(proof.convicts() && proof.by == low.site());
    let innocent = Fork { by: high.site(), ..*proof.clone() };
    let same = Fork { other: proof.one, ..*proof.clone() };
    let elsewhere = Fork { key: LineKey { epoch: 1, ..proof.key }, ..*proof.clone() };
    assert!(!innocent.convicts() && !same.convicts() && !elsewhere.convicts());
    let stranger = Key::from_seed([9; 32]);
    let (one, other) = ((proof.one.0, proof.one.0.sign(&stranger)), (proof.other.0, proof.other.0.sign(&stranger)));
    assert!(!Fork { by: stranger.site(), one, other, ..*proof }.convicts(), "a stranger's word on a line means nothing");
}

#[test]
fn limits_hold_in_both_directions_and_open_again() {
    let (low, high, mut ours, mut theirs) = ends();
    assert_eq!(ours.propose(&low, earns(&low, 1_001), None, &charter()), Err(LineError::LimitReached));
    agree(&mut ours, &mut theirs, earns(&low, 1_000));
    assert_eq!((ours.headroom(low.site()), theirs.headroom(high.site())), (Credit::ZERO, Credit(2_500)));
    assert_eq!(ours.propose(&low, earns(&low, 1), None, &charter()), Err(LineError::LimitReached));
    agree(&mut ours, &mut theirs, earns(&high, 2_500));
    assert_eq!((ours.balance(), ours.headroom(high.site())), (Credit(-1_500), Credit::ZERO));
    assert!(ours.state().is_within_limits());
}

/// Each end stays within what the other grants it, even if every open lock ends without a move.
#[test]
fn a_state_is_within_limits_when_neither_end_can_come_to_owe_more() {
    let within = |balance, locked_low, locked_high| {
        let first = LineState::first(line_key().id(), &charter());
        LineState { balance: Credit(balance), locked_low: Credit(locked_low), locked_high: Credit(locked_high), ..first }.is_within_limits()
    };
    assert!(within(1_000, 0, 0) && within(-1_000, 0, 0) && within(900, 100, 0) && within(-900, 0, 100));
    assert!(!within(1_001, 0, 0) && !within(-1_001, 0, 0), "either end");
    assert!(!within(900, 101, 0) && !within(-900, 0, 101), "with what is locked");
    assert!(!within(i64::MIN, 0, 0) && !within(i64::MAX, 1, 0));
}

#[test]
fn giving_service_earns_trust_up_to_the_cap_and_taking_it_earns_none() {
    let (low, high, mut ours, mut theirs) = ends();
    agree(&mut ours, &mut theirs, earns(&low, 1_000));
    assert_eq!((theirs.limit_given(), ours.limit_given()), (Credit(1_500), Credit(1_000)), "the giver may owe more, the taker no more");
    for _ in 0..5 {
        agree(&mut ours, &mut theirs, earns(&high, 1_000));
        agree(&mut ours, &mut theirs, earns(&low, 1_000));
    }
    assert_eq!((ours.limit_given(), ours.limit_taken()), (Credit(3_000), Credit(3_000)));
}

#[test]
fn a_line_began_with_the_limits_of_its_first_state_whatever_rules_its_log_is_read_under() {
    let (low, high, mut ours, mut theirs) = ends();
    let receipts = [agree(&mut ours, &mut theirs, earns(&low, 900)), agree(&mut ours, &mut theirs, earns(&high, 700))];
    let generous = Charter { newcomer_limit: Credit(2_000), ..charter() };
    let mut restored = Line::new(line_key(), low.site(), &generous).unwrap();
    receipts.iter().for_each(|receipt| restored.restore_agreed(receipt).unwrap());
    assert_eq!((ours.start(), restored.start(), restored.limit_given()), (Credit(1_000), Credit(1_000), Credit(1_350)));
}

#[test]
fn a_helper_stops_at_the_unsettled_cap_or_at_the_limit() {
    let (low, _, mut ours, mut theirs) = ends();
    let charter = Charter { unsettled_cap: Credit(700), ..charter() };
    assert_eq!(ours.service_room(Credit(400), &charter), Credit(300));
    assert_eq!(ours.service_room(Credit(1_400), &charter), Credit::ZERO);
    agree(&mut ours, &mut theirs, earns(&low, 800));
    assert_eq!(ours.service_room(Credit(50), &charter), Credit(150), "the limit is nearer than the cap");
}

#[test]
fn what_does_not_follow_is_not_signed() {
    let (low, high, mut ours, theirs) = ends();
    let proposal = ours.propose(&low, earns(&low, 10), Some(claim(1)), &charter()).unwrap();
    let bent = |bend: fn(&mut LineState)| {
        let mut state = proposal.state;
        bend(&mut state);
        theirs.examine(&Proposal { state, low_sig: state.sign(&low), claim: proposal.claim, step: None }, &charter())
    };
    assert_eq!(bent(|state| state.limit_high.0 += 1), Err(LineError::NotNext));
    assert_eq!(bent(|state| state.limit_low.0 -= 1), Err(LineError::NotNext));
    assert_eq!(bent(|state| state.prev = Digest::ZERO), Err(LineError::NotNext));
    assert_eq!(bent(|state| state.cause = Digest::ZERO), Err(LineError::NotNext));
    assert_eq!(bent(|state| state.seq = 9), Err(LineError::Ahead { ours: 0, theirs: 9 }));
    assert_eq!(bent(|state| state.line = LineId(Digest::ZERO)), Err(LineError::OtherLine));
    assert_eq!(bent(|state| state.balance = Credit(i64::MIN)), Err(LineError::OutOfRange));
    let unsigned = Proposal { low_sig: proposal.state.sign(&high), ..proposal.clone() };
    assert_eq!(theirs.examine(&unsigned, &charter()), Err(LineError::BadSignature));
    let other_claim = Proposal { claim: Some(claim(2)), ..proposal };
    assert_eq!(theirs.examine(&other_claim, &charter()), Err(LineError::NotNext));
}

#[test]
fn a_limit_that_the_lower_end_ignores_holds_at_the_higher() {
    let (low, high, _, theirs) = ends();
    for shift in [Credit(1_001), Credit(-1_001)] {
        let state = theirs.state().next(shift, Digest::ZERO, &charter()).unwrap();
        let proposal = Proposal { state, low_sig: state.sign(&low), claim: None, step: None };
        assert_eq!(theirs.examine(&proposal, &charter()), Err(LineError::LimitReached));
        assert_eq!(theirs.clone().countersign(&high, &proposal, &charter()), Err(LineError::LimitReached));
    }
}

#[test]
fn a_state_that_moves_nothing_is_not_signed() {
    let (low, _, _, theirs) = ends();
    let state = theirs.state().next(Credit::ZERO, Digest::ZERO, &charter()).unwrap();
    let proposal = Proposal { state, low_sig: state.sign(&low), claim: None, step: None };
    assert_eq!(theirs.examine(&proposal, &charter()), Err(LineError::OutOfRange));
}

#[test]
fn an_answer_that_the_other_end_did_not_sign_leaves_the_proposal_pending() {
    let (low, _, mut ours, _) = ends();
    let proposal = ours.propose(&low, earns(&low, 5), None, &charter()).unwrap();
    assert_eq!(ours.conclude(1, proposal.low_sig), Err(LineError::BadSignature));
    assert_eq!(ours.conclude(2, proposal.low_sig), Err(LineError::Ahead { ours: 0, theirs: 2 }));
    assert_eq!((ours.pending(), ours.balance()), (Some(&proposal), Credit::ZERO));
}

#[test]
fn amounts_out_of_range_are_refused() {
    let (low, high, mut ours, mut theirs) = ends();
    for amount in [0, -1, i64::MIN] {
        assert_eq!(ours.propose(&low, earns(&low, amount), None, &charter()), Err(LineError::OutOfRange), "{amount}");
        assert_eq!(ours.propose(&low, earns(&high, amount), None, &charter()), Err(LineError::OutOfRange), "{amount}");
    }
    assert_eq!(ours.propose(&low, earns(&low, i64::MAX), None, &charter()), Err(LineError::LimitReached));
    assert_eq!(theirs.propose(&high, earns(&low, 1), None, &charter()), Err(LineError::WrongEnd));
    let stranger = Key::from_seed([9; 32]);
    assert_eq!(ours.propose(&low, earns(&stranger, 1), None, &charter()), Err(LineError::OtherLine));
    assert!(Line::new(line_key(), stranger.site(), &charter()).is_none());
    assert!(Line::new(LineKey::between(MeshId(Digest::ZERO), low.site(), low.site()), low.site(), &charter()).is_none());
    let _ = theirs.adopt(&agree(&mut ours, &mut theirs.clone(), earns(&low, 1)));
    assert_eq!(theirs.balance(), Credit(-1));
}

#[test]
fn an_end_that_lost_its_disk_takes_the_head_from_the_other() {
    let (low, high, mut ours, mut theirs) = ends();
    let fresh = theirs.clone();
    for amount in 1..5 {
        agree(&mut ours, &mut theirs, earns(&low, amount));
    }
    let mut lost = fresh;
    let proposal = ours.propose(&low, earns(&low, 7), None, &charter()).unwrap();
    assert_eq!(lost.examine(&proposal, &charter()), Err(LineError::Ahead { ours: 0, theirs: 5 }));
    assert_eq!(lost.adopt(ours.receipt().unwrap()), Ok(true));
    let receipt = lost.countersign(&high, &proposal, &charter()).unwrap();
    assert_eq!(receipt, theirs.countersign(&high, &proposal, &charter()).unwrap());
}

#[test]
fn a_receipt_that_contradicts_our_own_signature_is_not_adopted() {
    let (low, high, mut ours, mut theirs) = ends();
    let mut twin = ours.clone();
    let forked = twin.propose(&low, earns(&low, 2), None, &charter()).unwrap();
    let receipt = theirs.countersign(&high, &forked, &charter()).unwrap();
    let _ = ours.propose(&low, earns(&low, 1), None, &charter()).unwrap();
    assert_eq!(ours.adopt(&receipt), Err(LineError::NotNext));
    assert_eq!(ours.state().seq, 0);

    let (_, _, mut ours, mut theirs) = ends();
    agree(&mut ours, &mut theirs, earns(&low, 1));
    assert_eq!(ours.adopt(&receipt), Err(LineError::NotNext), "nor one beside what both agreed on");
    assert_eq!(ours.balance(), Credit(1));
}

#[test]
fn a_receipt_is_good_on_its_own_line_only() {
    let (low, _, mut ours, mut theirs) = ends();
    let receipt = agree(&mut ours, &mut theirs, earns(&low, 1));
    let next_epoch = LineKey { epoch: 1, ..line_key() };
    assert!(receipt.is_good(&line_key()) && !receipt.is_good(&next_epoch));
    let mut line = Line::new(next_epoch, low.site(), &charter()).unwrap();
    assert_eq!(line.adopt(&receipt), Err(LineError::BadSignature));
    assert_eq!(line.restore_agreed(&receipt), Err(LineError::OtherLine));
}

#[test]
fn an_old_receipt_in_the_log_does_not_turn_time_back() {
    let (low, _, mut ours, mut theirs) = ends();
    let first = agree(&mut ours, &mut theirs, earns(&low, 1));
    let second = agree(&mut ours, &mut theirs, earns(&low, 2));
    for receipt in [&second, &first] {
        ours.restore_agreed(receipt).unwrap();
    }
    assert_eq!((ours.state().seq, ours.balance()), (2, Credit(3)));
}

#[test]
fn a_proposal_in_the_log_that_does_not_follow_is_not_taken_back() {
    let (low, _, mut ours, mut theirs) = ends();
    let fresh = ours.clone();
    let proposal = ours.propose(&low, earns(&low, 1), None, &charter()).unwrap();
    let taken = |bend: fn(&mut LineState)| {
        let mut bent = proposal.clone();
        bend(&mut bent.state);
        fresh.clone().restore_proposed(&bent)
    };
    assert_eq!(taken(|_| ()), Ok(()));
    assert_eq!(taken(|state| state.line = LineId(Digest::ZERO)), Err(LineError::NotNext));
    assert_eq!(taken(|state| state.seq = 2), Err(LineError::NotNext));
    assert_eq!(taken(|state| state.prev = Digest::ZERO), Err(LineError::NotNext));
    assert_eq!(theirs.restore_proposed(&proposal), Err(LineError::NotNext), "the higher end proposes nothing");
}

mod steps {
    use super::*;
    use crate::{
        clearing::{Round, Ruling},
        site::Signed,
        time::Date,
    };
    use alloc::vec;

    fn third() -> Key {
        Key::from_seed([7; 32])
    }

    /// A round of the third member's, in which the lower end owes the higher.
    fn round(amount: i64, minute: u64) -> Signed<Round> {
        let (low, high) = keys();
        let (cycle, date) = (vec![third().site(), low.site(), high.site()], Date::from_millis(60_000 * minute));
        Signed::new(Round { mesh: MeshId(Digest::ZERO), charter: 1, cycle, amount: Credit(amount), date }, &third())
    }

    fn ruling(round: &Signed<Round>, moves: bool) -> Step {
        Step::Release(Signed::new(Ruling { round: round.body.digest(), moves }, &third()))
    }

    /// One step, at both ends.
    fn take(ours: &mut Line, theirs: &mut Line, step: Step) -> Result<Receipt, LineError> {
        let (low, high) = keys();
        let proposal = ours.propose_step(&low, step, &charter())?;
        let receipt = theirs.countersign(&high, &proposal, &charter())?;
        let _ = ours.conclude(receipt.state.seq, receipt.high_sig)?;
        assert!(receipt.is_good(ours.key()) && ours.state() == theirs.state());
        Ok(receipt)
    }

    #[test]
    fn what_is_locked_is_kept_free_and_moves_when_it_is_ruled() {
        let (_, high, mut ours, mut theirs) = ends();
        agree(&mut ours, &mut theirs, earns(&high, 600));
        let free = ours.headroom(ours.key().low);
        let (first, second) = (round(200, 1), round(50, 2));
        take(&mut ours, &mut theirs, Step::Lock(first.clone().into())).unwrap();
        take(&mut ours, &mut theirs, Step::Lock(second.clone().into())).unwrap();
        assert_eq!((ours.headroom(ours.key().low), ours.locked(), ours.balance()), (Credit(free.0 - 250), Credit(250), Credit(-600)));
        take(&mut ours, &mut theirs, ruling(&first, true)).unwrap();
        assert_eq!((ours.balance(), ours.locked()), (Credit(-400), Credit(50)));
        take(&mut ours, &mut theirs, ruling(&second, false)).unwrap();
        assert_eq!((theirs.balance(), theirs.locked()), (Credit(400), Credit::ZERO));
        assert_eq!(ours.limit_given(), Credit(1_300), "as service has made it: clearing is none");
    }

    #[test]
    fn no_more_is_locked_than_is_owed_and_than_the_share_of_the_limit() {
        let (_, high, mut ours, mut theirs) = ends();
        let lock =
            |ours: &mut Line, theirs: &mut Line, amount, minute| take(ours, theirs, Step::Lock(round(amount, minute).into())).map(|_| ());
        assert_eq!(lock(&mut ours, &mut theirs, 1, 1), Err(LineError::NotLockable), "nothing is owed");
        agree(&mut ours, &mut theirs, earns(&high, 100));
        assert_eq!(lock(&mut ours, &mut theirs, 101, 1), Err(LineError::NotLockable));
        agree(&mut ours, &mut theirs, earns(&high, 800));
        assert_eq!(lock(&mut ours, &mut theirs, 363, 1), Err(LineError::NotLockable), "a quarter of 1,450");
        for minute in 1..=4 {
            assert_eq!(lock(&mut ours, &mut theirs, 10, minute), Ok(()));
        }
        assert_eq!(lock(&mut ours, &mut theirs, 10, 5), Err(LineError::NotLockable), "four are open");
    }

    #[test]
    fn a_round_is_locked_once_and_only_newer_ones_after_it() {
        let (_, high, mut ours, mut theirs) = ends();
        agree(&mut ours, &mut theirs, earns(&high, 600));
        let done = round(10, 5);
        take(&mut ours, &mut theirs, Step::Lock(done.clone().into())).unwrap();
        take(&mut ours, &mut theirs, ruling(&done, true)).unwrap();
        assert_eq!(take(&mut ours, &mut theirs, ruling(&done, true)).err(), Some(LineError::NotLocked), "moved once");
        for late in [done, round(20, 4), round(20, 5)] {
            assert_eq!(take(&mut ours, &mut theirs, Step::Lock(late.into())).err(), Some(LineError::NotLockable));
        }
        take(&mut ours, &mut theirs, Step::Lock(round(20, 6).into())).unwrap();
    }

    #[test]
    fn steps_are_signed_by_whom_they_name_and_lead_over_this_line() {
        let (low, high, mut ours, mut theirs) = ends();
        agree(&mut ours, &mut theirs, earns(&high, 600));
        let open = round(10, 1);
        take(&mut ours, &mut theirs, Step::Lock(open.clone().into())).unwrap();
        let by_us = Step::Release(Signed::new(Ruling { round: open.body.digest(), moves: true }, &low));
        assert_eq!(ours.propose_step(&low, by_us, &charter()), Err(LineError::BadSignature));
        let forged = Signed { signature: open.signature, body: round(20, 2).body };
        assert_eq!(ours.propose_step(&low, Step::Lock(forged.into()), &charter()), Err(LineError::BadSignature));
        let cycle = vec![third().site(), low.site(), Key::from_seed([8; 32]).site(), high.site()];
        let elsewhere = Signed::new(Round { cycle, ..round(10, 3).body }, &third());
        assert_eq!(ours.propose_step(&low, Step::Lock(elsewhere.into()), &charter()), Err(LineError::BadSignature));
        assert_eq!(theirs.propose_step(&high, ruling(&open, true), &charter()), Err(LineError::WrongEnd));
        let lock = ours.propose_step(&low, ruling(&open, true), &charter()).unwrap();
        assert_eq!(ours.propose_step(&low, ruling(&open, false), &charter()), Err(LineError::Busy), "one state at a time");
        let with_claim = Proposal { claim: Some(claim(1)), ..lock.clone() };
        assert_eq!(theirs.examine(&with_claim, &charter()), Err(LineError::NotNext));
        let mut state = lock.state;
        state.balance.0 += 1;
        let more = Proposal { low_sig: state.sign(&low), state, ..lock };
        assert_eq!(theirs.examine(&more, &charter()), Err(LineError::NotNext));
    }
}

#[test]
fn a_receipt_without_its_claim_is_short() {
    let (low, _, mut ours, mut theirs) = ends();
    let receipt = agree(&mut ours, &mut theirs, earns(&low, 1));
    assert!(crate::codec::encode(&receipt).len() <= RECEIPT_BYTES_MAX);
}
