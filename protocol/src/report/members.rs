//! Who belongs to the mesh, and who once did: the tree of sponsors.

use alloc::{string::String, vec::Vec};

use overspill_governance::{
    roster::{Member, Roster},
    site::SiteId,
    standing::Standing,
    time::Date,
    units::Credit,
};

use crate::site::Site;

/// The tree of sponsors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembersReport {
    /// The mesh's name for people.
    pub name: String,
    /// Everybody who was ever admitted, by key.
    pub members: Vec<MemberReport>,
}

/// A member, of now or of once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberReport {
    /// Who.
    pub site: SiteId,
    /// Its canonical scheme and authority, as it was when admitted.
    pub canonical: String,
    /// Who answers for it; `None` for the founder.
    pub sponsor: Option<SiteId>,
    /// Since when it belongs, or belonged.
    pub since: Date,
    /// How it ceased to; `None` for a member of now.
    pub ended: Option<Ended>,
    /// It hangs in the branch in which we do: objections of both count under one cap.
    pub our_branch: bool,
    /// Where it stands by evidence.
    pub standing: Standing,
    /// When that ends or gets better.
    pub until: Option<Date>,
    /// What it left unpaid with us, and nobody has made up for.
    pub unpaid: Credit,
    /// What it answers to us for: left unpaid by those who came in by it and are gone.
    pub answers: Credit,
}

/// How a site ceased to be a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub date: Date,
    /// Whose removal by a vote it went with, perhaps its own; `None`: it left.
    pub removed_with: Option<SiteId>,
}

impl Site {
    /// Who belongs and who once did; `None` without a mesh.
    #[must_use]
    pub fn members(&self) -> Option<MembersReport> {
        let roster = self.membership.roster()?;
        let branch = roster.branch(&self.desk.id);
        let members = roster.everybody().map(|member| self.member_report(roster, &branch, member)).collect();
        Some(MembersReport { name: roster.founding().body.name.clone(), members })
    }

    fn member_report(&self, roster: &Roster, branch: &SiteId, member: &Member) -> MemberReport {
        let (standing, until) = self.membership.standing_until(&member.site);
        let stakes = &self.settle.lines.stakes;
        MemberReport {
            site: member.site,
            canonical: member.canonical.clone(),
            sponsor: member.sponsor,
            since: member.since,
            ended: roster.end(&member.site).map(|date| Ended { date, removed_with: roster.removed_with(&member.site) }),
            our_branch: roster.branch(&member.site) == *branch,
            standing,
            until,
            unpaid: stakes.written_off().find(|(gone, _)| **gone == member.site).map_or(Credit::ZERO, |(_, written)| written.left),
            answers: stakes.answers_for(&member.site),
        }
    }
}
