//! Killed at any moment, a ledger loses nothing that was acknowledged. (Power cuts are another matter: `power_cut.rs`.)

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use overspill::ledger::Ledger;
use overspill_governance::{entry::Entry, payword::LeaseId, site::Key, time::Date};

use crate::support::Place;

/// Rounds of killing; more by the variable `OVERSPILL_KILL_ROUNDS`.
const ROUNDS: usize = 12;
/// Where the writing child finds its ledger.
const CHILD: &str = "OVERSPILL_TEST_LEDGER";

fn open(path: &Path) -> (Ledger, u64) {
    let (ledger, opened) = Ledger::open(path, Key::from_seed([7; 32]).site(), Box::new(|_, _, _| ())).unwrap();
    (ledger, opened.head.seq)
}

fn entry(number: u64) -> Entry {
    Entry::LeaseEnded { lease: LeaseId(number.to_le_bytes()) }
}

/// Not a test of its own: the process that is killed. Appends until then, and says each number once it is durable.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let (ledger, seq) = open(&path);
    for number in seq.. {
        ledger.persist_blocking(Date::from_millis(number), vec![entry(number)]).unwrap();
        println!("durable {}", number + 1);
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let place = Place::new();
    let path = place.path("ledger");
    let rounds = std::env::var("OVERSPILL_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let mut acknowledged = 0;
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durable::child_that_appends_until_it_is_killed", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The moment of the kill is drawn by the round: after a different number of acknowledged entries each time.
        let out = BufReader::new(child.stdout.take().unwrap());
        let wanted = acknowledged + 1 + (round as u64 * 7) % 23;
        for line in out.lines().map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("durable ") {
                acknowledged = number.parse().unwrap();
                if acknowledged >= wanted {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let (ledger, seq) = open(&path);
        assert!(seq >= acknowledged, "round {round}: {acknowledged} acknowledged, {seq} found");
        let numbers: Vec<_> = ledger.records().unwrap().map(|record| record.entry).collect();
        assert_eq!(numbers, (0..seq).map(entry).collect::<Vec<_>>(), "round {round}");
        acknowledged = seq;
        ledger.close();
    }
    assert!(acknowledged >= rounds as u64);
}
