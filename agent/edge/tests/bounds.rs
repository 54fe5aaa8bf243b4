//! What visitors can cost: connections, time, places at the origin, and bytes that are fetched for nobody.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Act, LONG, Origin, ask, edge, edge_at, field, get, ok, parse, raw, read_head, together, until};
use overspill_edge::{Handle, OriginLimits};
use overspill_governance::units::Bytes;
use socket2::{Domain, SockRef, Socket, Type};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// Keeps a connection busy: asks, and reads the whole small answer.
fn kept(address: SocketAddr) -> Option<TcpStream> {
    let mut stream = connect(address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").ok()?;
    let head = read_head(&mut stream)?;
    let mut body = vec![0; field(&head, "content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    head.starts_with("HTTP/1.1 200").then_some(stream)
}

#[test]
fn connections_are_bounded_in_all() {
    let origin = Origin::new(|_| Act::Say(ok("", "in")));
    let edge = edge(&origin, |config| config.connections.max = 3);
    let held: Vec<_> = (0..3).map(|_| kept(edge.local_addr()).unwrap()).collect();
    assert!(kept(edge.local_addr()).is_none());
    assert_eq!(edge.metrics().connections_refused, 1);
    drop(held);
    until("their places are free", || edge.metrics().connections == 0);
    assert!(kept(edge.local_addr()).is_some());
}

#[test]
fn connections_are_bounded_for_each_address() {
    // An address of this machine that is not loopback; nothing is sent to find it.
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let address = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()).map(|address| address.ip());
    let Ok(address) = address else { return eprintln!("this machine has no address but loopback: only the unit test says") };
    let origin = Origin::new(|_| Act::Say(ok("", "in")));
    let edge = edge(&origin, |config| {
        config.listen = vec![SocketAddr::new(address, 0), SocketAddr::new(LOCALHOST, 0)];
        config.connections.per_address = 2;
    });
    let held: Vec<_> = (0..2).map(|_| kept(edge.local_addrs()[0]).unwrap()).collect();
    assert!(kept(edge.local_addrs()[0]).is_none(), "a third");
    let others: Vec<_> = (0..5).map(|_| kept(edge.local_addrs()[1]).unwrap()).collect();
    drop((held, others));
    until("their places are free", || edge.metrics().connections == 0);
    assert!(kept(edge.local_addrs()[0]).is_some());
}

/// Sends `bytes` slowly until the edge closes; what it said.
fn dribble(edge: &Handle, begin: &[u8], byte: u8) -> Vec<u8> {
    let mut stream = connect(edge.local_addr());
    stream.write_all(begin).unwrap();
    let mut reader = stream.try_clone().unwrap();
    thread::scope(|scope| {
        let answer = scope.spawn(move || {
            let mut answer = Vec::new();
            let _closed = reader.read_to_end(&mut answer);
            answer
        });
        while !answer.is_finished() {
            let _gone = stream.write_all(&[byte]);
            thread::sleep(Duration::from_millis(20));
        }
        answer.join().unwrap()
    })
}

#[test]
fn a_head_that_comes_a_byte_at_a_time_is_given_up() {
    let origin = Origin::new(|_| Act::Say(ok("", "in")));
    let edge = edge(&origin, |config| config.timeouts.header_read = Duration::from_millis(300));
    assert_eq!(dribble(&edge, b"GET / HTTP/1.1\r\nHost: a.example\r\nX: ", b'x'), b"");
    assert_eq!(edge.metrics().connections, 0);
}

#[test]
fn a_body_that_comes_a_byte_at_a_time_is_given_up() {
    let origin = Origin::new(|_| Act::Say(ok("", "in")));
    let edge = edge(&origin, |config| config.timeouts.visitor_stall = Duration::from_millis(300));
    let head = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 200000\r\n\r\n";
    assert!(dribble(&edge, head.as_bytes(), b'x').starts_with(b"HTTP/1.1 408"));
    assert_eq!(origin.asked().len(), 0);
    // The beginning of a long body comes at once, and the origin is asked; then it dribbles.
    let begun = [head.as_bytes(), &[b'x'; 100_000]].concat();
    assert!(!dribble(&edge, &begun, b'x').starts_with(b"HTTP/1.1 200"));
    until("the origin's place is free", || edge.metrics().origin_in_flight == 0);
}

#[test]
fn whoever_reads_a_little_now_and_then_is_given_up() {
    let body = "x".repeat(7_000_000);
    let origin = Origin::new(move |_| Act::Say(ok("Cache-Control: max-age=60\r\n", &body)));
    let edge = edge(&origin, |config| config.timeouts.visitor_stall = Duration::from_millis(500));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    socket.connect(&edge.local_addr().into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(b"GET /film.mp4 HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    until("it is being served", || edge.metrics().bytes_sent > 0);
    let mut total = 0;
    // What the system took of the answer already, it still delivers: the place is free before that.
    while edge.metrics().connections > 0 {
        total += stream.read(&mut [0; 64]).unwrap();
        thread::sleep(Duration::from_millis(50));
    }
    assert!(total < 100_000, "{total}");
}

#[test]
fn those_who_wait_for_another_visitors_fetch_wait_no_longer_than_for_their_own() {
    let origin = Origin::new(|_| Act::Hang);
    let edge = edge(&origin, |config| config.timeouts.origin_head = Duration::from_millis(400));
    let replies = together(10, |_| get(&edge, "/a.css").status);
    assert_eq!(replies, [503; 10]);
    assert!(origin.asked().len() < 10, "they waited together");
}

#[test]
fn a_first_visitor_who_does_not_read_holds_up_nobody() {
    let body = "x".repeat(2 << 20);
    let fields = "Cache-Control: max-age=60\r\n";
    let origin = Origin::new(move |_| Act::SayAfter(Duration::from_millis(300), ok(fields, &body)));
    let edge = edge(&origin, |_| ());
    let mut first = connect(edge.local_addr());
    first.write_all(b"GET /a.css HTTP/1.1\r\nHost: blog.example\r\n\r\n").unwrap();
    until("the origin is asked", || origin.asked_for("/a.css") == 1);
    let replies = together(5, |_| get(&edge, "/a.css").body.len());
    assert_eq!(replies, [2 << 20; 5]);
    assert_eq!(origin.asked_for("/a.css"), 1);
}

/// Serves an object of 2 MB in small pieces and counts what left.
struct Counting {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
}

const OBJECT: usize = 2_000_000;

impl Counting {
    /// `ranges`: whether it knows Range.
    fn new(ranges: bool, fields: &'static str) -> Self {
        Self::slow(ranges, fields, Duration::ZERO)
    }

    /// The same, which thinks for so long before it begins to answer.
    fn slow(ranges: bool, fields: &'static str, thinks: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let counting = Self { address: listener.local_addr().unwrap(), sent: Arc::default() };
        let sent = Arc::clone(&counting.sent);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // What lies in the origin's own buffer was not sent yet.
                SockRef::from(&stream).set_send_buffer_size(16_384).unwrap();
                let sent = Arc::clone(&sent);
                thread::spawn(move || Self::serve(stream, ranges, fields, (thinks, &sent)));
            }
        });
        counting
    }

    fn serve(mut stream: TcpStream, ranges: bool, fields: &str, (thinks, sent): (Duration, &AtomicU64)) {
        while let Some(head) = read_head(&mut stream) {
            thread::sleep(thinks);
            let part = ranges && field(&head, "range").is_some();
            let (status, length, range) = match part {
                true => ("206 Partial Content", 1, "Content-Range: bytes 0-0/2000000\r\n"),
                false => ("200 OK", OBJECT, ""),
            };
            let answer = format!("HTTP/1.1 {status}\r\n{fields}{range}Content-Length: {length}\r\n\r\n");
            let body = if head.starts_with("HEAD") { 0 } else { length };
            let pieces =
                std::iter::once(answer.into_bytes()).chain((0..body.div_ceil(8_192)).map(|at| vec![b'x'; 8_192.min(body - at * 8_192)]));
            for piece in pieces {
                if stream.write_all(&piece).is_err() {
                    return;
                }
                sent.fetch_add(piece.len() as u64, SeqCst);
            }
        }
    }
}

/// Asks for something of its own as the visitor 203.0.113.`last`, reads at most `most` bytes, and leaves; how much came.
fn take(edge: &Handle, last: u8, request: &str, fields: &str, most: usize) -> u64 {
    begin(edge, last, request, fields, most).1
}

/// The same, without leaving.
fn begin(edge: &Handle, last: u8, request: &str, fields: &str, most: usize) -> (TcpStream, u64) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    if most < usize::MAX {
        // So that what was not read was not received either.
        socket.set_recv_buffer_size(4_096).unwrap();
    }
    socket.connect(&edge.local_addr().into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LONG)).unwrap();
    let ask = format!("{request} HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 203.0.113.{last}\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(ask.as_bytes()).unwrap();
    let (mut got, mut buffer) = (0, vec![0; 8_192]);
    while got < most {
        match stream.read(&mut buffer) {
            Ok(taken @ 1..) => got += taken,
            _ => break,
        }
    }
    (stream, got as u64)
}

