//! The audit of a ledger: whether what it remembers is what an honest agent would have signed.
//!
//! [`crate::chain`] says that a log's bytes are as they were written. The audit says that they make sense: every signature holds, every
//! state follows from the one before, every receipt moves just the price of its claim, no word was made up, and nothing was signed twice
//! at one place. It needs the ledger alone, so that anybody to whom a member shows its ledger comes to the same result.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{fmt, ops::RangeInclusive};

use crate::{
    allotment::Allotment,
    chain::Record,
    charter::Charter,
    claim::Claim,
    clearing::Ruled,
    digest::Digest,
    entry::Entry,
    evidence::Verdict,
    invite::MeshId,
    line::{Ends, Head, LineKey, LineState, Proposal, Receipt, Step},
    payword::LeaseId,
    roster::Notice,
    site::{Signed, SiteId, Statement},
    units::{Bytes, Credit},
};

mod lines;
mod polls;

use lines::Books;
use polls::Polls;

/// What is wrong with an entry: the first rule that it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It speaks of a mesh that the ledger has not named before.
    NoMesh,
    /// A statement is not signed by whom it names, or breaks a bound.
    BadStatement,
    /// It is about others only: this site would not have written it.
    NotOurs,
    /// A lease was allotted before, on other terms.
    AllottedTwice,
    /// No allotment for this lease stands before it.
    UnknownLease,
    /// A checkpoint's word does not lead back to the one before, or it counts less than that.
    Unproven,
    /// This site signed two states at one place of a line.
    SignedTwice,
    /// A state does not follow from the one before by the charter's arithmetic, or exceeds a limit.
    NotNext,
    /// A receipt is not signed by both ends.
    BadReceipt,
    /// A receipt moves something else than its claim is worth.
    Mispriced,
    /// This site signed two ballots in one place, or went back.
    VotedTwice,
    /// Too few of those who had a seat signed a decision.
    Uncertified,
    /// This site ruled twice on one round.
    RuledTwice,
    /// It is signed with a key that its member has given up for another.
    FormerKey,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMesh => "speaks of a mesh that the ledger has not named before",
            Self::BadStatement => "a statement is not signed by whom it names, or breaks a bound",
            Self::NotOurs => "is about others only",
            Self::AllottedTwice => "the lease was allotted before, on other terms",
            Self::UnknownLease => "no allotment for this lease stands before it",
            Self::Unproven => "the word does not lead back to the one before, or less is counted than before",
            Self::SignedTwice => "this site signed two states at one place of a line",
            Self::NotNext => "the state does not follow from the one before",
            Self::BadReceipt => "the receipt is not signed by both ends",
            Self::Mispriced => "the receipt moves something else than its claim is worth",
            Self::VotedTwice => "this site signed two ballots in one place of a vote, or went back",
            Self::Uncertified => "too few of those who had a seat signed the decision",
            Self::RuledTwice => "this site ruled twice on one round of clearing",
            Self::FormerKey => "is signed with a key that its member has given up for another",
        })
    }
}

impl core::error::Error for Finding {}

/// A line as a ledger leaves it, seen from the ledger's site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Which line.
    pub key: LineKey,
    /// The other end.
    pub partner: SiteId,
    /// The last state that both ends signed.
    pub state: LineState,
    /// Positive: the partner owes this site.
    pub balance: Credit,
    /// Receipts so far.
    pub receipts: u64,
    /// Earned by service, in all.
    pub earned: Credit,
    /// Spent on service, in all.
    pub spent: Credit,
    /// A state that this site signed and the partner has not answered.
    pub waits: bool,
}

/// A lease as a ledger leaves it.
#[derive(Debug, Clone)]
struct Lease {
    allotment: Allotment,
    taken: Option<Claim>,
    settled: Credit,
}

/// Takes a ledger's records in order.
#[derive(Debug)]
pub struct Audit {
    /// The key under which the ledger begins, and the one of now.
    first: SiteId,
    site: SiteId,
    mesh: Option<MeshId>,
    meshes: BTreeMap<MeshId, Polls>,
    /// By name and owner: each owner draws the names of its own.
    leases: BTreeMap<(LeaseId, SiteId), Lease>,
    books: Books,
    /// In which epoch the lines are that began anew.
    epochs: BTreeMap<SiteId, u32>,
    /// What this site ruled on its own rounds.
    ruled: BTreeMap<Digest, bool>,
}

impl Audit {
    /// The audit of `site`'s ledger, before its first record.
    pub fn new(site: SiteId) -> Self {
        let (meshes, leases, epochs, ruled) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { first: site, site, mesh: None, meshes, leases, books: Books::default(), epochs, ruled }
    }

    /// The lines as they stand after the records taken so far, by key.
    pub fn accounts(&self) -> impl Iterator<Item = Account> {
        self.books.accounts(self.site)
    }

