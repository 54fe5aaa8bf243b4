//! `overspill run`: puts the parts together and holds them until the agent is told to stop.
//!
//! The edge comes first and goes last. Nothing that fails beside it - state, ledger, mesh, logs - keeps the site from being served; only
//! another agent on the same state, or an address in use, refuses the start.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use arc_swap::ArcSwap;
use overspill_edge::{Clock, Handle, StartError};
use serde_json::json;

use crate::{
    access_log::{self, AccessLog},
    acme::Keeper,
    admin::{control::Control, http::Admin},
    certificates::Stamps,
    cli::{
        config,
        exit::{Exit, Failure, Outcome},
    },
    config::{Loaded, Request, table::Settings},
    named::Named,
    shutdown::{Asked, Signals},
    state::{self, names},
    telemetry::{self, Level},
};

pub mod agent;
mod agentless;
pub(crate) mod carrying;
mod denying;
pub(crate) mod disputing;
mod edge;
pub(crate) mod keep;

use agent::Agent;
use keep::Keep;

/// Serves until told to stop.
///
/// # Errors
/// When the agent cannot start; nothing is left running then.
pub fn run(request: Request) -> Outcome {
    let started = Instant::now();
    let loaded = config::load(&request)?;
    let level = telemetry::start(loaded.settings.log_format, &loaded.settings.log_level);
    for variable in request.strange_variables() {
        tracing::warn!(variable, "this environment variable is no setting and does nothing");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("agent").enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of_system("no runtime", error))?;
    runtime.block_on(serve(request, loaded, level, started))
}

async fn serve(request: Request, loaded: Loaded, level: Level, started: Instant) -> Outcome {
    let mut signals = Signals::take().map_err(|error| Failure::of_system("signals cannot be taken", error))?;
    let settings = &loaded.settings;
    let mut keep = Keep::open(&state::directory(settings))?;
    let admin = bind_admin(settings).await?;
    let clock = Clock::shifted(settings.clock_offset);
    let stamps = Stamps::of(settings);
    let named = Named::read(&loaded)
        .map_err(|faults| Failure::new(Exit::Usage, faults.to_string(), "nothing was started; `overspill config check` checks again"))?;
    let acme = Keeper::new(keep.state().map(|state| state.file(names::CERTIFICATES)));
    let named = Named { identities: acme.take(&loaded, named.identities), ..named };
    // Before the first visitor: what was denied stays denied.
    let denied = keep.open_lists();
    let config = overspill_edge::Config { denied, ..edge::config(&loaded, named.clone(), keep.state())? };
    let edge = Arc::new(overspill_edge::start(config, clock.clone()).map_err(|error| not_started(&error))?);
    let serving_after_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(listen = %edge.local_addr(), origin = settings.origin.authority, serving_after_ms, "serving");
    let access = edge.access().and_then(|records| start_access_log(records, settings));
    edge.keep_records(access.is_some() && settings.access_log_path.is_some());
    // A long ledger takes its time to be read: visitors are served meanwhile.
    keep.open_ledger();
    keep.start_mesh(settings, clock.clone(), Arc::clone(&edge));
    let agent = Arc::new(Agent {
        request,
        edge,
        keep,
        access: Mutex::new(access),
        level,
        started,
        admin: admin.as_ref().and_then(|admin| admin.address().ok()),
        stopping: AtomicBool::new(false),
        clock,
        stamps: Mutex::new(stamps),
        acme,
        agentless: Mutex::default(),
        loaded: ArcSwap::from_pointee(loaded),
    });
    agent.doubt(&named.identities, &agent.loaded.load());
    let mut served = tokio::task::JoinSet::new();
    served.spawn(Arc::clone(&agent).keep_certificates());
    served.spawn(Arc::clone(&agent).keep_issued());
    served.spawn(Arc::clone(&agent).keep_agentless());
    if let Some(admin) = admin {
        served.spawn(admin.serve(Arc::clone(&agent)));
    }
    if let Some(control) = bind_control(&agent) {
        served.spawn(control.serve(Arc::clone(&agent)));
    }
    announce(&agent);
    while signals.next().await == Asked::Reload {
        // A refusal is logged, with all that is wrong.
        let _ = agent.reload();
    }
    agent.stopping.store(true, Relaxed);
    stop(&agent).await;
    served.shutdown().await;
    finish(agent).await;
    Ok(())
}

