use super::*;
use crate::{
    ballot::{Ballot, Outcome, Stage},
    charter::Charter,
    claim::{Bounds, Claim, Issued, assess},
    clearing::{Round, Ruling},
    digest::ObjectDigest,
    edition::{Leaf, Served, beside, path_digest, root},
    invite::{Admission, Redeemed, token::Token},
    limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, CANONICAL_BYTES_MAX},
    line::{Line, LineKey, LineState, Moves},
    payword::{Chain, LeaseId},
    site::{Key, Signature},
    time::Date,
    units::{Bytes, Credit},
};
use alloc::{format, string::ToString, vec, vec::Vec};
use proptest::prelude::*;

const MESH: MeshId = MeshId(Digest([6; 32]));
const LEASE: LeaseId = LeaseId([5; 8]);
const NOON: Date = Date::from_millis(1_795_305_600_000);

fn culprit() -> Key {
    Key::from_seed([1; 32])
}

fn other() -> Key {
    Key::from_seed([2; 32])
}

fn chain() -> Chain {
    Chain::from_seed([4; 32], LEASE, 100)
}

fn allotment(requests: u32) -> Allotment {
    let Charter { price_request, price_mib, .. } = Charter::default();
    let (mesh, owner, helper) = (MESH, culprit().site(), other().site());
    let (bytes, largest, anchor, until) =
        (Bytes(50 << 20), Bytes(1 << 20), chain().anchor(), NOON.after(core::time::Duration::from_secs(60)));
    Allotment {
        mesh,
        charter: 1,
        lease: LEASE,
        owner,
        helper,
        requests,
        bytes,
        largest,
        anchor,
        price_request,
        price_mib,
        made: NOON,
        until,
    }
}

fn claim(serial: u32, requests: u32, bytes: u64) -> Claim {
    Claim { lease: LEASE, serial, word: chain().word(serial).unwrap(), requests, bytes: Bytes(bytes) }
}

fn key() -> LineKey {
    LineKey::between(MESH, culprit().site(), other().site())
}

/// The state that the owner signs for a claim.
fn settled(claim: &Claim) -> LineState {
    let first = LineState::first(key().id(), &Charter::default());
    let shift = if key().low == culprit().site() { Credit(-10) } else { Credit(10) };
    first.next(shift, claim.digest(), &Charter::default()).unwrap()
}

fn overpaid(claim: Claim) -> Overpaid {
    let state = settled(&claim);
    Overpaid { allotment: Signed::new(allotment(50), &culprit()), key: key(), state: (state, state.sign(&culprit())), claim }
}

fn admission(joiner: u8, address: &str) -> Signed<Admission> {
    let token = Token::issue(&culprit(), MESH, vec![], Date::MAX, 1, [3; 32]);
    let canonical = format!("https://{}", "a".repeat(CANONICAL_BYTES_MAX - 8));
    let redeemed = Redeemed::new(&token, &Key::from_seed([joiner; 32]), canonical, vec![address.into(); ADDRESSES_MAX], NOON);
    Signed::new(Admission::answering(&redeemed, NOON), &culprit())
}

fn ballot(adopts: bool) -> Signed<Ballot> {
    let (motion, outcome) = (Digest::of("test", b"motion"), Outcome { objections: Digest::ZERO, adopts });
    Signed::new(Ballot { mesh: MESH, motion, voter: culprit().site(), epoch: 3, stage: Stage::Commit, basis: None, outcome }, &culprit())
}

fn edition(run: u64, root: &[u8]) -> Signed<Edition> {
    let root = Digest::of("test", root);
    Signed::new(Edition { mesh: MESH, owner: culprit().site(), run, generation: 7, date: NOON, root }, &culprit())
}

fn leaves() -> Vec<Leaf> {
    let leaf = |at: u8| Leaf { path: path_digest(&format!("/{at}")), body: ObjectDigest::of(&[at]), object: Digest::of("test", &[at]) };
    (0..5).map(leaf).collect()
}

fn served(path: usize, body: u8) -> Signed<Served> {
    let (mesh, owner, helper) = (MESH, other().site(), culprit().site());
    let (root, path, body) = (root(&leaves()), leaves()[path].path, ObjectDigest::of(&[body]));
    Signed::new(Served { mesh, owner, helper, root, path, body, minute: NOON }, &culprit())
}

fn misserved(body: u8) -> Misserved {
    Misserved { served: served(3, body), leaf: leaves()[3], beside: beside(&leaves(), 3) }
}

