//! What a site says of itself when a person asks: plain values, no decisions.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::time::Duration;

use overspill_governance::{
    digest::Digest,
    invite::MeshId,
    payword::LeaseId,
    site::SiteId,
    time::{Date, Now},
    units::{ByteRate, Bytes, Credit, RequestRate},
};

use crate::{advert::Offer, lease::table::Phase, site::Site, together::AllBusy};

mod lines;
mod members;
mod votes;

pub use crate::partners::choice::Place;
pub use lines::{DisputeReport, LineReport, LockReport};
pub use members::{Ended, MemberReport, MembersReport};
pub use votes::{ConvictedReport, CouncilReport, DecidedReport, VoteReport};

/// A site's state at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Who we are.
    pub site: SiteId,
    /// The mesh, if we belong to one.
    pub mesh: Option<MeshReport>,
    /// The ledger failed: nothing is signed until the agent is restarted with a ledger that can be written.
    pub silent: bool,
    /// The site wants, or lately wanted, more than it can carry.
    pub crowd: bool,
    /// Our own load, in thousandths of what we can carry.
    pub load_permille: u16,
    /// What we offer to carry at present.
    pub offer: Option<Offer>,
    /// The members that we talk to, by key.
    pub partners: Vec<PartnerReport>,
    /// Body bytes that were carried for others today, by member.
    pub carried_today: BTreeMap<SiteId, Bytes>,
    /// Leases that are not settled yet, as owner and as helper.
    pub leases: Vec<LeaseReport>,
    /// Members who are no partners, and of whom partners told what they have to spare.
    pub prospects: usize,
    /// Credit lines with partners, and with whom anything ever happened on one.
    pub lines: Vec<LineReport>,
    /// Rounds of clearing that are not over.
    pub rounds: Vec<RoundReport>,
    /// That all partners are busy when we are.
    pub all_busy: AllBusy,
    /// Peers that are connected without belonging.
    pub strangers: usize,
    /// Rules and votes.
    pub council: CouncilReport,
}

/// The mesh as this site sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshReport {
    /// Its digest.
    pub id: MeshId,
    /// Its name for people.
    pub name: String,
    /// Members of now, ourselves included.
    pub members: usize,
    /// Digest of their keys: equal at two sites that count the same members.
    pub member_set: Digest,
    /// Invites of ours that can still be redeemed.
    pub open_invites: usize,
    /// We are on our way out.
    pub leaving: bool,
}

/// A partner as this site sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerReport {
    /// Who.
    pub site: SiteId,
    /// Its canonical scheme and authority.
    pub canonical: String,
    /// How it came to be one.
    pub place: Place,
    /// A connection is up.
    pub connected: bool,
    /// Something may be signed on our line: it has shown how far it knows that, and neither end forked it.
    pub signs: bool,
    /// Since anything was last heard of it; `None`: never.
    pub heard_ago: Option<Duration>,
    /// Its host name publishes its key.
    pub proved: bool,
    /// The host name under which it would serve our visitors publishes its key.
    pub guest_proved: bool,
    /// Its clock and ours are too far apart.
    pub clocks_apart: bool,
    /// Its calendar minus ours, in milliseconds, as its last advert suggests.
    pub clock_offset_ms: i64,
    /// Its own load, in thousandths.
    pub load_permille: u16,
    /// What it offers.
    pub offer: Option<Offer>,
    /// Its messages that were dropped because there were too many.
    pub dropped: u64,
    /// Its messages that were passed over because only a newer version knows what they mean.
    pub passed_over: u64,
}

/// One lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseReport {
    /// Its name.
    pub lease: LeaseId,
    /// The other end.
    pub partner: SiteId,
    /// We are its owner, not its helper.
    pub as_owner: bool,
    /// Where it stands.
    pub phase: Phase,
    /// The promise; zero after a restart.
    pub requests: RequestRate,
    /// The promise; zero after a restart.
    pub bytes: ByteRate,
    /// Requests handed out, or served.
    pub used_requests: u32,
    /// Bytes handed out, or served.
    pub used_bytes: Bytes,
    /// What receipts moved for it.
    pub settled: Credit,
    /// When it was taken.
    pub made: Date,
}

