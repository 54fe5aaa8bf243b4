//! Entries, statements, tokens and the ledger's file.

use overspill_governance::{
    audit::Audit,
    ballot::Equivocation,
    chain::{self, Reader, Verdict},
    claim::Claim,
    codec::{self, Decode, Encode},
    digest::Digest,
    docket::{Docket, Paper, Place},
    entry::Entry,
    evidence::{self, Bundle, Crime},
    invite::{MeshId, Redeemed, token::Token},
    line::{Fork, Proposal, Receipt},
    minutes::Minutes,
    roster::{DoubleAdmission, Notice, Roster},
    site::{Key, SiteId},
    time::Date,
};

use crate::unhex;

const LIMIT: usize = 16 * 1024;
const NOON: Date = Date::from_millis(1_795_305_600_000);

macro_rules! golden {
    ($($name:literal),+) => { vec![$(unhex(include_str!(concat!("../../../governance/tests/golden/", $name, ".hex"))),)+] };
}

pub(crate) fn entries() -> Vec<Vec<u8>> {
    let mut seeds = stored();
    let papers = seeds.iter().filter_map(|bytes| match codec::decode::<Entry>(bytes, LIMIT).ok()? {
        Entry::Moved { motion, .. } => Some(Paper::Moved(*motion)),
        Entry::Seconded(second) => Some(Paper::Seconded(second)),
        Entry::Objected(objection) => Some(Paper::Objected(objection)),
        Entry::Cast(ballot) => Some(Paper::Cast(ballot)),
        Entry::Decided(decision) => Some(Paper::Decided(decision)),
        Entry::Convicted { bundle, .. } => Some(Paper::Accused(bundle)),
        _ => None,
    });
    let papers: Vec<Vec<u8>> = papers.map(|paper| codec::encode(&paper)).collect();
    assert_eq!(papers.len(), 6, "one of each kind");
    let notices = seeds.iter().filter_map(|bytes| match codec::decode::<Entry>(bytes, LIMIT).ok()? {
        Entry::Admitted(admission) => Some(Notice::Admitted(admission)),
        Entry::Departed(departure) => Some(Notice::Departed(departure)),
        Entry::Rotated { rotation, .. } => Some(Notice::Rotated(rotation)),
        _ => None,
    });
    let notices: Vec<Vec<u8>> = notices.map(|notice| codec::encode(&notice)).collect();
    seeds.extend(papers);
    seeds.extend(notices);
    seeds
}

fn stored() -> Vec<Vec<u8>> {
    golden!(
        "entry-founded",
        "entry-invited",
        "entry-admitted",
        "entry-allotted",
        "entry-taken",
        "entry-proposed",
        "entry-agreed",
        "entry-lease-ended",
        "entry-departed",
        "entry-rotated",
        "entry-rotated-recovery",
        "entry-moved",
        "entry-seconded",
        "entry-objected",
        "entry-cast",
        "entry-decided",
        "entry-proposed-lock",
        "entry-agreed-lock",
        "entry-ruled",
        "entry-noted",
        "entry-noted-dispute",
        "entry-convicted",
        "allotment",
        "receipt"
    )
}

/// What is taken is the one encoding of a value.
fn read<T: Encode + Decode<()>>(bytes: &[u8]) -> Option<T> {
    let value = codec::decode::<T>(bytes, LIMIT).ok()?;
    assert_eq!(codec::encode(&value), bytes, "a value was taken in a second form");
    Some(value)
}

/// Everything that is stored or gossiped: read, shown, checked, and given to a roster and to an audit.
pub(crate) fn entry(bytes: &[u8]) {
    if let Some(entry) = read::<Entry>(bytes) {
        let _ = entry.to_string();
    }
    if let Some(notice) = read::<Notice>(bytes) {
        let mut roster = roster();
        let _ = roster.receive(notice);
        assert!(roster.contains(&roster.heir(&roster.founding().body.founder)), "nobody but the founder signs the founder's departure");
    }
    if let Some(redeemed) = read::<Redeemed>(bytes) {
        let _ = redeemed.check(NOON);
    }
    let _ = (read::<Claim>(bytes), read::<Proposal>(bytes), read::<Receipt>(bytes));
    if let Some(fork) = read::<Fork>(bytes) {
        let _ = fork.convicts();
    }
    if let Some(double) = read::<DoubleAdmission>(bytes) {
        let _ = double.convicts();
    }
    if let Some(proof) = read::<Equivocation>(bytes) {
        let _ = proof.convicts();
    }
    if let Some(paper) = read::<Paper>(bytes) {
        file(paper);
    }
}

/// A paper comes to a member that knows the motion of the seeds: it is placed or it is not, and nobody decides by what nobody signed.
fn file(paper: Paper) {
    let (roster, date) = (roster(), NOON);
    let minutes = Minutes::new(roster.charter().clone(), roster.founding().body.date);
    let place = Place { roster: &roster, digest: roster.digest(), minutes: &minutes, now: date };
    let mut docket = Docket::default();
    let seed = codec::decode::<Entry>(&golden!("entry-moved")[0], LIMIT).unwrap();
    if let Entry::Moved { motion, .. } = seed {
        let _ = docket.receive(Paper::Moved(*motion), place);
    }
    let _ = docket.receive(paper, place);
    for decision in docket.decide(date) {
        assert!(decision.is_good(), "a decision that nobody signed");
    }
}

