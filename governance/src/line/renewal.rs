//! A line that begins anew: an end that may have forgotten what it signed closes the old epoch, and nobody signs in that any more.
//!
//! The state before the first of the new epoch is signed by nobody, as in the first epoch: it follows from the last state that both ends had
//! signed ([`LineState::carried`]). So it is enough that both ends know that state, and [`Head`] is how they show it to each other.

use alloc::vec::Vec;

use bincode::{Decode, Encode};

use super::{Line, LineError, LineKey, LineState, Locks, Receipt};
use crate::{
    charter::Charter,
    clearing::Round,
    limits::LOCKS_MAX,
    site::{Signed, SiteId, Statement},
    time::Date,
};

/// An end's wish that the line begins anew under this key. Whoever wishes has signed nothing in that epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Renewal {
    /// The line with its new epoch: the seconds since 1970 at which it is wished, so that no former process of this end used it.
    pub key: LineKey,
    /// Which end.
    pub by: SiteId,
}

impl Statement for Renewal {
    const DOMAIN: &'static str = "overspill line renewal v1";
}

/// The last state that both ends signed, and in which epoch.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Agreed {
    /// The epoch.
    pub epoch: u32,
    /// The state, with what it was signed for.
    pub receipt: Receipt,
}

/// How far an end knows its line: what it shows to the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// The wish by which the epoch began; the first epoch needs none.
    pub renewal: Option<Signed<Renewal>>,
    /// The last state that both ends signed, in this epoch or in one before.
    pub last: Option<Agreed>,
    /// The rounds that are locked by that state; at most [`LOCKS_MAX`].
    pub locks: Vec<Signed<Round>>,
}

impl Head {
    /// The epoch that it speaks of.
    pub fn epoch(&self) -> u32 {
        self.renewal.as_ref().map_or(0, |renewal| renewal.body.key.epoch)
    }

    /// Its place among the states of the line, over all epochs; the start for a line on which nothing was signed.
    pub fn place(&self) -> (u32, u64) {
        self.last.as_ref().map_or((0, 0), |last| (last.epoch, last.receipt.state.seq))
    }

    /// Tells whether it holds for the line between the ends of `ends`, whatever epoch that names.
    ///
    /// # Errors
    /// [`LineError::OtherLine`], [`LineError::BadSignature`] or [`LineError::NotLocked`].
    pub fn check(&self, ends: &LineKey) -> Result<(), LineError> {
        let at = |epoch| LineKey { epoch, ..*ends };
        if let Some(renewal) = &self.renewal {
            let Renewal { key, by } = renewal.body;
            if key != at(key.epoch) || key.epoch == 0 || key.partner_of(by).is_none() {
                return Err(LineError::OtherLine);
            }
            require(renewal.is_by(&by), LineError::BadSignature)?;
        }
        if let Some(last) = &self.last {
            require(last.epoch <= self.epoch(), LineError::OtherLine)?;
            require(last.receipt.state.seq > 0 && last.receipt.is_good(&at(last.epoch)), LineError::BadSignature)?;
        }
        let locked = self.last.as_ref().map(|last| (last.receipt.state.locked_low, last.receipt.state.locked_high));
        let good = self.locks.len() <= LOCKS_MAX && self.locks.iter().all(|round| round.is_good() && round.body.mesh == ends.mesh);
        require(good && Locks::of(&self.locks).sums(ends) == locked.unwrap_or_default().into(), LineError::NotLocked)
    }

    /// The same line with the later of two last states.
    #[must_use]
    pub fn with_last_of(self, other: &Self) -> Self {
        if other.place() > self.place() {
            return Self { renewal: self.renewal, last: other.last.clone(), locks: other.locks.clone() };
        }
        self
    }
}

fn require(rule: bool, otherwise: LineError) -> Result<(), LineError> {
    if rule { Ok(()) } else { Err(otherwise) }
}

/// The epoch that an end may wish for on a date: later than every one that it may have used before.
pub fn epoch_on(date: Date, after: u32) -> u32 {
    u32::try_from(date.as_secs()).unwrap_or(u32::MAX).max(after.saturating_add(1))
}

impl LineState {
    /// The state before the first of a new epoch: everything stands as in the last state of the one before.
    pub fn carried(key: &LineKey, last: &Self) -> Self {
        Self { line: key.id(), seq: 0, prev: last.digest(), cause: crate::digest::Digest::ZERO, ..*last }
    }
}

impl Line {
    /// What this end can show of the line.
    pub fn head(&self) -> Head {
        let last = self.receipt.clone().map(|receipt| Agreed { epoch: self.key.epoch, receipt });
        let began = self.began.as_deref();
        Head {
            renewal: began.and_then(|head| head.renewal.clone()),
            last: last.or_else(|| began.and_then(|head| head.last.clone())),
            locks: self.locks.iter().map(|(_, round)| round.clone()).collect(),
        }
    }

    /// Begins the epoch of `head`, which was checked: what is pending in the old one is given up, and nothing is signed in that any more.
    /// Persist the head first.
    ///
    /// # Errors
    /// [`LineError::Ahead`] when `head` shows no later epoch, or an earlier state than this end knows: nothing has changed.
    pub fn renew(&mut self, head: &Head, charter: &Charter) -> Result<(), LineError> {
        let Some(renewal) = head.renewal.as_ref().filter(|renewal| renewal.body.key.epoch > self.key.epoch) else {
            return Err(LineError::Ahead { ours: self.state.seq, theirs: head.place().1 });
        };
        let ours = self.head();
        let differs =
            ours.place() == head.place() && ours.last.map(|last| last.receipt.state) != head.last.as_ref().map(|last| last.receipt.state);
        if self.head().place() > head.place() || differs {
            return Err(LineError::Ahead { ours: self.state.seq, theirs: head.place().1 });
        }
        self.key = renewal.body.key;
        self.state = match &head.last {
            Some(last) => LineState::carried(&self.key, &last.receipt.state),
            None => LineState::first(self.key.id(), charter),
        };
        (self.receipt, self.pending) = (None, None);
        self.locks = Locks::of(&head.locks);
        self.began = Some(head.clone().into());
        Ok(())
    }

    /// Before anything was signed a line stands under the rules of what is signed first.
    pub fn turn_to(&mut self, charter: &Charter) {
        let carries = self.began.as_ref().is_some_and(|head| head.last.is_some());
        if self.state.seq == 0 && self.pending.is_none() && !carries {
            self.state = LineState::first(self.key.id(), charter);
        }
    }
}
