//! Golden bytes: what is on disks and in chat windows must stay readable. After release 0.1.0 a change here is a new version; until
//! then it changes in the commit that changes it: `OVERSPILL_GOLDEN=write cargo test -p overspill-governance golden` writes the files.

use std::{fs, path::PathBuf};

use data_encoding::HEXLOWER;
use overspill_governance::{
    chain::{self, Verdict as Read, Writer},
    codec,
    entry::Entry,
    evidence::{Bundle, Verdict},
    invite::token::Token,
    regard::Note,
};

use super::samples;

fn assert_golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("OVERSPILL_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    assert_eq!(text, golden, "{name}: the format has changed");
}

/// Lines of 32 bytes, so that a changed field shows in a diff.
fn hex(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| HEXLOWER.encode(line) + "\n").collect()
}

#[test]
fn entries_keep_their_bytes() {
    for entry in samples::entries() {
        let name = match &entry {
            Entry::Founded(_) => "founded",
            Entry::Invited(_) => "invited",
            Entry::Admitted(_) => "admitted",
            Entry::Departed(_) => "departed",
            Entry::Allotted(_) => "allotted",
            Entry::Taken(_) => "taken",
            Entry::Proposed { proposal, .. } if proposal.step.is_some() => "proposed-lock",
            Entry::Proposed { .. } => "proposed",
            Entry::Agreed { receipt, .. } if receipt.step.is_some() => "agreed-lock",
            Entry::Agreed { .. } => "agreed",
            Entry::Ruled(_) => "ruled",
            Entry::Noted { note: Note::WeDispute(_), .. } => "noted-dispute",
            Entry::Noted { note: Note::Answers { .. }, .. } => "noted-answers",
            Entry::Noted { .. } => "noted",
            Entry::LeaseEnded { .. } => "lease-ended",
            Entry::Moved { .. } => "moved",
            Entry::Seconded(_) => "seconded",
            Entry::Objected(_) => "objected",
            Entry::Cast(_) => "cast",
            Entry::Decided(_) => "decided",
            Entry::Convicted { .. } => "convicted",
            Entry::Recovered { .. } => "recovered",
            Entry::Renewed { .. } => "renewed",
            Entry::Rotated { rotation, .. } if rotation.commitment.is_some() => "rotated-recovery",
            Entry::Rotated { .. } => "rotated",
        };
        let bytes = codec::encode(&entry);
        assert_golden(&format!("entry-{name}.hex"), &hex(&bytes));
        assert_eq!(codec::decode(&bytes, 4_096), Ok(entry), "an entry as large as it gets by itself");
    }
}

#[test]
fn a_receipt_and_an_allotment_keep_their_bytes() {
    assert_golden("receipt.hex", &hex(&codec::encode(&samples::settlement().1)));
    assert_golden("allotment.hex", &hex(&codec::encode(&samples::allotment())));
}

#[test]
fn evidence_keeps_its_text_and_convicts() {
    for bundle in samples::bundles() {
        let text = bundle.to_text();
        assert_golden(&format!("evidence-{}.txt", bundle.crime().word()), &text);
        assert_eq!(Bundle::from_text(&text).as_ref(), Ok(&bundle));
        assert!(matches!(bundle.judge(), Verdict::Convicted(_)), "{:?}", bundle.judge());
    }
}

#[test]
fn a_token_keeps_its_text() {
    let text = samples::token().to_text();
    assert_golden("token.txt", &(text.clone() + "\n"));
    assert_eq!(Token::from_text(&text), Ok(samples::token()));
}

#[test]
fn a_ledger_keeps_its_bytes() {
    let (mut writer, header) = Writer::create(samples::owner().site());
    let mut bytes = header.to_vec();
    for entry in samples::entries() {
        bytes.extend(writer.append(samples::NOON, &entry).unwrap());
    }
    assert_golden("ledger.hex", &hex(&bytes));
    let (records, head, verdict) = chain::read(&bytes);
    assert_eq!((records.len(), head, verdict), (samples::entries().len(), Some(writer.head()), Read::Whole));
}
