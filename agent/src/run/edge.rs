//! From settings to the edge's own configuration.

use http::uri::{Authority, Scheme};
use overspill_edge::{Canonical, Config, Connections, DiskCache, OriginLimits, OriginPool, Site, Sockets, Timeouts, Tls};

use crate::{
    cli::exit::{Exit, Failure},
    config::{
        Loaded,
        table::Settings,
        value::{self, Web},
    },
    named::Named,
    state::{State, names},
};

/// What the settings ask of the edge, with what is in the files that they name, and the state directory if it can be used.
///
/// # Errors
/// When an address passed our reading but not the edge's types; nothing is started then.
pub(super) fn config(loaded: &Loaded, named: Named, state: Option<&State>) -> Result<Config, Failure> {
    let settings = &loaded.settings;
    let careful = Config::new(authority(&settings.origin.authority)?);
    let config = Config {
        listen: settings.listen.clone(),
        tls: Tls {
            listen: settings.tls_listen.clone(),
            identities: named.identities.clone(),
            redirect: settings.tls_redirect,
            guests: settings.guest_scheme == value::Scheme::Https && !settings.tls_listen.is_empty(),
        },
        threads: settings.threads.map_or(0, |threads| threads as usize),
        canonical: settings.site.as_ref().map(canonical).transpose()?,
        hosts: hosts(settings)?,
        memory: settings.memory,
        // Nobody else uses a locked state directory; without one there is no place that is ours.
        disk: state.map(|state| DiskCache { path: state.file(names::CACHE), bytes: settings.cache_disk.unwrap_or_default() }),
        uplink: settings.uplink,
        rewrite: settings.rewrite,
        trusted: settings.trusted.0.clone(),
        agentless: settings.agentless.clone(),
        micro_cache: settings.micro_cache,
        preview_cache: settings.preview_cache,
        stale_max: settings.stale_max,
        stale_error_max: settings.stale_error_max,
        origin_limits: origin_limits(settings),
        origin_tls: named.towards(&settings.origin),
        origin_pool: OriginPool {
            start: settings.pool_start,
            max: settings.pool_max,
            interval: settings.pool_interval,
            lookup: settings.pool_lookup,
        },
        sockets: Sockets { keepalive: settings.keepalive, user_timeout: settings.user_timeout, backlog: settings.backlog },
        waiting_page: named.waiting_page.clone(),
        timeouts: Timeouts { origin_head: settings.origin_timeout, connect: settings.pool_connect, ..careful.timeouts.clone() },
        connections: Connections { max: settings.connections, per_address: settings.connections_per_address },
        miss_budget: settings.miss_budget,
        trusted_proxies: settings.trusted_proxies.clone(),
        purge_token: purge_token(settings),
        guest_memory: settings.caps_storage,
        guest_memory_each: settings.caps_member_storage.unwrap_or(settings.caps_storage),
        guest_suffix: settings.guest_suffix.as_ref().map(|suffix| suffix.0.clone()),
        ..careful
    };
    let sites: Result<Vec<_>, _> = loaded.sites.values().map(|further| site(&further.settings, &named, &config)).collect();
    Ok(Config { sites: sites?, ..config })
}

fn site(settings: &Settings, named: &Named, first: &Config) -> Result<Site, Failure> {
    let web = settings.site.as_ref().ok_or_else(super::agent::no_site)?;
    Ok(Site {
        hosts: hosts(settings)?,
        origin_tls: named.towards(&settings.origin),
        origin_limits: origin_limits(settings),
        origin_head: settings.origin_timeout,
        micro_cache: settings.micro_cache,
        stale_max: settings.stale_max,
        stale_error_max: settings.stale_error_max,
        redirect: settings.tls_redirect,
        purge_token: purge_token(settings),
        ..Site::new(canonical(web)?, authority(&settings.origin.authority)?, first)
    })
}

fn hosts(settings: &Settings) -> Result<Vec<Authority>, Failure> {
    settings.hosts.iter().map(|host| authority(&host.0)).collect()
}

fn purge_token(settings: &Settings) -> Option<String> {
    settings.purge_token.as_ref().map(|token| token.0.clone())
}

fn origin_limits(settings: &Settings) -> OriginLimits {
    OriginLimits {
        min: settings.origin_limit_min,
        initial: settings.origin_limit_initial,
        max: settings.origin_limit_max,
        queue_max: settings.origin_queue,
        queue_wait: settings.origin_wait,
        target_delay: settings.origin_delay,
    }
}

fn canonical(site: &Web) -> Result<Canonical, Failure> {
    let scheme = if site.scheme == "https" { Scheme::HTTPS } else { Scheme::HTTP };
    Ok(Canonical { scheme, authority: authority(&site.authority)? })
}

fn authority(text: &str) -> Result<Authority, Failure> {
    text.parse().map_err(|error| Failure::new(Exit::Usage, format!("{text:?} is not an authority: {error}"), "write host or host:port"))
}
