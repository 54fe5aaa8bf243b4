//! What the threads of one edge share.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, uri::Authority};
use overspill_governance::{digest::ObjectDigest, time::Time};
use overspill_protocol::{
    observation::{Observation, OriginLoad},
    plan::FillWanted,
};
use tokio::sync::{mpsc, watch};

use crate::{
    access::{AccessRecord, Account, CacheUse},
    addresses::Addresses,
    admission::Admission,
    cache::{key::Key, store::Store, stored::Stored},
    clock::Clock,
    config::{Config, DiskCache},
    debts::{Debts, Reservation},
    express::sheets::Sheets,
    flight::Flights,
    limits::{ACCESS_RECORDS_MAX, UNSEEN_BYTES},
    metrics::{Counters, Gauge, Metrics},
    observe::Readings,
    origin::{Fault, Origin, Standing},
    overflow::Overflow,
    sites::Sites,
    spill::names::Names,
    tls::Certificates,
};

/// Settings, with what is made of them. Replaced whole by a reload; a request keeps the ones it began with.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) origin: Origin,
    pub(crate) admission: Arc<Admission>,
    pub(crate) member_key: Option<String>,
    /// Further sites. Only the first site's settings have any.
    pub(crate) sites: Sites,
    /// How helpers know what this site holds.
    pub(crate) names: Names,
}

impl Settings {
    pub(crate) fn new(config: Config, clock: &Clock, counters: &Arc<Counters>) -> Self {
        let admission = Admission::new(config.origin_limits.clone(), clock.clone());
        let origin = Origin::new(&config, clock.clone(), Arc::clone(counters));
        let sites = Sites::new(&config, &Sites::default(), clock, counters);
        Self { sites, ..Self::of_site(config, admission, origin, Names::default()) }
    }

    /// Of one site alone.
    pub(crate) fn of_site(config: Config, admission: Arc<Admission>, origin: Origin, names: Names) -> Self {
        let member_key = config.member_key.clone();
        Self { config, origin, admission, member_key, sites: Sites::default(), names }
    }

    /// Of a new configuration; what was learned of origins stays, and so do the connections to those that stay the same.
    pub(crate) fn changed(&self, config: Config, clock: &Clock, counters: &Arc<Counters>) -> Self {
        self.admission.bound(config.origin_limits.clone());
        let member_key = config.member_key.clone().or_else(|| self.member_key.clone());
        let sites = Sites::new(&config, &self.sites, clock, counters);
        let origin = self.origin.renewed(&config, clock.clone());
        Self { member_key, sites, ..Self::of_site(config, Arc::clone(&self.admission), origin, Names::default()) }
    }

    /// Of the site that `host` is; nothing if none of ours is.
    pub(crate) fn of_host(self: &Arc<Self>, host: &Authority) -> Option<Arc<Self>> {
        self.sites.find(host).or_else(|| self.config.accepts(host).then_some(self)).map(Arc::clone)
    }

    /// Offers to helpers what they may have of a response that is about to be stored, if it stands under the site's own name.
    pub(crate) fn offer(&self, stored: &mut Stored) {
        if self.config.is_canonical(&stored.key()) && self.names.may_be_given(stored.media_type(), stored.body_bytes()) {
            let name = self.names.name(stored.path()).into_owned();
            stored.offer(&name);
        }
    }

    /// All origins.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &Origin> {
        std::iter::once(&self.origin).chain(self.sites.iter().map(|site| &site.origin))
    }

    /// How loaded the origins of all sites are.
    fn origin_load(&self, now: Time) -> OriginLoad {
        let mut sum = self.admission.load(now);
        for load in self.sites.iter().map(|site| site.admission.load(now)) {
            sum.in_flight = sum.in_flight.saturating_add(load.in_flight);
            sum.limit = sum.limit.saturating_add(load.limit);
            sum.queued = sum.queued.saturating_add(load.queued);
            sum.under_pressure |= load.under_pressure;
        }
        sum
    }
}

