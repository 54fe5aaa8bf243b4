//! What the site holds and may spill, and how much visitors want each of it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use overspill_governance::{
    digest::ObjectDigest,
    time::{Date, Now, Time},
    units,
};
use overspill_protocol::{
    limits::{MANIFEST_OBJECTS_MAX, MEDIA_TYPE_MAX, OBJECT_BYTES_MAX, PATH_MAX},
    observation::HotObject,
};

/// Spillable objects that are known at once: eight manifests' worth, so that the hottest are found among many.
pub(crate) const SPILLABLE_MAX: usize = 8 * MANIFEST_OBJECTS_MAX;
/// How fast yesterday's favourite cools: long against a page view, short against a crowd.
const COOLING: Duration = Duration::from_secs(10);
/// How fast the memory of what visitors want fades: long against a calm hour's gaps between two visitors.
const FADING: Duration = Duration::from_secs(600);

/// An object that is fit to be spilled: a passive asset, public, with explicit freshness, whole, and with a digest.
///
/// The cache keeps it beside the stored response; when the last copy of that goes, so does this.
#[derive(Debug)]
pub struct Spillable {
    /// What a manifest says of it.
    pub object: HotObject,
    /// Its bytes, shared with the stored response.
    pub body: Bytes,
    wanted: AtomicU64,
}

impl Spillable {
    /// Counts a visitor who wants it, whoever serves it in the end.
    pub fn want(&self) {
        self.wanted.fetch_add(self.object.size.0, Relaxed);
    }
}

/// All spillable objects by path. Holds none alive.
#[derive(Debug)]
pub struct Hot {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    objects: BTreeMap<String, Entry>,
    generation: u64,
    cooled: Time,
}

#[derive(Debug)]
struct Entry {
    object: Weak<Spillable>,
    digest: ObjectDigest,
    /// Bytes wanted in about the last [`COOLING`].
    warmth: f64,
    /// Bytes wanted in about the last [`FADING`].
    wanted: f64,
}

impl Hot {
    /// Knows nothing yet. Generations start at the date, so that they go on growing when the process starts again.
    #[must_use]
    pub fn new(now: Now) -> Self {
        let inner = Inner { objects: BTreeMap::new(), generation: now.date.as_millis(), cooled: now.time };
        Self { inner: Mutex::new(inner) }
    }

    /// Takes in an object that was stored; nothing if a manifest could not list it. Other bytes than before under one path
    /// make a new generation.
    #[must_use]
    pub fn register(&self, path: &str, digest: ObjectDigest, media_type: &str, fresh_until: Date, body: Bytes) -> Option<Arc<Spillable>> {
        let visible = |text: &str| text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        let printable = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        let listable = path.starts_with('/') && !path.starts_with("//") && path.len() <= PATH_MAX && visible(path);
        if !listable || media_type.len() > MEDIA_TYPE_MAX || !printable(media_type) || body.len() as u64 > OBJECT_BYTES_MAX {
            return None;
        }
        let size = units::Bytes(body.len() as u64);
        let object =
            HotObject { path: path.to_owned(), digest, size, media_type: media_type.to_owned(), fresh_until, wanted: units::Bytes(0) };
        let object = Arc::new(Spillable { object, body, wanted: AtomicU64::new(0) });
        let mut inner = self.lock();
        let (mut warmth, mut wanted) = (0.0, 0.0);
        if let Some(before) = inner.objects.get(path) {
            let unread = before.object.upgrade().map_or(0.0, |before| before.wanted.load(Relaxed) as f64);
            (warmth, wanted) = (before.warmth + unread, before.wanted + unread);
            if before.digest != digest {
                inner.generation += 1;
            }
        } else if inner.objects.len() >= SPILLABLE_MAX {
            inner.make_room();
        }
        inner.objects.insert(path.to_owned(), Entry { object: Arc::downgrade(&object), digest, warmth, wanted });
        Some(object)
    }

    /// Forgets an object whose bytes must not be served any more, here or elsewhere: makes a new generation if it was known.
    pub fn purge(&self, path: &str) {
        let mut inner = self.lock();
        if inner.objects.remove(path).is_some() {
            inner.generation += 1;
        }
    }

