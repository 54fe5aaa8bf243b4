//! The disk tier: what outlives a process, what must not, and what becomes of files that are not as they were written.
//!
//! A process that is killed leaves its files as they are at that moment: `heir` copies them, and starts another edge on the copy.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod full;
mod long;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::Duration,
};

use common::{Act, Origin, ask, edge, edge_at, field, get, ok, together, until};
use overspill_edge::{Config, DiskCache, Handle};
use overspill_governance::units::Bytes;
use tempfile::TempDir;

const FRESH: &str = "Cache-Control: public, max-age=600\r\nContent-Type: text/css\r\nETag: \"v1\"\r\n";

fn on(folder: &Path) -> impl FnOnce(&mut Config) {
    let disk = DiskCache { path: folder.join("cache"), bytes: Bytes(64 << 20) };
    |config| config.disk = Some(disk)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).into_iter().flatten().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else if let Err(error) = fs::copy(entry.path(), target) {
            // What is being swept may vanish meanwhile.
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] }).collect()
}

/// An edge on what the one that used `folder` would leave if it were killed now, in front of `origin`; it knows all that is there.
fn heir(folder: &Path, origin: &Origin) -> (Handle, TempDir) {
    let left = tempfile::tempdir().unwrap();
    copy(folder, left.path());
    let heir = edge(origin, on(left.path()));
    until("what was left is known", || heir.metrics().disk.scanned);
    (heir, left)
}

fn written(edge: &Handle, count: u64) {
    until("it is on disk", || edge.metrics().disk.written >= count);
}

/// Has `/a` and `/b` stored.
fn both(edge: &Handle) {
    for path in ["/a", "/b"] {
        get(edge, path);
    }
    written(edge, 2);
}

#[test]
fn what_was_stored_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::new(|head| {
        let language = field(head, "accept-language").unwrap_or_default();
        Act::Say(ok(&format!("{FRESH}Vary: Accept-Language\r\n"), &format!("in {language}")))
    });
    let first = edge(&origin, on(folder.path()));
    for language in ["de", "fr"] {
        ask(&first, "GET", "/a.css", &format!("Accept-Language: {language}\r\n"));
    }
    written(&first, 2);
    let (second, _left) = heir(folder.path(), &origin);
    for language in ["de", "fr"] {
        let reply = ask(&second, "GET", "/a.css", &format!("Accept-Language: {language}\r\n"));
        assert_eq!(reply.text(), format!("in {language}"));
        assert!(reply.field("cache-status").unwrap().starts_with("overspill; hit; ttl="), "{}", reply.head);
        assert!(reply.field("age").is_some());
    }
    assert_eq!(origin.asked().len(), 2);
    assert_eq!((second.metrics().disk.read, second.metrics().disk.objects), (2, 2));
    assert_eq!(ask(&second, "GET", "/a.css", "Accept-Language: de\r\nIf-None-Match: \"v1\"\r\n").status, 304);
    assert_eq!(ask(&second, "GET", "/a.css", "Accept-Language: de\r\nRange: bytes=0-1\r\n").text(), "in");
    assert_eq!(second.metrics().disk.read, 2, "memory has it now");
    ask(&second, "GET", "/a.css", "Accept-Language: it\r\n");
    assert_eq!(origin.asked().len(), 3);
}

#[test]
fn a_crowd_that_comes_after_a_restart_reads_a_file_once() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::new(|_| Act::Say(ok(FRESH, &"x".repeat(100_000))));
    let first = edge(&origin, on(folder.path()));
    get(&first, "/a.css");
    written(&first, 1);
    let (second, _left) = heir(folder.path(), &origin);
    assert!(together(30, |_| get(&second, "/a.css")).iter().all(|reply| reply.body.len() == 100_000));
    assert_eq!(origin.asked().len(), 1);
    // Together; who looked into memory just before the copy was there, and comes just after the reading ended, reads it once more.
    assert!((1..=3).contains(&second.metrics().disk.read), "{}", second.metrics().disk.read);
}

/// Has something said of `/a` and `/b`, both stored, by the edge that stored them or by its heir; then kills that. Returns what an heir's origin is asked for each, and each answer.
fn after(purge: impl Fn(&Handle), by_heir: bool) -> [(Vec<String>, String); 2] {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::new(|head| match head.split(' ').nth(1).unwrap_or_default() {
        _ if head.starts_with("POST") => Act::Say(ok("Cache-Group-Invalidation: \"posts\"\r\n", "")),
        "/a" => Act::Say(ok(&format!("{FRESH}Cache-Groups: \"posts\"\r\nX-Cache-Tags: p-1\r\n"), "old")),
        _ => Act::Say(ok(FRESH, "old")),
    });
    let first = edge(&origin, on(folder.path()));
    both(&first);
    let (purging, left) = if by_heir { heir(folder.path(), &origin) } else { (first, folder) };
    purge(&purging);
    let changed = Origin::new(|head| {
        let confirms = field(head, "if-none-match").is_some();
        if confirms { Act::Say(b"HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n".to_vec()) } else { Act::Say(ok(FRESH, "new")) }
    });
    let (last, _left) = heir(left.path(), &changed);
    ["/a", "/b"].map(|path| {
        let text = get(&last, path).text();
        let asked = changed.asked().into_iter().filter(|head| head.split(' ').nth(1) == Some(path));
        (asked.map(|head| field(&head, "if-none-match").unwrap_or_default()).collect(), text)
    })
}

