//! Forks: the one crime that a line knows, and its proof.

use bincode::{Decode, Encode};

use super::{LineKey, LineState};
use crate::site::{Signature, SiteId, Statement};

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
        let (one, other) = (&self.one.0, &self.other.0);
        let same_place = one.line == self.key.id() && other.line == one.line && one.seq == other.seq;
        let is_end = self.key.partner_of(self.by).is_some();
        let signed_both = one.is_signed_by(&self.by, &self.one.1) && other.is_signed_by(&self.by, &self.other.1);
        same_place && one != other && is_end && signed_both
    }
}
