//! The memory tier, bounded by bytes, scan-resistant, a few variants of each resource; and the disk tier beneath it, if there is one.

mod forgotten;
mod purging;
mod recall;
mod shelf;

use std::{
    borrow::Borrow,
    cmp::Reverse,
    fs::File,
    path::Path,
    ptr,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use http::HeaderMap;
use overspill_governance::time::Time;
use quick_cache::{OptionsBuilder, Weighter, sync::Cache};

use super::{
    disk::{self, Disk, Meant, index::Uses, metrics::DiskMetrics},
    groups::{Group, Index},
    heads::{self, Heads},
    key::Key,
    part::Part,
    stored::Stored,
    vary::Encoding,
};
use crate::{
    clock::Clock,
    limits::{DISK_FLUSH_MAX, PARTS_ESTIMATE, PARTS_SHARE, PASSED_MAX, PASSED_TIME, VARIANTS_MAX},
};

pub(crate) use forgotten::Forgotten;
use forgotten::Obsolete;
pub(crate) use purging::{Manner, Purged};
use shelf::Shelf;

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Key, Arc<Part>> for ByBytes {
    fn weight(&self, _: &Key, part: &Arc<Part>) -> u64 {
        part.stored.weight()
    }
}

/// Stored responses, and what else is remembered of resources.
pub(crate) struct Store {
    whole: RwLock<Shelf>,
    /// What their heads have in common.
    heads: Arc<Heads>,
    /// The latest stretch of resources that are not stored whole.
    parts: Cache<Key, Arc<Part>, ByBytes>,
    /// Resources whose answers could not be stored lately: their visitors do not wait for each other ("hit for miss").
    passed: Cache<Key, Time>,
    /// When what was made obsolete.
    forgotten: Arc<Forgotten>,
    disk: ArcSwapOption<Disk>,
    /// Insertions replace a slot as a whole; one at a time, so that none is lost.
    writing: Mutex<Index>,
}

/// The shares of stretches, of what heads have in common, and of whole responses.
fn split(memory: u64) -> (u64, u64, u64) {
    let (parts, heads) = (memory / PARTS_SHARE, heads::share(memory));
    (parts, heads, memory - parts - heads)
}

/// Room for stretches. One shard: a shard's share bounds the longest.
fn for_parts(memory: u64) -> Cache<Key, Arc<Part>, ByBytes> {
    let options = OptionsBuilder::new().shards(1).estimated_items_capacity(PARTS_ESTIMATE).weight_capacity(memory).build();
    match options {
        Ok(options) => Cache::with_options(options, ByBytes, Default::default(), Default::default()),
        Err(_) => Cache::with_weighter(PARTS_ESTIMATE, memory, ByBytes),
    }
}

impl Store {
    /// Makes a store of at most `memory` bytes.
    pub(crate) fn new(memory: u64) -> Self {
        let (parts, heads, whole) = split(memory);
        Self {
            whole: RwLock::new(Shelf::new(whole)),
            heads: Arc::new(Heads::new(heads)),
            parts: for_parts(parts),
            passed: Cache::new(PASSED_MAX),
            forgotten: Arc::default(),
            disk: ArcSwapOption::empty(),
            writing: Mutex::default(),
        }
    }

    /// Whoever died with the lock left whole entries behind; a sum that is off by one of them bounds as well.
    fn shelf(&self) -> RwLockReadGuard<'_, Shelf> {
        self.whole.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is held. What leaves is let go of after others can look again.
    fn change<T>(&self, change: impl FnOnce(&mut Shelf) -> T) -> T {
        change(&mut self.whole.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Finds the response that answers such a request, fresh or not.
    pub(crate) fn find(&self, key: &Key, request: &HeaderMap, encoding: Encoding) -> Option<Arc<Stored>> {
        let shelf = self.shelf();
        let stored = shelf.find(key.text(), |stored| stored.answers(request, encoding) && stored.is_there())?;
        stored.used();
        Some(Arc::clone(stored))
    }

    /// Finds the response that answers such a request to the resource of this key's text, if no other field of it matters.
    pub(crate) fn find_plain(&self, key: &str, encoding: Encoding) -> Option<Arc<Stored>> {
        let shelf = self.shelf();
        let stored = shelf.find(key, |stored| stored.answers_plain(encoding) && stored.apart().is_none())?;
        stored.used();
        Some(Arc::clone(stored))
    }

    /// Stores a response that was asked for at a time, in place of the one that answered the same requests. What was made obsolete since is
    /// not stored, only returned.
    pub(crate) fn insert(&self, stored: Stored, asked: Time) -> Arc<Stored> {
        self.insert_filed(stored, asked, None)
    }

    /// The same, of a response whose body has a file of its own.
    pub(crate) fn insert_filed(&self, mut stored: Stored, asked: Time, file: Option<Arc<File>>) -> Arc<Stored> {
        stored.share(&self.heads);
        let mut groups = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let key = stored.key();
        if self.forgotten.has(&stored, asked) || !groups.note(&key, &stored.groups(), |key| self.is_held(key)) {
            return Arc::new(stored);
        }
        let variants = self.shelf().variants(key.text());
        let disk = self.disk.load();
        if disk.is_some() {
            let before = variants.iter().find(|other| other.is_variant_of(&stored));
            stored.uses = before.and_then(|before| before.uses.clone()).or_else(|| Some(Uses::default()));
        }
        let stored = Arc::new(stored);
        // A response that varies by other fields than its forerunners makes them unusable: which one would answer?
        let mut stays: Vec<_> = variants.iter().filter(|other| other.vary() == stored.vary() && !other.is_variant_of(&stored)).collect();
        stays.sort_by_key(|other| Reverse(other.came()));
        stays.truncate(VARIANTS_MAX - 1);
        let is_stale = |other: &Stored| !stays.iter().any(|stays| ptr::eq(Arc::as_ptr(stays), other));
        let _gone = self.change(|shelf| (shelf.remove(key.text(), is_stale), shelf.insert(Arc::clone(&stored))));
        self.parts.remove(&key);
        self.passed.remove(&key);
        if let Some(disk) = &*disk {
            disk.keep(&stored, asked, file);
        }
        stored
    }

    /// Weighs a resource anew, of which more is known than before.
    pub(crate) fn weigh_again(&self, key: &Key) {
        let _gone = self.change(|shelf| shelf.weigh_again(key.text()));
    }

    /// The stretch that is held of a resource.
    pub(crate) fn part(&self, key: &Key) -> Option<Arc<Part>> {
        self.parts.get(key)
    }

    /// Stores a stretch that was asked for at a time in place of what was held; not if it was made obsolete since.
    pub(crate) fn insert_part(&self, mut part: Part, asked: Time) {
        part.stored.share(&self.heads);
        let mut groups = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let key = part.stored.key();
        if !self.forgotten.has(&part.stored, asked) && groups.note(&key, &part.stored.groups(), |key| self.is_held(key)) {
            self.parts.insert(key, Arc::new(part));
        }
    }

    fn is_held(&self, key: &Key) -> bool {
        self.shelf().has(key.text()) || self.parts.peek(key).is_some()
    }

    /// Forgets a resource (RFC 9111 section 4.4). Returns whether helpers could have it.
    pub(crate) fn remove(&self, key: &Key, now: Time) -> bool {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.forgotten.note(Obsolete::Resource(key.clone()), now);
        self.purge_disk(&Meant::Resource(key), Manner::Hard);
        self.take(key)
    }

    /// Forgets all that is in a group of the origin of `key` (RFC 9875 section 3). Returns what helpers could have of it.
    pub(crate) fn remove_group(&self, key: &Key, group: &Group, now: Time) -> Vec<Key> {
        let mut groups = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.forgotten.note(Obsolete::group(key, group), now);
        self.purge_disk(&Meant::Those(&|entry| entry.key.origin() == key.origin() && entry.is_in(group)), Manner::Hard);
        groups.take(key.origin(), group).into_iter().filter(|key| self.take(key)).collect()
    }

    fn take(&self, key: &Key) -> bool {
        self.parts.remove(key);
        self.change(|shelf| shelf.remove(key.text(), |_| true)).iter().any(|stored| stored.spillable().is_some())
    }

    /// Remembers that a resource's answer could not be stored.
    pub(crate) fn pass(&self, key: &Key, now: Time) {
        self.passed.insert(key.clone(), now.after(PASSED_TIME));
    }

    /// Forgets that.
    pub(crate) fn look_again(&self, key: &(impl Borrow<str> + ?Sized)) {
        self.passed.remove(key.borrow());
    }

    /// Tells whether a resource's answers could not be stored lately.
    pub(crate) fn is_passed(&self, key: &(impl Borrow<str> + ?Sized), now: Time) -> bool {
        self.passed.get(key.borrow()).is_some_and(|until| now < until)
    }

    /// Tells whether a resource's answers could not be stored lately, and nothing older of it is stored either.
    pub(crate) fn only_passes(&self, key: &str, now: Time) -> bool {
        self.is_passed(key, now) && !self.shelf().has(key) && self.disk.load().as_ref().is_none_or(|disk| !disk.knows(key))
    }

    /// Keeps what is stored in a folder too, in so many bytes; or not, and then nothing stays there: a later process would not know what
    /// was purged meanwhile.
    pub(crate) fn use_disk(&self, wanted: Option<(&Path, u64)>, clock: &Clock) {
        let now = self.disk.load_full();
        if let (Some((path, 0)), None) = (wanted, &now) {
            disk::discard(path);
        }
        match (wanted.filter(|(_, bytes)| *bytes > 0), now) {
            (Some((_, bytes)), Some(disk)) => disk.resize(bytes),
            (Some((path, bytes)), None) => match Disk::start(path.to_owned(), bytes, Arc::clone(&self.forgotten), clock.clone()) {
                Ok(disk) => self.disk.store(Some(Arc::new(disk))),
                Err(error) => tracing::warn!(%error, "nothing is stored on disk: there is no thread for it"),
            },
            (None, Some(disk)) => {
                self.disk.store(None);
                disk.empty();
            }
            (None, None) => {}
        }
    }

    /// What became of the disk tier, if there is one.
    pub(crate) fn disk_metrics(&self) -> Option<DiskMetrics> {
        self.disk.load().as_ref().map(|disk| disk.metrics())
    }

    /// Waits until what was stored is on disk. Blocks, for a second at most.
    pub(crate) fn flush(&self) {
        self.flush_within(DISK_FLUSH_MAX);
    }

    fn flush_within(&self, most: Duration) {
        if let Some(disk) = &*self.disk.load() {
            disk.flush(most);
        }
    }

    /// Bytes and number of stored resources.
    pub(crate) fn size(&self) -> (u64, u64) {
        let (bytes, count) = self.shelf().size();
        (bytes + self.parts.weight() + self.heads.bytes(), count + self.parts.len() as u64)
    }

    /// Changes the bound; what is beyond it is dropped.
    pub(crate) fn resize(&self, memory: u64) {
        let (parts, heads, whole) = split(memory);
        if self.shelf().capacity() != whole {
            let _gone = self.change(|shelf| shelf.set_capacity(whole));
            self.heads.set_capacity(heads);
            self.parts.set_capacity(parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cache::{
            admit::{Asked, admit},
            groups::CACHE_GROUPS,
        },
        cookies::Cookies,
    };
    use http::{
        HeaderValue, StatusCode, header,
        uri::{Authority, PathAndQuery, Scheme},
    };
    use overspill_governance::time::Now;

    fn key(path: &str) -> Key {
        Key::new(&Scheme::HTTP, &Authority::from_static("a.example"), &PathAndQuery::try_from(path).unwrap())
    }

    fn stored(path: &str, body: Vec<u8>, vary: Option<&'static str>, language: &'static str) -> (Stored, HeaderMap) {
        let (mut request, mut response) = (HeaderMap::new(), HeaderMap::new());
        request.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(language));
        response.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        if let Some(vary) = vary {
            response.insert(header::VARY, HeaderValue::from_static(vary));
        }
        let now = Now::default();
        let admitted =
            admit(Asked { path, headers: &request, cookies: Cookies::Free, at: now.date }, StatusCode::OK, &response, now.date).unwrap();
        let values = admitted.vary().values(&request, Encoding::Identity);
        (Stored::new(&key(path), admitted, (StatusCode::OK, response), (body.into(), None), &values, now), request)
    }

    #[test]
    fn variants_answer_their_own_visitors() {
        let store = Store::new(1 << 20);
        let (german, asks_german) = stored("/", b"hallo".to_vec(), Some("accept-language"), "de");
        let (french, asks_french) = stored("/", b"salut".to_vec(), Some("accept-language"), "fr");
        store.insert(german, Time::ZERO);
        store.insert(french, Time::ZERO);
        let body = |request| store.find(&key("/"), request, Encoding::Identity).map(|stored| stored.body_bytes().to_vec());
        assert_eq!(body(&asks_german).as_deref(), Some(&b"hallo"[..]));
        assert_eq!(body(&asks_french).as_deref(), Some(&b"salut"[..]));
        assert_eq!(body(&HeaderMap::new()), None);
    }

    #[test]
    fn memory_is_bounded() {
        let store = Store::new(256 << 10);
        for index in 0..100_u8 {
            store.insert(stored(&format!("/{index}"), vec![index; 16 << 10], None, "de").0, Time::ZERO);
            assert!(store.size().0 <= 256 << 10);
        }
        assert!((8..=16).contains(&store.size().1));
    }

    #[test]
    fn what_heads_have_in_common_goes_with_the_last_of_them() {
        let (memory, common) = (1 << 20, "nginx/1.22.1, and all that a site says with each of its answers, over and over again");
        let store = Store::new(memory);
        let insert = |number: u32| {
            let stored = Stored::sample_offer(&format!("/{number}"), vec![7; 1_000].into(), overspill_governance::time::Date::MAX);
            store.insert(stored.with_field(&header::SERVER, common), Time::ZERO)
        };
        let kept: Vec<_> = (0..2_000).map(insert).collect();
        assert!(kept[0].head()[0].is_empty() && kept[1..].iter().all(|stored| stored.head()[0].as_ptr() == kept[1].head()[0].as_ptr()));
        let (shelf, heads) = (store.shelf().size(), store.heads.bytes());
        assert!(heads > 0 && store.size() == (shelf.0 + heads, shelf.1) && store.size().0 <= memory);
        // Nearly as many as the memory has room for without any head.
        assert!(shelf.1 * 1_500 > memory * 3 / 4, "{}", shelf.1);
        drop(kept);
        assert_eq!(store.heads.bytes(), heads, "those that stayed have it");
        store.resize(0);
        assert_eq!(store.size(), (0, 0));
    }

    proptest::proptest! {
        #[test]
        fn an_empty_store_is_empty(steps in proptest::collection::vec((0_u8..40, 0_u8..6, 0_usize..5), 1..150)) {
            let kinds = ["nginx", "nginx and some more of it", "Apache/2.4.57 (Debian) with all its modules", "Caddy", "a server of one's own"];
            let store = Store::new(64 << 10);
            let mut on_their_way = Vec::new();
            for (number, deed, kind) in steps {
                match deed {
                    0 => drop(store.remove(&key(&format!("/{number}")), Time::ZERO)),
                    1 => drop(store.purge(&key(&format!("/{number}")), Manner::Soft, Time::ZERO)),
                    2 => on_their_way.extend(store.find(&key(&format!("/{number}")), &HeaderMap::new(), Encoding::Identity)),
                    3 => on_their_way.clear(),
                    _ => {
                        let stored = stored(&format!("/{number}"), vec![number; 700], None, "de").0.with_field(&header::SERVER, kinds[kind]);
                        store.insert(stored, Time::ZERO.after(Duration::from_secs(1)));
                    }
                }
                proptest::prop_assert!(store.size().0 <= 64 << 10);
            }
            store.resize(0);
            on_their_way.clear();
            proptest::prop_assert_eq!(store.size(), (0, 0));
        }
    }

    #[test]
    fn variants_are_bounded() {
        let store = Store::new(1 << 20);
        let languages: Vec<&'static str> = "aa ab ac ad ae af ag ah ai aj ak al".split(' ').collect();
        for language in &languages {
            store.insert(stored("/", b"x".to_vec(), Some("accept-language"), language).0, Time::ZERO);
        }
        assert_eq!(store.shelf().variants(key("/").text()).len(), VARIANTS_MAX);
    }

    #[test]
    fn what_was_asked_for_before_is_not_stored_after() {
        let store = Store::new(1 << 20);
        let at = |seconds| Time::ZERO.after(std::time::Duration::from_secs(seconds));
        let insert = |path, asked| {
            store.insert(stored(path, b"x".to_vec(), None, "de").0, at(asked));
            store.find(&key(path), &HeaderMap::new(), Encoding::Identity).is_some()
        };
        assert!(insert("/a", 1) && insert("/b", 1));
        assert!(!store.remove(&key("/a"), at(5)), "no helper has it");
        assert!(!insert("/a", 4) && insert("/b", 4) && insert("/a", 6));
    }

    #[test]
    fn a_group_is_forgotten_together() {
        let store = Store::new(1 << 20);
        let at = |seconds| Time::ZERO.after(std::time::Duration::from_secs(seconds));
        let group = Group::from(&b"posts"[..]);
        let insert = |path, grouped: bool, asked| {
            let stored = stored(path, b"x".to_vec(), None, "de").0;
            store.insert(if grouped { stored.with_field(&CACHE_GROUPS, "\"posts\"") } else { stored }, at(asked));
        };
        let held = |path| store.find(&key(path), &HeaderMap::new(), Encoding::Identity).is_some();
        insert("/1", true, 1);
        insert("/2", true, 1);
        insert("/3", false, 1);
        assert_eq!(store.remove_group(&key("/x"), &group, at(5)).len(), 0, "no helper has any");
        assert!(!held("/1") && !held("/2") && held("/3"));
        insert("/1", true, 4);
        assert!(!held("/1"));
        insert("/1", true, 6);
        assert!(held("/1"));
    }
}
