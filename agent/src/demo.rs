//! `overspill demo`: a crowd strikes, and partners carry it, on this machine, with real processes.
//!
//! Three arms meet the same crowd: the bare origin, an agent alone, and the agent with its helpers. Read [`setting`] for what
//! they share, [`crowd`] for who comes, [`relay`] for the lines, [`visitors`] for what counts as right, [`figures`] for the sums.

pub mod agent;
pub mod alone;
pub mod arm;
pub mod ask;
pub mod bare;
pub mod content;
pub mod crowd;
pub mod draw;
pub mod figures;
pub mod keep;
pub mod ledgers;
pub mod limits;
pub mod mesh;
pub mod origin;
pub mod process;
pub mod progress;
pub mod relay;
pub mod report;
pub mod requests;
pub mod sampler;
pub mod setting;
pub mod site;
pub mod visitors;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;

use progress::Display;
use report::Measured;
use requests::Requests;
use setting::Setting;
use visitors::Journal;

use crate::cli::out;

/// Options of `overspill demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Partners that help.
    #[arg(long, default_value_t = 5)]
    pub helpers: usize,
    /// The crowd's height, relative to the pages that the origin can render; a fifth of it is relative to the uplink.
    #[arg(long, default_value_t = 20.0)]
    pub factor: f64,
    /// Every site's line in Mbit/s [default: 20; with --log, what the log's objects need].
    #[arg(long, value_name = "MBIT")]
    pub line: Option<f64>,
    /// Seconds of calm before the crowd, at least; every post of the built-in site is read once in it.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub calm: u64,
    /// From the crowd's onset to its end.
    #[arg(long, default_value_t = 16)]
    pub seconds: u64,
    /// Seed of content, crowd and service times.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Replays the most crowded stretch of an access log in the combined format.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Where the report is written [default: overspill-demo.html in the folder for temporary files].
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Writes every request of every arm to a file of comma-separated values.
    #[arg(long, value_name = "FILE")]
    pub requests: Option<PathBuf>,
    /// Prints one JSON object (schema overspill.demo/1) on standard output.
    #[arg(long)]
    pub json: bool,
    /// Leaves the mesh running at the end, until Ctrl-C, and says how to look at it.
    #[arg(long)]
    pub keep: bool,
    /// Runs only these arms.
    #[arg(long, value_delimiter = ',', hide = true, default_value = "bare,alone,mesh")]
    pub arms: Vec<String>,
    /// Posts of the built-in site.
    #[arg(long, hide = true, default_value_t = 36)]
    pub pages: usize,
    /// Kills the first helper this many seconds after the crowd's onset.
    #[arg(long, hide = true, value_name = "SECONDS")]
    pub kill_helper_at: Option<f64>,
    /// Stops (freezes) the first helper this many seconds after the crowd's onset.
    #[arg(long, hide = true, value_name = "SECONDS", conflicts_with = "kill_helper_at")]
    pub stop_helper_at: Option<f64>,
    /// Kills the owner's agent this many seconds after the crowd's onset, and starts it again at once.
    #[arg(long, hide = true, value_name = "SECONDS", conflicts_with_all = ["kill_helper_at", "stop_helper_at"])]
    pub kill_owner_at: Option<f64>,
}

/// Runs the demonstration.
///
/// # Errors
/// When a part of it cannot be started.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let setting = Setting::new(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("cannot start a runtime")?;
    runtime.block_on(async {
        tokio::select! {
            done = demonstrate(options, setting) => done,
            // Dropping everything ends the child processes; with --keep, that is how a demonstration ends.
            () = interrupted() => if options.keep { Ok(ExitCode::SUCCESS) } else { anyhow::bail!("interrupted") },
        }
    })
}

/// Waits for Ctrl-C or for a polite request to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {},
        _ = terminate.recv() => {},
    }
}

async fn demonstrate(options: &Options, setting: Setting) -> anyhow::Result<ExitCode> {
    let display = Display::new();
    let wanted = |name: &str| options.arms.iter().any(|arm| arm == name);
    let mut requests = options.requests.as_deref().map(Requests::create).transpose()?;
    let mut keep = |arm: &str, journal: &Journal, setting: &Setting| match &mut requests {
        Some(file) => file.add(arm, &setting.content, journal),
        None => Ok(()),
    };
    let mut measured = Measured { setting, bare_origin: None, agent_alone: None, mesh: None };
    if wanted("bare") {
        display.say("first: visitors go straight to the site");
        let (arm, journal) = bare::run(&measured.setting, &display).await?;
        keep("bare", &journal, &measured.setting)?;
        measured.bare_origin = Some(arm);
    }
    if wanted("alone") {
        display.say("second: an agent stands in front of the site, alone");
        let (arm, journal) = alone::run(&measured.setting, &display).await?;
        keep("alone", &journal, &measured.setting)?;
        measured.agent_alone = Some(arm);
    }
    let mut running = None;
    if wanted("mesh") {
        display.say("third: the agent with its helpers; starting them and joining them by invites");
        let (arm, journal, mesh) = mesh::run(&measured.setting, options, &display).await?;
        keep("mesh", &journal, &measured.setting)?;
        measured.mesh = Some(arm);
        running = Some(mesh);
    }
    tell(options, &measured, &display)?;
    if let Some(mesh) = running {
        if options.keep {
            keep::until_interrupted(&mesh, &display).await;
        }
        mesh.stop().await;
    }
    // What the processes wrote is of no use any more; that it may stay behind harms nobody.
    let _ = std::fs::remove_dir_all(&measured.setting.folder);
    Ok(ExitCode::SUCCESS)
}

/// Prints the table or the object, and writes the report.
fn tell(options: &Options, measured: &Measured, display: &Display) -> anyhow::Result<()> {
    let file = options.report.clone().unwrap_or_else(|| std::env::temp_dir().join("overspill-demo.html"));
    std::fs::write(&file, report::page(measured)?).with_context(|| format!("cannot write the report to {}", file.display()))?;
    if options.json {
        out::line(serde_json::to_string_pretty(&report::json(measured))?)?;
    } else {
        out::text(report::table(measured))?;
    }
    display.say(&format!("report: {}", file.display()));
    Ok(())
}
