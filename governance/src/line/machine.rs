//! One end of a line: what it may sign next, and what it makes of what the other end says.

use alloc::boxed::Box;
use core::fmt;

use super::{Fork, Head, LineKey, LineState, Locks, Proposal, Receipt, Step, cause_of, signed};
use crate::{
    charter::Charter,
    claim::Claim,
    site::{Key, Signature, SiteId, Statement},
    units::Credit,
};

/// One end of a line.
#[derive(Debug, Clone)]
pub struct Line {
    pub(super) key: LineKey,
    me: SiteId,
    /// The state that both ends signed last, or the one before the first.
    pub(super) state: LineState,
    /// The receipt of that state, from the first on.
    pub(super) receipt: Option<Receipt>,
    /// Lower end only: signed by us, not answered yet.
    pub(super) pending: Option<Proposal>,
    /// Rounds that are locked, by the agreed state.
    pub(super) locks: Locks,
    /// How far each end let the other owe it at the beginning.
    pub(super) start: Credit,
    /// With what this epoch began; `None` for the first.
    pub(super) began: Option<Box<Head>>,
    /// An end has another key now: nothing is signed before the line begins anew.
    pub(super) waits: bool,
}

/// What a proposal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    /// The end that gave service.
    pub earner: SiteId,
    /// How much it earned; positive.
    pub amount: Credit,
}

/// What the higher end makes of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Examined {
    /// A lawful next state: check what it is for, then [`Line::countersign`] it.
    Next(Moves),
    /// A lawful step: check that it may be taken, then [`Line::countersign`] it.
    Step(Step),
    /// Countersigned before: send that signature again. Nothing is to be persisted.
    Again(Box<Receipt>),
    /// Older than what is agreed: a late copy, of no consequence.
    Old,
    /// The other end signed two states at one `seq`: here is the proof.
    Forked(Box<Fork>),
}

/// What the lower end makes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Concluded {
    /// The pending proposal is a receipt: persist it.
    New(Box<Receipt>),
    /// An answer to something older: a late copy, of no consequence.
    Old,
}

/// Why a line does not do what it was asked to. Its state is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineError {
    /// Only the other end may do this.
    WrongEnd,
    /// An earlier proposal waits for its answer: send that again. Or the line is to begin anew first.
    Busy,
    /// It speaks of another line.
    OtherLine,
    /// The signature is not the other end's over these bytes.
    BadSignature,
    /// The state does not follow from the agreed one by the charter's arithmetic.
    NotNext,
    /// It names a state that we have never seen: the other end knows more, or its ledger is another's.
    Ahead {
        /// What we agreed on last.
        ours: u64,
        /// What they speak of.
        theirs: u64,
    },
    /// The move would take the balance beyond a limit.
    LimitReached,
    /// The amount is not positive, or a number would leave its range.
    OutOfRange,
    /// The debt, the charter's share of the limit, or the number of locks leaves no room for this one, or the round is an old one.
    NotLockable,
    /// No lock of that round is open.
    NotLocked,
    /// That day's demurrage was taken, or nothing would fade.
    NotFading,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongEnd => f.write_str("only the other end of the line may do this"),
            Self::Busy => f.write_str("an earlier proposal waits for its answer; send it again"),
            Self::OtherLine => f.write_str("it speaks of another line"),
            Self::BadSignature => f.write_str("not signed by the other end of the line"),
            Self::NotNext => f.write_str("the state does not follow from the one agreed on; compare both ledgers"),
            Self::Ahead { ours, theirs } => {
                write!(f, "the partner speaks of state {theirs}, we know up to {ours}; compare both ledgers")
            }
            Self::LimitReached => f.write_str("the move would exceed the line's limit; wait until the balance has moved back"),
            Self::OutOfRange => f.write_str("the amount is out of range"),
            Self::NotLockable => f.write_str("the line has no room for this lock; nothing is locked"),
            Self::NotLocked => f.write_str("no lock of that round is open; nothing moves"),
            Self::NotFading => f.write_str("that day's demurrage was taken, or there is nothing to take; nothing moves"),
        }
    }
}

impl core::error::Error for LineError {}