fn double_ruling() -> DoubleRuling {
    let cycle = vec![culprit().site(), other().site(), Key::from_seed([9; 32]).site()];
    let round = Round { mesh: MESH, charter: 1, cycle, amount: Credit(500), date: NOON };
    let rules = |moves| Ruling { round: round.digest(), moves }.sign(&culprit());
    DoubleRuling { moves: rules(true), ends: rules(false), round }
}

/// One of each kind, all of the culprit's making.
fn bundles() -> Vec<Bundle> {
    let one = settled(&claim(9, 9, 9));
    let fork =
        Fork { key: key(), by: culprit().site(), one: (one, one.sign(&culprit())), other: (settled(&claim(8, 8, 8)), Signature([0; 64])) };
    let fork = Fork { other: (fork.other.0, fork.other.0.sign(&culprit())), ..fork };
    let allot = |requests| Signed::new(allotment(requests), &culprit());
    vec![
        Bundle::Fork(fork.into()),
        Bundle::DoubleAdmission(DoubleAdmission { one: admission(8, "/ip4/192.0.2.1"), other: admission(9, "/ip4/192.0.2.1") }.into()),
        Bundle::Equivocation(Equivocation { one: ballot(true), other: ballot(false) }.into()),
        Bundle::DoubleAllotment(Pair { one: allot(50), other: allot(51) }.into()),
        Bundle::Overpayment(overpaid(claim(51, 51, 51)).into()),
        Bundle::DoubleEdition(Pair { one: edition(1, b"one"), other: edition(1, b"other") }.into()),
        Bundle::Misserving(misserved(4).into()),
        Bundle::DoubleRuling(double_ruling().into()),
    ]
}

fn because(bundle: impl Into<Bundle>) -> Because {
    match bundle.into().judge() {
        Verdict::Nothing(because) => because,
        Verdict::Convicted(conviction) => panic!("{conviction}"),
    }
}

#[test]
fn each_contradiction_convicts_exactly_who_signed_it() {
    assert_eq!(bundles().len(), Crime::ALL.len());
    for (bundle, crime) in bundles().iter().zip(Crime::ALL) {
        let Verdict::Convicted(conviction) = bundle.judge() else { panic!("{crime:?}: {:?}", bundle.judge()) };
        assert_eq!((conviction.mesh, conviction.who, conviction.crime), (MESH, culprit().site(), *crime));
        assert_eq!(conviction, bundle.charge());
        assert!(codec::encode(bundle).len() <= BUNDLE_BYTES_MAX);
    }
    let said = bundles()[0].charge().to_string();
    assert_eq!(said, format!("{} signed two different states of one line at one place.", culprit().site().short()));
}

#[test]
fn no_flipped_bit_convicts_anybody() {
    for bundle in bundles() {
        let bytes = codec::encode(&bundle);
        for at in 0..bytes.len() {
            for bit in [0, 3, 7] {
                let mut bent = bytes.clone();
                bent[at] ^= 1 << bit;
                if let Ok(bent) = codec::decode::<Bundle>(&bent, BUNDLE_BYTES_MAX) {
                    assert!(matches!(bent.judge(), Verdict::Nothing(_)), "byte {at} of {:?}", bundle.crime());
                }
            }
        }
    }
}

#[test]
fn what_an_honest_member_may_sign_together_proves_nothing() {
    let allot = |requests| Signed::new(allotment(requests), &culprit());
    let elsewhere = Signed::new(Allotment { lease: LeaseId([6; 8]), ..allotment(51) }, &culprit());
    assert_eq!(because(Bundle::DoubleAllotment(Pair { one: allot(50), other: allot(50) }.into())), Because::Same);
    assert_eq!(because(Bundle::DoubleAllotment(Pair { one: allot(50), other: elsewhere }.into())), Because::Elsewhere);
    let again = Pair { one: edition(1, b"one"), other: edition(2, b"other") };
    assert_eq!(because(Bundle::DoubleEdition(again.into())), Because::Elsewhere, "another process, whose calendar was set back");
    assert_eq!(because(Bundle::Overpayment(overpaid(claim(50, 50, 50 << 20)).into())), Because::Consistent);
    assert_eq!(because(Bundle::Misserving(misserved(3).into())), Because::Consistent);
    let elsewhere = Misserved { served: served(2, 4), ..misserved(4) };
    assert_eq!(because(Bundle::Misserving(elsewhere.into())), Because::Elsewhere);
    let same = DoubleAdmission { one: admission(8, "/ip4/192.0.2.1"), other: admission(8, "/ip4/192.0.2.2") };
    assert_eq!(because(Bundle::DoubleAdmission(same.into())), Because::Consistent, "one site, let in again");
}

