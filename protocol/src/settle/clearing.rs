//! Clearing debts that run in a circle: how this site takes part in rounds, its own and others'.
//!
//! A round goes around the circle once to lock, and its ruling spreads from neighbour to neighbour:
//!
//! | who | says | when |
//! |---|---|---|
//! | a debtor, to its creditor | `Seek` | it looks for a circle, or passes a search on ([`seek`]) |
//! | a debtor, to its creditor | `Lock` with the locks before | its own debtor's line is locked, or the round is its own |
//! | the lower end | `Propose` with a step | the lock is asked for, or a ruling opens it |
//! | anybody with a lock | `RulingAsk` | it waits |
//! | anybody with a ruling | `Ruled` | the other end of a lock may not know it, or asks |
//!
//! Nobody waits for room: a lock that a line cannot carry is not made, and the initiator's patience ends the round. So rounds that cross
//! each other never hold each other up. What is open is what locks on our own lines, and one round of our own, keep open; a site that forgot
//! a round of its own rules that it ends, which is safe: it never locks the first line again, so it never ruled that it moves. One whose ledger
//! may be an old copy does not know that: it rules no more, and says so.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use overspill_governance::{
    clearing::{DoubleRuling, Locked, Round, Ruled, Ruling},
    digest::Digest,
    entry::Entry,
    evidence::Bundle,
    line::{Head, Proposal, Receipt, Step},
    planted,
    site::{Signed, SiteId, Statement},
    time::{SKEW_MAX, Time},
};

use super::{Ends, Settle, account::retry_pause};
use crate::{
    desk::Desk,
    event::Event,
    lease::{helper::HelperSide, owner::OwnerSide},
    limits::{ROUNDS_OF_ONE_MAX, RULING_HEARING, RULINGS_KEPT, SETTLE_RETRY_MIN},
    membership::Membership,
    message::{LockAsk, Message, RulingAsk},
    partners::Partners,
    report::RoundReport,
    timer::Reason,
};

mod opening;
mod seek;

pub(crate) use opening::charter_of;

use seek::Seeking;

/// What a round is waiting with and for.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    round: Signed<Round>,
    /// Ours, and begun by this process: of one that a former process began it is not known what was said.
    begun: bool,
    since: Time,
    /// Proofs of the locks from the initiator's debt on to the one before our debtor's line, as far as they were shown to us.
    before: Vec<Locked>,
    /// Proof of the lock on our debtor's line, and of that on our creditor's.
    incoming: Option<Locked>,
    outgoing: Option<Locked>,
    ruled: Option<Ruled>,
    /// Since when its initiator is known to have forgotten what it ruled, if it did.
    lost: Option<Time>,
    again: Time,
    tries: u32,
}

/// All open rounds, and the search for new ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds {
    open: BTreeMap<Digest, Open>,
    /// The last rulings, by round: a wish for a lock that arrives late locks a line for a round that is over.
    recent: BTreeMap<Digest, Ruled>,
    order: VecDeque<Digest>,
    seeking: Seeking,
}

/// What the parts of a round look at beside the lines.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) membership: &'a Membership,
    pub(crate) partners: &'a Partners,
    pub(crate) owner: &'a OwnerSide,
    pub(crate) helper: &'a HelperSide,
}

impl Ends<'_> {
    /// What rounds look at.
    pub(crate) fn around<'a>(&'a self, partners: &'a Partners) -> Around<'a> {
        Around { membership: self.membership, partners, owner: self.owner, helper: self.helper }
    }
}

