use super::*;
use crate::{
    digest::Digest,
    invite::{Admission, Founding, Redeemed, token::Token},
    line::{Agreed, Line, Moves, Renewal},
    payword::{Chain, Word},
    site::Key,
    time::Date,
};
use alloc::{vec, vec::Vec};

const LEASE: LeaseId = LeaseId([5; 8]);
pub(super) const NOON: Date = Date::from_millis(1_795_305_600_000);

/// The owner's key is the lower one: it proposes.
pub(super) fn keys() -> (Key, Key) {
    let (one, other) = (Key::from_seed([1; 32]), Key::from_seed([2; 32]));
    if one.site() < other.site() { (one, other) } else { (other, one) }
}

fn chain() -> Chain {
    Chain::from_seed([3; 32], LEASE, 100)
}

fn claim(serial: u32) -> Claim {
    Claim { lease: LEASE, serial, word: chain().word(serial).unwrap(), requests: serial, bytes: Bytes(u64::from(serial) << 16) }
}

/// The ledgers of an owner and a helper who settled one lease in two receipts.
pub(super) fn ledgers() -> (Vec<Entry>, Vec<Entry>) {
    let (owner, helper) = keys();
    let charter = Charter::default();
    let founding = Founding {
        name: "Village".into(),
        charter: charter.clone(),
        founder: owner.site(),
        date: NOON,
        canonical: "https://a.example".into(),
        addresses: vec![],
    };
    let mesh = founding.mesh();
    let token = Token::issue(&owner, mesh, vec![], Date::MAX, 1, [9; 32]);
    let redeemed = Redeemed::new(&token, &helper, "https://b.example".into(), vec![], NOON);
    let allotment = Allotment {
        mesh,
        lease: LEASE,
        owner: owner.site(),
        helper: helper.site(),
        requests: 100,
        bytes: Bytes(1 << 30),
        largest: Bytes(1 << 20),
        anchor: chain().anchor(),
        charter: 1,
        price_request: charter.price_request,
        price_mib: charter.price_mib,
        made: NOON,
        until: Date::MAX,
    };
    let founded = Entry::Founded(Signed::new(founding, &owner).into());
    let admitted = Entry::Admitted(Signed::new(Admission::answering(&redeemed, NOON), &owner));
    let allotted = Entry::Allotted(Signed::new(allotment.clone(), &owner).into());
    let mut owners = vec![founded.clone(), Entry::Invited(token.invite()), admitted.clone(), allotted.clone()];
    let mut helpers = vec![founded, admitted, allotted];
    let key = LineKey::between(mesh, owner.site(), helper.site());
    let mut ours = Line::new(key, owner.site(), &charter).unwrap();
    let mut theirs = Line::new(key, helper.site(), &charter).unwrap();
    let mut settled = Credit::ZERO;
    for serial in [10, 25] {
        let worth = allotment.price(serial, claim(serial).bytes);
        let moves = Moves { earner: helper.site(), amount: worth.checked_sub(settled).unwrap() };
        settled = worth;
        helpers.push(Entry::Taken(claim(serial)));
        let proposal = ours.propose(&owner, moves, Some(claim(serial)), &charter).unwrap();
        owners.push(Entry::Proposed { with: helper.site(), proposal: proposal.clone() });
        let receipt = theirs.countersign(&helper, &proposal, &charter).unwrap();
        helpers.push(Entry::Agreed { with: owner.site(), receipt: receipt.clone() });
        let _ = ours.conclude(receipt.state.seq, receipt.high_sig).unwrap();
        owners.push(Entry::Agreed { with: helper.site(), receipt });
    }
    owners.push(Entry::LeaseEnded { lease: LEASE });
    helpers.push(Entry::LeaseEnded { lease: LEASE });
    (owners, helpers)
}

pub(super) fn audit(site: SiteId, entries: &[Entry]) -> Result<Audit, (usize, Finding)> {
    let mut audit = Audit::new(site);
    for (at, entry) in entries.iter().enumerate() {
        let record = Record { seq: at as u64 + 1, date: NOON, entry: entry.clone(), at: 0 };
        audit.take(&record).map_err(|finding| (at, finding))?;
    }
    Ok(audit)
}

