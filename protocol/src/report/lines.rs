//! How credit lines stand, and how their limits come about.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use overspill_governance::{
    charter::Charter,
    clearing::Round,
    digest::Digest,
    regard::{Dispute, Regard},
    site::{Signed, SiteId},
    standing::Standing,
    time::{Date, Now},
    units::Credit,
};

use crate::{
    settle::{account::Account, stake::Rooms},
    site::Site,
};

/// One credit line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineReport {
    /// The other end.
    pub partner: SiteId,
    /// Its canonical scheme and authority; empty when it is no member any more.
    pub canonical: String,
    /// Positive: the partner owes us.
    pub balance: Credit,
    /// How far the partner may owe us, as both ends signed it.
    pub limit_given: Credit,
    /// How far we may owe the partner, as both ends signed it.
    pub limit_taken: Credit,
    /// What both limits began with.
    pub start: Credit,
    /// How much of the limit that it has from us is granted for new service, by its standing, by what we saw of it, and by what it answers for.
    pub granted: Credit,
    /// Worth of the service that it gave us, as both ends signed it, less what of that made up for others: so much it may owe us on nobody's stake.
    pub served: Credit,
    /// How much more it may owe us on the stakes of those above it; `None` for the founder, and for who is no member.
    pub vouched: Option<Credit>,
    /// What it answers for: left unpaid by those who came in by it and are gone.
    pub answers: Credit,
    /// Where it stands by evidence.
    pub standing: Standing,
    /// When the breaches were that we saw and that still count, the oldest first.
    pub breaches: Vec<Date>,
    /// When the oldest of them is forgotten.
    pub forgotten: Option<Date>,
    /// Our dispute, until we take it back.
    pub ours: Option<DisputeReport>,
    /// The partner's dispute, until it takes it back.
    pub theirs: Option<DisputeReport>,
    /// Worth of what we served for it and is not settled.
    pub unsettled_given: Credit,
    /// Worth of what it may have served for us and is not settled: the tickets that this process gave out.
    pub unsettled_taken: Credit,
    /// How much of the limits open locks keep free, both ways together.
    pub locked: Credit,
    /// The open locks.
    pub locks: Vec<LockReport>,
    /// How often the line was begun afresh.
    pub epoch: u32,
    /// Place of the last state that both signed; 0 before the first.
    pub seq: u64,
    /// That the partner is busy when we are, as measured, in millionths.
    pub beside: u64,
    /// A proposal of ours waits for its answer.
    pub pending: bool,
    /// Nothing is signed on it: the other end forked it, or was not heard since this process began.
    pub frozen: bool,
    /// The other end has left the mesh, or was removed: what waits for its answer waits for ever.
    pub left: bool,
}

impl LineReport {
    /// Whether anything was ever signed on it.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.seq > 0 || self.pending
    }

    /// Whether either end disputes it, so that it carries no new lease.
    #[must_use]
    pub fn is_disputed(&self) -> bool {
        [&self.ours, &self.theirs].into_iter().flatten().any(|dispute| dispute.holds)
    }
}

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeReport {
    /// When it was said.
    pub made: Date,
    /// Until when it freezes the line, if it is not taken back.
    pub until: Date,
    /// It still does.
    pub holds: bool,
    /// Why.
    pub reason: String,
}

/// A lock that a round of clearing holds on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockReport {
    /// The round.
    pub round: Digest,
    /// How much of the debt.
    pub amount: Credit,
    /// The debt is ours.
    pub we_owe: bool,
    /// How many members the circle has.
    pub members: usize,
}

impl Site {
    pub(super) fn line_reports(&self, now: Now) -> Vec<LineReport> {
        // Who has left keeps its lines, by no rules.
        let rules = self.membership.charter().cloned().unwrap_or_default();
        let lines = &self.settle.lines;
        let heirs: BTreeSet<SiteId> = self.membership.heirs().into_iter().map(|(old, _)| old).collect();
        let used = lines.iter().map(|(partner, _)| *partner);
        let partners = self.partners.iter().map(|(partner, _)| *partner);
        let noted = lines.regards().filter(|(_, regard)| !regard.is_blank()).map(|(partner, _)| *partner);
        let answering = lines.stakes.written_off().map(|(_, written)| written.to);
        let all: BTreeSet<SiteId> = used.chain(partners).chain(noted).chain(answering).collect();
        // Who goes on under another key has its line there.
        let all: Vec<SiteId> = all.difference(&heirs).copied().collect();
        let mut outstanding = self.helper.outstanding();
        for partner in &all {
            outstanding.entry(*partner).or_default();
        }
        let rooms = lines.rooms(&self.membership, outstanding, now.date);
        all.into_iter().map(|partner| self.line_report(partner, &rules, &rooms, now)).collect()
    }

    fn line_report(&self, partner: SiteId, charter: &Charter, rooms: &Rooms<'_>, now: Now) -> LineReport {
        let account = self.settle.lines.account(&partner);
        let of = |read: fn(&Account) -> Credit, else_: Credit| account.map_or(else_, read);
        let regard = self.settle.lines.regard(&partner);
        let standing = self.membership.standing(&partner);
        let limit_given = of(|account| account.line.limit_given(), charter.newcomer_limit);
        let breaches = regard.map_or_else(Vec::new, |regard| regard.breaches(charter, now.date));
        let dispute = |side: fn(&Regard) -> Option<&Dispute>| {
            let Dispute { made, reason } = regard.and_then(side)?;
            let until = made.after(charter.dispute_length.span());
            Some(DisputeReport { made: *made, until, holds: now.date < until, reason: reason.clone() })
        };
        LineReport {
            partner,
            canonical: self.membership.contact(&partner).map_or_else(String::new, |(canonical, _)| canonical.into()),
            balance: of(|account| account.line.balance(), Credit::ZERO),
            limit_given,
            limit_taken: of(|account| account.line.limit_taken(), charter.newcomer_limit),
            start: of(|account| account.line.start(), charter.newcomer_limit),
            granted: self.settle.lines.granted(charter, &self.membership, &partner, now.date),
            served: self.settle.lines.stakes.served(&partner),
            vouched: rooms.left(&partner).filter(|_| self.membership.is_member(&partner)),
            answers: self.settle.lines.stakes.answers_for(&partner),
            standing,
            forgotten: breaches.first().map(|oldest| oldest.after(charter.breach_memory.span())),
            breaches,
            ours: dispute(Regard::ours),
            theirs: dispute(Regard::theirs),
            unsettled_given: self.helper.unsettled(&partner),
            unsettled_taken: self.owner.unsettled(&partner),
            locked: of(|account| account.line.locked(), Credit::ZERO),
            locks: account.map_or_else(Vec::new, |account| locks(account, self.desk.id)),
            epoch: account.map_or(0, |account| account.line.key().epoch),
            seq: account.map_or(0, |account| account.line.state().seq),
            beside: self.together.beside(&partner, now.date),
            pending: account.is_some_and(|account| account.line.pending().is_some()),
            frozen: account.is_some() && !self.settle.lines.may_sign(&partner),
            left: self.membership.has_left(&partner),
        }
    }
}

fn locks(account: &Account, us: SiteId) -> Vec<LockReport> {
    let key = account.line.key();
    let lock = |(round, signed): (&Digest, &Signed<Round>)| LockReport {
        round: *round,
        amount: signed.body.amount,
        we_owe: signed.body.debtor_on(key) == Some(us),
        members: signed.body.cycle.len(),
    };
    account.line.locks().iter().map(lock).collect()
}
