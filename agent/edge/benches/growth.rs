//! Hits as the cache grows: `cargo bench -p overspill-edge --bench growth`.
//!
//! An edge with one thread holds 1,000, 10,000, 100,000 and a million objects of 1 KiB, and is asked for them over kept loopback connections by
//! two other threads, at random: each as often as any other, and by Zipf's law. Told are hits in a second, the processor time of the edge's thread
//! for each, of which the system's calls are most, and the time that a look-up takes by itself, again and again without anything in between.
//! `OVERSPILL_OBJECTS` is the most that are held.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    hint::black_box,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use overspill_edge::{Clock, Config, Handle, inside, start};
use overspill_governance::units;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY: usize = 1024;
/// Connections of each thread: they are asked in turn, so that the edge's thread always has something to do.
const CONNECTIONS: usize = 16;
const MEASURED: Duration = Duration::from_secs(2);
const LOOK_UPS: u32 = 1_000_000;

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let most: u32 = std::env::var("OVERSPILL_OBJECTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut config = Config::new("127.0.0.1:1".parse().unwrap());
    (config.threads, config.memory) = (1, units::Bytes(8 << 30));
    let edge = start(config, Clock::new()).unwrap();
    println!("{:>9} {:>8}  {:>9} {:>11} {:>12}", "objects", "drawn", "hits/s", "CPU, us", "look-up, ns");
    let mut held = 0;
    for count in [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|count| *count <= most) {
        let body = Bytes::from(vec![b'x'; BODY]);
        inside::stock(&edge, (held..count).map(|object| format!("http://blog.example:80{}", path(object))), &fields(), &body);
        held = count;
        assert_eq!(edge.metrics().stored_responses, u64::from(count), "all of it is stored");
        for law in [Law::Even, Law::Zipf] {
            let (rate, cpu) = hits(&edge, count, law);
            let name = if law == Law::Even { "evenly" } else { "by Zipf" };
            println!("{count:>9} {name:>8}  {rate:>9.0} {cpu:>11.2} {:>12.0}", look_ups(&edge, count, law));
        }
    }
    edge.shutdown(Duration::from_secs(1));
}

fn path(object: u32) -> String {
    format!("/wp-content/uploads/2026/11/photo-{object:07}.jpg")
}

/// What a common server says of an image.
fn fields() -> HeaderMap {
    let pairs = [
        ("server", "nginx/1.22.1"),
        ("content-type", "image/jpeg"),
        ("last-modified", "Sat, 21 Nov 2026 09:00:00 GMT"),
        ("etag", "\"6740b1e0-400\""),
        ("cache-control", "max-age=86400"),
        ("accept-ranges", "bytes"),
    ];
    pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

/// How objects are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Law {
    Even,
    /// With an exponent of one; the popular ones lie anywhere.
    Zipf,
}

struct Dice(u64);

impl Dice {
    fn draw(&mut self, law: Law, count: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let even = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        match law {
            Law::Even => (even * f64::from(count)) as u32,
            // Ranks fall off as one through the rank; a multiplier that has no part with the count strews them.
            Law::Zipf => {
                let rank = f64::from(count).powf(even) as u64 - 1;
                u32::try_from((rank * 7_919) % u64::from(count)).unwrap()
            }
        }
    }
}

/// Hits in a second, and microseconds of the edge's thread for each.
fn hits(edge: &Handle, count: u32, law: Law) -> (f64, f64) {
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let before = edge.metrics();
    let (mut rate, mut cpu) = (0.0, 0.0);
    thread::scope(|scope| {
        for visitor in 0..2_u64 {
            let (done, over) = (&done, &over);
            scope.spawn(move || visit(edge, (count, law), 7 + visitor, done, over));
        }
        thread::sleep(Duration::from_millis(300));
        let (from, spent, began) = (done.load(Relaxed), thread_time(), Instant::now());
        thread::sleep(MEASURED);
        let made = (done.load(Relaxed) - from) as f64;
        (rate, cpu) = (made / began.elapsed().as_secs_f64(), (thread_time() - spent).as_secs_f64() * 1e6 / made);
        over.store(true, Relaxed);
    });
    let after = edge.metrics();
    assert_eq!(after.cache_hit - before.cache_hit, after.requests - before.requests, "all were hits");
    (rate, cpu)
}

/// Asks on some connections in turn, and takes what was asked for before.
fn visit(edge: &Handle, (count, law): (u32, Law), seed: u64, done: &AtomicU64, over: &AtomicBool) {
    let mut dice = Dice(seed);
    let mut streams: Vec<TcpStream> = (0..CONNECTIONS).map(|_| TcpStream::connect(edge.local_addr()).unwrap()).collect();
    let mut answer = vec![0; BODY + 1_024];
    while !over.load(Relaxed) {
        for stream in &mut streams {
            let request = format!("GET {} HTTP/1.1\r\nHost: blog.example\r\n\r\n", path(dice.draw(law, count)));
            stream.write_all(request.as_bytes()).unwrap();
        }
        for stream in &mut streams {
            let (mut have, mut whole) = (0, usize::MAX);
            while have < whole {
                have += stream.read(&mut answer[have..]).unwrap();
                if let Some(end) = answer[..have].windows(4).position(|four| four == b"\r\n\r\n") {
                    whole = end + 4 + BODY;
                }
            }
        }
        done.fetch_add(streams.len() as u64, Relaxed);
    }
}

/// Processor time of the edge's thread.
fn thread_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let edges = tasks.filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("edge-")));
    let spent = edges.map(|task| {
        let times = std::fs::read_to_string(task.path().join("schedstat")).unwrap();
        Duration::from_nanos(times.split(' ').next().unwrap().parse().unwrap())
    });
    spent.sum()
}

/// Nanoseconds of a look-up by itself.
fn look_ups(edge: &Handle, count: u32, law: Law) -> f64 {
    let mut dice = Dice(11);
    let keys: Vec<String> = (0..100_000).map(|_| format!("http://blog.example:80{}", path(dice.draw(law, count)))).collect();
    let began = Instant::now();
    for at in 0..LOOK_UPS as usize {
        assert!(black_box(inside::look_up(edge, &keys[at % keys.len()])).is_some());
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(LOOK_UPS)
}
