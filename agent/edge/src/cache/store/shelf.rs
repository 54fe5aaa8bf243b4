//! Stored responses in memory, bounded by bytes: found by their key's text, and leaving in SIEVE's order.
//!
//! A look-up takes four looks at memory that may be far: the index's group, the entry, the response and its text, where the key stands before the
//! head that is sent. Variants of a resource are entries of their own under the same key.

use std::{hash::BuildHasher as _, num::NonZeroU32, sync::Arc};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::{
    cache::{sieve::Sieve, stored::Stored},
    limits::MEMORY_SHARE,
};

/// What stands in the index. The hash says most of what there is to say without a look at the key.
#[derive(Debug)]
struct Entry {
    hash: u32,
    /// Its place in the order.
    place: u32,
    stored: Arc<Stored>,
}

/// What stands in the order: where the index has it, and what it weighs there.
#[derive(Debug)]
struct Held {
    hash: u32,
    /// Never nothing, which saves the word that tells whether there is one.
    weight: NonZeroU32,
}

/// Responses that fit into so many bytes.
#[derive(Debug)]
pub(super) struct Shelf {
    index: HashTable<Entry>,
    order: Sieve<Held>,
    hasher: DefaultHashBuilder,
    bytes: u64,
    capacity: u64,
}

/// All bits of the index's hash, made of those that are kept: its tables never have more than 2^25 groups.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

fn weigh(stored: &Stored) -> NonZeroU32 {
    u32::try_from(stored.weight()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX)
}

impl Shelf {
    pub(super) fn new(capacity: u64) -> Self {
        Self { index: HashTable::new(), order: Sieve::default(), hasher: DefaultHashBuilder::default(), bytes: 0, capacity }
    }

    fn hash(&self, key: &str) -> u32 {
        self.hasher.hash_one(key.as_bytes()) as u32
    }

    /// The variant of a resource that is meant.
    pub(super) fn find(&self, key: &str, is_meant: impl Fn(&Stored) -> bool) -> Option<&Arc<Stored>> {
        let hash = self.hash(key);
        let is_it = |entry: &Entry| entry.hash == hash && entry.stored.is_of(key) && is_meant(&entry.stored);
        self.index.find(spread(hash), is_it).map(|entry| &entry.stored)
    }

    /// All variants of a resource.
    pub(super) fn variants(&self, key: &str) -> Vec<Arc<Stored>> {
        let hash = self.hash(key);
        let entries = self.index.iter_hash(spread(hash)).filter(|entry| entry.hash == hash && entry.stored.is_of(key));
        entries.map(|entry| Arc::clone(&entry.stored)).collect()
    }

