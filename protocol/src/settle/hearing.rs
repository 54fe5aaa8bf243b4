//! The hearing: before a process signs anything on a line, the other end has shown how far it knows that line.
//!
//! Whether a ledger is the newest copy, nobody can see from the ledger. The other ends can: they hold states with our signature. So each
//! process begins with an exchange of heads, line by line, and signs nothing on a line before that. Whoever is shown what it signed and does
//! not know has an old copy: it signs nothing any more in the epochs that it may have signed in, and asks every partner to begin anew.
//!
//! | we hear | we do |
//! |---|---|
//! | as much as we know, or less | sign |
//! | the answer to our pending proposal | conclude, sign |
//! | a state with our signature that we do not know | begin anew, on all lines |
//! | a wish to begin anew | close the old epoch, show our head |
//! | our own wish, granted | take the last state that the other end holds, sign in the new epoch |

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use overspill_governance::{
    claim::Claim,
    entry::Entry,
    line::{Head, Line, LineKey, Moves, Renewal, epoch_on},
    payword::LeaseId,
    planted,
    site::SiteId,
    time::{SKEW_MAX, Time},
    units::Credit,
};

use super::{Ends, Settle, account::retry_pause, schedule::earlier};
use crate::{
    desk::Desk,
    event::Event,
    lease::{
        Terms,
        helper::Claiming,
        owner::Ahead,
        table::{Phase, Turn},
    },
    limits::{RENEWAL_PAUSE, SETTLE_RETRY_MIN},
    message::{Agree, HeadTold, Message},
    partners::Partners,
    timer::Reason,
};

/// Of whom this process has heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hearing {
    heard: BTreeSet<SiteId>,
    asked: BTreeMap<SiteId, (Time, u32)>,
    /// Epochs up to this one may hold signatures of ours that we do not know.
    closed: Option<u32>,
    /// The epochs that this process wished for last.
    wished: BTreeMap<SiteId, u32>,
    /// Lines on which a proposal waits that we cannot sign.
    stuck: BTreeSet<SiteId>,
}

impl Hearing {
    /// Takes note that this site may have forgotten what it signed.
    pub(crate) fn close(&mut self, desk: &mut Desk) {
        let closed = desk.recovered().map(|date| epoch_on(date, 0));
        if self.closed != closed {
            self.closed = closed;
            // Every line waits for its other end now, also those that were heard of.
            self.asked.clear();
            desk.wake_in(Reason::Settle, Duration::ZERO);
        }
    }

    /// Whether something may be signed on a line in this epoch.
    pub(crate) fn permits(&self, partner: &SiteId, epoch: u32) -> bool {
        (self.heard.contains(partner) || planted!(SignsUnheard)) && self.is_fresh(epoch) && !self.stuck.contains(partner)
    }

    /// Whether a partner may be asked now how far it knows the line.
    fn is_due(&self, partner: &SiteId, now: Time) -> bool {
        self.asked.get(partner).is_none_or(|(at, _)| *at <= now)
    }

    fn is_fresh(&self, epoch: u32) -> bool {
        self.closed.is_none_or(|closed| epoch > closed) || planted!(SignsInOldEpochs)
    }
}

impl Settle {
    /// The first words on a line to a partner who is there.
    pub(crate) fn open_hearing(&mut self, desk: &mut Desk, ends: &Ends<'_>, partner: SiteId) {
        if !self.lines.may_sign(&partner) {
            self.lines.hearing.asked.remove(&partner);
            self.say_head(desk, ends, partner);
        }
    }

    /// Shows our head of a line, with a wish for a new epoch when we need one. Asks for the other end's as often as is due and no oftener: two
    /// ends that both wait would answer each other for ever.
    fn say_head(&mut self, desk: &mut Desk, ends: &Ends<'_>, partner: SiteId) {
        let Some(mesh) = ends.membership.mesh() else { return };
        let mut head = self.lines.account(&partner).map(|account| account.line.head()).unwrap_or_default();
        let asks = !self.lines.may_sign(&partner) && self.lines.hearing.is_due(&partner, desk.now.time);
        let tries = self.lines.hearing.asked.get(&partner).map_or(0, |(_, tries)| *tries);
        let line = self.lines.account(&partner).map(|account| &account.line);
        let old = line.map_or(0, |line| line.key().epoch);
        // Both ends may know that one has another key now: the lower one wishes first.
        let is_handed_over = line.is_some_and(|line| line.waits() && (line.is_low() || tries > 0));
        if is_handed_over || !self.lines.hearing.is_fresh(head.epoch()) || self.lines.hearing.stuck.contains(&partner) {
            let closed = self.lines.hearing.closed.unwrap_or(0);
            let key = LineKey { epoch: epoch_on(desk.now.date, closed.max(old)), ..LineKey::between(mesh, desk.id, partner) };
            let Some(renewal) = desk.sign(Renewal { key, by: desk.id }) else { return };
            self.lines.hearing.wished.insert(partner, key.epoch);
            head.renewal = Some(renewal);
        }
        if asks {
            self.lines.hearing.asked.insert(partner, (desk.in_(retry_pause(tries)), tries.saturating_add(1)));
        }
        desk.send(partner, Message::Head(HeadTold { head, asks }));
        desk.wake_in(Reason::Settle, SETTLE_RETRY_MIN);
    }

