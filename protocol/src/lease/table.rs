//! The life of a lease as one table, for both of its ends. What is not in the table is an error and changes nothing.

use core::fmt;

/// Where a lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The owner has signed an allotment and waits for the helper's word. A helper knows no such phase: it holds or refuses.
    Asked,
    /// Visitors may be sent and served.
    Held,
    /// No new visitors; tickets that are out are still served.
    Draining,
    /// Over for visitors; the last claim is not settled yet.
    Settling,
    /// Over and settled, or given up.
    Ended,
}

/// What can happen to a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// The helper promised.
    Granted,
    /// The helper would not.
    Refused,
    /// The helper did not answer.
    Unanswered,
    /// The owner needs it no longer.
    Released,
    /// A successor with the same helper took over.
    Succeeded,
    /// Its time is over.
    Expired,
    /// The other end is gone, or has forgotten it.
    Lost,
    /// The helper carries nothing for its owner at present.
    Stopped,
    /// Every ticket that was out has expired.
    Drained,
    /// The last claim is settled.
    Settled,
    /// The other end did not settle in time.
    GivenUp,
}

/// An event that cannot happen to a lease in this phase. The lease is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unforeseen {
    /// Where the lease stands.
    pub phase: Phase,
    /// What was said to happen.
    pub turn: Turn,
}

impl fmt::Display for Unforeseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a lease that is {:?} can not be {:?}; it stays as it was", self.phase, self.turn)
    }
}

impl core::error::Error for Unforeseen {}

/// Every step of a lease's life.
pub const TABLE: &[(Phase, Turn, Phase)] = &[
    (Phase::Asked, Turn::Granted, Phase::Held),
    (Phase::Asked, Turn::Refused, Phase::Ended),
    (Phase::Asked, Turn::Unanswered, Phase::Ended),
    (Phase::Asked, Turn::Released, Phase::Ended),
    (Phase::Asked, Turn::Lost, Phase::Ended),
    (Phase::Held, Turn::Released, Phase::Draining),
    (Phase::Held, Turn::Succeeded, Phase::Draining),
    (Phase::Held, Turn::Expired, Phase::Draining),
    (Phase::Held, Turn::Lost, Phase::Draining),
    (Phase::Held, Turn::Stopped, Phase::Draining),
    (Phase::Draining, Turn::Drained, Phase::Settling),
    (Phase::Settling, Turn::Settled, Phase::Ended),
    (Phase::Settling, Turn::GivenUp, Phase::Ended),
];

impl Phase {
    /// The phase after `turn`.
    ///
    /// # Errors
    /// [`Unforeseen`] when the table has no such step.
    pub fn after(self, turn: Turn) -> Result<Self, Unforeseen> {
        let step = TABLE.iter().find(|(phase, event, _)| (*phase, *event) == (self, turn));
        step.map(|(_, _, next)| *next).ok_or(Unforeseen { phase: self, turn })
    }

    /// Whether tickets of the lease may be at visitors.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Held | Self::Draining)
    }
}

impl Turn {
    /// In words, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Granted => "the helper promised",
            Self::Refused => "the helper refused",
            Self::Unanswered => "the helper did not answer",
            Self::Released => "the crowd is gone",
            Self::Succeeded => "its successor took over",
            Self::Expired => "its time is over",
            Self::Lost => "the other end is gone",
            Self::Stopped => "its helper carries nothing for its owner at present",
            Self::Drained => "its last ticket has expired",
            Self::Settled => "its last claim is settled",
            Self::GivenUp => "the other end did not settle",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String};

    const PHASES: [Phase; 5] = [Phase::Asked, Phase::Held, Phase::Draining, Phase::Settling, Phase::Ended];
    const TURNS: [Turn; 11] = [
        Turn::Granted,
        Turn::Refused,
        Turn::Unanswered,
        Turn::Released,
        Turn::Succeeded,
        Turn::Expired,
        Turn::Lost,
        Turn::Stopped,
        Turn::Drained,
        Turn::Settled,
        Turn::GivenUp,
    ];

    #[test]
    fn the_whole_life_of_a_lease() {
        let mut drawn = String::from("phase     turn        next\n");
        for phase in PHASES {
            for turn in TURNS {
                if let Ok(next) = phase.after(turn) {
                    drawn += &format!("{:<9} {:<11} {next:?}\n", format!("{phase:?}"), format!("{turn:?}"));
                }
            }
        }
        insta::assert_snapshot!(drawn, @r"
        phase     turn        next
        Asked     Granted     Held
        Asked     Refused     Ended
        Asked     Unanswered  Ended
        Asked     Released    Ended
        Asked     Lost        Ended
        Held      Released    Draining
        Held      Succeeded   Draining
        Held      Expired     Draining
        Held      Lost        Draining
        Held      Stopped     Draining
        Draining  Drained     Settling
        Settling  Settled     Ended
        Settling  GivenUp     Ended
        ");
    }

    #[test]
    fn what_the_table_does_not_foresee_is_an_error() {
        let unforeseen = Phase::Ended.after(Turn::Granted).unwrap_err();
        assert_eq!(format!("{unforeseen}"), "a lease that is Ended can not be Granted; it stays as it was");
        assert!(TURNS.iter().all(|&turn| Phase::Ended.after(turn).is_err()));
    }
}
