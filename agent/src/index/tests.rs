//! The index against the ledger itself: whatever happens to it, the answers are the same.

use std::path::PathBuf;

use overspill_governance::{site::Key, time::Date};

use super::*;
use crate::ledger::records::Records;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }

    fn index(&self) -> PathBuf {
        self.dir.path().join("index")
    }

    fn open(&self) -> (Index, Ledger) {
        let site = Key::from_seed([1; 32]).site();
        let index = Index::open(&self.index(), site).unwrap();
        let (ledger, _) = Ledger::open(&self.ledger(), site, index.listener()).unwrap();
        index.reconcile(&ledger).unwrap();
        (index, ledger)
    }
}

fn lease(number: u8) -> LeaseId {
    LeaseId([number; 8])
}

fn put(ledger: &Ledger, number: u8) {
    ledger.persist_blocking(Date::from_millis(1), vec![Entry::LeaseEnded { lease: lease(number) }]).unwrap();
}

/// The answer that needs no index.
fn scanned(ledger: &Ledger, number: u8) -> Vec<Record> {
    let records: Records<'_> = ledger.records().unwrap();
    records.filter(|record| Subject::of(&record.entry).contains(&Subject::Lease(lease(number)))).collect()
}

fn assert_agrees(index: &Index, ledger: &Ledger) {
    for number in 0..5 {
        assert_eq!(index.records(ledger, Subject::Lease(lease(number))).unwrap(), scanned(ledger, number), "lease {number}");
    }
}

fn close(index: Index, ledger: Ledger) {
    ledger.close();
    drop(index);
}

#[test]
fn the_index_answers_as_the_ledger_does() {
    let place = Place::new();
    let (index, ledger) = place.open();
    for number in [0, 1, 2, 1, 0, 1] {
        put(&ledger, number);
    }
    // The listener is told after the appender: one more append has it done with those before.
    put(&ledger, 4);
    close(index, ledger);
    let (index, ledger) = place.open();
    assert_agrees(&index, &ledger);
    assert_eq!(index.places(Subject::Lease(lease(1))).unwrap().len(), 3);
}

#[test]
fn deleting_the_index_loses_nothing() {
    let place = Place::new();
    let (index, ledger) = place.open();
    for number in [0, 1, 2, 1] {
        put(&ledger, number);
    }
    close(index, ledger);
    std::fs::remove_dir_all(place.index()).unwrap();
    let (index, ledger) = place.open();
    assert_agrees(&index, &ledger);
}

#[test]
fn a_damaged_index_is_built_anew() {
    let place = Place::new();
    let (index, ledger) = place.open();
    put(&ledger, 1);
    close(index, ledger);
    for entry in std::fs::read_dir(place.index()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::write(path, b"not sled at all").unwrap();
        }
    }
    let (index, ledger) = place.open();
    assert_agrees(&index, &ledger);
}

#[test]
fn an_index_of_another_log_is_built_anew() {
    let place = Place::new();
    let (index, ledger) = place.open();
    for number in [0, 1, 2] {
        put(&ledger, number);
    }
    close(index, ledger);
    // The same site, another story: shorter, longer, and different from the first entry on.
    for story in [&[3_u8, 4][..], &[4, 4, 4, 4, 1]] {
        std::fs::remove_file(place.ledger()).unwrap();
        let site = Key::from_seed([1; 32]).site();
        let (ledger, _) = Ledger::open(&place.ledger(), site, Box::new(|_, _, _| ())).unwrap();
        for number in story {
            put(&ledger, *number);
        }
        ledger.close();
        let (index, ledger) = place.open();
        assert_agrees(&index, &ledger);
        close(index, ledger);
    }
}

#[test]
fn an_index_that_fell_behind_catches_up() {
    let place = Place::new();
    let (index, ledger) = place.open();
    put(&ledger, 1);
    close(index, ledger);
    let (ledger, _) = Ledger::open(&place.ledger(), Key::from_seed([1; 32]).site(), Box::new(|_, _, _| ())).unwrap();
    put(&ledger, 2);
    ledger.close();
    let (index, ledger) = place.open();
    assert_agrees(&index, &ledger);
}

#[test]
fn what_waits_to_be_written_is_found() {
    let place = Place::new();
    let (index, ledger) = place.open();
    put(&ledger, 1);
    // The listener is told after the appender: one more append has it done with those before.
    put(&ledger, 2);
    assert_eq!(index.records(&ledger, Subject::Lease(lease(1))).unwrap(), scanned(&ledger, 1));
    let many = (0..2 * WAITING_MAX).map(|at| Entry::LeaseEnded { lease: lease(at as u8 % 5) }).collect();
    ledger.persist_blocking(Date::from_millis(1), many).unwrap();
    put(&ledger, 4);
    put(&ledger, 4);
    close(index, ledger);
    let (index, ledger) = place.open();
    assert_agrees(&index, &ledger);
    assert!(index.places(Subject::Lease(lease(3))).unwrap().len() > WAITING_MAX / 5);
}

#[test]
fn after_a_write_that_failed_the_next_start_fills_the_gap() {
    let place = Place::new();
    let (index, ledger) = place.open();
    put(&ledger, 1);
    put(&ledger, 2);
    // What a failed write leaves: nothing waits any more, and nothing can be trusted.
    index.doubtful.store(true, Relaxed);
    let last = index.noted().last;
    *index.noted() = Noted { last, ..Noted::default() };
    let many = (0..WAITING_MAX).map(|_| Entry::LeaseEnded { lease: lease(3) }).collect();
    ledger.persist_blocking(Date::from_millis(1), many).unwrap();
    put(&ledger, 4);
    assert!(index.places(Subject::Lease(lease(3))).is_err());
    close(index, ledger);
    let (index, ledger) = place.open();
    assert_agrees(&index, &ledger);
}