#[test]
fn what_was_purged_does_not_come_back_fresh() {
    let (untouched, confirmed, fetched) =
        ((vec![], "old".to_owned()), (vec!["\"v1\"".to_owned()], "old".to_owned()), (vec![String::new()], "new".to_owned()));
    let purge = |path: &'static str, fields: &'static str| move |edge: &Handle| assert_eq!(ask(edge, "PURGE", path, fields).status, 200);
    for by_heir in [false, true] {
        assert_eq!(after(|_| (), by_heir), [untouched.clone(), untouched.clone()]);
        assert_eq!(after(purge("/a", ""), by_heir), [confirmed.clone(), untouched.clone()], "soft");
        assert_eq!(after(purge("/a", "Overspill-Purge: hard\r\n"), by_heir), [fetched.clone(), untouched.clone()], "hard");
        assert_eq!(after(purge("/.*", "X-Purge-Method: regex\r\n"), by_heir), [confirmed.clone(), confirmed.clone()], "by expression");
        let tags = "X-Purge-Method: tags\r\nX-Cache-Tags-Pattern: p-1\r\n";
        assert_eq!(after(purge("/", tags), by_heir), [confirmed.clone(), untouched.clone()], "by tag");
        let post = |path: &'static str| move |edge: &Handle| assert_eq!(ask(edge, "POST", path, "Content-Length: 0\r\n").status, 200);
        assert_eq!(after(post("/b"), by_heir), [fetched.clone(), fetched.clone()], "target, and group");
    }
}

#[test]
fn a_purge_counts_what_is_in_memory_or_on_disk_once() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::new(|_| Act::Say(ok(FRESH, "x")));
    let first = edge(&origin, on(folder.path()));
    both(&first);
    let (second, _left) = heir(folder.path(), &origin);
    get(&second, "/a");
    assert_eq!(ask(&second, "PURGE", "/.*", "X-Purge-Method: regex\r\n").field("overspill-purged").as_deref(), Some("2"));
}

#[test]
fn a_purge_that_comes_before_all_is_known_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::new(|_| Act::Say(ok(FRESH, "x")));
    let first = edge(&origin, on(folder.path()));
    for at in 0..600 {
        get(&first, &format!("/{at}"));
    }
    written(&first, 600);
    for (path, fields) in [("/9", ""), ("/.*", "X-Purge-Method: regex\r\n"), ("/9", "Overspill-Purge: hard\r\n")] {
        let left = tempfile::tempdir().unwrap();
        copy(folder.path(), left.path());
        let second = edge(&origin, on(left.path()));
        // At once, whatever is known yet.
        assert_eq!(ask(&second, "PURGE", path, fields).status, 200);
        let (third, _left) = heir(left.path(), &origin);
        let before = origin.asked_for("/9");
        get(&third, "/9");
        assert_eq!(origin.asked_for("/9"), before + 1, "{path} {fields}");
    }
}

#[test]
fn nothing_private_touches_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::new(|head| {
        let fields = match head.split(' ').nth(1).unwrap_or_default() {
            "/no-store" => "Cache-Control: no-store\r\n",
            "/private" => "Cache-Control: private, max-age=60\r\n",
            "/cookie" => "Cache-Control: max-age=60\r\nSet-Cookie: a=secret-word\r\n",
            "/authorized" | "/session" => "Cache-Control: max-age=60\r\n",
            _ => FRESH,
        };
        Act::Say(ok(fields, if fields == FRESH { "public" } else { "secret-word" }))
    });
    let edge = edge(&origin, on(folder.path()));
    for (path, fields) in [
        ("/no-store", ""),
        ("/private", ""),
        ("/cookie", ""),
        ("/authorized", "Authorization: Basic secret-word\r\n"),
        ("/session", "Cookie: wordpress_logged_in_1=secret-word\r\n"),
        ("/asset.css", "Cookie: _ga=secret-word\r\n"),
    ] {
        assert_eq!(ask(&edge, "GET", path, fields).status, 200);
    }
    get(&edge, "/public");
    written(&edge, 2);
    let files = files(folder.path());
    assert_eq!(files.len(), 2);
    for file in files {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(text.contains("public") && !text.contains("secret-word"), "{text}");
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0, 0));
    }
}