    /// Takes the next record. After a finding the audit may go on; what rests on the bad record is found wanting too.
    ///
    /// # Errors
    /// The first rule that the record breaks.
    pub fn take(&mut self, record: &Record) -> Result<(), Finding> {
        match &record.entry {
            Entry::Founded(founding) => {
                require(founding.is_good(), Finding::BadStatement)?;
                let mesh = founding.body.mesh();
                self.mesh = Some(mesh);
                self.meshes.insert(mesh, Polls::new(self.site, founding).ok_or(Finding::BadStatement)?);
                Ok(())
            }
            Entry::Invited(invite) => {
                self.require_mesh(invite.body.mesh)?;
                require(invite.is_good(), Finding::BadStatement)?;
                require(invite.body.sponsor == self.site, Finding::NotOurs)
            }
            Entry::Admitted(admission) => self.take_notice(Notice::Admitted(admission.clone()), admission.body.mesh),
            Entry::Departed(departure) => self.take_notice(Notice::Departed(departure.clone()), departure.body.mesh),
            Entry::Allotted(allotment) => self.take_allotment(allotment),
            Entry::Taken(claim) => self.take_checkpoint(claim),
            Entry::Proposed { with, proposal } => self.take_proposal(*with, proposal),
            Entry::Agreed { with, receipt } => self.take_receipt(*with, receipt),
            Entry::LeaseEnded { lease } => require(self.leases.range(named(*lease)).next().is_some(), Finding::UnknownLease),
            Entry::Moved { motion, .. } => self.polls(motion.body.mesh)?.take_motion(motion),
            Entry::Seconded(second) => self.polls(second.body.mesh)?.take_second(second),
            Entry::Objected(objection) => self.polls(objection.body.mesh)?.take_objection(objection),
            Entry::Cast(ballot) => self.polls(ballot.body.mesh)?.take_ballot(ballot),
            Entry::Decided(decision) => self.polls(decision.motion.body.mesh)?.take_decision(decision),
            Entry::Ruled(ruled) => self.take_ruled(ruled),
            Entry::Noted { with, .. } => require(*with != self.site, Finding::NotOurs),
            Entry::Convicted { bundle, .. } => {
                self.require_mesh(bundle.charge().mesh)?;
                require(matches!(bundle.judge(), Verdict::Convicted(_)), Finding::BadStatement)
            }
            Entry::Recovered { .. } => Ok(()),
            Entry::Renewed { with, head } => self.take_renewal(*with, head),
            Entry::Rotated { rotation, .. } => self.take_notice(Notice::Rotated(rotation.clone()), rotation.body.mesh),
        }
    }

    fn take_ruled(&mut self, ruled: &Ruled) -> Result<(), Finding> {
        let round = &ruled.round.body;
        self.require_mesh(round.mesh)?;
        require(ruled.is_good(), Finding::BadStatement)?;
        require(round.place(&self.site).is_some(), Finding::NotOurs)?;
        if round.initiator() != Some(self.site) {
            return Ok(());
        }
        let before = self.ruled.entry(round.digest()).or_insert(ruled.ruling.body.moves);
        require(*before == ruled.ruling.body.moves, Finding::RuledTwice)
    }

    fn take_renewal(&mut self, with: SiteId, head: &Head) -> Result<(), Finding> {
        let (key, charter) = self.line(with, None, None)?;
        let ends = self.ends(with)?;
        head.check(&ends).map_err(|_| Finding::BadStatement)?;
        self.books.renew(key, head, &ends, &charter)?;
        self.epochs.insert(with, head.epoch());
        Ok(())
    }

    fn polls(&mut self, mesh: MeshId) -> Result<&mut Polls, Finding> {
        self.meshes.get_mut(&mesh).ok_or(Finding::NoMesh)
    }

    fn require_mesh(&self, mesh: MeshId) -> Result<&Polls, Finding> {
        self.meshes.get(&mesh).ok_or(Finding::NoMesh)
    }

    fn take_notice(&mut self, notice: Notice, mesh: MeshId) -> Result<(), Finding> {
        self.polls(mesh)?.take_notice(notice)?;
        self.follow(mesh)
    }

    /// Members that go on under new keys, and this site among them, take their lines along.
    fn follow(&mut self, mesh: MeshId) -> Result<(), Finding> {
        let heirs = self.require_mesh(mesh)?.heirs();
        if heirs.is_empty() {
            return Ok(());
        }
        let us = heirs.get(&self.first).copied().unwrap_or(self.first);
        let old: Vec<LineKey> = self.books.keys().filter(|key| key.mesh == mesh).copied().collect();
        for key in old {
            let Some(partner) = key.partner_of(self.site) else { continue };
            let with = heirs.get(&partner).copied().unwrap_or(partner);
            if us == self.site && with == partner {
                continue;
            }
            let polls = self.require_mesh(mesh)?;
            if let Some(ends) = Ends::between(mesh, polls.keys_of(&us), polls.keys_of(&with)) {
                let turned = (key.low == self.site) != (ends.key(0).low == us);
                let epoch = self.books.hand_over(&key, &ends, turned);
                self.epochs.insert(with, epoch);
            }
        }
        self.site = us;
        self.polls(mesh)?.site = us;
        Ok(())
    }

    fn ends(&self, with: SiteId) -> Result<Ends, Finding> {
        let mesh = self.mesh.ok_or(Finding::NoMesh)?;
        let polls = self.require_mesh(mesh)?;
        Ends::between(mesh, polls.keys_of(&self.site), polls.keys_of(&with)).ok_or(Finding::NotOurs)
    }

