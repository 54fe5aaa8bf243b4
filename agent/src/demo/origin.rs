//! The web site behind one agent, started as a process of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context as _;
use serde::Deserialize;

use super::{
    content::{self, Entry},
    process::{self, Process},
    setting,
};

/// A running site.
#[derive(Debug)]
pub struct Origin {
    process: Process,
    /// Where it serves.
    pub site: SocketAddr,
    /// Where it tells its load.
    pub side: SocketAddr,
}

#[derive(Deserialize)]
struct Ready {
    site: SocketAddr,
    side: SocketAddr,
}

impl Origin {
    /// Starts a site that serves `entries`, its files in `folder` under `name`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(entries: &[Entry], seed: u64, folder: &Path, name: &str) -> anyhow::Result<Self> {
        let catalogue: PathBuf = folder.join(format!("{name}.catalogue"));
        std::fs::write(&catalogue, content::write_catalogue(entries)).with_context(|| format!("cannot write {}", catalogue.display()))?;
        let mut command = process::program()?;
        command.arg("demo-site").arg("--catalogue").arg(&catalogue);
        command.args(["--seed", &seed.to_string(), "--workers", &setting::WORKERS.to_string(), "--queue", &setting::QUEUE.to_string()]);
        command.args(["--service-ms", &setting::SERVICE.as_millis().to_string()]).stdout(Stdio::piped());
        let mut process = Process::start(&mut command, &folder.join(format!("{name}.log")))?;
        let Ready { site, side } = serde_json::from_str(&process.first_line().await?)
            .context("the demonstration's site said something else than its addresses")?;
        Ok(Self { process, site, side })
    }

    /// Ends it.
    pub async fn stop(self) {
        self.process.stop(Duration::from_secs(2)).await;
    }
}
