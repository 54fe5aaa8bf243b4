//! What a ledger says of this site's lines: balances, service given and taken, what still waits for a signature.
//!
//! Made of the ledger's records alone, so that it can be read with or without an agent running, and by either end of a line.

use std::collections::BTreeMap;

use overspill_governance::{
    chain::Record,
    entry::Entry,
    line::{Head, Receipt},
    payword::LeaseId,
    site::{SiteId, Statement as _},
    units::Bytes,
};
use serde::{Deserialize, Serialize};

/// Name and version of the JSON form.
pub const SCHEMA: &str = "overspill.statement/1";

/// A site's whole account. Amounts are micro-credits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// [`SCHEMA`].
    pub schema: String,
    /// Whose account it is.
    pub site: String,
    /// The mesh, when the site belongs or belonged to one.
    pub mesh: Option<Mesh>,
    /// Sum of all balances, seen from here: positive when the mesh owes this site.
    pub balance_micro: i64,
    /// Sum of all credit that receipts moved, either way.
    pub moved_micro: i64,
    /// One for each partner with whom anything was agreed or proposed.
    pub lines: Vec<LineStatement>,
}

/// Which mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mesh {
    /// Its name for people.
    pub name: String,
    /// Its name for machines.
    pub id: String,
}

/// The line with one partner, seen from this site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineStatement {
    /// The other end.
    pub partner: String,
    /// Positive when the partner owes this site.
    pub balance_micro: i64,
    /// Credit that came here by receipts.
    pub earned_micro: i64,
    /// Credit that went there by receipts.
    pub spent_micro: i64,
    /// Counts the states that both ends signed.
    pub seq: u64,
    /// Digest of the last of these states; both ends hold the same.
    pub state: String,
    /// Receipts in this ledger.
    pub receipts: u64,
    /// A state that only this end has signed so far.
    pub proposed_seq: Option<u64>,
    /// Service that this site gave and that is settled.
    pub given: Service,
    /// Service that this site took and that is settled.
    pub taken: Service,
}

/// Settled service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Leases with a receipt.
    pub leases: u64,
    /// Requests served.
    pub requests: u64,
    /// Body bytes served.
    pub bytes: u64,
}

impl LineStatement {
    fn move_to(&mut self, balance: i64) {
        let moved = balance.saturating_sub(self.balance_micro);
        if moved >= 0 {
            self.earned_micro = self.earned_micro.saturating_add(moved);
        } else {
            self.spent_micro = self.spent_micro.saturating_sub(moved);
        }
        self.balance_micro = balance;
    }
}

/// Makes a statement of records, told one after the other.
#[derive(Debug)]
pub struct Clerk {
    site: SiteId,
    mesh: Option<Mesh>,
    lines: BTreeMap<SiteId, LineStatement>,
    /// Claims are cumulative over a lease: what of it was counted already.
    settled: BTreeMap<LeaseId, (u32, Bytes)>,
    /// Who serves under a lease.
    helpers: BTreeMap<LeaseId, SiteId>,
}

impl Clerk {
    /// Begins the account of `site`.
    pub fn new(site: SiteId) -> Self {
        Self { site, mesh: None, lines: BTreeMap::new(), settled: BTreeMap::new(), helpers: BTreeMap::new() }
    }

    /// Takes the next record.
    pub fn take(&mut self, record: &Record) {
        match &record.entry {
            Entry::Founded(founding) => {
                self.mesh = Some(Mesh { name: founding.body.name.clone(), id: founding.body.mesh().to_string() });
            }
            Entry::Allotted(allotment) => {
                self.helpers.insert(allotment.body.lease, allotment.body.helper);
            }
            Entry::Proposed { with, proposal } => self.line(*with).proposed_seq = Some(proposal.state.seq),
            Entry::Agreed { with, receipt } => self.agreed(*with, receipt),
            // Who belongs and what members vote on moves no credit.
            Entry::Invited(_) | Entry::Admitted(_) | Entry::Departed(_) | Entry::Taken(_) | Entry::LeaseEnded { .. } => {}
            Entry::Moved { .. } | Entry::Seconded(_) | Entry::Objected(_) | Entry::Cast(_) | Entry::Decided(_) | Entry::Ruled(_) => {}
            Entry::Noted { .. } | Entry::Convicted { .. } | Entry::Recovered { .. } => {}
            Entry::Renewed { with, head } => self.renewed(*with, head),
        }
    }

    /// The account so far.
    pub fn finish(self) -> Statement {
        let lines: Vec<_> = self.lines.into_values().collect();
        Statement {
            schema: SCHEMA.to_owned(),
            site: self.site.to_string(),
            mesh: self.mesh,
            balance_micro: lines.iter().fold(0, |sum, line| sum.saturating_add(line.balance_micro)),
            moved_micro: lines.iter().fold(0, |sum, line| sum.saturating_add(line.earned_micro).saturating_add(line.spent_micro)),
            lines,
        }
    }

    fn line(&mut self, partner: SiteId) -> &mut LineStatement {
        self.lines.entry(partner).or_insert_with(|| LineStatement { partner: partner.to_string(), ..LineStatement::default() })
    }

