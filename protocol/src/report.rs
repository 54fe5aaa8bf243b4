//! What a site says of itself when a person asks: plain values, no decisions.

use alloc::{string::String, vec::Vec};
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

mod votes;

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
    /// Leases that are not settled yet, as owner and as helper.
    pub leases: Vec<LeaseReport>,
    /// Credit lines on which anything ever moved.
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
    /// A connection is up.
    pub connected: bool,
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

/// One credit line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineReport {
    /// The other end.
    pub partner: SiteId,
    /// Positive: the partner owes us.
    pub balance: Credit,
    /// How far the partner may owe us.
    pub limit_given: Credit,
    /// How far we may owe the partner.
    pub limit_taken: Credit,
    /// How much of the limits open locks keep free, both ways together.
    pub locked: Credit,
    /// Place of the last state that both signed.
    pub seq: u64,
    /// How much of the limit that it has from us is granted for new service, after what we saw of it.
    pub granted: Credit,
    /// Breaches that we saw and still count.
    pub breaches: usize,
    /// Either end disputes it: it carries no new lease.
    pub disputed: bool,
    /// That the partner is busy when we are, as measured, in millionths.
    pub beside: u64,
    /// A proposal of ours waits for its answer.
    pub pending: bool,
    /// Nothing is signed on it: the other end forked it, or was not heard since this process began.
    pub frozen: bool,
    /// The other end has left the mesh, or was removed: what waits for its answer waits for ever.
    pub left: bool,
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
            connected: partner.connected,
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

    fn line_reports(&self, now: Now) -> Vec<LineReport> {
        let charter = self.membership.charter();
        let regard = |partner: &SiteId| self.settle.lines.regard(partner).zip(charter);
        let lines = self.settle.lines.iter().map(|(partner, account)| LineReport {
            partner: *partner,
            balance: account.line.balance(),
            limit_given: account.line.limit_given(),
            limit_taken: account.line.limit_taken(),
            locked: account.line.locked(),
            seq: account.line.state().seq,
            granted: regard(partner)
                .map_or(account.line.limit_given(), |(regard, charter)| regard.granted(account.line.limit_given(), charter, now.date)),
            breaches: regard(partner).map_or(0, |(regard, charter)| regard.breaches(charter, now.date)),
            disputed: self.settle.lines.is_disputed(&self.membership, partner, now.date),
            beside: self.together.beside(partner, now.date),
            pending: account.line.pending().is_some(),
            frozen: !self.settle.lines.may_sign(partner),
            left: self.membership.has_left(partner),
        });
        lines.collect()
    }
}
