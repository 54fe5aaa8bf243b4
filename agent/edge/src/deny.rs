//! What must not be shown: the owner's denials, of its own sites and of guests here. Looked at before the cache, the origin and the helpers.
//!
//! The list is asked before anything else and is empty at most times, so that asking it costs one load.

mod answer;
mod table;
mod url;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use http::uri::Authority;

use self::table::Table;
use crate::{
    cache::{key::Key, store::Manner},
    config::Config,
    edge::{Edge, Settings},
};

pub(crate) use answer::answer;
pub use url::{DeniedUrl, Misread};

/// One thing that must not be shown, and what is shown instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What.
    pub url: DeniedUrl,
    /// How it is answered.
    pub status: DenialStatus,
    /// Why, for whoever asks for it; may be empty. At most [`DENIAL_REASON_BYTES_MAX`](crate::DENIAL_REASON_BYTES_MAX).
    pub reason: String,
    /// Address of who carries the denial out (RFC 7725 section 4), for programs.
    pub blocked_by: Option<String>,
}

/// How what is denied is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialStatus {
    /// 451: somebody may lawfully demand it (RFC 7725).
    Legal,
    /// 410: the owner took it away (RFC 9110 section 15.5.11).
    Gone,
}

impl DenialStatus {
    /// The status code.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Legal => 451,
            Self::Gone => 410,
        }
    }

    /// The status of a code, if what is denied may be answered with it.
    #[must_use]
    pub fn of_code(code: u16) -> Option<Self> {
        [Self::Legal, Self::Gone].into_iter().find(|status| status.code() == code)
    }
}

/// The list, as requests ask it. Shared by all threads.
pub(crate) struct Denials {
    any: AtomicBool,
    table: ArcSwap<Table>,
}

impl Denials {
    /// Of these, as far as they are of sites of `settings` or of guests.
    pub(crate) fn new(denied: &[Denial], config: &Config) -> Self {
        let table = Table::new(denied, config);
        Self { any: AtomicBool::new(!denied.is_empty()), table: ArcSwap::from_pointee(table) }
    }

    /// Replaces the list.
    pub(crate) fn replace(&self, denied: &[Denial], config: &Config) {
        self.table.store(Arc::new(Table::new(denied, config)));
        self.any.store(!denied.is_empty(), Relaxed);
    }

    /// What is denied.
    pub(crate) fn list(&self) -> Vec<Denial> {
        self.table.load().list().to_vec()
    }

    /// Whether anything is denied at all.
    pub(crate) fn has_any(&self) -> bool {
        self.any.load(Relaxed)
    }

    /// The denial of `target` (path and raw query, with or without our own parameters) on a host of a site; nothing, if it may be shown.
    pub(crate) fn of_site(&self, config: &Config, host: &Authority, target: &str) -> Option<Arc<Denial>> {
        if !self.has_any() {
            return None;
        }
        let named = config.canonical.as_ref().map_or(host, |canonical| &canonical.authority);
        self.table.load().find(named.as_str(), target)
    }

    /// The denial of what helpers know under this name.
    pub(crate) fn of_name(&self, name: &str) -> Option<Arc<Denial>> {
        if self.has_any() { self.table.load().find_own(name) } else { None }
    }

    /// The denial of a guest's object, by its owner's canonical scheme and authority, or by the address that it has here.
    pub(crate) fn of_guest(&self, (canonical, authority): (Option<&str>, &str), name: &str) -> Option<Arc<Denial>> {
        if self.has_any() { self.table.load().find_guest(canonical, authority, name) } else { None }
    }
}

impl Default for Denials {
    fn default() -> Self {
        Self { any: AtomicBool::new(false), table: ArcSwap::default() }
    }
}

impl fmt::Debug for Denials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

/// Denies these and nothing else from now on: copies of what was not denied before go, here and at helpers.
pub(crate) fn replace(denied: &[Denial], edge: &Edge) {
    let (settings, overflow) = (edge.settings.load(), &edge.overflow);
    let before = overflow.denials.list();
    overflow.denials.replace(denied, &settings.config);
    if denied.iter().all(|denial| before.contains(denial)) {
        return;
    }
    let table = overflow.denials.table.load();
    for (host, key) in places(denied, &settings) {
        // Nobody joins a fetch of what is denied, and what it brings is not kept.
        edge.flights.close_site(&key);
        edge.store.purge_where(&key, |path, _| table.find(&host, path).is_some(), Manner::Hard, edge.clock.time());
    }
    overflow.hot.bar();
    overflow.guests.bar();
}

/// Where something that is denied may be stored: the host by which it is denied, and a key of each place.
fn places(denied: &[Denial], settings: &Settings) -> Vec<(String, Key)> {
    let mut places = Vec::new();
    let configs = || std::iter::once(&settings.config).chain(settings.sites.iter().map(|site| &site.config));
    for denial in denied {
        let is_named = |config: &&Config| config.names().any(|name| url::host_of(name.as_str()) == denial.url.host());
        let (host, names): (String, Vec<Authority>) = match configs().find(is_named) {
            Some(config) => {
                let first = config.canonical.as_ref().map_or(denial.url.host(), |canonical| canonical.authority.as_str());
                (first.to_owned(), config.names().cloned().collect())
            }
            None => (denial.url.host().to_owned(), denial.url.host().parse().into_iter().collect()),
        };
        places.extend(names.iter().flat_map(Key::roots).map(|key| (host.clone(), key)));
    }
    places.sort_unstable_by(|(_, one), (_, other)| one.text().cmp(other.text()));
    places.dedup_by(|(_, one), (_, other)| one == other);
    places
}
