//! The body of the mesh: drives one [`overspill_protocol::site::Site`] with real sockets, a real ledger and a real clock.
//!
//! It runs on a thread of its own and may die there: the thread opens a new site from the ledger, while the edge serves on by its
//! last plan, which goes stale by itself. The rules of driving stand in [`overspill_protocol::io`].

mod outputs;
mod session;
mod tell;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use overspill_edge::{Clock, Handle as Edge};
use overspill_governance::site::Key;
use overspill_protocol::{
    io::{Caps, Config, GuestAddress},
    plan::FillWanted,
};
use tokio::sync::{Mutex, mpsc, watch};
use zeroize::Zeroizing;

use crate::{
    entropy,
    ledger::Ledger,
    mesh_handle::{Ask, Asks, MeshHandle},
    prove::Reach,
    samples::Ways,
    stopped::Stops,
};

/// First pause before a mesh that ended is started again; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause before it is started again.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// A mesh that ran for this long ends for a new reason: the pause starts over.
const HEALTHY: Duration = Duration::from_secs(60);

/// What a mesh is told once, at its start.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Seed of the site's key.
    pub seed: Zeroizing<[u8; 32]>,
    /// The canonical scheme and authority that visitors use.
    pub canonical: String,
    /// Multiaddrs to listen on; opened when there is a mesh.
    pub listen: Vec<String>,
    /// Multiaddrs to tell partners; empty: those that are listened on.
    pub announce: Vec<String>,
    /// How guests are reached here; `None`: this site hosts nobody.
    pub guest: Option<GuestAddress>,
    /// Hard caps on what is carried for others.
    pub caps: Caps,
    /// For whom nothing is carried.
    pub stopped: Stops,
    /// Whose host names may be checked.
    pub reach: Reach,
    /// How samples reach helpers.
    pub ways: Arc<Ways>,
}

impl Setup {
    fn config(&self, addresses: &[String]) -> std::io::Result<Config> {
        let addresses = if self.announce.is_empty() { addresses.to_vec() } else { self.announce.clone() };
        Ok(Config {
            key: Key::from_seed(*self.seed),
            seed: entropy::seed()?,
            canonical: self.canonical.clone(),
            addresses,
            guest: self.guest.clone(),
            caps: self.caps,
        })
    }
}

/// The world that a mesh runs in. It outlives every mesh task.
struct World {
    setup: Setup,
    clock: Clock,
    edge: Arc<Edge>,
    ledger: Ledger,
    asks: Asks,
    wants: Mutex<Option<mpsc::Receiver<FillWanted>>>,
    stop: watch::Receiver<bool>,
}

/// A running mesh. Dropping it stops the mesh and waits for its thread.
#[derive(Debug)]
pub struct Mesh {
    handle: MeshHandle,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Mesh {
    /// Starts a mesh on its own thread. Whatever befalls it there, `edge` serves on.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(setup: Setup, clock: Clock, edge: Arc<Edge>, ledger: Ledger) -> std::io::Result<Self> {
        let (handle, asks) = MeshHandle::new();
        let (stop, stopped) = watch::channel(false);
        let wants = Mutex::new(edge.take_wanted());
        edge.publish_key(overspill_protocol::proof::published(&Key::from_seed(*setup.seed).site()));
        let world = World { setup, clock, edge, ledger, asks, wants, stop: stopped };
        let thread = thread::Builder::new().name("mesh".into()).spawn(move || supervise(&world))?;
        Ok(Self { handle, stop, thread: Some(thread) })
    }

    /// The way to talk to it.
    #[must_use]
    pub fn handle(&self) -> MeshHandle {
        self.handle.clone()
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the mesh had panicked");
        }
    }
}

/// Why a session ended.
#[derive(Debug)]
enum Ended {
    /// The agent stops.
    Stopped,
    /// Something is to begin afresh at once: the first wish to have a mesh opens the listener.
    Afresh,
    /// It cannot go on as it is, with the reason in words.
    Failed(String),
}

fn supervise(world: &World) {
    let mut pause = PAUSE_MIN;
    let mut opening = session::Opening::default();
    loop {
        let started = Instant::now();
        // The world is shared state behind locks that survive a panic; the site and its sockets die with the runtime.
        let ended = catch_unwind(AssertUnwindSafe(|| run_once(world, &mut opening)));
        let reason = match ended {
            Ok(Ended::Stopped) => return,
            Ok(Ended::Afresh) => continue,
            Ok(Ended::Failed(reason)) => reason,
            Err(_) => "a fault of the agent itself; please report what its log says above".to_owned(),
        };
        if started.elapsed() > HEALTHY {
            pause = PAUSE_MIN;
        }
        tracing::warn!(reason, pause_ms = pause.as_millis(), "the mesh stopped and is started again; the site serves on");
        if wait(world, pause, &reason) {
            return;
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn run_once(world: &World, opening: &mut session::Opening) -> Ended {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(session::run(world, opening)),
        Err(error) => Ended::Failed(format!("the operating system gives no more resources: {error}")),
    }
}

/// Waits before the next attempt, and tells whoever asks meanwhile why there is no mesh. Returns whether the agent stops.
fn wait(world: &World, pause: Duration, reason: &str) -> bool {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
        thread::sleep(pause);
        return *world.stop.borrow();
    };
    runtime.block_on(async {
        let mut stop = world.stop.clone();
        let refuse = async {
            let mut asks = world.asks.lock().await;
            while let Some(ask) = asks.recv().await {
                let reason = || format!("the mesh is not running: {reason}");
                match ask {
                    Ask::Command(_, answer) => drop(answer.send(Err(reason()))),
                    Ask::Report(answer) => drop(answer.send(Err(reason()))),
                    Ask::Members(answer) => drop(answer.send(Err(reason()))),
                    Ask::Counts(answer) => drop(answer.send(Vec::new())),
                    Ask::Die => {}
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => *world.stop.borrow(),
            _ = stop.wait_for(|stopped| *stopped) => true,
            () = refuse => false,
        }
    })
}

#[cfg(test)]
mod tests;