fn roster() -> Roster {
    match codec::decode::<Entry>(&golden!("entry-founded")[0], LIMIT).unwrap() {
        Entry::Founded(founding) => Roster::new(*founding).unwrap(),
        other => panic!("not a founding: {other}"),
    }
}

const EVIDENCE: [&str; 8] = [
    include_str!("../../../governance/tests/golden/evidence-fork.txt"),
    include_str!("../../../governance/tests/golden/evidence-double-admission.txt"),
    include_str!("../../../governance/tests/golden/evidence-equivocation.txt"),
    include_str!("../../../governance/tests/golden/evidence-double-allotment.txt"),
    include_str!("../../../governance/tests/golden/evidence-overpayment.txt"),
    include_str!("../../../governance/tests/golden/evidence-double-edition.txt"),
    include_str!("../../../governance/tests/golden/evidence-misserving.txt"),
    include_str!("../../../governance/tests/golden/evidence-double-ruling.txt"),
];

/// Evidence as text, and as bytes.
pub(crate) fn bundles() -> Vec<Vec<u8>> {
    let bytes = EVIDENCE.iter().map(|text| codec::encode(&Bundle::from_text(text).unwrap()));
    EVIDENCE.iter().map(|text| text.as_bytes().to_vec()).chain(bytes).collect()
}

/// Evidence: whatever is made of the seeds convicts nobody but who signed what it contradicts.
pub(crate) fn evidence(bytes: &[u8]) {
    let as_text = core::str::from_utf8(bytes).ok().and_then(|text| Bundle::from_text(text).ok());
    for bundle in as_text.into_iter().chain(read::<Bundle>(bytes)) {
        assert_eq!(Bundle::from_text(&bundle.to_text()).as_ref(), Ok(&bundle));
        let evidence::Verdict::Convicted(conviction) = bundle.judge() else { continue };
        assert_eq!(conviction, bundle.charge());
        let [owner, helper] = [1, 2].map(|seed| Key::from_seed([seed; 32]).site());
        let guilty = if conviction.crime == Crime::Misserving { helper } else { owner };
        assert_eq!(conviction.who, guilty, "somebody is convicted who signed nothing of it");
    }
}

pub(crate) fn tokens() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../../governance/tests/golden/token.txt").to_vec(), b"overspill2abcdefgh".to_vec()]
}

/// A token's line of text, and its insides without the check digits, which no mutation gets right.
pub(crate) fn token(bytes: &[u8]) {
    if let Ok(text) = core::str::from_utf8(bytes)
        && let Ok(token) = Token::from_text(text)
    {
        assert_eq!(Token::from_text(&token.to_text()).as_ref(), Ok(&token));
        assert!(token.invite().is_good(), "a token that its sponsor did not sign");
        let _ = (token.check(NOON, None), token.check(NOON, Some(MeshId(Digest::ZERO))), format!("{token:?}"));
    }
    if let Some(token) = read::<Token>(bytes) {
        let _ = (token.invite().is_good(), token.to_text());
    }
}

pub(crate) fn ledgers() -> Vec<Vec<u8>> {
    let ledger = golden!("ledger").remove(0);
    let torn = ledger[..ledger.len() - 40].to_vec();
    let zeroed = [&ledger[..], &[0; 600]].concat();
    vec![ledger, torn, zeroed]
}

/// A ledger's file: the same verdict in one piece and in many, nothing beyond the verdict, and cutting off a torn tail makes it whole.
pub(crate) fn ledger(bytes: &[u8]) {
    let (records, head, verdict) = chain::read(bytes);
    let step = usize::from(bytes.first().copied().unwrap_or(1)).max(1);
    let mut reader = Reader::new();
    let mut seen = 0;
    for piece in bytes.chunks(step) {
        reader.feed(piece);
        seen += std::iter::from_fn(|| reader.poll()).count();
    }
    assert_eq!((seen, reader.head(), reader.finish()), (records.len(), head, verdict), "pieces of {step} bytes are read otherwise");
    let mut audit = Audit::new(head.map_or(SiteId([0; 32]), |head| head.site));
    let _ = records.iter().try_for_each(|record| audit.take(record));
    let good = match verdict {
        Verdict::Whole => bytes.len() as u64,
        Verdict::Torn { at } | Verdict::Corrupt { at, .. } => at,
    };
    assert!(good <= bytes.len() as u64 && head.is_none_or(|head| head.len == good), "{verdict:?} and {head:?}");
    if let Verdict::Torn { at: at @ 1.. } = verdict {
        let cut = &bytes[..usize::try_from(at).unwrap()];
        let (again, _, after) = chain::read(cut);
        assert_eq!((again.len(), after), (records.len(), Verdict::Whole), "what was cut off at {at} was not only a tail");
    }
}
