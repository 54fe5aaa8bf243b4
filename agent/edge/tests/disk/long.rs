//! Bodies that only the disk holds.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use overspill_edge::{Config, DiskCache, Handle};
use overspill_governance::units::Bytes;

use crate::{
    common::{self, Act, Origin, ask, edge, edge_at, get, together, until},
    copy, files,
};

/// A body of 12 MB in which no two places look the same.
fn film() -> Vec<u8> {
    (0..3_000_000_u32).flat_map(|at| at.to_be_bytes()).collect()
}

/// An edge that keeps bodies up to 16 MiB on disk.
fn roomy(folder: &Path) -> impl FnOnce(&mut Config) {
    let disk = DiskCache { path: folder.join("cache"), bytes: Bytes(128 << 20) };
    |config| config.disk = Some(disk)
}

fn of_film() -> Origin {
    let film = film();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nCache-Control: max-age=600\r\nETag: \"f\"\r\n\r\n", film.len());
    let answer = [head.into_bytes(), film].concat();
    Origin::new(move |_| Act::Say(answer.clone()))
}

/// Asks until it is on disk: a disk that stands still for two seconds, as busy ones do, ends the writing, and the next visitor begins it anew.
fn keep(edge: &Handle) {
    until("it is on disk", || {
        let whole = get(edge, "/film").body == film();
        for _ in 0..200 {
            if edge.metrics().disk.written >= 1 {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        assert!(whole);
        edge.metrics().disk.written >= 1
    });
}

#[test]
fn a_long_body_is_kept_on_disk_and_sent_from_there() {
    let (folder, film) = (tempfile::tempdir().unwrap(), film());
    let origin = of_film();
    let first = edge(&origin, roomy(folder.path()));
    keep(&first);
    let asked = origin.asked().len();
    let left = tempfile::tempdir().unwrap();
    copy(folder.path(), left.path());
    let second = edge(&origin, roomy(left.path()));
    until("what was left is known", || second.metrics().disk.scanned);
    for edge in [&first, &second] {
        let whole = get(edge, "/film");
        assert!(whole.body == film && whole.field("cache-status").unwrap().starts_with("overspill; hit"), "{}", whole.head);
        let part = ask(edge, "GET", "/film", "Range: bytes=5000001-9000002\r\n");
        assert!(part.status == 206 && part.body == film[5_000_001..=9_000_002], "{}", part.head);
        assert_eq!(part.field("content-range").as_deref(), Some("bytes 5000001-9000002/12000000"));
        assert_eq!(ask(edge, "GET", "/film", "Range: bytes=12000000-\r\n").status, 416);
        let head = ask(edge, "HEAD", "/film", "");
        assert_eq!((head.field("content-length").as_deref(), head.body.len()), (Some("12000000"), 0));
        assert_eq!(ask(edge, "GET", "/film", "If-None-Match: \"f\"\r\n").status, 304);
        assert!(together(4, |_| get(edge, "/film").body == film).iter().all(|right| *right));
        assert!(edge.metrics().stored_bytes < 10_000, "memory holds the head alone");
    }
    assert_eq!(origin.asked().len(), asked);
    assert_eq!(ask(&second, "PURGE", "/film", "Overspill-Purge: hard\r\n").status, 200);
    until("its files are gone", || files(left.path()).is_empty());
    assert!(get(&second, "/film").body == film);
    assert_eq!(origin.asked().len(), asked + 1);
}

#[test]
fn a_long_body_that_is_damaged_breaks_off_before_the_damage_and_is_then_a_miss() {
    let (folder, film) = (tempfile::tempdir().unwrap(), film());
    let origin = of_film();
    let edge = edge(&origin, roomy(folder.path()));
    keep(&edge);
    let asked = origin.asked().len();
    let body = files(folder.path()).into_iter().find(|file| fs::metadata(file).unwrap().len() == 12_000_000).unwrap();
    fs::File::options().write(true).open(&body).unwrap().write_at(b"?", 7_000_000).unwrap();
    let reply = get(&edge, "/film");
    assert!(reply.body.len() <= 7_000_000 && reply.body == film[..reply.body.len()], "{}", reply.body.len());
    assert!(get(&edge, "/film").body == film);
    assert_eq!((origin.asked().len() - asked, edge.metrics().disk.damaged), (1, 1));
}

#[test]
fn of_a_long_body_that_breaks_off_nothing_stays() {
    let folder = tempfile::tempdir().unwrap();
    let answer = [&b"HTTP/1.1 200 OK\r\nContent-Length: 12000000\r\nCache-Control: max-age=600\r\n\r\n"[..], &film()[..9_000_000]].concat();
    let origin = Origin::new(move |_| Act::SayTwice(answer.clone(), Duration::ZERO, Vec::new()));
    let edge = edge(&origin, roomy(folder.path()));
    assert!(get(&edge, "/film").body.len() <= 9_000_000);
    until("the draft is gone", || files(folder.path()).is_empty());
    assert_eq!((edge.metrics().disk.objects, edge.metrics().stored_responses), (0, 0));
}

/// The film without a word on its length, in chunks; `whole`: or broken off after nine million bytes.
fn in_chunks(whole: bool) -> Vec<u8> {
    let film = film();
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=600\r\nETag: \"f\"\r\n\r\n".to_vec();
    for chunk in film[..if whole { film.len() } else { 9_000_000 }].chunks(50_000) {
        answer.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        answer.extend(chunk);
        answer.extend(b"\r\n");
    }
    if whole {
        answer.extend(b"0\r\n\r\n");
    }
    answer
}

#[test]
fn a_body_that_grows_too_long_for_memory_goes_on_to_the_disk() {
    let (folder, film) = (tempfile::tempdir().unwrap(), film());
    let answer = in_chunks(true);
    let origin = Origin::new(move |_| Act::Say(answer.clone()));
    let first = edge(&origin, roomy(folder.path()));
    keep(&first);
    let asked = origin.asked().len();
    let left = tempfile::tempdir().unwrap();
    copy(folder.path(), left.path());
    let second = edge(&origin, roomy(left.path()));
    until("what was left is known", || second.metrics().disk.scanned);
    for edge in [&first, &second] {
        let whole = get(edge, "/film");
        assert!(whole.body == film && whole.field("cache-status").unwrap().starts_with("overspill; hit"), "{}", whole.head);
        assert_eq!(whole.field("content-length").as_deref(), Some("12000000"), "it is known now");
        let part = ask(edge, "GET", "/film", "Range: bytes=8388600-8388700\r\n");
        assert!(part.status == 206 && part.body == film[8_388_600..=8_388_700], "{}", part.head);
        assert!(edge.metrics().stored_bytes < 10_000, "memory holds the head alone");
    }
    assert_eq!(origin.asked().len(), asked);
}

#[test]
fn of_a_body_that_grew_long_and_broke_off_nothing_stays_and_what_was_there_does() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (in_chunks(true), in_chunks(false));
    let breaks = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&breaks);
    let origin =
        Origin::new(
            move |_| {
                if broken.load(SeqCst) { Act::SayTwice(cut.clone(), Duration::ZERO, Vec::new()) } else { Act::Say(whole.clone()) }
            },
        );
    let first = edge(&origin, roomy(folder.path()));
    keep(&first);
    breaks.store(true, SeqCst);
    let there = files(folder.path()).len();
    assert_eq!(ask(&first, "PURGE", "/film", "").status, 200);
    let _cut_short = common::raw(&first, b"GET /film HTTP/1.1\r\nHost: blog.example\r\nConnection: close\r\n\r\n");
    until("the draft is gone", || files(folder.path()).len() == there);
    let left = tempfile::tempdir().unwrap();
    copy(folder.path(), left.path());
    let nowhere = edge_at("127.0.0.1:1".parse().unwrap(), roomy(left.path()));
    until("what was left is known", || nowhere.metrics().disk.scanned);
    let reply = get(&nowhere, "/film");
    assert!(reply.body == film() && reply.field("cache-status").unwrap().contains("detail=stale"), "{}", reply.head);
}

#[test]
fn a_body_that_grows_longer_than_may_be_kept_is_passed_on_and_not_kept() {
    let (folder, answer) = (tempfile::tempdir().unwrap(), in_chunks(true));
    let origin = Origin::new(move |_| Act::Say(answer.clone()));
    let edge = edge(&origin, |config| {
        // An eighth of it is 10 MiB: more than memory keeps, less than the film has.
        config.disk = Some(DiskCache { path: folder.path().join("cache"), bytes: Bytes(80 << 20) });
    });
    for _ in 0..2 {
        assert!(get(&edge, "/film").body == film());
    }
    until("nothing is left", || files(folder.path()).is_empty());
    assert_eq!((origin.asked().len(), edge.metrics().disk.written, edge.metrics().stored_responses), (2, 0, 0));
}
