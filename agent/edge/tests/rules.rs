//! Rules of RFC 9111 and its neighbours that the public suite does not test, against a scripted origin.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Act, Origin, ask, edge, edge_at, field, get, ok, raw, until};
use overspill_edge::Handle;

const NOTHING: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// Asks until the answer is stored, so that the next one is a hit.
fn store(edge: &Handle, path: &str, fields: &str) {
    let before = edge.metrics().stored_responses;
    ask(edge, "GET", path, fields);
    until("it is stored", || edge.metrics().stored_responses == before + 1);
}

#[test]
fn a_group_is_forgotten_at_a_word_of_the_origin() {
    let origin = Origin::new(|head| {
        let word = "Cache-Group-Invalidation: \"posts\", \"else\"\r\n";
        match head.split(' ').next() {
            Some("POST") => Act::Say(format!("HTTP/1.1 500 Sorry\r\nContent-Length: 0\r\n{word}\r\n").into_bytes()),
            _ if head.starts_with("GET /word") => Act::Say(ok(&format!("Cache-Control: no-store\r\n{word}"), "word")),
            _ if head.starts_with("GET /single") => Act::Say(ok("Cache-Control: max-age=60\r\nCache-Groups: \"Posts\"\r\n", "single")),
            _ => Act::Say(ok("Cache-Control: max-age=60\r\nCache-Groups: \"feeds\", \"posts\"\r\n", "post")),
        }
    });
    let edge = edge(&origin, |_| ());
    for path in ["/1", "/2", "/single"] {
        store(&edge, path, "");
    }
    get(&edge, "/word");
    assert_eq!(edge.metrics().stored_responses, 3, "a safe request changes nothing");
    ask(&edge, "POST", "/comment", "Content-Length: 0\r\n");
    for path in ["/1", "/2", "/single"] {
        get(&edge, path);
    }
    let asked = |path| origin.asked_for(path);
    assert_eq!((asked("/1"), asked("/2"), asked("/single")), (2, 2, 1));
}

#[test]
fn what_was_fetched_before_a_change_is_not_stored_after_it() {
    let version = Arc::new(AtomicU32::new(1));
    let now = Arc::clone(&version);
    let origin = Origin::new(move |head| match head.split(' ').next() {
        Some("PUT") => {
            now.fetch_add(1, SeqCst);
            Act::Say(NOTHING.to_vec())
        }
        _ => Act::SayAfter(Duration::from_millis(300), ok("Cache-Control: max-age=60\r\n", &now.load(SeqCst).to_string())),
    });
    let edge = edge(&origin, |_| ());
    thread::scope(|scope| {
        let early = scope.spawn(|| get(&edge, "/a").text());
        until("the origin is asked", || origin.asked_for("/a") == 1);
        ask(&edge, "PUT", "/a", "Content-Length: 0\r\n");
        assert_eq!(get(&edge, "/a").text(), "2", "whoever comes after the change does not join the fetch before it");
        assert_eq!(early.join().unwrap(), "1");
    });
    assert_eq!(get(&edge, "/a").text(), "2");
}

#[test]
fn head_freshens_what_is_stored_and_stale() {
    let changed = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&changed);
    let origin = Origin::new(move |head| {
        let (tag, age) = if now.load(SeqCst) { ("\"2\"", 0) } else { ("\"1\"", 600) };
        let fields = format!("ETag: {tag}\r\nX-Seen: {}\r\n", head.split(' ').next().unwrap());
        match head.split(' ').next() {
            Some("HEAD") => {
                Act::Say(format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: max-age={age}\r\n{fields}\r\n").into_bytes())
            }
            _ => Act::Say(ok(&format!("Cache-Control: max-age=0\r\n{fields}"), "body")),
        }
    });
    let edge = edge(&origin, |_| ());
    store(&edge, "/a", "");
    let head = ask(&edge, "HEAD", "/a", "");
    assert_eq!((head.status, head.field("x-seen").as_deref()), (200, Some("HEAD")));
    let hit = get(&edge, "/a");
    assert!(hit.field("cache-status").unwrap().starts_with("overspill; hit"), "{hit:?}");
    assert_eq!((hit.text().as_str(), hit.field("x-seen").as_deref(), origin.asked().len()), ("body", Some("HEAD"), 2));
    assert_eq!(hit.head.matches("via:").count(), 1, "{}", hit.head);

    store(&edge, "/b", "");
    changed.store(true, SeqCst);
    ask(&edge, "HEAD", "/b", "");
    assert_eq!(get(&edge, "/b").field("etag").as_deref(), Some("\"2\""));
    assert_eq!(origin.asked_for("/b"), 3, "the answer to HEAD spoke of something else");
}