impl Rounds {
    /// What is open, for people.
    pub(crate) fn reports(&self) -> Vec<RoundReport> {
        let report = |(round, open): (&Digest, &Open)| RoundReport {
            round: *round,
            members: open.round.body.cycle.clone(),
            amount: open.round.body.amount,
            ruling: open.ruled.as_ref().map(|ruled| ruled.ruling.body.moves),
        };
        self.open.iter().map(report).collect()
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// Remembers a ruling for a while, whatever becomes of its round.
    fn remember(&mut self, ruled: &Ruled) {
        let name = ruled.ruling.body.round;
        if self.recent.insert(name, ruled.clone()).is_none() {
            self.order.push_back(name);
        }
        if self.order.len() > RULINGS_KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
    }

    /// Both ends of one of our lines signed a step.
    fn note(&mut self, us: SiteId, (with, epoch): (SiteId, u32), receipt: &Receipt, now: Time) {
        let Receipt { state, low_sig, high_sig, step: Some(Step::Lock(round)), .. } = receipt else { return };
        let open = self.open.entry(round.body.digest()).or_insert_with(|| Open::new((**round).clone(), now));
        let outgoing = round.body.neighbours(&us).is_some_and(|(_, creditor)| creditor == with);
        let proof = Some(Locked { epoch, state: *state, low_sig: *low_sig, high_sig: *high_sig });
        *(if outgoing { &mut open.outgoing } else { &mut open.incoming }) = proof;
        (open.again, open.tries) = (now, 0);
    }

    /// A line began anew with these locks: of rounds that we have forgotten we learn like this.
    pub(super) fn carry(&mut self, head: &Head, now: Time) {
        for round in &head.locks {
            self.open.entry(round.body.digest()).or_insert_with(|| Open::new(round.clone(), now));
        }
    }

    /// A partner is there again: what waits for it is said at once.
    pub(crate) fn on_connected(&mut self, desk: &mut Desk, partner: &SiteId) {
        for open in self.open.values_mut().filter(|open| open.round.body.place(partner).is_some()) {
            (open.again, open.tries) = (desk.now.time, 0);
        }
        desk.wake_in(Reason::Clear, SETTLE_RETRY_MIN);
    }
}

impl Open {
    fn new(round: Signed<Round>, now: Time) -> Self {
        let (before, incoming, outgoing) = (Vec::new(), None, None);
        Self { round, begun: false, since: now, before, incoming, outgoing, ruled: None, lost: None, again: now, tries: 0 }
    }

    fn is_by(&self, site: SiteId) -> bool {
        self.round.body.initiator() == Some(site)
    }

    /// The proofs that we can show of the lines from the initiator's debt on, without a gap.
    fn proofs(&self, us: SiteId) -> Vec<Locked> {
        let place = self.round.body.place(&us).unwrap_or_default();
        let mut proofs = self.before.clone();
        if place > 0 && proofs.len() + 1 == place {
            proofs.extend(self.incoming);
        }
        if proofs.len() == place {
            proofs.extend(self.outgoing);
        }
        proofs
    }

    /// As initiator: the proofs of all lines, once they are there.
    fn all_locks(&self) -> Option<Vec<Locked>> {
        let all: Vec<Locked> = self.before.iter().copied().chain(self.incoming).collect();
        let whole = self.outgoing.is_some() && self.incoming.is_some() && all.len() == self.round.body.cycle.len();
        (whole || (planted!(RulesTooEarly) && self.outgoing.is_some())).then_some(all)
    }
}

impl Settle {
    /// Takes back from the ledger, after the lines have, what was signed of rounds.
    pub(crate) fn restore_round(&mut self, us: SiteId, entry: &Entry, membership: &Membership, now: Time) {
        match entry {
            Entry::Proposed { proposal: Proposal { step: Some(Step::Lock(round)), .. }, .. } => {
                self.rounds.open.entry(round.body.digest()).or_insert_with(|| Open::new((**round).clone(), now));
            }
            Entry::Agreed { with, receipt } => {
                let epoch = self.lines.account(with).map_or(0, |account| account.line.key().epoch);
                self.rounds.note(us, (*with, epoch), receipt, now);
            }
            Entry::Renewed { with, head }
                if self.lines.account(with).is_some_and(|account| account.line.locks().iter().next().is_some()) =>
            {
                self.rounds.carry(head, now);
            }
            Entry::Ruled(ruled) => {
                self.rounds.remember(ruled);
                if let Some(open) = self.rounds.open.get_mut(&ruled.ruling.body.round) {
                    open.ruled = Some((**ruled).clone());
                }
            }
            _ => {}
        }
        if let Entry::Agreed { receipt: Receipt { step: Some(step @ (Step::Release(_) | Step::Gone(_))), .. }, .. } = entry {
            let Some(name) = step.round() else { return };
            let ends = self.rounds.open.get(&name).and_then(|open| open.round.body.neighbours(&us));
            if !ends.is_some_and(|(debtor, creditor)| [debtor, creditor].iter().any(|end| self.holds(membership, end, &name))) {
                self.rounds.open.remove(&name);
            }
        }
    }

