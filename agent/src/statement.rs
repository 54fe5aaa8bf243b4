//! What a ledger says of this site's lines: balances, service given and taken, debts cleared in circles, what waits or is disputed.
//!
//! Made of the ledger's records alone, so that it can be read with or without an agent running, and by either end of a line.

use std::collections::BTreeMap;

use overspill_governance::{
    chain::Record,
    entry::Entry,
    invite::MeshId,
    limits::ROTATIONS_MAX,
    line::{Ends, Head, Receipt, Step},
    minutes::Minutes,
    payword::LeaseId,
    regard::{Dispute, Regard},
    site::{SiteId, Statement as _},
    time::Date,
    units::Bytes,
};
use serde::{Deserialize, Serialize};

mod circles;

use circles::Circles;
pub use circles::Cleared;

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
    /// Sum of all credit that moved for service, either way.
    pub moved_micro: i64,
    /// What this site owed and clearing cancelled.
    pub cleared_of_ours_micro: i64,
    /// What this site was owed and clearing cancelled: as much, but for a round that has moved on one of its two lines so far.
    pub cleared_of_theirs_micro: i64,
    /// What this site owed and demurrage took.
    pub faded_of_ours_micro: i64,
    /// What this site was owed and demurrage took.
    pub faded_of_theirs_micro: i64,
    /// The newest clearings.
    pub cleared: Vec<Cleared>,
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
    /// Credit that came here for service.
    pub earned_micro: i64,
    /// Credit that went there for service.
    pub spent_micro: i64,
    /// What this site owed and clearing cancelled.
    pub cleared_of_ours_micro: i64,
    /// What the partner owed and clearing cancelled.
    pub cleared_of_theirs_micro: i64,
    /// What this site owed and demurrage took.
    pub faded_of_ours_micro: i64,
    /// What the partner owed and demurrage took.
    pub faded_of_theirs_micro: i64,
    /// `co-signed`, `waiting` for the other end's signature, or `disputed`.
    pub condition: Condition,
    /// Until when a dispute of this site freezes the line.
    pub our_dispute_until: Option<String>,
    /// Until when a dispute of the partner does.
    pub their_dispute_until: Option<String>,
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

/// How a line stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Both ends have signed all that there is.
    #[default]
    CoSigned,
    /// A state that only this end has signed waits for its answer.
    Waiting,
    /// Either end disputes it.
    Disputed,
}

impl Condition {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::CoSigned => "co-signed",
            Self::Waiting => "waiting",
            Self::Disputed => "disputed",
        }
    }
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
    circles: Circles,
    regards: BTreeMap<SiteId, Regard>,
    minutes: Option<Minutes>,
    in_mesh: Option<MeshId>,
    /// Which key a site had before.
    former: BTreeMap<SiteId, SiteId>,
}

impl Clerk {
    /// Begins the account of `site`.
    pub fn new(site: SiteId) -> Self {
        Self {
            site,
            mesh: None,
            lines: BTreeMap::new(),
            settled: BTreeMap::new(),
            helpers: BTreeMap::new(),
            circles: Circles::default(),
            regards: BTreeMap::new(),
            minutes: None,
            in_mesh: None,
            former: BTreeMap::new(),
        }
    }

    /// Takes the next record.
    pub fn take(&mut self, record: &Record) {
        match &record.entry {
            Entry::Founded(founding) => {
                self.in_mesh = Some(founding.body.mesh());
                self.mesh = Some(Mesh { name: founding.body.name.clone(), id: founding.body.mesh().to_string() });
                self.minutes = Some(Minutes::new(founding.body.charter.clone(), founding.body.date));
            }
            Entry::Allotted(allotment) => {
                self.helpers.insert(allotment.body.lease, allotment.body.helper);
            }
            Entry::Proposed { with, proposal } => self.line(*with).proposed_seq = Some(proposal.state.seq),
            Entry::Agreed { with, receipt } => self.agreed(*with, receipt, record.date),
            Entry::Noted { with, note, date } => {
                self.regards.entry(*with).or_default().take(note.clone(), *date);
            }
            Entry::Decided(decision) => {
                if let Some(minutes) = &mut self.minutes {
                    minutes.record((**decision).clone());
                }
            }
            // Who belongs and what members vote on moves no credit.
            Entry::Invited(_) | Entry::Admitted(_) | Entry::Departed(_) | Entry::Taken(_) | Entry::LeaseEnded { .. } => {}
            Entry::Moved { .. } | Entry::Seconded(_) | Entry::Objected(_) | Entry::Cast(_) | Entry::Ruled(_) | Entry::Convicted { .. } => {}
            Entry::Recovered { .. } => {}
            Entry::Rotated { rotation, .. } => self.rotated(rotation.body.mesh, rotation.body.old, rotation.body.new),
            Entry::Renewed { with, head } => self.renewed(*with, head),
        }
    }

