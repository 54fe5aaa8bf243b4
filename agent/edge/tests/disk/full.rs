//! A file system that is full: what cannot be written is a miss, and when there is room again, it is written.
//!
//! It is a real one, of its own, in memory, which only a process in a mount namespace of its own sees: the test runs itself again in there.
//! Where that is not allowed, it says so and passes.

use std::{env, fs, io::Write as _, path::Path, process::Command, thread, time::Duration};

use overspill_edge::{Config, DiskCache, Handle};
use overspill_governance::units::Bytes;

use crate::{
    FRESH,
    common::{Act, Origin, edge, get, ok, until},
    files, written,
};

/// Names the mounted folder to the test that was run again.
const INSIDE: &str = "OVERSPILL_TEST_FULL_DISK";
const FILM: usize = 12_000_000;

/// Runs this test again with a file system of so many bytes and files to fill; false if that is not allowed here.
fn runs_inside(test: &str, bytes: u64, inodes: u32) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size={bytes},nr_inodes={inodes} tmpfs \"$1\" || exit 77; shift; exec \"$@\"");
    let shell = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount.as_str(), "sh"];
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(folder.path()).arg(env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let Ok(output) = command.env(INSIDE, folder.path()).output() else { return false };
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let refused = told.contains("unshare: unshare failed") || output.status.code() == Some(77);
    assert!(refused || (output.status.success() && told.contains("1 passed")), "{told}");
    !refused
}

/// The folder to fill, once it is there; the test that is to see it ends otherwise, either way.
fn folder_of(test: &str, bytes: u64, inodes: u32) -> Option<String> {
    let inside = env::var(INSIDE).ok();
    if inside.is_none() && !runs_inside(test, bytes, inodes) {
        eprintln!("passed over: no file system may be mounted here");
    }
    inside
}

fn on(folder: &Path) -> impl FnOnce(&mut Config) {
    let disk = DiskCache { path: folder.join("cache"), bytes: Bytes(256 << 20) };
    |config| config.disk = Some(disk)
}

/// Takes all files that the file system has left.
fn take_files(folder: &Path) -> usize {
    let taken = (0..).take_while(|at| fs::File::create(folder.join(format!("taken-{at}"))).is_ok()).count();
    let error = fs::File::create(folder.join("one more")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    taken
}

fn hits(edge: &Handle, path: &str) -> bool {
    get(edge, path).field("cache-status").unwrap().starts_with("overspill; hit")
}

#[test]
fn a_full_disk_is_a_miss_and_room_is_used_again() {
    let Some(folder) = folder_of("full::a_full_disk_is_a_miss_and_room_is_used_again", 512 << 20, 600) else { return };
    let folder = Path::new(&folder);
    let origin = Origin::new(|_| Act::Say(ok(FRESH, "x")));
    let first = edge(&origin, on(folder));
    get(&first, "/before");
    written(&first, 1);
    let taken = take_files(folder);
    for at in 0..20 {
        let reply = get(&first, &format!("/full/{at}"));
        assert_eq!((reply.status, reply.text().as_str()), (200, "x"));
    }
    until("writing was tried and refused", || first.metrics().disk.skipped == 20);
    assert!(hits(&first, "/full/3") && hits(&first, "/before"), "memory has them all the same");
    assert_eq!((first.metrics().disk.written, first.metrics().disk.objects), (1, 1));
    assert!(files(&folder.join("cache")).iter().all(|file| file.extension().is_none()), "no half of a file stays");
    (0..taken).for_each(|at| fs::remove_file(folder.join(format!("taken-{at}"))).unwrap());
    get(&first, "/after");
    written(&first, 2);
    drop(first);
    let second = edge(&origin, on(folder));
    until("what was left is known", || second.metrics().disk.scanned);
    let asked = origin.asked().len();
    assert!(hits(&second, "/before") && hits(&second, "/after") && !hits(&second, "/full/3"));
    assert_eq!(origin.asked().len(), asked + 1);
}

#[test]
fn a_disk_that_fills_up_beneath_a_long_body_costs_its_visitor_nothing() {
    let Some(folder) = folder_of("full::a_disk_that_fills_up_beneath_a_long_body_costs_its_visitor_nothing", 300 << 20, 2_000) else {
        return;
    };
    let folder = Path::new(&folder);
    let film: Vec<u8> = (0..FILM).map(|at| (at / 1_000) as u8).collect();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {FILM}\r\nCache-Control: max-age=600\r\n\r\n");
    let (first, second) = ([head.as_bytes(), &film[..5_000_000]].concat(), film[5_000_000..].to_vec());
    let origin = Origin::new(move |_| Act::SayTwice(first.clone(), Duration::from_secs(1), second.clone()));
    let edge = edge(&origin, on(folder));
    let ballast = folder.join("ballast");
    thread::scope(|scope| {
        let visitor = scope.spawn(|| get(&edge, "/film").body);
        until("some of it is on disk", || files(&folder.join("cache")).iter().any(|file| fs::metadata(file).is_ok_and(|it| it.len() > 0)));
        // Until there is nothing left, also of what the edge gives back meanwhile.
        let mut file = fs::File::create(&ballast).unwrap();
        let full = (0..).find_map(|_| file.write_all(&[0; 1 << 16]).err()).unwrap();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        assert!(visitor.join().unwrap() == film);
    });
    until("the draft is gone", || files(&folder.join("cache")).is_empty());
    assert_eq!((edge.metrics().disk.objects, edge.metrics().disk.written), (0, 0));
    assert!(get(&edge, "/film").body == film, "while the disk is full");
    fs::remove_file(&ballast).unwrap();
    until("it is on disk", || {
        assert!(get(&edge, "/film").body == film);
        thread::sleep(Duration::from_millis(200));
        edge.metrics().disk.written == 1
    });
    let asked = origin.asked().len();
    assert!(get(&edge, "/film").body == film);
    assert_eq!(origin.asked().len(), asked);
}
