//! Service is paid for: once everything has healed, receipts cover what each helper's checkpoints say that it served to owners of whom that is due.

use std::collections::{BTreeMap, BTreeSet};

use overspill_governance::{claim::Claim, entry::Entry, payword::LeaseId, site::SiteId};

use super::keys::Keys;

/// Reads a site's durable entries and names the leases under which it served more than was settled.
pub fn check(site: SiteId, entries: &[Entry], keys: &Keys, pays: impl Fn(&SiteId) -> bool) -> Vec<String> {
    let mut served: BTreeMap<LeaseId, Claim> = BTreeMap::new();
    let mut paid: BTreeMap<LeaseId, Claim> = BTreeMap::new();
    let mut bad: BTreeSet<LeaseId> = BTreeSet::new();
    let mut owners: BTreeMap<LeaseId, SiteId> = BTreeMap::new();
    for (us, entry) in keys.signed(site, entries) {
        match entry {
            Entry::Allotted(allotment) if !pays(&keys.now(&allotment.body.owner)) => {
                bad.insert(allotment.body.lease);
            }
            Entry::Allotted(allotment) => drop(owners.insert(allotment.body.lease, allotment.body.owner)),
            // Leases end with a key that is given up, and what was not settled of them is lost.
            Entry::Rotated { rotation, .. } => {
                let ends = |owner: &SiteId| rotation.body.new == us || rotation.body.old == *owner;
                bad.extend(owners.iter().filter(|(_, owner)| ends(owner)).map(|(lease, _)| *lease));
                served.retain(|lease, _| !bad.contains(lease));
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
