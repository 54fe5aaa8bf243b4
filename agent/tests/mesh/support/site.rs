//! A site: an origin, a state directory and an agent that can be run, stopped, killed and asked.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{Origin, eventually, free_port, http};

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The output of a command that must succeed.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }
}

/// One site of a story.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) origin: Origin,
    /// Where visitors are served.
    pub(crate) port: u16,
    /// Whether visitors are served over TLS there.
    secure: bool,
    /// Where partners are.
    pub(crate) mesh_port: u16,
    dir: TempDir,
    state: PathBuf,
    settings: Vec<(String, String)>,
    agent: Option<Child>,
    runs: u32,
}

impl Site {
    /// A site with its origin, whose agent does not run yet.
    pub(crate) fn new(name: &'static str) -> Self {
        let (origin, port, mesh_port, dir) = (Origin::start(), free_port(), free_port(), TempDir::new().unwrap());
        let state = dir.path().join("state");
        let mut site = Self { name, origin, port, secure: false, mesh_port, dir, state, settings: Vec::new(), agent: None, runs: 0 };
        let defaults = [
            ("ORIGIN", format!("http://127.0.0.1:{}", site.origin.port)),
            ("LISTEN", format!("127.0.0.1:{port}")),
            ("SITE", site.canonical()),
            ("STATE", site.state().display().to_string()),
            ("ADMIN", "127.0.0.1:0".to_owned()),
            ("THREADS", "1".to_owned()),
            ("MESH_LISTEN", format!("/ip4/127.0.0.1/tcp/{mesh_port}")),
            ("GUEST_SUFFIX", format!("{name}-guests.localhost:{port}")),
            ("CAPS_REQUESTS", "2000/s".to_owned()),
            ("CAPS_BYTES", "400Mbit/s".to_owned()),
            ("ALLOW_PRIVATE_PROOFS", "true".to_owned()),
            ("LOG_LEVEL", std::env::var("OVERSPILL_TEST_LOG").unwrap_or_else(|_| "info".to_owned())),
        ];
        for (setting, value) in defaults {
            site.set(setting, &value);
        }
        site
    }

    /// Sets a setting for every later run and command.
    pub(crate) fn set(&mut self, setting: &str, value: &str) {
        let name = format!("OVERSPILL_{setting}");
        self.settings.retain(|(other, _)| *other != name);
        self.settings.push((name, value.to_owned()));
    }

    pub(crate) fn is_set(&self, setting: &str) -> bool {
        self.settings.iter().any(|(name, _)| *name == format!("OVERSPILL_{setting}"))
    }

    /// The same, in passing.
    pub(crate) fn with(mut self, setting: &str, value: &str) -> Self {
        self.set(setting, value);
        self
    }

    /// The same, over TLS: its own pages, and its guests'.
    pub(crate) fn over_tls(mut self) -> Self {
        let names = [format!("{}.localhost", self.name), format!("*.{}-guests.localhost", self.name)];
        let (chain, key) = super::tls::certify(self.dir.path(), &names);
        self.secure = true;
        let port = free_port();
        for (setting, value) in [
            ("LISTEN", format!("127.0.0.1:{port}")),
            ("TLS_LISTEN", format!("127.0.0.1:{}", self.port)),
            ("TLS_CERTIFICATE", chain.display().to_string()),
            ("TLS_KEY", key.display().to_string()),
            ("SITE", self.canonical()),
            ("GUEST_SCHEME", "https".to_owned()),
        ] {
            self.set(setting, &value);
        }
        self
    }

    /// How visitors name it.
    pub(crate) fn canonical(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}.localhost:{}", self.name, self.port)
    }

    /// The URL of a path on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.canonical())
    }

    /// Its state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.state.clone()
    }

    /// Has the agent keep its state in a folder of another disk, from its next run on.
    pub(crate) fn lives_in(&mut self, folder: &Path) {
        self.state = folder.join("state");
        self.set("STATE", &self.state.display().to_string());
    }

    /// Runs the agent and waits until it serves.
    #[track_caller]
    pub(crate) fn run(&mut self) {
        self.start();
        let url = self.url("/.well-known/overspill");
        eventually(&format!("{} serves", self.name), || {
            if let Some(ended) = self.agent.as_mut().and_then(|agent| agent.try_wait().unwrap()) {
                panic!("the agent of {} ended with {ended}:\n{}", self.name, self.log());
            }
            http::ask(&url).is_ok_and(|(status, ..)| status == 200)
        });
        // Visitors come first; commands are taken a moment later.
        eventually(&format!("{} takes commands", self.name), || UnixStream::connect(self.state().join("control.sock")).is_ok());
    }

    /// Runs the agent under another site's name, and waits until it takes commands.
    #[track_caller]
    pub(crate) fn run_disguised(&mut self, as_whom: &Self) {
        self.set("SITE", &as_whom.canonical());
        self.start();
        eventually("it takes commands", || self.overspill(&["status"]).code == Some(0));
    }

    fn start(&mut self) {
        self.runs += 1;
        let log = File::create(self.log_path(self.runs)).unwrap();
        let mut command = self.command(&["run"]);
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.agent = Some(child);
    }

    /// Kills the agent, as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }

    /// Asks the agent to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        if let Some(mut agent) = self.agent.take() {
            eventually("the agent stops", || agent.try_wait().unwrap().is_some());
        }
    }

    /// Stops the agent in the middle of whatever it does, and waits until it stands still.
    #[track_caller]
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        super::disk::wait_until_stopped(self.agent.as_ref().expect("the agent runs").id());
    }

    /// Sends the agent a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.agent.as_ref().and_then(|agent| Pid::from_raw(i32::try_from(agent.id()).ok()?)) {
            kill_process(pid, signal).unwrap();
        }
    }

    /// Runs one command of the agent's program to its end.
    pub(crate) fn overspill(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Starts one command of the agent's program.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Runs a command with `--json` that must succeed, and reads what it says.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let out = self.overspill(&[arguments, &["--json"]].concat()).ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Has the agent's mesh task die, as by a fault of its own.
    pub(crate) fn kill_mesh(&self) {
        let mut socket = UnixStream::connect(self.state().join("control.sock")).unwrap();
        socket.write_all(b"{\"version\":1,\"ask\":\"kill_mesh\"}\n").unwrap();
        let mut told = String::new();
        socket.read_to_string(&mut told).unwrap();
        assert!(told.contains("overspill.kill-mesh/1"), "{told}");
    }

    /// Everything that the agent logged, over all its runs.
    pub(crate) fn log(&self) -> String {
        (1..=self.runs).map(|run| fs::read_to_string(self.log_path(run)).unwrap_or_default()).collect()
    }

    fn log_path(&self, run: u32) -> PathBuf {
        self.dir.path().join(format!("log-{run}"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_overspill"));
        command.args(arguments).env_clear().envs(self.settings.iter().cloned()).env("NO_COLOR", "1").current_dir(self.dir.path());
        command
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- log of {} ----\n{}", self.name, self.log());
        }
    }
}
