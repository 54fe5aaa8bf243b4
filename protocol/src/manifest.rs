//! Manifests: the owner's signed list of what a helper may serve, and as which bytes.

use alloc::{string::String, vec::Vec};

use overspill_governance::{
    codec::{self, Decode, Encode},
    digest::{Digest, ObjectDigest},
    edition::{Edition, Leaf, path_digest, root},
    invite::MeshId,
    site::{Signed, SiteId, Statement},
    time::Date,
    units::Bytes,
};

use crate::limits::{MANIFEST_OBJECTS_MAX, MEDIA_TYPE_MAX, OBJECT_BYTES_MAX, PATH_MAX};

/// One representation that a helper may serve: the identity-encoded body of a 200 response to GET.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Object {
    /// Path and raw query, as the owner's cache keys it.
    pub path: String,
    /// SHA-256 of the body.
    pub digest: ObjectDigest,
    /// Length of the body.
    pub size: Bytes,
    /// Value of `Content-Type`.
    pub media_type: String,
    /// Fresh until (RFC 9111 section 4.2), by the owner's calendar.
    pub fresh_until: Date,
}

/// The owner's list at one generation. A purge, or any change of an object's bytes, makes a new generation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Manifest {
    /// In which mesh.
    pub mesh: MeshId,
    /// Whose content it is.
    pub owner: SiteId,
    /// Drawn by each process of the owner's.
    pub run: u64,
    /// Grows by at least one with every change; two different lists of one generation of one run are evidence against the owner.
    pub generation: u64,
    /// When the owner signed it.
    pub date: Date,
    /// Sorted strictly by path.
    pub objects: Vec<Object>,
}

/// What is signed is the manifest's [`Edition`]: two of them are short enough to be evidence.
impl Statement for Manifest {
    const DOMAIN: &'static str = Edition::DOMAIN;

    fn canonical(&self) -> Vec<u8> {
        self.edition().canonical()
    }
}

impl Manifest {
    /// What its owner signs of it.
    #[must_use]
    pub fn edition(&self) -> Edition {
        let Self { mesh, owner, run, generation, date, .. } = *self;
        Edition { mesh, owner, run, generation, date, root: root(&self.leaves()) }
    }

    /// Its objects, as the tree under its signature has them.
    #[must_use]
    pub fn leaves(&self) -> Vec<Leaf> {
        self.objects.iter().map(Object::leaf).collect()
    }

    /// Finds the object at `path`.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<&Object> {
        self.objects.binary_search_by(|object| object.path.as_str().cmp(path)).ok().map(|at| &self.objects[at])
    }

    /// Tells whether the list keeps its own rules: sorted strictly, within every bound, no path that could leave the site.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        self.objects.len() <= MANIFEST_OBJECTS_MAX
            && self.objects.windows(2).all(|pair| pair[0].path < pair[1].path)
            && self.objects.iter().all(Object::is_well_formed)
    }
}

impl Object {
    fn leaf(&self) -> Leaf {
        let object = Digest::of("overspill manifest object v1", &codec::encode(self));
        Leaf { path: path_digest(&self.path), body: self.digest, object }
    }

    /// Tells whether the object keeps every bound and its path cannot leave the site.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let visible = |text: &str| text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        let printable = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        self.path.starts_with('/')
            && !self.path.starts_with("//")
            && self.path.len() <= PATH_MAX
            && visible(&self.path)
            && self.media_type.len() <= MEDIA_TYPE_MAX
            && printable(&self.media_type)
            && self.size.0 <= OBJECT_BYTES_MAX
    }
}

/// The edition of a signed manifest, under the same signature.
#[must_use]
pub fn edition_of(signed: &Signed<Manifest>) -> Signed<Edition> {
    Signed { body: signed.body.edition(), signature: signed.signature }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use overspill_governance::site::Key;

    fn manifest() -> Manifest {
        let object = |path: &str| Object {
            path: path.into(),
            digest: ObjectDigest::of(path.as_bytes()),
            size: Bytes(9),
            media_type: "image/png".into(),
            fresh_until: Date::MAX,
        };
        let objects = vec![object("/a"), object("/b"), object("/c")];
        Manifest {
            mesh: MeshId(Digest::ZERO),
            owner: Key::from_seed([1; 32]).site(),
            run: 1,
            generation: 1,
            date: Date::default(),
            objects,
        }
    }

    #[test]
    fn a_signature_covers_everything_that_a_manifest_says() {
        let key = Key::from_seed([1; 32]);
        let signed = Signed::new(manifest(), &key);
        assert!(signed.is_by(&key.site()) && edition_of(&signed).is_by(&key.site()));
        let bends: [fn(&mut Manifest); 10] = [
            |manifest| manifest.mesh = MeshId(Digest([1; 32])),
            |manifest| manifest.run += 1,
            |manifest| manifest.generation += 1,
            |manifest| manifest.date = Date::MAX,
            |manifest| manifest.objects.swap(0, 1),
            |manifest| drop(manifest.objects.pop()),
            |manifest| manifest.objects[1].path.push('x'),
            |manifest| manifest.objects[1].digest.0[0] ^= 1,
            |manifest| manifest.objects[1].size.0 += 1,
            |manifest| manifest.objects[1].media_type.push('x'),
        ];
        for (at, bend) in bends.into_iter().enumerate() {
            let mut bent = signed.clone();
            bend(&mut bent.body);
            assert!(!bent.is_by(&key.site()), "bend {at}");
        }
    }
}
