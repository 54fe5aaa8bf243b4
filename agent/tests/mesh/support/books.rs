//! Ledgers read from outside: what both ends of a line signed must agree, whoever crashed in between.

use std::collections::{BTreeMap, BTreeSet};

use overspill::ledger::records::Records;
use overspill_governance::{
    chain::Verdict,
    digest::Digest,
    entry::Entry,
    line::{LineId, LineState},
    payword::LeaseId,
    site::{SiteId, Statement as _},
    units::Credit,
};

use super::{Site, eventually};

/// A ledger's entries, whole and unbroken. A running agent may be in the middle of a write: then the tail is torn for a moment.
#[track_caller]
pub(crate) fn entries(site: &Site) -> Vec<Entry> {
    let path = site.state().join("ledger");
    let mut whole = None;
    eventually(&format!("the ledger of {} is whole", site.name), || {
        let mut records = Records::of_file(&path, None).unwrap();
        let entries = records.by_ref().map(|record| record.entry).collect();
        match records.finish() {
            Verdict::Whole => whole = Some(entries),
            Verdict::Torn { .. } => {}
            Verdict::Corrupt { at, reason } => panic!("the ledger of {} is corrupt at {at}: {reason}", site.name),
        }
        whole.is_some()
    });
    whole.unwrap_or_default()
}

/// Every state that stands signed in a ledger: as lower end's proposal or as receipt.
fn signed(entries: &[Entry]) -> impl Iterator<Item = &LineState> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Proposed { proposal, .. } => Some(&proposal.state),
        Entry::Agreed { receipt, .. } => Some(&receipt.state),
        _ => None,
    })
}

/// The last agreed state of each line.
pub(crate) fn balances(entries: &[Entry]) -> BTreeMap<LineId, (u64, Credit)> {
    let mut lines = BTreeMap::new();
    for entry in entries {
        if let Entry::Agreed { receipt, .. } = entry {
            lines.insert(receipt.state.line, (receipt.state.seq, receipt.state.balance));
        }
    }
    lines
}

/// Checks that nothing in these ledgers contradicts anything else in them: one content at one place of a line, ever, by anyone.
#[track_caller]
pub(crate) fn assert_no_second_signature(sites: &[&Site]) {
    let mut seen = BTreeMap::new();
    for site in sites {
        let entries = entries(site);
        for state in signed(&entries) {
            let digest = state.digest();
            let first = *seen.entry((state.line, state.seq)).or_insert(digest);
            assert_eq!(first, digest, "{}: two states at place {} of one line", site.name, state.seq);
        }
    }
}

/// Checks that every receipt continues the one before it, without a gap.
#[track_caller]
pub(crate) fn assert_unbroken(site: &Site) {
    let mut last: BTreeMap<LineId, u64> = BTreeMap::new();
    for entry in entries(site) {
        if let Entry::Agreed { receipt, .. } = entry {
            let before = last.insert(receipt.state.line, receipt.state.seq).unwrap_or(0);
            assert!(
                receipt.state.seq == before + 1 || receipt.state.seq == before,
                "{}: after {before} came {}",
                site.name,
                receipt.state.seq
            );
        }
    }
}

/// Requests and bytes that receipts settled under each lease, as the ledger says; claims are cumulative.
pub(crate) fn settled(entries: &[Entry]) -> BTreeMap<LeaseId, (u32, u64)> {
    let mut leases = BTreeMap::new();
    for entry in entries {
        if let Entry::Agreed { receipt, .. } = entry
            && let Some(claim) = &receipt.claim
        {
            leases.insert(claim.lease, (claim.requests, claim.bytes.0));
        }
    }
    leases
}

/// Requests and bytes that a helper's checkpoints and receipts say it served under each lease.
pub(crate) fn served(entries: &[Entry]) -> BTreeMap<LeaseId, (u32, u64)> {
    let mut leases = BTreeMap::new();
    for entry in entries {
        if let Entry::Taken(claim) = entry {
            leases.insert(claim.lease, (claim.requests, claim.bytes.0));
        }
    }
    leases
}

/// The entries that a ledger holds on its disk, up to a tail that a power cut may have torn.
#[track_caller]
pub(crate) fn durable(site: &Site) -> Vec<Entry> {
    let mut records = Records::of_file(&site.state().join("ledger"), None).unwrap();
    let entries = records.by_ref().map(|record| record.entry).collect();
    if let Verdict::Corrupt { at, reason } = records.finish() {
        panic!("the ledger of {} is corrupt at {at}: {reason}", site.name);
    }
    entries
}

/// Checks that `ours` holds everything that `theirs`, a partner's ledger, shows that we had signed or claimed.
#[track_caller]
pub(crate) fn assert_nothing_told_is_lost(us: SiteId, ours: &[Entry], theirs: &[Entry]) {
    let known: BTreeSet<Digest> = signed(ours).map(|state| state.digest()).collect();
    let (taken, mut helped, mut told) = (served(ours), BTreeSet::new(), 0);
    for entry in theirs {
        let claim = match entry {
            Entry::Proposed { with, proposal } if *with == us => proposal.claim.as_ref(),
            Entry::Agreed { with, receipt } if *with == us => {
                assert!(known.contains(&receipt.state.digest()), "our signature at {} was told and is lost", receipt.state.seq);
                receipt.claim.as_ref()
            }
            Entry::Allotted(allotment) if allotment.body.helper == us => {
                helped.insert(allotment.body.lease);
                continue;
            }
            Entry::Allotted(_) | Entry::Founded(_) | Entry::Admitted(_) => {
                assert!(ours.contains(entry), "what we signed was told and is lost: {entry}");
                None
            }
            _ => continue,
        };
        told += 1;
        // Claims are cumulative: the newest stands for those before it.
        if let Some(claim) = claim.filter(|claim| helped.contains(&claim.lease)) {
            let written = taken.get(&claim.lease).copied().unwrap_or_default();
            assert!(written >= (claim.requests, claim.bytes.0), "a claim was told and is lost: {claim:?}, and not {written:?}");
        }
    }
    assert!(told > 0, "the partner was told nothing: this proves nothing");
}