/// The shared state of one edge.
pub(crate) struct Edge {
    pub(crate) clock: Clock,
    pub(crate) settings: ArcSwap<Settings>,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) overflow: Overflow,
    pub(crate) store: Store,
    /// Copies of large bodies that it holds.
    pub(crate) sheets: Sheets,
    pub(crate) flights: Flights,
    pub(crate) counters: Arc<Counters>,
    pub(crate) connections: Gauge,
    pub(crate) addresses: Addresses,
    pub(crate) debts: Arc<Debts>,
    pub(crate) active: Gauge,
    /// Open WebSockets.
    pub(crate) tunnels: Gauge,
    /// Token by which this agent knows its own requests when they come back (RFC 8586).
    pub(crate) loop_token: HeaderValue,
    /// Turns true once: stop accepting, finish what is in flight.
    pub(crate) stopping: watch::Sender<bool>,
    /// Turns true once: close what is left.
    pub(crate) given_up: watch::Sender<bool>,
    access: mpsc::Sender<AccessRecord>,
    keeps_records: AtomicBool,
    access_receiver: Mutex<Option<mpsc::Receiver<AccessRecord>>>,
}

impl Edge {
    /// The edge, and the channel on which wanted fills are read.
    pub(crate) fn new(config: Config, clock: Clock) -> (Arc<Self>, mpsc::Receiver<FillWanted>) {
        let (access, access_receiver) = mpsc::channel(ACCESS_RECORDS_MAX);
        let (overflow, wanted) = Overflow::new(&config, clock.now());
        let counters = Arc::<Counters>::default();
        let room = config.disk.as_ref().and_then(DiskCache::room);
        let (store, sheets) = (Store::new(config.memory.0), Sheets::new(config.memory.0, room));
        store.use_disk(config.disk.as_ref().map(DiskCache::parts), &clock);
        let edge = Arc::new(Self {
            certificates: Certificates::new(&config.tls.identities),
            store,
            sheets,
            flights: Flights::default(),
            settings: ArcSwap::from_pointee(Settings::new(config, &clock, &counters)),
            clock,
            overflow,
            counters,
            connections: Gauge::default(),
            addresses: Addresses::default(),
            debts: Arc::default(),
            active: Gauge::default(),
            tunnels: Gauge::default(),
            loop_token: loop_token(),
            stopping: watch::Sender::new(false),
            given_up: watch::Sender::new(false),
            access,
            keeps_records: AtomicBool::new(false),
            access_receiver: Mutex::new(Some(access_receiver)),
        });
        (edge, wanted)
    }

    /// Replaces the settings by a changed copy; requests in flight keep theirs.
    pub(crate) fn change_settings(&self, mut change: impl FnMut(&mut Settings)) {
        self.settings.rcu(|settings| {
            let mut settings = Settings::clone(settings);
            change(&mut settings);
            settings
        });
    }

    /// What the control plane is told.
    pub(crate) fn observe(&self) -> Observation {
        let settings = self.settings.load();
        let readings = Readings {
            origin: settings.origin_load(self.clock.time()),
            connections: u32::try_from(self.connections.read()).unwrap_or(u32::MAX),
            connections_max: settings.config.connections.max,
            requests: self.counters.requests.read(),
        };
        let certified = settings.config.tls.guests.then(|| self.certificates.names());
        Observation { certified, ..self.overflow.observe(readings, self.clock.now()) }
    }

    /// Has helpers stop serving what stands under `key`.
    pub(crate) fn recall_from_helpers(&self, key: &Key) {
        let settings = self.settings.load();
        let names = settings.sites.iter().map(|site| &site.names).find(|names| names.are_of(key)).unwrap_or(&settings.names);
        self.overflow.hot.purge(&names.name(key.path()));
    }

    /// The body of a spillable object that is stored.
    pub(crate) fn held(&self, digest: &ObjectDigest) -> Option<Bytes> {
        self.overflow.held(digest)
    }

    /// Counters and gauges.
    pub(crate) fn metrics(&self) -> Metrics {
        let origin = self.settings.load().origin_load(self.clock.time());
        let (stored_bytes, stored_responses) = self.store.size();
        let standing = self.settings.load().origins().map(Origin::standing).fold(Standing::default(), Standing::and);
        Metrics {
            connections: self.connections.read(),
            requests_active: self.active.read(),
            origin_in_flight: u64::from(origin.in_flight),
            origin_connections_used: u64::from(standing.used),
            origin_connections_idle: u64::from(standing.idle),
            origin_limit: u64::from(origin.limit),
            origin_queued: u64::from(origin.queued),
            origin_under_pressure: u64::from(origin.under_pressure),
            stored_bytes,
            stored_responses,
            spill: self.overflow.spiller.metrics(),
            rewrite: self.overflow.rewrites.snapshot(),
            hosting: self.overflow.guests.metrics(),
            disk: self.store.disk_metrics().unwrap_or_default(),
            ..self.counters.snapshot()
        }
    }

