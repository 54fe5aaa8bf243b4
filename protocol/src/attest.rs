//! What a helper signs of its responses: which bytes it serves under which path of which manifest.
//!
//! One signature does for all responses with one object in one minute, so that no visitor waits for one. It goes out with every response, as
//! nobody can tell an auditor from a visitor. Whoever compares the bytes with the digest that it names knows what this helper serves; if that
//! digest is not the one which the manifest lists, the response convicts the helper ([`overspill_governance::edition::Misserved`]).

use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};

use data_encoding::BASE64URL_NOPAD;
use overspill_governance::{
    codec::{self, Decode, Encode},
    digest::{Digest, ObjectDigest},
    edition::{Served, path_digest},
    invite::MeshId,
    site::{Signature, Signed, SiteId},
    time::Date,
};

use crate::{
    desk::Desk,
    manifest::{Manifest, Object},
};

/// Name of the header field that carries it.
pub const FIELD: &str = "overspill-served";
/// For how long a signature is given out.
const MINUTE_MILLIS: u64 = 60_000;

/// What cannot be told from the response itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
struct Stamp {
    minute: Date,
    root: Digest,
    signature: Signature,
}

/// Whose response it is, and of what.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// In which mesh.
    pub mesh: MeshId,
    /// Whose content it is.
    pub owner: SiteId,
    /// Who served it.
    pub helper: SiteId,
    /// Under which path.
    pub path: &'a str,
    /// Digest of the bytes, by the response's own word.
    pub body: ObjectDigest,
}

/// Reads the field of a response; `None` when it holds no statement that the helper signed.
#[must_use]
pub fn read(value: &str, of: Response<'_>) -> Option<Signed<Served>> {
    let Response { mesh, owner, helper, path, body } = of;
    let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).ok()?;
    let Stamp { minute, root, signature } = codec::decode(&bytes, 128).ok()?;
    let served = Signed { body: Served { mesh, owner, helper, root, path: path_digest(path), body, minute }, signature };
    served.is_by(&helper).then_some(served)
}

/// The fields of one owner's objects in this minute, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attested(Vec<(String, ObjectDigest, String)>);

impl Attested {
    /// The field of an object; `None` while nothing is signed here.
    #[must_use]
    pub fn value(&self, object: &Object) -> Option<&str> {
        let at = self.0.binary_search_by(|(path, ..)| path.cmp(&object.path)).ok()?;
        self.0.get(at).filter(|(_, digest, _)| *digest == object.digest).map(|(.., value)| value.as_str())
    }
}

/// What is signed of each owner's objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attester(BTreeMap<SiteId, (Date, u64, Arc<Attested>)>);

impl Attester {
    /// The fields of what `manifest` lists. Signs what was not signed in this minute.
    pub(crate) fn fields(&mut self, desk: &Desk, manifest: &Manifest) -> Arc<Attested> {
        let now = desk.now.date.as_millis();
        let minute = Date::from_millis(now - now % MINUTE_MILLIS);
        let Manifest { mesh, owner, generation, ref objects, .. } = *manifest;
        let known = self.0.get(&owner).filter(|(signed, ..)| *signed == minute);
        if let Some((_, of, fields)) = known
            && *of == generation
        {
            return fields.clone();
        }
        let root = manifest.edition().root;
        let field = |object: &Object| {
            if let Some(value) = known.and_then(|(.., fields)| fields.value(object)) {
                return Some((object.path.clone(), object.digest, String::from(value)));
            }
            let served = Served { mesh, owner, helper: desk.id, root, path: path_digest(&object.path), body: object.digest, minute };
            let stamp = Stamp { minute, root, signature: desk.sign(served)?.signature };
            Some((object.path.clone(), object.digest, BASE64URL_NOPAD.encode(&codec::encode(&stamp))))
        };
        let fields = Arc::new(Attested(objects.iter().filter_map(field).collect()));
        self.0.insert(owner, (minute, generation, fields.clone()));
        fields
    }

    /// Forgets everybody who is a guest no more.
    pub(crate) fn keep(&mut self, is_guest: impl Fn(&SiteId) -> bool) {
        self.0.retain(|owner, _| is_guest(owner));
    }
}

