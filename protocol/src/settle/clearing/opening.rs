//! Steps of clearing on a line: what this end proposes, what it countersigns, and how a lock is opened.

use alloc::{boxed::Box, vec::Vec};

use overspill_governance::{
    charter::Charter,
    clearing::{DoubleRuling, Ruled, Ruling},
    entry::Entry,
    evidence::Bundle,
    line::{Proposal, Step},
    planted,
    site::{Signed, SiteId, Statement},
};

use super::{Around, Open, Settle};
use crate::{
    desk::Desk,
    event::Event,
    limits::{RULING_LOST, SETTLE_RETRY_MIN},
    membership::Membership,
    message::{Agree, Message, RulingAsk},
    settle::Ends,
    timer::Reason,
};

impl Settle {
    /// Opens our lock with a partner as it was ruled. The other end is shown the ruling first, and again until the lock is open.
    pub(super) fn open_lock(&mut self, desk: &mut Desk, around: Around<'_>, partner: &SiteId, ruled: &Ruled, due: bool) {
        let name = ruled.ruling.body.round;
        let locked = self.lines.account(partner).is_some_and(|account| account.line.locks().get(&name).is_some());
        if !locked || !around.membership.is_member(partner) {
            return;
        }
        if due && around.partners.is_connected(partner) {
            desk.send(*partner, Message::Ruled(ruled.clone()));
        }
        if !planted!(OpensNothing) {
            self.propose_step(desk, around.membership, partner, Step::Release(ruled.ruling.clone()));
        }
    }

    /// As lower end: signs a step when the line is free for it; in the ledger before it leaves.
    pub(in crate::settle) fn propose_step(&mut self, desk: &mut Desk, membership: &Membership, with: &SiteId, step: Step) {
        let may_sign = self.lines.may_sign(with);
        let (Some(charter), Some(account)) = (charter_of(membership, &step), self.lines.account_mut(with)) else { return };
        let Some(key) = desk.key().filter(|_| may_sign && account.line.is_low()) else { return };
        // What is refused is busy, or cannot be carried: it is tried again, or the round ends.
        if let Ok(proposal) = account.line.propose_step(key, step, charter) {
            desk.persist(Entry::Proposed { with: *with, proposal: proposal.clone() });
            account.refresh(desk.now.time);
            account.sent(desk.now.time);
            desk.send(*with, Message::Propose(proposal));
            desk.wake_in(Reason::Settle, SETTLE_RETRY_MIN);
        }
    }

    /// As higher end: countersigns a lawful step, once it is known that it may be taken. A lock always is.
    pub(crate) fn on_step(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, from: SiteId, proposal: &Proposal) -> Option<&'static str> {
        let step = proposal.step.as_ref()?;
        let permitted = match step {
            Step::Lock(_) => true,
            Step::Release(ruling) => self.permits(desk, from, ruling),
            Step::Gone(name) => {
                let open = self.rounds.open.get(name);
                open.is_some_and(|open| open.ruled.is_none() && self.is_gone(desk, ends.membership, open))
            }
            Step::Fade(fade) => self.may_fade(desk, ends.membership, &from, fade),
        };
        if !permitted {
            return None;
        }
        let account = self.lines.account_mut(&from)?;
        let before = account.line.balance();
        let receipt = account.line.countersign(desk.key()?, proposal, charter_of(ends.membership, step)?).ok()?;
        let agree = Agree { seq: receipt.state.seq, signature: receipt.high_sig };
        desk.persist(Entry::Agreed { with: from, receipt: receipt.clone() });
        desk.send(from, Message::Agree(agree));
        self.settled(desk, ends, from, before, &receipt);
        None
    }

    /// Whether a lock may be opened by this ruling: one that ends the round needs no more proof; one that moves is believed with all locks.
    fn permits(&mut self, desk: &mut Desk, from: SiteId, ruling: &Signed<Ruling>) -> bool {
        let Some(open) = self.rounds.open.get_mut(&ruling.body.round) else { return false };
        if !ruling.body.moves {
            let ruled = Ruled { round: open.round.clone(), ruling: ruling.clone(), locks: Vec::new() };
            match &open.ruled {
                // The other end has signed already, by a ruling that is as good: the line opens by it, and who ruled twice answers for that.
                Some(known) => {
                    DoubleRuling::of(known, &ruled).into_iter().for_each(|proof| desk.accuse(Bundle::DoubleRuling(proof.into())))
                }
                None => {
                    desk.persist(Entry::Ruled(Box::new(ruled.clone())));
                    open.ruled = Some(ruled.clone());
                    self.rounds.remember(&ruled);
                }
            }
            return true;
        }
        let shown = open.ruled.as_ref().is_some_and(|ruled| ruled.ruling.body.moves);
        if !shown && !planted!(BelievesAnyRuling) {
            desk.send(from, Message::RulingAsk(RulingAsk { round: ruling.body.round, gone: false }));
        }
        shown || planted!(BelievesAnyRuling)
    }

    /// Whether who could rule on a round is no member any more, or has forgotten what it ruled, for so long that its word would have come round.
    pub(super) fn is_gone(&self, desk: &Desk, membership: &Membership, open: &Open) -> bool {
        if open.lost.is_some_and(|since| desk.now.time >= since.after(RULING_LOST)) {
            return true;
        }
        let round = &open.round.body;
        let (Some(initiator), Some(charter)) = (round.initiator(), membership.charter()) else { return false };
        let end = membership.roster().and_then(|roster| roster.end(&initiator));
        end.is_some_and(|end| desk.now.date >= end.after(charter.clearing_grace.span()))
    }

    /// Tells of what both ends signed, as far as it concerns rounds.
    pub(crate) fn stepped(&mut self, desk: &mut Desk, partner: SiteId, receipt: &overspill_governance::line::Receipt) {
        let epoch = self.lines.account(&partner).map_or(0, |account| account.line.key().epoch);
        self.rounds.note(desk.id, (partner, epoch), receipt, desk.now.time);
        if let Some(Step::Lock(round)) = &receipt.step {
            desk.tell(Event::Locked { round: round.body.digest(), partner, amount: round.body.amount });
        }
    }
}

/// The rules by which a step is judged: those that a round names, for its lock; others follow from the lock.
pub(crate) fn charter_of<'a>(membership: &'a Membership, step: &Step) -> Option<&'a Charter> {
    match step {
        Step::Lock(round) => membership.minutes()?.version(round.body.charter),
        Step::Release(_) | Step::Gone(_) | Step::Fade(_) => membership.charter(),
    }
}
