//! The reference: what ledgers must say by a model of few lines that knows what data planes really did.
//!
//! It has no machine, no messages and no retries. A lease is worth what was served under it, but not more than was handed out; a line is
//! the sum of what its leases' last receipts are worth; a limit grows by service given. All in wide integers, by the prices that owners signed.

use std::collections::BTreeMap;

use overspill_governance::{
    charter::Charter,
    claim::Claim,
    entry::Entry,
    payword::LeaseId,
    site::SiteId,
    units::{Bytes, Credit},
};

use super::{keys::Keys, terms::Terms};
use crate::server::Visit;

/// What really went out under a lease, and what was served.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// Whose visitors they were.
    pub owner: SiteId,
    /// Who served them.
    pub helper: SiteId,
    /// Tickets handed out; the highest serial is the same.
    pub sent: u32,
    /// Bytes of what they were sent for.
    pub sent_bytes: Bytes,
    /// The owner forgot in a crash what it had handed out: it believes what words prove.
    pub uncounted: bool,
    /// Visitors served.
    pub served: u32,
    /// Bytes served.
    pub bytes: Bytes,
    /// The helper forgot some of it in a crash: less than was served may be claimed.
    pub forgotten: bool,
}

/// What data planes did, over all their lives.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    leases: BTreeMap<LeaseId, Lease>,
    terms: BTreeMap<LeaseId, Terms>,
    charter: Charter,
    lost: Vec<SiteId>,
    keys: Keys,
}

impl Truth {
    pub(super) fn on_entry(&mut self, entry: &Entry) -> Option<String> {
        match entry {
            Entry::Founded(founding) => self.charter = founding.body.charter.clone(),
            Entry::Allotted(allotment) => {
                let (lease, terms) = (allotment.body.lease, Terms::of(&allotment.body));
                self.terms.insert(lease, terms);
                let invented = allotment.body.charter == self.charter.version && terms != Terms::by(&self.charter);
                return invented.then(|| format!("lease {lease} names the founding's charter and has other prices"));
            }
            _ => {}
        }
        None
    }

    pub(super) fn on_sent(&mut self, visit: &Visit) {
        let lease = self.leases.entry(visit.lease).or_insert(Lease {
            owner: visit.owner,
            helper: visit.helper,
            sent: 0,
            sent_bytes: Bytes::ZERO,
            uncounted: false,
            served: 0,
            bytes: Bytes::ZERO,
            forgotten: false,
        });
        lease.sent = lease.sent.max(visit.serial);
        lease.sent_bytes = lease.sent_bytes.saturating_add(visit.bytes);
    }

    pub(super) fn on_served(&mut self, visit: &Visit, bytes: Bytes) {
        if let Some(lease) = self.leases.get_mut(&visit.lease) {
            lease.served += visit.visitors;
            lease.bytes = lease.bytes.saturating_add(bytes);
        }
    }

    pub(super) fn on_death(&mut self, site: SiteId) {
        for lease in self.leases.values_mut().filter(|lease| lease.helper == site) {
            lease.forgotten = true;
        }
        for lease in self.leases.values_mut().filter(|lease| lease.owner == site) {
            lease.uncounted = true;
        }
    }

    pub(super) fn on_forgotten(&mut self, site: SiteId) {
        self.lost.push(site);
    }

    /// What is open with a key that is given up ends with it: of what was served under it less may be claimed.
    pub(super) fn on_rotated(&mut self, old: SiteId, new: SiteId) {
        self.keys.rotate(old, new);
        for lease in self.leases.values_mut().filter(|lease| lease.helper == old || lease.owner == old) {
            lease.forgotten = true;
        }
        if self.lost.contains(&old) {
            self.lost.push(new);
        }
    }

    /// What was really served under each lease.
    pub fn leases(&self) -> impl Iterator<Item = (&LeaseId, &Lease)> {
        self.leases.iter()
    }

    pub(super) fn is_whole(&self, site: &SiteId) -> bool {
        !self.lost.contains(&self.keys.now(site))
    }

