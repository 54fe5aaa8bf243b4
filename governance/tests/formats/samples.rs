//! One value of everything that is signed, stored or sent, made of fixed keys and dates: the same bytes on every machine.

use overspill_governance::{
    allotment::Allotment,
    ballot::{Ballot, Equivocation, Outcome, Stage},
    charter::Charter,
    claim::Claim,
    clearing::{DoubleRuling, Locked, Round, Ruled, Ruling},
    decision::Decision,
    digest::{Digest, ObjectDigest},
    docket::Paper,
    edition::{self, Edition, Leaf, Misserved, Served},
    entry::Entry,
    evidence::{Bundle, Overpaid, Pair},
    invite::{Admission, Departure, Founding, Redeemed, token::Token},
    line::{Agreed, Fork, Head, Line, LineKey, LineState, Moves, Proposal, Receipt, Renewal, Step, epoch_on},
    motion::{Change, Motion, Objection, Second},
    payword::{Chain, LeaseId},
    regard::Note,
    roster::{DoubleAdmission, Notice},
    rotation::{Commitment, Rotation, Succession},
    site::{Key, Signed, Statement},
    time::Date,
    units::{Bytes, Credit},
};

pub(super) const NOON: Date = Date::from_millis(1_795_305_600_000);
pub(super) const LEASE: LeaseId = LeaseId(*b"a lease!");

pub(super) fn owner() -> Key {
    Key::from_seed([1; 32])
}

pub(super) fn helper() -> Key {
    Key::from_seed([2; 32])
}

pub(super) fn founding() -> Signed<Founding> {
    let (founder, canonical) = (owner().site(), "https://a.example".into());
    let addresses = vec!["/ip4/192.0.2.1/tcp/7400".into()];
    Signed::new(Founding { name: "Village".into(), charter: Charter::default(), founder, date: NOON, canonical, addresses }, &owner())
}

pub(super) fn token() -> Token {
    let addresses = vec!["/ip4/192.0.2.1/tcp/7400".into()];
    let expires = NOON.after(core::time::Duration::from_secs(86_400));
    Token::issue(&owner(), founding().body.mesh(), addresses, expires, 1, [3; 32])
}

pub(super) fn redeemed() -> Redeemed {
    Redeemed::new(&token(), &helper(), "https://b.example".into(), vec!["/ip4/192.0.2.2/tcp/7400".into()], NOON)
}

pub(super) fn admission() -> Signed<Admission> {
    Signed::new(Admission::answering(&redeemed(), NOON), &owner())
}

fn succession() -> Succession {
    let (mesh, old, new) = (founding().body.mesh(), owner().site(), Key::from_seed([6; 32]).site());
    Succession { mesh, old, new, recovery: None, keeps: vec![helper().site()], date: NOON }
}

pub(super) fn rotation() -> Rotation {
    Rotation::by_key(succession(), &owner(), &Key::from_seed([6; 32]))
}

pub(super) fn recovery() -> Rotation {
    let recovery = Key::from_seed([7; 32]);
    let (mesh, member) = (founding().body.mesh(), owner().site());
    let commitment = Signed::new(Commitment { mesh, member, recovery: recovery.site(), date: NOON }, &owner());
    Rotation::by_recovery(succession(), &recovery, commitment, &Key::from_seed([6; 32]))
}

pub(super) fn departure() -> Signed<Departure> {
    Signed::new(Departure { mesh: founding().body.mesh(), member: helper().site(), date: NOON }, &helper())
}

pub(super) fn chain() -> Chain {
    Chain::from_seed([4; 32], LEASE, 1_000)
}

pub(super) fn allotment() -> Signed<Allotment> {
    let Charter { price_request, price_mib, .. } = Charter::default();
    let body = Allotment {
        mesh: founding().body.mesh(),
        charter: 1,
        lease: LEASE,
        owner: owner().site(),
        helper: helper().site(),
        requests: 1_000,
        bytes: Bytes(100 << 20),
        largest: Bytes(8 << 20),
        anchor: chain().anchor(),
        price_request,
        price_mib,
        made: NOON,
        until: NOON.after(core::time::Duration::from_secs(60)),
    };
    Signed::new(body, &owner())
}

pub(super) fn claim() -> Claim {
    Claim { lease: LEASE, serial: 100, word: chain().word(100).unwrap(), requests: 90, bytes: Bytes(10 << 20) }
}

/// The proposal of the line's lower end and the receipt that the other makes of it.
pub(super) fn settlement() -> (Proposal, Receipt) {
    let (low, high) = if owner().site() < helper().site() { (owner(), helper()) } else { (helper(), owner()) };
    let key = LineKey::between(founding().body.mesh(), low.site(), high.site());
    let charter = Charter::default();
    let moves = Moves { earner: helper().site(), amount: Credit(10_900) };
    let mut ours = Line::new(key, low.site(), &charter).unwrap();
    let mut theirs = Line::new(key, high.site(), &charter).unwrap();
    let proposal = ours.propose(&low, moves, Some(claim()), &charter).unwrap();
    let receipt = theirs.countersign(&high, &proposal, &charter).unwrap();
    (proposal, receipt)
}

