//! One agent of the demonstration: `overspill run` as a real process, a real site behind it, emulated uplinks in front.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use http::Method;
use serde_json::Value;
use tokio::{
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};

use crate::state::names;

use super::{
    ask::ask,
    content::Entry,
    limits,
    origin::Origin,
    process::{self, Process},
    relay::{Port, Relay, Shaping, Traffic, Uplink},
    sampler::Limit,
    setting::BUDGET,
};

/// A site with its agent, serving.
#[derive(Debug)]
pub struct Agent {
    /// Its name in the report: `owner`, `helper-1`.
    pub name: String,
    /// The site behind it.
    pub origin: Origin,
    /// Its line.
    pub uplink: Uplink,
    /// Its process.
    pub process: Process,
    /// Its configuration.
    pub config: PathBuf,
    /// Where it tells its metrics.
    pub admin: SocketAddr,
    listen: SocketAddr,
    state: PathBuf,
    visitors: Relay,
    peers: Relay,
}

/// What an agent is started with.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: String,
    /// What its site serves.
    pub entries: &'a [Entry],
    /// Seed of its site.
    pub seed: u64,
    /// Its line in bytes per second.
    pub rate: u64,
    /// For a helper: the owner's line, which is charged for what flows into the helper.
    pub owner: Option<Uplink>,
    /// Threads that serve.
    pub threads: usize,
    /// Where its files are.
    pub folder: &'a Path,
}

impl Agent {
    /// Starts the site, the relays and the agent, and waits until the agent takes connections.
    ///
    /// # Errors
    /// When one of them does not come up; names the log to look at.
    pub async fn start(wanted: Wanted<'_>) -> anyhow::Result<Self> {
        let Wanted { name, entries, seed, rate, owner, threads, folder } = wanted;
        let origin = Origin::start(entries, seed, folder, &format!("{name}-site")).await?;
        let (public, peers) = (Port::reserve().await?, Port::reserve().await?);
        let (listen, talk, admin) = (free_port()?, free_port()?, free_port()?);
        let uplink = Uplink::new(rate);
        let state = folder.join(&name);
        let mut text = String::new();
        let authority = format!("{name}.localhost:{}", public.address()?.port());
        let budget = (rate as f64 * BUDGET) as u64;
        let carried = budget * 9 / 10;
        // Three times as many as bodies of the mean size fill the line: the cap on bytes is to be the one that binds.
        let requests = (rate / 4_000).max(50);
        writeln!(text, "state = \"{}\"\nsite = \"http://{authority}\"\norigin = \"http://{}\"", state.display(), origin.site)?;
        writeln!(
            text,
            "listen = \"{listen}\"\nadmin = \"{admin}\"\nthreads = {threads}\nuplink = \"{budget}B/s\"\nallow_private_proofs = true"
        )?;
        writeln!(text, "[mesh]\nlisten = \"{}\"\nannounce = \"{}\"", multi(talk), multi(peers.address()?))?;
        writeln!(text, "[guest]\nsuffix = \"{authority}\"")?;
        writeln!(text, "[caps]\nrequests = \"{requests}/s\"\nbytes = \"{carried}B/s\"")?;
        let config = folder.join(format!("{name}.toml"));
        std::fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        let log = config.with_extension("log");
        let process = Process::start(process::program()?.arg("run").arg("--config").arg(&config), &log)?;
        let shaping = Shaping { out: uplink.clone(), into: None, traffic: Traffic::Visitors };
        let visitors = public.relay_to(listen, shaping)?;
        let peers = peers.relay_to(talk, Shaping { out: uplink.clone(), into: owner, traffic: Traffic::Peers })?;
        let agent = Self { name, origin, uplink, process, config, admin, listen, state, visitors, peers };
        agent.serves().await?;
        Ok(agent)
    }

    /// Starts its process again after it was killed, on the same ports and state; the site and the relays have stayed.
    ///
    /// # Errors
    /// When it does not take visitors' connections again.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let mut command = process::program()?;
        self.process = Process::start(command.arg("run").arg("--config").arg(&self.config), &self.log())?;
        self.takes_visitors().await
    }

    fn log(&self) -> PathBuf {
        self.config.with_extension("log")
    }

    async fn takes_visitors(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(self.listen).await.is_err() {
            let (name, log) = (&self.name, self.log());
            anyhow::ensure!(begun.elapsed() < limits::START_WITHIN, "{name} takes no visitors on {}; see {}", self.listen, log.display());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Waits for visitors' listener, and for the control socket: it opens later, and commands that find none take the agent for absent.
    async fn serves(&self) -> anyhow::Result<()> {
        self.takes_visitors().await?;
        let (begun, control) = (Instant::now(), self.state.join(names::SOCKET));
        while UnixStream::connect(&control).await.is_err() {
            let (name, log) = (&self.name, self.log());
            anyhow::ensure!(begun.elapsed() < limits::START_WITHIN, "{name} has no {}; see {}", control.display(), log.display());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Waits until its mesh part takes commands: an agent serves visitors before it has read its ledger.
    ///
    /// # Errors
    /// When it does not come to that; with what it last said.
    pub async fn takes_commands(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let status = self.ask(&["status"]).await;
            if status.as_ref().is_ok_and(|status| status["trouble"].is_null()) {
                return Ok(());
            }
            anyhow::ensure!(begun.elapsed() < limits::START_WITHIN, "{} takes no commands: {status:?}", self.name);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The port at which visitors reach it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.visitors.address().port()
    }

    /// The port at which other agents reach it.
    #[must_use]
    pub fn talk_port(&self) -> u16 {
        self.peers.address().port()
    }

    /// Scheme and authority under which it is visited.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("http://{}.localhost:{}", self.name, self.port())
    }

    /// Carries out a command of the program for this agent and returns its `--json` form.
    ///
    /// # Errors
    /// When the command fails, with its own words.
    pub async fn ask(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = process::program()?;
        command.args(arguments).arg("--json").arg("--config").arg(&self.config);
        serde_json::from_str(&process::output(&mut command).await?).with_context(|| format!("`{}` did not print JSON", arguments.join(" ")))
    }

    /// Reads one of its metrics, by its whole name; `None` when the agent is gone.
    pub async fn metric(&self, name: &str) -> Option<u64> {
        metric(self.admin, name).await
    }

    /// Keeps `limit` at what the agent has learned, until the task is aborted.
    #[must_use]
    pub fn watch_limit(&self, limit: Limit) -> JoinHandle<()> {
        let admin = self.admin;
        tokio::spawn(async move {
            loop {
                if let Some(learned) = metric(admin, "overspill_origin_limit").await {
                    limit.tell(u32::try_from(learned).unwrap_or(u32::MAX));
                }
                tokio::time::sleep(2 * limits::SAMPLE_EVERY).await;
            }
        })
    }

    /// Ends the agent, then its site.
    pub async fn stop(self) {
        self.process.stop(Duration::from_secs(5)).await;
        self.origin.stop().await;
    }
}

/// Reads one of an agent's metrics, by its whole name.
async fn metric(admin: SocketAddr, name: &str) -> Option<u64> {
    let text = ask(Method::GET, admin, &admin.to_string(), "/metrics").await.ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn multi(address: SocketAddr) -> String {
    format!("/ip4/{}/tcp/{}", address.ip(), address.port())
}

/// A port of loopback that nobody listens on at this moment.
fn free_port() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("cannot find a free port on loopback")?;
    listener.local_addr().context("a free port has no address")
}