    /// Moves every open round on as far as it goes, and looks for a new one when that is due.
    pub(crate) fn tend_rounds(&mut self, desk: &mut Desk, around: Around<'_>) {
        if desk.is_silent() {
            return;
        }
        let names: Vec<Digest> = self.rounds.open.keys().copied().collect();
        for name in names {
            let Some(mut open) = self.rounds.open.remove(&name) else { continue };
            if self.tend_round(desk, around, name, &mut open) {
                desk.timers.set_by(Reason::Clear, open.again.max(desk.in_(SETTLE_RETRY_MIN)));
                self.rounds.open.insert(name, open);
            } else if let Some(true) = open.ruled.map(|ruled| ruled.ruling.body.moves) {
                desk.tell(Event::Cleared { round: name, amount: open.round.body.amount, members: open.round.body.cycle.len() });
            }
        }
        self.seek(desk, around);
    }

    /// Moves one round on; tells whether it stays open.
    fn tend_round(&mut self, desk: &mut Desk, around: Around<'_>, name: Digest, open: &mut Open) -> bool {
        let us = desk.id;
        let Some((debtor, creditor)) = open.round.body.neighbours(&us) else { return false };
        let held = |settle: &Self, partner: &SiteId| settle.holds(around.membership, partner, &name);
        if open.ruled.is_none() {
            open.ruled = self.rounds.recent.get(&name).cloned();
        }
        if open.is_by(us) && open.ruled.is_none() {
            self.rule(desk, around, name, open);
        }
        let due = open.again <= desk.now.time;
        match &open.ruled {
            Some(ruled) => {
                for partner in [debtor, creditor] {
                    self.open_lock(desk, around, &partner, ruled, due);
                }
            }
            None => self.lock_on(desk, around, name, open, due),
        }
        if due {
            open.again = desk.in_(retry_pause(open.tries));
            open.tries = open.tries.saturating_add(1);
        }
        let begins = open.begun && open.ruled.is_none();
        begins || held(self, &debtor) || held(self, &creditor)
    }

    /// Whether the line with a partner has a lock of this round, or will have one when our proposal is answered.
    fn holds(&self, membership: &Membership, partner: &SiteId, round: &Digest) -> bool {
        let Some(account) = self.lines.account(partner).filter(|_| membership.is_member(partner)) else { return false };
        let proposed = account.line.pending().and_then(|proposal| proposal.step.as_ref());
        account.line.locks().get(round).is_some()
            || proposed.is_some_and(|step| matches!(step, Step::Lock(_)) && step.round() == Some(*round))
    }

    /// As initiator: the one word, in the ledger before it is said. It moves when every line is locked, and ends when patience does.
    fn rule(&mut self, desk: &mut Desk, around: Around<'_>, name: Digest, open: &mut Open) {
        let Some(charter) = around.membership.charter() else { return };
        if !open.begun && is_forgotten(desk, open) {
            open.lost = open.lost.or(Some(desk.now.time));
        }
        if !open.begun && !self.knows_own_word(desk, around.membership, open) {
            return;
        }
        let over = desk.now.time >= open.since.after(charter.clearing_patience.span());
        let locks = open.all_locks().filter(|_| open.begun);
        if locks.is_none() && open.begun && !over && around.membership.leaving().is_none() {
            return;
        }
        let moves = locks.is_some();
        let neighbours = open.round.body.neighbours(&desk.id);
        if !moves && !neighbours.is_some_and(|(one, other)| [one, other].iter().any(|end| self.holds(around.membership, end, &name))) {
            // Nobody has anything to open: it is enough to forget it.
            open.begun = false;
            return;
        }
        let Some(ruling) = desk.sign(Ruling { round: name, moves }) else { return };
        let ruled = Ruled { round: open.round.clone(), ruling, locks: locks.unwrap_or_default() };
        if !planted!(RulesUnwritten) {
            desk.persist(Entry::Ruled(Box::new(ruled.clone())));
        }
        self.rounds.remember(&ruled);
        open.ruled = Some(ruled);
        (open.again, open.tries) = (desk.now.time, 0);
    }

