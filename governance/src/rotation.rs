//! Rotation: a member goes on under a new key, as the same member.
//!
//! The holder of the old key signs, or the holder of a recovery key to which the old key committed; and the new key, which nobody can take
//! on who does not want to. Nothing that one key signs can be told from what a thief of it signs, and dates are their signer's word. So what
//! counts never depends on who came first ([`crate::roster`]):
//! - what a recovery key signs counts against whatever the old key alone signs, a departure and another rotation included;
//! - of two rotations of one rank to different keys neither counts, and the member is gone: a thief may end it, and gets nothing.
//!
//! A rotation names who stays of those that the old key brought in. Admissions by it of anybody else count no more, whatever their date.

use alloc::{boxed::Box, vec::Vec};

use bincode::{Decode, Encode};

use crate::{
    invite::MeshId,
    limits::KEEPS_MAX,
    site::{Key, Signature, Signed, SiteId, Statement},
    time::Date,
};

/// A member's word that whoever holds this recovery key may rotate its key. It stays with the recovery key, unseen until it is used.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Commitment {
    /// In which mesh.
    pub mesh: MeshId,
    /// Whose key may be rotated.
    pub member: SiteId,
    /// By whom.
    pub recovery: SiteId,
    /// When.
    pub date: Date,
}

impl Statement for Commitment {
    const DOMAIN: &'static str = "overspill commitment v1";
}

/// What a rotation says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Succession {
    /// In which mesh.
    pub mesh: MeshId,
    /// The key that is a tombstone from here on.
    pub old: SiteId,
    /// The key under which the member goes on.
    pub new: SiteId,
    /// The recovery key that signs it; `None` when the old key does.
    pub recovery: Option<SiteId>,
    /// Who stays of those that the old key admitted, ascending; at most [`KEEPS_MAX`].
    pub keeps: Vec<SiteId>,
    /// When.
    pub date: Date,
}

impl Statement for Succession {
    const DOMAIN: &'static str = "overspill succession v1";
}

/// A rotation with its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Rotation {
    /// What is said.
    pub body: Succession,
    /// The old key's, or the recovery key's.
    pub by: Signature,
    /// The new key's: it takes this on.
    pub by_new: Signature,
    /// Why the recovery key may.
    pub commitment: Option<Box<Signed<Commitment>>>,
}

impl Rotation {
    /// A rotation that the old key signs.
    pub fn by_key(body: Succession, old: &Key, new: &Key) -> Self {
        let body = Succession { old: old.site(), new: new.site(), recovery: None, ..body };
        Self { by: body.sign(old), by_new: body.sign(new), body, commitment: None }
    }

    /// A rotation that a recovery key signs, for the member that committed to it.
    pub fn by_recovery(body: Succession, recovery: &Key, commitment: Signed<Commitment>, new: &Key) -> Self {
        let body = Succession { old: commitment.body.member, new: new.site(), recovery: Some(recovery.site()), ..body };
        Self { by: body.sign(recovery), by_new: body.sign(new), body, commitment: Some(Box::new(commitment)) }
    }

    /// Tells whether it keeps every bound and is signed by the new key and by one that may. Whether it counts is the roster's to say.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let Succession { mesh, old, new, recovery, keeps, .. } = &self.body;
        let bounded = keeps.len() <= KEEPS_MAX && keeps.is_sorted_by(|a, b| a < b) && keeps.binary_search(new).is_err();
        let signer = match (recovery, &self.commitment) {
            (None, None) => Some(old),
            (Some(recovery), Some(signed)) => {
                let Commitment { mesh: of, member, recovery: named, .. } = &signed.body;
                let fits = (of, member, named) == (mesh, old, recovery) && recovery != old && recovery != new;
                Some(recovery).filter(|_| fits && signed.is_by(old))
            }
            _ => None,
        };
        let signed = |signer: &SiteId| self.body.is_signed_by(signer, &self.by) && self.body.is_signed_by(new, &self.by_new);
        bounded && old != new && signer.is_some_and(signed)
    }
}
