//! Settling: claims of helpers become co-signed receipts.
//!
//! Whoever serves claims, whoever owes assesses, and the end with the lower key proposes. A proposal cannot be taken back, so the lower end
//! proposes only what the other end has asked for or accepted:
//!
//! | helper's key | helper | owner |
//! |---|---|---|
//! | higher | `Claim` → | → assesses, `Propose` |
//! | lower | `Claim` → | → assesses, `ClaimAnswer` with what it accepts |
//! | lower | `Propose` of just that → | → assesses again, `Agree` |
//!
//! Everything is sent again until it is answered, and every answer can be given again: a claim counts from the lease's start, a proposal
//! is byte-identical, an agreed state is signed once. So a crash of either end at any point loses nothing and doubles nothing.

use alloc::{format, string::String, vec::Vec};

use overspill_governance::{
    charter::Charter,
    claim::{Assessment, Bounds, Claim, Issued, Refusal, assess},
    entry::Entry,
    evidence::Bundle,
    line::{Concluded, Examined, LineError, Moves, Proposal, Receipt, Step},
    payword::LeaseId,
    planted,
    site::SiteId,
    time::Time,
    units::Credit,
};

use crate::{
    desk::Desk,
    event::Event,
    lease::{
        helper::{Claiming, HelperSide},
        owner::{Ahead, OwnerSide},
        table::{Phase, Turn},
    },
    membership::Membership,
    message::{Agree, ClaimAnswer, ClaimMade, Message},
};

pub(crate) mod account;
pub(crate) mod clearing;
mod fading;
pub(crate) mod hearing;
pub(crate) mod lines;
pub(crate) mod regard;
pub(crate) mod schedule;
pub(crate) mod stake;

use lines::{Lines, moved};

/// Both sides' leases and the rules, which settling needs at hand.
pub(crate) struct Ends<'a> {
    pub(crate) membership: &'a Membership,
    pub(crate) owner: &'a mut OwnerSide,
    pub(crate) helper: &'a mut HelperSide,
}

/// The lines and what moves on them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settle {
    pub(crate) lines: Lines,
    pub(crate) rounds: clearing::Rounds,
    /// When those were last looked for who do not come back.
    looked: Option<Time>,
}

