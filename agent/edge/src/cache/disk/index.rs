//! What is on the disk: which file holds which variant of which resource. Made anew at each start from the files themselves.

use std::{
    collections::BTreeMap,
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use http::HeaderMap;
use overspill_governance::time::Time;
use sha2::{Digest, Sha256};

use super::format::Body;
use crate::{
    cache::{
        groups::{self, Group},
        key::Key,
        sieve::Sieve,
        stored::Stored,
        vary::{Encoding, Vary},
    },
    limits::{DISK_OBJECTS_MAX, VARIANTS_MAX},
};

/// Bytes that a file takes at least, and by which it grows.
const FILE_BYTES: u64 = 4_096;

/// Names a file: the same response has the same name in every process, so that a new one takes the old one's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    pub(crate) resource: u128,
    pub(crate) variant: u64,
}

impl Name {
    pub(crate) fn of(stored: &Stored) -> Self {
        Self::of_variant(stored.key_text(), stored.vary(), stored.values())
    }

    pub(crate) fn of_variant(key: &str, vary: &Vary, values: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        for name in vary.fields() {
            hasher.update(name.as_str());
            hasher.update([0]);
        }
        hasher.update([0]);
        hasher.update(values);
        let digest: [u8; 32] = hasher.finalize().into();
        let variant = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Self { resource: resource_of(key), variant }
    }

    /// The first and the last name that a resource's files can have.
    fn of_resource(resource: u128) -> std::ops::RangeInclusive<Self> {
        Self { resource, variant: 0 }..=Self { resource, variant: u64::MAX }
    }

    /// Its file's name.
    pub(crate) fn text(self) -> String {
        format!("{:032x}-{:016x}", self.resource, self.variant)
    }

    /// The folder that its file is in, one of 256.
    pub(crate) fn folder(self) -> u8 {
        self.resource.to_be_bytes()[0]
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let (resource, variant) = text.split_once('-')?;
        let name = Self { resource: u128::from_str_radix(resource, 16).ok()?, variant: u64::from_str_radix(variant, 16).ok()? };
        (name.text() == text).then_some(name)
    }
}

/// The part of a name that all variants of a resource share.
pub(crate) fn resource_of(key: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest(key).into();
    digest.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// Whether something was asked for lately. Shared by the tiers that hold it: memory answers for the hottest files, which would look as if nobody
/// wanted them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uses(Arc<AtomicBool>);

impl Uses {
    /// Notes that it was. For what is asked for often, a look and no more.
    pub(crate) fn note(&self) {
        if !self.0.load(Relaxed) {
            self.0.store(true, Relaxed);
        }
    }

    /// Tells whether it was, and begins anew.
    fn take(&self) -> bool {
        self.0.swap(false, Relaxed)
    }
}

/// One file.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    vary: Vary,
    values: Vec<u8>,
    tags: Option<Box<str>>,
    groups: Vec<Group>,
    pub(crate) apart: Option<u64>,
    /// That body's file, once it was read or when it was written by this process.
    pub(crate) file: Option<Arc<File>>,
    /// When it was written, if by this process.
    pub(crate) written: Option<Time>,
    /// Purged: what is read of it is stale.
    pub(crate) outdated: bool,
    /// Bytes on the disk, its place in the order, and whether it was asked for.
    size: u64,
    place: u32,
    uses: Uses,
}

impl Entry {
    pub(crate) fn of(stored: &Stored, apart: Option<u64>, written: Option<Time>) -> Self {
        Self {
            key: stored.key(),
            vary: stored.vary().clone(),
            values: stored.values().to_vec(),
            tags: groups::tags(stored.values_of(&groups::CACHE_TAGS)).map(Into::into),
            groups: stored.groups(),
            apart,
            file: None,
            written,
            outdated: false,
            size: 0,
            place: 0,
            uses: stored.uses().cloned().unwrap_or_default(),
        }
    }

    pub(crate) fn tags(&self) -> Option<&str> {
        self.tags.as_deref()
    }

