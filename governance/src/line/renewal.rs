//! A line that begins anew: an end that may have forgotten what it signed closes the old epoch, and nobody signs in that any more.
//!
//! The state before the first of the new epoch is signed by nobody, as in the first epoch: it follows from the last state that both ends had
//! signed ([`LineState::carried`]). So it is enough that both ends know that state, and [`Head`] is how they show it to each other.

use alloc::vec::Vec;

use bincode::{Decode, Encode};

use super::{Ends, Line, LineError, LineKey, LineState, Locks, Receipt};
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

    /// Whether the last state was signed under keys that the ends have no more: who is the lower one may have turned since.
    pub fn is_handed_over(&self) -> bool {
        let signed =
            |renewal: &Signed<Renewal>, last: &Agreed| LineKey { epoch: last.epoch, ..renewal.body.key }.id() == last.receipt.state.line;
        self.renewal.as_ref().zip(self.last.as_ref()).is_some_and(|(renewal, last)| !signed(renewal, last))
    }

    /// Its place among the states of the line, over all epochs; the start for a line on which nothing was signed.
    pub fn place(&self) -> (u32, u64) {
        self.last.as_ref().map_or((0, 0), |last| (last.epoch, last.receipt.state.seq))
    }

    /// Tells whether it holds for the line between these ends, in whatever epoch. The last state may be one that former keys signed.
    ///
    /// # Errors
    /// [`LineError::OtherLine`], [`LineError::BadSignature`] or [`LineError::NotLocked`].
    pub fn check(&self, ends: &Ends) -> Result<(), LineError> {
        let (at, mut signed) = (|epoch| ends.key(epoch), ends.key(0));
        if let Some(renewal) = &self.renewal {
            let Renewal { key, by } = renewal.body;
            if key != at(key.epoch) || key.epoch == 0 || key.partner_of(by).is_none() {
                return Err(LineError::OtherLine);
            }
            require(renewal.is_by(&by), LineError::BadSignature)?;
        }
        if let Some(last) = &self.last {
            (signed, _) = ends.signed_as(last.receipt.state.line, last.epoch).ok_or(LineError::BadSignature)?;
            let (of_now, begun) = (signed == at(last.epoch), self.renewal.is_some());
            require(if of_now { last.epoch <= self.epoch() } else { !begun || last.epoch < self.epoch() }, LineError::OtherLine)?;
            require(last.receipt.state.seq > 0 && last.receipt.is_good(&signed), LineError::BadSignature)?;
        }
        let locked = self.last.as_ref().map(|last| (last.receipt.state.locked_low, last.receipt.state.locked_high));
        let good = self.locks.len() <= LOCKS_MAX && self.locks.iter().all(|round| round.is_good() && round.body.mesh == signed.mesh);
        require(good && Locks::of(&self.locks).sums(&signed) == locked.unwrap_or_default().into(), LineError::NotLocked)
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
            locks: match began {
                // They were open under the former keys, and the last state says so.
                Some(head) if self.receipt.is_none() => head.locks.clone(),
                _ => self.locks.iter().map(|(_, round)| round.clone()).collect(),
            },
        }
    }

    /// Begins the epoch of `head`, which was checked for these ends: what is pending in the old one is given up, and nothing is signed in that any more.
    /// Persist the head first.
    ///
    /// # Errors
    /// [`LineError::Ahead`] when `head` shows no later epoch, or an earlier state than this end knows: nothing has changed.
    pub fn renew(&mut self, head: &Head, ends: &Ends, charter: &Charter) -> Result<(), LineError> {
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
            Some(last) => ends.carried(&self.key, last),
            None => LineState::first(self.key.id(), charter),
        };
        (self.receipt, self.pending, self.waits) = (None, None, false);
        self.locks = ends.locks_of(head);
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
