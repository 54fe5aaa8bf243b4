//! Floods of HTTP/2, each cut; written in raw frames, because no client behaves so.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use overspill_edge::Handle;

use crate::{
    common::{Act, LONG, Origin, edge, get, ok, until},
    support::{Certificate, secure_edge, trusting},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: u8 = 4;

/// What a flood sends, by the number of its step.
type Next = Box<dyn Fn(u32) -> Vec<u8>>;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `GET /` of `a.example` over http, with indexed fields and a literal authority (RFC 7541).
fn get_block() -> Vec<u8> {
    [&[0x82, 0x84, 0x86, 0x41, 9][..], b"a.example"].concat()
}

/// A connection that speaks HTTP/2 by hand.
pub(crate) fn meet(edge: &Handle) -> TcpStream {
    let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).unwrap();
    stream
}

/// Sends frames until the edge closes, at most so many; how many it took.
fn flood(edge: &Handle, max: u32, mut next: impl FnMut(u32) -> Vec<u8>) -> Option<u32> {
    let mut stream = meet(edge);
    let mut scratch = [0; 65_536];
    for count in 0..max {
        if stream.write_all(&next(count)).is_err() {
            return Some(count);
        }
        // What it answers must be read, or it is the socket that ends this.
        if count % 64 == 0 && is_closed(&mut stream, &mut scratch) {
            return Some(count);
        }
    }
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    while !is_closed(&mut stream, &mut scratch) {
        if stream.set_read_timeout(Some(Duration::from_millis(500))).is_err() || edge.metrics().connections > 0 {
            return None;
        }
    }
    Some(max)
}

fn is_closed(stream: &mut TcpStream, scratch: &mut [u8]) -> bool {
    match stream.read(scratch) {
        Ok(read) => read == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// The stream of the nth request.
pub(crate) fn stream(count: u32) -> u32 {
    2 * count + 1
}

#[test]
fn every_flood_is_cut_and_the_next_visitor_is_served() {
    let origin = Origin::new(|_| Act::Say(ok("Cache-Control: max-age=60\r\n", "hello")));
    let edge = edge(&origin, |_| ());
    let floods: [(&str, Next); 8] = [
        ("SETTINGS", Box::new(|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]))),
        ("PING", Box::new(|_| frame(6, 0, 0, &[0; 8]))),
        ("PRIORITY", Box::new(|count| frame(2, 0, stream(count), &[0, 0, 0, 0, 1]))),
        ("WINDOW_UPDATE", Box::new(|_| frame(8, 0, 0, &[0, 0, 0, 1]))),
        ("unknown frames", Box::new(|_| frame(0xbe, 0, 0, b"x"))),
        ("rapid reset", Box::new(|count| [frame(1, 5, stream(count), &get_block()), frame(3, 0, stream(count), &[0, 0, 0, 8])].concat())),
        ("CONTINUATION", Box::new(|count| if count == 0 { frame(1, 1, 1, &get_block()) } else { frame(9, 0, 1, &[0x82]) })),
        ("empty DATA", Box::new(|count| if count == 0 { frame(1, 4, 1, &[0x83, 0x84, 0x86, 0x41, 1, b'a']) } else { frame(0, 0, 1, &[]) })),
    ];
    for ((name, next), cut) in floods.into_iter().zip(1..) {
        let took = flood(&edge, 20_000, next);
        assert!(took.is_some_and(|took| took < 20_000), "{name}: {took:?}");
        until("the connection is forgotten", || edge.metrics().connections == 0);
        assert_eq!(edge.metrics().floods_cut, cut, "{name}");
    }
    assert_eq!(get(&edge, "/").text(), "hello");
}

#[test]
fn a_busy_visitor_is_no_flood() {
    let origin = Origin::new(|_| Act::Say(ok("Cache-Control: max-age=60\r\n", "hello")));
    let edge = edge(&origin, |_| ());
    let block = get_block();
    // Each request is answered before the next: a visitor who asks 5,000 times, and pings now and then.
    let mut connection = meet(&edge);
    connection.set_read_timeout(Some(LONG)).unwrap();
    let mut ended = 0;
    let mut answers = Frames::default();
    for count in 0..5_000 {
        let mut asked = frame(1, 5, stream(count), &block);
        if count % 100 == 0 {
            asked.extend(frame(6, 0, 0, &[0; 8]));
        }
        connection.write_all(&asked).unwrap();
        while ended <= count {
            ended += answers.read_ends(&mut connection);
        }
    }
    assert_eq!(edge.metrics().floods_cut, 0);
    assert_eq!(edge.metrics().requests, 5_000);
}

/// What the edge sends, cut into frames.
#[derive(Default)]
pub(crate) struct Frames(Vec<u8>);

impl Frames {
    /// Reads once and counts the streams that end.
    pub(crate) fn read_ends(&mut self, stream: &mut TcpStream) -> u32 {
        self.read(stream, |kind, flags| kind <= 1 && flags & 1 != 0)
    }

    /// Reads once and counts the frames of which kind and flags are wanted.
    pub(crate) fn read(&mut self, stream: &mut TcpStream, is_wanted: impl Fn(u8, u8) -> bool) -> u32 {
        let mut scratch = [0; 65_536];
        let read = stream.read(&mut scratch).unwrap();
        assert!(read > 0, "the connection was closed");
        self.0.extend(&scratch[..read]);
        let mut count = 0;
        while let Some(head) = self.0.first_chunk::<9>() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let wanted = is_wanted(head[3], head[4]);
            if self.0.len() < 9 + length {
                break;
            }
            count += u32::from(wanted);
            self.0.drain(..9 + length);
        }
        count
    }
}

#[test]
fn more_streams_than_were_announced_are_refused() {
    let origin = Origin::new(|_| Act::Hang);
    let edge = edge(&origin, |_| ());
    let mut connection = meet(&edge);
    for count in 0..150 {
        connection.write_all(&frame(1, 5, stream(count), &get_block())).unwrap();
    }
    until("requests arrive", || edge.metrics().requests_active >= 100);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(edge.metrics().requests_active, 100);
    drop(connection);
    until("those who left are forgotten", || edge.metrics().requests_active == 0);
}

#[test]
fn a_head_too_long_and_a_head_that_never_ends_are_not_waited_for() {
    let origin = Origin::new(|_| Act::Say(ok("", "reached")));
    let edge = edge(&origin, |config| config.timeouts.header_read = Duration::from_millis(300));
    let long = flood(&edge, 50, |count| if count == 0 { frame(1, 1, 1, &vec![0; 16_000]) } else { frame(9, 0, 1, &vec![0; 16_000]) });
    assert!(long.is_some());
    let mut slow = meet(&edge);
    slow.write_all(&frame(1, 5, 1, &get_block())[..12]).unwrap();
    until("both are given up", || edge.metrics().connections == 0);
    assert_eq!(origin.asked().len(), 0);
}

#[test]
fn garbage_after_the_handshake_is_no_request() {
    let (origin, certificate) = (Origin::new(|_| Act::Say(ok("", "reached"))), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |_| ());
    for garbage in [&b"GET / HTTP/1.1\r\nHost: blog.example\r\n\r\n"[..], &[0xff; 200], b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"] {
        let config = trusting(&certificate, &[b"h2"]);
        let mut visitor = crate::support::Visitor::meet_with(&edge, &config, "blog.example").unwrap();
        visitor.0.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        let _reset = visitor.0.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"), "{:?}", String::from_utf8_lossy(&answer));
    }
    until("all are closed", || edge.metrics().connections == 0);
    assert_eq!((origin.asked().len(), edge.metrics().requests), (0, 0));
}