impl Settle {
    /// As owner: a helper says what it served.
    pub(crate) fn on_claim(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, from: SiteId, made: ClaimMade) -> Option<&'static str> {
        let lease = made.lease;
        if made.claim.is_some_and(|claim| claim.lease != lease) {
            return Some("a claim for another lease than it says");
        }
        let Some(owned) = ends.owner.leases.get_mut(&lease).filter(|owned| owned.terms.helper() == from) else {
            let reason = String::from("the lease is over and settled");
            desk.send(from, Message::ClaimAnswer(ClaimAnswer { lease, accepted: None, done: true, reason }));
            return None;
        };
        let (last, phase) = (made.last, owned.terms.phase);
        owned.claimed = Some(made);
        if owned.ahead == Ahead::Counted {
            owned.ahead = Ahead::No;
        }
        // Nothing more is served, so no ticket that is out matters any longer.
        if last && phase == Phase::Held {
            ends.owner.turn(desk, lease, Turn::Lost);
        }
        if last && phase.is_live() {
            ends.owner.turn(desk, lease, Turn::Drained);
        }
        self.answer(desk, ends, lease, from)
    }

    /// As owner: the data plane has counted. Answers the claims that were ahead of its last count.
    pub(crate) fn on_counted(&mut self, desk: &mut Desk, ends: &mut Ends<'_>) {
        let mut waited = Vec::new();
        for (lease, owned) in ends.owner.leases.iter_mut().filter(|(_, owned)| owned.ahead == Ahead::Waits) {
            owned.ahead = Ahead::Counted;
            waited.push((*lease, owned.terms.helper()));
        }
        for (lease, helper) in waited {
            let _ = self.answer(desk, ends, lease, helper);
        }
    }

    /// As owner: answers the claim that is waiting on a lease, by a proposal when we sequence the line, else in words.
    fn answer(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, lease: LeaseId, helper: SiteId) -> Option<&'static str> {
        let owned = ends.owner.leases.get_mut(&lease)?;
        let charter = ends.membership.charter_of(&owned.terms)?;
        let may_sign = self.lines.may_sign(&helper);
        let account = self.lines.open(desk.id, helper, ends.membership, charter)?;
        let made = owned.claimed.clone()?;
        if !may_sign || desk.is_silent() || (account.line.is_low() && account.line.pending().is_some()) {
            return None;
        }
        let counted = owned.live.as_ref().map(|live| live.issued);
        if owned.ahead != Ahead::Counted && made.claim.zip(counted).is_some_and(|(claim, counted)| claim.bytes > counted) {
            owned.ahead = Ahead::Waits;
            return None;
        }
        let bounds = Bounds {
            settled: owned.terms.settled,
            issued: owned.live.as_ref().map(|live| Issued { bytes: live.issued }),
            headroom: account.line.headroom(helper),
        };
        let assessment = match &made.claim {
            Some(claim) => assess(claim, &owned.terms.allotment.body, bounds),
            None => Assessment::Nothing(Refusal::NothingNew),
        };
        let reason = reason_of(&assessment);
        if !reason.is_empty() {
            desk.tell(Event::ClaimReduced { lease, partner: helper, reason: reason.clone() });
        }
        let accepted = made.claim.as_ref().and_then(|claim| assessment.accepted(claim));
        match accepted {
            Some((claim, due)) if account.line.is_low() => {
                self.propose(desk, (ends.membership, charter), helper, Moves { earner: helper, amount: due }, claim);
            }
            Some((claim, _)) => {
                desk.send(helper, Message::ClaimAnswer(ClaimAnswer { lease, accepted: Some(claim), done: false, reason }));
            }
            None => {
                let over = made.last && owned.terms.phase == Phase::Settling && assessment != Assessment::Nothing(Refusal::LineLimit);
                owned.claimed.take_if(|made| !made.last);
                desk.send(helper, Message::ClaimAnswer(ClaimAnswer { lease, accepted: None, done: over, reason }));
                if over {
                    ends.owner.turn(desk, lease, Turn::Settled);
                }
            }
        }
        let unproven = matches!(assessment, Assessment::Nothing(Refusal::Unproven | Refusal::SerialBeyond));
        unproven.then_some("a claim that no ticket's word proves")
    }

    /// As helper: the owner says what it makes of a claim.
    pub(crate) fn on_answer(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, from: SiteId, answer: ClaimAnswer) -> Option<&'static str> {
        let guest = ends.helper.leases.get_mut(&answer.lease).filter(|guest| guest.terms.owner() == from)?;
        if !answer.reason.is_empty() {
            let mut reason = answer.reason;
            crate::membership::clip(&mut reason);
            desk.tell(Event::ClaimReduced { lease: answer.lease, partner: from, reason });
        }
        if let Some(claim) = answer.accepted {
            let saved = &guest.saved;
            if claim.requests > saved.requests || claim.bytes > saved.bytes || claim.serial > saved.serial {
                // Our ledger may be an old copy, and the claim a former process's.
                return None;
            }
            // What we propose cannot be taken back: it must be what an honest owner is bound to sign.
            let headroom = Credit(i64::MAX);
            let bounds = Bounds { settled: guest.terms.settled, issued: None, headroom };
            match assess(&claim, &guest.terms.allotment.body, bounds) {
                Assessment::Whole { .. } => {}
                Assessment::Nothing(Refusal::NothingNew) => return None,
                _ => return Some("an answer that its own allotment does not allow"),
            }
            guest.claiming.accepted = Some(claim);
            self.propose_accepted(desk, ends, from);
        } else if answer.done && guest.terms.phase == Phase::Settling {
            ends.helper.turn(desk, answer.lease, Turn::Settled);
        } else if guest.terms.phase != Phase::Settling {
            let window = ends.membership.charter().map_or(crate::limits::SETTLE_RETRY_MAX, |charter| charter.settle_window.span());
            guest.claiming = Claiming { due: desk.in_(window), ..Claiming::default() };
        }
        None
    }

    /// As helper that sequences the line: proposes what the owner accepted, one claim at a time.
    fn propose_accepted(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, owner: SiteId) {
        let Some(charter) = ends.membership.charter() else { return };
        if !ends.helper.leases.values().any(|guest| guest.terms.owner() == owner && guest.claiming.accepted.is_some()) {
            return;
        }
        let may_sign = self.lines.may_sign(&owner);
        let Some(account) = self.lines.open(desk.id, owner, ends.membership, charter) else { return };
        if !may_sign || desk.is_silent() || !account.line.is_low() || account.line.pending().is_some() {
            return;
        }
        let mut next = None;
        for guest in ends.helper.leases.values_mut().filter(|guest| guest.terms.owner() == owner) {
            // An old answer that came twice is worth nothing any more.
            guest.claiming.accepted = guest.claiming.accepted.filter(|claim| guest.terms.worth(claim) > Credit::ZERO);
            let rules = ends.membership.charter_of(&guest.terms);
            next = next.or(guest.claiming.accepted.zip(rules).map(|(claim, rules)| (claim, guest.terms.worth(&claim), rules)));
        }
        if let Some((claim, amount, rules)) = next {
            self.propose(desk, (ends.membership, rules), owner, Moves { earner: desk.id, amount }, claim);
        }
    }

    /// Signs the next state of a line: in the ledger before it leaves.
    fn propose(&mut self, desk: &mut Desk, (membership, charter): (&Membership, &Charter), with: SiteId, moves: Moves, claim: Claim) {
        let Some(account) = self.lines.open(desk.id, with, membership, charter) else { return };
        let Some(key) = desk.key() else { return };
        match account.line.propose(key, moves, Some(claim), charter) {
            Ok(proposal) => {
                if !planted!(ProposesUnwritten) {
                    desk.persist(Entry::Proposed { with, proposal: proposal.clone() });
                }
                account.refresh(desk.now.time);
                account.sent(desk.now.time);
                desk.send(with, Message::Propose(proposal));
            }
            // The claim is made again later; by then the line may have moved.
            Err(LineError::Busy | LineError::LimitReached) => {}
            Err(_) => desk.tell(Event::Warned { reason: "a line could not be moved; compare the ledgers of both ends" }),
        }
    }

    /// As higher end: examines a proposal, checks what it is for, and countersigns it once.
    pub(crate) fn on_propose(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, from: SiteId, proposal: &Proposal) -> Option<&'static str> {
        let charter = match &proposal.step {
            Some(step) => clearing::charter_of(ends.membership, step)?,
            None => rules(ends, from, proposal.claim.as_ref())?,
        };
        let may_sign = self.lines.may_sign(&from);
        let account = self.lines.open(desk.id, from, ends.membership, charter)?;
        if !may_sign || desk.is_silent() {
            return None;
        }
        let moves = match account.line.examine(proposal, charter) {
            Ok(Examined::Next(moves)) => moves,
            Ok(Examined::Step(_)) => return self.on_step(desk, ends, from, proposal),
            Ok(Examined::Again(receipt)) => {
                desk.send(from, Message::Agree(Agree { seq: receipt.state.seq, signature: receipt.high_sig }));
                return None;
            }
            Ok(Examined::Old) => return planted!(BlamesLateCopies).then_some("a proposal that is older than what was agreed"),
            Ok(Examined::Forked(proof)) => {
                account.frozen = true;
                desk.accuse(Bundle::Fork(proof.clone()));
                desk.tell(Event::Forked { peer: from, proof });
                return None;
            }
            Err(LineError::Ahead { .. }) => {
                account.frozen = true;
                desk.tell(Event::Warned {
                    reason: "a partner's ledger knows more of our line than ours does; nothing more is signed on it",
                });
                return None;
            }
            // The line began anew between its sending and now, or will have in a moment.
            Err(LineError::OtherLine) => return None,
            Err(_) => return Some("a proposal that does not follow from the line's agreed state"),
        };
        if !is_due(ends, desk.id, from, account.line.headroom(moves.earner), moves, proposal.claim.as_ref()) {
            return self.refuse_unknown(desk, ends, from, moves, proposal.claim.as_ref());
        }
        let before = account.line.balance();
        let receipt = account.line.countersign(desk.key()?, proposal, charter).ok()?;
        let agree = Agree { seq: receipt.state.seq, signature: receipt.high_sig };
        if planted!(AgreesTooEarly) {
            desk.send(from, Message::Agree(agree.clone()));
        }
        desk.persist(Entry::Agreed { with: from, receipt: receipt.clone() });
        desk.send(from, Message::Agree(agree));
        self.settled(desk, ends, from, before, &receipt);
        None
    }

    /// As lower end: the other end signed.
    pub(crate) fn on_agree(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, from: SiteId, agree: &Agree) -> Option<&'static str> {
        let account = self.lines.account_mut(&from)?;
        let before = account.line.balance();
        match account.line.conclude(agree.seq, agree.signature) {
            Ok(Concluded::New(receipt)) => {
                account.refresh(desk.now.time);
                desk.persist(Entry::Agreed { with: from, receipt: (*receipt).clone() });
                self.settled(desk, ends, from, before, &receipt);
                None
            }
            Ok(Concluded::Old) => None,
            // It may be of an epoch before.
            Err(_) if account.line.key().epoch > 0 => None,
            Err(_) => Some("an agreement to what was not proposed"),
        }
    }

    /// A receipt is whole: books it on its lease, tells people, and goes on with what waited for the line.
    fn settled(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, partner: SiteId, before: Credit, receipt: &Receipt) {
        let Some(balance) = self.lines.account(&partner).map(|account| account.line.balance()) else { return };
        let shift = balance.checked_sub(before).unwrap_or(Credit::ZERO);
        self.lines.take_service(partner, before, balance, receipt);
        self.stepped(desk, partner, receipt);
        match receipt.step {
            Some(Step::Fade(fade)) => desk.tell(Event::Faded { partner, moved: shift, balance, day: fade.day }),
            _ if shift != Credit::ZERO => desk.tell(Event::Settled { partner, moved: shift, balance }),
            _ => {}
        }
        book(ends, partner, receipt.claim.as_ref(), moved(before, balance).unwrap_or(Credit::ZERO));
        if let Some(guest) = receipt.claim.and_then(|claim| ends.helper.leases.get_mut(&claim.lease)) {
            let window = ends.membership.charter().map_or(crate::limits::SETTLE_RETRY_MAX, |charter| charter.settle_window.span());
            let due = if guest.terms.phase == Phase::Settling { desk.now.time } else { desk.in_(window) };
            guest.claiming = Claiming { due, ..Claiming::default() };
        }
        self.answer_waiting(desk, ends, partner);
    }

    /// The line is free: answers the claims that wait for it, and proposes what was accepted.
    fn answer_waiting(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, partner: SiteId) {
        let theirs = ends.owner.leases.iter().filter(|(_, owned)| owned.terms.helper() == partner && owned.claimed.is_some());
        let waits: Vec<LeaseId> = theirs.map(|(id, _)| *id).collect();
        for lease in waits {
            let _ = self.answer(desk, ends, lease, partner);
        }
        self.propose_accepted(desk, ends, partner);
    }
}