#[test]
fn a_receipt_is_held_against_every_bound_of_its_allotment() {
    let beyond = |claim: Claim| matches!(Bundle::Overpayment(overpaid(claim).into()).judge(), Verdict::Convicted(_));
    assert!(!beyond(claim(50, 50, 1)));
    assert!(beyond(claim(51, 1, 1)) && beyond(claim(10, 11, 1)), "more tickets than were handed out");
    assert!(beyond(claim(10, 10, (10 << 20) + 1)) && beyond(claim(50, 50, (50 << 20) + 1)), "more bytes than they can be worth");
    assert!(beyond(Claim { word: chain().word(11).unwrap(), ..claim(10, 10, 1) }), "a word that nobody brought");
    let mut anew = overpaid(claim(51, 1, 1));
    anew.key.epoch = 7;
    anew.state.0.line = anew.key.id();
    anew.state.1 = anew.state.0.sign(&culprit());
    assert!(matches!(Bundle::Overpayment(anew.into()).judge(), Verdict::Convicted(_)), "on a line that began anew, too");
}

#[test]
fn an_owner_cannot_frame_its_helper() {
    // The helper signed a state for an honest claim; the owner then signs a smaller allotment of the same lease.
    let honest = claim(20, 20, 20);
    let state = settled(&honest);
    let framed =
        Overpaid { allotment: Signed::new(allotment(10), &culprit()), key: key(), state: (state, state.sign(&other())), claim: honest };
    assert_eq!(because(Bundle::Overpayment(framed.into())), Because::NotSigned);
    // It lists other bytes in a second tree: a response names the first.
    let mut leaves = leaves();
    leaves[3].body = ObjectDigest::of(&[9]);
    let framed = Misserved { served: served(3, 3), leaf: leaves[3], beside: beside(&leaves, 3) };
    assert_eq!(because(Bundle::Misserving(framed.into())), Because::Elsewhere);
}

/// Every signature of every bundle is made by somebody else, in another domain, or exchanged with its neighbour.
#[test]
fn signatures_of_others_and_of_other_domains_convict_nobody() {
    fn forgeries<T: Single + Clone>(one: &Signed<T>, two: &Signed<T>) -> Vec<Pair<T>> {
        let with = |signature| Pair { one: one.clone(), other: Signed { body: two.body.clone(), signature } };
        let crossed =
            Pair { one: Signed { signature: two.signature, ..one.clone() }, other: Signed { signature: one.signature, ..two.clone() } };
        vec![
            with(two.body.sign(&other())),
            with(culprit().sign("overspill another domain v1", &two.body.canonical())),
            with(one.signature),
            with(Signature([0; 64])),
            crossed,
        ]
    }
    let allot = |requests| Signed::new(allotment(requests), &culprit());
    for pair in forgeries(&allot(50), &allot(51)) {
        assert_eq!(because(Bundle::DoubleAllotment(pair.into())), Because::NotSigned);
    }
    for pair in forgeries(&edition(1, b"one"), &edition(1, b"other")) {
        assert_eq!(because(Bundle::DoubleEdition(pair.into())), Because::NotSigned);
    }
    let double = double_ruling();
    let ends = Ruling { round: double.round.digest(), moves: false };
    for signature in [ends.sign(&other()), double.moves, culprit().sign("x", &ends.canonical()), Signature([0; 64])] {
        assert_eq!(because(Bundle::DoubleRuling(DoubleRuling { ends: signature, ..double.clone() }.into())), Because::NotSigned);
    }
    let mut led = double.clone();
    led.round.cycle.rotate_left(1);
    assert_eq!(because(Bundle::DoubleRuling(led.into())), Because::NotSigned, "somebody else's round");
    let mut of_nobody = double;
    of_nobody.round.cycle.clear();
    assert_eq!(because(Bundle::DoubleRuling(of_nobody.into())), Because::Malformed);
    if let Bundle::Fork(fork) = bundles().remove(0) {
        for signature in [fork.one.1, fork.other.0.sign(&other()), culprit().sign("x", &fork.other.0.canonical())] {
            let forged = Fork { other: (fork.other.0, signature), ..(*fork).clone() };
            assert_eq!(because(Bundle::Fork(forged.into())), Because::NotSigned);
        }
        let framed = Fork { by: other().site(), ..(*fork).clone() };
        assert_eq!(because(Bundle::Fork(framed.into())), Because::NotSigned);
        let elsewhere = Fork { key: LineKey { mesh: MeshId(Digest::ZERO), ..fork.key }, ..*fork };
        assert_eq!(because(Bundle::Fork(elsewhere.into())), Because::Elsewhere, "a line of another mesh is another line");
    }
}