/// A third member, who owes the owner, whom the helper owes.
pub(super) fn third() -> Key {
    Key::from_seed([6; 32])
}

/// Of debts in a circle, from the owner's on.
pub(super) fn round() -> Signed<Round> {
    let cycle = vec![owner().site(), helper().site(), third().site()];
    Signed::new(Round { mesh: founding().body.mesh(), charter: 1, cycle, amount: Credit(5_000), date: NOON }, &owner())
}

fn double_ruling() -> DoubleRuling {
    let rules = |moves| Ruling { round: round().body.digest(), moves }.sign(&owner());
    DoubleRuling { round: round().body, moves: rules(true), ends: rules(false) }
}

/// The lock on a line, from proposal to receipt, after a debt of 10,900.
fn lock(debtor: &Key, creditor: &Key) -> (Proposal, Receipt) {
    let (low, high) = if debtor.site() < creditor.site() { (debtor, creditor) } else { (creditor, debtor) };
    let key = LineKey::between(founding().body.mesh(), low.site(), high.site());
    let charter = Charter::default();
    let moves = Moves { earner: creditor.site(), amount: Credit(10_900) };
    let mut ours = Line::new(key, low.site(), &charter).unwrap();
    let mut theirs = Line::new(key, high.site(), &charter).unwrap();
    let debt = ours.propose(low, moves, None, &charter).unwrap();
    let agreed = theirs.countersign(high, &debt, &charter).unwrap();
    let _ = ours.conclude(1, agreed.high_sig).unwrap();
    let proposal = ours.propose_step(low, Step::Lock(round().into()), &charter).unwrap();
    let receipt = theirs.countersign(high, &proposal, &charter).unwrap();
    (proposal, receipt)
}

/// The owner forgot what it signed: the helper shows it.
pub(super) fn head() -> Head {
    let ends = LineKey::between(founding().body.mesh(), owner().site(), helper().site());
    let key = LineKey { epoch: epoch_on(NOON, 0), ..ends };
    let renewal = Signed::new(Renewal { key, by: owner().site() }, &owner());
    Head { renewal: Some(renewal), last: Some(Agreed { epoch: 0, receipt: clearing().1 }), locks: vec![round()] }
}

pub(super) fn clearing() -> (Proposal, Receipt) {
    lock(&owner(), &helper())
}

pub(super) fn ruled() -> Ruled {
    let ruling = Signed::new(Ruling { round: round().body.digest(), moves: true }, &owner());
    let proof = |debtor: Key, creditor: Key| {
        let Receipt { state, low_sig, high_sig, .. } = lock(&debtor, &creditor).1;
        Locked { epoch: 0, state, low_sig, high_sig }
    };
    let locks = vec![proof(owner(), helper()), proof(helper(), third()), proof(third(), owner())];
    Ruled { round: round(), ruling, locks }
}

/// Every kind of entry, in the order of a short life.
pub(super) fn entries() -> Vec<Entry> {
    let (proposal, receipt) = settlement();
    vec![
        Entry::Founded(founding().into()),
        Entry::Invited(token().invite()),
        Entry::Admitted(admission()),
        Entry::Allotted(allotment().into()),
        Entry::Taken(claim()),
        Entry::Proposed { with: helper().site(), proposal },
        Entry::Agreed { with: helper().site(), receipt },
        Entry::LeaseEnded { lease: LEASE },
        Entry::Moved { motion: motion().into(), heard: NOON },
        Entry::Seconded(second()),
        Entry::Objected(objection()),
        Entry::Cast(ballot(Stage::Prepare)),
        Entry::Decided(decision().into()),
        Entry::Proposed { with: helper().site(), proposal: clearing().0 },
        Entry::Agreed { with: helper().site(), receipt: clearing().1 },
        Entry::Ruled(ruled().into()),
        Entry::Noted { with: helper().site(), note: Note::Undelivered, date: NOON },
        Entry::Noted { with: helper().site(), note: Note::WeDispute("Those were \"not\" my visitors.".into()), date: NOON },
        Entry::Noted { with: helper().site(), note: Note::Answers { member: owner().site(), amount: Credit(12_500) }, date: NOON },
        Entry::Recovered { date: NOON },
        Entry::Renewed { with: helper().site(), head: head().into() },
        Entry::Rotated { rotation: rotation().into(), heard: NOON },
        Entry::Rotated { rotation: recovery().into(), heard: NOON },
        Entry::Departed(departure()),
        Entry::Convicted { bundle: bundles().remove(0).into(), heard: NOON },
    ]
}

