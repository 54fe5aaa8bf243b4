//! The express lane gives the answers that the usual way gives, in the order in which they were asked for.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use common::{
    Act, LONG, Origin, edge, field, get, ok, read_head,
    site::{FIELDS, FRESH, asks, counts, essence, site},
    until,
};
use overspill_edge::{Canonical, Config, Handle};
use proptest::prelude::*;

/// The lane leaves requests with this field to the usual way, where it changes nothing for a stored response that is fresh.
const THE_USUAL_WAY: &str = "Cache-Control: no-transform\r\n";

/// A kept connection.
struct Visitor(TcpStream);

impl Visitor {
    fn new(edge: &Handle) -> Self {
        let stream = TcpStream::connect(edge.local_addr()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Self(stream)
    }

    fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// Head and body of the next answer.
    fn hear(&mut self) -> (String, Vec<u8>) {
        let head = read_head(&mut self.0).expect("an answer");
        if field(&head, "transfer-encoding").is_some() {
            return (head, self.chunks());
        }
        let mut body = vec![0; field(&head, "content-length").map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).unwrap();
        (head, body)
    }

    /// A body in chunks, without trailers.
    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                let mut byte = [0];
                self.0.read_exact(&mut byte).unwrap();
                line.extend(byte);
            }
            let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim_end(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            self.0.read_exact(&mut chunk).unwrap();
            assert!(chunk.ends_with(b"\r\n"));
            if size == 0 {
                return body;
            }
            body.extend(&chunk[..size]);
        }
    }

    fn get(&mut self, path: &str, fields: &str) -> (String, Vec<u8>) {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: blog.example\r\n{fields}\r\n"));
        self.hear()
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0) | Err(_))
    }
}

fn expressed(edge: &Handle) -> u64 {
    edge.metrics().expressed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn it_answers_as_the_usual_way_does(
        asks in asks(&[&FIELDS[..], &[("connection", "keep-alive")]].concat()),
    ) {
        let (origin, other_origin) = (site(), site());
        let (edge, other) = (edge(&origin, |_| ()), edge(&other_origin, |_| ()));
        let (mut visitor, mut twin) = (Visitor::new(&edge), Visitor::new(&other));
        // Twice: what the first round stored, the second finds.
        for (path, fields) in asks.iter().chain(&asks) {
            let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let (head, body) = visitor.get(path, &fields);
            let (usual, same) = twin.get(path, &format!("{fields}{THE_USUAL_WAY}"));
            prop_assert_eq!(essence(&head), essence(&usual), "{} {}", path, fields);
            prop_assert_eq!(body, same, "{} {}", path, fields);
            until("both have stored what they store", || edge.metrics().stored_responses == other.metrics().stored_responses);
        }
        // An answer is counted when it has left, and may be read before.
        until("no account is left open", || edge.metrics().requests_active + other.metrics().requests_active == 0);
        prop_assert_eq!(other.metrics().expressed, 0);
        prop_assert_eq!(counts(&edge), counts(&other));
    }
}

#[test]
fn plain_hits_take_the_lane_and_nothing_else_does() {
    let origin = site();
    let edge = edge(&origin, |_| ());
    let mut visitor = Visitor::new(&edge);
    assert_eq!(visitor.get("/plain", "").1, b"plain");
    until("it is stored", || edge.metrics().stored_responses == 1);
    assert_eq!(expressed(&edge), 0);
    let (head, body) = visitor.get("/plain", "User-Agent: Mozilla/5.0\r\nAccept-Encoding: gzip, br\r\nCookie: _ga=1\r\n");
    assert_eq!((body.as_slice(), field(&head, "age").as_deref()), (&b"plain"[..], Some("0")));
    assert_eq!(expressed(&edge), 1);
    for fields in ["Range: bytes=0-0\r\n", "If-None-Match: \"1\"\r\n", "Cookie: theme=dark\r\n", "Authorization: x\r\n"] {
        visitor.get("/plain", fields);
    }
    assert_eq!(expressed(&edge), 1);
    visitor.get("/plain", "");
    assert_eq!(expressed(&edge), 2, "the lane is open again after the usual way");
    let before = edge.metrics().origin_requests;
    assert_eq!(visitor.get("/plain", "Cookie: PHPSESSID=1\r\n").1, b"plain");
    assert_eq!(
        (expressed(&edge), edge.metrics().origin_requests),
        (3, before + 1),
        "who is somebody is passed on in the lane, not answered from it"
    );
}