#[test]
fn the_longest_bundle_fits_its_bound() {
    let address = "x".repeat(ADDRESS_BYTES_MAX);
    let longest = Bundle::DoubleAdmission(DoubleAdmission { one: admission(8, &address), other: admission(9, &address) }.into());
    assert!(matches!(longest.judge(), Verdict::Convicted(_)));
    let len = codec::encode(&longest).len();
    assert!((5_000..BUNDLE_BYTES_MAX).contains(&len), "{len}");
    assert!(longest.to_text().len() <= BUNDLE_TEXT_MAX);
}

#[test]
fn a_bundle_survives_as_text() {
    for bundle in bundles() {
        let text = bundle.to_text();
        assert!(text.starts_with("overspill-evidence 1\n") && text.lines().all(|line| line.len() <= LINE_DIGITS));
        assert_eq!(Bundle::from_text(&text), Ok(bundle.clone()));
        assert_eq!(Bundle::from_text(&text.replace('\n', " \r\n")), Ok(bundle), "mail clients fold lines");
        assert_eq!(Bundle::from_text(&text.replace("evidence 1", "evidence 2")), Err(NotABundle));
        assert_eq!(Bundle::from_text(&text[..text.len() - 4]), Err(NotABundle));
    }
    assert_eq!(Bundle::from_text(&format!("{HEADING}\n{}", " ".repeat(BUNDLE_TEXT_MAX))), Err(NotABundle));
}

#[test]
fn two_proofs_of_one_matter_are_one_matter() {
    let matter = |bundle: &Bundle| bundle.charge().matter;
    let allot = |requests| Signed::new(allotment(requests), &culprit());
    let pair = |one, other| Bundle::DoubleAllotment(Pair { one: allot(one), other: allot(other) }.into());
    assert_eq!(matter(&pair(50, 51)), matter(&pair(52, 50)));
    let mut all: Vec<Digest> = bundles().iter().map(matter).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), Crime::ALL.len());
}

proptest! {
    /// An honest owner signs receipts for what [`assess`] accepts, in whatever order claims come, and whatever they claim.
    #[test]
    fn what_an_honest_owner_settles_never_convicts_it(
        claims in prop::collection::vec((1_u32..=100, 0_u32..200, 0_u64..80 << 20, 0_i64..60_000, prop::option::of(0_u64..60 << 20)), 1..12),
    ) {
        let charter = Charter::default();
        let (low, high) = if key().low == culprit().site() { (culprit(), other()) } else { (other(), culprit()) };
        let mut ours = Line::new(key(), low.site(), &charter).unwrap();
        let mut theirs = Line::new(key(), high.site(), &charter).unwrap();
        let mut settled = Credit::ZERO;
        let mut signed: Vec<(LineState, Claim)> = Vec::new();
        for (serial, requests, bytes, headroom, issued) in claims {
            let made = claim(serial, requests, bytes);
            let bounds = Bounds { settled, issued: issued.map(|bytes| Issued { bytes: Bytes(bytes) }), headroom: Credit(headroom) };
            let Some((accepted, due)) = assess(&made, &allotment(50), bounds).accepted(&made) else { continue };
            prop_assert!(allotment(50).covers(&accepted), "{accepted:?}");
            let Ok(proposal) = ours.propose(&low, Moves { earner: other().site(), amount: due }, Some(accepted), &charter) else { continue };
            let receipt = theirs.countersign(&high, &proposal, &charter).unwrap();
            let _ = ours.conclude(receipt.state.seq, receipt.high_sig).unwrap();
            settled = Credit(settled.0 + due.0);
            signed.push((receipt.state, accepted));
        }
        for (state, accepted) in &signed {
            let allotment = Signed::new(allotment(50), &culprit());
            let bundle = Overpaid { allotment, key: key(), state: (*state, state.sign(&culprit())), claim: *accepted };
            prop_assert_eq!(Bundle::Overpayment(bundle.into()).judge(), Verdict::Nothing(Because::Consistent));
            for (another, _) in &signed {
                for by in [culprit(), other()] {
                    let fork = Fork { key: key(), by: by.site(), one: (*state, state.sign(&by)), other: (*another, another.sign(&by)) };
                    prop_assert!(!fork.convicts());
                }
            }
        }
    }

    /// What is no bundle is none, and what is one is judged without a panic.
    #[test]
    fn foreign_bytes_are_judged_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..600), kind in 0_u8..7) {
        let bytes = [&[kind, 0, 0, 0][..], &bytes].concat();
        if let Ok(bundle) = codec::decode::<Bundle>(&bytes, BUNDLE_BYTES_MAX) {
            prop_assert!(matches!(bundle.judge(), Verdict::Nothing(_)));
        }
    }
}
