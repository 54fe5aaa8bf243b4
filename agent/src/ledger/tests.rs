//! Every way in which a disk fails, on a disk that fails on demand.

use std::{
    io,
    sync::{Arc, Mutex},
};

use overspill_governance::{payword::LeaseId, site::Key};
use proptest::prelude::*;

use super::{disk::Source, *};

/// What goes wrong with the next call of a kind.
#[derive(Default)]
struct Faults {
    /// Bytes that still fit.
    space: Option<usize>,
    /// Most bytes that one write takes.
    short: Option<usize>,
    write: Option<io::ErrorKind>,
    sync: Option<io::ErrorKind>,
    cut: Option<io::ErrorKind>,
}

#[derive(Default)]
struct Platter {
    bytes: Vec<u8>,
    /// What a power cut leaves.
    synced: Vec<u8>,
    syncs: usize,
    faults: Faults,
}

/// A disk in memory; copies are the same disk.
#[derive(Clone, Default)]
struct MemoryDisk(Arc<Mutex<Platter>>);

impl MemoryDisk {
    fn with<T>(&self, act: impl FnOnce(&mut Platter) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    fn bytes(&self) -> Vec<u8> {
        self.with(|platter| platter.bytes.clone())
    }

    fn of(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Platter { synced: bytes.clone(), bytes, ..Platter::default() })))
    }

    fn after_power_cut(&self) -> Self {
        Self::of(self.with(|platter| platter.synced.clone()))
    }
}

impl Source for MemoryDisk {
    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|platter| {
            let rest = platter.bytes.get(at as usize..).unwrap_or_default();
            let read = rest.len().min(buffer.len());
            buffer[..read].copy_from_slice(&rest[..read]);
            Ok(read)
        })
    }
}

