//! What a ledger says of this site's lines: balances, service given and taken, debts cleared in circles, what waits or is disputed.
//!
//! Made of the ledger's records alone, so that it can be read with or without an agent running, and by either end of a line.

use serde::{Deserialize, Serialize};

mod circles;
mod clerk;
#[cfg(test)]
mod tests;

pub use circles::Cleared;
pub use clerk::Clerk;

/// Name and version of the JSON form.
pub const SCHEMA: &str = "overspill.statement/1";

/// A site's whole account. Amounts are micro-credits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// [`SCHEMA`].
    pub schema: String,
    /// Whose account it is.
    pub site: String,
    /// The mesh, when the site belongs or belonged to one.
    pub mesh: Option<Mesh>,
    /// Sum of all balances, seen from here: positive when the mesh owes this site.
    pub balance_micro: i64,
    /// Sum of all credit that moved for service, either way.
    pub moved_micro: i64,
    /// What this site owed and clearing cancelled.
    pub cleared_of_ours_micro: i64,
    /// What this site was owed and clearing cancelled: as much, but for a round that has moved on one of its two lines so far.
    pub cleared_of_theirs_micro: i64,
    /// What this site owed and demurrage took.
    pub faded_of_ours_micro: i64,
    /// What this site was owed and demurrage took.
    pub faded_of_theirs_micro: i64,
    /// The newest clearings.
    pub cleared: Vec<Cleared>,
    /// One for each partner with whom anything was agreed or proposed.
    pub lines: Vec<LineStatement>,
}

/// Which mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mesh {
    /// Its name for people.
    pub name: String,
    /// Its name for machines.
    pub id: String,
}

/// The line with one partner, seen from this site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineStatement {
    /// The other end.
    pub partner: String,
    /// Positive when the partner owes this site.
    pub balance_micro: i64,
    /// Credit that came here for service.
    pub earned_micro: i64,
    /// Credit that went there for service.
    pub spent_micro: i64,
    /// What this site owed and clearing cancelled.
    pub cleared_of_ours_micro: i64,
    /// What the partner owed and clearing cancelled.
    pub cleared_of_theirs_micro: i64,
    /// What this site owed and demurrage took.
    pub faded_of_ours_micro: i64,
    /// What the partner owed and demurrage took.
    pub faded_of_theirs_micro: i64,
    /// `co-signed`, `waiting` for the other end's signature, or `disputed`.
    pub condition: Condition,
    /// Until when a dispute of this site freezes the line.
    pub our_dispute_until: Option<String>,
    /// Until when a dispute of the partner does.
    pub their_dispute_until: Option<String>,
    /// Counts the states that both ends signed.
    pub seq: u64,
    /// Digest of the last of these states; both ends hold the same.
    pub state: String,
    /// Receipts in this ledger.
    pub receipts: u64,
    /// A state that only this end has signed so far.
    pub proposed_seq: Option<u64>,
    /// Service that this site gave and that is settled.
    pub given: Service,
    /// Service that this site took and that is settled.
    pub taken: Service,
}

/// How a line stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Both ends have signed all that there is.
    #[default]
    CoSigned,
    /// A state that only this end has signed waits for its answer.
    Waiting,
    /// Either end disputes it.
    Disputed,
}

impl Condition {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::CoSigned => "co-signed",
            Self::Waiting => "waiting",
            Self::Disputed => "disputed",
        }
    }
}

/// Settled service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Leases with a receipt.
    pub leases: u64,
    /// Requests served.
    pub requests: u64,
    /// Body bytes served.
    pub bytes: u64,
}