    /// Asks again who has not answered; tells when to look again.
    pub(super) fn ask_again(&mut self, desk: &mut Desk, ends: &Ends<'_>, partners: &Partners) -> Option<Time> {
        let silent: Vec<SiteId> =
            partners.iter().filter(|(site, partner)| partner.connected && !self.lines.may_sign(site)).map(|(site, _)| *site).collect();
        let mut next = None;
        for partner in silent {
            if self.lines.account(&partner).is_some_and(|account| account.frozen) {
                continue;
            }
            if self.lines.hearing.is_due(&partner, desk.now.time) {
                self.say_head(desk, ends, partner);
            }
            let again = self.lines.hearing.asked.get(&partner).map_or(Time::ZERO, |(at, _)| *at);
            next = earlier(next, again.max(desk.in_(SETTLE_RETRY_MIN)));
        }
        next
    }

    /// A partner shows how far it knows our line.
    pub(crate) fn on_head(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, from: SiteId, told: HeadTold) -> Option<&'static str> {
        let HeadTold { head, asks } = told;
        let keys = ends.membership.ends_with(&desk.id, &from)?;
        if desk.is_silent() || self.lines.account(&from).is_some_and(|account| account.frozen) {
            return None;
        }
        if head.check(&keys).is_err() {
            return Some("a head of a line that does not hold");
        }
        self.take_answer(desk, ends, from, &head);
        let ours = self.lines.account(&from).map(|account| account.line.head()).unwrap_or_default();
        let is_later = head.epoch() > ours.epoch();
        let is_wish_of_ours = is_later && head.renewal.as_ref().is_some_and(|renewal| renewal.body.by == desk.id);
        let line = self.lines.account(&from).map(|account| &account.line);
        let waits = line.is_some_and(Line::waits);
        let is_remembered =
            self.lines.hearing.stuck.contains(&from) || waits || self.lines.hearing.wished.get(&from) == Some(&head.epoch());
        let is_wished = is_remembered && is_wish_of_ours;
        // What was proposed under a former key is answered in what both carry on.
        let is_answer = waits && line.zip(head.last.as_ref()).is_some_and(|(line, last)| line.has_proposed(&last.receipt.state));
        if self.lines.hearing.is_fresh(ours.epoch()) && (head.place() > ours.place() && !is_answer || is_wish_of_ours && !is_wished) {
            desk.begin_anew();
            self.lines.hearing.close(desk);
        }
        let granted = is_wish_of_ours && head.place() >= ours.place();
        if is_later && self.lines.hearing.is_fresh(head.epoch()) && (granted || !is_wish_of_ours && is_timely(desk, &ours, &head)) {
            self.renew(desk, ends, from, &head.with_last_of(&ours));
        }
        self.lines.hearing.heard.insert(from);
        if asks || !self.lines.may_sign(&from) && self.lines.hearing.is_due(&from, desk.now.time) {
            self.say_head(desk, ends, from);
        }
        self.go_on(desk, ends, from);
        None
    }

    /// A proposal for something that we do not know to be due. When our ledger is an old copy, it lacks the lease, or what we served under it:
    /// the proposal cannot be taken back, so the line begins anew without it.
    pub(super) fn refuse_unknown(
        &mut self,
        desk: &mut Desk,
        ends: &Ends<'_>,
        from: SiteId,
        moves: Moves,
        claim: Option<&Claim>,
    ) -> Option<&'static str> {
        let claim = claim?;
        let (owned, hosted) = (ends.owner.leases.get(&claim.lease), ends.helper.leases.get(&claim.lease));
        let forgotten = match (owned, hosted) {
            (None, None) => true,
            (_, Some(guest)) => moves.earner == desk.id && (claim.requests, claim.bytes) > (guest.saved.requests, guest.saved.bytes),
            _ => false,
        };
        if !forgotten {
            return Some("a proposal for something that is not due");
        }
        self.lines.hearing.stuck.insert(from);
        self.lines.hearing.asked.remove(&from);
        self.say_head(desk, ends, from);
        None
    }

    /// The other end has countersigned what we proposed: our process ended before it heard so.
    fn take_answer(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, from: SiteId, head: &Head) {
        let (Some(account), Some(last)) = (self.lines.account(&from), &head.last) else { return };
        let answers =
            last.epoch == account.line.key().epoch && account.line.pending().is_some_and(|pending| pending.state == last.receipt.state);
        if answers {
            let agree = Agree { seq: last.receipt.state.seq, signature: last.receipt.high_sig };
            let _ = self.on_agree(desk, ends, from, &agree);
        }
    }

    /// Closes the old epoch of a line, in the ledger before anything is said of the new one.
    fn renew(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, with: SiteId, head: &Head) {
        let Some(charter) = ends.membership.charter() else { return };
        let Some(ends_now) = ends.membership.ends_with(&desk.id, &with) else { return };
        let Some(account) = self.lines.open(desk.id, with, ends.membership, charter) else { return };
        let missed = head.place() > account.line.head().place();
        if account.line.renew(head, &ends_now, charter).is_err() {
            return;
        }
        let (balance, is_locked) = (account.line.balance(), account.line.locked() > Credit::ZERO);
        self.lines.take_renewed(with, charter);
        self.lines.hearing.stuck.remove(&with);
        if is_locked {
            self.rounds.carry(head, desk.now.time);
        }
        // Who begins anew may know nothing of what it claimed or accepted.
        for owned in ends.owner.leases.values_mut().filter(|owned| owned.terms.helper() == with) {
            (owned.claimed, owned.ahead) = (None, Ahead::No);
        }
        for guest in ends.helper.leases.values_mut().filter(|guest| guest.terms.owner() == with) {
            guest.claiming = Claiming { due: desk.now.time, ..Claiming::default() };
        }
        if head.renewal.as_ref().is_some_and(|renewal| renewal.body.by == with) {
            close_leases(desk, ends, with);
        }
        // Their ends are in the ledger first: a line that began anew does not tell a later process what it missed.
        if missed {
            end_leases(desk, ends, with);
        }
        desk.persist(Entry::Renewed { with, head: Box::new(head.clone()) });
        desk.tell(Event::Renewed { partner: with, balance });
    }

    /// Does what waited for the line.
    fn go_on(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, partner: SiteId) {
        if let Some(account) = self.lines.account_mut(&partner) {
            account.refresh(desk.now.time);
        }
        if self.lines.may_sign(&partner) {
            self.answer_waiting(desk, ends, partner);
            desk.wake_in(Reason::Settle, Duration::ZERO);
            desk.wake_in(Reason::Clear, Duration::ZERO);
        }
    }
}