/// What the audit says when entry `at` of the helper's ledger is bent.
fn helper_finds(at: usize, bend: impl Fn(&mut Entry)) -> Option<(usize, Finding)> {
    let (_, mut helpers) = ledgers();
    bend(&mut helpers[at]);
    audit(keys().1.site(), &helpers).err()
}

#[test]
fn both_ends_of_an_honest_line_pass_and_agree() {
    let (owner, helper) = keys();
    let (owners, helpers) = ledgers();
    let (owners, helpers) = (audit(owner.site(), &owners).unwrap(), audit(helper.site(), &helpers).unwrap());
    let (ours, theirs) = (owners.accounts().next().unwrap(), helpers.accounts().next().unwrap());
    assert_eq!(ours.balance.checked_add(theirs.balance), Some(Credit::ZERO));
    assert_eq!((ours.state, ours.spent, ours.receipts), (theirs.state, theirs.earned, theirs.receipts));
    assert_eq!(theirs.earned, Credit(25 * 10 + 1_562));
    assert_eq!((ours.partner, ours.waits), (helper.site(), false));
}

#[test]
fn a_ledger_shown_by_another_site_is_not_its_own() {
    let (owners, helpers) = ledgers();
    assert_eq!(audit(keys().1.site(), &owners).err(), Some((1, Finding::NotOurs)));
    assert_eq!(audit(SiteId([0; 32]), &helpers).err(), Some((2, Finding::NotOurs)));
}

#[test]
fn every_rule_is_missed_when_it_is_broken() {
    let taken = |bend: fn(&mut Claim)| {
        move |entry: &mut Entry| {
            if let Entry::Taken(claim) = entry {
                bend(claim)
            }
        }
    };
    assert_eq!(helper_finds(3, taken(|claim| claim.word = Word([0; 16]))), Some((3, Finding::Unproven)));
    assert_eq!(helper_finds(3, taken(|claim| claim.serial = 11)), Some((3, Finding::Unproven)));
    assert_eq!(helper_finds(3, taken(|claim| claim.lease = LeaseId([6; 8]))), Some((3, Finding::UnknownLease)));
    assert_eq!(helper_finds(5, taken(|claim| claim.requests = 9)), Some((5, Finding::Unproven)));

    let receipt = |bend: fn(&mut Receipt)| {
        move |entry: &mut Entry| {
            if let Entry::Agreed { receipt, .. } = entry {
                bend(receipt)
            }
        }
    };
    assert_eq!(helper_finds(4, receipt(|receipt| receipt.high_sig = receipt.low_sig)), Some((4, Finding::BadReceipt)));
    assert_eq!(helper_finds(4, receipt(|receipt| receipt.claim = None)), Some((4, Finding::BadReceipt)));
    assert_eq!(helper_finds(2, |entry| *entry = Entry::LeaseEnded { lease: LEASE }), Some((2, Finding::UnknownLease)));
    let forged = |entry: &mut Entry| {
        if let Entry::Admitted(admission) = entry {
            admission.body.date = Date::MAX;
        }
    };
    assert_eq!(helper_finds(1, forged), Some((1, Finding::BadStatement)));
    assert_eq!(helper_finds(0, |entry| *entry = Entry::LeaseEnded { lease: LEASE }), Some((0, Finding::UnknownLease)));
}

#[test]
fn a_lease_is_allotted_once() {
    let (owner, helper) = keys();
    let (owners, _) = ledgers();
    let again = |until: Date| {
        let Entry::Allotted(mut allotment) = owners[3].clone() else { panic!("the allotment") };
        allotment.body.until = until;
        let signed = Signed::new(allotment.body, &owner);
        let entries = [owners[0].clone(), owners[3].clone(), Entry::Allotted(signed.into())];
        audit(helper.site(), &entries).err()
    };
    assert_eq!((again(Date::MAX), again(NOON.after(core::time::Duration::from_secs(9)))), (None, Some((2, Finding::AllottedTwice))));
}

