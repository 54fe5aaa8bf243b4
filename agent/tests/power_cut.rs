//! Simulated power cuts: an acknowledged ledger entry survives losing everything that was not synced.
//!
//! A writer appends to a ledger on an ext4 file system in a loop image. It is stopped in the middle of its work, the image is copied as it
//! stands, and the copy is mounted, which replays its journal: what the page cache of that file system still held is gone, as if
//! the power had been. The control does the same to a writer that does not sync, and must lose something.
//!
//! Needs root, `mkfs.ext4` and a loop device; says so and passes over itself elsewhere. `OVERSPILL_POWER_CUTS=30` asks for 30 rounds.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
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
use rustix::process::{Pid, Signal, geteuid, kill_process};

const WRITER: &str = "OVERSPILL_TEST_WRITER";
const IMAGE_BYTES: u64 = 48 << 20;

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

/// A mounted file system in an image; unmounted when dropped.
struct Mounted {
    folder: PathBuf,
}

impl Mounted {
    fn new(image: &Path, folder: PathBuf) -> Option<Self> {
        fs::create_dir_all(&folder).ok()?;
        let done = Command::new("mount").args(["-o", "loop"]).args([image, &folder]).output().ok()?;
        done.status.success().then_some(Self { folder })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.folder).status();
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

/// Lets the writer acknowledge at least `enough` entries, stops it, copies the image, and returns the last number acknowledged before the stop.
fn cut(mode: &str, path: &Path, enough: u32, image: &Path, copy: &Path) -> u32 {
    let (mut child, mut lines) = start(mode, path);
    let mut last = 0;
    let mut line = String::new();
    while last < enough {
        line.clear();
        assert!(lines.read_line(&mut line).expect("the writer talks") > 0, "the writer ended early");
        last = line.trim().strip_prefix("durable ").and_then(|number| number.parse().ok()).unwrap_or(last);
    }
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).expect("the writer can be stopped");
    wait_until_stopped(child.id());
    // What stands in the pipe was acknowledged before the stop.
    let pipe = lines.get_ref().as_fd();
    rustix::fs::fcntl_setfl(pipe, rustix::fs::OFlags::NONBLOCK).expect("a pipe can be made not to wait");
    let mut rest = Vec::new();
    let _ = lines.read_to_end(&mut rest);
    let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let text = String::from_utf8_lossy(&rest[..whole]);
    last = text.lines().rev().find_map(|line| line.strip_prefix("durable ")?.parse().ok()).unwrap_or(last);
    fs::copy(image, copy).expect("there is room for a copy");
    child.kill().expect("the writer can be ended");
    child.wait().expect("the writer ends");
    last
}

fn wait_until_stopped(pid: u32) {
    for _ in 0..1_000 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("the writer did not stop");
}

fn made(folder: &Path) -> Option<(PathBuf, Mounted)> {
    let image = folder.join("disk.img");
    fs::File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).ok()?;
    let formatted = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).status().ok()?;
    let mounted = formatted.success().then(|| Mounted::new(&image, folder.join("live"))).flatten()?;
    Some((image, mounted))
}

#[test]
fn acknowledged_entries_survive_power_cuts() {
    let rounds: u32 = std::env::var("OVERSPILL_POWER_CUTS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let Some((image, live)) = geteuid().is_root().then(|| made(folder.path())).flatten() else {
        eprintln!("passed over: needs root, mkfs.ext4 and a loop device");
        return;
    };
    let copy = folder.path().join("copy.img");
    let mut lost_without_sync = 0;
    for round in 0..rounds {
        let name = format!("ledger-{round}.log");
        let acknowledged = cut("ledger", &live.folder.join(&name), 40 + round * 37 % 150, &image, &copy);
        {
            let after = Mounted::new(&copy, folder.path().join("after")).expect("the copy mounts");
            let (ledger, opened) =
                Ledger::open(&after.folder.join(&name), site(), Box::new(|_, _, _| {})).expect("the ledger opens after a power cut");
            ledger.close();
            let mut records = Records::of_file(&after.folder.join(&name), None).expect("the ledger can be read");
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
        let acknowledged = cut("unsynced", &live.folder.join(&name), 40 + round * 37 % 150, &image, &copy);
        let after = Mounted::new(&copy, folder.path().join("after")).expect("the copy mounts");
        let found = fs::metadata(after.folder.join(&name)).map_or(0, |file| file.len() / 4);
        lost_without_sync += u32::from(found < u64::from(acknowledged));
    }
    assert!(lost_without_sync > 0, "the control lost nothing: these cuts prove nothing");
}
