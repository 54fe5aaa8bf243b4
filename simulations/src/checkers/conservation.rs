//! Credit is conserved: both ends of every line agree on it, and all balances together are nothing.

use std::collections::{BTreeMap, BTreeSet};

use overspill_governance::{entry::Entry, line::LineId, motion::Change, site::SiteId, units::Credit};

/// The last state of each line that a site's entries prove: its place, and the balance seen from that site; lines to who is not `honest` are left out.
pub fn balances(site: SiteId, entries: &[Entry], honest: impl Fn(&SiteId) -> bool) -> BTreeMap<LineId, (u64, Credit)> {
    let mut balances = BTreeMap::new();
    let mut lines: BTreeMap<SiteId, LineId> = BTreeMap::new();
    for entry in entries {
        if let Entry::Renewed { with, head } = entry
            && honest(with)
            && let Some(renewal) = &head.renewal
        {
            let carried = head.last.as_ref().map_or(Credit::ZERO, |last| last.receipt.state.balance);
            let line = renewal.body.key.id();
            if let Some(old) = lines.insert(*with, line) {
                balances.remove(&old);
            }
            balances.insert(line, (0, if site < *with { carried } else { Credit(-carried.0) }));
        }
        if let Entry::Agreed { with, receipt } = entry
            && honest(with)
        {
            let balance = if site < *with { receipt.state.balance.0 } else { -receipt.state.balance.0 };
            lines.insert(*with, receipt.state.line);
            balances.insert(receipt.state.line, (receipt.state.seq, Credit(balance)));
        }
    }
    balances
}

/// Compares the ledgers of all who are `honest`, after healing.
pub fn check(ledgers: &[(SiteId, Vec<Entry>)], honest: impl Fn(&SiteId) -> bool) -> Vec<String> {
    let gone = gone(ledgers);
    let mut ends: BTreeMap<LineId, Vec<(u64, Credit)>> = BTreeMap::new();
    let mut ended: BTreeSet<LineId> = BTreeSet::new();
    for (site, entries) in ledgers.iter().filter(|(site, _)| honest(site)) {
        for (line, end) in balances(*site, entries, &honest) {
            ends.entry(line).or_default().push(end);
            if gone.contains(site) {
                ended.insert(line);
            }
        }
    }
    let mut wrong = Vec::new();
    for (line, ends) in ends {
        let agree = match ends[..] {
            [(seq, balance), (other_seq, other)] if seq == other_seq => balance.0 + other.0 == 0,
            // Who leaves may have signed last, and its answer may have been lost.
            [(seq, _), (other_seq, _)] => ended.contains(&line) && seq.abs_diff(other_seq) == 1,
            _ => ended.contains(&line) && ends.iter().all(|(seq, _)| *seq == 1),
        };
        if !agree {
            wrong.push(format!("the ends of line {} disagree: {ends:?}", line.0.short()));
        }
    }
    wrong
}

/// Who has left, or was removed by a vote.
pub fn gone(ledgers: &[(SiteId, Vec<Entry>)]) -> BTreeSet<SiteId> {
    let who = |entry: &Entry| match entry {
        Entry::Departed(departure) => Some(departure.body.member),
        Entry::Decided(decision) => match decision.motion.body.change {
            Change::Remove { member, .. } if decision.outcome.adopts => Some(member),
            _ => None,
        },
        _ => None,
    };
    ledgers.iter().flat_map(|(_, entries)| entries.iter().filter_map(who)).collect()
}
