//! The lines of a ledger under audit: what was signed, and what that must follow from.

use alloc::collections::BTreeMap;

use super::{Account, Finding, require};
use crate::{
    charter::Charter,
    line::{Ends, Head, LineKey, LineState, Locks, Step},
    site::{SiteId, Statement},
    units::Credit,
};

/// All lines.
#[derive(Debug, Default)]
pub(super) struct Books(BTreeMap<LineKey, Book>);

/// One line.
#[derive(Debug)]
struct Book {
    state: LineState,
    /// Epoch and place of the state that the epoch began with; zeros when nothing was signed before.
    carries: (u32, u64),
    /// The last state that this site proposed.
    proposed: Option<LineState>,
    locks: Locks,
    receipts: u64,
    /// Moved towards the lower end, in all, and towards the higher.
    to_low: Credit,
    to_high: Credit,
    /// An end has another key now, and the line has not begun anew under that.
    waits: bool,
}

impl Books {
    pub(super) fn accounts(&self, site: SiteId) -> impl Iterator<Item = Account> {
        self.0.iter().filter_map(move |(key, book)| {
            let is_low = site == key.low;
            let (earned, spent) = if is_low { (book.to_low, book.to_high) } else { (book.to_high, book.to_low) };
            Some(Account {
                key: *key,
                partner: key.partner_of(site)?,
                state: book.state,
                balance: if is_low { book.state.balance } else { book.state.balance.checked_neg()? },
                receipts: book.receipts,
                earned,
                spent,
                waits: book.proposed.is_some_and(|proposed| proposed.seq > book.state.seq),
            })
        })
    }

    /// The lines, each in its epoch of now.
    pub(super) fn keys(&self) -> impl Iterator<Item = &LineKey> {
        self.0.keys()
    }

    /// This site, the lower end, signed `state`.
    pub(super) fn propose(&mut self, key: LineKey, state: &LineState, step: Option<&Step>, charter: &Charter) -> Result<(), Finding> {
        let book = self.book(key, charter);
        if let Some(proposed) = book.proposed.filter(|proposed| proposed.seq >= state.seq) {
            return require(proposed == *state, Finding::SignedTwice);
        }
        require(!book.waits, Finding::NotNext)?;
        book.check_next(&key, state, step, charter)?;
        book.proposed = Some(*state);
        Ok(())
    }

    /// Both ends signed `state`; returns by how much it moved the line towards the lower end.
    pub(super) fn agree(&mut self, key: LineKey, state: &LineState, step: Option<&Step>, charter: &Charter) -> Result<Credit, Finding> {
        let book = self.book(key, charter);
        if state.seq <= book.state.seq {
            return require(*state == book.state, Finding::SignedTwice).map(|()| Credit::ZERO);
        }
        require(!book.waits, Finding::NotNext)?;
        if let Some(proposed) = book.proposed.filter(|proposed| proposed.seq == state.seq) {
            require(proposed == *state, Finding::SignedTwice)?;
        }
        // An end that lost its ledger takes the head from the other: the states between are not here to be checked.
        let is_next = book.state.seq.checked_add(1) == Some(state.seq);
        let shift = if is_next { book.check_next(&key, state, step, charter)? } else { Credit::ZERO };
        match step {
            // What is cleared is neither earned nor spent.
            Some(step) => book.locks.take(step),
            None => {
                let total = if shift > Credit::ZERO { &mut book.to_low } else { &mut book.to_high };
                *total = Credit(total.0.saturating_add(shift.0.saturating_abs()));
            }
        }
        book.state = *state;
        book.receipts += 1;
        Ok(shift)
    }

    /// The line began anew: what both ends signed last is carried on, and there is no earlier epoch any more.
    pub(super) fn renew(&mut self, old: LineKey, head: &Head, ends: &Ends, charter: &Charter) -> Result<(), Finding> {
        let key = ends.key(head.epoch());
        let follows = |book: &Book| {
            let signed = (old.epoch, book.state.seq);
            let same = head.last.as_ref().is_some_and(|last| last.receipt.state == book.state);
            if book.state.seq > 0 { head.place() > signed || head.place() == signed && same } else { head.place() >= book.carries }
        };
        require(head.epoch() > old.epoch && self.0.get(&old).is_none_or(follows), Finding::NotNext)?;
        let state = head.last.as_ref().map(|last| ends.carried(&key, last));
        let mut book = self.0.remove(&old).unwrap_or_else(|| Book::new(&key, charter));
        (book.state, book.proposed) = (state.unwrap_or_else(|| LineState::first(key.id(), charter)), None);
        (book.locks, book.carries, book.waits) = (ends.locks_of(head), head.place(), false);
        self.0.insert(key, book);
        Ok(())
    }

    /// An end of a line has another key now: what is signed next is so after the line began anew, or on a new line where nothing was signed
    /// before; `turned` when the lower end is the other one then. Tells the line's epoch.
    pub(super) fn hand_over(&mut self, old: &LineKey, ends: &Ends, turned: bool) -> u32 {
        let key = ends.key(old.epoch);
        let signed = |book: &Book| book.state.seq > 0 || book.carries != (0, 0) || book.proposed.is_some();
        let Some(mut book) = self.0.remove(old).filter(signed) else { return 0 };
        if book.state.seq > 0 {
            book.carries = (old.epoch, book.state.seq);
        }
        let carried = LineState::carried(&key, &book.state).handed_over(turned);
        if turned {
            (book.to_low, book.to_high) = (book.to_high, book.to_low);
        }
        (book.state, book.proposed, book.locks, book.waits) = (carried, None, Locks::default(), true);
        self.0.insert(key, book);
        key.epoch
    }

    fn book(&mut self, key: LineKey, charter: &Charter) -> &mut Book {
        let book = self.0.entry(key).or_insert_with(|| Book::new(&key, charter));
        if book.state.seq == 0 && book.proposed.is_none() && book.carries == (0, 0) {
            // Nothing was signed yet: the line starts under the rules of what is signed first.
            book.state = LineState::first(key.id(), charter);
        }
        book
    }
}

impl Book {
    fn new(key: &LineKey, charter: &Charter) -> Self {
        let (state, locks, receipts) = (LineState::first(key.id(), charter), Locks::default(), 0);
        Self { state, carries: (0, 0), proposed: None, locks, receipts, to_low: Credit::ZERO, to_high: Credit::ZERO, waits: false }
    }

    /// Checks that `state` follows from the agreed one; returns the shift.
    fn check_next(&self, key: &LineKey, state: &LineState, step: Option<&Step>, charter: &Charter) -> Result<Credit, Finding> {
        let shift = state.balance.checked_sub(self.state.balance).ok_or(Finding::NotNext)?;
        if let Some(step) = step {
            let lawful = self.locks.after(&self.state, step, key, charter).map_err(|_| Finding::NotNext)?;
            return require(lawful == *state, Finding::NotNext).map(|()| shift);
        }
        let lawful = self.state.next(shift, state.cause, charter).ok_or(Finding::NotNext)?;
        require(lawful == *state && lawful.prev == self.state.digest() && lawful.is_within_limits(), Finding::NotNext)?;
        Ok(shift)
    }
}
