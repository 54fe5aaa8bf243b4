//! Steps on a line that settle no claim: an amount is locked for clearing, and the lock is opened by a ruling, or because who could rule is gone;
//! and once a day a share of the balance fades, where the charter has it so.
//!
//! What a step does follows from the agreed state, the open locks and the charter alone. So an honest higher end never has a reason to refuse
//! one that an honest lower end proposes, and no proposal is stuck. Of which day and at which rate demurrage is taken the charter leaves open; the
//! lower end proposes only what the higher has asked for.

use alloc::{boxed::Box, collections::BTreeMap};

use bincode::{Decode, Encode};

use super::{Fade, LineError, LineKey, LineState};
use crate::{
    charter::Charter,
    clearing::{Round, Ruling},
    digest::Digest,
    limits::LOCKS_MAX,
    site::{Signed, Statement},
    units::Credit,
};

/// What a state does beside settling a claim.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Step {
    /// Keeps a round's amount free, until the round is ruled.
    Lock(Box<Signed<Round>>),
    /// Opens a lock as the initiator ruled: the amount moves to the debtor, or not.
    Release(Signed<Ruling>),
    /// Opens the lock of this round without moving anything: its initiator is no member any more, and neither end has seen a ruling.
    Gone(Digest),
    /// A day's demurrage.
    Fade(Fade),
}

impl Step {
    /// The round of clearing that it is about.
    pub fn round(&self) -> Option<Digest> {
        match self {
            Self::Lock(round) => Some(round.body.digest()),
            Self::Release(ruling) => Some(ruling.body.round),
            Self::Gone(round) => Some(*round),
            Self::Fade(_) => None,
        }
    }

    /// What the state names as its cause.
    pub(super) fn cause(&self) -> Digest {
        match self {
            Self::Lock(round) => round.body.digest(),
            Self::Release(ruling) => ruling.body.digest(),
            Self::Gone(round) => Digest::of("overspill gone v1", &round.0),
            Self::Fade(fade) => fade.digest(),
        }
    }
}

/// The open locks of a line, by round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locks(BTreeMap<Digest, Signed<Round>>);

impl Locks {
    /// The round behind an open lock.
    pub fn get(&self, round: &Digest) -> Option<&Signed<Round>> {
        self.0.get(round)
    }

    /// All rounds that are locked, by digest.
    pub fn iter(&self) -> impl Iterator<Item = (&Digest, &Signed<Round>)> {
        self.0.iter()
    }

    /// These rounds.
    pub(crate) fn of(rounds: &[Signed<Round>]) -> Self {
        Self(rounds.iter().map(|round| (round.body.digest(), round.clone())).collect())
    }

    /// What they keep free for the lower end and for the higher; `None` when one does not lead over the line.
    pub(super) fn sums(&self, key: &LineKey) -> Option<(Credit, Credit)> {
        self.0.values().try_fold((Credit::ZERO, Credit::ZERO), |(low, high), round| {
            let (debtor, amount) = (round.body.debtor_on(key)?, round.body.amount);
            if debtor == key.low { Some((low.checked_add(amount)?, high)) } else { Some((low, high.checked_add(amount)?)) }
        })
    }

    /// The state that lawfully follows from `state` by `step`.
    ///
    /// # Errors
    /// [`LineError::NotLockable`], [`LineError::NotLocked`], [`LineError::NotFading`], [`LineError::BadSignature`] or [`LineError::OutOfRange`].
    pub fn after(&self, state: &LineState, step: &Step, key: &LineKey, charter: &Charter) -> Result<LineState, LineError> {
        let mut next =
            LineState { seq: state.seq.checked_add(1).ok_or(LineError::OutOfRange)?, prev: state.digest(), cause: step.cause(), ..*state };
        match step {
            Step::Lock(round) => {
                let (good, body) = (round.is_good() && round.body.mesh == key.mesh, &round.body);
                let debtor = body.debtor_on(key).filter(|_| good).ok_or(LineError::BadSignature)?;
                let is_new = body.date > state.round;
                let room = self.0.len() < LOCKS_MAX && body.amount <= state.clearable(debtor == key.low, charter);
                if !is_new || !room || body.charter != charter.version {
                    return Err(LineError::NotLockable);
                }
                next.round = body.date;
                next.shift_lock(debtor == key.low, body.amount)?;
            }
            Step::Release(ruling) => {
                let round = &self.0.get(&ruling.body.round).ok_or(LineError::NotLocked)?.body;
                if !round.initiator().is_some_and(|initiator| ruling.is_by(&initiator)) {
                    return Err(LineError::BadSignature);
                }
                next.open(round, key, ruling.body.moves)?;
            }
            Step::Gone(round) => next.open(&self.0.get(round).ok_or(LineError::NotLocked)?.body, key, false)?,
            Step::Fade(fade) => next.fade(fade)?,
        }
        Ok(next)
    }

    /// Takes note of a step that both ends signed.
    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Lock(round) => {
                self.0.insert(round.body.digest(), (**round).clone());
            }
            Step::Release(Signed { body: Ruling { round, .. }, .. }) | Step::Gone(round) => {
                self.0.remove(round);
            }
            Step::Fade(_) => {}
        }
    }
}

impl LineState {
    /// How much of what one end owes can still be locked: no more than the debt, and no more than the charter's share of the limit that a
    /// lock uses, so that the line goes on carrying service however long a lock stays.
    pub fn clearable(&self, debtor_is_low: bool, charter: &Charter) -> Credit {
        let (debt, limit, locked) = if debtor_is_low {
            (self.balance.checked_neg(), self.limit_low, self.locked_low)
        } else {
            (Some(self.balance), self.limit_high, self.locked_high)
        };
        let most = debt.unwrap_or(Credit::ZERO).min(charter.clearing_share.of(limit));
        most.checked_sub(locked).unwrap_or(Credit::ZERO).max(Credit::ZERO)
    }

    /// Opens a lock, and moves its amount to the debtor.
    fn open(&mut self, round: &Round, key: &LineKey, moves: bool) -> Result<(), LineError> {
        let (debtor_is_low, amount) = (round.debtor_on(key) == Some(key.low), round.amount);
        let opposite = amount.checked_neg().ok_or(LineError::OutOfRange)?;
        self.shift_lock(debtor_is_low, opposite)?;
        if moves {
            let shift = if debtor_is_low { amount } else { opposite };
            self.balance = self.balance.checked_add(shift).ok_or(LineError::OutOfRange)?;
        }
        Ok(())
    }

    fn shift_lock(&mut self, debtor_is_low: bool, by: Credit) -> Result<(), LineError> {
        let locked = if debtor_is_low { &mut self.locked_low } else { &mut self.locked_high };
        *locked = locked.checked_add(by).filter(|locked| *locked >= Credit::ZERO).ok_or(LineError::OutOfRange)?;
        Ok(())
    }
}
