//! The shared cache in calm: what is stored, for whom, and how it is given out.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::Write,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Act, Origin, ask, edge, field, get, ok, together, until};
use overspill_governance::digest::ObjectDigest;

const FRESH: &str = "Cache-Control: public, max-age=600\r\nContent-Type: text/css\r\nETag: \"v1\"\r\n";

#[test]
fn a_fresh_response_is_fetched_once() {
    let origin = Origin::new(|_| Act::Say(ok(FRESH, "body{}")));
    let edge = edge(&origin, |_| ());
    assert_eq!(get(&edge, "/a.css").field("cache-status").as_deref(), Some("overspill; fwd=miss; fwd-status=200; stored"));
    until("it is stored", || edge.metrics().stored_responses == 1);
    let hit = get(&edge, "/a.css");
    assert_eq!((hit.status, hit.text().as_str(), hit.field("age").as_deref()), (200, "body{}", Some("0")));
    assert!(hit.field("cache-status").unwrap().starts_with("overspill; hit; ttl="));
    let head = ask(&edge, "HEAD", "/a.css", "");
    assert_eq!((head.status, head.field("content-length").as_deref(), head.body.len()), (200, Some("6"), 0));
    assert_eq!(ask(&edge, "GET", "/a.css", "If-None-Match: W/\"v1\"\r\n").status, 304);
    let part = ask(&edge, "GET", "/a.css", "Range: bytes=1-2\r\n");
    assert_eq!((part.status, part.text().as_str(), part.field("content-range").as_deref()), (206, "od", Some("bytes 1-2/6")));
    assert_eq!(ask(&edge, "GET", "/a.css", "Range: bytes=6-\r\n").status, 416);
    assert_eq!(ask(&edge, "GET", "/a.css", "Range: bytes=0-0\r\nIf-Range: \"v0\"\r\n").text(), "body{}");
    assert_eq!(origin.asked_for("/a.css"), 1);
    assert_eq!(get(&edge, "/a.css?v=2").status, 200);
    assert_eq!(origin.asked().len(), 2);
}

#[test]
fn visitors_who_come_together_share_one_fetch() {
    let origin = Origin::new(|_| Act::SayAfter(Duration::from_millis(400), ok(FRESH, "together")));
    let edge = edge(&origin, |_| ());
    let replies = together(30, |_| get(&edge, "/a.css"));
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.text() == "together"));
    assert_eq!(origin.asked_for("/a.css"), 1);
    assert!(edge.metrics().cache_collapsed >= 1);
}

#[test]
fn personal_answers_are_never_shared() {
    let count = AtomicU32::new(0);
    let origin = Origin::new(move |_| {
        let own = count.fetch_add(1, SeqCst);
        Act::SayAfter(
            Duration::from_millis(100),
            ok(&format!("Set-Cookie: id={own}\r\nCache-Control: max-age=60\r\n"), &format!("for {own}")),
        )
    });
    let edge = edge(&origin, |_| ());
    let mut texts: Vec<String> = together(12, |_| get(&edge, "/x").text());
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 12);
    assert_eq!(edge.metrics().stored_responses, 0);
}

#[test]
fn a_session_sees_the_origin_and_analytics_see_the_cache() {
    let fresh = FRESH.replace("public, ", "");
    let origin = Origin::new(move |head| Act::Say(ok(&fresh, if head.contains("wordpress_logged_in_1=x") { "editor" } else { "anybody" })));
    let edge = edge(&origin, |_| ());
    assert_eq!(get(&edge, "/page").text(), "anybody");
    until("it is stored", || edge.metrics().stored_responses == 1);
    assert_eq!(ask(&edge, "GET", "/page", "Cookie: _ga=1; wordpress_logged_in_1=x\r\n").text(), "editor");
    assert_eq!(ask(&edge, "GET", "/page", "Authorization: Basic eDp5\r\n").text(), "anybody");
    assert_eq!(origin.asked().len(), 3);
    assert_eq!(ask(&edge, "GET", "/page", "Cookie: _ga=1; _gid=2\r\n").text(), "anybody");
    assert_eq!(origin.asked().len(), 3);
}