    /// Counts what the origin did wrong.
    pub(crate) fn count_fault(&self, fault: Fault) {
        match fault {
            Fault::Unreachable => self.counters.origin_unreachable.one(),
            Fault::Late => self.counters.origin_timeouts.one(),
            Fault::Broken => self.counters.origin_broken.one(),
        }
    }

    /// Counts body bytes that were handed to a visitor's connection.
    pub(crate) fn sent(&self, bytes: u64, prepaid: bool) {
        self.counters.bytes_sent.add(bytes);
        if !prepaid {
            self.overflow.uplink.charge(bytes, self.clock.time());
        }
    }

    /// The receiver of access records, once. Before it is taken none are made.
    pub(crate) fn take_access(&self) -> Option<mpsc::Receiver<AccessRecord>> {
        let receiver = self.access_receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.keeps_records.store(true, Relaxed);
        receiver
    }

    /// Tells whether anybody reads access records.
    pub(crate) fn keeps_records(&self) -> bool {
        self.keeps_records.load(Relaxed)
    }

    /// Has records made, or not: a record that nobody writes costs a visitor's thread a wake-up of the writer's.
    pub(crate) fn keep_records(&self, keep: bool) {
        self.keeps_records.store(keep, Relaxed);
    }

    /// Counts an answer when its head is known.
    pub(crate) fn count_answer(&self, status: StatusCode, cache: CacheUse) {
        let counters = &self.counters;
        match status.as_u16() {
            200..300 => counters.responses_2xx.one(),
            300..400 => counters.responses_3xx.one(),
            400..500 => counters.responses_4xx.one(),
            _ => counters.responses_5xx.one(),
        }
        match cache {
            CacheUse::None => {}
            CacheUse::Hit => counters.cache_hit.one(),
            CacheUse::Stale => counters.cache_stale.one(),
            CacheUse::Revalidated => counters.cache_revalidated.one(),
            CacheUse::Collapsed => counters.cache_collapsed.one(),
            CacheUse::Miss => counters.cache_miss.one(),
            CacheUse::Bypass => counters.cache_bypass.one(),
            CacheUse::Spilled => counters.spilled.one(),
            CacheUse::Guest => counters.guest.one(),
        }
    }

    /// Charges a visitor for what may have left the origin before the visitor is known to be gone; how much that is. Later would be too
    /// late: requests that are made together, or one after the other by whoever does not read, would all be let through.
    pub(crate) fn charge_ahead(&self, account: &Account, reserved: Option<Reservation>, length: Option<u64>) -> u64 {
        let Some(budget) = account.miss_budget else { return 0 };
        let (bytes, now) = (length.unwrap_or(u64::MAX).min(UNSEEN_BYTES), self.clock.time());
        match reserved {
            Some(reserved) => _ = reserved.charge(bytes, budget.0, now),
            None => self.debts.charge(account.visitor, bytes, budget.0, now),
        }
        bytes
    }

    /// Sets what the visitor received against what was fetched for it.
    fn settle(&self, account: &Account) {
        let Some(budget) = account.miss_budget.filter(|_| account.passing.is_some() || self.debts.has_any()) else { return };
        let now = self.clock.time();
        let unseen = if account.complete { 0 } else { UNSEEN_BYTES };
        if let Some(left) = account.passing {
            let came = account.bytes.saturating_add(unseen.min(left));
            self.debts.amend(account.visitor, (account.charged, came), budget.0, now);
        }
        self.debts.pay(account.visitor, account.bytes.saturating_sub(unseen), budget.0, now);
    }

    /// Ends a request's account: its last byte is out, or its visitor is gone.
    pub(crate) fn close_account(&self, account: &mut Account) {
        self.active.fall();
        self.settle(account);
        let Some(mut record) = account.record.take() else { return };
        record.bytes = account.bytes;
        record.complete = account.complete;
        record.duration = self.clock.time().since(account.start);
        if self.access.try_send(*record).is_err() {
            self.counters.access_records_dropped.one();
        }
    }
}

/// A token that no other agent has: this process's own, from the randomness with which std seeds its hash maps.
fn loop_token() -> HeaderValue {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let token = RandomState::new().build_hasher().finish();
    HeaderValue::try_from(format!("overspill-{token:016x}")).unwrap_or_else(|_| HeaderValue::from_static("overspill"))
}
