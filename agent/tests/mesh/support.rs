//! What the stories need: sites with an origin behind them and an agent in front, visitors, and patience.

pub(crate) mod between;
pub(crate) mod books;
pub(crate) mod crowd;
pub(crate) mod disk;
pub(crate) mod http;
pub(crate) mod origin;
pub(crate) mod site;

use std::{
    net::TcpListener,
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

/// A port that was free a moment ago. An agent's own addresses name its ports, so they have to be known before it starts.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