#[test]
fn answers_keep_the_order_of_their_requests() {
    let origin = site();
    let edge = edge(&origin, |_| ());
    get(&edge, "/plain");
    until("it is stored", || edge.metrics().stored_responses == 1);
    let mut visitor = Visitor::new(&edge);
    let (slow, hit) = ("GET /slow HTTP/1.1\r\nHost: blog.example\r\n\r\n", "GET /plain HTTP/1.1\r\nHost: blog.example\r\n\r\n");
    // All in one segment, then one after the other without waiting, then in pieces.
    visitor.say(&[slow, hit, hit, slow].concat());
    let bodies: Vec<_> = (0..4).map(|_| visitor.hear().1).collect();
    assert_eq!(bodies, [&b"slow"[..], b"plain", b"plain", b"slow"]);
    for request in [slow, hit, hit] {
        visitor.say(request);
        thread::sleep(Duration::from_millis(50));
    }
    let bodies: Vec<_> = (0..3).map(|_| visitor.hear().1).collect();
    assert_eq!(bodies, [&b"slow"[..], b"plain", b"plain"]);
    for byte in hit.bytes() {
        visitor.say(std::str::from_utf8(&[byte]).unwrap());
    }
    assert_eq!(visitor.hear().1, b"plain");
    let before = expressed(&edge);
    visitor.say(hit);
    assert_eq!(visitor.hear().1, b"plain");
    assert_eq!(expressed(&edge), before + 1);
    let post = "POST /form HTTP/1.1\r\nHost: blog.example\r\nContent-Length: 3\r\n\r\n";
    visitor.say(post);
    thread::sleep(Duration::from_millis(50));
    visitor.say(&["a=b", hit].concat());
    assert_eq!((visitor.hear().1, visitor.hear().1), (b"other".to_vec(), b"plain".to_vec()));
}

#[test]
fn a_slow_reader_gets_all_of_a_large_body_and_then_the_next() {
    let origin = site();
    let edge = edge(&origin, |_| ());
    get(&edge, "/large");
    until("it is stored", || edge.metrics().stored_responses == 1);
    let mut visitor = Visitor::new(&edge);
    visitor.say("GET /large HTTP/1.1\r\nHost: blog.example\r\n\r\n");
    thread::sleep(Duration::from_millis(200));
    // What the socket does not take must wait, and what is asked meanwhile too.
    assert_eq!(edge.metrics().requests_active, 1);
    visitor.say("GET /slow HTTP/1.1\r\nHost: blog.example\r\n\r\n");
    let (_, large) = visitor.hear();
    assert!(large.len() == 3_000_000 && large.starts_with(b"large ") && large.ends_with(b"large "));
    assert_eq!(visitor.hear().1, b"slow");
    assert_eq!(expressed(&edge), 1);
    assert_eq!(edge.metrics().bytes_sent, 2 * 3_000_000 + 4);
}

#[test]
fn who_leaves_in_the_middle_is_counted_for_what_was_sent() {
    let origin = site();
    let edge = edge(&origin, |_| ());
    get(&edge, "/large");
    until("it is stored", || edge.metrics().stored_responses == 1);
    let before = edge.metrics().bytes_sent;
    let mut visitor = Visitor::new(&edge);
    visitor.say("GET /large HTTP/1.1\r\nHost: blog.example\r\n\r\n");
    visitor.0.read_exact(&mut [0; 1_000]).unwrap();
    drop(visitor);
    until("the account is closed", || edge.metrics().requests_active == 0);
    let sent = edge.metrics().bytes_sent - before;
    assert!((1..3_000_000).contains(&sent), "{sent}");
}

#[test]
fn a_connection_that_only_takes_the_lane_is_still_given_up_when_it_waits_too_long() {
    let origin = site();
    let edge = edge(&origin, |config| config.timeouts.header_read = Duration::from_millis(600));
    let mut visitor = Visitor::new(&edge);
    visitor.get("/plain", "");
    until("it is stored", || edge.metrics().stored_responses == 1);
    // Longer than the wait in all, never longer at once.
    for _ in 0..8 {
        thread::sleep(Duration::from_millis(150));
        visitor.get("/plain", "");
    }
    assert_eq!(expressed(&edge), 8);
    visitor.say("GET /plain HTTP/1.1\r\n");
    assert!(visitor.is_closed(), "half a head, and no more of it");
}

#[test]
fn the_lane_closes_with_the_edge() {
    let origin = site();
    let edge = edge(&origin, |_| ());
    let mut visitor = Visitor::new(&edge);
    visitor.get("/plain", "");
    until("it is stored", || edge.metrics().stored_responses == 1);
    // One that the library has answered, one that it has never seen, one that has said nothing yet.
    let (mut other, mut silent) = (Visitor::new(&edge), Visitor::new(&edge));
    visitor.get("/plain", "");
    other.get("/plain", "");
    assert_eq!(expressed(&edge), 2);
    assert!(edge.shutdown(LONG));
    assert!(visitor.is_closed() && other.is_closed() && silent.is_closed());
}