#[test]
fn head_is_answered_with_the_copy_while_the_origin_fails() {
    let origin = Origin::new(|head| match head.split(' ').next() {
        Some("HEAD") => Act::Say(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec()),
        _ => Act::Say(ok("Cache-Control: max-age=0\r\nETag: \"1\"\r\n", "body")),
    });
    let edge = edge(&origin, |_| ());
    store(&edge, "/a", "");
    let head = ask(&edge, "HEAD", "/a", "");
    assert_eq!((head.status, head.field("content-length").as_deref()), (200, Some("4")));
    assert!(head.field("cache-status").unwrap().ends_with("detail=stale"));
}

#[test]
fn who_wants_only_what_is_stored_gets_nothing_else() {
    let origin = Origin::new(|_| Act::Say(ok("Cache-Control: max-age=60\r\n", "body")));
    let edge = edge(&origin, |_| ());
    let only = |path: &str, more: &str| ask(&edge, "GET", path, &format!("Cache-Control: only-if-cached\r\n{more}"));
    assert_eq!((only("/a", "").status, only("/a", "Cookie: PHPSESSID=x\r\n").status, origin.asked().len()), (504, 504, 0));
    assert_eq!(only("/a", "").field("cache-status").as_deref(), Some("overspill; detail=only-if-cached"));
    store(&edge, "/a", "");
    assert_eq!((only("/a", "").status, only("/a", "").text().as_str()), (200, "body"));
}

#[test]
fn a_field_addressed_to_this_cache_decides() {
    let origin = Origin::new(|head| {
        Act::Say(match head.split(' ').nth(1) {
            Some("/kept") => ok("Cache-Control: no-store\r\nCDN-Cache-Control: max-age=60\r\n", "kept"),
            Some("/own") => {
                ok("Cache-Control: max-age=60\r\nCDN-Cache-Control: max-age=60\r\nOverspill-Cache-Control: no-store\r\n", "own")
            }
            _ => ok("Cache-Control: max-age=60\r\nCDN-Cache-Control: MAX-AGE=0\r\n", "malformed"),
        })
    });
    let edge = edge(&origin, |_| ());
    store(&edge, "/kept", "");
    store(&edge, "/malformed", "");
    for _ in 0..2 {
        get(&edge, "/own");
    }
    let kept = get(&edge, "/kept");
    assert_eq!(kept.field("cache-control").as_deref(), Some("no-store"), "what others are told passes unchanged");
    assert_eq!((origin.asked_for("/kept"), origin.asked_for("/own")), (1, 2));
}

#[test]
fn authorized_visitors_share_what_the_origin_lets_them_and_keep_their_conditions() {
    let origin = Origin::new(|head| match (head.split(' ').nth(1), field(head, "if-none-match")) {
        (_, Some(_)) => Act::Say(b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n".to_vec()),
        (Some("/public"), None) => Act::Say(ok("Cache-Control: public, max-age=60\r\n", &field(head, "authorization").unwrap_or_default())),
        _ => Act::Say(ok("Cache-Control: max-age=60\r\nETag: \"1\"\r\n", &field(head, "authorization").unwrap_or_default())),
    });
    let edge = edge(&origin, |_| ());
    store(&edge, "/public", "Authorization: a\r\n");
    assert_eq!((get(&edge, "/public").text().as_str(), origin.asked().len()), ("a", 1));
    for who in ["a", "b"] {
        assert_eq!(ask(&edge, "GET", "/own", &format!("Authorization: {who}\r\n")).text(), who);
    }
    assert_eq!(get(&edge, "/own").text(), "");
    assert_eq!(ask(&edge, "GET", "/own", "Authorization: a\r\n").text(), "a", "what is stored for anybody is not for them");
    assert_eq!(ask(&edge, "GET", "/own", "Authorization: a\r\nIf-None-Match: \"1\"\r\n").status, 304);
}

#[test]
fn a_failure_with_a_lifetime_does_not_displace_what_helps_against_it() {
    let failing = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&failing);
    let origin = Origin::new(move |_| {
        if now.load(SeqCst) {
            return Act::Say(b"HTTP/1.1 500 Sorry\r\nCache-Control: max-age=600\r\nContent-Length: 5\r\n\r\nsorry".to_vec());
        }
        Act::Say(ok("Cache-Control: max-age=0\r\nETag: \"1\"\r\n", "good"))
    });
    let edge = edge(&origin, |_| ());
    store(&edge, "/a", "");
    failing.store(true, SeqCst);
    for _ in 0..2 {
        assert_eq!(get(&edge, "/a").text(), "good");
    }
    assert_eq!((get(&edge, "/b").status, origin.asked_for("/b")), (500, 1));
    until("it is kept for a moment", || edge.metrics().stored_responses == 2);
    assert_eq!((get(&edge, "/b").status, origin.asked_for("/b")), (500, 1));
}