    /// The account so far, as it stands on a date.
    pub fn finish(mut self, now: Date) -> Statement {
        self.judge(now);
        let lines: Vec<_> = self.lines.into_values().collect();
        let sum = |of: fn(&LineStatement) -> i64| lines.iter().map(of).fold(0, i64::saturating_add);
        Statement {
            schema: SCHEMA.to_owned(),
            site: self.site.to_string(),
            mesh: self.mesh,
            balance_micro: sum(|line| line.balance_micro),
            moved_micro: sum(|line| line.earned_micro.saturating_add(line.spent_micro)),
            cleared_of_ours_micro: sum(|line| line.cleared_of_ours_micro),
            cleared_of_theirs_micro: sum(|line| line.cleared_of_theirs_micro),
            faded_of_ours_micro: sum(|line| line.faded_of_ours_micro),
            faded_of_theirs_micro: sum(|line| line.faded_of_theirs_micro),
            cleared: self.circles.cleared(),
            lines,
        }
    }

    /// Says of each line how it stands: a dispute holds until its time is over.
    fn judge(&mut self, now: Date) {
        let charter = self.minutes.as_ref().map(|minutes| minutes.in_force(now).clone()).unwrap_or_default();
        for (partner, regard) in std::mem::take(&mut self.regards) {
            let until = |dispute: Option<&Dispute>| dispute.map(|dispute| dispute.until(&charter)).filter(|until| now < *until);
            let (ours, theirs) = (until(regard.ours()), until(regard.theirs()));
            if ours.or(theirs).is_some() {
                let line = self.line(partner);
                (line.our_dispute_until, line.their_dispute_until) =
                    (ours.map(|date| date.to_string()), theirs.map(|date| date.to_string()));
            }
        }
        for line in self.lines.values_mut() {
            line.condition = if line.our_dispute_until.is_some() || line.their_dispute_until.is_some() {
                Condition::Disputed
            } else if line.proposed_seq.is_some() {
                Condition::Waiting
            } else {
                Condition::CoSigned
            };
        }
    }

    fn line(&mut self, partner: SiteId) -> &mut LineStatement {
        self.lines.entry(partner).or_insert_with(|| LineStatement { partner: partner.to_string(), ..LineStatement::default() })
    }

    /// The line goes on with what both ends had signed; what of that this ledger does not know is no service that it could name.
    fn renewed(&mut self, with: SiteId, head: &Head) {
        let keys = |site: SiteId| std::iter::successors(Some(site), |at| self.former.get(at).copied()).take(ROTATIONS_MAX).collect();
        let ends = self.in_mesh.and_then(|mesh| Ends::between(mesh, keys(self.site), keys(with)));
        let carried = ends.zip(head.last.as_ref()).map_or(0, |(ends, last)| ends.carried(&ends.key(head.epoch()), last).balance.0);
        let balance = if self.site < with { carried } else { carried.saturating_neg() };
        let line = self.line(with);
        line.move_to(balance);
        (line.seq, line.proposed_seq) = (0, None);
        line.state = head.last.as_ref().map_or_else(String::new, |last| last.receipt.state.digest().to_string());
    }

    /// A member goes on under another key, and its line with it.
    fn rotated(&mut self, mesh: MeshId, old: SiteId, new: SiteId) {
        self.in_mesh = Some(mesh);
        self.former.entry(new).or_insert(old);
        if old == self.site {
            self.site = new;
        } else if let Some(line) = self.lines.remove(&old) {
            let line = LineStatement { partner: new.to_string(), proposed_seq: None, ..line };
            self.lines.entry(new).or_insert(line);
        }
        let regard = self.regards.remove(&old);
        self.regards.extend(regard.map(|regard| (new, regard)));
    }

