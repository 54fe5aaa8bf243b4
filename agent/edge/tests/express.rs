//! The express lane gives the answers that the usual way gives, in the order in which they were asked for.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use common::{Act, LONG, Origin, edge, field, get, ok, read_head, until};
use overspill_edge::{Canonical, Config, Handle};
use proptest::prelude::*;

const FRESH: &str = "Cache-Control: public, max-age=600\r\n";
/// The lane leaves requests with this field to the usual way, where it changes nothing for a stored response that is fresh.
const THE_USUAL_WAY: &str = "Cache-Control: no-transform\r\n";

/// A site with one resource of each kind.
fn site() -> Origin {
    Origin::new(|head| {
        let path = head.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
        let language = field(head, "accept-language").unwrap_or_default();
        let coding = field(head, "accept-encoding").unwrap_or_default();
        let failed =
            |line: &str, body: &str| format!("HTTP/1.1 {line}\r\n{FRESH}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
        Act::Say(match path.as_str() {
            "/plain" => {
                ok(&format!("{FRESH}Content-Type: text/html\r\nCache-Status: inner; fwd=miss\r\nLink: </a>\r\nLink: </b>\r\n"), "plain")
            }
            "/empty" => ok(FRESH, ""),
            "/asset.css" => ok(&format!("{FRESH}Content-Type: text/css\r\nETag: \"1\"\r\n"), "body{}"),
            "/coded" => ok(&format!("{FRESH}Vary: Accept-Encoding\r\n"), &format!("for {coding}")),
            "/spoken" => ok(&format!("{FRESH}Vary: Accept-Language\r\n"), &format!("in {language}")),
            "/moved" => failed("301 Moved Permanently\r\nLocation: /plain", "there"),
            "/gone" => failed("404 Not Found", "not here"),
            "/odd" => failed("299 Odd", "odd"),
            "/nothing" => format!("HTTP/1.1 204 No Content\r\n{FRESH}\r\n").into_bytes(),
            "/own" => ok("Cache-Control: private\r\n", "yours"),
            "/large" => ok(FRESH, &"large ".repeat(500_000)),
            "/slow" => return Act::SayAfter(Duration::from_millis(300), ok("Cache-Control: no-store\r\n", "slow")),
            _ => ok("Cache-Control: no-store\r\n", "other"),
        })
    })
}

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
        let mut body = vec![0; field(&head, "content-length").map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).unwrap();
        (head, body)
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

/// Status and fields of a head, without what time changes.
fn essence(head: &str) -> Vec<String> {
    let mut lines: Vec<String> = head
        .lines()
        .map(|line| match line.split_once("ttl=") {
            Some((before, _)) => before.to_owned(),
            None if line.starts_with("age: ") || line.starts_with("date: ") => line[..4].to_owned(),
            // The library's word for a status that has none; RFC 9112 section 4 lets it be empty.
            None => line.replace("<none>", ""),
        })
        .collect();
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn it_answers_as_the_usual_way_does(
        asks in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "/plain", "/plain?x=1", "/empty", "/asset.css", "/coded", "/spoken", "/moved", "/gone", "/odd", "/nothing", "/own", "/other",
                    "/plain?overspill-back=AAAA", "/plain?overspill-ticket=AAAA",
                ]),
                prop::collection::vec(prop::sample::select(vec![
                    "User-Agent: x", "Accept-Encoding: gzip", "Accept-Encoding: br;q=0, gzip", "Accept-Encoding: zstd, br", "Accept-Language: de",
                    "Cookie: _ga=1", "Cookie: theme=dark", "Cookie: PHPSESSID=1", "Connection: keep-alive", "Range: bytes=0-1",
                    "If-None-Match: \"1\"", "Authorization: Basic eA==", "Sec-Fetch-Dest: image", "Priority: u=1", "Accept-Language: fr",
                ]), 0..4),
            ),
            1..20,
        ),
    ) {
        let (origin, other_origin) = (site(), site());
        let (edge, other) = (edge(&origin, |_| ()), edge(&other_origin, |_| ()));
        let (mut visitor, mut twin) = (Visitor::new(&edge), Visitor::new(&other));
        // Twice: what the first round stored, the second finds.
        for (path, fields) in asks.iter().chain(&asks) {
            let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
            let (head, body) = visitor.get(path, &fields);
            let (usual, same) = twin.get(path, &format!("{fields}{THE_USUAL_WAY}"));
            prop_assert_eq!(essence(&head), essence(&usual), "{} {}", path, fields);
            prop_assert_eq!(body, same, "{} {}", path, fields);
            until("both have stored what they store", || edge.metrics().stored_responses == other.metrics().stored_responses);
        }
        // An answer is counted when it has left, and may be read before.
        until("no account is left open", || edge.metrics().requests_active + other.metrics().requests_active == 0);
        let (ours, theirs) = (edge.metrics(), other.metrics());
        prop_assert_eq!(theirs.expressed, 0);
        prop_assert_eq!(
            (ours.requests, ours.cache_hit, ours.bytes_sent, ours.responses_2xx, ours.responses_3xx, ours.responses_4xx),
            (theirs.requests, theirs.cache_hit, theirs.bytes_sent, theirs.responses_2xx, theirs.responses_3xx, theirs.responses_4xx)
        );
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
    for fields in ["Range: bytes=0-0\r\n", "If-None-Match: \"1\"\r\n", "Cookie: PHPSESSID=1\r\n", "Authorization: x\r\n"] {
        visitor.get("/plain", fields);
    }
    assert_eq!(expressed(&edge), 1);
    visitor.get("/plain", "");
    assert_eq!(expressed(&edge), 2, "the lane is open again after the usual way");
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
