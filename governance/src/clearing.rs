//! Clearing: debts that run in a circle are cancelled together, or not at all.
//!
//! When A owes B, B owes C and C owes A, each is poorer on paper than it need be. One of them, the *initiator*, writes a [`Round`]: who, how
//! much. Along the circle each line is *locked*: its next state, signed by both ends, keeps the amount free ([`crate::line::Step::Lock`]).
//! When all are locked, the initiator signs one [`Ruling`]: it moves, or it ends. Whoever is shown the ruling signs what it says on its own
//! two lines. A ruling that moves carries the proof that every line is locked, so that nobody moves alone.
//!
//! | who fails | what follows |
//! |---|---|
//! | anybody before all is locked | the initiator rules that the round ends; nothing moves |
//! | anybody afterwards | the ruling waits for it on the locks, which nothing but a ruling opens |
//! | the initiator, before it ruled | it rules that the round ends when it is back; if a vote removes it, both ends of a lock open it |
//! | the initiator, by ruling twice | [`DoubleRuling`] convicts it; who moved on one side and not on the other has lost the amount at most |

use alloc::vec::Vec;

use bincode::{Decode, Encode};

use crate::{
    digest::Digest,
    evidence::{Accused, Because, Proof, require},
    invite::MeshId,
    limits::{CYCLE_MAX, CYCLE_MIN},
    line::{LineKey, LineState},
    site::{Signature, Signed, SiteId, Statement},
    time::Date,
    units::Credit,
};

/// What is to be cleared: the initiator's plan.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Round {
    /// In which mesh.
    pub mesh: MeshId,
    /// The version of the rules that bound the locks.
    pub charter: u32,
    /// Each owes the next, and the last owes the first, who is the initiator.
    pub cycle: Vec<SiteId>,
    /// How much of each debt.
    pub amount: Credit,
    /// When it was written. A line locks newer rounds only, so that none is locked twice.
    pub date: Date,
}

impl Statement for Round {
    const DOMAIN: &'static str = "overspill round v1";
}

impl Round {
    /// Who decides.
    pub fn initiator(&self) -> Option<SiteId> {
        self.cycle.first().copied()
    }

    /// The members in the circle beside `site`: who owes it, and whom it owes; `None` for a stranger.
    pub fn neighbours(&self, site: &SiteId) -> Option<(SiteId, SiteId)> {
        let (at, len) = (self.place(site)?, self.cycle.len());
        let before = at.checked_sub(1).unwrap_or(len - 1);
        self.cycle.get(before).copied().zip(self.cycle.get((at + 1) % len).copied())
    }

    /// The place of a member in the circle; the initiator's is 0.
    pub fn place(&self, site: &SiteId) -> Option<usize> {
        self.cycle.iter().position(|member| member == site)
    }

    /// The line on which the member at a place owes the next one, in its first epoch.
    pub fn line(&self, place: usize) -> Option<LineKey> {
        let debtor = self.cycle.get(place)?;
        let creditor = self.cycle.get((place + 1) % self.cycle.len())?;
        Some(LineKey::between(self.mesh, *debtor, *creditor))
    }

    /// Who of a line's two ends owes, whatever its epoch; `None` when the circle does not lead over it.
    pub fn debtor_on(&self, key: &LineKey) -> Option<SiteId> {
        let at = (0..self.cycle.len()).find(|at| self.line(*at).is_some_and(|line| LineKey { epoch: key.epoch, ..line } == *key))?;
        self.cycle.get(at).copied()
    }

    /// Tells whether it is a circle of distinct members and moves something.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let distinct = (1..self.cycle.len()).all(|at| !self.cycle[..at].contains(&self.cycle[at]));
        (CYCLE_MIN..=CYCLE_MAX).contains(&self.cycle.len()) && distinct && self.amount > Credit::ZERO
    }
}

impl Signed<Round> {
    /// Tells whether its initiator wrote it, and it is well-formed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.body.is_well_formed() && self.body.initiator().is_some_and(|initiator| self.is_by(&initiator))
    }
}

