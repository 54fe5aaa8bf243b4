//! A site for benches: a real agent before an origin, on loopback.

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

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One site.
pub struct Site {
    pub name: String,
    pub state: String,
    origin: SocketAddr,
    pub visitors: SocketAddr,
    pub admin: SocketAddr,
    mesh: SocketAddr,
    place: std::path::PathBuf,
    agent: Option<Child>,
}

impl Site {
    pub fn new(place: &Path, number: usize, origin: SocketAddr) -> Self {
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
            // Of less they would send their visitors to each other.
            ("UPLINK", "1Gbit/s".to_owned()),
            ("ALLOW_PRIVATE_PROOFS", "true".to_owned()),
            ("CONNECTIONS", "20000".to_owned()),
        ] {
            command.env(format!("OVERSPILL_{name}"), value);
        }
        command
    }

    /// Starts the agent; milliseconds to its first answer.
    pub fn start(&mut self) -> f64 {
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

    pub fn wait_for_commands(&self) {
        let begun = Instant::now();
        while !self.command(&["status"]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success() {
            assert!(begun.elapsed() < PATIENCE, "{} takes no commands", self.name);
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn say(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    pub fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.agent.as_ref().unwrap().id())
    }

    pub fn kib(&self, file: &str, field: &str) -> f64 {
        let text = fs::read_to_string(self.proc(file)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_else(|| panic!("no {field} in {text}"));
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn stop(&mut self) {
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

/// The answer to a request, which must be a good one.
pub fn ask(address: SocketAddr, host: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    if text.starts_with("HTTP/1.1 200") { Ok(text) } else { Err(io::Error::other(text)) }
}