    /// Forgets all of them, as a purge of each would: their names have changed.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.objects.clear();
        inner.generation += 1;
    }

    /// The bytes of an object that is held, for fills.
    #[must_use]
    pub fn held(&self, digest: &ObjectDigest) -> Option<Bytes> {
        let inner = self.lock();
        let mut named = inner.objects.values().filter(|entry| entry.digest == *digest);
        named.find_map(|entry| Some(entry.object.upgrade()?.body.clone()))
    }

    /// The object at a path, if it is held.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Arc<Spillable>> {
        self.lock().objects.get(path)?.object.upgrade()
    }

    /// The hottest fresh objects, hottest first, and the generation.
    #[must_use]
    pub fn read(&self, now: Now) -> (Vec<HotObject>, u64) {
        let mut inner = self.lock();
        let elapsed = now.time.since(inner.cooled).as_secs_f64();
        let [cooling, fading] = [COOLING, FADING].map(|span| (-elapsed / span.as_secs_f64()).exp());
        inner.cooled = now.time;
        let mut hot = Vec::with_capacity(inner.objects.len());
        inner.objects.retain(|_, entry| {
            let Some(object) = entry.object.upgrade() else { return false };
            let fresh = object.wanted.swap(0, Relaxed) as f64;
            (entry.warmth, entry.wanted) = (entry.warmth * cooling + fresh, entry.wanted * fading + fresh);
            if object.object.fresh_until > now.date {
                hot.push((entry.warmth, entry.wanted, object));
            }
            true
        });
        let generation = inner.generation;
        drop(inner);
        hot.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.2.object.path.cmp(&b.2.object.path)));
        hot.truncate(MANIFEST_OBJECTS_MAX);
        let listed = hot.into_iter().map(|(_, wanted, object)| HotObject { wanted: units::Bytes(wanted as u64), ..object.object.clone() });
        (listed.collect(), generation)
    }

    /// A thread that died while it held the lock left whole entries behind.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Drops what is not held any more, and then the coldest.
    fn make_room(&mut self) {
        self.objects.retain(|_, entry| entry.object.strong_count() > 0);
        while self.objects.len() >= SPILLABLE_MAX {
            let coldest = self.objects.iter().min_by(|a, b| a.1.warmth.total_cmp(&b.1.warmth)).map(|(path, _)| path.clone());
            let Some(path) = coldest else { return };
            self.objects.remove(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(millis: u64) -> Now {
        Now { time: Time::from_micros(millis * 1_000), date: Date::from_millis(1_000_000 + millis) }
    }

    fn register(hot: &Hot, path: &str, body: &'static str) -> Option<Arc<Spillable>> {
        let body = Bytes::from_static(body.as_bytes());
        hot.register(path, ObjectDigest::of(&body), "text/css", Date::from_millis(2_000_000), body)
    }

    fn paths(hot: &Hot, at: u64) -> Vec<String> {
        hot.read(now(at)).0.into_iter().map(|object| object.path).collect()
    }

    #[test]
    fn the_hottest_come_first_and_cool() {
        let hot = Hot::new(now(0));
        let (a, b) = (register(&hot, "/a", "aa"), register(&hot, "/b", "bb"));
        (0..3).for_each(|_| a.as_ref().unwrap().want());
        b.as_ref().unwrap().want();
        assert_eq!(paths(&hot, 100), ["/a", "/b"]);
        (0..2).for_each(|_| b.as_ref().unwrap().want());
        assert_eq!(paths(&hot, 20_000), ["/b", "/a"]);
        let wanted: Vec<u64> = hot.read(now(30_000)).0.iter().map(|object| object.wanted.0).collect();
        assert_eq!(wanted, [5, 5], "what was wanted is remembered for longer: six bytes each, less a twentieth");
    }

    #[test]
    fn other_bytes_and_purges_make_generations_and_evictions_do_not() {
        let hot = Hot::new(now(0));
        let generation = || hot.read(now(1)).1;
        let first = register(&hot, "/a", "one");
        let start = generation();
        let same = register(&hot, "/a", "one");
        assert_eq!(generation(), start);
        let changed = register(&hot, "/a", "two");
        assert_eq!(generation(), start + 1);
        assert_eq!(hot.held(&ObjectDigest::of(b"one")), None, "fills of the older generation are over");
        assert_eq!(hot.held(&ObjectDigest::of(b"two")).as_deref(), Some(&b"two"[..]));
        drop((first, same, changed));
        assert_eq!((paths(&hot, 2), generation()), (Vec::<String>::new(), start + 1));
        let again = register(&hot, "/a", "two");
        hot.purge("/a");
        hot.purge("/a");
        assert_eq!((paths(&hot, 3), generation()), (Vec::<String>::new(), start + 2));
        let last = register(&hot, "/a", "two");
        hot.clear();
        assert_eq!((paths(&hot, 4), generation()), (Vec::<String>::new(), start + 3));
        drop((again, last));
    }

    #[test]
    fn what_a_manifest_cannot_list_is_not_spillable_and_what_is_not_fresh_is_not_listed() {
        let hot = Hot::new(now(0));
        assert!(register(&hot, "//evil.example/a", "x").is_none());
        assert!(register(&hot, "/a b", "x").is_none());
        assert!(hot.register("/a", ObjectDigest([0; 32]), "text/\u{e9}", Date::MAX, Bytes::new()).is_none());
        let _kept = register(&hot, "/a", "x");
        assert_eq!(paths(&hot, 999_999).len(), 1);
        assert_eq!(paths(&hot, 1_000_000).len(), 0);
    }

    #[test]
    fn the_coldest_go_when_there_are_too_many() {
        let hot = Hot::new(now(0));
        let kept: Vec<_> = (0..SPILLABLE_MAX).map(|at| register(&hot, &format!("/{at}"), "x").unwrap()).collect();
        kept.iter().skip(1).for_each(|object| object.want());
        let _ = hot.read(now(1));
        let _more = register(&hot, "/more", "y");
        assert_eq!(hot.lock().objects.len(), SPILLABLE_MAX);
        assert!(!hot.lock().objects.contains_key("/0"));
        assert_eq!(hot.read(now(2)).0.len(), MANIFEST_OBJECTS_MAX);
    }
}