/// The field by which a helper signs that it serves an object under a root of its choice.
#[cfg(test)]
pub(crate) fn lie(desk: &Desk, of: &Manifest, object: &Object, root: Digest) -> String {
    let Manifest { mesh, owner, .. } = *of;
    let minute = Date::default();
    let served = Served { mesh, owner, helper: desk.id, root, path: path_digest(&object.path), body: object.digest, minute };
    let signature = desk.sign(served).map(|signed| signed.signature);
    signature.map(|signature| BASE64URL_NOPAD.encode(&codec::encode(&Stamp { minute, root, signature }))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use overspill_governance::{
        edition::{Misserved, beside},
        evidence::{Because, Bundle, Verdict},
        site::Key,
        time::{Now, Time},
        units::Bytes,
    };

    const MESH: MeshId = MeshId(Digest([6; 32]));
    const OWNER: SiteId = SiteId([9; 32]);

    fn desk(millis: u64) -> Desk {
        Desk::new(Key::from_seed([1; 32]), [2; 32], Now { time: Time::ZERO, date: Date::from_millis(millis) })
    }

    fn manifest(generation: u64, names: core::ops::Range<u32>) -> Manifest {
        let object = |name: u32| Object {
            path: format!("/{name}"),
            digest: ObjectDigest::of(&name.to_le_bytes()),
            size: Bytes(9),
            media_type: "image/png".into(),
            fresh_until: Date::MAX,
        };
        Manifest { mesh: MESH, owner: OWNER, run: 1, generation, date: Date::default(), objects: names.map(object).collect() }
    }

    fn response(object: &Object) -> Response<'_> {
        Response { mesh: MESH, owner: OWNER, helper: Key::from_seed([1; 32]).site(), path: &object.path, body: object.digest }
    }

    #[test]
    fn every_object_has_a_field_that_only_its_own_response_fits() {
        let manifest = manifest(7, 0..5);
        let fields = Attester::default().fields(&desk(90_000), &manifest);
        for object in &manifest.objects {
            let value = fields.value(object).unwrap();
            assert!(value.len() < 150 && value.bytes().all(|byte| byte.is_ascii_graphic()));
            let served = read(value, response(object)).unwrap();
            assert_eq!((served.body.minute, served.body.root), (Date::from_millis(60_000), manifest.edition().root));
            for other in manifest.objects.iter().filter(|other| *other != object) {
                assert_eq!(read(value, response(other)), None);
            }
            assert_eq!(read(&value[1..], response(object)), None);
        }
    }

    #[test]
    fn one_signature_does_for_a_minute() {
        let (mut attester, manifest) = (Attester::default(), manifest(7, 0..5));
        let first = attester.fields(&desk(60_000), &manifest);
        assert!(Arc::ptr_eq(&first, &attester.fields(&desk(119_999), &manifest)), "nothing is signed again");
        assert_ne!(first, attester.fields(&desk(120_000), &manifest));
    }

    #[test]
    fn a_new_manifest_has_only_its_new_objects_signed() {
        let mut attester = Attester::default();
        let (old, new) = (manifest(7, 0..5), manifest(8, 3..6));
        let (before, after) = (attester.fields(&desk(60_000), &old), attester.fields(&desk(61_000), &new));
        assert_eq!(before.value(&new.objects[0]), after.value(&new.objects[0]), "what was signed holds");
        assert!(after.value(&new.objects[2]).is_some() && after.value(&old.objects[0]).is_none());
        attester.keep(|_| false);
        assert_eq!(attester.0.len(), 0);
    }

    #[test]
    fn a_silent_helper_signs_nothing() {
        let mut desk = desk(60_000);
        desk.fall_silent();
        assert_eq!(*Attester::default().fields(&desk, &manifest(7, 0..5)), Attested::default());
    }

    /// What an honest helper signs never contradicts the manifest that it names; a digest of its own making does.
    #[test]
    fn a_response_is_held_against_its_manifest() {
        let listed = manifest(7, 0..5);
        let fields = Attester::default().fields(&desk(60_000), &listed);
        let leaves = listed.leaves();
        for (at, object) in listed.objects.iter().enumerate() {
            let served = read(fields.value(object).unwrap(), response(object)).unwrap();
            let bundle = |served| Bundle::Misserving(Misserved { served, leaf: leaves[at], beside: beside(&leaves, at) }.into());
            assert_eq!(bundle(served.clone()).judge(), Verdict::Nothing(Because::Consistent));
            let tampered = Served { body: ObjectDigest([0; 32]), ..served.body };
            let tampered = Signed::new(tampered, &Key::from_seed([1; 32]));
            assert!(matches!(bundle(tampered).judge(), Verdict::Convicted(conviction) if conviction.who == Key::from_seed([1; 32]).site()));
        }
    }
}
