//! No claim is settled twice: what the receipts of a lease moved is the price of its last claim, within its allotment, at both ends.

use std::collections::BTreeMap;

use overspill_governance::{allotment::Allotment, claim::Claim, entry::Entry, line::LineId, payword::LeaseId, site::SiteId, units::Credit};

use super::keys::Keys;

/// Reads a site's durable entries and says what is wrong with what they settled.
pub fn check(site: SiteId, entries: &[Entry], keys: &Keys) -> Vec<String> {
    let mut allotments: BTreeMap<LeaseId, &Allotment> = BTreeMap::new();
    let mut balances: BTreeMap<LineId, Credit> = BTreeMap::new();
    let mut settled: BTreeMap<LeaseId, (Claim, i64)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (us, entry) in keys.signed(site, entries) {
        match entry {
            Entry::Allotted(allotment) => {
                allotments.insert(allotment.body.lease, &allotment.body);
            }
            Entry::Renewed { with, head } => {
                let carried = keys.carried(&us, with, head);
                let by_low = Credit(if us < *with { carried } else { -carried });
                balances.extend(head.renewal.as_ref().map(|renewal| (renewal.body.key.id(), by_low)));
            }
            Entry::Agreed { receipt, .. } => {
                let before = balances.insert(receipt.state.line, receipt.state.balance).unwrap_or(Credit::ZERO);
                if receipt.step.is_some() {
                    continue;
                }
                let Some(claim) = receipt.claim else {
                    wrong.push(String::from("a receipt for nothing"));
                    continue;
                };
                let (last, sum) = settled.entry(claim.lease).or_insert((claim, 0));
                *sum += (receipt.state.balance.0 - before.0).abs();
                *last = claim;
            }
            _ => {}
        }
    }
    for (lease, (claim, sum)) in settled {
        let Some(allotment) = allotments.get(&lease) else {
            wrong.push(format!("lease {lease} was settled without an allotment"));
            continue;
        };
        let price = allotment.price(claim.requests, claim.bytes);
        if Credit(sum) != price {
            wrong.push(format!("lease {lease} moved {} where its last claim is worth {price}", Credit(sum)));
        }
        if claim.requests > allotment.requests || claim.bytes > allotment.bytes {
            wrong.push(format!("lease {lease} was settled beyond its allotment"));
        }
    }
    wrong
}