    fn agreed(&mut self, with: SiteId, receipt: &Receipt, date: Date) {
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
        let moved = balance.saturating_sub(self.line(with).balance_micro);
        if let Some(step) = &receipt.step {
            self.circles.take(with, step, moved, date);
        }
        let line = self.line(with);
        let sum = match (&receipt.step, moved >= 0) {
            (None, true) => &mut line.earned_micro,
            (None, false) => &mut line.spent_micro,
            (Some(Step::Fade(_)), true) => &mut line.faded_of_ours_micro,
            (Some(Step::Fade(_)), false) => &mut line.faded_of_theirs_micro,
            (Some(_), true) => &mut line.cleared_of_ours_micro,
            (Some(_), false) => &mut line.cleared_of_theirs_micro,
        };
        *sum = sum.saturating_add(moved.saturating_abs());
        line.balance_micro = balance;
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
        line::{Fade, LineKey, LineState, Proposal},
        payword::Word,
        regard::Note,
        site::{Key, Signed},
        time::Date,
        units::{Credit, Millionths},
    };
    use proptest::prelude::*;

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
        clerk.finish(Date::from_millis(2))
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

    proptest! {
        /// Whatever moves on a line, for service, by clearing or as demurrage, its balance is what came less what went.
        #[test]
        fn a_balance_is_what_its_parts_add_up_to(moves in prop::collection::vec((0..3_u8, -1_000_i64..1_000), 0..40), we_are_low: bool) {
            let (low, high) = keys();
            let (us, them) = if we_are_low { (&low, &high) } else { (&high, &low) };
            let mut state = LineState::first(LineKey::between(MeshId(Digest::ZERO), low.site(), high.site()).id(), &Charter::default());
            let mut clerk = Clerk::new(us.site());
            for (seq, (kind, shift)) in (1..).zip(moves) {
                state = LineState { seq, balance: Credit(state.balance.0 + shift), ..state };
                let fade = Fade { day: 1, rate: Millionths(1) };
                let step = [None, Some(Step::Gone(Digest::ZERO)), Some(Step::Fade(fade))][usize::from(kind)].clone();
                let receipt = Receipt { state, low_sig: state.sign(&low), high_sig: state.sign(&high), claim: None, step };
                clerk.take(&Record { seq, date: Date::from_millis(0), entry: Entry::Agreed { with: them.site(), receipt }, at: 0 });
            }
            let statement = clerk.finish(Date::from_millis(1));
            for line in &statement.lines {
                let cleared = line.cleared_of_ours_micro - line.cleared_of_theirs_micro;
                let faded = line.faded_of_ours_micro - line.faded_of_theirs_micro;
                prop_assert_eq!(line.balance_micro, line.earned_micro - line.spent_micro + cleared + faded);
                prop_assert_eq!(line.balance_micro, if we_are_low { state.balance.0 } else { -state.balance.0 });
            }
            prop_assert_eq!(statement.balance_micro, statement.lines.iter().map(|line| line.balance_micro).sum::<i64>());
        }
    }

    #[test]
    fn a_line_waits_while_only_we_have_signed_and_is_disputed_until_that_ends() {
        let (low, high) = keys();
        let mut state = LineState::first(LineKey::between(MeshId(Digest::ZERO), low.site(), high.site()).id(), &Charter::default());
        state.seq = 1;
        let proposal = Proposal { state, low_sig: state.sign(&low), claim: None, step: None };
        let noted = |note| Entry::Noted { with: high.site(), note, date: Date::from_millis(0) };
        let condition = |entries: &[Entry], days: u64| {
            let mut clerk = Clerk::new(low.site());
            for (seq, entry) in (1..).zip(entries) {
                clerk.take(&Record { seq, date: Date::from_millis(0), entry: entry.clone(), at: 0 });
            }
            clerk.finish(Date::from_millis(days * 86_400_000)).lines[0].condition
        };
        let proposed = Entry::Proposed { with: high.site(), proposal };
        assert_eq!(condition(std::slice::from_ref(&proposed), 0), Condition::Waiting);
        let disputed = [proposed, noted(Note::TheyDispute("No.".into()))];
        assert_eq!((condition(&disputed, 6), condition(&disputed, 7)), (Condition::Disputed, Condition::Waiting));
        assert_eq!(condition(&[disputed.as_slice(), &[noted(Note::TheyWithdraw)]].concat(), 6), Condition::Waiting);
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
