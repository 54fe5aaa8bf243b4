//! Several sites behind one edge, chosen by Host: what each has of its own, and which one a host is.
//!
//! They share listeners, memory, the link, visitors' debts and the mesh. Each has its origin, its learned limit there, and its rules.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::uri::Authority;

use crate::{
    admission::Admission,
    clock::Clock,
    config::{Canonical, Config, OriginLimits},
    edge::Settings,
    guest::lower_case,
    metrics::Counters,
    origin::{Origin, trust::OriginTls},
    spill::names::Names,
    tls::Tls,
};

/// A further site of an edge.
#[derive(Debug, Clone)]
pub struct Site {
    /// How visitors name it.
    pub canonical: Canonical,
    /// Further hosts that are the same site.
    pub hosts: Vec<Authority>,
    /// Its origin's authority.
    pub origin: Authority,
    /// TLS towards its origin.
    pub origin_tls: Option<OriginTls>,
    /// How many requests its origin is given.
    pub origin_limits: OriginLimits,
    /// How long its origin may take to begin an answer to a safe request.
    pub origin_head: Duration,
    /// Under its origin's pressure: how long a page without freshness counts as fresh.
    pub micro_cache: Duration,
    /// Under its origin's pressure: how old a copy may be at most.
    pub stale_max: Duration,
    /// While its origin fails: how old a copy may be at most.
    pub stale_error_max: Duration,
    /// Whether its visitors over plain HTTP are sent to HTTPS.
    pub redirect: bool,
    /// Whoever says this may purge it.
    pub purge_token: Option<String>,
}

impl Site {
    /// A site with the rules of `first`.
    #[must_use]
    pub fn new(canonical: Canonical, origin: Authority, first: &Config) -> Self {
        Self {
            canonical,
            hosts: Vec::new(),
            origin,
            origin_tls: None,
            origin_limits: first.origin_limits.clone(),
            origin_head: first.timeouts.origin_head,
            micro_cache: first.micro_cache,
            stale_max: first.stale_max,
            stale_error_max: first.stale_error_max,
            redirect: first.tls.redirect,
            purge_token: first.purge_token.clone(),
        }
    }

    /// The settings of this site among others: all that it has not of its own is `first`'s.
    fn config(&self, first: &Config) -> Config {
        let site = self.clone();
        let mut config = Config {
            tls: Tls { redirect: site.redirect, ..first.tls.clone() },
            origin: site.origin,
            origin_tls: site.origin_tls,
            canonical: Some(site.canonical),
            hosts: site.hosts,
            micro_cache: site.micro_cache,
            stale_max: site.stale_max,
            stale_error_max: site.stale_error_max,
            origin_limits: site.origin_limits,
            purge_token: site.purge_token,
            sites: Vec::new(),
            ..first.clone()
        };
        config.timeouts.origin_head = site.origin_head;
        config
    }
}

/// The sites beside the first, and whose each host is.
#[derive(Clone, Default)]
pub(crate) struct Sites {
    list: Vec<Arc<Settings>>,
    by_host: HashMap<String, usize>,
}

impl Sites {
    /// Those of `config`. A site that was there `before` goes on with what was learned of its origin.
    pub(crate) fn new(config: &Config, before: &Self, clock: &Clock, counters: &Arc<Counters>) -> Self {
        let (mut sites, first) = (Self::default(), config.canonical.as_ref());
        for (at, site) in config.sites.iter().enumerate() {
            let known = before.find(&site.canonical.authority);
            let learned = known.map(|settings| Arc::clone(&settings.admission));
            let admission = learned.unwrap_or_else(|| Admission::new(site.origin_limits.clone(), clock.clone()));
            admission.bound(site.origin_limits.clone());
            for host in std::iter::once(&site.canonical.authority).chain(&site.hosts) {
                sites.by_host.entry(host.as_str().to_ascii_lowercase()).or_insert(at);
            }
            let config = site.config(config);
            let origin = match known {
                Some(settings) => settings.origin.renewed(&config, clock.clone()),
                None => Origin::new(&config, clock.clone(), Arc::clone(counters)),
            };
            let names = Names::of_site(&site.canonical, first);
            sites.list.push(Arc::new(Settings::of_site(config, admission, origin, names)));
        }
        sites
    }

    /// The site that a host is.
    pub(crate) fn find(&self, host: &Authority) -> Option<&Arc<Settings>> {
        if self.list.is_empty() {
            return None;
        }
        self.list.get(*self.by_host.get(lower_case(host.as_str()).as_ref())?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Settings>> {
        self.list.iter()
    }
}
