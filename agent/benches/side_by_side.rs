//! A cached hit here, in nginx and in Varnish: the same origin, the same load generator, in turns, on one core each.
//!
//! `cargo bench -p overspill --bench side_by_side`. Needs `nginx`, `varnishd`, `wrk` and `taskset`, as Debian packages them, and two
//! cores: the first serves, the second asks. Whoever is missing is passed over, and said to be. `OVERSPILL_ROUNDS` sets the rounds (5),
//! `OVERSPILL_ROUND_SECONDS` the length of each (2). Ratios are medians over rounds, within which all are measured one after another.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "common/origin.rs"]
mod origin;

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

const SIZES: [usize; 3] = [1 << 10, 20 << 10, 200 << 10];
const CONNECTIONS: usize = 32;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    // `cargo test --benches` only asks whether it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let missing: Vec<_> = ["wrk", "taskset"].into_iter().filter(|program| !is_there(program)).collect();
    if !missing.is_empty() {
        println!("passed over: {} not found; on Debian: apt-get install wrk util-linux", missing.join(" and "));
        return;
    }
    let place = TempDir::new().unwrap();
    let origin = origin::start();
    let servers: Vec<Server> =
        [overspill(place.path(), origin), nginx(place.path(), origin), varnish(place.path(), origin)].into_iter().flatten().collect();
    let (rounds, seconds) = (number_of("OVERSPILL_ROUNDS", 5), number_of("OVERSPILL_ROUND_SECONDS", 2));
    println!("{rounds} rounds of {seconds} s, {CONNECTIONS} kept connections, one core each; medians");
    println!("{:>8}  {:<10} {:>11} {:>12} {:>16} {:>16}", "body", "server", "requests/s", "CPU us/req", "requests, ratio", "CPU, ratio");
    for size in SIZES {
        let mut measured: Vec<Vec<Measure>> = servers.iter().map(|_| Vec::new()).collect();
        for server in &servers {
            server.load(size, 1);
        }
        for _ in 0..rounds {
            for (server, measured) in servers.iter().zip(&mut measured) {
                measured.push(server.load(size, seconds));
            }
        }
        for (server, ours) in servers.iter().zip(&measured) {
            let ratio = |of: fn(&Measure) -> f64| median(measured[0].iter().zip(ours).map(|(first, here)| of(first) / of(here)).collect());
            println!(
                "{:>4} KiB  {:<10} {:>11.0} {:>12.1} {:>16.2} {:>16.2}",
                size >> 10,
                server.name,
                median(ours.iter().map(|measure| measure.requests_per_s).collect()),
                median(ours.iter().map(|measure| measure.cpu_us).collect()),
                ratio(|measure| measure.requests_per_s),
                ratio(|measure| measure.cpu_us),
            );
        }
    }
    println!("ratio: {} divided by that server, round by round", servers[0].name);
}

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn is_there(program: &str) -> bool {
    let places = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    places.split(':').any(|folder| Path::new(folder).join(program).is_file())
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// On the first core, and on no other.
fn on_first_core(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0", program]);
    command
}

fn overspill(place: &Path, origin: SocketAddr) -> Option<Server> {
    let at = free_address();
    let mut command = on_first_core(env!("CARGO_BIN_EXE_overspill"));
    command.args(["run", "--threads", "1", "--admin", "none", "--origin", &format!("http://{origin}"), "--listen", &at.to_string()]);
    command.arg("--state").arg(place.join("state"));
    Server::start("overspill", command, place, at)
}

fn nginx(place: &Path, origin: SocketAddr) -> Option<Server> {
    let at = free_address();
    let folder = place.join("nginx");
    fs::create_dir(&folder).unwrap();
    let config = folder.join("nginx.conf");
    // As its documentation advises for a cache: files kept open, sent by the kernel, no log.
    let text = format!(
        "daemon off; worker_processes 1; pid {0}/pid; error_log {0}/error.log;\nevents {{ worker_connections 1024; }}\nhttp {{\n\
         access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=1000 inactive=1h;\n\
         proxy_cache_path {0}/cache keys_zone=hits:1m; proxy_temp_path {0}/proxy; client_body_temp_path {0}/body;\n\
         fastcgi_temp_path {0}/fastcgi; uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;\n\
         server {{ listen {at}; location / {{ proxy_pass http://{origin}; proxy_cache hits; }} }}\n}}\n",
        folder.display()
    );
    // A worker of root's would not be allowed into the folder.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    fs::write(&config, format!("{user}{text}")).unwrap();
    let mut command = on_first_core("nginx");
    command.arg("-c").arg(&config).arg("-p").arg(&folder);
    Server::start("nginx", command, place, at)
}

fn varnish(place: &Path, origin: SocketAddr) -> Option<Server> {
    let at = free_address();
    let mut command = on_first_core("varnishd");
    command.args(["-F", "-j", "none", "-a", &at.to_string(), "-b", &origin.to_string(), "-s", "malloc,64m", "-T", "none"]);
    command.args(["-p", "thread_pools=1", "-p", "thread_pool_min=64", "-n"]).arg(place.join("varnish"));
    Server::start("varnishd", command, place, at)
}

struct Server {
    name: &'static str,
    at: SocketAddr,
    child: Child,
}

#[derive(Debug)]
struct Measure {
    requests_per_s: f64,
    cpu_us: f64,
}

impl Server {
    fn start(name: &'static str, mut command: Command, place: &Path, at: SocketAddr) -> Option<Self> {
        if name != "overspill" && !is_there(name) {
            println!("passed over: {name} not found; on Debian: apt-get install nginx varnish");
            return None;
        }
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
        let log = File::create(place.join(format!("{name}.log"))).unwrap();
        command.env("PATH", path).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut server = Self { name, at, child: command.spawn().unwrap() };
        let begun = Instant::now();
        while TcpStream::connect(at).is_err() {
            let told = || fs::read_to_string(place.join(format!("{name}.log"))).unwrap_or_default();
            assert!(server.child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE, "{name} does not serve: {}", told());
            thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    fn load(&self, size: usize, seconds: u64) -> Measure {
        let cpu_before = self.cpu_us();
        let output = Command::new("taskset")
            .args(["-c", "1", "wrk", "-t", "1", "-c", &CONNECTIONS.to_string(), "-d", &format!("{seconds}s")])
            .arg(format!("http://{}/{size}", self.at))
            .output()
            .unwrap();
        let cpu = self.cpu_us() - cpu_before;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"), "{}: {text}", self.name);
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).unwrap().trim().parse().unwrap();
        let count: f64 = text.split(" requests in ").next().unwrap().rsplit(char::is_whitespace).next().unwrap().parse().unwrap();
        Measure { requests_per_s: rate, cpu_us: cpu / count }
    }

    /// User and system time of the server and all its children, in microseconds.
    fn cpu_us(&self) -> f64 {
        let mut ours = vec![self.child.id()];
        let processes: Vec<(u32, u32)> = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| parent(&entry.path())).collect();
        let mut at = 0;
        while at < ours.len() {
            let children = processes.iter().filter(|(_, parent)| *parent == ours[at]).map(|(process, _)| *process);
            let children: Vec<u32> = children.collect();
            ours.extend(children);
            at += 1;
        }
        let tasks = ours.iter().flat_map(|process| fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten());
        let spent = tasks.filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
        spent.filter_map(|text| text.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e3
    }
}

/// A process and its parent.
fn parent(folder: &Path) -> Option<(u32, u32)> {
    let process = folder.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The name stands in brackets and may hold anything; after it come the state and the parent.
    Some((process, stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?))
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.child.id())
            && let Some(id) = rustix::process::Pid::from_raw(id)
        {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
