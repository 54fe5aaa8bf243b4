use super::*;

use alloc::{string::String, vec, vec::Vec};

use overspill_governance::{
    allotment::Allotment,
    ballot::{Ballot, Outcome, Stage},
    claim::Claim,
    clearing::{Locked, Round, Ruled, Ruling},
    decision::Decision,
    digest::{Digest, ObjectDigest},
    docket::Paper,
    edition::Served,
    invite::MeshId,
    limits::{CYCLE_MAX, KEEPS_MAX, LINK_BYTES_MAX, LOCKS_MAX, OBJECTION_BYTES_MAX},
    line::{Agreed, Fade, Head, LineId, LineKey, LineState, Proposal, Receipt, Renewal, Step},
    motion::{Change, Motion, Objection, Second},
    payword::{LeaseId, Word},
    site::{Key, Signature, Signed, SiteId},
    testimony::Testimony,
    time::Date,
    units::{ByteRate, Bytes, Credit, Millionths, RequestRate},
};
use proptest::prelude::*;

use crate::{
    advert::{Advert, Offer},
    fill::{FillRefusal, FillSlice},
    limits::{BATCH_BYTES_MAX, CONTROL_BYTES_MAX, FILL_SLICE_BYTES, ROSTER_DIGESTS_MAX, TESTIMONIES_TOLD},
    manifest::{Manifest, Object},
    message::{
        Agree, Beat, ClaimAnswer, ClaimAsk, ClaimMade, Generation, HeadTold, Hello, LeaseClosed, LeaseHeld, LeaseRefusal, LeaseRefused,
        LeaseTake, LockAsk, Return, RosterAsk, RulingAsk, SampleAsk, Seek, VoteAsk,
    },
    ticket::{Ticket, TicketKey},
};

const LEASE: LeaseId = LeaseId([1; 8]);
const MESH: MeshId = MeshId(Digest([2; 32]));
const OWNER: SiteId = SiteId([3; 32]);
const HELPER: SiteId = SiteId([4; 32]);
const DATE: Date = Date::from_millis(1_700_000_000_000);
const SIGNATURE: Signature = Signature([5; 64]);

fn signed<T>(body: T) -> Signed<T> {
    Signed { body, signature: SIGNATURE }
}

fn claim() -> Claim {
    Claim { lease: LEASE, serial: 3, word: Word([6; 16]), requests: 2, bytes: Bytes(40_000) }
}

fn testimony() -> Signed<Testimony> {
    let (root, path, body) = (Digest([22; 32]), Digest([23; 32]), ObjectDigest([9; 32]));
    let served = signed(Served { mesh: MESH, owner: OWNER, helper: HELPER, root, path, body, minute: DATE });
    signed(Testimony { auditor: SiteId([24; 32]), served, body: ObjectDigest([25; 32]) })
}

fn round() -> Round {
    Round { mesh: MESH, charter: 1, cycle: vec![OWNER, HELPER, SiteId([21; 32])], amount: Credit(5_000), date: DATE }
}

/// One paper of every kind.
fn head(state: LineState) -> Head {
    let key = LineKey { mesh: MESH, low: OWNER, high: HELPER, epoch: 7 };
    let receipt = Receipt { state, low_sig: SIGNATURE, high_sig: SIGNATURE, claim: Some(claim()), step: None };
    Head { renewal: Some(signed(Renewal { key, by: OWNER })), last: Some(Agreed { epoch: 0, receipt }), locks: vec![signed(round())] }
}

