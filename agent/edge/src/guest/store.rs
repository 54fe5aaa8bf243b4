//! Guest objects in memory, bounded in all and for each owner: no partner's objects are pushed out by another's while it holds its share or less.
//!
//! A share is the memory there is, divided among the owners that hold something. Whoever holds more does so in room that others leave, and gives it
//! back, the least recently used first, when they come.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use overspill_governance::{digest::ObjectDigest, site::SiteId, units};

use super::limits::STORE_OBJECTS_MAX;

/// The guests' bytes. An object is one owner's: equal bytes of two owners are stored twice, so that neither learns of the other.
#[derive(Debug)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    bytes_max: u64,
    bytes: u64,
    /// Counts uses; orders those of each owner.
    tick: u64,
    objects: BTreeMap<(SiteId, ObjectDigest), Stored>,
    owners: BTreeMap<SiteId, Held>,
}

#[derive(Debug)]
struct Stored {
    body: Bytes,
    tick: u64,
}

/// What is held for one owner.
#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    /// By their last use.
    uses: BTreeMap<u64, ObjectDigest>,
}

/// How much is held for one owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuestStored {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: units::Bytes,
}

/// Why bytes were not stored. The store is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotStored {
    /// The bytes do not hash to the digest.
    WrongBytes,
    /// One object larger than all that may be stored, or than what others, who hold no more than it, leave.
    TooLarge,
}

impl Store {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { inner: Mutex::new(Inner { bytes_max, ..Inner::default() }) }
    }

    /// The object's bytes, if they are here.
    pub(crate) fn find(&self, owner: &SiteId, digest: &ObjectDigest) -> Option<Bytes> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let stored = inner.objects.get_mut(&(*owner, *digest))?;
        inner.tick += 1;
        if let Some(held) = inner.owners.get_mut(owner) {
            held.uses.remove(&stored.tick);
            held.uses.insert(inner.tick, *digest);
        }
        stored.tick = inner.tick;
        Some(stored.body.clone())
    }

    /// Stores bytes that hash to `digest`; makes room among the owner's own objects first, up to `owner_max`, then where most is held.
    pub(crate) fn insert(&self, owner: SiteId, digest: ObjectDigest, body: Bytes, owner_max: u64) -> Result<(), NotStored> {
        // Outside the lock: hashing 8 MiB takes milliseconds, and other visitors are being served meanwhile.
        if ObjectDigest::of(&body) != digest {
            return Err(NotStored::WrongBytes);
        }
        let size = body.len() as u64;
        let mut inner = self.lock();
        if size > owner_max || size > inner.room_for(&owner, size) {
            return Err(NotStored::TooLarge);
        }
        inner.remove((owner, digest));
        while inner.held_by(&owner) + size > owner_max && inner.remove_oldest(owner) {}
        while inner.bytes + size > inner.bytes_max
            && inner.remove_of_most(|inner, of| inner.held_by(of) + if *of == owner { size } else { 0 })
        {}
        while inner.objects.len() >= STORE_OBJECTS_MAX && inner.remove_of_most(|inner, of| inner.owners.get(of).map_or(0, Held::count)) {}
        inner.tick += 1;
        let tick = inner.tick;
        inner.bytes += size;
        let held = inner.owners.entry(owner).or_default();
        held.bytes += size;
        held.uses.insert(tick, digest);
        inner.objects.insert((owner, digest), Stored { body, tick });
        Ok(())
    }

    /// Removes the owner's objects that `keep` does not want: purged bytes are gone, not merely unnamed.
    pub(crate) fn retain(&self, owner: &SiteId, keep: impl Fn(&ObjectDigest) -> bool) {
        let mut inner = self.lock();
        let range = (*owner, ObjectDigest([0; 32]))..=(*owner, ObjectDigest([u8::MAX; 32]));
        let gone: Vec<_> = inner.objects.range(range).map(|(key, _)| *key).filter(|key| !keep(&key.1)).collect();
        for key in gone {
            inner.remove(key);
        }
    }

    /// Changes the bound on all bytes; room is made at once, where most is held.
    pub(crate) fn set_bytes_max(&self, bytes_max: u64) {
        let mut inner = self.lock();
        inner.bytes_max = bytes_max;
        while inner.bytes > bytes_max && inner.remove_of_most(Inner::held_by) {}
    }

    /// Bytes stored for one owner.
    pub(crate) fn used_by(&self, owner: &SiteId) -> u64 {
        self.lock().held_by(owner)
    }

    /// What is held for whom.
    pub(crate) fn by_owner(&self) -> BTreeMap<SiteId, GuestStored> {
        let stored = |held: &Held| GuestStored { objects: held.count(), bytes: units::Bytes(held.bytes) };
        self.lock().owners.iter().map(|(owner, held)| (*owner, stored(held))).collect()
    }

    /// Objects and bytes stored.
    pub(crate) fn used(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.objects.len() as u64, inner.bytes)
    }

    /// A thread that died while it held the lock may have left an object without its use: it is then found, and never evicted.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn count(&self) -> u64 {
        self.uses.len() as u64
    }
}

impl Inner {
    fn held_by(&self, owner: &SiteId) -> u64 {
        self.owners.get(owner).map_or(0, |held| held.bytes)
    }

    /// What there is for an object of an owner that gives up all else: the others give way down to what it would hold itself.
    fn room_for(&self, owner: &SiteId, size: u64) -> u64 {
        let others = self.owners.iter().filter(|(other, _)| *other != owner);
        self.bytes_max.saturating_sub(others.map(|(_, held)| held.bytes.min(size)).sum())
    }

