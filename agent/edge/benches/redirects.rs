//! Redirects with tickets, end to end: `cargo bench -p overspill-edge --bench redirects`.
//!
//! An edge whose link pays for nothing sends every visitor to one of five helpers. It has one thread on the first core, the load comes from
//! the second.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "common/load.rs"]
mod load;
#[path = "../../benches/common/origin.rs"]
mod origin;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use load::Load;
use overspill_edge::{Clock, Config, start};
use overspill_governance::{
    digest::{Digest, ObjectDigest},
    invite::MeshId,
    limits::CHAIN_WORDS_MAX,
    payword::{Chain, LeaseId},
    site::SiteId,
    time::{Date, Time},
    units::{ByteRate, Bytes, RequestRate},
};
use overspill_protocol::{
    manifest::{Manifest, Object},
    plan::{Plan, Spill},
    ticket::TicketKey,
};
use rustix::thread::{CpuSet, sched_setaffinity};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZE: usize = 200 << 10;
const HELPERS: u8 = 5;
/// How often there are new leases: at such rates one lasts no longer. Real ones give way to successors in time.
const LEASED: Duration = Duration::from_millis(120);
const LEASES: u8 = 60;
const ROUNDS: usize = 5;
const CONNECTIONS: usize = 64;
/// The name of its thread.
const LOAD: &str = "load";
const OWNER: SiteId = SiteId([1; 32]);

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    if thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        println!("passed over: needs two cores");
        return;
    }
    let mut first = CpuSet::new();
    first.set(0);
    sched_setaffinity(None, &first).unwrap();
    let clock = Clock::new();
    let mut config = Config::new(origin::start().to_string().parse().unwrap());
    (config.threads, config.uplink) = (1, Some(ByteRate(1)));
    let edge = start(config, clock.clone()).unwrap();
    let path = format!("/{SIZE}");
    get(edge.local_addr(), &path);
    // Made before, since a plan's chains are not what is measured.
    let spills: Vec<Vec<Spill>> = (0..LEASES).map(|lease| (1..=HELPERS).map(|name| spill(name, lease, &path)).collect()).collect();
    let plan = |at: usize| Arc::new(Plan { version: at as u64 + 1, made: clock.time(), spill: spills[at].clone(), ..Plan::default() });
    edge.apply(plan(0));
    // The full bucket pays once.
    while !get(edge.local_addr(), &path).starts_with("HTTP/1.1 302 ") {}
    thread::scope(|scope| {
        let load = || rounds(edge.local_addr(), &path).unwrap();
        let load = thread::Builder::new().name(LOAD.into()).spawn_scoped(scope, load).unwrap();
        for at in 1..usize::from(LEASES) {
            edge.apply(plan(at));
            thread::sleep(LEASED);
            if load.is_finished() {
                break;
            }
        }
        let mut rounds = load.join().unwrap();
        rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (rate, cpu) = rounds[ROUNDS / 2];
        let spilled = edge.metrics().spill.spilled;
        println!(
            "{rate:.0} redirects/s with {HELPERS} helpers, {cpu:.1} us of processor time each; {ROUNDS} rounds of 1 s, {spilled} in all"
        );
    });
}

/// Redirects a second, and processor time of the edge for each, in microseconds.
fn rounds(at: SocketAddr, path: &str) -> load::Outcome<Vec<(f64, f64)>> {
    let mut second = CpuSet::new();
    second.set(1);
    sched_setaffinity(None, &second)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\n\r\n");
    let mut load = Load::start(at, request.as_bytes(), 302, CONNECTIONS)?;
    load.warm_up()?;
    let mut round = || {
        let before = cpu_us();
        let told = load.run(Duration::from_secs(1))?;
        Ok((told.per_second, (cpu_us() - before) / told.requests as f64))
    };
    (0..ROUNDS).map(|_| round()).collect()
}

/// Of all threads but the load's.
fn cpu_us() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| task.path());
    let edges = tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() != LOAD));
    let spent = edges.filter_map(|task| fs::read_to_string(task.join("schedstat")).ok());
    spent.filter_map(|text| text.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e3
}

fn get(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn spill(name: u8, number: u8, path: &str) -> Spill {
    let lease = LeaseId([name, number, 0, 0, 0, 0, 0, 0]);
    let digest = ObjectDigest::of(&[b'x'; SIZE]);
    let object = Object { path: path.into(), digest, size: Bytes(SIZE as u64), media_type: "image/jpeg".into(), fresh_until: Date::MAX };
    Spill {
        lease,
        helper: SiteId([name; 32]),
        base: format!("http://blog.helper{name}.example"),
        requests: RequestRate(u32::MAX),
        bytes: ByteRate(1 << 50),
        allotted: Bytes(1 << 49),
        key: TicketKey([9; 32]),
        chain: Arc::new(Chain::from_seed([name; 32], lease, CHAIN_WORDS_MAX)),
        serial_from: 1,
        clock_offset_ms: 0,
        weight: 1,
        held_back: false,
        manifest: Arc::new(Manifest {
            mesh: MeshId(Digest::ZERO),
            owner: OWNER,
            run: 1,
            generation: 1,
            date: Date::from_millis(0),
            objects: vec![object],
        }),
        standby: Arc::new([digest].into_iter().collect()),
        until: Time::MAX,
    }
}
