//! A receipt beyond one's own allotment: the mark of an owner that makes up service, so that a friend's limits grow.

use bincode::{Decode, Encode};

use super::{Accused, Because, Proof, require};
use crate::{
    allotment::Allotment,
    claim::Claim,
    line::{LineKey, LineState},
    site::{Signature, Signed, Statement},
};

/// An owner's allotment, and a state of its line that the owner signed for a claim beyond it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Overpaid {
    /// What the owner allotted.
    pub allotment: Signed<Allotment>,
    /// The line between owner and helper.
    pub key: LineKey,
    /// A state of it, with the owner's signature.
    pub state: (LineState, Signature),
    /// What the state was signed for.
    pub claim: Claim,
}

impl Proof for Overpaid {
    fn accused(&self) -> Accused {
        let Allotment { mesh, owner, lease, .. } = self.allotment.body;
        Accused::new(mesh, owner, &("overspill receipt beyond allotment v1", lease))
    }

    fn weigh(&self) -> Result<(), Because> {
        let (terms, (state, signature)) = (&self.allotment.body, &self.state);
        let between = LineKey { epoch: self.key.epoch, ..LineKey::between(terms.mesh, terms.owner, terms.helper) };
        require(self.key == between && state.line == between.id(), Because::Elsewhere)?;
        require(self.claim.lease == terms.lease && state.cause == self.claim.digest(), Because::Elsewhere)?;
        require(!terms.covers(&self.claim), Because::Consistent)?;
        require(self.allotment.is_by(&terms.owner) && state.is_signed_by(&terms.owner, signature), Because::NotSigned)
    }
}