    /// Removes the oldest object of the owner that has most; false when nobody who has most has any.
    fn remove_of_most(&mut self, most: impl Fn(&Self, &SiteId) -> u64) -> bool {
        let owner = self.owners.keys().max_by_key(|owner| most(self, owner)).copied();
        owner.is_some_and(|owner| self.remove_oldest(owner))
    }

    fn remove_oldest(&mut self, owner: SiteId) -> bool {
        let oldest = self.owners.get(&owner).and_then(|held| held.uses.values().next().copied());
        oldest.inspect(|digest| self.remove((owner, *digest))).is_some()
    }

    fn remove(&mut self, key: (SiteId, ObjectDigest)) {
        let Some(stored) = self.objects.remove(&key) else { return };
        let size = stored.body.len() as u64;
        self.bytes -= size;
        if let Some(held) = self.owners.get_mut(&key.0) {
            held.bytes -= size;
            held.uses.remove(&stored.tick);
            if held.uses.is_empty() {
                self.owners.remove(&key.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: SiteId = SiteId([1; 32]);
    const B: SiteId = SiteId([2; 32]);

    fn body(name: u16, size: usize) -> (ObjectDigest, Bytes) {
        let mut bytes = name.to_le_bytes().to_vec();
        bytes.resize(size.max(2), 0);
        (ObjectDigest::of(&bytes), Bytes::from(bytes))
    }

    #[test]
    fn wrong_bytes_and_giants_are_refused_and_change_nothing() {
        let store = Store::new(1_000);
        let (digest, bytes) = body(1, 100);
        assert_eq!(store.insert(A, digest, Bytes::from_static(b"others"), 1_000), Err(NotStored::WrongBytes));
        assert_eq!(store.insert(A, digest, bytes.clone(), 99), Err(NotStored::TooLarge));
        assert_eq!(store.insert(A, digest, bytes, 1_000), Ok(()));
        assert_eq!(store.find(&B, &digest), None, "one owner's bytes are not another's");
        assert_eq!(store.used(), (1, 100));
    }

    #[test]
    fn the_least_recently_used_makes_room_and_an_owner_makes_room_for_itself() {
        let store = Store::new(400);
        let bodies: Vec<_> = (0..5).map(|name| body(name, 100)).collect();
        let insert = |owner, at: usize, max| store.insert(owner, bodies[at].0, bodies[at].1.clone(), max).unwrap();
        insert(B, 0, 400);
        insert(A, 1, 200);
        insert(A, 2, 200);
        assert!(store.find(&A, &bodies[1].0).is_some());
        insert(A, 3, 200);
        assert!(store.find(&A, &bodies[2].0).is_none(), "used before the other");
        assert!(store.find(&B, &bodies[0].0).is_some(), "one owner's bound costs another nothing");
        store.retain(&A, |digest| *digest == bodies[3].0);
        assert_eq!(store.used(), (2, 200));
        store.set_bytes_max(150);
        assert_eq!(store.used(), (1, 100));
    }

    fn insert(store: &Store, owner: SiteId, name: u16, size: usize) -> Result<(), NotStored> {
        let (digest, bytes) = body(name, size);
        store.insert(owner, digest, bytes, 1_000)
    }

    #[test]
    fn an_owner_cannot_push_out_anothers_share() {
        let store = Store::new(1_000);
        let insert = |owner, name, size| insert(&store, owner, name, size);
        (0..10).for_each(|name| insert(A, name, 100).unwrap());
        assert_eq!(store.used_by(&A), 1_000, "alone, it has all there is");
        (0..50).for_each(|name| insert(B, 100 + name, 100).unwrap());
        assert_eq!((store.used_by(&A), store.used_by(&B)), (500, 500));
        assert_eq!(store.by_owner()[&A], GuestStored { objects: 5, bytes: units::Bytes(500) });
        (0..50).for_each(|name| insert(SiteId([3; 32]), 200 + name, 10).unwrap());
        assert!([A, B, SiteId([3; 32])].iter().all(|owner| store.used_by(owner) >= 300), "a share of three, less one object");
    }

    #[test]
    fn one_object_larger_than_what_others_leave_is_not_stored() {
        let store = Store::new(1_000);
        let insert = |owner, name, size| insert(&store, owner, name, size);
        (0..5).for_each(|name| insert(A, name, 100).unwrap());
        assert_eq!(insert(B, 9, 501), Err(NotStored::TooLarge), "more than others leave");
        assert_eq!((store.used_by(&A), store.used_by(&B)), (500, 0));
        assert_eq!(insert(B, 9, 500), Ok(()));
    }

    proptest! {
        #[test]
        fn sums_and_bounds_hold(steps in prop::collection::vec((0_u16..12, any::<bool>(), 2_usize..300), 1..120)) {
            let store = Store::new(1_000);
            for (name, first, size) in steps {
                let (digest, bytes) = body(name, size);
                let owner = if first { A } else { B };
                let other = if first { B } else { A };
                let before = store.used_by(&other);
                if store.find(&owner, &digest).is_none() {
                    let _ = store.insert(owner, digest, bytes, 600);
                }
                if before <= 500 {
                    prop_assert_eq!(store.used_by(&other), before, "it held its share or less");
                }
                let inner = store.lock();
                let sum = |owner: Option<SiteId>| -> u64 {
                    inner.objects.iter().filter(|(key, _)| owner.is_none_or(|owner| owner == key.0)).map(|(_, stored)| stored.body.len() as u64).sum()
                };
                prop_assert!(inner.bytes <= 1_000 && inner.bytes == sum(None));
                for owner in [A, B] {
                    prop_assert!(sum(Some(owner)) <= 600);
                    prop_assert_eq!(inner.held_by(&owner), sum(Some(owner)));
                }
                prop_assert_eq!(inner.owners.values().map(Held::count).sum::<u64>(), inner.objects.len() as u64);
            }
        }
    }
}