/// One round of clearing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundReport {
    /// Its name.
    pub round: Digest,
    /// The members of the circle, the initiator first.
    pub members: Vec<SiteId>,
    /// How much of each debt.
    pub amount: Credit,
    /// Its ruling is known: whether it moves.
    pub ruling: Option<bool>,
}

impl Site {
    /// What this site would tell a person.
    #[must_use]
    pub fn report(&self, now: Now) -> Report {
        let mesh = self.membership.roster().map(|roster| MeshReport {
            id: roster.mesh(),
            name: roster.founding().body.name.clone(),
            members: roster.members().count(),
            member_set: Digest::of_parts("overspill members v1", &roster.members().map(|member| &member.site.0[..]).collect::<Vec<_>>()),
            open_invites: self.membership.open_invites(now.date),
            leaving: self.membership.leaving().is_some(),
        });
        Report {
            site: self.desk.id,
            mesh,
            silent: self.desk.is_silent(),
            crowd: self.owner.crowd.is_on(),
            load_permille: self.owner.crowd.load_permille(),
            offer: self.helper.offer(now.date),
            partners: self.partner_reports(now),
            prospects: self.partners.choice.prospects.count(),
            carried_today: self.helper.carried_today(now.date),
            leases: self.lease_reports(),
            lines: self.line_reports(now),
            rounds: self.settle.rounds.reports(),
            all_busy: self.together.all_busy(self.partners.iter().map(|(site, _)| site), now.date),
            strangers: self.strangers.peers().len(),
            council: self.council_report(),
        }
    }

    fn partner_reports(&self, now: Now) -> Vec<PartnerReport> {
        let report = |(site, partner): (&SiteId, &crate::partners::Partner)| PartnerReport {
            site: *site,
            canonical: self.membership.contact(site).map_or_else(String::new, |(canonical, _)| canonical.into()),
            place: self.partners.place(site),
            connected: partner.connected,
            signs: self.settle.lines.may_sign(site),
            heard_ago: partner.heard.as_ref().map(|_| now.time.since(partner.last_heard)),
            proved: partner.proof.is_good(),
            guest_proved: partner.proved_base().is_some(),
            clocks_apart: partner.is_skewed(),
            clock_offset_ms: partner.clock_offset_ms(),
            load_permille: partner.heard.as_ref().map_or(0, |heard| heard.advert.load_permille),
            offer: partner.heard.as_ref().and_then(|heard| heard.advert.offer),
            dropped: partner.manners.dropped,
            passed_over: partner.manners.passed_over,
        };
        self.partners.iter().map(report).collect()
    }

    fn lease_reports(&self) -> Vec<LeaseReport> {
        let owned = self.owner.leases.iter().map(|(lease, owned)| LeaseReport {
            lease: *lease,
            partner: owned.terms.helper(),
            as_owner: true,
            phase: owned.terms.phase,
            requests: owned.live.as_ref().map_or(RequestRate(0), |live| live.requests),
            bytes: owned.live.as_ref().map_or(ByteRate(0), |live| live.bytes),
            used_requests: owned.live.as_ref().map_or(0, |live| live.serial),
            used_bytes: owned.live.as_ref().map_or(Bytes::ZERO, |live| live.issued),
            settled: owned.terms.settled,
            made: owned.terms.allotment.body.made,
        });
        let hosted = self.helper.leases.iter().map(|(lease, guest)| LeaseReport {
            lease: *lease,
            partner: guest.terms.owner(),
            as_owner: false,
            phase: guest.terms.phase,
            requests: guest.live.as_ref().map_or(RequestRate(0), |live| live.requests),
            bytes: guest.live.as_ref().map_or(ByteRate(0), |live| live.bytes),
            used_requests: guest.seen.requests,
            used_bytes: guest.seen.bytes,
            settled: guest.terms.settled,
            made: guest.terms.allotment.body.made,
        });
        owned.chain(hosted).collect()
    }
}