const BUDGET: u64 = 4 << 20;

/// An edge that believes what visitors say of their addresses.
fn counted_edge(origin: &Counting) -> Handle {
    edge_at(origin.address, |config| {
        config.trusted_proxies = vec![LOCALHOST];
        config.miss_budget = Some(Bytes(BUDGET));
    })
}

#[test]
fn parts_and_heads_pull_what_the_visitor_receives() {
    for cookies in ["", "Cookie: sid=1\r\n"] {
        let origin = Counting::new(true, "Cache-Control: max-age=60\r\n");
        let edge = counted_edge(&origin);
        let mut received = 0;
        for index in 0..50 {
            received += take(&edge, 1, &format!("HEAD /film.mp4?{index}"), cookies, usize::MAX);
            received += take(&edge, 1, &format!("GET /film.mp4?part{index}"), &format!("{cookies}Range: bytes=0-0\r\n"), usize::MAX);
        }
        let sent = origin.sent.load(SeqCst);
        assert!(received > 1_000 && sent <= 2 * received, "{sent} for {received}");
    }
}

#[test]
fn who_asks_and_leaves_pulls_twice_what_it_received_and_a_budget() {
    // Stored or not, ranges known or not: each request is for something that nobody asked for before.
    for (fields, asks) in [
        ("Cache-Control: max-age=60\r\n", ""),
        ("Cache-Control: max-age=60\r\n", "Range: bytes=0-0\r\n"),
        ("Cache-Control: no-store\r\n", ""),
        ("Cache-Control: private\r\n", "Cookie: sid=1\r\n"),
        ("", "Authorization: Basic eDp5\r\n"),
    ] {
        let origin = Counting::new(false, fields);
        let edge = counted_edge(&origin);
        let received: u64 = (0..60).map(|index| take(&edge, 1, &format!("GET /film.mp4?{index}"), asks, 2_000)).sum();
        until("nothing is fetched any more", || edge.metrics().requests_active == 0 && edge.metrics().origin_in_flight == 0);
        let sent = origin.sent.load(SeqCst);
        // One object may be on its way when the budget ends.
        assert!(sent <= 2 * received + BUDGET + 2 * OBJECT as u64, "{sent} for {received} with {fields:?} and {asks:?}");
        // Whoever takes what it asks for is not hurt, and others are not at all.
        let whole = take(&edge, 2, "GET /film.mp4?other", asks, usize::MAX);
        assert!(whole > OBJECT as u64, "another visitor got {whole}");
    }
}

