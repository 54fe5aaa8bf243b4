//! Timers: every reason for which a site wants to be woken, and one small table of when.

use overspill_governance::time::Time;

/// Why a site wants to be told of time. A deadline carries its reason, so that a log says why it woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A joiner asks its sponsor again, or a sponsor's patience with a proof is over.
    Join,
    /// A stranger has stayed too long.
    Stranger,
    /// A partner is to be dialled, or a dial has failed; a proof is to be asked again.
    Dial,
    /// An advert is due.
    Advert,
    /// A heartbeat is due, or a helper has been silent for too long.
    Beat,
    /// Leases are to be looked at: taken, renewed, released, ended.
    Lease,
    /// A helper's use is to be made durable.
    Checkpoint,
    /// A claim is due, or an unanswered claim or proposal is sent again.
    Settle,
    /// The plan must not look stale.
    Plan,
    /// Leaving has waited long enough.
    Leave,
    /// A vote has come to a date, or a change comes into force.
    Vote,
    /// A round of clearing waits, or debts in a circle are to be looked for.
    Clear,
    /// A partner is to be asked of whom it knows, and who has a place by merit is to be looked at.
    Acquaint,
}

const REASONS: [Reason; 13] = [
    Reason::Join,
    Reason::Stranger,
    Reason::Dial,
    Reason::Advert,
    Reason::Beat,
    Reason::Lease,
    Reason::Checkpoint,
    Reason::Settle,
    Reason::Plan,
    Reason::Leave,
    Reason::Vote,
    Reason::Clear,
    Reason::Acquaint,
];

/// When each reason comes due; one time for each, so that the table cannot grow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers {
    at: [Option<Time>; REASONS.len()],
}

impl Timers {
    /// Sets `reason` to come due at `at`, replacing what was set.
    pub(crate) fn set(&mut self, reason: Reason, at: Time) {
        self.at[reason as usize] = Some(at);
    }

    /// Sets `reason` to come due at `at` unless it comes due before.
    pub(crate) fn set_by(&mut self, reason: Reason, at: Time) {
        let slot = &mut self.at[reason as usize];
        *slot = Some(slot.map_or(at, |set| set.min(at)));
    }

    /// Unsets `reason`.
    pub(crate) fn clear(&mut self, reason: Reason) {
        self.at[reason as usize] = None;
    }

    /// The next deadline and its reason; of equal ones the first in the enum's order.
    pub(crate) fn next(&self) -> Option<(Time, Reason)> {
        REASONS.iter().filter_map(|&reason| self.at[reason as usize].map(|at| (at, reason))).min()
    }

    /// Takes every reason that is due at `now`, and unsets it. A handler that sets one again is called for it at the next wake.
    pub(crate) fn take_all_due(&mut self, now: Time) -> [Option<Reason>; REASONS.len()] {
        REASONS.map(|reason| self.at[reason as usize].take_if(|at| *at <= now).map(|_| reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_reason_is_due_first_and_once() {
        let at = Time::from_micros;
        let mut timers = Timers::default();
        timers.set(Reason::Plan, at(5));
        timers.set(Reason::Beat, at(3));
        timers.set_by(Reason::Beat, at(9));
        assert_eq!(timers.next(), Some((at(3), Reason::Beat)));
        let due = |timers: &mut Timers, micros| timers.take_all_due(at(micros)).into_iter().flatten().collect::<alloc::vec::Vec<_>>();
        assert_eq!(due(&mut timers, 2), []);
        assert_eq!(due(&mut timers, 5), [Reason::Beat, Reason::Plan]);
        assert_eq!(due(&mut timers, 5), []);
        assert_eq!(timers.next(), None);
    }
}