    /// Whether we would know if a former process of ours had ruled on a round that it began: our ledger is no old copy, as far as both
    /// neighbours know, and they had time to show a ruling.
    fn knows_own_word(&self, desk: &Desk, membership: &Membership, open: &Open) -> bool {
        let Some((debtor, creditor)) = open.round.body.neighbours(&desk.id) else { return false };
        let heard = [debtor, creditor].iter().all(|end| self.lines.may_sign(end) || !membership.is_member(end));
        !is_forgotten(desk, open) && heard && desk.now.time >= open.since.after(RULING_HEARING)
    }

    /// Locks the line on which we owe, and asks for the ruling: until there is one, a neighbour may have missed what we said.
    fn lock_on(&mut self, desk: &mut Desk, around: Around<'_>, name: Digest, open: &mut Open, due: bool) {
        let us = desk.id;
        let Some((debtor, creditor)) = open.round.body.neighbours(&us) else { return };
        let begins = open.begun || open.incoming.is_some();
        let is_gone = self.is_gone(desk, around.membership, open);
        let spare = |charter| self.clearable(around, creditor, us, charter) >= open.round.body.amount;
        let spare = around.membership.charter().is_some_and(spare);
        if open.outgoing.is_none() && begins && !is_gone && spare && self.is_willing(desk, around.membership, &open.round) {
            self.propose_step(desk, around.membership, &creditor, Step::Lock(Box::new(open.round.clone())));
        }
        if !due {
            return;
        }
        if begins && around.partners.is_connected(&creditor) {
            let locks = open.proofs(us);
            desk.send(creditor, Message::Lock(LockAsk { round: open.round.clone(), locks }));
        }
        let initiator = open.round.body.initiator();
        for site in [Some(debtor), Some(creditor), initiator].into_iter().flatten() {
            if site != us && around.partners.is_connected(&site) && !open.begun {
                desk.send(site, Message::RulingAsk(RulingAsk { round: name, gone: is_gone }));
            }
        }
    }

    /// Whether we would lock a line for this round: it is of now, our rules know its charter, and its initiator has not too many open.
    fn is_willing(&self, desk: &Desk, membership: &Membership, round: &Signed<Round>) -> bool {
        let body = &round.body;
        let of_one =
            self.rounds.open.values().filter(|open| open.round.body.initiator() == body.initiator() && open.ruled.is_none()).count();
        let members = body.cycle.iter().all(|site| membership.is_member(site));
        members && membership.mesh() == Some(body.mesh) && desk.now.date.agrees_with(body.date) && of_one < ROUNDS_OF_ONE_MAX
    }