#[test]
fn those_who_ask_together_and_leave_pull_no_more_than_one_after_the_other() {
    for (fields, asks) in [
        ("Cache-Control: max-age=60\r\n", ""),
        ("Cache-Control: max-age=60\r\n", "Range: bytes=0-0\r\n"),
        ("Cache-Control: no-store\r\n", ""),
        ("Cache-Control: private\r\n", "Cookie: sid=1\r\n"),
    ] {
        // All of them are let through before the first answer begins, if nothing is reserved.
        let origin = Counting::slow(false, fields, Duration::from_millis(500));
        let edge = edge_at(origin.address, |config| {
            (config.trusted_proxies, config.miss_budget) = (vec![LOCALHOST], Some(Bytes(BUDGET)));
            config.origin_limits = OriginLimits { min: 64, initial: 64, ..OriginLimits::default() };
        });
        let received: u64 = together(64, |index| take(&edge, 1, &format!("GET /film.mp4?{index}"), asks, 2_000)).iter().sum();
        until("nothing is fetched any more", || edge.metrics().requests_active == 0 && edge.metrics().origin_in_flight == 0);
        let sent = origin.sent.load(SeqCst);
        assert!(sent <= 2 * received + BUDGET + 2 * OBJECT as u64, "{sent} for {received} with {fields:?} and {asks:?}");
        assert!(take(&edge, 2, "GET /film.mp4?other", asks, usize::MAX) > OBJECT as u64, "another visitor is not hurt");
    }
}

