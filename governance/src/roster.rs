//! The roster: who belongs to a mesh, as a function of a *set* of notices.
//!
//! Notices (admissions, departures and rotations) reach a site in any order, twice, or late. Two sites that hold the same notices have the same
//! roster and the same digest, whatever the order:
//! - an admission counts when its sponsor is, or once was, a member, and was not gone by the admission's date;
//! - members hang in one tree, which grows from the founder by the earliest admissions first; a member came in with the last of the chain;
//! - of two admissions on one invite the one with the lower digest counts, and the pair is kept as evidence;
//! - a departure is final: no notice, old or new, brings a key back;
//! - a rotation is a departure of the old key, and gives its place to the new one if no other rotation of its rank contradicts it, and the
//!   old key has not also left, or a recovery key signed ([`crate::rotation`]).
//!
//! A notice that speaks of a site that nobody has introduced yet waits, in a bounded place that the digest does not cover.

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};
use core::fmt;

use bincode::{Decode, Encode};

use crate::{
    charter::Charter,
    digest::Digest,
    entry::Entry,
    evidence::{Accused, Because, Proof, require},
    invite::{Admission, Departure, Founding, MeshId},
    limits::{ADMISSIONS_WAITING_MAX, MEMBERS_MAX},
    rotation::Rotation,
    site::{Signed, SiteId, Statement},
    time::Date,
};

/// A fact about who belongs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Notice {
    /// A sponsor admitted a site.
    Admitted(Signed<Admission>),
    /// A member left.
    Departed(Signed<Departure>),
    /// A member goes on under a new key.
    Rotated(Box<Rotation>),
}

impl Notice {
    /// The digest of the signed body.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Admitted(admission) => admission.body.digest(),
            Self::Departed(departure) => departure.body.digest(),
            Self::Rotated(rotation) => rotation.body.digest(),
        }
    }

    /// The entry that remembers it, for a site that heard of it on this date.
    pub fn into_entry(self, heard: Date) -> Entry {
        match self {
            Self::Admitted(admission) => Entry::Admitted(admission),
            Self::Departed(departure) => Entry::Departed(departure),
            Self::Rotated(rotation) => Entry::Rotated { rotation, heard },
        }
    }

    /// The site that must be known before the notice counts.
    fn rests_on(&self) -> SiteId {
        match self {
            Self::Admitted(admission) => admission.body.sponsor,
            Self::Departed(departure) => departure.body.member,
            Self::Rotated(rotation) => rotation.body.old,
        }
    }

    pub(crate) fn is_good(&self, mesh: MeshId) -> bool {
        match self {
            Self::Admitted(admission) => admission.body.mesh == mesh && admission.is_good(),
            Self::Departed(departure) => departure.body.mesh == mesh && departure.is_by(&departure.body.member),
            Self::Rotated(rotation) => rotation.body.mesh == mesh && rotation.is_good(),
        }
    }
}

/// What the roster says of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub site: SiteId,
    /// Who answers for it, by its key of now; `None` for the founder.
    pub sponsor: Option<SiteId>,
    /// The key that it had before; `None` for its first.
    pub succeeds: Option<SiteId>,
    /// Its canonical scheme and authority, as it was when admitted.
    pub canonical: String,
    /// Where its agent was reached when admitted.
    pub addresses: Vec<String>,
    /// Since when: the latest date of the admissions from the founder down to it.
    pub since: Date,
    /// The notice that says so; [`Digest::ZERO`] for the founder.
    pub notice: Digest,
}

/// Two admissions of different sites on one invite, both signed by its sponsor: anybody can check it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DoubleAdmission {
    /// One.
    pub one: Signed<Admission>,
    /// The other.
    pub other: Signed<Admission>,
}

impl DoubleAdmission {
    /// Tells whether the proof holds; it convicts the sponsor.
    #[must_use]
    pub fn convicts(&self) -> bool {
        self.weigh().is_ok()
    }
}