    /// Compares a site's ledger with what really happened. `honest` says of whom the truth is to be expected, `pays` of whom that what it
    /// owes is paid by now.
    pub fn check(&self, site: SiteId, entries: &[Entry], honest: impl Fn(&SiteId) -> bool, pays: impl Fn(&SiteId) -> bool) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut last: BTreeMap<(SiteId, LeaseId), (SiteId, Claim)> = BTreeMap::new();
        let mut balances: BTreeMap<SiteId, Credit> = BTreeMap::new();
        let mut cleared: BTreeMap<SiteId, i128> = BTreeMap::new();
        for (us, entry) in self.keys.signed(site, entries) {
            if let Entry::Renewed { with, head } = entry {
                // What was missed of a line stands in the balance that it began anew with.
                let balance = Credit(self.keys.carried(&us, with, head));
                let with = &self.keys.now(with);
                let before = balances.insert(*with, balance).unwrap_or_default();
                *cleared.entry(*with).or_default() += i128::from(balance.0) - i128::from(before.0);
            }
            let Entry::Agreed { with, receipt } = entry else { continue };
            let balance = if us < *with { receipt.state.balance } else { Credit(-receipt.state.balance.0) };
            let with = &self.keys.now(with);
            let before = balances.insert(*with, balance).unwrap_or_default();
            if receipt.step.is_some() {
                *cleared.entry(*with).or_default() += i128::from(balance.0) - i128::from(before.0);
            }
            if let Some(claim) = receipt.claim {
                last.insert((*with, claim.lease), (*with, claim));
            }
            if self.is_whole(&site) {
                wrong.extend(self.beyond_limit(site, *with, balance, &last));
            }
        }
        for (with, claim) in last.values() {
            wrong.extend(self.compare(site, with, claim, &honest));
        }
        for (with, balance) in &balances {
            let sum = self.balance(with, &last) + cleared.get(with).copied().unwrap_or_default();
            if sum != i128::from(balance.0) {
                wrong.push(format!("{} and {} stand at {balance}, by their leases at {sum}", site.short(), with.short()));
            }
        }
        if pays(&site) {
            wrong.extend(self.unpaid(site, &last, &pays));
        }
        wrong
    }

    /// One receipt's claim against what data planes did.
    fn compare(&self, site: SiteId, with: &SiteId, claim: &Claim, honest: &impl Fn(&SiteId) -> bool) -> Option<String> {
        let Some(lease) = self.leases.get(&claim.lease) else {
            return Some(format!("{} settled lease {} with {}, under which nobody was sent", site.short(), claim.lease, with.short()));
        };
        let counted = lease.uncounted || claim.bytes <= lease.sent_bytes;
        let within_sent = claim.serial <= lease.sent && claim.requests <= lease.sent && counted;
        let within_served = !honest(&lease.helper) || (claim.requests <= lease.served && claim.bytes <= lease.bytes);
        (!within_sent || !within_served).then(|| format!("{} settled {claim:?}, where {lease:?} is the truth", site.short()))
    }

    /// What the last receipts of all leases between two sites come to, seen from the one whose they are.
    fn balance(&self, with: &SiteId, last: &BTreeMap<(SiteId, LeaseId), (SiteId, Claim)>) -> i128 {
        let theirs = last.range((*with, LeaseId([0; 8]))..=(*with, LeaseId([255; 8])));
        let worth = |claim: &Claim| {
            let helper = self.leases.get(&claim.lease).map(|lease| self.keys.now(&lease.helper));
            let worth = self.price(&claim.lease, claim.requests, claim.bytes);
            if helper == Some(*with) { -worth } else { worth }
        };
        theirs.map(|(_, (_, claim))| worth(claim)).sum()
    }

    /// Nobody owes more than a newcomer may, and what its own service has earned it.
    fn beyond_limit(
        &self,
        site: SiteId,
        with: SiteId,
        balance: Credit,
        last: &BTreeMap<(SiteId, LeaseId), (SiteId, Claim)>,
    ) -> Option<String> {
        let theirs = last.range((with, LeaseId([0; 8]))..=(with, LeaseId([255; 8])));
        let debtor = if balance > Credit::ZERO { with } else { site };
        let earned = |claim: &Claim| {
            let helper = self.leases.get(&claim.lease).map(|lease| self.keys.now(&lease.helper));
            if helper == Some(debtor) { self.price(&claim.lease, claim.requests, claim.bytes) } else { 0 }
        };
        let service: i128 = theirs.map(|(_, (_, claim))| earned(claim)).sum();
        let grown = i128::from(self.charter.newcomer_limit.0) + service * i128::from(self.charter.limit_growth.0) / 1_000;
        let most = grown.min(i128::from(self.charter.line_limit_cap.0.max(self.charter.newcomer_limit.0)));
        (i128::from(balance.0).abs() > most).then(|| format!("{} owes {balance}, where {most} is the most", debtor.short()))
    }

    /// What a helper served an owner that pays, and never forgot, is paid to the last byte.
    fn unpaid(&self, site: SiteId, last: &BTreeMap<(SiteId, LeaseId), (SiteId, Claim)>, pays: &impl Fn(&SiteId) -> bool) -> Vec<String> {
        let is_ours = |lease: &Lease| self.keys.now(&lease.helper) == site && !lease.forgotten && pays(&self.keys.now(&lease.owner));
        let ours = self.leases.iter().filter(|(_, lease)| is_ours(lease));
        let due = ours.filter(|(id, lease)| self.price(id, lease.served, lease.bytes) > 0);
        let paid = |id: &LeaseId, lease: &Lease| {
            last.get(&(self.keys.now(&lease.owner), *id)).map_or(0, |(_, claim)| self.price(id, claim.requests, claim.bytes))
        };
        let short = due.filter(|(id, lease)| paid(id, lease) < self.price(id, lease.served, lease.bytes));
        short.map(|(id, lease)| format!("{} was paid {} for lease {id}: {lease:?}", site.short(), paid(id, lease))).collect()
    }

    /// What service under a lease is worth, in micro-credits; one that nobody signed is worth nothing.
    pub fn price(&self, lease: &LeaseId, requests: u32, bytes: Bytes) -> i128 {
        self.terms.get(lease).map_or(0, |terms| terms.price(requests, bytes))
    }
}
