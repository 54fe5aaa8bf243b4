//! The memory tier: bounded by bytes, scan-resistant, a few variants of each resource.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use overspill_governance::time::Time;
use quick_cache::{OptionsBuilder, Weighter, sync::Cache};

use super::{key::Key, stored::Stored, vary::Encoding};
use crate::limits::{PASSED_MAX, PASSED_TIME, RESOURCES_ESTIMATE, VARIANTS_MAX};

/// The variants of one resource, latest first.
type Slot = Arc<Vec<Arc<Stored>>>;

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Key, Slot> for ByBytes {
    fn weight(&self, _: &Key, slot: &Slot) -> u64 {
        slot.iter().map(|stored| stored.weight()).sum::<u64>().max(1)
    }
}

/// Stored responses, and what else is remembered of resources.
pub(crate) struct Store {
    slots: Cache<Key, Slot, ByBytes>,
    /// Resources whose answers could not be stored lately: their visitors do not wait for each other ("hit for miss").
    passed: Cache<Key, Time>,
    /// Insertions replace a slot as a whole; one at a time, so that none is lost.
    writing: Mutex<()>,
}

impl Store {
    /// Makes a store of at most `memory` bytes.
    pub(crate) fn new(memory: u64) -> Self {
        // One shard: a shard's share bounds the largest object, and a lock held for 100 ns is not what two cores wait for.
        let options = OptionsBuilder::new().shards(1).estimated_items_capacity(RESOURCES_ESTIMATE).weight_capacity(memory).build();
        let slots = match options {
            Ok(options) => Cache::with_options(options, ByBytes, Default::default(), Default::default()),
            Err(_) => Cache::with_weighter(RESOURCES_ESTIMATE, memory, ByBytes),
        };
        Self { slots, passed: Cache::new(PASSED_MAX), writing: Mutex::default() }
    }

    /// Finds the response that answers such a request, fresh or not.
    pub(crate) fn find(&self, key: &Key, request: &HeaderMap, encoding: Encoding) -> Option<Arc<Stored>> {
        let slot = self.slots.get(key)?;
        slot.iter().find(|stored| stored.answers(request, encoding)).cloned()
    }

    /// Stores a response in place of the one that answered the same requests.
    pub(crate) fn insert(&self, stored: Stored) -> Arc<Stored> {
        let stored = Arc::new(stored);
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut variants = vec![Arc::clone(&stored)];
        if let Some(slot) = self.slots.peek(&stored.key) {
            // A response that varies by other fields than its forerunners makes them unusable: which one would answer?
            let same_kind = slot.iter().filter(|other| other.vary == stored.vary);
            variants.extend(same_kind.filter(|other| other.values != stored.values).take(VARIANTS_MAX - 1).cloned());
        }
        self.slots.insert(stored.key.clone(), Arc::new(variants));
        self.passed.remove(&stored.key);
        stored
    }

    /// Forgets a resource (RFC 9111 section 4.4). Returns whether helpers could have it.
    pub(crate) fn remove(&self, key: &Key) -> bool {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.slots.remove(key).is_some_and(|(_, slot)| slot.iter().any(|stored| stored.spillable.is_some()))
    }

    /// Remembers that a resource's answer could not be stored.
    pub(crate) fn pass(&self, key: &Key, now: Time) {
        self.passed.insert(key.clone(), now.after(PASSED_TIME));
    }

    /// Tells whether a resource's answers could not be stored lately.
    pub(crate) fn is_passed(&self, key: &Key, now: Time) -> bool {
        self.passed.get(key).is_some_and(|until| now < until)
    }

    /// Bytes and number of stored resources.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.slots.weight(), self.slots.len() as u64)
    }

    /// Changes the bound; what is beyond it is dropped.
    pub(crate) fn resize(&self, memory: u64) {
        if self.slots.capacity() != memory {
            self.slots.set_capacity(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cache::admit::{Asked, admit},
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
        (Stored::new(key(path), admitted, (StatusCode::OK, response), (body.into(), None), values, now), request)
    }

    #[test]
    fn variants_answer_their_own_visitors() {
        let store = Store::new(1 << 20);
        let (german, asks_german) = stored("/", b"hallo".to_vec(), Some("accept-language"), "de");
        let (french, asks_french) = stored("/", b"salut".to_vec(), Some("accept-language"), "fr");
        store.insert(german);
        store.insert(french);
        let body = |request| store.find(&key("/"), request, Encoding::Identity).map(|stored| stored.body.to_vec());
        assert_eq!(body(&asks_german).as_deref(), Some(&b"hallo"[..]));
        assert_eq!(body(&asks_french).as_deref(), Some(&b"salut"[..]));
        assert_eq!(body(&HeaderMap::new()), None);
    }

    #[test]
    fn memory_is_bounded() {
        let store = Store::new(256 << 10);
        for index in 0..100_u8 {
            store.insert(stored(&format!("/{index}"), vec![index; 16 << 10], None, "de").0);
            assert!(store.size().0 <= 256 << 10);
        }
        assert!((8..=16).contains(&store.size().1));
    }

    #[test]
    fn variants_are_bounded() {
        let store = Store::new(1 << 20);
        let languages: Vec<&'static str> = "aa ab ac ad ae af ag ah ai aj ak al".split(' ').collect();
        for language in &languages {
            store.insert(stored("/", b"x".to_vec(), Some("accept-language"), language).0);
        }
        assert_eq!(store.slots.get(&key("/")).unwrap().len(), VARIANTS_MAX);
    }
}
