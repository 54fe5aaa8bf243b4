//! The clerk: goes through a ledger's records and adds up what each line says.

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

use super::{Condition, LineStatement, Mesh, SCHEMA, Service, Statement, circles::Circles};

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