    /// Whether there is any variant of a resource.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key, |_| true).is_some()
    }

    /// Takes in a response that is no variant of one that is held, and returns what had to leave for it: itself, if it is too long.
    pub(super) fn insert(&mut self, stored: Arc<Stored>) -> Vec<Arc<Stored>> {
        let (hash, weight) = (self.hash(stored.key_text()), weigh(&stored));
        if u64::from(weight.get()) > self.capacity / MEMORY_SHARE {
            return vec![stored];
        }
        let place = self.order.push(Held { hash, weight });
        self.bytes += u64::from(weight.get());
        self.index.insert_unique(spread(hash), Entry { hash, place, stored }, |entry| spread(entry.hash));
        self.fit()
    }

    /// Takes out the variants of a resource that are meant.
    pub(super) fn remove(&mut self, key: &str, is_meant: impl Fn(&Stored) -> bool) -> Vec<Arc<Stored>> {
        let (hash, mut removed) = (self.hash(key), Vec::new());
        while let Ok(entry) =
            self.index.find_entry(spread(hash), |entry| entry.hash == hash && entry.stored.is_of(key) && is_meant(&entry.stored))
        {
            let (entry, _) = entry.remove();
            self.bytes -= self.order.remove(entry.place).map_or(0, |held| u64::from(held.weight.get()));
            removed.push(entry.stored);
        }
        removed
    }

    /// Weighs the variants of a resource anew, and returns what has to leave for it.
    pub(super) fn weigh_again(&mut self, key: &str) -> Vec<Arc<Stored>> {
        let hash = self.hash(key);
        for entry in self.index.iter_hash(spread(hash)).filter(|entry| entry.hash == hash && entry.stored.is_of(key)) {
            if let Some(held) = self.order.thing_mut(entry.place) {
                let weight = weigh(&entry.stored);
                self.bytes = self.bytes - u64::from(held.weight.get()) + u64::from(weight.get());
                held.weight = weight;
            }
        }
        self.fit()
    }

    /// Lets go of what is beyond the bound.
    fn fit(&mut self) -> Vec<Arc<Stored>> {
        let mut gone = Vec::new();
        while self.bytes > self.capacity {
            let index = &self.index;
            let left = self.order.evict(|held, place| {
                index.find(spread(held.hash), |entry| entry.place == place).is_some_and(|entry| entry.stored.take_visit())
            });
            let Some((place, held)) = left else { break };
            self.bytes -= u64::from(held.weight.get());
            if let Ok(entry) = self.index.find_entry(spread(held.hash), |entry| entry.place == place) {
                gone.push(entry.remove().0.stored);
            }
        }
        gone
    }

    /// Changes the bound, and returns what has to leave.
    pub(super) fn set_capacity(&mut self, capacity: u64) -> Vec<Arc<Stored>> {
        self.capacity = capacity;
        self.fit()
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// All responses, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Stored>> {
        self.index.iter().map(|entry| &entry.stored)
    }

    /// Bytes and number of responses.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.bytes, self.index.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use overspill_governance::time::Date;
    use proptest::prelude::*;

    fn stored(number: u32, length: usize) -> Arc<Stored> {
        Arc::new(Stored::sample_offer(&format!("/{number}"), Bytes::from(vec![0; length]), Date::MAX))
    }

    fn key(number: u32) -> String {
        format!("http://a.example:80/{number}")
    }

    #[test]
    fn a_scan_of_ten_times_the_room_leaves_what_is_wanted() {
        let mut shelf = Shelf::new(1 << 20);
        (0..200).for_each(|number| assert!(shelf.insert(stored(number, 1_024)).is_empty()));
        (0..200).for_each(|number| shelf.find(&key(number), |_| true).unwrap().used());
        (1_000..8_000).for_each(|number| {
            shelf.insert(stored(number, 1_024));
        });
        assert_eq!((0..200).filter(|number| shelf.has(&key(*number))).count(), 200);
        assert!(shelf.size().0 <= 1 << 20 && shelf.size().0 > (1 << 20) - 2_048);
    }

    #[test]
    fn what_is_longer_than_its_share_pushes_nothing_out() {
        let mut shelf = Shelf::new(64 << 10);
        (0..10).for_each(|number| assert!(shelf.insert(stored(number, 1_024)).is_empty()));
        assert_eq!(shelf.insert(stored(10, 8 << 10)).len(), 1);
        assert_eq!((shelf.size().1, shelf.has(&key(10))), (10, false));
    }

    proptest! {
        #[test]
        fn sums_hold_whatever_happens(steps in prop::collection::vec((0_u32..30, 0_u8..5, 0_usize..9_000), 1..200)) {
            let mut shelf = Shelf::new(64 << 10);
            for (number, deed, length) in steps {
                match deed {
                    0 => drop(shelf.remove(&key(number), |_| true)),
                    1 => shelf.find(&key(number), |_| true).into_iter().for_each(|stored| stored.used()),
                    2 => drop(shelf.weigh_again(&key(number))),
                    _ => {
                        shelf.remove(&key(number), |_| true);
                        shelf.insert(stored(number, length));
                    }
                }
                let (bytes, count) = shelf.size();
                prop_assert_eq!(bytes, shelf.iter().map(|stored| stored.weight()).sum::<u64>());
                prop_assert_eq!((count, shelf.order.len()), (shelf.iter().count() as u64, shelf.index.len()));
                prop_assert!(bytes <= 64 << 10);
                prop_assert!(shelf.iter().all(|stored| shelf.has(stored.key_text())));
            }
            shelf.set_capacity(0);
            prop_assert_eq!(shelf.size(), (0, 0));
        }
    }
}
