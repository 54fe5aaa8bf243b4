//! Request smuggling, tried: each vector of the corpus goes through a real edge to a strict reader in the origin's place, once in one piece
//! and once byte by byte, with a request behind it that must be answered only if what was before it was clear.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod origin;
mod responses;
#[path = "../common/strict.rs"]
#[allow(dead_code, unreachable_pub)]
mod strict;
mod vectors;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use common::{LONG, edge_at, field};
use origin::StrictOrigin;
use overspill_edge::Handle;
use vectors::{Expect, Vector};

/// What follows each vector on its connection.
const FOLLOWER: &[u8] = b"GET /follower HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
const REFUSALS: [u16; 3] = [400, 414, 431];

/// Sends bytes, in pieces of at most `piece`, and reads until the edge closes. `Err` is what was read before the connection broke.
fn exchange(edge: &Handle, bytes: &[u8], piece: usize) -> Result<Vec<u8>, Vec<u8>> {
    let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut reader = stream.try_clone().unwrap();
    thread::scope(|scope| {
        let answers = scope.spawn(move || {
            let mut answers = Vec::new();
            if reader.read_to_end(&mut answers).is_ok() { Ok(answers) } else { Err(answers) }
        });
        for piece in bytes.chunks(piece) {
            // A refusal may close the connection before all is sent.
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        answers.join().unwrap()
    })
}

/// The statuses of final answers; the last may be cut off by nothing.
fn statuses(mut bytes: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| panic!("a head without an end: {bytes:?}"));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        assert!(field(&head, "transfer-encoding").is_none(), "{head}");
        bytes = &bytes[end + 4 + length..];
        if status >= 200 {
            statuses.push(status);
        }
    }
    statuses
}

/// Sends a vector and its follower; tells what was wrong.
fn try_vector(vector: &Vector, piece: usize, edge: &Handle, origin: &StrictOrigin) -> Result<(), String> {
    let bytes = [&vector.bytes, FOLLOWER].concat();
    let answers = exchange(edge, &bytes, piece);
    // What the edge forwarded by mistake would arrive before this.
    let barrier = b"GET /barrier HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    exchange(edge, barrier, barrier.len()).map_err(|_| "the edge does not answer any more")?;
    let seen = origin.take_seen();
    let answers = answers.map_err(|answers| format!("the connection broke after {:?}", String::from_utf8_lossy(&answers)))?;
    let statuses = statuses(&answers);
    let (passed, follower, refused) = match &vector.expect {
        Expect::Refused => (Vec::new(), false, true),
        Expect::Passes(passed) => (passed.clone(), true, false),
        Expect::PassesThenRefused(passed) => (passed.clone(), false, true),
    };
    let mut expected: Vec<(String, String)> = passed.into_iter().map(|(line, body)| (line.to_owned(), body)).collect();
    expected.extend(follower.then(|| ("GET /follower".to_owned(), String::new())));
    let answered = expected.len();
    expected.push(("GET /barrier".to_owned(), String::new()));
    if !seen.faults.is_empty() {
        return Err(format!("the origin could not read {:?}", seen.faults));
    }
    if seen.requests() != expected {
        return Err(format!("the origin saw {:?}", seen.requests()));
    }
    let right = statuses.len() == answered + usize::from(refused)
        && statuses[..answered].iter().all(|status| *status == 200)
        && statuses[answered..].iter().all(|status| REFUSALS.contains(status));
    if right { Ok(()) } else { Err(format!("the visitor saw {statuses:?}")) }
}

fn try_all(vectors: &[Vector], piece: usize) {
    let origin = StrictOrigin::new();
    let edge = edge_at(origin.address, |_| ());
    let failures: Vec<String> = vectors
        .iter()
        .filter_map(|vector| try_vector(vector, piece, &edge, &origin).err().map(|error| format!("{}: {error}", vector.name)))
        .collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), vectors.len(), failures.join("\n"));
    // What never became a request is counted when its connection has ended.
    common::until("every connection has ended", || edge.metrics().connections == 0);
    let refused = vectors.iter().filter(|vector| !matches!(vector.expect, Expect::Passes(_))).count() as u64;
    assert_eq!(edge.metrics().requests_refused, refused, "each refusal is counted once");
}

#[test]
fn nothing_ambiguous_is_forwarded() {
    let vectors = vectors::all();
    let names: BTreeSet<&str> = vectors.iter().map(|vector| vector.name).collect();
    assert!(names.len() == vectors.len() && vectors.len() >= 100, "{} vectors, {} names", vectors.len(), names.len());
    try_all(&vectors, usize::MAX);
}

#[test]
fn nothing_ambiguous_is_forwarded_when_it_comes_byte_by_byte() {
    let short: Vec<Vector> = vectors::all().into_iter().filter(|vector| vector.bytes.len() < 2_000).collect();
    assert!(short.len() >= 100);
    try_all(&short, 1);
}

#[test]
fn a_refusal_arrives_though_more_was_sent() {
    let origin = StrictOrigin::new();
    let edge = edge_at(origin.address, |_| ());
    for head in [
        "GET / HTTP/1.1\nHost: a.example\r\n\r\n",
        "CONNECT / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let bytes = [head.as_bytes(), &vec![b'x'; 500_000]].concat();
        assert_eq!(statuses(&exchange(&edge, &bytes, 65_536).expect("the answer is not taken back")), [400], "{head}");
    }
}

#[test]
fn a_long_body_whose_chunks_go_wrong_is_not_ended_for_the_origin() {
    let origin = StrictOrigin::new();
    let edge = edge_at(origin.address, |_| ());
    let head = "POST /long HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536));
    let bytes = [head, &chunk, &chunk, "3\nabc\r\n0\r\n\r\n"].concat();
    let answers = exchange(&edge, &[bytes.as_bytes(), FOLLOWER].concat(), usize::MAX).unwrap_or_else(|answers| answers);
    assert!(statuses(&answers).iter().all(|status| *status >= 400), "{:?}", statuses(&answers));
    thread::sleep(Duration::from_millis(200));
    let seen = origin.take_seen();
    assert_eq!(seen.requests(), [], "a part is no request");
    assert!(seen.faults.iter().all(|(fault, _)| *fault == "broke off"), "{:?}", seen.faults);
}

#[test]
fn nothing_is_said_before_a_websocket_is_agreed_on() {
    let agreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let origin = common::Origin::new(move |_| common::Act::SayAfter(Duration::from_millis(200), agreed.into()));
    let edge = common::edge(&origin, |_| ());
    let ask = "GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";
    let answers = exchange(&edge, format!("{ask}{smuggled}").as_bytes(), usize::MAX).unwrap_or_else(|answers| answers);
    assert_eq!(String::from_utf8_lossy(&answers).matches("HTTP/1.1").count(), 1, "{}", String::from_utf8_lossy(&answers));
    assert_eq!(origin.asked().len(), 1);
}
