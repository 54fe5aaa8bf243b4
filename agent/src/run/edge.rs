//! From settings to the edge's own configuration.

use http::uri::{Authority, Scheme};
use overspill_edge::{Canonical, Config, Connections, DiskCache, Identity, OriginLimits, Timeouts, Tls};

use crate::{
    cli::exit::{Exit, Failure},
    config::{table::Settings, value::Web},
    state::{State, names},
};

/// What the settings ask of the edge, with the certificates that they name, and the state directory if it can be used.
///
/// # Errors
/// When an address passed our reading but not the edge's types; nothing is started then.
pub(super) fn config(settings: &Settings, identities: Vec<Identity>, state: Option<&State>) -> Result<Config, Failure> {
    let careful = Config::new(authority(&settings.origin.authority)?);
    let hosts: Result<Vec<_>, _> = settings.hosts.iter().map(|host| authority(&host.0)).collect();
    Ok(Config {
        listen: settings.listen.clone(),
        tls: Tls { listen: settings.tls_listen.clone(), identities, redirect: settings.tls_redirect },
        threads: settings.threads.map_or(0, |threads| threads as usize),
        canonical: settings.site.as_ref().map(canonical).transpose()?,
        hosts: hosts?,
        memory: settings.memory,
        // Nobody else uses a locked state directory; without one there is no place that is ours.
        disk: state.map(|state| DiskCache { path: state.file(names::CACHE), bytes: settings.cache_disk.unwrap_or_default() }),
        uplink: settings.uplink,
        rewrite: settings.rewrite,
        trusted: settings.trusted.0.clone(),
        micro_cache: settings.micro_cache,
        stale_max: settings.stale_max,
        stale_error_max: settings.stale_error_max,
        origin_limits: OriginLimits {
            min: settings.origin_limit_min,
            initial: settings.origin_limit_initial,
            max: settings.origin_limit_max,
            queue_max: settings.origin_queue,
            queue_wait: settings.origin_wait,
            target_delay: settings.origin_delay,
        },
        timeouts: Timeouts { origin_head: settings.origin_timeout, ..careful.timeouts.clone() },
        connections: Connections { max: settings.connections, per_address: settings.connections_per_address },
        miss_budget: settings.miss_budget,
        trusted_proxies: settings.trusted_proxies.clone(),
        purge_token: settings.purge_token.as_ref().map(|token| token.0.clone()),
        guest_memory: settings.caps_storage,
        guest_suffix: settings.guest_suffix.as_ref().map(|suffix| suffix.0.clone()),
        ..careful
    })
}

fn canonical(site: &Web) -> Result<Canonical, Failure> {
    let scheme = if site.scheme == "https" { Scheme::HTTPS } else { Scheme::HTTP };
    Ok(Canonical { scheme, authority: authority(&site.authority)? })
}

fn authority(text: &str) -> Result<Authority, Failure> {
    text.parse().map_err(|error| Failure::new(Exit::Usage, format!("{text:?} is not an authority: {error}"), "write host or host:port"))
}
