//! `overspill demo`: a crowd strikes, and partners carry it, on this machine, with real processes.

use std::process::ExitCode;

/// Options of `overspill demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {}

/// Runs the demonstration.
///
/// # Errors
/// When a part of it cannot be started.
pub fn run(_options: &Options) -> anyhow::Result<ExitCode> {
    anyhow::bail!("the demonstration is not part of this build")
}
