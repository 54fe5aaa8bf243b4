//! Ballots: what agents sign of a vote, at most once for each epoch and stage, and what convicts one that signed twice.
//!
//! Two stages, as in every protocol of this kind since PBFT (Castro and Liskov 1999): more than two thirds who *prepare* one outcome show
//! that no other can be prepared in that epoch; who sees them *commits* to it, and is bound by that in later epochs until more than two
//! thirds prepare something else in one of those. More than two thirds who commit in one epoch are the decision.

use bincode::{Decode, Encode};

use crate::{
    digest::Digest,
    evidence::{Accused, Because, Proof, require},
    invite::MeshId,
    limits::EPOCHS_MAX,
    site::{Signed, SiteId, Statement},
};

/// How a vote comes out, by the objections that were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Outcome {
    /// Digest of the set of members who object.
    pub objections: Digest,
    /// Whether they are too few to stop the motion.
    pub adopts: bool,
}

/// The two signatures of an epoch, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Stage {
    /// "This is the set of objections that I have seen", or one that more than two thirds prepared before.
    Prepare,
    /// "More than two thirds prepared this."
    Commit,
}

/// One agent's signature under one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Ballot {
    /// In which mesh.
    pub mesh: MeshId,
    /// Digest of the motion.
    pub motion: Digest,
    /// Whose agent.
    pub voter: SiteId,
    /// Counts the tries, from 0.
    pub epoch: u32,
    /// Which of the two.
    pub stage: Stage,
    /// An earlier epoch in which more than two thirds prepared this same outcome. Without it a ballot counts for what its voter saw;
    /// a voter that committed to another outcome since then has contradicted itself.
    pub basis: Option<u32>,
    /// What is signed.
    pub outcome: Outcome,
}

impl Statement for Ballot {
    const DOMAIN: &'static str = "overspill ballot v1";
}

impl Ballot {
    /// Its place among the ballots of its voter: an honest agent goes only forward.
    pub fn place(&self) -> (u32, Stage) {
        (self.epoch, self.stage)
    }

    /// Tells whether its parts fit each other.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let basis = match (self.stage, self.basis) {
            (Stage::Prepare, basis) => basis.is_none_or(|basis| basis < self.epoch),
            (Stage::Commit, basis) => basis.is_none(),
        };
        basis && self.epoch < EPOCHS_MAX
    }
}

/// Two ballots of one voter that an honest agent never signs both: anybody can check it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Equivocation {
    /// One.
    pub one: Signed<Ballot>,
    /// The other.
    pub other: Signed<Ballot>,
}

impl Equivocation {
    /// Tells whether the proof holds; it convicts the voter. Either it signed two ballots in one place, or it committed to one outcome and
    /// later prepared another without anything that would have released it.
    #[must_use]
    pub fn convicts(&self) -> bool {
        self.weigh().is_ok()
    }
}

impl Proof for Equivocation {
    fn accused(&self) -> Accused {
        let Ballot { mesh, motion, voter, .. } = self.one.body;
        Accused::new(mesh, voter, &("overspill equivocation v1", motion))
    }

    fn weigh(&self) -> Result<(), Because> {
        let (one, other) = (&self.one.body, &self.other.body);
        require(one != other, Because::Same)?;
        require((one.mesh, one.motion, one.voter) == (other.mesh, other.motion, other.voter), Because::Elsewhere)?;
        let breaks = one.outcome != other.outcome && (breaks(one, other) || breaks(other, one));
        require(one.place() == other.place() || breaks, Because::Consistent)?;
        require(self.one.is_by(&one.voter) && self.other.is_by(&other.voter), Because::NotSigned)
    }
}

/// Whether `later` was prepared against the lock that `commit` is.
fn breaks(commit: &Ballot, later: &Ballot) -> bool {
    let released = later.basis.is_some_and(|basis| basis > commit.epoch);
    commit.stage == Stage::Commit && later.stage == Stage::Prepare && later.epoch > commit.epoch && !released
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Key;

    const MESH: MeshId = MeshId(Digest::ZERO);

    fn outcome(adopts: bool) -> Outcome {
        Outcome { objections: Digest::ZERO, adopts }
    }

    fn ballot(epoch: u32, stage: Stage, basis: Option<u32>, adopts: bool) -> Signed<Ballot> {
        let key = Key::from_seed([1; 32]);
        let body = Ballot { mesh: MESH, motion: Digest::ZERO, voter: key.site(), epoch, stage, basis, outcome: outcome(adopts) };
        Signed::new(body, &key)
    }

    fn convicts(one: Signed<Ballot>, other: Signed<Ballot>) -> bool {
        let (proof, turned) = (Equivocation { one: one.clone(), other: other.clone() }, Equivocation { one: other, other: one });
        assert_eq!(proof.convicts(), turned.convicts());
        proof.convicts()
    }

    #[test]
    fn two_outcomes_in_one_place_convict() {
        for stage in [Stage::Prepare, Stage::Commit] {
            assert!(convicts(ballot(3, stage, None, true), ballot(3, stage, None, false)));
            assert!(!convicts(ballot(3, stage, None, true), ballot(3, stage, None, true)));
        }
        assert!(convicts(ballot(3, Stage::Prepare, None, true), ballot(3, Stage::Prepare, Some(1), true)), "once is once");
        assert!(
            !convicts(ballot(3, Stage::Prepare, None, true), ballot(4, Stage::Prepare, None, false)),
            "minds are changed between epochs"
        );
        assert!(
            !convicts(ballot(3, Stage::Prepare, None, false), ballot(3, Stage::Commit, None, true)),
            "who sees the others follows them"
        );
    }

    #[test]
    fn who_breaks_its_commitment_without_being_released_is_convicted() {
        let commit = || ballot(3, Stage::Commit, None, true);
        assert!(convicts(commit(), ballot(4, Stage::Prepare, None, false)));
        assert!(convicts(commit(), ballot(6, Stage::Prepare, Some(3), false)));
        assert!(convicts(commit(), ballot(6, Stage::Prepare, Some(1), false)));
        assert!(!convicts(commit(), ballot(6, Stage::Prepare, Some(4), false)), "a later majority released it");
        assert!(!convicts(commit(), ballot(6, Stage::Prepare, Some(3), true)), "it keeps to what it committed to");
        assert!(!convicts(commit(), ballot(2, Stage::Prepare, None, false)), "it had not committed yet");
        assert!(!convicts(commit(), ballot(6, Stage::Commit, None, false)), "the preparing between them says whether that was right");
    }

    #[test]
    fn nobody_is_framed() {
        let (mut other, key) = (ballot(3, Stage::Prepare, None, false), Key::from_seed([2; 32]));
        other.signature = other.body.sign(&key);
        assert!(!convicts(ballot(3, Stage::Prepare, None, true), other));
        let mut elsewhere = ballot(3, Stage::Prepare, None, false).body;
        elsewhere.motion = Digest([1; 32]);
        assert!(!convicts(ballot(3, Stage::Prepare, None, true), Signed::new(elsewhere, &Key::from_seed([1; 32]))));
    }

    #[test]
    fn a_basis_is_an_earlier_epoch_and_stands_under_what_is_prepared() {
        let good = |epoch, stage, basis| ballot(epoch, stage, basis, true).body.is_well_formed();
        assert!(good(0, Stage::Prepare, None) && good(2, Stage::Prepare, Some(1)) && good(2, Stage::Commit, None));
        assert!(!good(2, Stage::Prepare, Some(2)) && !good(2, Stage::Commit, Some(1)) && !good(EPOCHS_MAX, Stage::Prepare, None));
    }
}
