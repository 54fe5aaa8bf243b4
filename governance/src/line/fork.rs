//! Forks: the one crime that a line knows, and its proof.

use bincode::{Decode, Encode};

use super::{LineKey, LineState};
use crate::{
    evidence::{Accused, Because, Proof, require},
    site::{Signature, SiteId, Statement},
};

/// Two states of one line at one `seq`, both signed by the same end. Anybody can check it; nobody can make it but that end.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Fork {
    /// Which line, in the open, so that a stranger can check who its ends are.
    pub key: LineKey,
    /// Who signed both.
    pub by: SiteId,
    /// One state with its signature.
    pub one: (LineState, Signature),
    /// The other.
    pub other: (LineState, Signature),
}

impl Fork {
    /// Tells whether the proof holds.
    #[must_use]
    pub fn convicts(&self) -> bool {
        self.weigh().is_ok()
    }
}

impl Proof for Fork {
    fn accused(&self) -> Accused {
        Accused::new(self.key.mesh, self.by, &("overspill fork v1", self.key, self.one.0.seq))
    }

    fn weigh(&self) -> Result<(), Because> {
        let ((one, one_sig), (other, other_sig)) = (&self.one, &self.other);
        require(one != other, Because::Same)?;
        require(one.line == self.key.id() && other.line == one.line && one.seq == other.seq, Because::Elsewhere)?;
        require(self.key.partner_of(self.by).is_some(), Because::NoPart)?;
        require(one.is_signed_by(&self.by, one_sig) && other.is_signed_by(&self.by, other_sig), Because::NotSigned)
    }
}
