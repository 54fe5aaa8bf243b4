//! Service is paid for: once everything has healed, receipts cover what each helper's checkpoints say that it served to those who are `honest`.

use std::collections::{BTreeMap, BTreeSet};

use overspill_governance::{claim::Claim, entry::Entry, payword::LeaseId, site::SiteId};

/// Reads a site's durable entries and names the leases under which it served more than was settled.
pub fn check(site: SiteId, entries: &[Entry], honest: impl Fn(&SiteId) -> bool) -> Vec<String> {
    let mut served: BTreeMap<LeaseId, Claim> = BTreeMap::new();
    let mut paid: BTreeMap<LeaseId, Claim> = BTreeMap::new();
    let mut bad: BTreeSet<LeaseId> = BTreeSet::new();
    for entry in entries {
        match entry {
            Entry::Allotted(allotment) if !honest(&allotment.body.owner) => {
                bad.insert(allotment.body.lease);
            }
            Entry::Taken(claim) if !bad.contains(&claim.lease) => drop(served.insert(claim.lease, *claim)),
            Entry::Agreed { receipt, .. } => paid.extend(receipt.claim.map(|claim| (claim.lease, claim))),
            _ => {}
        }
    }
    let short = served.iter().filter(|(lease, claim)| {
        let settled = paid.get(lease).map_or((0, 0), |paid| (paid.requests, paid.bytes.0));
        (claim.requests, claim.bytes.0) > settled
    });
    short.map(|(lease, claim)| format!("{} served {claim:?} and was paid for {:?}", site.short(), paid.get(lease))).collect()
}
