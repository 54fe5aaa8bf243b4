//! What the command line and a running agent say to each other: one JSON line each way.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::denials::Wish;
use crate::cli::exit::Failure;

/// Version of this talk. Both ends come from one binary; the number catches an upgrade in between.
pub const VERSION: u32 = 1;
/// Bytes of a question: a token is the longest thing in it.
pub const QUESTION_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of an answer: a statement of thousands of records fits.
pub const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// A question with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// [`VERSION`].
    pub version: u32,
    /// What is asked.
    pub ask: Ask,
}

/// What can be asked of a running agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// How things stand.
    Status,
    /// Who the partners are.
    Partners,
    /// How credit lines stand.
    Lines,
    /// Who belongs, and who once did.
    Members,
    /// Dispute the line with a member, or take that back.
    Dispute {
        /// The member's name.
        member: String,
        /// Why; nothing: it is taken back.
        reason: Option<String>,
    },
    /// The records of a line, a lease or a member, by index.
    Records {
        /// A site's name, or a lease's.
        about: String,
    },
    /// Read the configuration again.
    Reload,
    /// Found a mesh.
    Init {
        /// Its name for people.
        name: String,
        /// Rules that differ from the defaults.
        rules: Vec<(String, i64)>,
    },
    /// Make an invite token.
    Invite {
        /// How long it can be redeemed.
        seconds: u64,
    },
    /// Redeem a token.
    Join {
        /// Its one line.
        token: String,
    },
    /// Come back with nothing but the key.
    Recover {
        /// A partner's name.
        partner: String,
        /// Where its agent is reached (multiaddr text).
        addresses: Vec<String>,
    },
    /// Leave the mesh.
    Leave,
    /// The rules, in all their versions.
    Rules,
    /// How votes stand.
    Votes,
    /// Move that a rule gets another value.
    Amend {
        /// The parameter's name.
        parameter: String,
        /// The value.
        to: i64,
        /// Where it is discussed.
        discuss: String,
    },
    /// Move that a member is removed.
    Remove {
        /// The member's name.
        member: String,
        /// Who stays of those that it brought in: `all`, `none`, or names; empty: nothing was said.
        keep: Vec<String>,
        /// Where it is discussed.
        discuss: String,
    },
    /// Move that what weighs on a member is lifted.
    Pardon {
        /// The member's name.
        member: String,
        /// Where it is discussed.
        discuss: String,
    },
    /// Second a motion.
    Second {
        /// The first digits of its name.
        motion: String,
    },
    /// Object to a motion.
    Object {
        /// The first digits of its name.
        motion: String,
        /// Why.
        reason: String,
    },
    /// Deny something to everybody.
    Deny(Wish),
    /// Deny something no longer.
    Allow {
        /// Its URL.
        url: String,
    },
    /// What is denied.
    Denied,
    /// What is carried for whom.
    Carry,
    /// Carry nothing for a member, or something again.
    CarryFor {
        /// The member's name.
        member: String,
        /// Whether nothing is carried for it.
        stopped: bool,
    },
    /// Kill the mesh task, as a fault of ours would: for trials of the rule that the site is served on. No command asks it.
    KillMesh,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Done; the object is the command's `--json` form.
    Done(Value),
    /// Not done, with the reason and what to do.
    Failed(Failure),
}