fn papers() -> Vec<Paper> {
    let change = Change::Amend { parameter: String::from("price_mib"), from: 1_000, to: 2_000 };
    let discuss = String::from("https://forum.example/1");
    let motion = signed(Motion { mesh: MESH, mover: OWNER, rules: Digest::ZERO, change, discuss, date: DATE });
    let name = Digest([18; 32]);
    let outcome = Outcome { objections: Digest([19; 32]), adopts: true };
    let (epoch, stage) = (1, Stage::Prepare);
    vec![
        Paper::Moved(motion.clone()),
        Paper::Seconded(signed(Second { mesh: MESH, motion: name, seconder: HELPER })),
        Paper::Objected(signed(Objection { mesh: MESH, motion: name, objector: HELPER, reason: String::from("No.") })),
        Paper::Cast(signed(Ballot { mesh: MESH, motion: name, voter: HELPER, epoch, stage, basis: Some(0), outcome })),
        Paper::Decided(Decision { motion, epoch, outcome, votes: vec![(HELPER, SIGNATURE)] }.into()),
    ]
}

/// One of every kind but those that only carry governance's own statements, which have golden bytes there.
fn specimens() -> Vec<Message> {
    let allotment = Allotment {
        mesh: MESH,
        charter: 1,
        lease: LEASE,
        owner: OWNER,
        helper: HELPER,
        requests: 100,
        bytes: Bytes(1 << 20),
        largest: Bytes(8 << 20),
        anchor: Word([7; 16]),
        price_request: Credit(10),
        price_mib: Credit(1_000),
        made: DATE,
        until: DATE.after(core::time::Duration::from_secs(60)),
    };
    let offer = Offer { requests: RequestRate(100), bytes: ByteRate(1 << 20), storage: Bytes(1 << 30), https: true };
    let advert = Advert {
        mesh: MESH,
        site: OWNER,
        date: DATE,
        sequence: 9,
        canonical: String::from("https://blog.example"),
        addresses: vec![String::from("/ip4/192.0.2.1/tcp/7400")],
        offer: Some(offer),
        guest_suffix: String::from("overflow.example"),
        places: 7,
        load_permille: 250,
        roster: Digest([8; 32]),
        votes: Digest([16; 32]),
    };
    let object = Object {
        path: String::from("/a.png"),
        digest: ObjectDigest([9; 32]),
        size: Bytes(100),
        media_type: String::from("image/png"),
        fresh_until: DATE,
    };
    let state = LineState {
        line: LineId(Digest([10; 32])),
        seq: 1,
        balance: Credit(-5),
        limit_low: Credit(2_000_000),
        limit_high: Credit(2_000_000),
        locked_low: Credit::ZERO,
        locked_high: Credit::ZERO,
        round: DATE,
        faded: 19_675,
        prev: Digest([11; 32]),
        cause: Digest([12; 32]),
    };
    let lock = Locked { epoch: 0, state, low_sig: SIGNATURE, high_sig: SIGNATURE };
    let ruling = Ruling { round: Digest([20; 32]), moves: true };
    let generation = Generation { owner: OWNER, newest: 4, floor: 3, manifest: Digest([13; 32]), date: DATE };
    vec![
        Message::Hello(Hello { mesh: MESH, admission: None }),
        Message::JoinRefused(String::from("used")),
        Message::RosterAsk(RosterAsk { known: vec![Digest([14; 32])] }),
        Message::RosterTell(Vec::new()),
        Message::Advert(signed(advert.clone())),
        Message::Beat(Beat { owned: vec![LEASE], hosted: Vec::new(), generation: Some(signed(generation)), holds: 4 }),
        Message::LeaseTake(LeaseTake {
            allotment: signed(allotment),
            key: TicketKey([15; 32]),
            requests: RequestRate(50),
            bytes: ByteRate(1 << 19),
            storage: Bytes(1 << 20),
            replaces: None,
        }),
        Message::LeaseHeld(LeaseHeld {
            lease: LEASE,
            base: String::from("https://a.b.example"),
            requests: RequestRate(50),
            bytes: ByteRate(1),
        }),
        Message::LeaseRefused(LeaseRefused { lease: LEASE, reason: LeaseRefusal::NoCredit }),
        Message::LeaseClosed(LeaseClosed { lease: LEASE }),
        Message::Manifest(signed(Manifest { mesh: MESH, owner: OWNER, run: 1, generation: 4, date: DATE, objects: vec![object] })),
        Message::Claim(ClaimMade { lease: LEASE, claim: Some(claim()), last: true }),
        Message::ClaimAsk(ClaimAsk { lease: LEASE }),
        Message::ClaimAnswer(ClaimAnswer { lease: LEASE, accepted: Some(claim()), done: false, reason: String::new() }),
        Message::Propose(Proposal { state, low_sig: SIGNATURE, claim: Some(claim()), step: None }),
        Message::Agree(Agree { seq: 1, signature: SIGNATURE }),
        Message::VoteAsk(VoteAsk { known: vec![Digest([17; 32])] }),
        Message::VoteTell(papers()),
        Message::Propose(Proposal { state, low_sig: SIGNATURE, claim: None, step: Some(Step::Lock(signed(round()).into())) }),
        Message::Seek(Seek { path: vec![OWNER, HELPER], amount: Credit(5_000), number: 7 }),
        Message::Lock(LockAsk { round: signed(round()), locks: vec![lock] }),
        Message::RulingAsk(RulingAsk { round: Digest([20; 32]), gone: false }),
        Message::Ruled(Ruled { round: signed(round()), ruling: signed(ruling), locks: vec![lock; 3] }),
        Message::Dispute(Some(String::from("Those were not my visitors."))),
        Message::SampleAsk(SampleAsk {
            helper: HELPER,
            path: String::from("/a.png"),
            body: ObjectDigest([9; 32]),
            ticket: "A".repeat(Ticket::TEXT_BYTES),
        }),
        Message::Testify(vec![testimony()]),
        Message::Head(HeadTold { head: head(state), asks: true }),
        Message::Return(Return { founding: None, notices: Vec::new(), date: DATE }),
        Message::RulingLost(Digest([20; 32])),
        Message::FadeAsk(Fade { day: 19_675, rate: Millionths(333) }),
        Message::AdvertsAsk(()),
        Message::AdvertsTell(vec![signed(advert)]),
    ]
}

