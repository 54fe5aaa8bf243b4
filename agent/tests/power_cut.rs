//! Simulated power cuts of a ledger by itself: an acknowledged entry survives losing everything that was not synced.
//!
//! A writer appends to a ledger on an ext4 file system in a loop image. It is stopped in the middle of its work, the image is copied as it
//! stands, and the copy is mounted, which replays its journal: what the page cache of that file system still held is gone, as if
//! the power had been. The control does the same to a writer that does not sync, and must lose something.
//!
//! Whole agents lose their power in `mesh/power.rs`. Needs root, `mkfs.ext4` and a loop device; says so and passes over itself elsewhere. `OVERSPILL_POWER_CUTS=30` asks for 30 rounds.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::fd::AsFd,
    path::Path,
    process::{Child, Command, Stdio},
};

use overspill::ledger::{Ledger, records::Records};
use overspill_governance::{
    chain::Verdict,
    claim::Claim,
    entry::Entry,
    payword::{LeaseId, Word},
    site::Key,
    time::Date,
    units::Bytes,
};
use rustix::process::{Pid, Signal, kill_process};

#[path = "mesh/support/disk.rs"]
mod disk;

use disk::Disk;

const WRITER: &str = "OVERSPILL_TEST_WRITER";

fn entry(number: u32) -> Entry {
    let claim = Claim { lease: LeaseId([1; 8]), serial: number, word: Word([2; 16]), requests: number, bytes: Bytes(u64::from(number)) };
    Entry::Taken(claim)
}

fn site() -> overspill_governance::site::SiteId {
    Key::from_seed([7; 32]).site()
}

/// Not a test of its own: the process that is stopped. Prints the number of each entry once it is durable, and never ends.
#[test]
fn writer() {
    let Ok(how) = std::env::var(WRITER) else { return };
    let (mode, path) = how.split_once(':').expect("mode:path");
    let mut out = std::io::stdout().lock();
    match mode {
        "ledger" => {
            let (ledger, _) = Ledger::open(Path::new(path), site(), Box::new(|_, _, _| {})).expect("a new ledger opens");
            for number in 1..=200_000 {
                ledger.persist_blocking(Date::from_millis(u64::from(number)), vec![entry(number)]).expect("the disk takes it");
                writeln!(out, "durable {number}").and_then(|()| out.flush()).expect("the parent listens");
            }
        }
        _ => {
            let mut file = fs::File::create(path).expect("a new file opens");
            for number in 1..=200_000_u32 {
                file.write_all(&number.to_le_bytes()).expect("the disk takes it");
                writeln!(out, "durable {number}").and_then(|()| out.flush()).expect("the parent listens");
            }
        }
    }
}

fn start(mode: &str, path: &Path) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().expect("this test has a path"))
        .args(["--exact", "writer", "--nocapture"])
        .env(WRITER, format!("{mode}:{}", path.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the writer starts");
    let stdout = child.stdout.take().expect("its output is a pipe");
    (child, BufReader::new(stdout))
}

/// Lets the writer acknowledge at least `enough` entries, stops it, and returns the last number acknowledged before the stop, with what a
/// power cut then leaves of the disk.
fn cut(mode: &str, disk: &Disk, name: &str, enough: u32) -> (u32, Disk) {
    let (mut child, mut lines) = start(mode, &disk.folder().join(name));
    let mut last = 0;
    let mut line = String::new();
    while last < enough {
        line.clear();
        assert!(lines.read_line(&mut line).expect("the writer talks") > 0, "the writer ended early");
        last = line.trim().strip_prefix("durable ").and_then(|number| number.parse().ok()).unwrap_or(last);
    }
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).expect("the writer can be stopped");
    disk::wait_until_stopped(child.id());
    // What stands in the pipe was acknowledged before the stop.
    let pipe = lines.get_ref().as_fd();
    rustix::fs::fcntl_setfl(pipe, rustix::fs::OFlags::NONBLOCK).expect("a pipe can be made not to wait");
    let mut rest = Vec::new();
    let _ = lines.read_to_end(&mut rest);
    let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let text = String::from_utf8_lossy(&rest[..whole]);
    last = text.lines().rev().find_map(|line| line.strip_prefix("durable ")?.parse().ok()).unwrap_or(last);
    let left = disk.after_a_cut("after").expect("the copy mounts");
    child.kill().expect("the writer can be ended");
    child.wait().expect("the writer ends");
    (last, left)
}

#[test]
fn acknowledged_entries_survive_power_cuts() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let Some(live) = Disk::new(folder.path(), "live") else { return disk::passed_over() };
    let mut lost_without_sync = 0;
    for round in 0..disk::rounds(5) {
        let (name, enough) = (format!("ledger-{round}.log"), 40 + round * 37 % 150);
        {
            let (acknowledged, after) = cut("ledger", &live, &name, enough);
            let path = after.folder().join(&name);
            let (ledger, opened) = Ledger::open(&path, site(), Box::new(|_, _, _| {})).expect("the ledger opens after a power cut");
            ledger.close();
            let mut records = Records::of_file(&path, None).expect("the ledger can be read");
            let mut found = 0;
            while let Some((_, record)) = records.next_with_head().expect("the ledger can be read") {
                found += 1;
                assert_eq!(record.entry, entry(found), "round {round}: entries come back in order, unchanged");
            }
            assert!(matches!(records.finish(), Verdict::Whole), "round {round}: opening leaves a whole ledger");
            assert!(found >= acknowledged, "round {round}: {acknowledged} entries were acknowledged, {found} came back");
            println!("round {round}: {acknowledged} acknowledged, {found} came back, {} bytes of a torn tail cut", opened.cut);
        }
        let name = format!("unsynced-{round}");
        let (acknowledged, after) = cut("unsynced", &live, &name, enough);
        let found = fs::metadata(after.folder().join(&name)).map_or(0, |file| file.len() / 4);
        lost_without_sync += u32::from(found < u64::from(acknowledged));
    }
    assert!(lost_without_sync > 0, "the control lost nothing: these cuts prove nothing");
}
