//! An origin that is broken, or in somebody else's hands: what it says must not become a second answer, or another visitor's.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use crate::{
    common::{LONG, edge_at, field, read_head, until},
    exchange, statuses,
};

/// What the visitor gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// 200 with this body.
    Good(&'static str),
    /// The same; the body ends with the connection.
    Closed(&'static str),
    /// 204 without a body.
    Empty,
    /// 503: what came is no answer.
    Broken,
    /// 200, and a body that visibly breaks off.
    CutOff,
}

struct Vector {
    name: &'static str,
    answer: Vec<u8>,
    expect: Expect,
    /// Whether the connection to the origin may serve another request.
    reusable: bool,
}

/// An answer with these fields, each ended by CRLF.
fn says(name: &'static str, fields: &str, body: &str, expect: Expect, reusable: bool) -> Vector {
    raw(name, format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{fields}\r\n{body}"), expect, reusable)
}

fn raw(name: &'static str, answer: impl Into<Vec<u8>>, expect: Expect, reusable: bool) -> Vector {
    Vector { name, answer: answer.into(), expect, reusable }
}

fn broken(name: &'static str, fields: &str) -> Vector {
    says(name, fields, "abc", Expect::Broken, false)
}

/// What an attacker would like the next visitor to get.
const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
const SIZED: &str = "Content-Length: 3\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

fn vectors() -> Vec<Vector> {
    use Expect::{Broken, Closed, CutOff, Empty, Good};
    let both = |fields: &str| format!("{fields}\r\n3\r\nabc\r\n0\r\n\r\n{EVIL}");
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
    let many: String = (0..200).map(|index| format!("X-{index}: y\r\n")).collect();
    vec![
        says("a length", SIZED, "abc", Good("abc"), true),
        says("chunks", CHUNKED, "3\r\nabc\r\n0\r\n\r\n", Good("abc"), true),
        raw("no length, HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", Good("abc"), false),
        raw("TE and CL", format!("{head}{}", both("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n")), Broken, false),
        raw("CL and TE", format!("{head}{}", both("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")), Broken, false),
        broken("two lengths", "Content-Length: 3\r\nContent-Length: 4\r\n"),
        broken("one length twice", "Content-Length: 3\r\nContent-Length: 3\r\n"),
        broken("a list of lengths", "Content-Length: 3, 3\r\n"),
        broken("a length with a sign", "Content-Length: +3\r\n"),
        broken("a negative length", "Content-Length: -3\r\n"),
        broken("a length in hexadecimal", "Content-Length: 0x3\r\n"),
        broken("an empty length", "Content-Length:\r\n"),
        broken("a length beyond 64 bits", "Content-Length: 18446744073709551619\r\n"),
        says("another coding", "Transfer-Encoding: gzip\r\n", "abc", Closed("abc"), false),
        says("no length at all", "", "abc", Closed("abc"), false),
        broken("chunks in disguise", "Transfer-Encoding: xchunked\r\n"),
        broken("another coding, then chunks", "Transfer-Encoding: gzip, chunked\r\n"),
        broken("chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        says("identity", "Transfer-Encoding: identity\r\n", "abc", Closed("abc"), false),
        raw("chunks over HTTP/1.0", format!("HTTP/1.0 200 OK\r\n{CHUNKED}\r\n3\r\nabc\r\n0\r\n\r\n"), Broken, false),
        // RFC 9112 section 2.2 allows it, old programs do it, and what the visitor gets is written anew.
        raw("lines that LF ends", "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", Good("abc"), true),
        broken("a folded field", "Content-Length: 3\r\nX: a\r\n b\r\n"),
        broken("a bare CR in a field", "Content-Length: 3\r\nX: a\rSet-Cookie: evil=1\r\n"),
        broken("a NUL in a field", "Content-Length: 3\r\nX: a\0\r\n"),
        broken("a space before a colon", "Content-Length : 3\r\n"),
        broken("no colon", "Content-Length: 3\r\nX\r\n"),
        broken("too many fields", &format!("{SIZED}{many}")),
        broken("a head of a megabyte", &format!("{SIZED}X: {}\r\n", "y".repeat(1 << 20))),
        raw("no HTTP", "hello\r\n\r\n", Broken, false),
        raw("HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", Broken, false),
        raw("a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 3\r\n\r\nabc", Broken, false),
        raw("a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 3\r\n\r\nabc", Broken, false),
        raw("a status of zeros", "HTTP/1.1 000 OK\r\nContent-Length: 3\r\n\r\nabc", Broken, false),
        raw(
            "another protocol, unasked",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            Broken,
            false,
        ),
        raw("some interim answers", format!("{}{head}{SIZED}\r\nabc", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(5)), Good("abc"), true),
        raw("a flood of interim answers", "HTTP/1.1 102 Processing\r\n\r\n".repeat(100_000), Broken, false),
        says("a body that breaks off", "Content-Length: 9\r\n", "abc", CutOff, false),
        says("a body that never begins", "Content-Length: 9\r\n", "", CutOff, false),
        says("chunks that never begin", CHUNKED, "", CutOff, false),
        says("a bad first chunk", CHUNKED, "x\r\n", CutOff, false),
        says("chunks that break off", CHUNKED, "3\r\nabc\r\n", CutOff, false),
        says("a chunk that breaks off", CHUNKED, "9\r\nabc", CutOff, false),
        says("a bad chunk", CHUNKED, "3\r\nabc\r\nx\r\n0\r\n\r\n", CutOff, false),
        says("a chunk that LF ends", CHUNKED, "3\r\nabc\r\n1\nx\r\n0\r\n\r\n", CutOff, false),
        says("trailers stay behind", CHUNKED, "3\r\nabc\r\n0\r\nSet-Cookie: evil=1\r\n\r\n", Good("abc"), true),
        says("an answer too many", SIZED, &format!("abc{EVIL}"), Good("abc"), false),
        says("chunks and an answer too many", CHUNKED, &format!("3\r\nabc\r\n0\r\n\r\n{EVIL}"), Good("abc"), false),
        says("a line too many", SIZED, "abc\r\nx", Good("abc"), false),
        raw("an answer instead of no body", format!("HTTP/1.1 204 No Content\r\n\r\n{EVIL}"), Empty, false),
    ]
}

/// Says a vector's bytes to the first request on each path `/v`, and `next` to each on `/next`; counts connections that served both.
struct Liar {
    address: SocketAddr,
    reused: Arc<AtomicU32>,
}

impl Liar {
    fn new(answer: Vec<u8>, closes: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let liar = Self { address: listener.local_addr().unwrap(), reused: Arc::default() };
        let reused = Arc::clone(&liar.reused);
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (reused, answer) = (Arc::clone(&reused), Arc::clone(&answer));
                thread::spawn(move || Self::serve(stream, &answer, closes, &reused));
            }
        });
        liar
    }

    fn serve(mut stream: TcpStream, answer: &[u8], closes: bool, reused: &AtomicU32) {
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut lied = false;
        while let Some(head) = read_head(&mut stream) {
            reused.fetch_add(u32::from(lied), SeqCst);
            let next = b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 4\r\n\r\nnext";
            let lies = head.starts_with("GET /v");
            if stream.write_all(if lies { answer } else { next }).is_err() || (lies && closes) {
                return;
            }
            lied |= lies;
        }
    }
}