impl Proof for DoubleAdmission {
    fn accused(&self) -> Accused {
        let Admission { mesh, sponsor, invite, .. } = self.one.body;
        Accused::new(mesh, sponsor, &("overspill double admission v1", invite))
    }

    fn weigh(&self) -> Result<(), Because> {
        let (one, other) = (&self.one.body, &self.other.body);
        require((one.mesh, one.sponsor, one.invite) == (other.mesh, other.sponsor, other.invite), Because::Elsewhere)?;
        // The same site may have been admitted again, at another date.
        require(one.member != other.member, Because::Consistent)?;
        require(self.one.is_good() && self.other.is_good(), Because::NotSigned)
    }
}

/// What became of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Received {
    /// It counts, and so may others that waited for it: their digests, in an order in which they can be replayed. Persist these.
    Settled(Vec<Digest>),
    /// It waits for the site that it rests on.
    Waiting,
    /// It changes nothing: known before, or the lesser of two on one invite.
    Known,
}

/// Why a notice is not taken. The roster is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RosterError {
    /// It is not signed by whom it names, speaks of another mesh, or breaks a bound.
    NotGood,
    /// As many members as a roster holds.
    Full,
    /// Too many notices wait already; exchange rosters again.
    TooManyWaiting,
}

impl fmt::Display for RosterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGood => f.write_str("not a valid notice of this mesh"),
            Self::Full => write!(f, "the roster holds {MEMBERS_MAX} members already"),
            Self::TooManyWaiting => f.write_str("too many notices wait for their sponsors; exchange rosters again"),
        }
    }
}

impl core::error::Error for RosterError {}

/// Who belongs to a mesh.
#[derive(Debug, Clone)]
pub struct Roster {
    founding: Signed<Founding>,
    mesh: MeshId,
    /// Notices that rest on known sites, and the order in which they came to.
    settled: BTreeMap<Digest, Notice>,
    order: Vec<Digest>,
    /// Notices that rest on unknown sites, by those sites.
    waiting: BTreeMap<SiteId, BTreeMap<Digest, Notice>>,
    /// Every site that an admission counts for, the departed included.
    known: BTreeMap<SiteId, Member>,
    gone: BTreeMap<SiteId, Date>,
    /// The rotations that are kept of a key: the one that counts, or two that contradict each other.
    rotations: BTreeMap<SiteId, Vec<Digest>>,
    /// Whose place has which key now.
    heirs: BTreeMap<SiteId, SiteId>,
    /// Which settled admission used an invite. The sponsor is part of the key, or others could burn its invites.
    used: BTreeMap<(SiteId, Digest), Digest>,
    doubles: BTreeMap<SiteId, DoubleAdmission>,
    /// Members who were removed by a vote, and whom the mesh keeps of those that they brought in.
    removed: BTreeMap<SiteId, (Date, Vec<SiteId>)>,
    /// Who went with them.
    fallen: BTreeMap<SiteId, Date>,
    burials: u64,
}

impl Roster {
    /// The roster of a mesh with its founder only; `None` when the founding is not good.
    pub fn new(founding: Signed<Founding>) -> Option<Self> {
        if !founding.is_good() {
            return None;
        }
        let mesh = founding.body.mesh();
        let mut roster = Self {
            founding,
            mesh,
            settled: BTreeMap::new(),
            order: Vec::new(),
            waiting: BTreeMap::new(),
            known: BTreeMap::new(),
            gone: BTreeMap::new(),
            rotations: BTreeMap::new(),
            heirs: BTreeMap::new(),
            used: BTreeMap::new(),
            doubles: BTreeMap::new(),
            removed: BTreeMap::new(),
            fallen: BTreeMap::new(),
            burials: 0,
        };
        roster.forget();
        Some(roster)
    }

    /// The mesh.
    pub fn mesh(&self) -> MeshId {
        self.mesh
    }

    /// The statement that founded it.
    pub fn founding(&self) -> &Signed<Founding> {
        &self.founding
    }

    /// The rules with which the mesh was founded.
    pub fn charter(&self) -> &Charter {
        &self.founding.body.charter
    }