    fn take_allotment(&mut self, allotment: &Signed<Allotment>) -> Result<(), Finding> {
        let terms = &allotment.body;
        let charter = self.require_mesh(terms.mesh)?.charter(terms.charter)?;
        require(allotment.is_good(charter), Finding::BadStatement)?;
        require(terms.owner == self.site || terms.helper == self.site, Finding::NotOurs)?;
        let lease = Lease { allotment: terms.clone(), taken: None, settled: Credit::ZERO };
        let known = self.leases.entry((terms.lease, terms.owner)).or_insert(lease);
        require(known.allotment == *terms, Finding::AllottedTwice)
    }

    fn take_checkpoint(&mut self, claim: &Claim) -> Result<(), Finding> {
        let ours = self.site;
        let mut hosted = self.leases.range_mut(named(claim.lease)).map(|(_, lease)| lease).filter(|lease| lease.allotment.helper == ours);
        let follows = |lease: &Lease| {
            let (word, serial, requests, bytes) = match &lease.taken {
                Some(taken) => (taken.word, taken.serial, taken.requests, taken.bytes),
                None => (lease.allotment.anchor, 0, 0, Bytes::ZERO),
            };
            let counts = claim.requests >= requests && claim.bytes >= bytes && claim.serial <= lease.allotment.requests;
            counts && claim.word.follows(word, serial, claim.lease, claim.serial)
        };
        // Two owners may have drawn the same name; the word tells whose lease it is.
        let mut known = false;
        let lease = hosted.find(|lease| {
            known = true;
            follows(lease)
        });
        let lease = lease.ok_or(if known { Finding::Unproven } else { Finding::UnknownLease })?;
        lease.taken = Some(*claim);
        Ok(())
    }

    fn take_proposal(&mut self, with: SiteId, proposal: &Proposal) -> Result<(), Finding> {
        let (key, charter) = self.line(with, proposal.claim.as_ref(), proposal.step.as_ref())?;
        let is_ours = key.low == self.site && proposal.state.is_signed_by(&self.site, &proposal.low_sig);
        require(is_ours && proposal.state.line == key.id(), Finding::NotOurs)?;
        self.books.propose(key, &proposal.state, proposal.step.as_ref(), &charter)
    }

    fn take_receipt(&mut self, with: SiteId, receipt: &Receipt) -> Result<(), Finding> {
        let (key, charter) = self.line(with, receipt.claim.as_ref(), receipt.step.as_ref())?;
        require(receipt.is_good(&key), Finding::BadReceipt)?;
        let shift = self.books.agree(key, &receipt.state, receipt.step.as_ref(), &charter)?;
        let (Some(claim), true) = (&receipt.claim, shift != Credit::ZERO) else { return Ok(()) };
        let (earner, amount) = if shift > Credit::ZERO { (key.low, shift) } else { (key.high, Credit(shift.0.saturating_neg())) };
        let payer = if earner == key.low { key.high } else { key.low };
        let lease = self.leases.get_mut(&(claim.lease, payer)).filter(|lease| lease.allotment.helper == earner);
        let lease = lease.ok_or(Finding::UnknownLease)?;
        let worth = lease.allotment.price(claim.requests, claim.bytes);
        require(worth.checked_sub(lease.settled) == Some(amount), Finding::Mispriced)?;
        lease.settled = worth;
        Ok(())
    }

    /// The line to a partner in the mesh of the last founding, and the rules under which the lease of `claim` was allotted, or the round
    /// that `step` locks was written.
    fn line(&self, with: SiteId, claim: Option<&Claim>, step: Option<&Step>) -> Result<(LineKey, Charter), Finding> {
        let mesh = self.mesh.ok_or(Finding::NoMesh)?;
        let version = claim.map(|claim| {
            let leases = self.leases.range(named(claim.lease)).map(|(_, lease)| &lease.allotment);
            let mut ours = leases.filter(|Allotment { owner, .. }| *owner == with || *owner == self.site);
            ours.find(|allotment| allotment.owner == with || allotment.helper == with).map(|allotment| allotment.charter)
        });
        let locked = match step {
            Some(Step::Lock(round)) => Some(round.body.charter),
            _ => None,
        };
        require(self.require_mesh(mesh)?.keeps_key(&with), Finding::FormerKey)?;
        let charter = self.require_mesh(mesh)?.charter(version.flatten().or(locked).unwrap_or(1))?;
        let epoch = self.epochs.get(&with).copied().unwrap_or(0);
        Ok((LineKey { epoch, ..LineKey::between(mesh, self.site, with) }, charter.clone()))
    }
}

/// All leases of one name.
fn named(lease: LeaseId) -> RangeInclusive<(LeaseId, SiteId)> {
    (lease, SiteId([0; 32]))..=(lease, SiteId([u8::MAX; 32]))
}

fn require(rule: bool, otherwise: Finding) -> Result<(), Finding> {
    if rule { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
mod rotation_tests;
#[cfg(test)]
mod tests;
