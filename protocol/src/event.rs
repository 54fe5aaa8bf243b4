//! What a site tells people and logs: decisions and turns of fortune, never a visitor's address or URL.

use alloc::string::String;

use overspill_governance::{payword::LeaseId, site::SiteId, units::Credit};

/// Something worth telling. The driver maps each to one log line and to metrics.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A command was carried out, or refused with what to do about it.
    Answered {
        /// The command's number.
        id: u64,
        /// The answer.
        answer: Result<Answer, String>,
    },
    /// A member was admitted, as far as this site knows.
    Admitted {
        /// Who.
        site: SiteId,
    },
    /// A partner's agent is reachable.
    PartnerUp {
        /// Who.
        site: SiteId,
    },
    /// A partner's agent is not reachable.
    PartnerDown {
        /// Who.
        site: SiteId,
        /// In words.
        reason: &'static str,
    },
    /// The site wants more than it can carry.
    CrowdBegan,
    /// It does no longer.
    CrowdEnded,
    /// A lease is held: helpers may be sent visitors, or guests be served.
    LeaseHeld {
        /// The lease.
        lease: LeaseId,
        /// The other end.
        partner: SiteId,
        /// Whether we are its owner.
        as_owner: bool,
    },
    /// A lease has ended.
    LeaseEnded {
        /// The lease.
        lease: LeaseId,
        /// The other end.
        partner: SiteId,
        /// In words.
        reason: &'static str,
    },
    /// A receipt was co-signed.
    Settled {
        /// The line's other end.
        partner: SiteId,
        /// What the balance moved by, seen from here.
        moved: Credit,
        /// The balance, seen from here: positive when the partner owes us.
        balance: Credit,
    },
    /// A peer said something that a correct agent does not say.
    Misspoke {
        /// Who.
        peer: SiteId,
        /// In words.
        reason: &'static str,
    },
    /// Something that a person should look at.
    Warned {
        /// In words.
        reason: &'static str,
    },
    /// The ledger cannot be written: this site signs nothing until that is mended.
    Silent {
        /// In words.
        reason: &'static str,
    },
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A mesh was founded.
    Founded,
    /// An invite token was made.
    Invited {
        /// The token's one line of text.
        token: String,
    },
    /// The site is a member.
    Joined,
    /// The site has left.
    Left,
}
