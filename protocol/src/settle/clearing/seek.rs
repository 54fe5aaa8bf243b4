//! Finding circles of debts: a search travels from debtor to creditor, and whoever it comes back to has found one.
//!
//! A search names its way and the amount that could be cleared along it, no more than each end would lock: partners learn that and nothing
//! else of a line. It goes to a few creditors only, and dies after [`CYCLE_MAX`] members.

use alloc::{collections::VecDeque, vec, vec::Vec};
use core::cmp::Reverse;

use overspill_governance::{
    charter::Charter,
    clearing::Round,
    limits::{CYCLE_MAX, CYCLE_MIN},
    site::SiteId,
    time::Time,
    units::Credit,
};

use super::{Around, Open, Settle};
use crate::{
    bucket::Bucket,
    desk::Desk,
    limits::{CLEARED_MIN, SEEK_FANOUT, SEEKS_BURST, SEEKS_KEPT, SEEKS_PER_SECOND},
    message::{Message, Seek},
    timer::Reason,
};

/// When we search next, and what we have passed on.
#[derive(Debug, Clone, Default)]
pub(super) struct Seeking {
    next: Option<Time>,
    number: u64,
    passed: VecDeque<(SiteId, u64)>,
    bucket: Option<Bucket>,
}

impl Settle {
    /// Begins a search when one is due and somebody might find something.
    pub(super) fn seek(&mut self, desk: &mut Desk, around: Around<'_>) {
        let Some(charter) = around.membership.charter().filter(|_| around.membership.leaving().is_none()) else { return };
        let (now, us) = (desk.now.time, desk.id);
        let due = self.rounds.seeking.next.is_some_and(|at| at <= now);
        if due || self.rounds.seeking.next.is_none() {
            let pause = desk.jittered(charter.clearing_pause.span());
            self.rounds.seeking.next = Some(now.after(pause));
        }
        if let Some(at) = self.rounds.seeking.next {
            desk.timers.set_by(Reason::Clear, at);
        }
        if !due || self.has_own_round() || !self.is_owed(around, us, charter) {
            return;
        }
        self.rounds.seeking.number = u64::from_le_bytes(desk.draw());
        let number = self.rounds.seeking.number;
        for (creditor, amount) in self.creditors(around, us, charter) {
            desk.send(creditor, Message::Seek(Seek { path: vec![us], amount, number }));
        }
    }

    /// A search has come to us. When it is ours, it has found a circle; otherwise it goes on to those whom we owe.
    pub(crate) fn on_seek(&mut self, desk: &mut Desk, around: Around<'_>, from: SiteId, mut seek: Seek) -> Option<&'static str> {
        let us = desk.id;
        if seek.path.last() != Some(&from) || seek.path.len() > CYCLE_MAX || seek.amount <= Credit::ZERO {
            return Some("a search that breaks its own rules");
        }
        let (now, charter) = (desk.now.time, around.membership.charter()?);
        seek.amount = seek.amount.min(self.clearable(around, from, from, charter));
        let takes = self.rounds.seeking.bucket.get_or_insert_with(|| Bucket::new(SEEKS_PER_SECOND, SEEKS_BURST, now)).takes(now);
        if !takes || desk.is_silent() || seek.amount < Credit(CLEARED_MIN) {
            return None;
        }
        let initiator = *seek.path.first()?;
        if initiator == us {
            if seek.number == self.rounds.seeking.number && seek.path.len() >= CYCLE_MIN && !self.has_own_round() {
                self.begin_round(desk, around, seek);
            }
            return None;
        }
        let name = (initiator, seek.number);
        if seek.path.contains(&us) || seek.path.len() >= CYCLE_MAX || self.rounds.seeking.passed.contains(&name) {
            return None;
        }
        if self.rounds.seeking.passed.len() >= SEEKS_KEPT {
            self.rounds.seeking.passed.pop_front();
        }
        self.rounds.seeking.passed.push_back(name);
        let mut path = seek.path;
        path.push(us);
        let mut creditors = self.creditors(around, us, charter);
        // Whom we owe and who began it closes the circle: nobody else need hear of it.
        if let Some(closing) = creditors.iter().find(|(creditor, _)| *creditor == initiator && path.len() >= CYCLE_MIN).copied() {
            creditors = vec![closing];
        }
        for (creditor, amount) in creditors.into_iter().filter(|(creditor, _)| *creditor == initiator || !path.contains(creditor)) {
            let amount = seek.amount.min(amount);
            desk.send(creditor, Message::Seek(Seek { path: path.clone(), amount, number: seek.number }));
        }
        None
    }

    /// Writes a round for the circle that a search of ours found.
    fn begin_round(&mut self, desk: &mut Desk, around: Around<'_>, seek: Seek) {
        let Some((mesh, charter)) = around.membership.mesh().zip(around.membership.charter()) else { return };
        let Some(creditor) = seek.path.get(1).copied() else { return };
        let amount = seek.amount.min(self.clearable(around, creditor, desk.id, charter));
        if amount < Credit(CLEARED_MIN) {
            return;
        }
        let round = Round { mesh, charter: charter.version, cycle: seek.path, amount, date: desk.now.date };
        if let Some(round) = desk.sign(round).filter(|round| round.is_good()) {
            let open = Open { begun: true, ..Open::new(round, desk.now.time) };
            self.rounds.open.insert(overspill_governance::site::Statement::digest(&open.round.body), open);
        }
    }

    fn has_own_round(&self) -> bool {
        self.rounds.open.values().any(|open| open.begun)
    }

    /// Whether any partner owes us enough.
    fn is_owed(&self, around: Around<'_>, us: SiteId, charter: &Charter) -> bool {
        self.lines.iter().any(|(partner, _)| *partner != us && self.clearable(around, *partner, *partner, charter) >= Credit(CLEARED_MIN))
    }

    /// The few partners whom we owe most, with how much of it could be cleared.
    fn creditors(&self, around: Around<'_>, us: SiteId, charter: &Charter) -> Vec<(SiteId, Credit)> {
        let there = self.lines.iter().filter(|(partner, _)| around.partners.is_connected(partner));
        let mut creditors: Vec<(SiteId, Credit)> =
            there.map(|(partner, _)| (*partner, self.clearable(around, *partner, us, charter))).collect();
        creditors.retain(|(_, amount)| *amount >= Credit(CLEARED_MIN));
        creditors.sort_by_key(|(partner, amount)| (Reverse(*amount), *partner));
        creditors.truncate(SEEK_FANOUT);
        creditors
    }

    /// How much of what `debtor` owes on our line with `partner` could be cleared.
    pub(super) fn clearable(&self, around: Around<'_>, partner: SiteId, debtor: SiteId, charter: &Charter) -> Credit {
        let Some(account) = self.lines.account(&partner).filter(|_| self.lines.may_sign(&partner)) else { return Credit::ZERO };
        account.line.clearable(debtor, charter).min(self.spare(around, partner, debtor)).max(Credit::ZERO)
    }

    /// How much of what `debtor` owes on our line with `partner` nothing counts on. What it may still earn under open leases counts on its debt: so much
    /// of that stays, or the last claims would find the line at its limit.
    pub(in crate::settle) fn spare(&self, around: Around<'_>, partner: SiteId, debtor: SiteId) -> Credit {
        let Some(account) = self.lines.account(&partner) else { return Credit::ZERO };
        let reserved = if debtor == partner { around.owner.reserved(&partner) } else { around.helper.reserved(&partner) };
        account.line.headroom(debtor).checked_sub(reserved).unwrap_or(Credit::ZERO)
    }
}
