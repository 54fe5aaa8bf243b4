//! Credit is conserved: both ends of every line agree on it, and all balances together are nothing.

use std::collections::{BTreeMap, BTreeSet};

use overspill_governance::{
    entry::Entry,
    line::{LineId, LineState},
    motion::Change,
    site::SiteId,
    units::Credit,
};

use super::keys::Keys;

/// Where a line stands by one end's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The line, under its keys and in its epoch.
    line: LineId,
    /// Place of the last state.
    seq: u64,
    /// The balance seen from this end.
    balance: Credit,
}

/// The last state of each line that a site's entries prove, by the key that the other end has now; lines to who is not `honest` are left out.
fn ends_of(site: SiteId, entries: &[Entry], keys: &Keys, honest: impl Fn(&SiteId) -> bool) -> BTreeMap<SiteId, End> {
    let mut ends = BTreeMap::new();
    for (us, entry) in keys.signed(site, entries) {
        let (with, end) = match entry {
            Entry::Renewed { with, head } => {
                let Some(renewal) = &head.renewal else { continue };
                (with, End { line: renewal.body.key.id(), seq: 0, balance: Credit(keys.carried(&us, with, head)) })
            }
            Entry::Agreed { with, receipt } => {
                let LineState { line, seq, balance, .. } = receipt.state;
                (with, End { line, seq, balance: if us < *with { balance } else { Credit(-balance.0) } })
            }
            _ => continue,
        };
        ends.insert(keys.now(with), end);
    }
    ends.retain(|with, _| honest(with));
    ends
}

/// Compares the ledgers of all who are `honest`, after healing; `whole` tells who never forgot anything.
pub fn check(ledgers: &[(SiteId, Vec<Entry>)], honest: impl Fn(&SiteId) -> bool, whole: impl Fn(&SiteId) -> bool) -> Vec<String> {
    let (gone, keys) = (gone(ledgers), Keys::of(ledgers));
    // Where one end is gone, nobody learns any more what was forgotten of the line.
    let known = |site: &SiteId, with: &SiteId| (whole(site) && whole(with)) || !(gone.contains(site) || gone.contains(with));
    let mut lines: BTreeMap<[SiteId; 2], Vec<End>> = BTreeMap::new();
    for (site, entries) in ledgers.iter().filter(|(site, _)| honest(site)) {
        for (with, end) in ends_of(*site, entries, &keys, |with| honest(with) && known(site, with)) {
            lines.entry([*site.min(&with), *site.max(&with)]).or_default().push(end);
        }
    }
    let mut wrong = Vec::new();
    for (members, ends) in lines {
        let is_over = members.iter().any(|member| gone.contains(member));
        let agree = match ends[..] {
            [one, other] if (one.line, one.seq) == (other.line, other.seq) => one.balance.0 + other.balance.0 == 0,
            // Who leaves may have signed last, and its answer may have been lost.
            [one, other] if one.line == other.line => is_over && one.seq.abs_diff(other.seq) == 1,
            // Or it began the line anew, and nobody heard.
            [one, other] => is_over && one.seq.min(other.seq) == 0 && one.balance.0 + other.balance.0 == 0,
            _ => is_over && ends.iter().all(|end| end.seq <= 1),
        };
        if !agree {
            let [one, other] = members.map(|member| member.short());
            wrong.push(format!("the ends of the line between {one} and {other} disagree: {ends:?}"));
        }
    }
    wrong
}

/// Who has left, was removed by a vote, or lost its ledger before anybody else had heard of its new key, by the keys of now.
pub fn gone(ledgers: &[(SiteId, Vec<Entry>)]) -> BTreeSet<SiteId> {
    let keys = Keys::of(ledgers);
    let who = |entry: &Entry| match entry {
        Entry::Departed(departure) => Some(departure.body.member),
        Entry::Decided(decision) => match decision.motion.body.change {
            Change::Remove { member, .. } if decision.outcome.adopts => Some(member),
            _ => None,
        },
        _ => None,
    };
    let entries = || ledgers.iter().flat_map(|(_, entries)| entries);
    let sites: BTreeSet<SiteId> = ledgers.iter().map(|(site, _)| *site).collect();
    let ends =
        entries().filter_map(|entry| if let Entry::Agreed { with, .. } | Entry::Renewed { with, .. } = entry { Some(*with) } else { None });
    let left = entries().filter_map(who).map(|site| keys.now(&site));
    left.chain(ends.map(|site| keys.now(&site)).filter(|site| !sites.contains(site))).collect()
}
