//! The owner's manifest: what helpers may serve, made from what the data plane holds hot, and said to be in force with every beat.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use overspill_governance::{
    codec,
    digest::{Digest, ObjectDigest},
    invite::MeshId,
    planted,
    site::{Signed, SiteId, Statement},
    time::Time,
};

use crate::{
    desk::Desk,
    limits::{MANIFEST_BYTES_MAX, MANIFEST_OBJECTS_MAX, MANIFEST_PAUSE, MANIFEST_SHRINK_PAUSE, PURGE_PATIENCE},
    manifest::{Manifest, Object},
    message::{Generation, Message},
    observation::HotObject,
};

/// The manifest in force and who has it.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    /// Drawn for this process: names its manifests together with their generations.
    run: u64,
    current: Option<Current>,
    /// The data plane's generation that the current manifest reflects.
    reflects: u64,
    floor: u64,
    wanted: Vec<Object>,
    purged: bool,
    sent: BTreeMap<SiteId, Time>,
    /// Helpers that were served by when a purge came and have not said that they hold what it left; since when.
    owing: BTreeMap<SiteId, Time>,
}

#[derive(Debug, Clone)]
struct Current {
    signed: Signed<Manifest>,
    shared: Arc<Manifest>,
    digest: Digest,
    made: Time,
}

impl Publisher {
    pub(crate) fn new(run: u64) -> Self {
        Self { run, current: None, reflects: 0, floor: 0, wanted: Vec::new(), purged: false, sent: BTreeMap::new(), owing: BTreeMap::new() }
    }

    /// Takes what the data plane holds. A manifest is made from it only when [`Publisher::refresh`] is asked to.
    pub(crate) fn on_hot(&mut self, hot: &[HotObject], generation: u64) {
        self.wanted = objects(hot);
        self.purged |= generation > self.reflects && !planted!(OverlooksPurges);
        self.reflects = self.reflects.max(generation);
    }

    /// Makes a new manifest if the objects changed and the last is not too young, or at once after a purge: then `helpers`, to whom it is
    /// sent next, must say that they hold it. Tells whether it did.
    pub(crate) fn refresh(&mut self, desk: &Desk, mesh: MeshId, helpers: &[SiteId]) -> bool {
        let age = |current: &Current| desk.now.time.since(current.made);
        let due = match &self.current {
            None => true,
            Some(_) if self.purged => true,
            Some(current) if current.shared.objects == self.wanted => false,
            Some(current) if is_subset(&self.wanted, &current.shared) => age(current) >= MANIFEST_SHRINK_PAUSE,
            Some(current) => age(current) >= MANIFEST_PAUSE,
        };
        if !due {
            return false;
        }
        // Counting from the calendar keeps generations growing across restarts, where the counter is forgotten.
        let last = self.current.as_ref().map_or(0, |current| current.shared.generation);
        let generation = desk.now.date.as_millis().max(last + 1);
        let manifest = Manifest { mesh, owner: desk.id, run: self.run, generation, date: desk.now.date, objects: self.wanted.clone() };
        let (shared, digest) = (Arc::new(manifest.clone()), manifest.digest());
        let Some(signed) = desk.sign(manifest) else { return false };
        if core::mem::take(&mut self.purged) {
            self.floor = generation;
            for helper in helpers {
                self.owing.entry(*helper).or_insert(desk.now.time);
            }
        }
        self.current = Some(Current { signed, shared, digest, made: desk.now.time });
        true
    }

    /// The manifest in force.
    pub(crate) fn manifest(&self) -> Option<Arc<Manifest>> {
        self.current.as_ref().map(|current| current.shared.clone())
    }

    /// Whether a helper may be filled with this object: it is in the manifest in force.
    pub(crate) fn lists(&self, digest: &ObjectDigest) -> Option<&Object> {
        self.current.as_ref()?.shared.objects.iter().find(|object| object.digest == *digest)
    }

    /// The word on what is in force.
    pub(crate) fn generation(&self, desk: &Desk) -> Option<Signed<Generation>> {
        let current = self.current.as_ref()?;
        let (owner, newest, date) = (desk.id, current.shared.generation, desk.now.date);
        desk.sign(Generation { owner, newest, floor: self.floor, manifest: current.digest, date })
    }

    /// Sends the manifest to a helper that holds generation `holds`, unless it was sent a moment ago.
    pub(crate) fn send(&mut self, desk: &mut Desk, to: SiteId, holds: u64) {
        let Some(current) = &self.current else { return };
        let lately = self.sent.get(&to).is_some_and(|at| desk.now.time < at.after(MANIFEST_PAUSE) && *at >= current.made);
        if holds >= current.shared.generation || lately {
            return;
        }
        self.sent.insert(to, desk.now.time);
        desk.send(to, Message::Manifest(current.signed.clone()));
    }

    /// Takes a helper's word on which generation it holds.
    pub(crate) fn on_held(&mut self, helper: &SiteId, holds: u64) {
        if holds >= self.floor {
            self.owing.remove(helper);
        }
    }

    /// Whether a helper has let a purge go unacknowledged for [`PURGE_PATIENCE`]: it may serve what was purged.
    pub(crate) fn is_ignored_by(&self, helper: &SiteId, now: Time) -> bool {
        self.owing.get(helper).is_some_and(|since| now.since(*since) >= PURGE_PATIENCE) && !planted!(ForgivesOldManifests)
    }

    /// Forgets everything about a helper with whom no lease is left.
    pub(crate) fn forget(&mut self, helper: &SiteId) {
        self.sent.remove(helper);
        self.owing.remove(helper);
    }
}

