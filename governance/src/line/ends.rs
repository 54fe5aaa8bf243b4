//! The ends of a line through all keys that they had: states that former keys signed are carried on.

use alloc::{vec, vec::Vec};

use super::{Agreed, Line, LineId, LineKey, LineState, Locks};
use crate::{invite::MeshId, site::SiteId, units::Credit};

/// The two ends of a line, each with its key of now and those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    mesh: MeshId,
    low: Vec<SiteId>,
    high: Vec<SiteId>,
}

impl Ends {
    /// The ends with these keys, the ones of now first; `None` when an end has no key, or both are one.
    pub fn between(mesh: MeshId, one: Vec<SiteId>, other: Vec<SiteId>) -> Option<Self> {
        match (one.first()?, other.first()?) {
            (a, b) if a == b => None,
            (a, b) if a < b => Some(Self { mesh, low: one, high: other }),
            _ => Some(Self { mesh, low: other, high: one }),
        }
    }

    /// The line under the keys of now.
    pub fn key(&self, epoch: u32) -> LineKey {
        // Neither end is ever empty.
        let now = |keys: &[SiteId]| keys.first().copied().unwrap_or(SiteId([0; 32]));
        LineKey { mesh: self.mesh, low: now(&self.low), high: now(&self.high), epoch }
    }

    /// Under which keys a state was signed, and whether its lower end is the higher one of now.
    pub(crate) fn signed_as(&self, line: LineId, epoch: u32) -> Option<(LineKey, bool)> {
        let pairs = self.low.iter().flat_map(|low| self.high.iter().map(move |high| (*low, *high)));
        let keys = pairs.map(|(low, high)| (LineKey { epoch, ..LineKey::between(self.mesh, low, high) }, low > high));
        keys.into_iter().find(|(key, _)| key.low < key.high && key.id() == line)
    }

    /// Whether a state was signed under the keys of now.
    pub(super) fn is_of_now(&self, last: &Agreed) -> bool {
        self.key(last.epoch).id() == last.receipt.state.line
    }

    /// The state before the first under `key`: everything stands as in the last state, but for locks when that was signed under former keys.
    pub fn carried(&self, key: &LineKey, last: &Agreed) -> LineState {
        let state = LineState::carried(key, &last.receipt.state);
        match self.signed_as(last.receipt.state.line, last.epoch) {
            Some((signed, turned)) if (signed.low, signed.high) != (key.low, key.high) => state.handed_over(turned),
            _ => state,
        }
    }

    /// The locks that are carried with that state.
    pub(crate) fn locks_of(&self, head: &super::Head) -> Locks {
        if head.last.as_ref().is_some_and(|last| self.is_of_now(last)) { Locks::of(&head.locks) } else { Locks::default() }
    }
}

impl From<&LineKey> for Ends {
    fn from(key: &LineKey) -> Self {
        Self { mesh: key.mesh, low: vec![key.low], high: vec![key.high] }
    }
}

impl LineState {
    /// What is carried when an end has a new key: the balance and the limits, seen from the other side when the order of the ends has turned.
    /// Locks are open: a round names its members by the keys that they had.
    pub(crate) fn handed_over(self, turned: bool) -> Self {
        let open = Self { locked_low: Credit::ZERO, locked_high: Credit::ZERO, ..self };
        if !turned || planted!(TurnsNothing) {
            return open;
        }
        // An agreed balance is within limits, so it has an opposite.
        let balance = open.balance.checked_neg().unwrap_or(Credit::ZERO);
        Self { balance, limit_low: open.limit_high, limit_high: open.limit_low, ..open }
    }
}

impl Line {
    /// The same line for an end whose own key, or whose partner's, is another now. Nothing can be signed on it before it begins anew
    /// ([`Line::renew`]); where nothing was signed before it begins as a new line.
    pub fn handed_over(&self, ends: &Ends, me: SiteId, charter: &crate::charter::Charter) -> Option<Self> {
        let head = self.head();
        if planted!(HeirsBeginAfresh) || head.last.is_none() && self.pending.is_none() {
            return Self::new(ends.key(0), me, charter);
        }
        let key = ends.key(self.key.epoch);
        let mut line = Self::new(key, me, charter)?;
        if let Some(last) = &head.last {
            line.state = ends.carried(&key, last);
        }
        (line.pending, line.start, line.waits) = (self.pending.clone(), self.start, !planted!(GoesOnAtOnce));
        line.began = Some(super::Head { renewal: None, ..head }.into());
        Some(line)
    }

    /// Tells whether the line is to begin anew under the keys that its ends have now.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Tells whether this end has signed a state as its proposal and waits for its answer, under whatever keys.
    #[must_use]
    pub fn has_proposed(&self, state: &LineState) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.state == *state)
    }
}
