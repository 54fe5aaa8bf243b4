//! A site: a web site, a disk of its own, and an agent that can be run, killed, stopped and asked.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use overspill_governance::site::SiteId;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{
    net::{self, PORT, guest_suffix, host},
    origin::{Origin, SIZE},
};

/// Where agents reach each other.
const MESH_PORT: u16 = 7_400;
/// How long an agent may take to come up on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a purge has to show.
const TOKEN: &str = "the-owner-of-this-site-and-nobody-else";
/// Bytes of an answer's head, which a line carries too.
const HEAD: usize = 300;
/// Size of a site's disk.
const DISK_MIB: u32 = 32;

/// One site of a scenario.
#[derive(Debug)]
pub(crate) struct Site {
    at: usize,
    pub(crate) origin: Origin,
    /// How often its agent was killed.
    pub(crate) deaths: u32,
    folder: PathBuf,
    settings: Vec<(String, String)>,
    agent: Option<Child>,
    runs: u32,
}

impl Site {
    /// A site whose line carries so many requests a second and that offers what the simulator's sites offer, whose agent does not run yet.
    pub(crate) fn new(at: usize, line: u32) -> Self {
        let folder = PathBuf::from(net::FOLDER).join(format!("site{at}"));
        net::own_disk(&folder.join("disk"), DISK_MIB);
        let origin = Origin::start(at);
        let carries = overspill_simulations::world::caps();
        let settings = [
            ("ORIGIN", format!("http://10.7.{at}.1:{}", origin.port)),
            ("LISTEN", format!("10.7.{at}.2:{PORT}")),
            ("SITE", format!("http://{}:{PORT}", host(at))),
            ("STATE", folder.join("disk/state").display().to_string()),
            ("ADMIN", "none".to_owned()),
            ("THREADS", "1".to_owned()),
            ("UPLINK", format!("{}B/s", line as usize * (SIZE + HEAD))),
            ("CONNECTIONS_PER_ADDRESS", "5000".to_owned()),
            ("CACHE_DISK", "none".to_owned()),
            ("PURGE_TOKEN", TOKEN.to_owned()),
            ("MESH_LISTEN", format!("/ip4/10.7.{at}.2/tcp/{MESH_PORT}")),
            ("GUEST_SUFFIX", format!("{}:{PORT}", guest_suffix(at))),
            ("CAPS_REQUESTS", format!("{}/s", carries.requests.0)),
            ("CAPS_BYTES", format!("{}B/s", carries.bytes.0)),
            ("ALLOW_PRIVATE_PROOFS", "true".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (format!("OVERSPILL_{name}"), value)).to_vec();
        Self { at, origin, deaths: 0, folder, settings, agent: None, runs: 0 }
    }

    /// Runs the agent.
    pub(crate) fn start(&mut self) {
        if self.agent.is_none() {
            self.runs += 1;
            let log = File::create(self.log_path(self.runs)).unwrap();
            let mut command = self.command(&["run"]);
            self.agent = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        }
    }

    /// Waits until the agent takes commands; gives its key.
    #[track_caller]
    pub(crate) fn ready(&mut self) -> SiteId {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.try_json(&["status"]).filter(|status| status["trouble"].is_null()) {
                return status["site"].as_str().and_then(|site| site.parse().ok()).expect("a status names the site");
            }
            let ended = self.agent.as_mut().and_then(|agent| agent.try_wait().unwrap());
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "site {} takes no commands, {ended:?}:\n{}", self.at, self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills the agent, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
            self.deaths += 1;
        }
    }

    /// Has the process stand still, or go on.
    pub(crate) fn stand_still(&self, still: bool) {
        if let Some(pid) = self.agent.as_ref().and_then(|agent| Pid::from_raw(i32::try_from(agent.id()).ok()?)) {
            kill_process(pid, if still { Signal::STOP } else { Signal::CONT }).unwrap();
        }
    }

    /// Fills the disk to its last byte, or empties it of what filled it.
    pub(crate) fn fill(&self, full: bool) {
        let filler = self.folder.join("disk/filler");
        if !full {
            let _ = fs::remove_file(filler);
            return;
        }
        let mut file = File::create(filler).unwrap();
        while file.write_all(&[0; 4_096]).is_ok() {}
    }

    /// Has the agent forget its picture, which the web site has replaced.
    pub(crate) fn purge(&self) {
        self.origin.edit();
        let mut socket = TcpStream::connect((host(self.at).as_str(), PORT)).unwrap();
        let (path, host) = (super::origin::path(self.at), host(self.at));
        write!(socket, "PURGE {path} HTTP/1.1\r\nHost: {host}:{PORT}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("HTTP/1.1 20"), "the purge was refused: {said}");
    }

    /// A command of the agent's program, which must succeed; its `--json` form.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.command(&[arguments, &["--json"]].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "site {}: {}: {said}", self.at, arguments.join(" "));
        serde_json::from_slice(&ran.stdout).unwrap()
    }

    /// The same; `None` when it fails.
    pub(crate) fn try_json(&self, arguments: &[&str]) -> Option<Value> {
        let ran = self.command(&[arguments, &["--json"]].concat()).output().ok().filter(|ran| ran.status.success())?;
        serde_json::from_slice(&ran.stdout).ok()
    }

    /// Starts a command of the agent's program.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Where its ledger is.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.join("disk/state/ledger")
    }

    /// Everything that its agents logged.
    pub(crate) fn log(&self) -> String {
        (1..=self.runs).map(|run| fs::read_to_string(self.log_path(run)).unwrap_or_default()).collect()
    }

    fn log_path(&self, run: u32) -> PathBuf {
        self.folder.join(format!("log-{run}"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = net::at(self.at, env!("CARGO_BIN_EXE_overspill"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.args(arguments).env_clear().env("PATH", path).env("NO_COLOR", "1").envs(self.settings.iter().cloned());
        command
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stand_still(false);
        self.kill();
    }
}