/// The hottest objects that fit a manifest's bounds, sorted strictly by path.
fn objects(hot: &[HotObject]) -> Vec<Object> {
    let mut by_path: BTreeMap<&str, Object> = BTreeMap::new();
    let mut bytes = 0;
    for object in hot.iter().take(MANIFEST_OBJECTS_MAX) {
        let HotObject { path, digest, size, media_type, fresh_until, wanted: _ } = object;
        let object = Object { path: path.clone(), digest: *digest, size: *size, media_type: media_type.clone(), fresh_until: *fresh_until };
        bytes += codec::encode(&object).len();
        if bytes > MANIFEST_BYTES_MAX {
            break;
        }
        if object.is_well_formed() {
            by_path.entry(path.as_str()).or_insert(object);
        }
    }
    by_path.into_values().collect()
}

fn is_subset(objects: &[Object], of: &Manifest) -> bool {
    objects.iter().all(|object| of.object(&object.path) == Some(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::String};
    use core::time::Duration;
    use overspill_governance::{
        site::Key,
        time::{Date, Now},
        units::Bytes,
    };

    const MESH: MeshId = MeshId(Digest::ZERO);

    fn desk() -> Desk {
        Desk::new(Key::from_seed([1; 32]), [2; 32], Now { time: Time::ZERO, date: Date::from_millis(1_000_000) })
    }

    fn hot(names: core::ops::Range<u32>, path_len: usize) -> Vec<HotObject> {
        names
            .map(|name| HotObject {
                path: format!("/{name}{}", "x".repeat(path_len)),
                digest: ObjectDigest::of(&name.to_le_bytes()),
                size: Bytes(10),
                media_type: String::from("image/png"),
                fresh_until: Date::MAX,
                wanted: Bytes(10),
            })
            .collect()
    }

    #[test]
    fn a_manifest_never_outgrows_its_message() {
        for path_len in [1, 300, 2_000, 3_000] {
            let mut publisher = Publisher::new(1);
            publisher.on_hot(&hot(0..2_000, path_len), 0);
            let mut desk = desk();
            assert!(publisher.refresh(&desk, MESH, &[]));
            publisher.send(&mut desk, SiteId([9; 32]), 0);
            let Some(crate::io::Output::Send { message, .. }) = desk.poll() else { panic!("nothing was sent") };
            let Message::Manifest(signed) = message.as_ref() else { panic!("no manifest") };
            assert!(signed.body.is_well_formed() && crate::wire::encode(&message).len() <= crate::limits::BATCH_BYTES_MAX);
            assert_eq!(signed.body.objects.is_empty(), path_len > 2_048);
        }
    }

    #[test]
    fn a_purge_makes_a_manifest_at_once_and_bars_the_older_ones() {
        let (mut publisher, mut desk) = (Publisher::new(1), desk());
        publisher.on_hot(&hot(0..3, 1), 0);
        assert!(publisher.refresh(&desk, MESH, &[]));
        publisher.on_hot(&hot(0..4, 1), 0);
        assert!(!publisher.refresh(&desk, MESH, &[]), "too soon after the last for a mere addition");
        publisher.on_hot(&hot(1..4, 1), 1);
        assert!(publisher.refresh(&desk, MESH, &[]));
        let word = publisher.generation(&desk).unwrap();
        assert_eq!(word.body.floor, word.body.newest);
        desk.now.time = Time::ZERO.after(MANIFEST_PAUSE);
        publisher.on_hot(&hot(1..5, 1), 1);
        assert!(publisher.refresh(&desk, MESH, &[]));
        let later = publisher.generation(&desk).unwrap();
        assert!(later.body.newest > word.body.newest && later.body.floor == word.body.floor);
    }

    #[test]
    fn a_helper_that_does_not_say_that_it_holds_what_a_purge_left_is_told_from_those_that_do() {
        let (mut publisher, mut desk) = (Publisher::new(1), desk());
        let (quick, slow) = (SiteId([8; 32]), SiteId([9; 32]));
        publisher.on_hot(&hot(0..3, 1), 0);
        assert!(publisher.refresh(&desk, MESH, &[quick, slow]));
        let before = publisher.manifest().unwrap().generation;
        let ignored = |publisher: &Publisher, desk: &Desk| [quick, slow].map(|helper| publisher.is_ignored_by(&helper, desk.now.time));
        desk.now.time = Time::ZERO.after(2 * PURGE_PATIENCE);
        assert_eq!(ignored(&publisher, &desk), [false, false], "nothing was purged");
        publisher.on_hot(&hot(1..3, 1), 1);
        assert!(publisher.refresh(&desk, MESH, &[quick, slow]));
        let floor = publisher.manifest().unwrap().generation;
        publisher.on_held(&quick, floor);
        publisher.on_held(&slow, before);
        desk.now.time = desk.now.time.after(PURGE_PATIENCE - Duration::from_millis(1));
        assert_eq!(ignored(&publisher, &desk), [false, false]);
        // A further purge does not give it more time.
        publisher.on_hot(&hot(2..3, 1), 2);
        assert!(publisher.refresh(&desk, MESH, &[quick, slow]));
        desk.now.time = desk.now.time.after(Duration::from_millis(1));
        assert_eq!(ignored(&publisher, &desk), [false, true]);
        publisher.on_held(&slow, floor);
        assert_eq!(ignored(&publisher, &desk), [false, true], "that was the purge before");
        let newest = publisher.manifest().unwrap().generation;
        publisher.on_held(&slow, newest);
        publisher.on_held(&quick, newest);
        assert_eq!(ignored(&publisher, &desk), [false, false]);
        assert_eq!(publisher.owing.len(), 0);
    }
}
