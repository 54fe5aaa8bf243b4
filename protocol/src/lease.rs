//! Leases: a helper's expiring promise to serve an owner's visitors.
//!
//! Both ends follow one table ([`table`]). A lease is never extended: when most of its words, bytes or time are used and the crowd
//! is still there, a successor with a new name and a new chain takes over while the old one drains. Leases do not survive a restart of
//! either end, because their ticket keys are nowhere stored; what they earned does, and is settled.

use overspill_governance::{
    allotment::Allotment,
    claim::Claim,
    site::{Signed, SiteId},
    time::Time,
    units::{Bytes, Credit},
};

pub(crate) mod helper;
pub(crate) mod owner;
pub(crate) mod publish;
pub(crate) mod shelf;
pub mod table;
pub(crate) mod take;

use table::{Phase, Turn, Unforeseen};

/// What both ends of a lease keep of it.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// The owner's signed bound.
    pub(crate) allotment: Signed<Allotment>,
    /// Where the lease stands.
    pub(crate) phase: Phase,
    /// Since when.
    pub(crate) since: Time,
    /// What its receipts have moved.
    pub(crate) settled: Credit,
}

impl Terms {
    /// A lease that begins in `phase`.
    pub(crate) fn new(allotment: Signed<Allotment>, phase: Phase, now: Time) -> Self {
        Self { allotment, phase, since: now, settled: Credit::ZERO }
    }

    /// Whose content it is.
    pub(crate) fn owner(&self) -> SiteId {
        self.allotment.body.owner
    }

    /// Who serves.
    pub(crate) fn helper(&self) -> SiteId {
        self.allotment.body.helper
    }

    /// What `claim` would move beyond what is settled.
    pub(crate) fn worth(&self, claim: &Claim) -> Credit {
        self.left_of(claim.requests, claim.bytes)
    }

    /// What so much service would move beyond what is settled.
    pub(crate) fn left_of(&self, requests: u32, bytes: Bytes) -> Credit {
        let price = self.allotment.body.price(requests, bytes);
        Credit(price.0.saturating_sub(self.settled.0).max(0))
    }

    /// Moves on by the table.
    pub(crate) fn turn(&mut self, turn: Turn, now: Time) -> Result<Phase, Unforeseen> {
        self.phase = self.phase.after(turn)?;
        self.since = now;
        Ok(self.phase)
    }
}