#[test]
fn a_connection_that_the_library_has_never_seen_is_given_up_when_it_waits_too_long() {
    let origin = site();
    let edge = edge(&origin, |config| config.timeouts.header_read = Duration::from_millis(300));
    get(&edge, "/plain");
    until("it is stored", || edge.metrics().stored_responses == 1);
    let (mut idle, mut begun) = (Visitor::new(&edge), Visitor::new(&edge));
    for visitor in [&mut idle, &mut begun] {
        assert_eq!(visitor.get("/plain", "").1, b"plain");
    }
    begun.say("GET /plain HTTP/1.1\r\n");
    assert!(idle.is_closed() && begun.is_closed());
    assert_eq!(expressed(&edge), 2);
}

#[test]
fn what_is_longer_than_one_read_reaches_the_library_whole() {
    let origin = site();
    let edge = edge(&origin, |_| ());
    get(&edge, "/plain");
    until("it is stored", || edge.metrics().stored_responses == 1);
    let mut visitor = Visitor::new(&edge);
    for round in 1..4 {
        assert_eq!(visitor.get("/plain", "").1, b"plain");
        assert_eq!(expressed(&edge), round);
        assert_eq!(visitor.get("/plain", &format!("X-Long: {}\r\n", "x".repeat(30_000))).1, b"plain");
        visitor.say(&format!("POST /form HTTP/1.1\r\nHost: blog.example\r\nContent-Length: 30000\r\n\r\n{}", "x".repeat(30_000)));
        assert_eq!(visitor.hear().1, b"other");
    }
}

#[test]
fn new_settings_hold_for_connections_that_stand() {
    let origin = site();
    let edge = edge(&origin, |_| ());
    let mut visitor = Visitor::new(&edge);
    visitor.get("/plain", "");
    until("it is stored", || edge.metrics().stored_responses == 1);
    assert_eq!(visitor.get("/plain", "").1, b"plain");
    let mut config = Config::new(origin.address.to_string().parse().unwrap());
    config.canonical = Some(Canonical { scheme: http::uri::Scheme::HTTP, authority: "other.example".parse().unwrap() });
    edge.reload(config);
    assert!(visitor.get("/plain", "").0.starts_with("HTTP/1.1 421 "), "it is another site now");
    assert_eq!(expressed(&edge), 1);
}

#[test]
fn what_could_not_be_shared_lately_is_passed_on_in_the_lane_until_it_could() {
    let shared = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now_shared = std::sync::Arc::clone(&shared);
    let origin = Origin::new(move |_| {
        let fields = if now_shared.load(std::sync::atomic::Ordering::SeqCst) { FRESH } else { "Cache-Control: private\r\n" };
        Act::Say(ok(fields, "page"))
    });
    let edge = edge(&origin, |_| ());
    let mut visitor = Visitor::new(&edge);
    visitor.get("/", "");
    assert_eq!(expressed(&edge), 0, "nothing is known of it yet");
    for round in 1..4 {
        assert_eq!(visitor.get("/", "").1, b"page");
        assert_eq!(expressed(&edge), round);
    }
    shared.store(true, std::sync::atomic::Ordering::SeqCst);
    visitor.get("/", "");
    visitor.get("/", "");
    until("it is looked up again, and stored", || edge.metrics().stored_responses == 1);
    let before = edge.metrics().origin_requests;
    assert_eq!(visitor.get("/", "").1, b"page");
    assert_eq!(edge.metrics().origin_requests, before);
}

/// Begins a request that the lane passes on.
const SESSION: &str = "Cookie: PHPSESSID=1\r\n";

#[test]
fn a_slow_reader_gets_all_of_what_is_passed_on_and_then_what_it_asked_for_meanwhile() {
    let origin = site();
    let edge = edge(&origin, |_| ());
    let mut visitor = Visitor::new(&edge);
    visitor.say(&format!("GET /own/large HTTP/1.1\r\nHost: blog.example\r\n{SESSION}\r\n"));
    thread::sleep(Duration::from_millis(200));
    assert_eq!((edge.metrics().requests_active, edge.metrics().origin_in_flight), (1, 0), "a long body gives its place up at its head");
    visitor.say(&format!("GET /slow HTTP/1.1\r\nHost: blog.example\r\n{SESSION}\r\n"));
    let (_, large) = visitor.hear();
    assert!(large.len() == 3_000_000 && large.starts_with(b"large ") && large.ends_with(b"large "));
    // What comes while the origin is at work is kept, in its order.
    thread::sleep(Duration::from_millis(100));
    visitor.say(&format!("GET /own HTTP/1.1\r\nHost: blog.example\r\n{SESSION}\r\nGET /own HTTP/1.1\r\nHost: blog"));
    thread::sleep(Duration::from_millis(400));
    visitor.say(".example\r\n\r\n");
    let bodies: Vec<_> = (0..3).map(|_| visitor.hear().1).collect();
    assert_eq!(bodies, [&b"slow"[..], b"yours", b"yours"]);
    assert_eq!(visitor.get("/own", SESSION).1, b"yours");
}

