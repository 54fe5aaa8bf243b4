//! What the stories need: sites with an origin behind them and an agent in front, visitors, and patience.

pub(crate) mod between;
pub(crate) mod books;
pub(crate) mod crowd;
pub(crate) mod disk;
pub(crate) mod http;
pub(crate) mod origin;
pub(crate) mod site;
pub(crate) mod tls;

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

pub(crate) use http::get;
pub(crate) use origin::{Origin, body_of};
pub(crate) use site::{Ran, Site};

/// How long anything may take on a loaded machine. Reaching it is a failure, not a measurement.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// Waits until `what` comes true.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A port that was free a moment ago. An agent's own addresses name its ports, so they have to be known before it starts. Below those that
/// the kernel gives to connections, which would take it meanwhile, and spread by process, for tests run side by side.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() as u16 % 100 * 200;
    let mut ports = (0..20_000).map(|_| 10_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed) % 20_000) % 20_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
