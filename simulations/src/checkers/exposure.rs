//! Service is never far ahead of receipts: what a helper gave an owner and is not paid for stays within the charter's cap, so that an
//! owner that vanishes costs its partner no more than that.

use std::collections::BTreeMap;

use overspill_governance::{charter::Charter, entry::Entry, payword::LeaseId, site::SiteId, units::Bytes};
use overspill_protocol::io::Caps;

use super::terms::Terms;
use crate::server::Visit;

/// Looks at an owner's data plane whose visitors may still be served when the cap is reached: until a new plan is there, and as many as are on
/// their way at the longest latency.
const TICKS_LATE: i128 = 8;

/// What was served under a lease of this process, and what of all that is settled.
#[derive(Debug, Clone, Copy, Default)]
struct Served {
    requests: u32,
    bytes: Bytes,
    settled: i128,
    saved: (u32, Bytes),
}

/// What is outstanding, by helper, owner and lease.
#[derive(Debug, Clone, Default)]
pub struct Exposure {
    charter: Charter,
    caps: BTreeMap<SiteId, Caps>,
    terms: BTreeMap<LeaseId, Terms>,
    served: BTreeMap<(SiteId, SiteId, LeaseId), Served>,
}

impl Exposure {
    pub(super) fn on_site(&mut self, site: SiteId, caps: Caps) {
        self.caps.insert(site, caps);
    }

    pub(super) fn on_charter(&mut self, charter: &Charter) {
        self.charter = charter.clone();
    }

    pub(super) fn on_entry(&mut self, site: SiteId, entry: &Entry) {
        match entry {
            Entry::Allotted(allotment) => {
                self.terms.insert(allotment.body.lease, Terms::of(&allotment.body));
            }
            Entry::Agreed { with, receipt } => {
                let Some(claim) = receipt.claim else { return };
                // Whichever end has it: one receipt is enough to be paid.
                for ends in [(site, *with, claim.lease), (*with, site, claim.lease)] {
                    if let Some(served) = self.served.get_mut(&ends) {
                        served.settled = served.settled.max(price(&self.terms, &claim.lease, claim.requests, claim.bytes));
                    }
                }
            }
            Entry::Taken(claim) => {
                let ours = self.served.range_mut((site, SiteId([0; 32]), LeaseId([0; 8]))..).take_while(|((of, ..), _)| *of == site);
                for ((.., lease), served) in ours {
                    if *lease == claim.lease {
                        served.saved = (claim.requests, claim.bytes);
                    }
                }
            }
            Entry::LeaseEnded { lease } => self.served.retain(|(helper, _, ended), _| *helper != site || ended != lease),
            _ => {}
        }
    }

    /// A crash forgives what had no checkpoint yet.
    pub(super) fn on_death(&mut self, site: SiteId) {
        for ((helper, ..), served) in &mut self.served {
            if *helper == site {
                (served.requests, served.bytes) = (served.requests.min(served.saved.0), served.bytes.min(served.saved.1));
            }
        }
    }

    /// What a helper forgot it served, nobody settles.
    pub(super) fn on_forgotten(&mut self, site: SiteId) {
        self.served.retain(|(helper, ..), _| *helper != site);
    }

    pub(super) fn on_served(&mut self, visit: &Visit, bytes: Bytes) -> Option<String> {
        let served = self.served.entry((visit.helper, visit.owner, visit.lease)).or_default();
        served.requests = served.requests.saturating_add(visit.visitors);
        served.bytes = served.bytes.saturating_add(bytes);
        let theirs = self.served.range((visit.helper, visit.owner, LeaseId([0; 8]))..=(visit.helper, visit.owner, LeaseId([255; 8])));
        let worth = |lease: &LeaseId, requests, bytes| price(&self.terms, lease, requests, bytes);
        let open = |lease: &LeaseId, served: &Served| (worth(lease, served.requests, served.bytes) - served.settled).max(0);
        let outstanding: i128 = theirs.map(|((.., lease), served)| open(lease, served)).sum();
        let caps = self.caps.get(&visit.helper)?;
        let late = worth(&visit.lease, caps.requests.0, Bytes(caps.bytes.0)) / 10 * TICKS_LATE;
        let most = i128::from(self.charter.unsettled_cap.0) + late;
        (outstanding > most).then(|| {
            let (helper, owner) = (visit.helper.short(), visit.owner.short());
            format!("{helper} served {owner} for {outstanding} beyond any receipt, where {most} are the most")
        })
    }
}

/// What was served under a lease; none is served that nobody signed.
fn price(terms: &BTreeMap<LeaseId, Terms>, lease: &LeaseId, requests: u32, bytes: Bytes) -> i128 {
    terms.get(lease).map_or(0, |terms| terms.price(requests, bytes))
}
