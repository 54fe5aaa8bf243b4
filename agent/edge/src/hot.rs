//! What the site holds and may spill, and how much visitors want each of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use overspill_governance::{
    digest::ObjectDigest,
    time::{Now, Time},
    units,
};
use overspill_protocol::{
    limits::{MANIFEST_OBJECTS_MAX, MEDIA_TYPE_MAX, OBJECT_BYTES_MAX, PATH_MAX},
    observation::HotObject,
};

use crate::{cache::stored::Stored, deny::Denials};

/// Spillable objects that are known at once: eight manifests' worth, so that the hottest are found among many.
pub(crate) const SPILLABLE_MAX: usize = 8 * MANIFEST_OBJECTS_MAX;
/// One in so many of them leaves when there is no room.
const COLDEST_SHARE: usize = 16;
/// How fast yesterday's favourite cools: long against a page view, short against a crowd.
const COOLING: Duration = Duration::from_secs(10);
/// How fast the memory of what visitors want fades: long against a calm hour's gaps between two visitors.
const FADING: Duration = Duration::from_secs(600);

/// All spillable objects by the name that helpers know. Holds none alive.
#[derive(Debug)]
pub struct Hot {
    inner: Mutex<Inner>,
    denials: Arc<Denials>,
}

#[derive(Debug)]
struct Inner {
    objects: BTreeMap<Arc<str>, Entry>,
    generation: u64,
    cooled: Time,
}

#[derive(Debug)]
struct Entry {
    object: Weak<Stored>,
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
        Self { inner: Mutex::new(inner), denials: Arc::default() }
    }

    /// Takes in nothing that these deny.
    pub(crate) fn heed(&mut self, denials: Arc<Denials>) {
        self.denials = denials;
    }

    /// Takes in a response that was stored, if helpers may have it. Other bytes than before under one name make a new generation.
    pub(crate) fn register(&self, stored: &Arc<Stored>, name: &str) {
        let Some(digest) = stored.spillable().copied() else { return };
        let mut inner = self.lock();
        // Looked at with the lock held: a list that comes meanwhile finds the object, or the object finds the list.
        if self.denials.of_name(name).is_some() {
            return;
        }
        let (mut warmth, mut wanted) = (0.0, 0.0);
        if let Some(before) = inner.objects.get(name) {
            let unread = before.object.upgrade().map_or(0, |before| before.wanted()) as f64;
            (warmth, wanted) = (before.warmth + unread, before.wanted + unread);
            if before.digest != digest {
                inner.generation += 1;
            }
        } else if inner.objects.len() >= SPILLABLE_MAX {
            inner.make_room();
        }
        inner.objects.insert(name.into(), Entry { object: Arc::downgrade(stored), digest, warmth, wanted });
    }

    /// Forgets an object whose bytes must not be served any more, here or elsewhere: makes a new generation if it was known.
    pub fn purge(&self, path: &str) {
        let mut inner = self.lock();
        if inner.objects.remove(path).is_some() {
            inner.generation += 1;
        }
    }

    /// Forgets what is denied. Helpers may hold what this site has forgotten already, so that there is a new generation in any case.
    pub(crate) fn bar(&self) {
        let mut inner = self.lock();
        inner.objects.retain(|name, _| self.denials.of_name(name).is_none());
        inner.generation += 1;
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
        named.find_map(|entry| Some(entry.object.upgrade()?.body()))
    }

    /// The object at a path, if it is held.
    #[must_use]
    pub(crate) fn find(&self, path: &str) -> Option<Arc<Stored>> {
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
        inner.objects.retain(|name, entry| {
            let Some(object) = entry.object.upgrade() else { return false };
            let fresh = object.take_wanted() as f64;
            (entry.warmth, entry.wanted) = (entry.warmth * cooling + fresh, entry.wanted * fading + fresh);
            if object.fresh_until() > now.date {
                hot.push((entry.warmth, entry.wanted, Arc::clone(name), object));
            }
            true
        });
        let generation = inner.generation;
        drop(inner);
        hot.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.2.cmp(&b.2)));
        hot.truncate(MANIFEST_OBJECTS_MAX);
        let listed = hot.into_iter().filter_map(|(_, wanted, name, object)| listed(&name, &object, units::Bytes(wanted as u64)));
        (listed.collect(), generation)
    }

    /// A thread that died while it held the lock left whole entries behind.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a manifest says of an object.
fn listed(name: &str, object: &Stored, wanted: units::Bytes) -> Option<HotObject> {
    Some(HotObject {
        path: name.to_owned(),
        digest: *object.spillable()?,
        size: units::Bytes(object.length()),
        media_type: object.media_type().to_owned(),
        fresh_until: object.fresh_until(),
        wanted,
    })
}

/// Tells whether a manifest can list an object of such a path, type and length.
pub(crate) fn is_listable(path: &str, media_type: &str, length: u64) -> bool {
    let visible = |text: &str| text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    let printable = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= PATH_MAX
        && visible(path)
        && media_type.len() <= MEDIA_TYPE_MAX
        && printable(media_type)
        && length <= OBJECT_BYTES_MAX
}

impl Inner {
    /// Drops what is not held any more, and then the coldest: a batch at once, because to find them takes a look at all.
    fn make_room(&mut self) {
        self.objects.retain(|_, entry| entry.object.strong_count() > 0);
        if self.objects.len() < SPILLABLE_MAX {
            return;
        }
        let mut warmths: Vec<f64> = self.objects.values().map(|entry| entry.warmth).collect();
        let (_, limit, _) = warmths.select_nth_unstable_by(SPILLABLE_MAX / COLDEST_SHARE, f64::total_cmp);
        let limit = *limit;
        // Of those that are as cold as the limit only so many as are missing.
        let mut left = SPILLABLE_MAX / COLDEST_SHARE - warmths.iter().filter(|warmth| **warmth < limit).count();
        self.objects.retain(|_, entry| {
            let is_limit = entry.warmth.total_cmp(&limit).is_eq() && left > 0;
            left -= usize::from(is_limit);
            let goes = is_limit || entry.warmth < limit;
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::time::Date;

    fn now(millis: u64) -> Now {
        Now { time: Time::from_micros(millis * 1_000), date: Date::from_millis(1_000_000 + millis) }
    }

    fn register(hot: &Hot, path: &str, body: &'static str) -> Option<Arc<Stored>> {
        let stored = Arc::new(Stored::sample_offer(path, Bytes::from_static(body.as_bytes()), Date::from_millis(2_000_000)));
        hot.register(&stored, path);
        stored.spillable().is_some().then_some(stored)
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
        assert!(is_listable("/a", "text/css", 0) && !is_listable("/a", "text/\u{e9}", 0) && !is_listable("a", "text/css", 0));
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
        assert_eq!(hot.lock().objects.len(), SPILLABLE_MAX - SPILLABLE_MAX / COLDEST_SHARE + 1);
        assert!(!hot.lock().objects.contains_key("/0"));
        assert_eq!(hot.read(now(2)).0.len(), MANIFEST_OBJECTS_MAX);
    }
}
