//! No claim is settled twice: what the receipts of a lease moved is the price of its last claim, within its allotment, at both ends.

use std::collections::BTreeMap;

use overspill_governance::{allotment::Allotment, claim::Claim, entry::Entry, line::LineId, payword::LeaseId, units::Credit};

/// Reads a site's durable entries and says what is wrong with what they settled.
pub fn check(entries: &[Entry]) -> Vec<String> {
    let mut allotments: BTreeMap<LeaseId, &Allotment> = BTreeMap::new();
    let mut balances: BTreeMap<LineId, Credit> = BTreeMap::new();
    let mut settled: BTreeMap<LeaseId, (Claim, i64)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in entries {
        match entry {
            Entry::Allotted(allotment) => {
                allotments.insert(allotment.body.lease, &allotment.body);
            }
            Entry::Renewed { head, .. } => {
                let carried = head.renewal.as_ref().zip(head.last.as_ref());
                balances.extend(carried.map(|(renewal, last)| (renewal.body.key.id(), last.receipt.state.balance)));
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
