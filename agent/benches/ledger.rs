//! The ledger's file on the disk that holds the temporary folder: `cargo bench -p overspill --bench ledger`.
//!
//! With one waiting for each entry, an entry costs a sync of the disk; with many, they share it.
#![allow(missing_docs, clippy::unwrap_used)]

use divan::{Bencher, counter::ItemsCount};
use overspill::ledger::Ledger;
use overspill_governance::{
    claim::Claim,
    entry::Entry,
    payword::{LeaseId, Word},
    site::Key,
    time::Date,
    units::Bytes,
};

const NOON: Date = Date::from_millis(1_795_305_600_000);

fn main() {
    divan::main();
}

fn entry() -> Entry {
    Entry::Taken(Claim { lease: LeaseId([1; 8]), serial: 100, word: Word([2; 16]), requests: 90, bytes: Bytes(10 << 20) })
}

#[divan::bench(args = [1, 8, 64], sample_size = 1, sample_count = 200)]
fn entries_made_durable_together(bencher: Bencher<'_, '_>, together: usize) {
    let place = tempfile::tempdir().unwrap();
    let site = Key::from_seed([1; 32]).site();
    let (ledger, _) = Ledger::open(&place.path().join("ledger"), site, Box::new(|_, _, _| ())).unwrap();
    bencher.counter(ItemsCount::new(together)).bench_local(|| {
        let waiting: Vec<_> = (0..together).map(|_| ledger.append(NOON, vec![entry()])).collect();
        for answer in waiting {
            answer.blocking_recv().unwrap().unwrap();
        }
    });
    ledger.close();
}
