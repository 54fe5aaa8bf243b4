//! Manifests: the owner's signed list of what a helper may serve, and as which bytes.

use alloc::{string::String, vec::Vec};

use overspill_governance::{
    codec::{Decode, Encode},
    digest::ObjectDigest,
    site::{SiteId, Statement},
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
    /// Whose content it is.
    pub owner: SiteId,
    /// Grows by at least one with every change; two different lists of one generation are evidence against the owner.
    pub generation: u64,
    /// When the owner signed it.
    pub date: Date,
    /// Sorted strictly by path.
    pub objects: Vec<Object>,
}

impl Statement for Manifest {
    const DOMAIN: &'static str = "overspill manifest v1";
}

impl Manifest {
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