#[test]
fn nobody_asks_on_for_a_visitor_who_left() {
    let origin = Origin::new(|_| Act::SayAfter(LONG, ok("", "late")));
    let edge = edge(&origin, |_| ());
    let mut visitor = Visitor::new(&edge);
    visitor.say(&format!("GET / HTTP/1.1\r\nHost: blog.example\r\n{SESSION}\r\n"));
    until("it is at the origin", || edge.metrics().origin_in_flight == 1);
    drop(visitor);
    until("its place is free", || edge.metrics().origin_in_flight == 0);
    until("its account is closed", || edge.metrics().requests_active == 0);
    assert_eq!((edge.metrics().requests, edge.metrics().responses_5xx), (1, 0));
}

#[test]
fn an_origin_that_says_nothing_is_given_up_and_the_connection_is_not() {
    let origin =
        Origin::new(|head| if head.starts_with("GET /slow") { Act::SayAfter(LONG, ok("", "late")) } else { Act::Say(ok("", "fast")) });
    let edge = edge(&origin, |config| config.timeouts.origin_head = Duration::from_millis(300));
    let mut visitor = Visitor::new(&edge);
    let (head, body) = visitor.get("/slow", &format!("{SESSION}Accept: text/html\r\n"));
    assert!(head.starts_with("HTTP/1.1 503 ") && field(&head, "retry-after").is_some(), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("slow"));
    assert_eq!(visitor.get("/fast", SESSION).1, b"fast");
    assert_eq!((expressed(&edge), edge.metrics().origin_timeouts), (2, 1));
}

#[test]
fn a_body_that_breaks_off_ends_the_connection_and_is_not_told_as_whole() {
    let origin = Origin::new(|_| Act::Say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nabc".to_vec()));
    let edge = edge(&origin, |config| config.timeouts.origin_idle = Duration::from_millis(300));
    let mut records = edge.access().unwrap();
    // In the lane, and by the usual way.
    for fields in [SESSION, "Authorization: Basic eA==\r\n"] {
        let mut visitor = Visitor::new(&edge);
        visitor.say(&format!("GET / HTTP/1.1\r\nHost: blog.example\r\n{fields}\r\n"));
        let head = read_head(&mut visitor.0).unwrap();
        assert_eq!(field(&head, "content-length").as_deref(), Some("9"));
        let mut body = Vec::new();
        assert!(visitor.0.read_to_end(&mut body).is_ok() && body == b"abc", "{body:?}");
        let record = records.blocking_recv().unwrap();
        assert_eq!((record.status.as_u16(), record.bytes, record.complete), (200, 3, false), "{fields}");
    }
    assert_eq!(expressed(&edge), 1);
}

#[test]
fn who_waits_for_the_origin_gets_its_answer_though_the_edge_stops() {
    let origin = site();
    let edge = edge(&origin, |_| ());
    let mut visitor = Visitor::new(&edge);
    visitor.say(&format!("GET /slow HTTP/1.1\r\nHost: blog.example\r\n{SESSION}\r\n"));
    until("it is at the origin", || edge.metrics().origin_in_flight == 1);
    assert!(edge.shutdown(LONG));
    assert_eq!(visitor.hear().1, b"slow");
    assert!(visitor.is_closed());
}

#[test]
fn a_large_body_that_is_asked_for_often_stays_what_it_is() {
    let origin = Origin::new(|_| Act::Say(ok(FRESH, &(0..100_000).map(|at| format!("{at} ")).collect::<String>())));
    let edge = edge(&origin, |_| ());
    let mut visitor = Visitor::new(&edge);
    let first = visitor.get("/", "").1;
    until("it is stored", || edge.metrics().stored_responses == 1);
    // More often than it takes to be sent by the kernel, which no visitor can tell.
    for round in 1..40 {
        assert!(visitor.get("/", "").1 == first, "{round}");
    }
    assert_eq!((expressed(&edge), edge.metrics().bytes_sent), (39, 40 * first.len() as u64));
}