#[test]
fn ends_that_conspire_on_a_price_are_seen_by_a_third_party() {
    let charter = Charter::default();
    let conspire = |entry: &mut Entry| {
        let (owner, helper) = keys();
        if let Entry::Agreed { receipt, .. } = entry {
            let first = LineState::first(receipt.state.line, &charter);
            receipt.state = first.next(Credit(-1_000), receipt.state.cause, &charter).unwrap();
            (receipt.low_sig, receipt.high_sig) = (receipt.state.sign(&owner), receipt.state.sign(&helper));
        }
    };
    assert_eq!(helper_finds(4, conspire), Some((4, Finding::Mispriced)));
    let inflate = |entry: &mut Entry| {
        let (owner, helper) = keys();
        if let Entry::Agreed { receipt, .. } = entry {
            receipt.state.limit_high = Credit(i64::MAX);
            (receipt.low_sig, receipt.high_sig) = (receipt.state.sign(&owner), receipt.state.sign(&helper));
        }
    };
    assert_eq!(helper_finds(4, inflate), Some((4, Finding::NotNext)));
}

#[test]
fn a_line_that_began_anew_is_followed_in_its_new_epoch() {
    let (owner, helper) = keys();
    let (mut owners, mut helpers) = ledgers();
    let (Entry::Founded(founding), Entry::Agreed { receipt: last, .. }) = (&owners[0], &owners[7]) else { panic!("the second receipt") };
    let key = LineKey::between(founding.body.mesh(), owner.site(), helper.site());
    let renewal = Renewal { key: LineKey { epoch: 7, ..key }, by: owner.site() };
    let last = Some(Agreed { epoch: 0, receipt: last.clone() });
    let head = Head { renewal: Some(Signed::new(renewal, &owner)), last, locks: Vec::new() };
    let (charter, mut ours) = (Charter::default(), Line::new(key, owner.site(), &Charter::default()).unwrap());
    ours.renew(&head, &Ends::from(&key), &charter).unwrap();
    let moves = Moves { earner: owner.site(), amount: Credit(5) };
    let Proposal { state, low_sig, .. } = ours.propose(&owner, moves, None, &charter).unwrap();
    let receipt = Receipt { state, low_sig, high_sig: state.sign(&helper), claim: None, step: None };
    for (entries, with) in [(&mut owners, helper.site()), (&mut helpers, owner.site())] {
        entries.push(Entry::Renewed { with, head: head.clone().into() });
        entries.push(Entry::Agreed { with, receipt: receipt.clone() });
    }
    let (owners, helpers) = (audit(owner.site(), &owners).unwrap(), audit(helper.site(), &helpers).unwrap());
    let (ours, theirs) = (owners.accounts().next().unwrap(), helpers.accounts().next().unwrap());
    assert_eq!((ours.state, ours.receipts), (state, 3));
    assert_eq!(ours.balance.checked_add(theirs.balance), Some(Credit::ZERO));
}

#[test]
fn two_signatures_at_one_place_are_found() {
    let (owner, helper) = keys();
    let (mut owners, _) = ledgers();
    let Entry::Proposed { proposal, .. } = owners[4].clone() else { panic!("the first proposal") };
    let mut state = proposal.state;
    state.cause = Digest::ZERO;
    let twin = Proposal { low_sig: state.sign(&owner), state, claim: None, step: None };
    owners.insert(5, Entry::Proposed { with: helper.site(), proposal });
    assert!(audit(owner.site(), &owners).is_ok(), "the same bytes again are no second signature");
    owners.insert(6, Entry::Proposed { with: helper.site(), proposal: twin.clone() });
    assert_eq!(audit(owner.site(), &owners).err(), Some((6, Finding::SignedTwice)));
    owners.remove(6);
    let end = owners.len();
    owners.push(Entry::Proposed { with: helper.site(), proposal: twin });
    assert_eq!(audit(owner.site(), &owners).err(), Some((end, Finding::SignedTwice)), "long after it was agreed");
}
