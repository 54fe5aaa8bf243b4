//! What the edge does for each visitor: `cargo bench -p overspill-edge`.
//!
//! The hits go over a kept loopback connection to an edge in this process, so they hold the system calls of both ends; compare runs of
//! the same machine only. Against other servers: `side_by_side.py`.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../../benches/common/origin.rs"]
mod origin;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use divan::{Bencher, black_box, counter::BytesCount};
use http::{HeaderMap, Method, Request, StatusCode};
use overspill_edge::{
    Clock, Config, Handle,
    inside::{self, Ask, Course, Guests, KnownPage, Spiller, Uplink},
    start,
};
use overspill_governance::{
    digest::{Digest, ObjectDigest},
    invite::MeshId,
    payword::{Chain, LeaseId},
    site::SiteId,
    time::{Date, Now, Time},
    units::{self, ByteRate, RequestRate},
};
use overspill_protocol::{
    manifest::{Manifest, Object},
    plan::{FillWanted, Host, Plan, Spill},
    ticket::{self, Bound, TICKET_PARAMETER, Ticket, TicketKey},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const OWNER: SiteId = SiteId([1; 32]);
const KEY: TicketKey = TicketKey([9; 32]);
const LEASE: LeaseId = LeaseId([2; 8]);
const NAME: &str = "blog.helper.example";
const PATH: &str = "/wp-content/uploads/2026/11/photo-1024x768.jpg";
const WORDS: u32 = 16_000;
const NOW: Now = Now { time: Time::from_micros(1_000_000), date: Date::from_millis(1_795_305_600_000) };

fn main() {
    divan::main();
}

fn edge() -> Handle {
    let mut config = Config::new(origin::start().to_string().parse().unwrap());
    config.threads = 1;
    start(config, Clock::new()).unwrap()
}

/// Asks on a kept connection and reads the whole answer.
fn ask(stream: &mut TcpStream, request: &[u8], answer: &mut [u8]) -> usize {
    stream.write_all(request).unwrap();
    let mut have = 0;
    loop {
        have += stream.read(&mut answer[have..]).unwrap();
        let Some(end) = answer[..have].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = core::str::from_utf8(&answer[..end]).unwrap().to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).map_or(0, |text| text.parse().unwrap());
        while have < end + 4 + length {
            have += stream.read(&mut answer[have..]).unwrap();
        }
        return length;
    }
}

#[divan::bench(args = [1 << 10, 20 << 10, 200 << 10])]
fn cached_hit_over_loopback(bencher: Bencher<'_, '_>, size: usize) {
    let edge = edge();
    let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
    stream.set_nodelay(true).unwrap();
    let request = format!("GET /{size} HTTP/1.1\r\nHost: blog.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n").into_bytes();
    let mut answer = vec![0; size + 8192];
    ask(&mut stream, &request, &mut answer);
    bencher.counter(BytesCount::new(size)).bench_local(|| assert_eq!(ask(&mut stream, &request, &mut answer), size));
    let metrics = edge.metrics();
    assert_eq!(metrics.cache_hit, metrics.requests - 1, "all but the first were hits");
}

fn manifest() -> Arc<Manifest> {
    let object = |number: usize| Object {
        path: if number == 0 { PATH.to_owned() } else { format!("/wp-content/uploads/2026/11/photo-{number:04}.jpg") },
        digest: ObjectDigest::of(b"body"),
        size: units::Bytes(4),
        media_type: "image/jpeg".into(),
        fresh_until: Date::MAX,
    };
    let mut objects: Vec<Object> = (0..256).map(object).collect();
    objects.sort_by(|one, other| one.path.cmp(&other.path));
    Arc::new(Manifest { mesh: MeshId(Digest::ZERO), owner: OWNER, run: 1, generation: 1, date: Date::from_millis(0), objects })
}

fn spill(name: u8) -> Spill {
    let lease = LeaseId([name; 8]);
    Spill {
        lease,
        helper: SiteId([name; 32]),
        base: format!("http://blog.helper{name}.example"),
        requests: RequestRate(u32::MAX),
        bytes: ByteRate(1 << 40),
        allotted: units::Bytes(1 << 49),
        key: KEY,
        chain: Arc::new(Chain::from_seed([name; 32], lease, WORDS)),
        serial_from: 1,
        clock_offset_ms: 0,
        weight: 1,
        held_back: false,
        manifest: manifest(),
        standby: Arc::default(),
        until: Time::MAX,
    }
}

/// The decision, the choice among helpers, the word, the MAC, the address and the answer.
#[divan::bench(args = [1, 5, 30], sample_size = 100, sample_count = 100)]
fn spill_decided_and_ticket_made(bencher: Bencher<'_, '_>, helpers: u8) {
    let spiller = Spiller::new(Arc::new(Uplink::new(Some(ByteRate(1)))));
    let plan = Plan { spill: (1..=helpers).map(spill).collect(), ..Plan::default() };
    spiller.apply(&plan);
    let digest = ObjectDigest::of(b"body");
    let ask = Ask { method: ticket::Method::Get, path: PATH, digest: &digest, size: 200 << 10, head: 300, may_leave: true, secure: true };
    // A full bucket pays for anything, once.
    let _ = spiller.course(&ask, NOW);
    bencher.bench_local(|| assert!(matches!(spiller.course(black_box(&ask), NOW), Course::Spill(_)), "{:?}", spiller.metrics()));
}