/// The rules by which a claim is judged: those under which its lease was allotted; without a lease, those in force.
fn rules<'a>(ends: &Ends<'a>, partner: SiteId, claim: Option<&Claim>) -> Option<&'a Charter> {
    let lease = claim.map(|claim| claim.lease);
    let owned = lease.and_then(|lease| ends.owner.leases.get(&lease)).map(|owned| &owned.terms).filter(|terms| terms.helper() == partner);
    let hosted = lease.and_then(|lease| ends.helper.leases.get(&lease)).map(|guest| &guest.terms).filter(|terms| terms.owner() == partner);
    owned.or(hosted).map_or_else(|| ends.membership.charter(), |terms| ends.membership.charter_of(terms))
}

/// Whether we owe, or are owed, exactly what a proposal moves.
fn is_due(ends: &Ends<'_>, us: SiteId, low: SiteId, headroom: Credit, moves: Moves, claim: Option<&Claim>) -> bool {
    let Some(claim) = claim else { return false };
    if moves.earner == us {
        let guest = ends.helper.leases.get(&claim.lease).filter(|guest| guest.terms.owner() == low);
        return guest.is_some_and(|guest| {
            let claimed = claim.requests <= guest.saved.requests && claim.bytes <= guest.saved.bytes && claim.serial <= guest.saved.serial;
            claimed && moves.amount > Credit::ZERO && guest.terms.worth(claim) == moves.amount
        });
    }
    let owned = ends.owner.leases.get(&claim.lease).filter(|owned| owned.terms.helper() == low);
    owned.is_some_and(|owned| {
        let issued = owned.live.as_ref().map(|live| Issued { bytes: live.issued });
        let bounds = Bounds { settled: owned.terms.settled, issued, headroom };
        assess(claim, &owned.terms.allotment.body, bounds) == Assessment::Whole { due: moves.amount }
    })
}

/// Books what a receipt moved on the lease that it names.
pub(crate) fn book(ends: &mut Ends<'_>, partner: SiteId, claim: Option<&Claim>, amount: Credit) {
    let Some(claim) = claim.filter(|_| !planted!(BooksNothing)) else { return };
    let owned = ends.owner.leases.get_mut(&claim.lease).filter(|owned| owned.terms.helper() == partner).map(|owned| &mut owned.terms);
    let hosted = ends.helper.leases.get_mut(&claim.lease).filter(|guest| guest.terms.owner() == partner).map(|guest| &mut guest.terms);
    if let Some(terms) = owned.or(hosted) {
        terms.settled = terms.settled.checked_add(amount).unwrap_or(terms.settled);
    }
}

fn reason_of(assessment: &Assessment) -> String {
    match assessment {
        Assessment::Whole { .. } | Assessment::Nothing(Refusal::NothingNew) => String::new(),
        Assessment::Partial { shortfalls, .. } => {
            let words: Vec<String> = shortfalls.iter().map(|shortfall| format!("{shortfall}")).collect();
            words.join(", ")
        }
        Assessment::Nothing(refusal) => format!("{refusal}"),
    }
}
