//! What a site tells people and logs: decisions and turns of fortune, never a visitor's address or URL.

use alloc::{boxed::Box, string::String};

use overspill_governance::{
    digest::Digest, evidence::Bundle, line::Fork, payword::LeaseId, regard::Note, site::SiteId, time::Date, units::Credit,
};

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
    /// A site that wanted to join with an invite of ours was refused.
    JoinerRefused {
        /// Who.
        site: SiteId,
        /// In words, as it was told.
        reason: String,
    },
    /// A member has left.
    Departed {
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
    /// In a mesh with more members than partners, a place went to one that is worth more.
    PartnerExchanged {
        /// Who had it.
        gone: SiteId,
        /// Who has it; nobody where there were too many partners.
        taken: Option<SiteId>,
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
    /// A helper did not hold a lease that we wanted.
    LeaseRefused {
        /// The helper.
        partner: SiteId,
        /// In words.
        reason: &'static str,
    },
    /// A lease takes no new visitors; tickets that are out are still served.
    LeaseDraining {
        /// The lease.
        lease: LeaseId,
        /// The other end.
        partner: SiteId,
        /// In words.
        reason: &'static str,
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
    /// The owner accepted less than a helper claimed, or nothing.
    ClaimReduced {
        /// The lease.
        lease: LeaseId,
        /// The other end.
        partner: SiteId,
        /// In words.
        reason: String,
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
    /// A day's demurrage was co-signed.
    Faded {
        /// The line's other end.
        partner: SiteId,
        /// What the balance moved by, seen from here.
        moved: Credit,
        /// The balance, seen from here: positive when the partner owes us.
        balance: Credit,
        /// Which day, since 1970-01-01 in UTC.
        day: u32,
    },
    /// A peer said something that a correct agent does not say.
    Misspoke {
        /// Who.
        peer: SiteId,
        /// In words.
        reason: &'static str,
    },
    /// A partner said too much that a correct agent does not say: it is hung up on and left alone for [`crate::limits::MISSPEAK_BAN`].
    Shunned {
        /// Who.
        peer: SiteId,
        /// What it said last, in words.
        reason: &'static str,
    },
    /// A partner's clock and ours are too far apart for anything dated: no leases with it until that is mended.
    ClocksApart {
        /// Who.
        peer: SiteId,
        /// Its calendar minus ours, in milliseconds.
        offset_ms: i64,
    },
    /// A partner's canonical host did not publish its key when we looked; no leases with it until it does.
    Unproven {
        /// Who.
        peer: SiteId,
    },
    /// A partner signed two states of our line at one place: proof that any third party can check. Nothing more is signed with it.
    Forked {
        /// Who.
        peer: SiteId,
        /// The proof.
        proof: Box<Fork>,
    },
    /// A member contradicted itself: proof that any third party can check. Its standing follows from it.
    Convicted {
        /// Who.
        peer: SiteId,
        /// The proof.
        bundle: Box<Bundle>,
    },
    /// A motion is up for discussion: it was seconded, or is our own.
    Moved {
        /// Its name.
        motion: Digest,
        /// In words.
        change: String,
        /// Until when members may object.
        deadline: Date,
    },
    /// A motion was decided.
    Decided {
        /// Its name.
        motion: Digest,
        /// Whether it was adopted.
        adopts: bool,
    },
    /// Nobody seconded a motion in time, or too few agents could sign what became of it.
    Lapsed {
        /// Its name.
        motion: Digest,
    },
    /// Other rules are in force.
    RulesChanged {
        /// The charter's version.
        version: u32,
    },
    /// A vote has removed a member, or one who came in by it.
    Removed {
        /// Who.
        site: SiteId,
    },
    /// Something was noted of a partner: a breach that we saw, or a dispute.
    Noted {
        /// Who.
        partner: SiteId,
        /// What.
        note: Note,
    },
    /// A sample came back with other bytes than were listed.
    Altered {
        /// Who served them.
        helper: SiteId,
        /// Whose file it was.
        owner: SiteId,
    },
    /// A drawn member says that a helper serves altered files.
    Testified {
        /// The drawn member.
        auditor: SiteId,
        /// The helper.
        helper: SiteId,
    },
    /// Enough drawn members said so: nobody takes help of it for a while.
    Suspended {
        /// The helper.
        helper: SiteId,
        /// Until when.
        until: Date,
    },
    /// A line is locked for a round of clearing.
    Locked {
        /// The round.
        round: Digest,
        /// The line's other end.
        partner: SiteId,
        /// How much.
        amount: Credit,
    },
    /// Debts that ran in a circle through us are cancelled: both our lines moved.
    Cleared {
        /// The round.
        round: Digest,
        /// How much of each debt.
        amount: Credit,
        /// How many members the circle has.
        members: usize,
    },
    /// Others hold what this site signed and does not know: its ledger is an old copy, or new. It goes on from what they hold.
    Recovered,
    /// A line began anew with what both ends had signed.
    Renewed {
        /// The other end.
        partner: SiteId,
        /// The balance, seen from here: positive when the partner owes us.
        balance: Credit,
    },
    /// A member goes on under another key.
    Rotated {
        /// The key that it had.
        old: SiteId,
        /// The key that it has.
        new: SiteId,
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
    /// The site is a member again, with nothing but its key.
    Returned,
    /// The site has left.
    Left,
    /// Nothing is carried for those who were named.
    Stopped,
    /// A motion was made.
    Moved {
        /// Its name.
        motion: Digest,
        /// Until when members may object.
        deadline: Date,
    },
    /// A line is disputed, or not any more.
    Disputed {
        /// The line's other end.
        partner: SiteId,
        /// Until when that freezes it; `None`: it is not any more.
        until: Option<Date>,
    },
    /// A motion was seconded, or objected to.
    Noted {
        /// Its name.
        motion: Digest,
    },
}