impl Disk for MemoryDisk {
    fn size(&mut self) -> io::Result<u64> {
        Ok(self.with(|platter| platter.bytes.len() as u64))
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        self.with(|platter| {
            if let Some(kind) = platter.faults.write {
                return Err(kind.into());
            }
            let mut taken = bytes.len().min(platter.faults.short.unwrap_or(usize::MAX));
            if let Some(space) = platter.faults.space {
                taken = taken.min(space.saturating_sub(at as usize));
                if taken == 0 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
            }
            let end = at as usize + taken;
            if platter.bytes.len() < end {
                platter.bytes.resize(end, 0);
            }
            platter.bytes[at as usize..end].copy_from_slice(&bytes[..taken]);
            Ok(taken)
        })
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.with(|platter| match platter.faults.cut {
            Some(kind) => Err(kind.into()),
            None => {
                platter.bytes.truncate(len as usize);
                Ok(())
            }
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|platter| {
            if let Some(kind) = platter.faults.sync {
                return Err(kind.into());
            }
            platter.syncs += 1;
            platter.synced = platter.bytes.clone();
            Ok(())
        })
    }
}

fn site() -> SiteId {
    Key::from_seed([1; 32]).site()
}

fn entry(number: u8) -> Entry {
    Entry::LeaseEnded { lease: LeaseId([number; 8]) }
}

fn open_on(disk: &MemoryDisk) -> Result<(Ledger, Opened), OpenError> {
    Ledger::on(Box::new(disk.clone()), site(), Box::new(|_, _, _| ()))
}

fn entries_on(disk: &MemoryDisk) -> Vec<Entry> {
    let bytes = disk.bytes();
    Records::of(Box::new(MemoryDisk::of(bytes.clone())), bytes.len() as u64).map(|record| record.entry).collect()
}

fn put(ledger: &Ledger, number: u8) -> Result<Head, AppendError> {
    ledger.persist_blocking(Date::from_millis(1), vec![entry(number)])
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let disk = MemoryDisk::default();
    let (ledger, opened) = open_on(&disk).unwrap();
    assert_eq!((opened.head.seq, opened.cut), (0, 0));
    for number in 0..10 {
        assert_eq!(put(&ledger, number).unwrap().seq, u64::from(number) + 1);
    }
    let after = disk.after_power_cut();
    let (again, opened) = open_on(&after).unwrap();
    assert_eq!((opened.head, opened.cut), (ledger.head(), 0));
    assert_eq!(entries_on(&after), (0..10).map(entry).collect::<Vec<_>>());
    again.close();
    assert_eq!(put(&ledger, 10).unwrap().seq, 11);
}

#[test]
fn batches_that_wait_share_a_sync() {
    let disk = MemoryDisk::default();
    let (ledger, _) = open_on(&disk).unwrap();
    let before = disk.with(|platter| platter.syncs);
    // The writer cannot take the disk while the test holds it, so the later batches gather behind the first.
    let answers: Vec<_> = {
        let _held = disk.0.lock().unwrap();
        (0..50).map(|number| ledger.append(Date::from_millis(1), vec![entry(number)])).collect()
    };
    for answer in answers {
        answer.blocking_recv().unwrap().unwrap();
    }
    let syncs = disk.with(|platter| platter.syncs) - before;
    assert!(syncs <= 3, "{syncs} syncs for 50 batches");
    assert_eq!(entries_on(&disk).len(), 50);
}

#[test]
fn short_writes_are_completed() {
    let disk = MemoryDisk::default();
    disk.with(|platter| platter.faults.short = Some(7));
    let (ledger, _) = open_on(&disk).unwrap();
    put(&ledger, 1).unwrap();
    assert_eq!(entries_on(&disk), [entry(1)]);
}

#[test]
fn a_full_disk_is_read_only_until_there_is_space() {
    let disk = MemoryDisk::default();
    let (ledger, _) = open_on(&disk).unwrap();
    put(&ledger, 1).unwrap();
    let before = disk.bytes();
    disk.with(|platter| platter.faults.space = Some(before.len() + 10));
    assert_eq!(put(&ledger, 2), Err(AppendError::Full));
    assert_eq!(disk.bytes(), before, "the part that fitted is cut off");
    assert_eq!(*ledger.health().borrow(), Health::Full);
    assert_eq!(put(&ledger, 2), Err(AppendError::Full));
    disk.with(|platter| platter.faults.space = None);
    assert_eq!(put(&ledger, 3).unwrap().seq, 2);
    assert_eq!(*ledger.health().borrow(), Health::Good);
    assert_eq!(entries_on(&disk), [entry(1), entry(3)]);
}

#[test]
fn space_is_noticed_without_an_append() {
    let disk = MemoryDisk::default();
    let (ledger, _) = open_on(&disk).unwrap();
    let len = disk.bytes().len();
    disk.with(|platter| platter.faults.space = Some(len));
    assert_eq!(put(&ledger, 1), Err(AppendError::Full));
    disk.with(|platter| platter.faults.space = None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut health = ledger.health();
    runtime.block_on(async { health.wait_for(|health| *health == Health::Good).await.map(|_| ()) }).unwrap();
    assert_eq!(disk.bytes().len(), len, "the trial leaves nothing behind");
}

#[test]
fn a_failed_sync_poisons_for_good() {
    let disk = MemoryDisk::default();
    let (ledger, _) = open_on(&disk).unwrap();
    put(&ledger, 1).unwrap();
    disk.with(|platter| platter.faults.sync = Some(io::ErrorKind::Other));
    assert_eq!(put(&ledger, 2), Err(AppendError::Poisoned));
    disk.with(|platter| platter.faults.sync = None);
    assert_eq!(put(&ledger, 3), Err(AppendError::Poisoned));
    assert_eq!(*ledger.health().borrow(), Health::Poisoned);
    assert_eq!(ledger.head().seq, 1);
    assert_eq!(entries_on(&disk.after_power_cut()), [entry(1)]);
}

#[test]
fn a_failed_write_or_cut_poisons() {
    let disk = MemoryDisk::default();
    let (ledger, _) = open_on(&disk).unwrap();
    disk.with(|platter| platter.faults.write = Some(io::ErrorKind::Other));
    assert_eq!(put(&ledger, 1), Err(AppendError::Poisoned));

    let disk = MemoryDisk::default();
    let (ledger, _) = open_on(&disk).unwrap();
    let len = disk.bytes().len();
    disk.with(|platter| (platter.faults.space, platter.faults.cut) = (Some(len + 1), Some(io::ErrorKind::Other)));
    assert_eq!(put(&ledger, 1), Err(AppendError::Poisoned));
}

#[test]
fn a_foreign_or_changed_ledger_is_refused_untouched() {
    let disk = MemoryDisk::default();
    let (ledger, _) = open_on(&disk).unwrap();
    put(&ledger, 1).unwrap();
    ledger.close();
    let other = Key::from_seed([2; 32]).site();
    let refused = Ledger::on(Box::new(disk.clone()), other, Box::new(|_, _, _| panic!("told of a foreign record"))).unwrap_err();
    assert!(matches!(refused, OpenError::Foreign { theirs, ours } if theirs == site() && ours == other));
    let mut bytes = disk.bytes();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let changed = MemoryDisk::of(bytes.clone());
    assert!(matches!(open_on(&changed), Err(OpenError::Damaged { .. })));
    assert_eq!(changed.bytes(), bytes);
}

#[test]
fn a_closed_ledger_says_so() {
    let disk = MemoryDisk::default();
    let (ledger, _) = open_on(&disk).unwrap();
    let other = ledger.clone();
    put(&ledger, 1).unwrap();
    ledger.close();
    assert_eq!(put(&other, 2), Err(AppendError::Closed));
    assert_eq!(*other.health().borrow(), Health::Closed);
    assert_eq!(entries_on(&disk), [entry(1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Wherever the power cut tears the file, opening keeps every whole entry before the tear, and writing goes on from there.
    #[test]
    fn a_torn_tail_is_cut_and_written_over(entries in 1_u8..6, torn: prop::sample::Index) {
        let disk = MemoryDisk::default();
        let (ledger, _) = open_on(&disk).unwrap();
        let mut ends = vec![ledger.head().len];
        for number in 0..entries {
            ends.push(put(&ledger, number).unwrap().len);
        }
        ledger.close();
        let mut bytes = disk.bytes();
        let at = torn.index(bytes.len());
        bytes.truncate(at);
        let kept = ends.iter().skip(1).filter(|end| **end <= at as u64).count();
        let disk = MemoryDisk::of(bytes);
        let (ledger, opened) = open_on(&disk).unwrap();
        prop_assert_eq!(opened.head.seq, kept as u64);
        put(&ledger, 99).unwrap();
        ledger.close();
        let mut expected: Vec<_> = (0..entries).take(kept).map(entry).collect();
        expected.push(entry(99));
        prop_assert_eq!(entries_on(&disk), expected);
    }
}