/// Whether another end may have this epoch: it is not ahead of the calendar, and the last one has lasted a while.
fn is_timely(desk: &Desk, ours: &Head, wish: &Head) -> bool {
    let pause = u32::try_from(RENEWAL_PAUSE.as_secs()).unwrap_or(u32::MAX);
    let earliest = if ours.epoch() == 0 { 0 } else { ours.epoch().saturating_add(pause) };
    (earliest..=epoch_on(desk.now.date.after(SKEW_MAX), 0)).contains(&wish.epoch())
}

/// The other end may know nothing of our leases: nothing more is served under them, so that what is left of them can be claimed, and ends.
fn close_leases(desk: &mut Desk, ends: &mut Ends<'_>, with: SiteId) {
    turn_all(desk, ends, with, Phase::Held, Turn::Lost);
    turn_all(desk, ends, with, Phase::Draining, Turn::Drained);
}

/// We have missed receipts on the line, so nobody here knows what of its old leases is paid: they are over, and what was unsettled is lost.
fn end_leases(desk: &mut Desk, ends: &mut Ends<'_>, with: SiteId) {
    turn_all(desk, ends, with, Phase::Settling, Turn::GivenUp);
}

/// Whatever is open with a key that was given up is over.
pub(super) fn end_all(desk: &mut Desk, ends: &mut Ends<'_>, old: SiteId) {
    close_leases(desk, ends, old);
    end_leases(desk, ends, old);
}

/// The same turn for all leases with a partner that are in one phase.
fn turn_all(desk: &mut Desk, ends: &mut Ends<'_>, with: SiteId, phase: Phase, turn: Turn) {
    let fits = |terms: &Terms, partner: SiteId| terms.phase == phase && partner == with;
    let owned = ends.owner.leases.iter().filter(|(_, owned)| fits(&owned.terms, owned.terms.helper()));
    let owned: Vec<LeaseId> = owned.map(|(lease, _)| *lease).collect();
    let hosted = ends.helper.leases.iter().filter(|(_, guest)| fits(&guest.terms, guest.terms.owner()));
    let hosted: Vec<LeaseId> = hosted.map(|(lease, _)| *lease).collect();
    owned.into_iter().for_each(|lease| ends.owner.turn(desk, lease, turn));
    hosted.into_iter().for_each(|lease| ends.helper.turn(desk, lease, turn));
}