/// Something that is done to a file.
type Damage = fn(&Path);

#[test]
fn damaged_files_are_misses() {
    let folder = tempfile::tempdir().unwrap();
    let body = "0123456789".repeat(40_000);
    let sent = body.clone();
    let origin = Origin::new(move |_| Act::Say(ok(FRESH, &sent)));
    let first = edge(&origin, on(folder.path()));
    let damages: [(&str, Damage); 5] = [
        ("/cut", |path| fs::File::options().write(true).open(path).unwrap().set_len(5_000).unwrap()),
        ("/empty", |path| fs::write(path, b"").unwrap()),
        ("/foreign", |path| fs::write(path, vec![b'x'; 10_000]).unwrap()),
        ("/flipped", |path| flip(path, 300_000)),
        ("/head", |path| flip(path, 60)),
    ];
    for (path, _) in damages {
        get(&first, path);
    }
    written(&first, 5);
    let left = tempfile::tempdir().unwrap();
    copy(folder.path(), left.path());
    for file in files(left.path()) {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        let (_, damage) = damages.iter().find(|(path, _)| text.contains(&format!("blog.example:80{path}"))).unwrap();
        damage(&file);
    }
    let second = edge(&origin, on(left.path()));
    until("what was left is known", || second.metrics().disk.scanned);
    for (path, _) in damages {
        for _ in 0..2 {
            let reply = get(&second, path);
            assert!(reply.status == 200 && reply.text() == body, "{path}");
        }
        assert_eq!(origin.asked_for(path), 2, "{path}");
    }
    assert_eq!(second.metrics().disk.damaged, 5);
    written(&second, 5);
    let (third, _left) = heir(left.path(), &origin);
    assert_eq!(get(&third, "/flipped").text(), body);
    assert_eq!(origin.asked_for("/flipped"), 2);
}

#[test]
fn what_cannot_be_removed_takes_everything_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::new(|_| Act::Say(ok(FRESH, "right")));
    let first = edge(&origin, on(folder.path()));
    both(&first);
    let (second, left) = heir(folder.path(), &origin);
    let stands = files(left.path()).into_iter().find(|file| String::from_utf8_lossy(&fs::read(file).unwrap()).contains(":80/a")).unwrap();
    fs::remove_file(&stands).unwrap();
    fs::create_dir(&stands).unwrap();
    assert_eq!((get(&second, "/a").text().as_str(), origin.asked_for("/a")), ("right", 2));
    until("all was forgotten", || second.metrics().disk.objects <= 1 && !stands.is_dir());
    assert_eq!((get(&second, "/b").text().as_str(), origin.asked_for("/b")), ("right", 2));
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_file_that_is_damaged_while_it_is_known_is_a_miss() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::new(|_| Act::Say(ok(FRESH, "right")));
    let first = edge(&origin, on(folder.path()));
    both(&first);
    let (second, left) = heir(folder.path(), &origin);
    for file in files(left.path()) {
        let last = fs::read(&file).unwrap().len() - 1;
        flip(&file, last);
    }
    assert_eq!((get(&second, "/a").text().as_str(), origin.asked_for("/a")), ("right", 2));
    for file in files(left.path()) {
        fs::remove_file(file).unwrap();
    }
    assert_eq!((get(&second, "/b").text().as_str(), origin.asked_for("/b")), ("right", 2));
}

#[test]
fn a_folder_that_cannot_be_used_costs_nothing_but_memory() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cache"), "a file").unwrap();
    let origin = Origin::new(|_| Act::Say(ok(FRESH, "x")));
    let edge = edge(&origin, on(folder.path()));
    for _ in 0..3 {
        assert_eq!(get(&edge, "/a").status, 200);
    }
    until("writing was given up", || edge.metrics().disk.skipped >= 1);
    assert_eq!(ask(&edge, "PURGE", "/a", "").status, 200);
    assert_eq!(get(&edge, "/a").status, 200);
    assert_eq!((origin.asked_for("/a"), edge.metrics().disk.objects), (2, 0));
}

/// An edge with a MiB of memory and `disk` bytes of disk, before an origin whose bodies have `size` bytes.
fn small(folder: &Path, size: usize, disk: u64) -> (Origin, Handle) {
    let origin = Origin::new(move |_| Act::Say(ok(FRESH, &"x".repeat(size))));
    let edge = edge(&origin, |config| {
        config.memory = Bytes(1 << 20);
        config.disk = Some(DiskCache { path: folder.join("cache"), bytes: Bytes(disk) });
    });
    (origin, edge)
}

