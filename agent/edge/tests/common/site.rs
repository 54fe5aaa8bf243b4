//! A site with one resource of each kind, and what is asked of it by whoever compares two ways to the same answers.

use std::time::Duration;

use overspill_edge::Handle;
use proptest::{collection::vec, prelude::Strategy, sample::select};

use super::{Act, Origin, field, ok};

/// Good for ten minutes.
pub const FRESH: &str = "Cache-Control: public, max-age=600\r\n";

/// What is asked for.
const PATHS: [&str; 22] = [
    "/plain",
    "/plain?x=1",
    "/empty",
    "/asset.css",
    "/coded",
    "/spoken",
    "/moved",
    "/gone",
    "/odd",
    "/nothing",
    "/own",
    "/other",
    "/plain?overspill-back=AAAA",
    "/plain?overspill-ticket=AAAA",
    "/own/chunks",
    "/own/no-chunk",
    "/own/named",
    "/own/nothing",
    "/own/refused",
    "/own/bad",
    "/own/lately",
    "/wp-login.php",
];

/// A field's name and value.
pub type Field = (&'static str, &'static str);

/// What is said beside it.
pub const FIELDS: [Field; 17] = [
    ("user-agent", "x"),
    ("accept-encoding", "gzip"),
    ("accept-encoding", "br;q=0, gzip"),
    ("accept-encoding", "zstd, br"),
    ("accept-language", "de"),
    ("cookie", "_ga=1"),
    ("cookie", "theme=dark"),
    ("cookie", "PHPSESSID=1"),
    ("range", "bytes=0-1"),
    ("if-none-match", "\"1\""),
    ("authorization", "Basic eA=="),
    ("sec-fetch-dest", "image"),
    ("priority", "u=1"),
    ("accept-language", "fr"),
    ("user-agent", "Googlebot/2.1"),
    ("from", "bot@x.example"),
    ("accept", "application/json"),
];

/// A site with one resource of each kind.
pub fn site() -> Origin {
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
            "/own/chunks" => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Of: one\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n".to_vec()
            }
            "/own/no-chunk" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
            "/own/named" => ok("Connection: X-Secret\r\nX-Secret: 1\r\nVia: 1.1 inner\r\nKeep-Alive: timeout=5\r\n", "named"),
            "/own/nothing" => b"HTTP/1.1 204 No Content\r\nX-Of: one\r\n\r\n".to_vec(),
            "/own/refused" => b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy".to_vec(),
            "/own/bad" => b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_vec(),
            "/own/large" => ok("Cache-Control: no-store\r\n", &"large ".repeat(500_000)),
            "/own/lately" => ok(&format!("{FRESH}Set-Cookie: a=b\r\n"), "for one"),
            "/large" => ok(FRESH, &"large ".repeat(500_000)),
            "/slow" => return Act::SayAfter(Duration::from_millis(300), ok("Cache-Control: no-store\r\n", "slow")),
            _ => ok("Cache-Control: no-store\r\n", "other"),
        })
    })
}

/// Requests: paths, each with some of these fields.
pub fn asks(fields: &[Field]) -> impl Strategy<Value = Vec<(&'static str, Vec<Field>)>> {
    vec((select(&PATHS[..]), vec(select(fields.to_vec()), 0..4)), 1..20)
}

/// Status and fields of a head, without what time changes.
pub fn essence(head: &str) -> Vec<String> {
    let mut lines: Vec<String> = head
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
            None => line.to_owned(),
        })
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

/// What is counted alike whichever way an answer takes.
pub fn counts(edge: &Handle) -> [u64; 12] {
    let counted = edge.metrics();
    let answers = [counted.responses_2xx, counted.responses_3xx, counted.responses_4xx, counted.responses_5xx];
    let uses = [counted.requests, counted.bytes_sent, counted.cache_hit, counted.cache_bypass, counted.cache_miss];
    let origin = [counted.origin_requests, counted.origin_broken, counted.origin_in_flight];
    [&answers[..], &uses, &origin].concat().try_into().unwrap()
}
