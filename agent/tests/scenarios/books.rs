//! What the sites' ledgers say, read from their files while agents write them.

use std::collections::BTreeMap;

use overspill::ledger::records::Records;
use overspill_governance::{chain::Verdict, entry::Entry, line::LineId, units::Credit};

use super::site::Site;

/// Entries that are whole; the last may be half written at this moment. An error when the ledger is damaged.
fn entries(site: &Site) -> Result<Vec<Entry>, String> {
    let path = site.ledger();
    let mut records = Records::of_file(&path, None).map_err(|error| format!("{}: {error}", path.display()))?;
    let entries = records.by_ref().map(|record| record.entry).collect();
    match records.finish() {
        Verdict::Corrupt { at, reason } => Err(format!("a ledger is corrupt at {at}: {reason}")),
        _ => Ok(entries),
    }
}

/// Receipts in a ledger.
pub(crate) fn receipts(site: &Site) -> usize {
    entries(site).unwrap_or_default().iter().filter(|entry| matches!(entry, Entry::Agreed { .. })).count()
}

/// What both ends of each line signed last, as each ledger has it.
fn lines(site: &Site) -> Result<BTreeMap<LineId, (u64, Credit)>, String> {
    let agreed = entries(site)?.into_iter().filter_map(|entry| match entry {
        Entry::Agreed { receipt, .. } => Some((receipt.state.line, (receipt.state.seq, receipt.state.balance))),
        _ => None,
    });
    Ok(agreed.collect())
}

/// Whether any two ledgers say different things of one line, or one is damaged; in words.
pub(crate) fn disagree(sites: &[Site]) -> Vec<String> {
    let (mut wrong, mut known) = (Vec::new(), BTreeMap::new());
    for (at, site) in sites.iter().enumerate() {
        match lines(site) {
            Err(reason) => wrong.push(format!("site {at}: {reason}")),
            Ok(lines) => {
                for (line, state) in lines {
                    let (first, theirs) = *known.entry(line).or_insert((at, state));
                    if theirs != state {
                        wrong.push(format!("sites {first} and {at} have signed {theirs:?} and {state:?} on their line"));
                    }
                }
            }
        }
    }
    wrong
}