    /// Tells whether a site is a member now.
    #[must_use]
    pub fn contains(&self, site: &SiteId) -> bool {
        self.member(site).is_some()
    }

    /// A member of now.
    pub fn member(&self, site: &SiteId) -> Option<&Member> {
        self.known.get(site).filter(|_| self.end(site).is_none())
    }

    /// All members of now, by key.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.known.values().filter(|member| self.end(&member.site).is_none())
    }

    /// Every site that was ever admitted, by key, those that are gone included.
    pub fn everybody(&self) -> impl Iterator<Item = &Member> {
        self.known.values()
    }

    /// The members of a date: admitted by then, and not gone by then.
    pub fn members_on(&self, date: Date) -> impl Iterator<Item = SiteId> {
        let there = move |member: &&Member| member.since <= date && self.end(&member.site).is_none_or(|end| end > date);
        self.known.values().filter(there).map(|member| member.site)
    }

    /// Counts what [`Roster::bury`] changed: the digest does not cover it.
    pub fn burials(&self) -> u64 {
        self.burials
    }

    /// Every site that was ever admitted, with its sponsor: a tree whose root is the founder.
    pub fn sponsors(&self) -> impl Iterator<Item = (SiteId, SiteId)> {
        self.known.values().filter_map(|member| Some((member.site, member.sponsor?)))
    }

    /// Who answers for a site, be either of them a member or gone; `None` for the founder and for strangers.
    pub fn sponsor(&self, site: &SiteId) -> Option<SiteId> {
        self.known.get(site)?.sponsor
    }

    /// Tells whether this site founded the mesh, by its key of now.
    #[must_use]
    pub fn is_founder(&self, site: &SiteId) -> bool {
        self.heir(&self.founding.body.founder) == *site
    }

    /// The branch of the mesh to which a site belongs: whom the founder brought in, of those from whom the site's place comes down.
    pub fn branch(&self, site: &SiteId) -> SiteId {
        let (mut at, founder) = (self.heir(site), self.heir(&self.founding.body.founder));
        while let Some(sponsor) = self.known.get(&at).and_then(|member| member.sponsor).filter(|sponsor| *sponsor != founder) {
            at = sponsor;
        }
        at
    }

    /// The key that a member has now, whichever of its keys is asked about.
    pub fn heir(&self, site: &SiteId) -> SiteId {
        let mut at = *site;
        while let Some(heir) = self.heirs.get(&at) {
            at = *heir;
        }
        at
    }

    /// Every key whose place another has now, with that one.
    pub fn heirs(&self) -> impl Iterator<Item = (SiteId, SiteId)> {
        self.heirs.keys().map(|old| (*old, self.heir(old)))
    }

    /// Each key that was given up for another, with that one.
    pub fn successions(&self) -> impl Iterator<Item = (SiteId, SiteId)> {
        self.heirs.iter().map(|(old, new)| (*old, *new))
    }

    /// A member's keys, this one first and then those before it.
    pub fn keys_of(&self, site: &SiteId) -> Vec<SiteId> {
        core::iter::successors(Some(*site), |at| self.known.get(at)?.succeeds).collect()
    }

    /// Tells whether a site was a member and has left, or was removed.
    #[must_use]
    pub fn has_left(&self, site: &SiteId) -> bool {
        self.end(site).is_some()
    }

    /// Tells whether a site was removed by a vote, or fell with its sponsor.
    #[must_use]
    pub fn is_removed(&self, site: &SiteId) -> bool {
        self.removed.contains_key(site) || self.fallen.contains_key(site)
    }

    /// The removal of a member that goes by this key now, whichever of its keys the vote named.
    fn removal_of(&self, heir: &SiteId) -> Option<(&SiteId, &[SiteId])> {
        let of_it = |(member, _): &(&SiteId, &(Date, Vec<SiteId>))| self.heir(member) == *heir;
        self.removed.iter().find(of_it).map(|(member, (_, keeps))| (member, keeps.as_slice()))
    }

    /// The member with whose removal a site is out: itself, or the nearest of those above it that did not keep it.
    pub fn removed_with(&self, site: &SiteId) -> Option<SiteId> {
        if self.removed.contains_key(site) {
            return Some(*site);
        }
        self.fallen.get(site)?;
        let first = self.heir(site);
        if let Some((member, _)) = self.removal_of(&first) {
            return Some(*member);
        }
        let above = |at: &SiteId| self.known.get(at).and_then(|member| member.sponsor);
        core::iter::successors(Some(first), above).find_map(|at| {
            let (member, keeps) = self.removal_of(&above(&at)?)?;
            (!keeps.iter().any(|kept| self.heir(kept) == at)).then_some(*member)
        })
    }

    /// When a site ceased to be a member.
    pub fn end(&self, site: &SiteId) -> Option<Date> {
        let removed = self.removed.get(site).map(|(date, _)| *date);
        [self.left(site), removed, self.fallen.get(site).copied()].into_iter().flatten().min()
    }

    /// Evidence against sponsors who let two sites in on one invite.
    pub fn double_admissions(&self) -> impl Iterator<Item = &DoubleAdmission> {
        self.doubles.values()
    }

    /// Digest of the set of settled notices: equal at two sites that agree.
    pub fn digest(&self) -> Digest {
        let parts: Vec<&[u8]> = core::iter::once(&self.mesh.0).chain(self.settled.keys()).map(|digest| &digest.0[..]).collect();
        Digest::of_parts("overspill roster v1", &parts)
    }

    /// Digests of the settled notices, ascending.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        self.settled.keys().copied()
    }

    /// A settled notice.
    pub fn notice(&self, digest: &Digest) -> Option<&Notice> {
        self.settled.get(digest)
    }

    /// The settled notices that are not among `theirs`, in an order in which each rests on earlier ones.
    pub fn unknown_to(&self, theirs: &[Digest]) -> impl Iterator<Item = &Notice> {
        let theirs: alloc::collections::BTreeSet<&Digest> = theirs.iter().collect();
        self.order.iter().filter(move |digest| !theirs.contains(digest)).filter_map(|digest| self.settled.get(digest))
    }

    /// Those of `theirs` that are not settled here.
    pub fn missing(&self, theirs: &[Digest]) -> Vec<Digest> {
        theirs.iter().filter(|digest| !self.settled.contains_key(digest)).copied().collect()
    }

    /// Takes a notice.
    ///
    /// # Errors
    /// [`RosterError`]; the roster is unchanged.
    pub fn receive(&mut self, notice: Notice) -> Result<Received, RosterError> {
        let (digest, rests_on) = (notice.digest(), notice.rests_on());
        let waits = self.waiting.get(&rests_on).is_some_and(|group| group.contains_key(&digest));
        if waits || self.settled.contains_key(&digest) {
            return Ok(Received::Known);
        }
        let founder = self.founding.body.founder;
        let readmits_founder = match &notice {
            Notice::Admitted(admission) => admission.body.member == founder,
            Notice::Rotated(rotation) => rotation.body.new == founder,
            Notice::Departed(_) => false,
        };
        if readmits_founder || !notice.is_good(self.mesh) {
            return Err(RosterError::NotGood);
        }
        if self.known.contains_key(&rests_on) {
            if !matches!(&notice, Notice::Departed(_)) && self.known.len() >= MEMBERS_MAX {
                return Err(RosterError::Full);
            }
            let settled = self.settle(digest, notice);
            return Ok(if settled.is_empty() { Received::Known } else { Received::Settled(settled) });
        }
        if self.waiting.values().map(BTreeMap::len).sum::<usize>() >= ADMISSIONS_WAITING_MAX {
            return Err(RosterError::TooManyWaiting);
        }
        self.waiting.entry(rests_on).or_default().insert(digest, notice);
        Ok(Received::Waiting)
    }
}

mod rotate;
mod settle;

#[cfg(test)]
mod tests;