    /// A debtor asks for a lock on its line with us, and shows the locks before.
    pub(crate) fn on_lock_ask(&mut self, desk: &mut Desk, around: Around<'_>, from: SiteId, ask: LockAsk) -> Option<&'static str> {
        let (us, round) = (desk.id, &ask.round);
        let places = round.body.place(&us).zip(round.body.neighbours(&us));
        let Some((place, (_, creditor))) = places.filter(|(_, (debtor, _))| *debtor == from).filter(|_| round.is_good()) else {
            return Some("a lock of a round that does not lead from it to us");
        };
        let name = round.body.digest();
        if let Some(ruled) = self.rounds.recent.get(&name).cloned() {
            desk.send(from, Message::Ruled(ruled));
            return None;
        }
        let ours = place == 0;
        if !self.holds(around.membership, &from, &name) && (!ours || self.rounds.open.contains_key(&name)) {
            let willing = self.rounds.open.contains_key(&name) || self.is_willing(desk, around.membership, round);
            let charter = around.membership.charter()?;
            let spare = self.clearable(around, from, from, charter) >= round.body.amount;
            if willing && spare && (ours || self.clearable(around, creditor, us, charter) >= round.body.amount) {
                self.propose_step(desk, around.membership, &from, Step::Lock(Box::new(round.clone())));
            }
            if self.holds(around.membership, &from, &name) {
                self.rounds.open.entry(name).or_insert_with(|| Open::new(ask.round.clone(), desk.now.time));
            }
        }
        let open = self.rounds.open.get_mut(&name)?;
        let wanted = (if ours { round.body.cycle.len() } else { place }) - 1;
        let proves = |(at, lock): (usize, &Locked)| round.body.line(at).is_some_and(|key| lock.proves(name, &key));
        if open.before.len() < wanted && ask.locks.len() >= wanted {
            let shown = &ask.locks[..wanted];
            if !shown.iter().enumerate().all(proves) {
                return Some("a lock that its ends did not sign");
            }
            open.before = shown.to_vec();
        }
        None
    }

    /// Somebody waits for the ruling on a round.
    pub(crate) fn on_ruling_ask(&mut self, desk: &mut Desk, around: Around<'_>, from: SiteId, ask: RulingAsk) {
        if let Some(ruled) = self.rounds.recent.get(&ask.round).filter(|ruled| ruled.round.body.place(&from).is_some()) {
            desk.send(from, Message::Ruled(ruled.clone()));
            return;
        }
        let Some(open) = self.rounds.open.get(&ask.round).filter(|open| open.round.body.place(&from).is_some()) else { return };
        if open.is_by(desk.id) && open.lost.is_some() {
            desk.send(from, Message::RulingLost(ask.round));
        }
        if ask.gone && self.is_gone(desk, around.membership, open) {
            self.propose_step(desk, around.membership, &from, Step::Gone(ask.round));
        }
    }

    /// A round's initiator says that it may have forgotten what it ruled. Whoever knows shows it; if nobody does for a while, both ends of a
    /// lock open it.
    pub(crate) fn on_ruling_lost(&mut self, desk: &Desk, from: SiteId, round: &Digest) {
        if let Some(open) = self.rounds.open.get_mut(round).filter(|open| open.is_by(from)) {
            open.lost = open.lost.or(Some(desk.now.time));
        }
    }

    /// A ruling is shown to us: in the ledger before anything follows from it.
    pub(crate) fn on_ruled(&mut self, desk: &mut Desk, ruled: Ruled) -> Option<&'static str> {
        if ruled.round.body.place(&desk.id).is_none() || !ruled.is_good() {
            return Some("a ruling that does not bind us");
        }
        let name = ruled.ruling.body.round;
        let open = self.rounds.open.get_mut(&name);
        // Of a round that is over here, too: who was shown the other ruling may be the first to bring both together.
        let known = open.as_ref().and_then(|open| open.ruled.as_ref()).or_else(|| self.rounds.recent.get(&name));
        if let Some(known) = known {
            desk.accuse(Bundle::DoubleRuling(DoubleRuling::of(known, &ruled)?.into()));
            // Of two rulings the one that moves is followed: some may have moved already.
            if known.ruling.body.moves {
                return None;
            }
        }
        let open = open?;
        desk.persist(Entry::Ruled(Box::new(ruled.clone())));
        (open.again, open.tries) = (desk.now.time, 0);
        open.ruled = Some(ruled.clone());
        self.rounds.remember(&ruled);
        desk.wake_in(Reason::Clear, core::time::Duration::ZERO);
        None
    }
}

/// Whether a round of ours is one of which we may have ruled what we do not know.
fn is_forgotten(desk: &Desk, open: &Open) -> bool {
    open.is_by(desk.id) && desk.recovered().is_some_and(|date| open.round.body.date <= date.after(SKEW_MAX))
}