/// A helper's answer for a visitor with a ticket: its text, MAC and word, and the object that is held.
#[divan::bench(sample_size = 100, sample_count = 100)]
fn ticket_taken_and_guest_served(bencher: Bencher<'_, '_>) {
    let (guests, _wanted) = Guests::new(Arc::new(Uplink::new(None)), 1 << 20);
    let chain = Chain::from_seed([2; 32], LEASE, WORDS);
    let host = Host {
        lease: LEASE,
        owner: OWNER,
        authority: NAME.into(),
        canonical: "https://blog.example".into(),
        requests: RequestRate(u32::MAX),
        bytes: ByteRate(1 << 40),
        allotted_requests: WORDS,
        allotted_bytes: units::Bytes(1 << 40),
        storage: units::Bytes(1 << 20),
        key: KEY,
        anchor: chain.anchor(),
        manifest: manifest(),
        attested: Arc::default(),
        generation_until: Time::MAX,
        until: Time::MAX,
        closed: false,
    };
    guests.apply(&Plan { host: vec![host], ..Plan::default() });
    let want = FillWanted { lease: LEASE, owner: OWNER, digest: ObjectDigest::of(b"body"), size: units::Bytes(4) };
    guests.filled(&want, Ok(Bytes::from_static(b"body")), NOW.time);
    let (serial, fields) = (AtomicU32::new(1), HeaderMap::new());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let target = || {
        let serial = serial.fetch_add(1, Relaxed);
        let bound = Bound { method: ticket::Method::Get, owner: &OWNER, path: PATH };
        let ticket = Ticket::issue(&KEY, LEASE, serial, chain.word(serial).unwrap(), u32::MAX, bound);
        format!("{PATH}?{TICKET_PARAMETER}={}", ticket.to_text())
    };
    bencher.with_inputs(target).bench_local_values(|target| {
        let served = guests.serve(NAME, &Method::GET, &target, &fields, NOW);
        assert_eq!(runtime.block_on(served).0.status(), StatusCode::OK);
    });
}

/// A page of some length with twenty files, and text that shrinks in gzip as pages of blogs do: to about a fifth.
fn page(length: usize) -> String {
    let mut state = 1_u32;
    let mut next = move |most: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % most
    };
    let words: Vec<String> = (0..600).map(|_| (0..2 + next(6)).map(|_| (b'a' + next(26) as u8) as char).collect()).collect();
    let mut page = "<!doctype html><title>A page</title>".to_owned();
    for number in 0..20 {
        let file = format!("/wp-content/uploads/2026/11/photo-{number:04}.jpg");
        page.push_str(&format!("<figure class=\"wp-block-image size-large\"><img src=\"{file}\" alt=\"\"></figure>\n"));
        while page.len() < length * (number + 1) / 20 {
            page.push_str("<p class=\"wp-block-paragraph has-medium-font-size\">");
            for _ in 0..12 {
                // Few words are used often, as in any language.
                let most = 1 + next(600);
                let most = 1 + next(most);
                page.push_str(&words[next(most) as usize]);
                page.push(' ');
            }
            page.push_str("</p>\n");
        }
    }
    page
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// What a visitor's page takes once its tickets are drawn: addresses put between pieces of the stored one.
#[divan::bench(args = [16 << 10, 64 << 10, 250 << 10])]
fn page_rewritten(bencher: Bencher<'_, '_>, length: usize) {
    let page = KnownPage::new(page(length).into(), false).unwrap();
    assert_eq!(page.files(), 20);
    bencher.counter(BytesCount::new(length)).bench_local(|| black_box(&page).rewrite().unwrap());
}

/// The same of a page that is kept in gzip: opened, put together and closed again.
#[divan::bench(args = [16 << 10, 64 << 10, 250 << 10])]
fn gzip_page_rewritten(bencher: Bencher<'_, '_>, length: usize) {
    let text = page(length);
    let stored = gzip(&text);
    assert!((3 * stored.len()..6 * stored.len()).contains(&text.len()), "{} of {}", stored.len(), text.len());
    let known = KnownPage::new(stored.into(), true).unwrap();
    bencher.counter(BytesCount::new(length)).bench_local(|| black_box(&known).rewrite().unwrap());
}

/// The gate, the cache's key, and the fields for the origin.
#[divan::bench]
fn request_head_read(bencher: Bencher<'_, '_>) {
    let request = Request::get(PATH)
        .header("host", "blog.example")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")
        .header("accept", "image/avif,image/webp,*/*;q=0.8")
        .header("accept-encoding", "gzip, deflate, br, zstd")
        .header("cookie", "_ga=GA1.1.1234; _gid=5678")
        .header("referer", "https://blog.example/2026/11/a-post");
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let peer = [192, 0, 2, 1].into();
    bencher.bench_local(|| inside::read_request(black_box(&parts), peer, &[], 0).unwrap());
}

/// Every request is classed before anything else is known of it.
#[divan::bench(args = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mastodon/4.4.3 (http.rb/5.3.1; +https://mastodon.example/) Bot",
])]
fn class_of_a_request(bencher: Bencher<'_, '_>, agent: &str) {
    let headers: HeaderMap = [(http::header::USER_AGENT, http::HeaderValue::try_from(agent).unwrap())].into_iter().collect();
    bencher.bench_local(|| overspill_edge::classes::classify(black_box(PATH), black_box(&headers)));
}