/// Asks for `/v`, then on another connection for `/next`.
fn try_vector(vector: &Vector, fields: &str) -> Result<(), String> {
    // The express lane is for connections that are kept: such a one ends when nothing more comes.
    let closing = if fields.starts_with("Cookie") { "" } else { "Connection: close\r\n" };
    let liar = Liar::new(vector.answer.clone(), matches!(vector.expect, Expect::CutOff | Expect::Closed(_)));
    let edge =
        edge_at(liar.address, |config| config.timeouts.header_read = Duration::from_millis(if closing.is_empty() { 80 } else { 5_000 }));
    let ask = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n{closing}{fields}\r\n");
        exchange(&edge, request.as_bytes(), usize::MAX).unwrap_or_else(|answers| answers)
    };
    let answer = String::from_utf8(ask("/v.css")).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no head in {answer:?}"))?;
    let is = |status: &str| head.starts_with(&format!("HTTP/1.1 {status} "));
    let sized = field(head, "content-length").map(|length| length.parse::<usize>().unwrap());
    let is_whole = sized.map_or_else(|| body.ends_with("0\r\n\r\n"), |length| body.len() == length);
    let text = if sized.is_some() { body } else { body.split("\r\n").nth(1).unwrap_or_default() };
    let right = match vector.expect {
        Expect::Good(expected) | Expect::Closed(expected) => is("200") && is_whole && text == expected,
        Expect::Empty => is("204") && body.is_empty(),
        Expect::Broken => is("503"),
        Expect::CutOff => is("200") && !is_whole,
    };
    let clean =
        !answer.contains("evil") && answer.replace("\r\n", "").find(['\r', '\0']).is_none() && !head.replace("\r\n", "").contains('\n');
    if !right || !clean {
        return Err(format!("the visitor got {answer:?}"));
    }
    // Bytes after the answer are noticed as soon as they are there.
    thread::sleep(Duration::from_millis(30));
    let next = ask("/next");
    if statuses(&next) != [200] || !next.ends_with(b"next") {
        return Err(format!("the next visitor got {:?}", String::from_utf8_lossy(&next)));
    }
    if (liar.reused.load(SeqCst) > 0) != vector.reusable {
        return Err(format!("the connection was {}used again", if vector.reusable { "not " } else { "" }));
    }
    if closing.is_empty() && edge.metrics().expressed != 2 {
        return Err(format!("{} of 2 took the lane", edge.metrics().expressed));
    }
    let stored = edge.metrics().stored_responses;
    if matches!(vector.expect, Expect::Broken | Expect::CutOff) && stored > 0 {
        return Err("it was stored".to_owned());
    }
    Ok(())
}

#[test]
fn a_hostile_origin_speaks_to_nobody_but_the_visitor_who_asked() {
    let vectors = vectors();
    // As a fetch for the cache, as one for one visitor, and as one for one visitor in the express lane.
    for fields in ["", "Authorization: Basic eDp5\r\n", "Cookie: PHPSESSID=1\r\n"] {
        let failures: Vec<String> =
            vectors.iter().filter_map(|vector| try_vector(vector, fields).err().map(|error| format!("{}: {error}", vector.name))).collect();
        assert!(failures.is_empty(), "with {fields:?}, {} of {}:\n{}", failures.len(), vectors.len(), failures.join("\n"));
    }
}

#[test]
fn an_endless_head_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _asked = stream.read(&mut [0; 4096]);
        while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let edge = edge_at(address, |config| config.timeouts.origin_head = Duration::from_millis(400));
    let answer = exchange(&edge, b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n", usize::MAX).unwrap();
    assert!(matches!(statuses(&answer)[..], [503]));
    until("nothing is left at the origin", || edge.metrics().origin_in_flight == 0);
}
