//! Demurrage: once for each day a share of what one end owes the other fades, where the charter has it so. Debts that nobody repays do not stop a
//! mesh for ever, and credit that nobody spends is not kept for ever (Gesell, "The Natural Economic Order", 1916).
//!
//! The end that is owed loses it, the end that owes gains it, and the sum of the two balances stays zero. A day on which no step was taken is
//! not made up for: nobody loses while one of the ends is away.

use bincode::{Decode, Encode};

use super::{LineError, LineState};
use crate::{
    site::Statement,
    units::{Credit, Millionths},
};

/// One day's demurrage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Fade {
    /// Which day, since 1970-01-01 in UTC.
    pub day: u32,
    /// Which share fades: what the rules say that are in force as the day begins.
    pub rate: Millionths,
}

impl Statement for Fade {
    const DOMAIN: &'static str = "overspill fade v1";
}

impl LineState {
    /// By how much the balance moves on one more day, towards the lower end as [`LineState::balance`] counts: what is locked for clearing does not fade.
    pub fn fading(&self, rate: Millionths) -> Credit {
        let low_owes = self.balance < Credit::ZERO;
        let locked = if low_owes { self.locked_low } else { self.locked_high };
        let free = self.balance.abs().checked_sub(locked).unwrap_or(Credit::ZERO).max(Credit::ZERO);
        let share = rate.of(free).min(free);
        if low_owes { share } else { share.checked_neg().unwrap_or(Credit::ZERO) }
    }

    /// Takes a day's demurrage.
    ///
    /// # Errors
    /// [`LineError::NotFading`] for a day that is not after the last, or of which nothing comes; [`LineError::OutOfRange`].
    pub(super) fn fade(&mut self, fade: &Fade) -> Result<(), LineError> {
        let shift = self.fading(fade.rate);
        if fade.day <= self.faded || shift == Credit::ZERO {
            return Err(LineError::NotFading);
        }
        if !planted!(TakesDaysTwice) {
            self.faded = fade.day;
        }
        self.balance = self.balance.checked_add(shift).ok_or(LineError::OutOfRange)?;
        Ok(())
    }
}
