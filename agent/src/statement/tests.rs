use overspill_governance::{
    allotment::Allotment,
    chain::Record,
    charter::Charter,
    claim::Claim,
    digest::Digest,
    entry::Entry,
    invite::MeshId,
    line::{Fade, LineKey, LineState, Proposal, Receipt, Step},
    payword::{LeaseId, Word},
    regard::Note,
    site::{Key, Signed, Statement as _},
    time::Date,
    units::{Bytes, Credit, Millionths},
};
use proptest::prelude::*;

use super::*;

const LEASE: LeaseId = LeaseId([5; 8]);

fn keys() -> (Key, Key) {
    let (one, other) = (Key::from_seed([1; 32]), Key::from_seed([2; 32]));
    if one.site() < other.site() { (one, other) } else { (other, one) }
}

fn claim(requests: u32, bytes: u64) -> Claim {
    Claim { lease: LEASE, serial: requests, word: Word([0; 16]), requests, bytes: Bytes(bytes) }
}

/// The lower end serves the higher one and is paid twice, cumulatively.
fn story(low: &Key, high: &Key) -> Vec<Receipt> {
    let (mesh, charter) = (MeshId(Digest::ZERO), Charter::default());
    let mut state = LineState::first(LineKey::between(mesh, low.site(), high.site()).id(), &charter);
    let mut receipts = Vec::new();
    for (paid, claim) in [(300, claim(10, 1_000)), (200, claim(15, 1_700))] {
        state = state.next(Credit(paid), claim.digest(), &charter).unwrap();
        receipts.push(Receipt { state, low_sig: state.sign(low), high_sig: state.sign(high), claim: Some(claim), step: None });
    }
    receipts
}

fn statement_of(key: &Key, partner: &Key, helper: &Key) -> Statement {
    let (mesh, price) = (MeshId(Digest::ZERO), Credit(10));
    let (owner, anchor) = (if helper.site() == key.site() { partner } else { key }, Word([0; 16]));
    let allotment = Allotment {
        charter: 1,
        mesh,
        lease: LEASE,
        owner: owner.site(),
        helper: helper.site(),
        requests: 100,
        bytes: Bytes(1 << 20),
        largest: Bytes(1 << 20),
        anchor,
        price_request: price,
        price_mib: price,
        made: Date::from_millis(0),
        until: Date::from_millis(1),
    };
    let (low, high) = if key.site() < partner.site() { (key, partner) } else { (partner, key) };
    let agreed = story(low, high).into_iter().map(|receipt| Entry::Agreed { with: partner.site(), receipt });
    let mut clerk = Clerk::new(key.site());
    for (seq, entry) in (1..).zip(std::iter::once(Entry::Allotted(Box::new(Signed::new(allotment, owner)))).chain(agreed)) {
        clerk.take(&Record { seq, date: Date::from_millis(0), entry, at: 0 });
    }
    clerk.finish(Date::from_millis(2))
}

#[test]
fn both_ends_tell_the_same_story_from_their_sides() {
    let (low, high) = keys();
    let (ours, theirs) = (statement_of(&low, &high, &low), statement_of(&high, &low, &low));
    let (line, mirror) = (&ours.lines[0], &theirs.lines[0]);
    assert_eq!((line.balance_micro, line.earned_micro, line.spent_micro), (500, 500, 0));
    assert_eq!((mirror.balance_micro, mirror.earned_micro, mirror.spent_micro), (-500, 0, 500));
    assert_eq!(ours.balance_micro + theirs.balance_micro, 0);
    assert_eq!((line.seq, &line.state, line.receipts), (mirror.seq, &mirror.state, mirror.receipts));
}

proptest! {
    /// Whatever moves on a line, for service, by clearing or as demurrage, its balance is what came less what went.
    #[test]
    fn a_balance_is_what_its_parts_add_up_to(moves in prop::collection::vec((0..3_u8, -1_000_i64..1_000), 0..40), we_are_low: bool) {
        let (low, high) = keys();
        let (us, them) = if we_are_low { (&low, &high) } else { (&high, &low) };
        let mut state = LineState::first(LineKey::between(MeshId(Digest::ZERO), low.site(), high.site()).id(), &Charter::default());
        let mut clerk = Clerk::new(us.site());
        for (seq, (kind, shift)) in (1..).zip(moves) {
            state = LineState { seq, balance: Credit(state.balance.0 + shift), ..state };
            let fade = Fade { day: 1, rate: Millionths(1) };
            let step = [None, Some(Step::Gone(Digest::ZERO)), Some(Step::Fade(fade))][usize::from(kind)].clone();
            let receipt = Receipt { state, low_sig: state.sign(&low), high_sig: state.sign(&high), claim: None, step };
            clerk.take(&Record { seq, date: Date::from_millis(0), entry: Entry::Agreed { with: them.site(), receipt }, at: 0 });
        }
        let statement = clerk.finish(Date::from_millis(1));
        for line in &statement.lines {
            let cleared = line.cleared_of_ours_micro - line.cleared_of_theirs_micro;
            let faded = line.faded_of_ours_micro - line.faded_of_theirs_micro;
            prop_assert_eq!(line.balance_micro, line.earned_micro - line.spent_micro + cleared + faded);
            prop_assert_eq!(line.balance_micro, if we_are_low { state.balance.0 } else { -state.balance.0 });
        }
        prop_assert_eq!(statement.balance_micro, statement.lines.iter().map(|line| line.balance_micro).sum::<i64>());
    }
}

#[test]
fn a_line_waits_while_only_we_have_signed_and_is_disputed_until_that_ends() {
    let (low, high) = keys();
    let mut state = LineState::first(LineKey::between(MeshId(Digest::ZERO), low.site(), high.site()).id(), &Charter::default());
    state.seq = 1;
    let proposal = Proposal { state, low_sig: state.sign(&low), claim: None, step: None };
    let noted = |note| Entry::Noted { with: high.site(), note, date: Date::from_millis(0) };
    let condition = |entries: &[Entry], days: u64| {
        let mut clerk = Clerk::new(low.site());
        for (seq, entry) in (1..).zip(entries) {
            clerk.take(&Record { seq, date: Date::from_millis(0), entry: entry.clone(), at: 0 });
        }
        clerk.finish(Date::from_millis(days * 86_400_000)).lines[0].condition
    };
    let proposed = Entry::Proposed { with: high.site(), proposal };
    assert_eq!(condition(std::slice::from_ref(&proposed), 0), Condition::Waiting);
    let disputed = [proposed, noted(Note::TheyDispute("No.".into()))];
    assert_eq!((condition(&disputed, 6), condition(&disputed, 7)), (Condition::Disputed, Condition::Waiting));
    assert_eq!(condition(&[disputed.as_slice(), &[noted(Note::TheyWithdraw)]].concat(), 6), Condition::Waiting);
}

#[test]
fn cumulative_claims_are_counted_once() {
    let (low, high) = keys();
    let settled = Service { leases: 1, requests: 15, bytes: 1_700 };
    assert_eq!(statement_of(&low, &high, &low).lines[0].given, settled);
    assert_eq!(statement_of(&low, &high, &low).lines[0].taken, Service::default());
    assert_eq!(statement_of(&high, &low, &low).lines[0].taken, settled);
}