/// The initiator's one word on a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Ruling {
    /// Which round.
    pub round: Digest,
    /// Whether every line of the circle moves, or none.
    pub moves: bool,
}

impl Statement for Ruling {
    const DOMAIN: &'static str = "overspill ruling v1";
}

/// Proof that a line was locked: the state that did it, with both signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Locked {
    /// In which epoch of the line.
    pub epoch: u32,
    /// The state.
    pub state: LineState,
    /// The lower end's.
    pub low_sig: Signature,
    /// The higher end's.
    pub high_sig: Signature,
}

impl Locked {
    /// Tells whether it proves that `round` is locked on the line between the ends of `key`.
    #[must_use]
    pub fn proves(&self, round: Digest, key: &LineKey) -> bool {
        let Self { epoch, state, low_sig, high_sig } = self;
        let key = LineKey { epoch: *epoch, ..*key };
        let signed = state.is_signed_by(&key.low, low_sig) && state.is_signed_by(&key.high, high_sig);
        state.line == key.id() && state.cause == round && signed
    }
}

/// A ruling as it is shown: with the round, and with the proof of every lock when it moves.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Ruled {
    /// What was to be cleared.
    pub round: Signed<Round>,
    /// The initiator's word.
    pub ruling: Signed<Ruling>,
    /// One proof for each line, from the initiator's debt on; none when nothing moves.
    pub locks: Vec<Locked>,
}

impl Ruled {
    /// Tells whether it binds those in the circle.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let (round, ruling) = (self.round.body.digest(), &self.ruling);
        let by_initiator = self.round.body.initiator().is_some_and(|initiator| ruling.is_by(&initiator));
        self.round.is_good() && ruling.body.round == round && by_initiator && self.is_backed(round)
    }

    fn is_backed(&self, round: Digest) -> bool {
        if !self.ruling.body.moves {
            return self.locks.is_empty();
        }
        let proves = |(at, lock): (usize, &Locked)| self.round.body.line(at).is_some_and(|key| lock.proves(round, &key));
        self.locks.len() == self.round.body.cycle.len() && self.locks.iter().enumerate().all(proves)
    }
}

/// Two rulings on one round, both signed by its initiator. Anybody can check it; nobody can make it but the initiator.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DoubleRuling {
    /// The round, which names its initiator.
    pub round: Round,
    /// Its signature under "it moves".
    pub moves: Signature,
    /// Its signature under "it ends".
    pub ends: Signature,
}

impl DoubleRuling {
    /// The proof that two rulings on one round make; `None` when they say the same.
    pub fn of(one: &Ruled, other: &Ruled) -> Option<Self> {
        let (moves, ends) = match (one.ruling.body.moves, other.ruling.body.moves) {
            (true, false) => (one, other),
            (false, true) => (other, one),
            _ => return None,
        };
        Some(Self { round: one.round.body.clone(), moves: moves.ruling.signature, ends: ends.ruling.signature })
    }

    /// Tells whether the proof holds; it convicts the round's initiator.
    #[must_use]
    pub fn convicts(&self) -> bool {
        self.weigh().is_ok()
    }
}

impl Proof for DoubleRuling {
    fn accused(&self) -> Accused {
        // Of a round of nobody nothing is proven; whoever has no key has signed nothing.
        let nobody = SiteId([0; 32]);
        Accused::new(self.round.mesh, self.round.initiator().unwrap_or(nobody), &(Ruling::DOMAIN, self.round.digest()))
    }

    fn weigh(&self) -> Result<(), Because> {
        require(self.round.is_well_formed(), Because::Malformed)?;
        let (round, who) = (self.round.digest(), self.accused().who);
        let signed = |moves, signature: &Signature| Ruling { round, moves }.is_signed_by(&who, signature);
        require(signed(true, &self.moves) && signed(false, &self.ends), Because::NotSigned)
    }
}

#[cfg(test)]
mod tests;