#[test]
fn the_disk_holds_what_memory_cannot_and_no_more_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let (origin, edge) = small(folder.path(), 50_000, 4 << 20);
    for at in 0..50 {
        get(&edge, &format!("/{at}"));
        written(&edge, at + 1);
    }
    for at in 0..50 {
        assert_eq!(get(&edge, &format!("/{at}")).body.len(), 50_000);
    }
    assert_eq!(origin.asked().len(), 50, "all of it is on disk");
    assert!(edge.metrics().disk.read >= 25);
    for at in 50..200 {
        get(&edge, &format!("/{at}"));
        written(&edge, at + 1);
    }
    let metrics = edge.metrics().disk;
    assert!(metrics.bytes <= 4 << 20 && metrics.evicted > 100, "{metrics:?}");
    until("files are removed", || files(folder.path()).len() as u64 == edge.metrics().disk.objects);
}

#[test]
fn a_scan_of_ten_times_the_room_leaves_what_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let (origin, edge) = small(folder.path(), 3_000, 1 << 20);
    // 8 KiB for each file.
    for _ in 0..3 {
        (0..40).for_each(|at| drop(get(&edge, &format!("/wanted/{at}"))));
        written(&edge, 40);
    }
    for at in 0..1_280_u64 {
        get(&edge, &format!("/scanned/{at}"));
        if at % 100 == 0 {
            written(&edge, 40 + at);
        }
    }
    written(&edge, 1_320);
    let (heir, _left) = heir(folder.path(), &origin);
    (0..40).for_each(|at| drop(get(&heir, &format!("/wanted/{at}"))));
    assert_eq!(origin.asked().len(), 40 + 1_280);
}

#[test]
fn a_broken_answer_does_not_take_the_place_of_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let breaks = std::sync::Arc::new(AtomicBool::new(false));
    let broken = std::sync::Arc::clone(&breaks);
    let origin = Origin::new(move |_| {
        let whole = ok("Cache-Control: max-age=600\r\n", "the whole body");
        if broken.load(SeqCst) {
            let cut = whole.len() - 5;
            return Act::SayTwice(whole[..cut].to_vec(), Duration::ZERO, Vec::new());
        }
        Act::Say(whole)
    });
    let first = edge(&origin, on(folder.path()));
    get(&first, "/a");
    written(&first, 1);
    breaks.store(true, SeqCst);
    assert_eq!(ask(&first, "PURGE", "/a", "").status, 200);
    let _cut_short = common::raw(&first, b"GET /a HTTP/1.1\r\nHost: blog.example\r\nConnection: close\r\n\r\n");
    until("it was asked for", || origin.asked_for("/a") == 2);
    thread::sleep(Duration::from_millis(50));
    let left = tempfile::tempdir().unwrap();
    copy(folder.path(), left.path());
    let nowhere = edge_at("127.0.0.1:1".parse().unwrap(), on(left.path()));
    until("what was left is known", || nowhere.metrics().disk.scanned);
    let reply = get(&nowhere, "/a");
    assert_eq!((reply.status, reply.text().as_str()), (200, "the whole body"));
    assert!(reply.field("cache-status").unwrap().contains("detail=stale"), "{}", reply.head);
}

#[test]
fn what_is_half_written_at_a_death_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::new(|_| Act::Say(ok(FRESH, "x")));
    let first = edge(&origin, on(folder.path()));
    get(&first, "/a");
    written(&first, 1);
    let whole = files(folder.path()).remove(0);
    fs::copy(&whole, whole.with_extension("new")).unwrap();
    fs::create_dir(folder.path().join("cache/v0")).unwrap();
    let (second, left) = heir(folder.path(), &origin);
    until("it is swept", || files(left.path()).len() == 1 && !left.path().join("cache/v0").exists());
    get(&second, "/a");
    assert_eq!(origin.asked().len(), 1);
}

#[test]
fn switched_off_nothing_stays() {
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::new(|_| Act::Say(ok(FRESH, "x")));
    let edge = edge(&origin, on(folder.path()));
    get(&edge, "/a");
    written(&edge, 1);
    let mut config = Config::new(origin.address.to_string().parse().unwrap());
    config.disk = Some(DiskCache { path: folder.path().join("cache"), bytes: Bytes(0) });
    let off = config.clone();
    edge.reload(config.clone());
    until("files are gone", || files(folder.path()).is_empty());
    on(folder.path())(&mut config);
    edge.reload(config);
    get(&edge, "/b");
    written(&edge, 1);
    assert_eq!((files(folder.path()).len(), get(&edge, "/a").status, origin.asked_for("/a")), (1, 200, 1));
    drop(edge);
    let later = overspill_edge::start(off, overspill_edge::Clock::new()).unwrap();
    until("what an earlier process left is gone", || files(folder.path()).is_empty());
    drop(later);
}