#[test]
fn analytics_cookies_do_not_reach_what_is_stored() {
    let origin = Origin::new(|head| Act::Say(ok(FRESH, &field(head, "cookie").unwrap_or_default())));
    let edge = edge(&origin, |_| ());
    assert_eq!(ask(&edge, "GET", "/a.css", "Cookie: _ga=secret\r\n").text(), "");
}

#[test]
fn a_page_that_says_nothing_goes_to_the_origin_each_time() {
    let origin = Origin::new(|_| Act::Say(ok("Content-Type: text/html\r\n", "<p>hello")));
    let edge = edge(&origin, |_| ());
    for _ in 0..3 {
        assert_eq!(get(&edge, "/").text(), "<p>hello");
    }
    assert_eq!(origin.asked_for("/"), 3);
    until("it is kept for bad times", || edge.metrics().stored_responses == 1);
}

#[test]
fn variants_are_told_apart() {
    let origin = Origin::new(|head| {
        let language = field(head, "accept-language").unwrap_or_default();
        Act::Say(ok("Cache-Control: max-age=60\r\nVary: Accept-Language\r\n", &language))
    });
    let edge = edge(&origin, |_| ());
    for _ in 0..2 {
        assert_eq!(ask(&edge, "GET", "/", "Accept-Language: de\r\n").text(), "de");
        assert_eq!(ask(&edge, "GET", "/", "Accept-Language: fr\r\n").text(), "fr");
        until("they are stored", || edge.metrics().stored_responses == 2);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(origin.asked().len(), 2);
}

#[test]
fn a_stale_response_is_confirmed_and_not_fetched_again() {
    let origin = Origin::new(|head| match field(head, "if-none-match").as_deref() {
        Some("\"v1\"") => Act::Say(b"HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nCache-Control: no-cache\r\n\r\n".to_vec()),
        _ => Act::Say(ok("Cache-Control: no-cache\r\nETag: \"v1\"\r\n", "body")),
    });
    let edge = edge(&origin, |_| ());
    get(&edge, "/a");
    until("it is stored", || edge.metrics().stored_responses == 1);
    let confirmed = get(&edge, "/a");
    assert_eq!((confirmed.status, confirmed.text().as_str()), (200, "body"));
    assert!(confirmed.field("cache-status").unwrap().contains("fwd-status=304"));
    assert_eq!(edge.metrics().cache_revalidated, 1);
}

#[test]
fn what_a_post_changed_is_forgotten() {
    let version = Arc::new(AtomicU32::new(1));
    let now = Arc::clone(&version);
    let origin = Origin::new(move |head| match head.split(' ').next() {
        Some("POST") => {
            now.fetch_add(1, SeqCst);
            Act::Say(b"HTTP/1.1 303 See Other\r\nLocation: /post\r\nContent-Length: 0\r\n\r\n".to_vec())
        }
        _ => Act::Say(ok(FRESH, &now.load(SeqCst).to_string())),
    });
    let edge = edge(&origin, |_| ());
    get(&edge, "/post");
    until("it is stored", || edge.metrics().stored_responses == 1);
    assert_eq!(get(&edge, "/post").text(), "1");
    assert_eq!(ask(&edge, "POST", "/comment", "Content-Length: 0\r\n").status, 303);
    assert_eq!(get(&edge, "/post").text(), "2");
}

#[test]
fn helpers_find_passive_assets_by_their_digest() {
    let origin = Origin::new(|head| match head.split(' ').nth(1) {
        Some("/a.css") => Act::Say(ok(FRESH, "body{}")),
        _ => Act::Say(ok("Cache-Control: max-age=60\r\nContent-Type: text/html\r\n", "page")),
    });
    let edge = edge(&origin, |_| ());
    get(&edge, "/a.css");
    get(&edge, "/page");
    until("both are stored", || edge.metrics().stored_responses == 2);
    assert_eq!(edge.held(&ObjectDigest::of(b"body{}")).as_deref(), Some(&b"body{}"[..]));
    assert_eq!(edge.held(&ObjectDigest::of(b"page")), None);
}

#[test]
fn a_body_that_breaks_off_is_not_stored_and_not_taken_for_whole() {
    let origin = Origin::new(|_| {
        Act::Say(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 100\r\n{FRESH}\r\nonly this").into_bytes())
    });
    // The scripted origin keeps its connection open, as a stuck one does.
    let edge = edge(&origin, |config| config.timeouts.origin_idle = Duration::from_millis(200));
    let reply = get(&edge, "/a.css");
    assert_eq!((reply.status, reply.text().as_str()), (200, "only this"));
    assert_eq!(reply.field("content-length").as_deref(), Some("100"));
    assert_eq!((edge.metrics().stored_responses, edge.metrics().origin_broken), (0, 1));
}

#[test]
fn a_body_too_long_to_keep_still_arrives_whole() {
    let mut answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{FRESH}\r\n").into_bytes();
    let chunk = vec![b'x'; 100_000];
    for _ in 0..110 {
        answer.extend_from_slice(b"186a0\r\n");
        answer.extend_from_slice(&chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    let origin = Origin::new(move |_| Act::Say(answer.clone()));
    let edge = edge(&origin, |_| ());
    let reply = get(&edge, "/film.mp4");
    assert_eq!(reply.body.len(), 11_000_000);
    assert!(reply.body.iter().all(|byte| *byte == b'x'));
    assert_eq!(edge.metrics().stored_responses, 0);
}

#[test]
fn a_visitor_who_does_not_read_is_given_up() {
    let body = "x".repeat(7_000_000);
    let origin = Origin::new(move |_| Act::Say(ok(FRESH, &body)));
    let edge = edge(&origin, |config| config.timeouts.visitor_stall = Duration::from_millis(300));
    let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
    stream.write_all(b"GET /film.mp4 HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    until("the request is seen", || edge.metrics().requests == 1);
    until("the visitor is given up", || edge.metrics().connections == 0);
    assert_eq!(edge.metrics().requests_active, 0);
}

#[test]
fn an_attacker_who_asks_and_leaves_does_not_drain_the_origin() {
    let body = "x".repeat(7_000_000);
    let left = Arc::new(AtomicBool::new(false));
    let sent = Arc::clone(&left);
    let origin = Origin::new(move |_| {
        sent.store(true, SeqCst);
        Act::SayAfter(Duration::from_millis(300), ok(FRESH, &body))
    });
    let edge = edge(&origin, |_| ());
    let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
    stream.write_all(b"GET /film.mp4 HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    until("the origin is asked", || left.load(SeqCst));
    drop(stream);
    until("the fetch is broken off", || edge.metrics().origin_broken == 1);
    assert_eq!(edge.metrics().stored_responses, 0);
}

#[test]
fn a_confirmation_of_one_variant_is_not_taken_for_another() {
    let origin = Origin::new(|head| {
        let language = field(head, "accept-language").unwrap_or_default();
        let fields = format!("Cache-Control: no-cache\r\nVary: Accept-Language\r\nETag: \"{language}\"\r\n");
        match field(head, "if-none-match") {
            Some(tag) if tag == format!("\"{language}\"") => {
                Act::SayAfter(Duration::from_millis(200), format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n").into_bytes())
            }
            _ => Act::Say(ok(&fields, &language)),
        }
    });
    let edge = edge(&origin, |_| ());
    let asks = |language: &str| ask(&edge, "GET", "/", &format!("Accept-Language: {language}\r\n"));
    for language in ["de", "fr"] {
        asks(language);
    }
    let replies = together(8, |visitor| if visitor % 2 == 0 { asks("de").text() == "de" } else { asks("fr").text() == "fr" });
    assert!(replies.into_iter().all(|right| right));
}