impl Line {
    /// The end of a new line that `me` holds; `None` when `me` is not one of its ends, or both ends are one.
    pub fn new(key: LineKey, me: SiteId, charter: &Charter) -> Option<Self> {
        key.partner_of(me).filter(|partner| key.low < key.high && *partner != me)?;
        let (state, start) = (LineState::first(key.id(), charter), charter.newcomer_limit);
        Some(Self { key, me, state, receipt: None, pending: None, locks: Locks::default(), start, began: None, waits: false })
    }

    /// Which line.
    pub fn key(&self) -> &LineKey {
        &self.key
    }

    /// The other end.
    pub fn partner(&self) -> SiteId {
        if self.is_low() { self.key.high } else { self.key.low }
    }

    /// Tells whether this end sequences the line.
    pub fn is_low(&self) -> bool {
        self.me == self.key.low
    }

    /// The state that both ends signed last, or the one before the first.
    pub fn state(&self) -> &LineState {
        &self.state
    }

    /// The receipt of [`Line::state`].
    pub fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }

    /// Lower end: the proposal to send again until it is answered.
    pub fn pending(&self) -> Option<&Proposal> {
        self.pending.as_ref().filter(|_| !self.waits)
    }

    /// The balance seen from here: positive when the partner owes us.
    pub fn balance(&self) -> Credit {
        let balance = self.state.balance;
        // An agreed balance is within limits, so it has an opposite.
        if self.is_low() { balance } else { balance.checked_neg().unwrap_or(Credit::ZERO) }
    }

    /// How far we let the partner owe us.
    pub fn limit_given(&self) -> Credit {
        if self.is_low() { self.state.limit_low } else { self.state.limit_high }
    }

    /// How far the partner lets us owe it.
    pub fn limit_taken(&self) -> Credit {
        if self.is_low() { self.state.limit_high } else { self.state.limit_low }
    }

    /// How far each end let the other owe it at the beginning: what a limit is beyond that it has grown by.
    pub fn start(&self) -> Credit {
        self.start
    }

    /// The rounds that are locked, by the agreed state.
    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    /// How much of the limits open locks keep free, both ways together.
    pub fn locked(&self) -> Credit {
        // Each is within a limit.
        self.state.locked_low.checked_add(self.state.locked_high).unwrap_or(Credit::ZERO)
    }

    /// How much of what `debtor`, one of the two ends, owes the other can be locked for clearing.
    pub fn clearable(&self, debtor: SiteId, charter: &Charter) -> Credit {
        self.state.clearable(debtor == self.key.low, charter)
    }

    /// How much further the line may move towards `earner`, by the agreed state; zero for a stranger.
    pub fn headroom(&self, earner: SiteId) -> Credit {
        let LineState { balance, limit_low, limit_high, locked_low, locked_high, .. } = self.state;
        let room = match earner {
            _ if earner == self.key.low => limit_low.checked_sub(balance).and_then(|room| room.checked_sub(locked_low)),
            _ if earner == self.key.high => limit_high.checked_add(balance).and_then(|room| room.checked_sub(locked_high)),
            _ => None,
        };
        room.unwrap_or(Credit::ZERO).max(Credit::ZERO)
    }

    /// As helper: how much more service may be given before a receipt is insisted on, with `unsettled` given since the last.
    pub fn service_room(&self, unsettled: Credit, charter: &Charter) -> Credit {
        let room = self.headroom(self.me).min(charter.unsettled_cap);
        room.checked_sub(unsettled).unwrap_or(Credit::ZERO).max(Credit::ZERO)
    }

    /// Lower end: signs the next state, in which `earner` earned `amount`. Persist it, then send it until it is answered.
    ///
    /// # Errors
    /// [`LineError`]; nothing is signed.
    pub fn propose(&mut self, key: &Key, moves: Moves, claim: Option<Claim>, charter: &Charter) -> Result<Proposal, LineError> {
        if !self.is_low() || key.site() != self.me {
            return Err(LineError::WrongEnd);
        }
        if self.waits || self.pending.is_some() {
            return Err(LineError::Busy);
        }
        let shift = self.shift(moves)?;
        let cause = cause_of(claim.as_ref(), None).ok_or(LineError::OutOfRange)?;
        let state = self.state.next(shift, cause, charter).ok_or(LineError::OutOfRange)?;
        if moves.amount > self.headroom(moves.earner) {
            return Err(LineError::LimitReached);
        }
        let proposal = Proposal { low_sig: signed(&state, key), state, claim, step: None };
        self.pending = Some(proposal.clone());
        Ok(proposal)
    }

    /// Lower end: signs the next state, which takes a step. Persist it, then send it until it is answered.
    ///
    /// # Errors
    /// [`LineError`]; nothing is signed.
    pub fn propose_step(&mut self, key: &Key, step: Step, charter: &Charter) -> Result<Proposal, LineError> {
        if !self.is_low() || key.site() != self.me {
            return Err(LineError::WrongEnd);
        }
        if self.waits || self.pending.is_some() {
            return Err(LineError::Busy);
        }
        let state = self.locks.after(&self.state, &step, &self.key, charter)?;
        let proposal = Proposal { low_sig: signed(&state, key), state, claim: None, step: Some(step) };
        self.pending = Some(proposal.clone());
        Ok(proposal)
    }

    /// Higher end: says what a proposal is, without signing anything.
    ///
    /// # Errors
    /// [`LineError`]; the other end is wrong, or knows something that we do not.
    pub fn examine(&self, proposal: &Proposal, charter: &Charter) -> Result<Examined, LineError> {
        let state = &proposal.state;
        if self.is_low() {
            return Err(LineError::WrongEnd);
        }
        if self.waits || state.line != self.state.line {
            return Err(LineError::OtherLine);
        }
        if !state.is_signed_by(&self.key.low, &proposal.low_sig) {
            return Err(LineError::BadSignature);
        }
        match (state.seq.checked_sub(self.state.seq), &self.receipt) {
            (None, _) => Ok(Examined::Old),
            (Some(0), Some(receipt)) if receipt.state == *state => Ok(Examined::Again(Box::new(receipt.clone()))),
            (Some(0), Some(receipt)) => {
                let one = (receipt.state, receipt.low_sig);
                let fork = Fork { key: self.key, by: self.key.low, one, other: (*state, proposal.low_sig) };
                Ok(Examined::Forked(Box::new(fork)))
            }
            (Some(1), _) => self.examine_next(proposal, charter),
            (Some(_), _) => Err(LineError::Ahead { ours: self.state.seq, theirs: state.seq }),
        }
    }

    fn examine_next(&self, proposal: &Proposal, charter: &Charter) -> Result<Examined, LineError> {
        let state = &proposal.state;
        let cause = cause_of(proposal.claim.as_ref(), proposal.step.as_ref()).ok_or(LineError::NotNext)?;
        if let Some(step) = &proposal.step {
            let lawful = self.locks.after(&self.state, step, &self.key, charter)?;
            return if lawful == *state { Ok(Examined::Step(step.clone())) } else { Err(LineError::NotNext) };
        }
        let shift = state.balance.checked_sub(self.state.balance).ok_or(LineError::OutOfRange)?;
        let lawful = self.state.next(shift, cause, charter).ok_or(LineError::OutOfRange)?;
        if lawful != *state {
            return Err(LineError::NotNext);
        }
        let (earner, amount) = match shift.checked_neg() {
            _ if shift == Credit::ZERO => return Err(LineError::OutOfRange),
            Some(amount) if shift < Credit::ZERO => (self.key.high, amount),
            _ => (self.key.low, shift),
        };
        if amount > self.headroom(earner) {
            return Err(LineError::LimitReached);
        }
        Ok(Examined::Next(Moves { earner, amount }))
    }

    /// Higher end: countersigns a proposal that [`Line::examine`] calls the next. Persist the receipt, then send its signature.
    ///
    /// # Errors
    /// [`LineError`]; nothing is signed.
    pub fn countersign(&mut self, key: &Key, proposal: &Proposal, charter: &Charter) -> Result<Receipt, LineError> {
        if key.site() != self.me {
            return Err(LineError::WrongEnd);
        }
        let (Examined::Next(_) | Examined::Step(_)) = self.examine(proposal, charter)? else { return Err(LineError::NotNext) };
        let Proposal { state, low_sig, claim, step } = proposal.clone();
        let receipt = Receipt { state, low_sig, high_sig: signed(&state, key), claim, step };
        self.advance(receipt.clone());
        Ok(receipt)
    }

    /// Lower end: takes the other end's signature over the state at `seq`.
    ///
    /// # Errors
    /// [`LineError`]; the proposal stays pending.
    pub fn conclude(&mut self, seq: u64, high_sig: Signature) -> Result<Concluded, LineError> {
        if !self.is_low() {
            return Err(LineError::WrongEnd);
        }
        if self.waits || seq <= self.state.seq {
            return Ok(Concluded::Old);
        }
        let ahead = LineError::Ahead { ours: self.state.seq, theirs: seq };
        let Proposal { state, low_sig, claim, step } = self.pending.clone().filter(|pending| pending.state.seq == seq).ok_or(ahead)?;
        if !state.is_signed_by(&self.key.high, &high_sig) {
            return Err(LineError::BadSignature);
        }
        let receipt = Receipt { state, low_sig, high_sig, claim, step };
        self.advance(receipt.clone());
        Ok(Concluded::New(Box::new(receipt)))
    }

    /// Takes back what this end logged before it stopped: its own unanswered proposal. The log is believed, its signature is not checked.
    ///
    /// # Errors
    /// [`LineError::NotNext`] when this end would never have signed it after what was restored before: sign nothing on this line.
    pub fn restore_proposed(&mut self, proposal: &Proposal) -> Result<(), LineError> {
        let state = &proposal.state;
        let follows =
            state.line == self.state.line && Some(state.seq) == self.state.seq.checked_add(1) && state.prev == self.state.digest();
        if self.waits || !self.is_low() || !follows {
            return Err(LineError::NotNext);
        }
        self.pending = Some(proposal.clone());
        Ok(())
    }

    /// Takes back what this end logged before it stopped: a state that both signed. The log is believed, signatures are not checked.
    ///
    /// # Errors
    /// [`LineError::OtherLine`].
    pub fn restore_agreed(&mut self, receipt: &Receipt) -> Result<(), LineError> {
        if self.waits || receipt.state.line != self.state.line {
            return Err(LineError::OtherLine);
        }
        if receipt.state.seq > self.state.seq {
            self.advance(receipt.clone());
        }
        Ok(())
    }

    /// Takes a receipt from the other end that proves a later state than ours: after a disk was lost, or an answer. Persist it when the
    /// result is true; an older one is of no consequence.
    ///
    /// # Errors
    /// [`LineError`] when it is not a receipt of this line, or contradicts what this end signed: sign nothing on this line.
    pub fn adopt(&mut self, receipt: &Receipt) -> Result<bool, LineError> {
        if self.waits || !receipt.is_good(&self.key) {
            return Err(LineError::BadSignature);
        }
        let contradicts = |state: &LineState| state.seq == receipt.state.seq && *state != receipt.state;
        if self.receipt.is_some() && contradicts(&self.state) || self.pending.as_ref().is_some_and(|pending| contradicts(&pending.state)) {
            return Err(LineError::NotNext);
        }
        let is_later = receipt.state.seq > self.state.seq;
        if is_later {
            self.advance(receipt.clone());
        }
        Ok(is_later)
    }

    fn advance(&mut self, receipt: Receipt) {
        self.state = receipt.state;
        if receipt.state.seq == 1 {
            // One end serves at a time, so the other's limit is what both began with, whatever rules are in force when the log is read.
            self.start = receipt.state.limit_low.min(receipt.state.limit_high);
        }
        if let Some(step) = &receipt.step {
            self.locks.take(step);
        }
        self.receipt = Some(receipt);
        // What is pending is the next state or none, so the new state answers it.
        self.pending = None;
    }

    /// The signed shift of the balance.
    fn shift(&self, moves: Moves) -> Result<Credit, LineError> {
        match moves.earner {
            _ if moves.amount <= Credit::ZERO => Err(LineError::OutOfRange),
            earner if earner == self.key.low => Ok(moves.amount),
            earner if earner == self.key.high => moves.amount.checked_neg().ok_or(LineError::OutOfRange),
            _ => Err(LineError::OtherLine),
        }
    }
}
