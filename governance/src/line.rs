//! Lines: the bilateral accounts that carry all credit, each a chain of states that both ends sign.
//!
//! The end with the lower key sequences the line: only it proposes, one state at a time, and it proposes the same bytes again until it
//! is answered. The other end countersigns the next state, once. So two honest ends never sign two states at one `seq`, whatever is
//! lost, doubled, late or crashed in between, as long as each entry is durable before what depends on it leaves:
//!
//! | end | does | persists first | then sends |
//! |---|---|---|---|
//! | lower | [`Line::propose`] | `Proposed` | the [`Proposal`] |
//! | higher | [`Line::examine`], checks what it is for, [`Line::countersign`] | `Agreed` | the [`Receipt`]'s signature |
//! | lower | [`Line::conclude`] | `Agreed` | nothing |
//!
//! A proposal cannot be taken back: the lower end proposes only what the other has asked for or accepted.
//!
//! An end that may have forgotten what it signed never signs in that epoch again: the line begins anew ([`Line::renew`]). So does a line of
//! which an end has another key now ([`Line::handed_over`]).

use bincode::{Decode, Encode};

use crate::{
    charter::Charter,
    claim::Claim,
    digest::Digest,
    invite::MeshId,
    site::{Key, Signature, SiteId, Statement},
    time::Date,
    units::Credit,
};

mod ends;
mod fade;
mod fork;
mod machine;
mod renewal;
mod step;

pub use ends::Ends;
pub use fade::Fade;
pub use fork::Fork;
pub use machine::{Concluded, Examined, Line, LineError, Moves};
pub use renewal::{Agreed, Head, Renewal, epoch_on};
pub use step::{Locks, Step};

/// Names a line: the digest of its [`LineKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct LineId(pub Digest);

/// Which line: two members of a mesh, the lower key first, and how often they had to start afresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct LineKey {
    /// In which mesh.
    pub mesh: MeshId,
    /// The end that sequences the line.
    pub low: SiteId,
    /// The end that countersigns.
    pub high: SiteId,
    /// Grows when an end may have forgotten what it signed; 0 for the first.
    pub epoch: u32,
}

impl Statement for LineKey {
    const DOMAIN: &'static str = "overspill line key v1";
}

impl LineKey {
    /// The first epoch of the line between two members, in either order.
    pub fn between(mesh: MeshId, one: SiteId, other: SiteId) -> Self {
        Self { mesh, low: one.min(other), high: one.max(other), epoch: 0 }
    }

    /// The line's name.
    pub fn id(&self) -> LineId {
        LineId(self.digest())
    }

    /// The other end of the line, as seen by `site`; `None` for a stranger to it.
    pub fn partner_of(&self, site: SiteId) -> Option<SiteId> {
        match site {
            _ if site == self.low => Some(self.high),
            _ if site == self.high => Some(self.low),
            _ => None,
        }
    }
}

/// One state of a line: what both ends sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LineState {
    /// Which line.
    pub line: LineId,
    /// Counts the states, from 1; 0 is the state that nobody signs, before the first.
    pub seq: u64,
    /// Positive: the higher key's end owes the lower's.
    pub balance: Credit,
    /// How far the lower end lets the higher end owe it.
    pub limit_low: Credit,
    /// How far the higher end lets the lower end owe it.
    pub limit_high: Credit,
    /// What open locks keep free for the lower end, which owes at least that much when they are made.
    pub locked_low: Credit,
    /// The same for the higher end.
    pub locked_high: Credit,
    /// The date of the newest round that was locked; an older one cannot be.
    pub round: Date,
    /// The last day whose demurrage was taken, since 1970-01-01 in UTC; 0 for none.
    pub faded: u32,
    /// Digest of the state before.
    pub prev: Digest,
    /// Digest of the claim that this state settles, or of the step that it takes; [`Digest::ZERO`] for none.
    pub cause: Digest,
}

impl Statement for LineState {
    const DOMAIN: &'static str = "overspill line state v1";
}

impl LineState {
    /// The state before the first: nobody owes anything, both limits are the newcomer's.
    pub fn first(line: LineId, charter: &Charter) -> Self {
        let limit = charter.newcomer_limit;
        let (locked_low, locked_high, round) = (Credit::ZERO, Credit::ZERO, Date::default());
        let (limit_low, limit_high, prev, cause) = (limit, limit, Digest::ZERO, Digest::ZERO);
        Self { line, seq: 0, balance: Credit::ZERO, limit_low, limit_high, locked_low, locked_high, round, faded: 0, prev, cause }
    }

    /// The state after this one, in which the line moved by `shift` (positive: towards the lower end) because of `cause`.
    ///
    /// The end that gave service earns trust: what it may owe grows by the charter's share of the service, up to the cap. Trust does
    /// not grow by taking service and signing for it, or a taker could raise its limit until it pays to disappear.
    /// `None`: a number would leave its range.
    pub fn next(&self, shift: Credit, cause: Digest, charter: &Charter) -> Option<Self> {
        let grown = |limit: Credit, service: Credit| {
            let grown = limit.checked_add(charter.limit_growth.of(service))?;
            Some(grown.min(charter.line_limit_cap).max(limit))
        };
        Some(Self {
            seq: self.seq.checked_add(1)?,
            balance: self.balance.checked_add(shift)?,
            limit_low: grown(self.limit_low, shift.checked_neg()?)?,
            limit_high: grown(self.limit_high, shift)?,
            prev: self.digest(),
            cause,
            ..*self
        })
    }

    /// Tells whether both ends' limits hold, and go on to hold whatever becomes of open locks.
    #[must_use]
    pub fn is_within_limits(&self) -> bool {
        let low = self.balance.checked_add(self.locked_low);
        let high = self.balance.checked_neg().and_then(|owed| owed.checked_add(self.locked_high));
        low.is_some_and(|low| low <= self.limit_low) && high.is_some_and(|high| high <= self.limit_high)
    }
}

/// A next state that the lower end has signed and cannot take back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Proposal {
    /// What is proposed.
    pub state: LineState,
    /// The lower end's.
    pub low_sig: Signature,
    /// The claim that it settles, as accepted.
    pub claim: Option<Claim>,
    /// The step that it takes; then there is no claim.
    pub step: Option<Step>,
}

/// A state that both ends signed: the only thing that credit is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Receipt {
    /// What is agreed.
    pub state: LineState,
    /// The lower end's.
    pub low_sig: Signature,
    /// The higher end's.
    pub high_sig: Signature,
    /// The claim that it settles, as accepted.
    pub claim: Option<Claim>,
    /// The step that it takes; then there is no claim.
    pub step: Option<Step>,
}

impl Receipt {
    /// Tells whether both ends of `key` signed this state of their line, for the claim that it carries.
    #[must_use]
    pub fn is_good(&self, key: &LineKey) -> bool {
        self.state.line == key.id()
            && cause_of(self.claim.as_ref(), self.step.as_ref()) == Some(self.state.cause)
            && self.state.is_signed_by(&key.low, &self.low_sig)
            && self.state.is_signed_by(&key.high, &self.high_sig)
    }
}

/// What a state names as its cause that settles a claim or takes a step; `None` when it would do both.
fn cause_of(claim: Option<&Claim>, step: Option<&Step>) -> Option<Digest> {
    match (claim, step) {
        (Some(_), Some(_)) => None,
        (claim, None) => Some(claim.map_or(Digest::ZERO, Statement::digest)),
        (None, Some(step)) => Some(step.cause()),
    }
}

fn signed(state: &LineState, key: &Key) -> Signature {
    state.sign(key)
}

#[cfg(test)]
mod tests;
