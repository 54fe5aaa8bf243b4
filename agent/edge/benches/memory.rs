//! What a cached response takes in memory: `cargo bench -p overspill-edge --bench memory`.
//!
//! Objects of 1 KiB with the fields of a common server are fetched through an edge in this process, over loopback, then asked for once more, and
//! the process's resident memory is read before, between and after. `OVERSPILL_OBJECTS` says how many (200,000; a million takes two minutes or more);
//! what each takes for itself is the difference, and the sum for a million is worked out from that.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use overspill_edge::{Clock, Config, start};
use overspill_governance::units::Bytes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VISITORS: u32 = 8;
const WARM_UP: u32 = 8_000;
const BODY: usize = 1024;

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let objects: u32 = std::env::var("OVERSPILL_OBJECTS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let mut config = Config::new(origin().to_string().parse().unwrap());
    (config.threads, config.memory) = (1, Bytes(8 << 30));
    (config.origin_limits.initial, config.origin_limits.max) = (64, 64);
    let edge = start(config, Clock::new()).unwrap();
    visit(edge.local_addr(), 0, WARM_UP);
    let (before, began) = (resident(), Instant::now());
    visit(edge.local_addr(), WARM_UP, objects);
    let (bytes, spent) = (resident() - before, began.elapsed());
    let metrics = edge.metrics();
    assert_eq!(metrics.stored_responses, u64::from(WARM_UP + objects), "all of it is stored");
    visit(edge.local_addr(), WARM_UP, objects);
    let again = resident() - before;
    let hits = edge.metrics();
    assert_eq!(hits.cache_hit - metrics.cache_hit, u64::from(objects), "all were hits");
    let each = bytes as f64 / f64::from(objects);
    println!(
        "{objects} objects of {BODY} bytes took {} MiB: {each:.0} bytes each, {:.2} GiB for a million",
        bytes >> 20,
        each * 1e6 / f64::from(1 << 30)
    );
    println!(
        "once each was asked for again: {:.0} bytes each; the whole process: {} MiB",
        again as f64 / f64::from(objects),
        resident() >> 20
    );
    println!("the cache itself counts {} bytes for each", metrics.stored_bytes / metrics.stored_responses);
    println!("{:.0} misses/s", f64::from(objects) / spent.as_secs_f64());
    edge.shutdown(Duration::from_secs(1));
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Asks for each of so many objects once.
fn visit(edge: SocketAddr, from: u32, count: u32) {
    thread::scope(|scope| {
        for visitor in 0..VISITORS {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(edge).unwrap();
                stream.set_nodelay(true).unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                for object in (from..from + count).filter(|object| object % VISITORS == visitor) {
                    let path = format!("/wp-content/uploads/2026/11/photo-{object:07}.jpg");
                    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: blog.example\r\n\r\n").as_bytes()).unwrap();
                    let mut line = String::new();
                    while line != "\r\n" {
                        line.clear();
                        reader.read_line(&mut line).unwrap();
                    }
                    reader.read_exact(&mut [0; BODY]).unwrap();
                }
            });
        }
    });
}

/// Answers each request with a KiB, and keeps connections.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let fields = "Server: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 09:00:00 GMT\r\nContent-Type: image/jpeg\r\nLast-Modified: Sat, 21 Nov 2026 09:00:00 GMT\r\n\
                  ETag: \"6740b1e0-400\"\r\nExpires: Mon, 23 Nov 2026 09:00:00 GMT\r\nCache-Control: max-age=86400\r\nAccept-Ranges: bytes\r\n";
    let answer = [format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {BODY}\r\n\r\n").into_bytes(), vec![b'x'; BODY]].concat();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                    if line == "\r\n" && stream.write_all(&answer).is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
    });
    address
}
