//! Five verbs: start an origin, start an agent, get a page, say a command, stop.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longest wait for anything that should happen at once; only a failing test ever waits so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A directory for one test, gone with it.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Says a command to the program, with this place's state.
    pub fn say(&self, line: &[&str]) -> Said {
        let output =
            Command::new(env!("CARGO_BIN_EXE_overspill")).args(line).arg("--state").arg(self.state()).stdin(Stdio::null()).output();
        Said::of(&output.unwrap())
    }
}

/// What the program said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn assert_done(&self) -> &Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Two lines, the second with what to do.
    pub fn assert_failed(&self, code: i32, what: &str) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        let told: Vec<_> = self.err.lines().filter(|line| !line.contains("INFO") && !line.contains("WARN")).collect();
        let error = told.iter().position(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{self:?}"));
        assert!(told[error..].join("\n").contains(what), "{what:?} in {self:?}");
        assert!(told.last().is_some_and(|line| line.starts_with("  ")), "what to do stands last: {self:?}");
        self
    }
}

/// A web site that says its name; `/slow` takes a while, `/hang` for ever.
pub struct Origin {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

/// How long `/slow` takes.
const SLOW: Duration = Duration::from_millis(700);

impl Origin {
    pub fn start(name: &'static str) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), name)
    }

    pub fn start_at(address: SocketAddr, name: &'static str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                std::thread::spawn(move || answer(stream, name, &count));
            }
        });
        Self { address, asked }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests that have arrived.
    pub fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

fn answer(mut stream: TcpStream, name: &str, asked: &AtomicUsize) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        head.push(byte[0]);
    }
    if head.is_empty() {
        return;
    }
    asked.fetch_add(1, SeqCst);
    if head.starts_with(b"GET /slow") {
        std::thread::sleep(SLOW);
    }
    if head.starts_with(b"GET /hang") {
        // Ends when the agent gives the connection up.
        let _ = stream.read(&mut byte);
        return;
    }
    let body = format!("this is {name}\n");
    let _ =
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
}

/// A running agent; killed when dropped.
pub struct Agent {
    child: Child,
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    pub log: PathBuf,
}

impl Agent {
    /// Starts an agent in front of `origin` and waits until it serves.
    pub fn start(place: &Place, origin: &Origin, more: &[&str]) -> Self {
        let mut line = vec!["--origin".to_owned(), origin.url()];
        line.extend(more.iter().map(|word| (*word).to_owned()));
        Self::run(place, &line)
    }

    /// Starts an agent with these flags and whatever a file says.
    pub fn run(place: &Place, more: &[String]) -> Self {
        let log = File::create(place.path("agent.log")).unwrap();
        Self::run_into(place, more, log.try_clone().unwrap().into(), log.into())
    }

    /// The same, with its standard output and standard error somewhere else than in the log.
    pub fn run_into(place: &Place, more: &[String], out: Stdio, err: Stdio) -> Self {
        let log = place.path("agent.log");
        let running = place.state().join("running.json");
        let mut child = spawn(place, more, out, err);
        wait_until("the agent serves", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the agent ended with {status}: {}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            running.exists()
        });
        let running: Value = serde_json::from_str(&std::fs::read_to_string(&running).unwrap()).unwrap();
        let address = |value: &Value| value.as_str().unwrap().parse().unwrap();
        Self { child, listen: address(&running["listen"][0]), admin: address(&running["admin"]), log }
    }

    /// Starts an agent whose state cannot be used, so that it announces nothing, at a given address.
    pub fn run_stateless(place: &Place, origin: &Origin, listen: SocketAddr, admin: SocketAddr) -> Self {
        let log = place.path("agent.log");
        let line = ["--origin".into(), origin.url(), "--listen".into(), listen.to_string(), "--admin".into(), admin.to_string()];
        let file = File::create(&log).unwrap();
        let child = spawn(place, &line, file.try_clone().unwrap().into(), file.into());
        wait_until("the agent serves", || TcpStream::connect(listen).is_ok());
        Self { child, listen, admin, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn wait(mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the agent ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub fn told(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// One of its figures, by its whole name.
    pub fn figure(&self, name: &str) -> Option<u64> {
        let (_, figures) = get(self.admin, "/metrics");
        figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// The status and body that a visitor gets.
    pub fn get(&self, path: &str) -> (u16, String) {
        get(self.listen, path)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(place: &Place, more: &[String], out: Stdio, err: Stdio) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_overspill"));
    command.arg("run").arg("--state").arg(place.state()).args(more);
    for (flag, value) in [("--listen", "127.0.0.1:0"), ("--admin", "127.0.0.1:0"), ("--mesh-listen", "/ip4/127.0.0.1/tcp/0")] {
        if !more.iter().any(|word| word == flag) {
            command.args([flag, value]);
        }
    }
    command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap()
}

/// Asks for a path and reads to the end.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: blog.localhost\r\nUser-Agent: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// An address where nobody listens at the moment.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
