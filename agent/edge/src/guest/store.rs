//! Guest objects in memory: bounded for each owner and in all, least recently used first out.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use overspill_governance::{digest::ObjectDigest, site::SiteId};

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
    /// Counts uses; orders `uses`.
    tick: u64,
    objects: BTreeMap<(SiteId, ObjectDigest), Stored>,
    uses: BTreeMap<u64, (SiteId, ObjectDigest)>,
    owners: BTreeMap<SiteId, u64>,
}

#[derive(Debug)]
struct Stored {
    body: Bytes,
    tick: u64,
}

/// Why bytes were not stored. The store is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotStored {
    /// The bytes do not hash to the digest.
    WrongBytes,
    /// One object larger than all that may be stored.
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
        inner.uses.remove(&stored.tick);
        inner.tick += 1;
        stored.tick = inner.tick;
        inner.uses.insert(stored.tick, (*owner, *digest));
        Some(stored.body.clone())
    }

    /// Stores bytes that hash to `digest`; makes room among the owner's own objects first, up to `owner_max`.
    pub(crate) fn insert(&self, owner: SiteId, digest: ObjectDigest, body: Bytes, owner_max: u64) -> Result<(), NotStored> {
        // Outside the lock: hashing 8 MiB takes milliseconds, and other visitors are being served meanwhile.
        if ObjectDigest::of(&body) != digest {
            return Err(NotStored::WrongBytes);
        }
        let size = body.len() as u64;
        let mut inner = self.lock();
        if size > inner.bytes_max || size > owner_max {
            return Err(NotStored::TooLarge);
        }
        inner.remove((owner, digest));
        while inner.owners.get(&owner).is_some_and(|used| used + size > owner_max) {
            let Some(key) = inner.uses.values().find(|key| key.0 == owner).copied() else { break };
            inner.remove(key);
        }
        while inner.bytes + size > inner.bytes_max || inner.objects.len() >= STORE_OBJECTS_MAX {
            let Some(key) = inner.uses.values().next().copied() else { break };
            inner.remove(key);
        }
        inner.tick += 1;
        let tick = inner.tick;
        inner.bytes += size;
        *inner.owners.entry(owner).or_default() += size;
        inner.uses.insert(tick, (owner, digest));
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

    /// Changes the bound on all bytes; room is made at once.
    pub(crate) fn set_bytes_max(&self, bytes_max: u64) {
        let mut inner = self.lock();
        inner.bytes_max = bytes_max;
        while inner.bytes > bytes_max {
            let Some(key) = inner.uses.values().next().copied() else { break };
            inner.remove(key);
        }
    }

    /// Bytes stored for one owner.
    pub(crate) fn used_by(&self, owner: &SiteId) -> u64 {
        self.lock().owners.get(owner).copied().unwrap_or(0)
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

impl Inner {
    fn remove(&mut self, key: (SiteId, ObjectDigest)) {
        let Some(stored) = self.objects.remove(&key) else { return };
        let size = stored.body.len() as u64;
        self.uses.remove(&stored.tick);
        self.bytes -= size;
        if let Some(used) = self.owners.get_mut(&key.0) {
            *used -= size;
            if *used == 0 {
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

    proptest! {
        #[test]
        fn sums_and_bounds_hold(steps in prop::collection::vec((0_u16..12, any::<bool>(), 2_usize..300), 1..120)) {
            let store = Store::new(1_000);
            for (name, first, size) in steps {
                let (digest, bytes) = body(name, size);
                let owner = if first { A } else { B };
                if store.find(&owner, &digest).is_none() {
                    let _ = store.insert(owner, digest, bytes, 600);
                }
                let inner = store.lock();
                let sum = |owner: Option<SiteId>| -> u64 {
                    inner.objects.iter().filter(|(key, _)| owner.is_none_or(|owner| owner == key.0)).map(|(_, stored)| stored.body.len() as u64).sum()
                };
                prop_assert!(inner.bytes <= 1_000 && inner.bytes == sum(None));
                for owner in [A, B] {
                    prop_assert!(sum(Some(owner)) <= 600);
                    prop_assert_eq!(inner.owners.get(&owner).copied().unwrap_or(0), sum(Some(owner)));
                }
                prop_assert_eq!(inner.uses.len(), inner.objects.len());
            }
        }
    }
}
