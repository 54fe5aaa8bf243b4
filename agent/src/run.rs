//! `overspill run`: puts the parts together and holds them until the agent is told to stop.
//!
//! The edge comes first and goes last. Nothing that fails beside it - state, ledger, mesh, admin listener, logs - keeps the site from
//! being served; only another agent on the same state, or an address in use, refuses the start.

use std::sync::Arc;

use overspill_edge::{Clock, Handle, StartError};

use crate::{
    access_log::{self, AccessLog},
    cli::{
        config,
        exit::{Exit, Failure, Outcome},
    },
    config::{Loaded, Request, table::Settings},
    shutdown::{Asked, Signals},
    telemetry::{self, Level},
};

mod edge;

/// Serves until told to stop.
///
/// # Errors
/// When the agent cannot start.
pub fn run(request: Request) -> Outcome {
    let loaded = config::load(&request)?;
    let level = telemetry::start(loaded.settings.log_format, &loaded.settings.log_level);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("agent").enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of_system("no runtime", error))?;
    runtime.block_on(serve(request, loaded, level))
}

async fn serve(request: Request, loaded: Loaded, level: Level) -> Outcome {
    let mut signals = Signals::take().map_err(|error| Failure::of_system("signals cannot be taken", error))?;
    let clock = Clock::new();
    let edge = Arc::new(overspill_edge::start(edge::config(&loaded.settings)?, clock).map_err(|error| not_started(&error))?);
    let access = match edge.access() {
        Some(records) => AccessLog::start(records, access_log::Form::of(&loaded.settings)).ok(),
        None => None,
    };
    tracing::info!(listen = %edge.local_addr(), origin = %loaded.settings.origin.authority, "serving");
    let mut settings = loaded.settings;
    loop {
        match signals.next().await {
            Asked::Stop => break,
            Asked::Reload => reload(&request, &edge, &level, access.as_ref(), &mut settings),
        }
    }
    stop(edge, access, &settings).await;
    Ok(())
}

/// Takes what can be changed while serving; a configuration with faults changes nothing.
fn reload(request: &Request, edge: &Handle, level: &Level, access: Option<&AccessLog>, settings: &mut Settings) {
    match request.load() {
        Ok(loaded) => {
            *settings = loaded.settings;
            match edge::config(settings) {
                Ok(config) => edge.reload(config),
                Err(failure) => tracing::warn!(%failure, "edge not reloaded"),
            }
            level.set(&settings.log_level);
            if let Some(access) = access {
                access.reopen(access_log::Form::of(settings));
            }
            tracing::info!("configuration reloaded");
        }
        Err(faults) => tracing::warn!(%faults, "configuration not reloaded: the old one stays in force"),
    }
}

async fn stop(edge: Arc<Handle>, access: Option<AccessLog>, settings: &Settings) {
    let grace = settings.grace;
    tracing::info!(?grace, "stopping");
    let stopped = tokio::task::spawn_blocking(move || {
        let clean = edge.shutdown(grace);
        drop(edge);
        if let Some(access) = access {
            access.finish();
        }
        clean
    });
    match stopped.await {
        Ok(true) => tracing::info!("stopped: every request was finished"),
        Ok(false) => tracing::warn!("stopped: some requests were cut off"),
        Err(error) => tracing::error!(%error, "the edge did not stop cleanly"),
    }
}

fn not_started(error: &StartError) -> Failure {
    let exit = match error {
        StartError::Occupied(_) | StartError::Forbidden(_) => Exit::InUse,
        _ => Exit::Failed,
    };
    // The edge's messages say what to do after the last colon or semicolon.
    let text = error.to_string();
    match text.rsplit_once([':', ';']) {
        Some((what, advice)) if advice.len() > 8 => Failure::new(exit, what.trim(), advice.trim()),
        _ => Failure::new(exit, text, "see `overspill run --help` for --listen"),
    }
}