async fn bind_admin(settings: &Settings) -> Result<Option<Admin>, Failure> {
    let Some(address) = settings.admin else { return Ok(None) };
    let bound = Admin::bind(address).await;
    bound.map(Some).map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::AddrInUse { Exit::InUse } else { Exit::Failed };
        Failure::new(exit, format!("the admin listener cannot have {address}: {error}"), "give another --admin, or `--admin none`")
    })
}

fn start_access_log(records: tokio::sync::mpsc::Receiver<overspill_edge::AccessRecord>, settings: &Settings) -> Option<AccessLog> {
    AccessLog::start(records, access_log::Form::of(settings)).inspect_err(|error| tracing::warn!(%error, "no access log")).ok()
}

fn bind_control(agent: &Agent) -> Option<Control> {
    let path = agent.keep.state()?.file(names::SOCKET);
    let bound = Control::bind(&path);
    bound.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "no control socket: commands will not find this agent")).ok()
}

/// Says where the agent listens, in a file: with port 0 nobody could know otherwise.
fn announce(agent: &Agent) {
    let Some(state) = agent.keep.state() else { return };
    let running = json!({
        "schema": "overspill.running/1",
        "pid": std::process::id(),
        "listen": agent.edge.local_addrs().iter().map(SocketAddr::to_string).collect::<Vec<_>>(),
        "tls": agent.edge.secure_addrs().iter().map(SocketAddr::to_string).collect::<Vec<_>>(),
        "admin": agent.admin.map(|admin| admin.to_string()),
    });
    let (path, draft) = (state.file(names::RUNNING), state.file("running.json.new"));
    if let Err(error) = state::write_private(&draft, format!("{running}\n").as_bytes()).and_then(|()| std::fs::rename(&draft, &path)) {
        tracing::warn!(%error, "where the agent listens is not written down");
    }
}

/// Lets requests finish. The mesh lives on meanwhile: guests' visitors may still wait for a fill.
async fn stop(agent: &Arc<Agent>) {
    let grace = agent.loaded.load().settings.grace;
    tracing::info!(grace_ms = grace.as_millis(), "stopping");
    let edge: Arc<Handle> = Arc::clone(&agent.edge);
    match tokio::task::spawn_blocking(move || edge.shutdown(grace)).await {
        Ok(true) => tracing::info!("every request was finished"),
        Ok(false) => tracing::warn!("some requests were cut off at the end of the grace"),
        Err(error) => tracing::error!(%error, "the edge did not stop cleanly"),
    }
}

/// Ends what is left: the log writer, the mesh, the ledger, and last the lock.
async fn finish(agent: Arc<Agent>) {
    let running = agent.keep.state().map(|state| state.file(names::RUNNING));
    let ended = tokio::task::spawn_blocking(move || {
        if let Some(access) = agent.access.lock().unwrap_or_else(PoisonError::into_inner).take() {
            access.finish();
        }
        if let Some(path) = running.as_deref() {
            let _: Result<(), _> = std::fs::remove_file::<&Path>(path);
        }
        // Requests for figures were ended before, so nobody else holds the agent.
        if let Some(mut agent) = Arc::into_inner(agent) {
            agent.keep.close();
        }
    });
    match ended.await {
        Ok(()) => tracing::info!("stopped"),
        Err(error) => tracing::error!(%error, "not everything ended cleanly; the ledger is repaired at the next start if need be"),
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
