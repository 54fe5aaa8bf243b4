//! What an agent costs while nothing happens, and how soon it serves: real agents, five of them in one mesh, on loopback.
//!
//! `cargo bench -p overspill --bench idle`. `OVERSPILL_IDLE_SECONDS` sets how long they are watched (60), `OVERSPILL_IDLE_STARTS` how
//! often each kind of start is repeated (9), `OVERSPILL_IDLE_CONNECTIONS` how many visitors keep a connection open (10,000). Prints
//! medians, and the worst beside them.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/origin.rs"]
mod origin;

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use agent::{PATIENCE, Site, ask};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

const AGENTS: usize = 5;
/// From the last join to the watching: long enough for proofs, offers and the roster to have gone round.
const SETTLE: Duration = Duration::from_secs(20);
/// Threads that open connections: an idle one is kept for fifteen seconds.
const VISITING: usize = 8;

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let origin = origin::start();
    let place = TempDir::new().unwrap();
    let mut sites: Vec<Site> = (1..=AGENTS).map(|number| Site::new(place.path(), number, origin)).collect();
    found(&mut sites);
    eprintln!("a mesh of {AGENTS}; waiting {} s for it to come to rest", SETTLE.as_secs());
    thread::sleep(SETTLE);
    idle(&sites, Duration::from_secs(number_of("OVERSPILL_IDLE_SECONDS", 60)));
    crowded(&sites[0], number_of("OVERSPILL_IDLE_CONNECTIONS", 10_000) as usize);
    starts(place.path(), &mut sites, origin);
}

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The first founds a mesh, the others join it by invites.
fn found(sites: &mut [Site]) {
    for site in &mut *sites {
        site.start();
        site.wait_for_commands();
    }
    sites[0].say(&["init", "--name", "idle"]);
    for joiner in &sites[1..] {
        let token = sites[0].say(&["invite", "--json"]);
        joiner.say(&["join", token["token"].as_str().unwrap(), "--json"]);
    }
    let begun = Instant::now();
    let connected = |site: &Site| site.say(&["status", "--json"])["mesh"]["partners_connected"].as_u64() == Some(AGENTS as u64 - 1);
    while !sites.iter().all(connected) {
        assert!(begun.elapsed() < PATIENCE, "not everybody is connected with everybody");
        thread::sleep(Duration::from_millis(200));
    }
}

/// What the kernel and the agent's metrics say of one agent at a moment.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    cpu_ns: u64,
    wakes: u64,
    sent: u64,
    heard: u64,
}

fn idle(sites: &[Site], watched: Duration) {
    let before: Vec<Look> = sites.iter().map(look).collect();
    thread::sleep(watched);
    let mut rows = Vec::new();
    for (site, before) in sites.iter().zip(before) {
        let now = look(site);
        let seconds = now.at.duration_since(before.at).as_secs_f64();
        let per_second = |now: u64, before: u64| (now - before) as f64 / seconds;
        rows.push([
            site.kib("status", "VmRSS:") / 1024.0,
            site.kib("smaps_rollup", "Pss:") / 1024.0,
            site.kib("smaps_rollup", "Private_Dirty:") / 1024.0,
            fs::read_dir(site.proc("task")).unwrap().count() as f64,
            per_second(now.cpu_ns, before.cpu_ns) / 1e6,
            per_second(now.wakes, before.wakes),
            per_second(now.sent, before.sent),
            per_second(now.heard, before.heard),
        ]);
    }
    println!("idle for {} s in a mesh of {AGENTS}, each agent          median      most", watched.as_secs());
    let names = ["resident memory, MiB", "its proportional share, MiB", "its own dirty pages, MiB", "threads", "CPU, ms/s", "wake-ups/s"];
    for (at, name) in names.into_iter().chain(["messages sent/s", "messages heard/s"]).enumerate() {
        let (median, most) = median_and_most(rows.iter().map(|row| row[at]).collect());
        println!("  {name:<44} {median:>9.2} {most:>9.2}");
    }
}

/// Visitors who had an answer each, and keep their connections.
fn crowded(site: &Site, connections: usize) {
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).unwrap();
    let resident = || site.kib("status", "VmRSS:") / 1024.0;
    let before = resident();
    let each = connections / VISITING;
    let mut kept: Vec<TcpStream> = thread::scope(|scope| {
        let visit = || (0..each).map(|_| visit(site).unwrap()).collect::<Vec<_>>();
        let visiting: Vec<_> = (0..VISITING).map(|_| scope.spawn(visit)).collect();
        visiting.into_iter().flat_map(|visits| visits.join().unwrap()).collect()
    });
    let idle = resident();
    let again = kept.iter_mut().filter_map(|stream| ask_for(site, stream, "/1024").ok()).count();
    println!("{} connections that had an answer each and are idle", kept.len());
    println!("  {:<44} {before:>9.2}", "resident memory before, MiB");
    println!("  {:<44} {idle:>9.2}", "resident memory, MiB");
    println!("  {:<44} {again:>9}", "of them answered a second time");
}

fn median_and_most(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], *values.last().unwrap())
}

/// From the start of the process to the last byte of the first answer.
fn starts(place: &Path, sites: &mut [Site], origin: SocketAddr) {
    let times = number_of("OVERSPILL_IDLE_STARTS", 9).max(1);
    let mut took: [Vec<f64>; 3] = Default::default();
    let mut alone = Site::new(place, AGENTS + 1, origin);
    let last = sites.last_mut().unwrap();
    last.stop();
    for round in 0..times {
        let mut fresh = Site::new(place, AGENTS + 2, origin);
        fresh.state = format!("fresh-{round}");
        took[0].push(fresh.start());
        took[1].push(alone.start());
        took[2].push(last.start());
        for site in [&mut fresh, &mut alone, &mut *last] {
            site.wait_for_commands();
            site.stop();
        }
    }
    println!("from exec to the first answer, {times} starts                 median      most");
    for (name, took) in ["first start, ms", "later start without a mesh, ms", "later start of a member, ms"].into_iter().zip(took) {
        let (median, most) = median_and_most(took);
        println!("  {name:<44} {median:>9.1} {most:>9.1}");
    }
}

fn look(site: &Site) -> Look {
    let metrics = ask(site.admin, "localhost", "/metrics").unwrap();
    let metric = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {metrics}"))
    };
    let (mut cpu_ns, mut wakes) = (0, 0);
    for task in fs::read_dir(site.proc("task")).unwrap().flatten() {
        // A thread may end while we look.
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        let mut words = text.split_whitespace().map(|word| word.parse::<u64>().unwrap());
        cpu_ns += words.next().unwrap();
        wakes += words.nth(1).unwrap();
    }
    Look {
        at: Instant::now(),
        cpu_ns,
        wakes,
        sent: metric("overspill_transport_sent_total"),
        heard: metric("overspill_transport_heard_total"),
    }
}

fn visit(site: &Site) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(site.visitors)?;
    ask_for(site, &mut stream, "/1024").map(|()| stream)
}

/// A KiB over a connection that stays.
fn ask_for(site: &Site, stream: &mut TcpStream, path: &str) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}.localhost:{}\r\n\r\n", site.name, site.visitors.port());
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    let is_whole = |answer: &[u8]| answer.windows(4).position(|end| end == b"\r\n\r\n").is_some_and(|head| answer.len() >= head + 4 + 1024);
    while !is_whole(&answer) {
        let read = stream.read(&mut piece)?;
        if read == 0 || !b"HTTP/1.1 200".starts_with(&answer[..answer.len().min(12)]) {
            return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()));
        }
        answer.extend_from_slice(&piece[..read]);
    }
    Ok(())
}
