//! Editions: what an owner signs of a manifest, so short that two of them fit a proof, and what a helper signs of a response.
//!
//! A manifest may list hundreds of objects. Its signature covers the root of a hash tree over them (Merkle 1987), so that one object can be shown to
//! be listed with a handful of digests. Paths stand in it by digest: evidence names no visitor's address.

use alloc::vec::Vec;

use bincode::{Decode, Encode};

use crate::{
    digest::{Digest, ObjectDigest},
    evidence::{Accused, Because, Proof, Single, require},
    invite::MeshId,
    limits::TREE_DEPTH_MAX,
    site::{Signed, SiteId, Statement},
    time::Date,
};

/// What an owner signs of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Edition {
    /// In which mesh.
    pub mesh: MeshId,
    /// Whose content it is.
    pub owner: SiteId,
    /// Drawn by each process of the owner's: where a calendar was set back, generations may come again.
    pub run: u64,
    /// Grows by at least one with every change.
    pub generation: u64,
    /// When it was signed.
    pub date: Date,
    /// Root of the tree over its objects.
    pub root: Digest,
}

impl Statement for Edition {
    const DOMAIN: &'static str = "overspill manifest v1";
}

impl Single for Edition {
    type Place = (u64, u64);

    fn place(&self) -> (MeshId, SiteId, Self::Place) {
        (self.mesh, self.owner, (self.run, self.generation))
    }
}

/// One object as the tree has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Leaf {
    /// Digest of its path.
    pub path: Digest,
    /// Its bytes.
    pub body: ObjectDigest,
    /// Digest of all that the manifest says of it.
    pub object: Digest,
}

/// A digest beside the way from a leaf to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Sibling {
    /// It stands on the left.
    pub left: bool,
    /// What stands there.
    pub digest: Digest,
}

/// The name of a path in leaves and responses.
pub fn path_digest(path: &str) -> Digest {
    Digest::of("overspill path v1", path.as_bytes())
}

impl Leaf {
    fn digest(&self) -> Digest {
        Digest::of_parts("overspill manifest leaf v1", &[&self.path.0, &self.body.0, &self.object.0])
    }

    /// The root to which a leaf leads, with what stands beside its way.
    pub fn root(&self, beside: &[Sibling]) -> Digest {
        beside.iter().fold(self.digest(), |at, Sibling { left, digest }| if *left { join(digest, &at) } else { join(&at, digest) })
    }
}

fn join(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts("overspill manifest node v1", &[&left.0, &right.0])
}

/// The root over leaves in their order; the lone last of a level goes up as it is.
pub fn root(leaves: &[Leaf]) -> Digest {
    let mut level: Vec<Digest> = leaves.iter().map(Leaf::digest).collect();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| pair.get(1).map_or(pair[0], |right| join(&pair[0], right))).collect();
    }
    level.first().copied().unwrap_or(Digest::ZERO)
}

/// What stands beside the way from the leaf at `at` to the root, from below.
pub fn beside(leaves: &[Leaf], mut at: usize) -> Vec<Sibling> {
    let mut level: Vec<Digest> = leaves.iter().map(Leaf::digest).collect();
    let mut way = Vec::new();
    while level.len() > 1 {
        if let Some(digest) = level.get(at ^ 1) {
            way.push(Sibling { left: at % 2 == 1, digest: *digest });
        }
        level = level.chunks(2).map(|pair| pair.get(1).map_or(pair[0], |right| join(&pair[0], right))).collect();
        at /= 2;
    }
    way
}

/// What a helper signs of a response to a visitor: which bytes it serves under which path of which manifest.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Served {
    /// In which mesh.
    pub mesh: MeshId,
    /// Whose content it is.
    pub owner: SiteId,
    /// Who serves.
    pub helper: SiteId,
    /// Root of the manifest's tree.
    pub root: Digest,
    /// Digest of the path.
    pub path: Digest,
    /// The bytes that are served.
    pub body: ObjectDigest,
    /// When, to the minute: one signature does for all responses of a minute.
    pub minute: Date,
}

impl Statement for Served {
    const DOMAIN: &'static str = "overspill served v1";
}

/// A response against the manifest that it names: the helper signed that it serves other bytes under a path than are listed there.
///
/// The owner's signature is not needed: the response names the tree's root, and nobody finds a second tree with the same root. A helper that
/// holds well-formed manifests alone, in which a path stands once, cannot be convicted by an owner that signs odd ones.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Misserved {
    /// The response.
    pub served: Signed<Served>,
    /// What the manifest lists under its path.
    pub leaf: Leaf,
    /// What stands beside the leaf's way to the root.
    pub beside: Vec<Sibling>,
}

impl Proof for Misserved {
    fn accused(&self) -> Accused {
        let Served { mesh, helper, root, path, .. } = self.served.body;
        Accused::new(mesh, helper, &("overspill response against manifest v1", root, path))
    }

    fn weigh(&self) -> Result<(), Because> {
        let served = &self.served.body;
        require(self.beside.len() <= TREE_DEPTH_MAX, Because::Malformed)?;
        require(served.path == self.leaf.path && self.leaf.root(&self.beside) == served.root, Because::Elsewhere)?;
        require(served.body != self.leaf.body, Because::Consistent)?;
        require(self.served.is_by(&served.helper), Because::NotSigned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(count: usize) -> Vec<Leaf> {
        let leaf = |at: usize| Leaf {
            path: path_digest(&alloc::format!("/{at}")),
            body: ObjectDigest::of(&at.to_le_bytes()),
            object: Digest::of("test", &at.to_le_bytes()),
        };
        (0..count).map(leaf).collect()
    }

    #[test]
    fn every_leaf_of_every_size_leads_to_the_root() {
        for count in (1..20).chain([511, 512]) {
            let leaves = leaves(count);
            for at in 0..count {
                let way = beside(&leaves, at);
                assert!(way.len() <= TREE_DEPTH_MAX);
                assert_eq!(leaves[at].root(&way), root(&leaves), "leaf {at} of {count}");
            }
        }
        assert_eq!(root(&[]), Digest::ZERO);
    }

    proptest! {
        #[test]
        fn another_leaf_leads_elsewhere(count in 1_usize..40, at: prop::sample::Index, other: prop::sample::Index) {
            let leaves = leaves(count);
            let (at, other) = (at.index(count), other.index(count));
            let way = beside(&leaves, at);
            prop_assert_eq!(leaves[other].root(&way) == root(&leaves), at == other);
            let bent = Leaf { body: ObjectDigest([9; 32]), ..leaves[at] };
            prop_assert_ne!(bent.root(&way), root(&leaves));
        }
    }
}