    /// The line goes on with what both ends had signed; what of that this ledger does not know is no service that it could name.
    fn renewed(&mut self, with: SiteId, head: &Head) {
        let carried = head.last.as_ref().map_or(0, |last| last.receipt.state.balance.0);
        let balance = if self.site < with { carried } else { carried.saturating_neg() };
        let line = self.line(with);
        line.move_to(balance);
        (line.seq, line.proposed_seq) = (0, None);
        line.state = head.last.as_ref().map_or_else(String::new, |last| last.receipt.state.digest().to_string());
    }

    fn agreed(&mut self, with: SiteId, receipt: &Receipt) {
        let state = &receipt.state;
        // Positive means that the higher key's end owes the lower's.
        let balance = if self.site < with { state.balance.0 } else { state.balance.0.saturating_neg() };
        let service = receipt.claim.as_ref().map(|claim| {
            let (requests, bytes) = self.settled.insert(claim.lease, (claim.requests, claim.bytes)).unwrap_or_default();
            let new = Service {
                leases: u64::from(requests == 0 && bytes.0 == 0),
                requests: u64::from(claim.requests.saturating_sub(requests)),
                bytes: claim.bytes.saturating_sub(bytes).0,
            };
            (self.helpers.get(&claim.lease) == Some(&self.site), new)
        });
        let line = self.line(with);
        line.move_to(balance);
        line.seq = state.seq;
        line.state = state.digest().to_string();
        line.receipts += 1;
        line.proposed_seq = line.proposed_seq.filter(|proposed| *proposed > state.seq);
        if let Some((given, new)) = service {
            let sum = if given { &mut line.given } else { &mut line.taken };
            sum.leases += new.leases;
            sum.requests = sum.requests.saturating_add(new.requests);
            sum.bytes = sum.bytes.saturating_add(new.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::{
        allotment::Allotment,
        charter::Charter,
        claim::Claim,
        digest::Digest,
        invite::MeshId,
        line::{LineKey, LineState},
        payword::Word,
        site::{Key, Signed, Statement as _},
        time::Date,
        units::Credit,
    };

    const LEASE: LeaseId = LeaseId([5; 8]);

    fn keys() -> (Key, Key) {
        let (one, other) = (Key::from_seed([1; 32]), Key::from_seed([2; 32]));
        if one.site() < other.site() { (one, other) } else { (other, one) }
    }

    fn claim(requests: u32, bytes: u64) -> Claim {
        Claim { lease: LEASE, serial: requests, word: Word([0; 16]), requests, bytes: Bytes(bytes) }
    }

    /// The lower end serves the higher one and is paid twice, cumulatively.
    fn story(low: &Key, high: &Key) -> Vec<Receipt> {
        let (mesh, charter) = (MeshId(Digest::ZERO), Charter::default());
        let mut state = LineState::first(LineKey::between(mesh, low.site(), high.site()).id(), &charter);
        let mut receipts = Vec::new();
        for (paid, claim) in [(300, claim(10, 1_000)), (200, claim(15, 1_700))] {
            state = state.next(Credit(paid), claim.digest(), &charter).unwrap();
            receipts.push(Receipt { state, low_sig: state.sign(low), high_sig: state.sign(high), claim: Some(claim), step: None });
        }
        receipts
    }

    fn statement_of(key: &Key, partner: &Key, helper: &Key) -> Statement {
        let (mesh, price) = (MeshId(Digest::ZERO), Credit(10));
        let (owner, anchor) = (if helper.site() == key.site() { partner } else { key }, Word([0; 16]));
        let allotment = Allotment {
            charter: 1,
            mesh,
            lease: LEASE,
            owner: owner.site(),
            helper: helper.site(),
            requests: 100,
            bytes: Bytes(1 << 20),
            largest: Bytes(1 << 20),
            anchor,
            price_request: price,
            price_mib: price,
            made: Date::from_millis(0),
            until: Date::from_millis(1),
        };
        let (low, high) = if key.site() < partner.site() { (key, partner) } else { (partner, key) };
        let agreed = story(low, high).into_iter().map(|receipt| Entry::Agreed { with: partner.site(), receipt });
        let mut clerk = Clerk::new(key.site());
        for (seq, entry) in (1..).zip(std::iter::once(Entry::Allotted(Box::new(Signed::new(allotment, owner)))).chain(agreed)) {
            clerk.take(&Record { seq, date: Date::from_millis(0), entry, at: 0 });
        }
        clerk.finish()
    }

    #[test]
    fn both_ends_tell_the_same_story_from_their_sides() {
        let (low, high) = keys();
        let (ours, theirs) = (statement_of(&low, &high, &low), statement_of(&high, &low, &low));
        let (line, mirror) = (&ours.lines[0], &theirs.lines[0]);
        assert_eq!((line.balance_micro, line.earned_micro, line.spent_micro), (500, 500, 0));
        assert_eq!((mirror.balance_micro, mirror.earned_micro, mirror.spent_micro), (-500, 0, 500));
        assert_eq!(ours.balance_micro + theirs.balance_micro, 0);
        assert_eq!((line.seq, &line.state, line.receipts), (mirror.seq, &mirror.state, mirror.receipts));
    }

    #[test]
    fn cumulative_claims_are_counted_once() {
        let (low, high) = keys();
        let settled = Service { leases: 1, requests: 15, bytes: 1_700 };
        assert_eq!(statement_of(&low, &high, &low).lines[0].given, settled);
        assert_eq!(statement_of(&low, &high, &low).lines[0].taken, Service::default());
        assert_eq!(statement_of(&high, &low, &low).lines[0].taken, settled);
    }
}
