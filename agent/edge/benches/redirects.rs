//! Redirects with tickets, end to end: `cargo bench -p overspill-edge --bench redirects`.
//!
//! An edge whose link pays for nothing sends every visitor to one of five helpers. It has one thread on the first core, `wrk` asks from the
//! second. Needs `wrk` and `taskset` (Debian: wrk, util-linux) and two cores; says so where they are missing.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "../../benches/common/origin.rs"]
mod origin;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, id},
    sync::Arc,
    thread,
    time::Duration,
};

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

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZE: usize = 200 << 10;
const HELPERS: u8 = 5;
/// How often there are new leases: at such rates one lasts no longer. Real ones give way to successors in time.
const LEASED: Duration = Duration::from_millis(120);
const LEASES: u8 = 60;
const ROUNDS: usize = 5;
const OWNER: SiteId = SiteId([1; 32]);

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let has = |program: &str| std::env::var("PATH").unwrap_or_default().split(':').any(|folder| Path::new(folder).join(program).is_file());
    if !has("wrk") || !has("taskset") {
        println!("passed over: needs wrk and taskset; on Debian: apt-get install wrk util-linux");
        return;
    }
    assert!(Command::new("taskset").args(["-a", "-c", "-p", "0", &id().to_string()]).output().unwrap().status.success());
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
        let load = scope.spawn(|| (0..ROUNDS).map(|_| round(edge.local_addr(), &path)).collect::<Vec<_>>());
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

/// Redirects a second, and processor time of this process for each, in microseconds.
fn round(at: SocketAddr, path: &str) -> (f64, f64) {
    let before = cpu_us();
    let output =
        Command::new("taskset").args(["-c", "1", "wrk", "-t", "1", "-c", "64", "-d", "1s"]).arg(format!("http://{at}{path}")).output();
    let cpu = cpu_us() - before;
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    // It counts redirects among the good ones, and refusals among the others.
    assert!(!text.contains("Non-2xx"), "{text}");
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).unwrap().trim().parse().unwrap();
    let count: f64 = text.split(" requests in ").next().unwrap().rsplit(char::is_whitespace).next().unwrap().parse().unwrap();
    (rate, cpu / count)
}

fn cpu_us() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let spent = tasks.filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
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