pub(super) fn motion() -> Signed<Motion> {
    let change = Change::Amend { parameter: "price_mib".into(), from: 1_000, to: 2_000 };
    let (mesh, mover, discuss) = (founding().body.mesh(), helper().site(), "https://forum.example/1".into());
    Signed::new(Motion { mesh, mover, rules: Digest::ZERO, change, discuss, date: NOON }, &helper())
}

pub(super) fn second() -> Signed<Second> {
    Signed::new(Second { mesh: founding().body.mesh(), motion: motion().body.digest(), seconder: owner().site() }, &owner())
}

pub(super) fn objection() -> Signed<Objection> {
    let (mesh, motion, reason) = (founding().body.mesh(), motion().body.digest(), "Small sites cannot pay that.".into());
    Signed::new(Objection { mesh, motion, objector: owner().site(), reason }, &owner())
}

pub(super) fn ballot(stage: Stage) -> Signed<Ballot> {
    let outcome = Outcome { objections: Digest::of("test", b"nobody"), adopts: true };
    let (mesh, motion, voter) = (founding().body.mesh(), motion().body.digest(), owner().site());
    Signed::new(Ballot { mesh, motion, voter, epoch: 0, stage, basis: None, outcome }, &owner())
}

/// By the founder alone: when the motion was made, nobody else had been a member for long enough.
pub(super) fn decision() -> Decision {
    let Signed { body, signature } = ballot(Stage::Commit);
    Decision { motion: motion(), epoch: 0, outcome: body.outcome, votes: vec![(body.voter, signature)] }
}

pub(super) fn papers() -> Vec<Paper> {
    vec![
        Paper::Moved(motion()),
        Paper::Seconded(second()),
        Paper::Objected(objection()),
        Paper::Cast(ballot(Stage::Prepare)),
        Paper::Decided(decision().into()),
        Paper::Accused(bundles().remove(0).into()),
    ]
}

/// One bundle of each kind, all against the owner but the last.
pub(super) fn bundles() -> Vec<Bundle> {
    let (mesh, key) = (founding().body.mesh(), LineKey::between(founding().body.mesh(), owner().site(), helper().site()));
    let state = settlement().0.state;
    let forked = LineState { balance: Credit(1), ..state };
    let over = Claim { bytes: Bytes(1 << 40), ..claim() };
    let paid = LineState { cause: over.digest(), ..state };
    let other = Redeemed::new(&token(), &Key::from_seed([5; 32]), "https://c.example".into(), vec![], NOON);
    let ballot_against = |adopts| {
        let mut body = ballot(Stage::Prepare).body;
        body.outcome.adopts = adopts;
        Signed::new(body, &owner())
    };
    let edition =
        |root| Signed::new(Edition { mesh, owner: owner().site(), run: 1, generation: 7, date: NOON, root: Digest([root; 32]) }, &owner());
    let leaves = [1, 2, 3].map(|at| Leaf {
        path: edition::path_digest(&format!("/{at}")),
        body: ObjectDigest::of(&[at]),
        object: Digest::of("test", &[at]),
    });
    let body = ObjectDigest::of(b"tampered");
    let served = Served {
        mesh,
        owner: owner().site(),
        helper: helper().site(),
        root: edition::root(&leaves),
        path: leaves[1].path,
        body,
        minute: NOON,
    };
    vec![
        Bundle::Fork(Fork { key, by: owner().site(), one: (state, state.sign(&owner())), other: (forked, forked.sign(&owner())) }.into()),
        Bundle::DoubleAdmission(
            DoubleAdmission { one: admission(), other: Signed::new(Admission::answering(&other, NOON), &owner()) }.into(),
        ),
        Bundle::Equivocation(Equivocation { one: ballot_against(true), other: ballot_against(false) }.into()),
        Bundle::DoubleAllotment(
            Pair { one: allotment(), other: Signed::new(Allotment { requests: 2_000, ..allotment().body }, &owner()) }.into(),
        ),
        Bundle::Overpayment(Overpaid { allotment: allotment(), key, state: (paid, paid.sign(&owner())), claim: over }.into()),
        Bundle::DoubleEdition(Pair { one: edition(1), other: edition(2) }.into()),
        Bundle::Misserving(
            Misserved { served: Signed::new(served, &helper()), leaf: leaves[1], beside: edition::beside(&leaves, 1) }.into(),
        ),
        Bundle::DoubleRuling(double_ruling().into()),
    ]
}

pub(super) fn notices() -> [Notice; 4] {
    let [one, other] = [rotation(), recovery()].map(|rotation| Notice::Rotated(rotation.into()));
    [Notice::Admitted(admission()), Notice::Departed(departure()), one, other]
}

#[test]
fn the_samples_are_what_they_say() {
    assert!(founding().is_good() && admission().is_good() && allotment().is_good(&Charter::default()));
    assert_eq!(redeemed().check(NOON), Ok(()));
    assert_ne!(founding().body.mesh().0, Digest::ZERO);
}