    pub(crate) fn is_in(&self, group: &Group) -> bool {
        self.groups.contains(group)
    }
}

/// All files.
#[derive(Debug)]
pub(crate) struct Index {
    entries: BTreeMap<Name, Entry>,
    order: Sieve<Name>,
    bytes: u64,
    capacity: u64,
}

impl Index {
    pub(crate) fn new(capacity: u64) -> Self {
        Self { entries: BTreeMap::new(), order: Sieve::default(), bytes: 0, capacity }
    }

    pub(crate) fn set_capacity(&mut self, capacity: u64) {
        self.capacity = capacity;
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(crate) fn entry(&self, name: Name) -> Option<&Entry> {
        self.entries.get(&name)
    }

    pub(crate) fn entry_mut(&mut self, name: Name) -> Option<&mut Entry> {
        self.entries.get_mut(&name)
    }

    pub(crate) fn uses(&self, name: Name) -> Option<Uses> {
        self.entries.get(&name).map(|entry| entry.uses.clone())
    }

    /// Bytes, rounded up as file systems do, and number of files.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.bytes, self.entries.len() as u64)
    }

    /// Tells whether there is anything of the resource of this key's text.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.entries.range(Name::of_resource(resource_of(key))).next().is_some()
    }

    /// The file that answers such a request.
    pub(crate) fn find(&self, key: &Key, request: &HeaderMap, encoding: Encoding) -> Option<Name> {
        let variants = self.entries.range(Name::of_resource(resource_of(key.text())));
        let mut fitting = variants.filter(|(_, entry)| entry.key == *key && entry.vary.values(request, encoding) == entry.values);
        fitting.next().map(|(name, _)| *name)
    }

    /// Notes a file, and returns those that it makes useless: of other kinds of variants, and of too many.
    /// `is_known`: a process before this one had it, so that it was good for something.
    pub(crate) fn insert(&mut self, (name, mut entry): (Name, Entry), body: &Body, is_known: bool) -> Vec<Name> {
        let others = self.entries.range(Name::of_resource(name.resource)).filter(|(other, _)| **other != name);
        let (same, mut useless): (Vec<_>, Vec<_>) = others.map(|(other, it)| (*other, it)).partition(|(_, it)| it.vary == entry.vary);
        useless.extend(same.into_iter().skip(VARIANTS_MAX - 1));
        let useless = useless.into_iter().map(|(other, _)| other).collect();
        entry.size = (body.length + 1).next_multiple_of(FILE_BYTES) + FILE_BYTES;
        if is_known {
            entry.uses.note();
        }
        // What takes another's place keeps it in the order, too.
        let before = self.entries.get(&name).map(|before| (before.place, before.size));
        entry.place = before.map_or_else(|| self.order.push(name), |(place, _)| place);
        self.bytes = self.bytes - before.map_or(0, |(_, size)| size) + entry.size;
        self.entries.insert(name, entry);
        useless
    }

    pub(crate) fn remove(&mut self, name: Name) -> Option<Entry> {
        let entry = self.entries.remove(&name)?;
        self.order.remove(entry.place);
        self.bytes -= entry.size;
        Some(entry)
    }

    /// Forgets the next file that has to go, if there are too many bytes or files.
    pub(crate) fn evict(&mut self) -> Option<(Name, Entry)> {
        if self.bytes <= self.capacity && self.entries.len() <= DISK_OBJECTS_MAX {
            return None;
        }
        let entries = &self.entries;
        let (_, name) = self.order.evict(|name, _| entries.get(name).is_some_and(|entry| entry.uses.take()))?;
        let entry = self.entries.remove(&name)?;
        self.bytes -= entry.size;
        Some((name, entry))
    }

    /// Files of a resource.
    pub(crate) fn of_resource(&self, key: &Key) -> Vec<Name> {
        let resource = resource_of(key.text());
        self.entries.range(Name::of_resource(resource)).map(|(name, _)| *name).collect()
    }

    /// Files that are meant.
    pub(crate) fn meant(&self, is_meant: impl Fn(&Entry) -> bool) -> Vec<Name> {
        self.entries.iter().filter(|(_, entry)| is_meant(entry)).map(|(name, _)| *name).collect()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::header;

    fn stored(language: &str) -> Stored {
        let stored = Stored::sample(&[(header::CACHE_CONTROL, "max-age=60"), (header::VARY, "accept-language")], Bytes::new());
        stored.with_values(format!("{language},\0").as_bytes())
    }

    fn insert(index: &mut Index, stored: &Stored) -> Vec<Name> {
        let entry = Entry::of(stored, None, None);
        index.insert((Name::of(stored), entry), &Body::of(b""), false)
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        let name = Name::of(&stored("de"));
        assert_eq!(Name::read(&name.text()), Some(name));
        assert_ne!(Name::of(&stored("fr")), name);
        for foreign in ["", "-", "x", &name.text().to_uppercase(), &format!("0{}", name.text()), &format!("{}.new", name.text())] {
            assert!(Name::read(foreign).is_none() || foreign == name.text(), "{foreign}");
        }
    }

    #[test]
    fn a_request_finds_its_variant() {
        let mut index = Index::new(1 << 20);
        let (german, french) = (stored("de"), stored("fr"));
        assert!(insert(&mut index, &german).is_empty() && insert(&mut index, &french).is_empty());
        let ask = |language: &'static str| {
            let mut request = HeaderMap::new();
            request.insert(header::ACCEPT_LANGUAGE, http::HeaderValue::from_static(language));
            index.find(&german.key(), &request, Encoding::Identity)
        };
        assert_eq!((ask("de"), ask("fr"), ask("it")), (Some(Name::of(&german)), Some(Name::of(&french)), None));
    }

    #[test]
    fn other_kinds_of_variants_and_too_many_are_useless() {
        let mut index = Index::new(1 << 20);
        for at in 0..VARIANTS_MAX {
            assert!(insert(&mut index, &stored(&format!("l{at}"))).is_empty());
        }
        assert_eq!(insert(&mut index, &stored("one more")).len(), 1);
        let plain = Stored::sample(&[(header::CACHE_CONTROL, "max-age=60")], Bytes::new());
        assert_eq!(insert(&mut index, &plain).len(), VARIANTS_MAX + 1, "one that does not vary makes all others unusable");
    }

    #[test]
    fn bytes_are_bounded() {
        let mut index = Index::new(10 * FILE_BYTES);
        for at in 0..20 {
            insert(&mut index, &stored(&format!("l{at}")));
        }
        let mut gone = 0;
        while index.evict().is_some() {
            gone += 1;
        }
        assert_eq!((gone, index.size()), (15, (10 * FILE_BYTES, 5)));
    }

    #[test]
    fn what_was_there_before_and_what_is_asked_for_outlast_a_scan() {
        let mut index = Index::new(100 * 2 * FILE_BYTES);
        let put = |index: &mut Index, at: u32, is_known| {
            let stored = Stored::sample_offer(&format!("/{at}"), Bytes::from_static(b"x"), overspill_governance::time::Date::MAX);
            let name = Name::of(&stored);
            index.insert((name, Entry::of(&stored, None, None)), &Body::of(b"x"), is_known);
            while index.evict().is_some() {}
            name
        };
        let known: Vec<Name> = (0..40).map(|at| put(&mut index, at, true)).collect();
        let asked: Vec<Name> = (100..140).map(|at| put(&mut index, at, false)).collect();
        asked.iter().for_each(|name| index.uses(*name).unwrap().note());
        (1_000..2_000).for_each(|at| {
            put(&mut index, at, false);
        });
        assert!(known.iter().chain(&asked).all(|name| index.entry(*name).is_some()));
        assert_eq!(index.size(), (100 * 2 * FILE_BYTES, 100));
        let (_, sum) = (index.clear(), index.size());
        assert_eq!(sum, (0, 0));
    }
}