/// Version 1, byte for byte. Until release 0.1.0 a change here belongs in the commit that changes the format; afterwards it is a bug.
#[test]
fn every_kind_has_its_golden_bytes() {
    let golden: String = specimens().iter().fold(String::new(), |text, message| {
        let bytes = encode(message);
        let digest = Digest::of("golden", &bytes).short();
        text + &alloc::format!("{:<12} {:>4} {} {digest}\n", message.kind(), bytes.len(), data_encoding::HEXLOWER.encode(&bytes[..6]))
    });
    insta::assert_snapshot!(golden, @r"
    Hello          39 010000000000 91dc9c612c2dfcd6
    JoinRefused    18 010003000000 8964d3583c291d94
    RosterAsk      46 010004000000 a0bdedefc482c73e
    RosterTell     14 010005000000 27a84cd938a1aa5a
    Advert        330 010006000000 351914ca3aa960c8
    Beat          191 010007000000 96bf51bab257e132
    LeaseTake     299 010008000000 5a3c7b7004ec5e3d
    LeaseHeld      53 010009000000 6112705e9a6afd68
    LeaseRefused   18 01000a000000 20222feb3e2636b5
    LeaseClosed    14 01000b000000 0d8f8f938f1c0509
    Manifest      245 01000c000000 f79f4a01d0103033
    Claim          56 01000d000000 b59a97961f15d524
    ClaimAsk       14 01000e000000 73beb4d142cac20a
    ClaimAnswer    64 01000f000000 02255d9b71e31061
    Propose       268 010010000000 377af9513dd17bf9
    Agree          78 010011000000 d8887eb713ca9746
    VoteAsk        46 010013000000 a157debe9a718cf3
    VoteTell     1184 010014000000 5f5958eef3207b78
    Propose       452 010010000000 6967e90350a90781
    Seek           94 010015000000 37ae3fc44eab92de
    Lock          522 010016000000 24315e43d3d7c1a3
    RulingAsk      39 010017000000 b16f1e9094d00237
    Ruled        1195 010018000000 c27c0862a367a1ee
    Dispute        42 010019000000 0547d650a7275c7e
    SampleAsk     156 01001a000000 4c95c6a0cc46a840
    Testify       406 01001b000000 08859ed23ea2b039
    Head          763 01001c000000 bbb47faa3b8c974a
    Return         23 01001d000000 9a7cd58264ea0841
    RulingLost     38 01001e000000 078a6741da9ebb89
    FadeAsk        14 01001f000000 3034ad3fdcbc74e0
    AdvertsAsk      6 010020000000 4763c0fe547efc28
    AdvertsTell   338 010021000000 ed61fbfce7dc5adb
    ");
}

#[test]
fn what_is_encoded_is_decoded() {
    for message in specimens() {
        assert_eq!(decode(&encode(&message)), Ok(message));
    }
}

#[test]
fn versions_and_kinds_that_are_not_known_are_told_apart() {
    let mut bytes = encode(&Message::LeaseClosed(LeaseClosed { lease: LEASE }));
    assert_eq!(decode(&bytes[..1]), Err(WireError::TooShort));
    assert_eq!(decode(&bytes[..4]), Err(WireError::TooShort));
    bytes[2] = 200;
    assert_eq!(decode(&bytes), Err(WireError::Kind(200)));
    bytes[0] = 2;
    assert_eq!(decode(&bytes), Err(WireError::Version(2)));
}

#[test]
fn each_kind_keeps_within_its_own_bound() {
    let refused = |reason: usize| Message::JoinRefused("x".repeat(reason));
    assert!(decode(&encode(&refused(4_000))).is_ok());
    assert!(
        matches!(decode(&encode(&refused(5_000))), Err(WireError::Body(DecodeError::TooLong { limit, .. })) if limit < SMALL_BYTES_MAX)
    );
    let known = (0..ROSTER_DIGESTS_MAX as u64).map(|at| Digest::of("at", &at.to_le_bytes())).collect();
    let whole_roster = encode(&Message::RosterAsk(RosterAsk { known }));
    assert!(whole_roster.len() <= BATCH_BYTES_MAX && decode(&whole_roster).is_ok());
    assert!(decode_small(&whole_roster).is_err(), "nobody says so much by gossip, or as a stranger");
    const { assert!(CONTROL_BYTES_MAX < BATCH_BYTES_MAX) };
}

#[test]
fn every_paper_that_is_gossiped_fits_the_gossip() {
    let keeps = (0..KEEPS_MAX).map(|at| SiteId([u8::try_from(at).unwrap(); 32])).collect();
    let discuss = "x".repeat(LINK_BYTES_MAX);
    let longest =
        Motion { mesh: MESH, mover: OWNER, rules: Digest::ZERO, change: Change::Remove { member: HELPER, keeps }, discuss, date: DATE };
    let reason = "x".repeat(OBJECTION_BYTES_MAX);
    let objection = Objection { mesh: MESH, motion: Digest([1; 32]), objector: OWNER, reason };
    for paper in [Paper::Moved(signed(longest)), Paper::Objected(signed(objection))] {
        assert!(decode_small(&encode(&Message::VoteTell(vec![paper]))).is_ok());
    }
}

/// Rounds are not gossiped, but are as small: the longest circle with every lock fits what a stranger might say.
#[test]
fn the_longest_ruling_fits_its_kind() {
    let message = specimens().into_iter().find_map(|message| match message {
        Message::Ruled(ruled) => Some(ruled),
        _ => None,
    });
    let mut ruled = message.unwrap();
    ruled.round.body.cycle = vec![OWNER; CYCLE_MAX];
    ruled.locks = vec![ruled.locks[0]; CYCLE_MAX];
    let ask = LockAsk { round: ruled.round.clone(), locks: ruled.locks.clone() };
    for message in [Message::Ruled(ruled), Message::Lock(ask)] {
        assert!(decode_small(&encode(&message)).is_ok());
    }
}

/// A head with all that it may have fits what a stranger might say.
#[test]
fn the_longest_head_fits_its_kind() {
    let told = specimens().into_iter().find_map(|message| match message {
        Message::Head(told) => Some(told),
        _ => None,
    });
    let mut told = told.unwrap();
    told.head.locks[0].body.cycle = vec![OWNER; CYCLE_MAX];
    told.head.locks = vec![told.head.locks[0].clone(); LOCKS_MAX];
    if let Some(last) = &mut told.head.last {
        (last.receipt.claim, last.receipt.step) = (None, Some(Step::Lock(told.head.locks[0].clone().into())));
    }
    assert!(decode_small(&encode(&Message::Head(told))).is_ok());
}

#[test]
fn a_testimony_fits_the_gossip_and_as_many_as_are_told_at_once_their_kind() {
    assert!(decode_small(&encode(&Message::Testify(vec![testimony()]))).is_ok());
    assert!(decode(&encode(&Message::Testify(vec![testimony(); TESTIMONIES_TOLD]))).is_ok());
}

#[test]
fn a_whole_slice_fits_the_fill_protocol() {
    let bytes = vec![7; FILL_SLICE_BYTES as usize];
    let answer = FillAnswer::Slice(FillSlice { digest: ObjectDigest([1; 32]), offset: 0, bytes });
    let encoded = encode_fill_answer(&answer);
    assert!(encoded.len() <= FILL_MESSAGE_BYTES_MAX);
    assert_eq!(decode_fill_answer(&encoded), Ok(answer));
    let refused = FillAnswer::Refused(FillRefusal::Busy);
    assert_eq!(decode_fill_answer(&encode_fill_answer(&refused)), Ok(refused));
}

proptest! {
    #[test]
    fn bent_bytes_never_panic_and_never_have_two_forms(at in any::<prop::sample::Index>(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in any::<prop::sample::Index>()) {
        let specimens = specimens();
        let mut bytes = encode(at.get(&specimens));
        for (place, value) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= value;
        }
        bytes.truncate(cut.index(bytes.len() * 2).max(1));
        if let Ok(message) = decode(&bytes) {
            prop_assert_eq!(encode(&message), bytes);
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut versioned = VERSION.to_le_bytes().to_vec();
        versioned.extend_from_slice(&bytes);
        let _ = (decode(&bytes), decode(&versioned), decode_fill_ask(&versioned), decode_fill_answer(&versioned));
    }
}

/// Keys are real in the specimens of other tests; here they only have to be bytes.
#[test]
fn a_key_is_never_printed() {
    let shown = alloc::format!("{:?} {:?}", TicketKey([0xAB; 32]), Key::from_seed([0xCD; 32]));
    assert!(!shown.contains("ab, ab") && !shown.contains("171"));
}

#[test]
fn what_a_newer_agent_may_say_is_told_from_garbage() {
    let said = |version: u16, kind: u32| {
        let mut bytes = version.to_le_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_le_bytes());
        decode(&bytes).unwrap_err()
    };
    let kinds = u32::try_from(KIND_LIMITS.len()).unwrap();
    assert!(said(VERSION, kinds).is_newer() && said(VERSION + 1, 0).is_newer() && said(VERSION + VERSIONS_AHEAD_MAX, 0).is_newer());
    assert!(!said(VERSION + VERSIONS_AHEAD_MAX + 1, 0).is_newer() && !said(0, 0).is_newer() && !said(VERSION, 0).is_newer());
    assert!(!decode(&[1]).unwrap_err().is_newer());
}