#[test]
fn answers_of_our_own_say_whose_they_are_and_why() {
    let why = |reply: &common::Reply| reply.field("proxy-status");
    let away = edge_at("127.0.0.1:1".parse().unwrap(), |_| ());
    assert_eq!(why(&get(&away, "/")).as_deref(), Some("overspill; error=destination_unavailable"));
    let origin = Origin::new(|head| match head.split(' ').nth(1) {
        Some("/hang") => Act::Hang,
        Some("/close") => Act::Close,
        _ => Act::Say(ok("", "fine")),
    });
    let hasty = edge(&origin, |config| config.timeouts.origin_head = Duration::from_millis(200));
    assert_eq!(why(&get(&hasty, "/hang")).as_deref(), Some("overspill; error=http_response_timeout"));
    let edge = edge(&origin, |_| ());
    assert_eq!(why(&get(&edge, "/close")).as_deref(), Some("overspill; error=connection_terminated"));
    assert_eq!(why(&get(&edge, "/")), None);
    let refused = String::from_utf8(raw(&edge, b"GET / HTTP/1.1\r\n\r\n")).unwrap();
    assert!(refused.contains("proxy-status: overspill; error=http_request_error"), "{refused}");
}

const FILM: &str = "abcdefghijklmnopqrstuvwxyz";

/// An origin that gives out any one range of the film.
fn cinema(tag: &'static str) -> Origin {
    Origin::new(move |head| {
        let fields = format!("Cache-Control: max-age=60\r\nETag: {tag}\r\nContent-Type: video/mp4\r\n");
        let Some(range) = field(head, "range") else { return Act::Say(ok(&fields, FILM)) };
        let (first, last) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap_or(25));
        let body = &FILM[first..=last];
        let place = format!("Content-Range: bytes {first}-{last}/26\r\nContent-Length: {}\r\n", body.len());
        Act::Say(format!("HTTP/1.1 206 Partial Content\r\n{fields}{place}\r\n{body}").into_bytes())
    })
}

fn wind(edge: &Handle, range: &str) -> (u16, String, Option<String>) {
    let reply = ask(edge, "GET", "/film.mp4", &format!("Range: bytes={range}\r\n"));
    (reply.status, reply.text(), reply.field("content-range"))
}

#[test]
fn stretches_are_kept_put_together_and_become_the_whole() {
    let (origin, clock) = (cinema("\"1\""), "bytes 3-6/26".to_owned());
    let edge = edge(&origin, |_| ());
    assert_eq!(wind(&edge, "0-4"), (206, "abcde".to_owned(), Some("bytes 0-4/26".to_owned())));
    assert_eq!(wind(&edge, "1-2"), (206, "bc".to_owned(), Some("bytes 1-2/26".to_owned())));
    assert_eq!(origin.asked().len(), 1);
    wind(&edge, "5-9");
    assert_eq!(wind(&edge, "3-6"), (206, "defg".to_owned(), Some(clock)));
    let hit = ask(&edge, "GET", "/film.mp4", "Range: bytes=0-9\r\nIf-Range: \"1\"\r\n");
    assert!(hit.field("cache-status").unwrap().starts_with("overspill; hit") && hit.field("age").is_some(), "{}", hit.head);
    assert_eq!(origin.asked().len(), 2);
    wind(&edge, "10-");
    until("the whole is stored", || edge.held(&overspill_governance::digest::ObjectDigest::of(FILM.as_bytes())).is_some());
    assert_eq!((get(&edge, "/film.mp4").text().as_str(), origin.asked().len()), (FILM, 3));
    assert_eq!((wind(&edge, "20-").1.as_str(), origin.asked().len()), ("uvwxyz", 3));
}

#[test]
fn stretches_that_may_not_be_of_the_same_bytes_are_not_kept() {
    let origin = cinema("W/\"1\"");
    let edge = edge(&origin, |_| ());
    for _ in 0..2 {
        wind(&edge, "0-4");
    }
    assert_eq!((origin.asked().len(), edge.metrics().stored_responses), (2, 0));
    let strong = cinema("\"1\"");
    let edge = common::edge(&strong, |_| ());
    wind(&edge, "0-4");
    assert_eq!(ask(&edge, "GET", "/film.mp4", "Range: bytes=0-4\r\nIf-Range: \"2\"\r\n").status, 206, "the origin's own word");
    ask(&edge, "GET", "/film.mp4", "Range: bytes=0-4\r\nCookie: PHPSESSID=1\r\n");
    assert_eq!(strong.asked().len(), 3);
    ask(&edge, "DELETE", "/film.mp4", "Range: bytes=0-25\r\n");
    wind(&edge, "0-4");
    assert_eq!(strong.asked().len(), 5, "what a DELETE made obsolete is asked for again");
}

#[test]
fn a_stale_response_is_shown_while_it_is_fetched_again() {
    let count = AtomicU32::new(0);
    let origin = Origin::new(move |_| {
        let number = count.fetch_add(1, SeqCst).to_string();
        Act::Say(ok("Cache-Control: max-age=0, stale-while-revalidate=60\r\n", &number))
    });
    let edge = edge(&origin, |_| ());
    store(&edge, "/a", "");
    let stale = get(&edge, "/a");
    assert_eq!((stale.text().as_str(), stale.field("cache-status").unwrap().ends_with("detail=stale")), ("0", true));
    until("it is fetched again", || get(&edge, "/a").text() != "0");
}