#[test]
fn many_small_things_for_one_address_wait_for_each_other_and_are_all_served() {
    let origin = Origin::new(|_| Act::SayAfter(Duration::from_millis(50), ok("Cache-Control: no-store\r\n", "small")));
    let edge = edge(&origin, |config| {
        (config.trusted_proxies, config.miss_budget) = (vec![LOCALHOST], Some(Bytes(BUDGET)));
    });
    let replies = together(40, |index| ask(&edge, "GET", &format!("/{index}"), "X-Forwarded-For: 203.0.113.1\r\n").text());
    assert!(replies.iter().all(|reply| reply == "small"), "{replies:?}");
}

#[test]
fn who_asks_and_neither_reads_nor_leaves_pulls_no_more() {
    for fields in ["Cache-Control: max-age=60\r\n", "Cache-Control: no-store\r\n"] {
        let origin = Counting::new(false, fields);
        let edge = counted_edge(&origin);
        let begun: Vec<_> = (0..30).map(|index| begin(&edge, 1, &format!("GET /film.mp4?{index}"), "", 2_000)).collect();
        let received: u64 = begun.iter().map(|(_, got)| got).sum();
        until("what comes has come", || {
            let before = origin.sent.load(SeqCst);
            thread::sleep(Duration::from_millis(100));
            before == origin.sent.load(SeqCst)
        });
        let sent = origin.sent.load(SeqCst);
        assert!(sent <= 2 * received + BUDGET + 2 * OBJECT as u64, "{sent} for {received} with {fields:?}");
    }
}

#[test]
fn who_takes_what_it_asks_for_never_owes() {
    let origin = Counting::new(false, "Cache-Control: no-store\r\n");
    let edge = counted_edge(&origin);
    for index in 0..12 {
        let whole = take(&edge, 1, &format!("GET /film.mp4?{index}"), "", usize::MAX);
        assert!(whole > OBJECT as u64, "{index}: {whole}");
    }
}

#[test]
fn who_wasted_its_budget_still_gets_what_is_stored_and_may_write() {
    let origin = Origin::new(|head| Act::Say(ok("Cache-Control: max-age=60\r\n", if head.starts_with("POST") { "taken" } else { "page" })));
    let edge = edge(&origin, |config| {
        config.trusted_proxies = vec![LOCALHOST];
        config.miss_budget = Some(Bytes(1));
    });
    let visitor = "X-Forwarded-For: 203.0.113.1\r\n";
    assert_eq!(ask(&edge, "GET", "/stored", visitor).text(), "page");
    until("it is stored", || edge.metrics().stored_responses == 1);
    // Four bytes came, and none of them is known to have arrived.
    let big = Counting::new(false, "Cache-Control: no-store\r\n");
    let mut config = overspill_edge::Config::new(big.address.to_string().parse().unwrap());
    (config.trusted_proxies, config.miss_budget) = (vec![LOCALHOST], Some(Bytes(1)));
    edge.reload(config.clone());
    take(&edge, 1, "GET /film.mp4", "", 1_000);
    until("the visitor is gone", || edge.metrics().requests_active == 0 && edge.metrics().origin_in_flight == 0);
    config.origin = origin.address.to_string().parse().unwrap();
    edge.reload(config);
    let refused = ask(&edge, "GET", "/new", visitor);
    assert_eq!((refused.status, refused.field("retry-after").is_some()), (429, true));
    assert_eq!(ask(&edge, "GET", "/stored", visitor).text(), "page");
    let post = format!("POST /comment HTTP/1.1\r\nHost: blog.example\r\nConnection: close\r\n{visitor}Content-Length: 1\r\n\r\nx");
    assert_eq!(parse(&raw(&edge, post.as_bytes())).text(), "taken");
    assert_eq!(ask(&edge, "GET", "/new", "X-Forwarded-For: 203.0.113.2\r\n").text(), "page");
}
