//! The agent's own log, on standard error: one subscriber, whose level a reload can change.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, Layer as _, Registry, layer::SubscriberExt as _, reload};

use crate::config::value::{Filter, LogFormat};

/// Changes the level of the running log.
#[derive(Clone)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Logs what `filter` lets through, from now on.
    pub fn set(&self, filter: &Filter) {
        if let Err(error) = self.0.reload(filter_of(filter)) {
            tracing::warn!(%error, "log level not changed");
        }
    }
}

/// Starts the log of this process; a second start changes nothing.
pub fn start(format: LogFormat, filter: &Filter) -> Level {
    let (filter, handle) = reload::Layer::new(filter_of(filter));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(colour).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let _ = tracing::subscriber::set_global_default(Registry::default().with(filter).with(layer));
    Level(handle)
}

/// What libraries say at INFO is not what an owner would tell a friend; naming them in the setting brings it back.
const QUIET: &str = "libp2p_swarm=warn,libp2p_gossipsub=warn,sled=warn";

/// The filter was read once before, by the configuration; what cannot be read falls back to the default level.
fn filter_of(filter: &Filter) -> EnvFilter {
    EnvFilter::try_new(format!("{QUIET},{}", filter.0)).unwrap_or_else(|_| EnvFilter::new("info"))
}
