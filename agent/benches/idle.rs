//! What an agent costs while nothing happens, and how soon it serves: real agents, five of them in one mesh, on loopback.
//!
//! `cargo bench -p overspill --bench idle`. `OVERSPILL_IDLE_SECONDS` sets how long they are watched (60), `OVERSPILL_IDLE_STARTS` how
//! often each kind of start is repeated (9). Prints medians, and the worst beside them.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "common/origin.rs"]
mod origin;

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const AGENTS: usize = 5;
/// From the last join to the watching: long enough for proofs, offers and the roster to have gone round.
const SETTLE: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(60);

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
    let before: Vec<Look> = sites.iter().map(Site::look).collect();
    thread::sleep(watched);
    let mut rows = Vec::new();
    for (site, before) in sites.iter().zip(before) {
        let now = site.look();
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

struct Site {
    name: String,
    state: String,
    origin: SocketAddr,
    visitors: SocketAddr,
    admin: SocketAddr,
    mesh: SocketAddr,
    place: std::path::PathBuf,
    agent: Option<Child>,
}

impl Site {
    fn new(place: &Path, number: usize, origin: SocketAddr) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (name, place) = (format!("site-{number}"), place.to_owned());
        Self { state: name.clone(), name, origin, visitors: free(), admin: free(), mesh: free(), place, agent: None }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_overspill"));
        let port = self.visitors.port();
        command.args(arguments).env_clear().current_dir(&self.place).stdin(Stdio::null());
        for (name, value) in [
            ("ORIGIN", format!("http://{}", self.origin)),
            ("LISTEN", self.visitors.to_string()),
            ("SITE", format!("http://{}.localhost:{port}", self.name)),
            ("STATE", self.place.join(&self.state).display().to_string()),
            ("ADMIN", self.admin.to_string()),
            ("MESH_LISTEN", format!("/ip4/127.0.0.1/tcp/{}", self.mesh.port())),
            ("GUEST_SUFFIX", format!("{}-guests.localhost:{port}", self.name)),
            ("UPLINK", "20Mbit/s".to_owned()),
            ("ALLOW_PRIVATE_PROOFS", "true".to_owned()),
        ] {
            command.env(format!("OVERSPILL_{name}"), value);
        }
        command
    }

    /// Starts the agent; milliseconds to its first answer.
    fn start(&mut self) -> f64 {
        let log = File::create(self.place.join(format!("{}.log", self.name))).unwrap();
        let mut command = self.command(&["run"]);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let begun = Instant::now();
        self.agent = Some(command.spawn().unwrap());
        while self.get("/").is_err() {
            assert!(begun.elapsed() < PATIENCE, "{} does not serve", self.name);
            thread::sleep(Duration::from_micros(200));
        }
        begun.elapsed().as_secs_f64() * 1e3
    }

    fn get(&self, path: &str) -> io::Result<String> {
        ask(self.visitors, &format!("{}.localhost:{}", self.name, self.visitors.port()), path)
    }

    fn wait_for_commands(&self) {
        let begun = Instant::now();
        while !self.command(&["status"]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success() {
            assert!(begun.elapsed() < PATIENCE, "{} takes no commands", self.name);
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn say(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    fn look(&self) -> Look {
        let metrics = ask(self.admin, "localhost", "/metrics").unwrap();
        let metric = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {metrics}"))
        };
        let (mut cpu_ns, mut wakes) = (0, 0);
        for task in fs::read_dir(self.proc("task")).unwrap().flatten() {
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

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.agent.as_ref().unwrap().id())
    }

    fn kib(&self, file: &str, field: &str) -> f64 {
        let text = fs::read_to_string(self.proc(file)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_else(|| panic!("no {field} in {text}"));
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn stop(&mut self) {
        let Some(mut agent) = self.agent.take() else { return };
        kill_process(Pid::from_child(&agent), Signal::TERM).unwrap();
        agent.wait().unwrap();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(agent) = self.agent.as_mut() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

fn ask(address: SocketAddr, host: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    if text.starts_with("HTTP/1.1 200") { Ok(text) } else { Err(io::Error::other(text)) }
}
