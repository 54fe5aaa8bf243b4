//! Child processes of the demonstration: the program itself, in other roles.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::Context as _;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, Command},
};

use super::limits;

/// A child that does not outlive the demonstration.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Held open: the site ends when its input does.
    _input: Option<ChildStdin>,
}

impl Process {
    /// Starts `command`, its log going to `log`.
    ///
    /// # Errors
    /// When the log cannot be written or the program cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        let child = command.stdin(Stdio::piped()).stderr(file).kill_on_drop(true).spawn();
        let mut child = child.context("cannot start a process of the demonstration")?;
        let input = child.stdin.take();
        Ok(Self { child, _input: input })
    }

    /// Reads the first line of standard output, which the command must have been given as a pipe.
    ///
    /// # Errors
    /// When none comes within [`limits::START_WITHIN`].
    pub async fn first_line(&mut self) -> anyhow::Result<String> {
        let output = self.child.stdout.take().context("the process has no output to read")?;
        let mut line = String::new();
        let mut reader = BufReader::new(output);
        tokio::time::timeout(limits::START_WITHIN, reader.read_line(&mut line))
            .await
            .context("the process did not say that it is ready")??;
        anyhow::ensure!(!line.is_empty(), "the process ended before it was ready");
        Ok(line)
    }

    /// The number by which the operating system knows it; `None` when it has ended.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends it a signal by number.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: rustix::process::Signal) -> anyhow::Result<()> {
        let id = self.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        Ok(rustix::process::kill_process(id.context("the process has ended")?, signal)?)
    }

    /// Ends it as a power cut would (`kill -9`) and waits until it is gone.
    ///
    /// # Errors
    /// When the operating system does not say that it is.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("a process of the demonstration could not be killed")
    }

    /// Asks it to end, and ends it when it has not within `grace`.
    pub async fn stop(mut self, grace: Duration) {
        let _ = self.signal(rustix::process::Signal::TERM);
        if tokio::time::timeout(grace, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// The program that is running now.
///
/// # Errors
/// When the operating system does not say which it is.
pub fn program() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot find the running program")?);
    command.env("NO_COLOR", "1");
    Ok(command)
}

/// Runs `command` to its end and returns its standard output.
///
/// # Errors
/// When it fails or takes longer than [`limits::COMMAND_WITHIN`]; with its own words.
pub async fn output(command: &mut Command) -> anyhow::Result<String> {
    let said = format!("{:?}", command.as_std());
    let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(limits::COMMAND_WITHIN, run).await.with_context(|| format!("{said} did not end in time"))??;
    anyhow::ensure!(output.status.success(), "{said} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    String::from_utf8(output.stdout).with_context(|| format!("{said} printed something else than text"))
}
