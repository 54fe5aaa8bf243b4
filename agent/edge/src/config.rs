//! What the operator asks of the edge: plain values; reading files and flags is the agent's business.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use http::uri::{Authority, PathAndQuery, Scheme};
use overspill_governance::{
    site::SiteId,
    units::{ByteRate, Bytes},
};

use crate::{
    agentless::AgentlessTarget,
    cache::key::Key,
    deny::Denial,
    origin::{names::Resolver, trust::OriginTls},
    sites::Site,
    sockets::Sockets,
    tls::Tls,
    waiting::template::Template,
};

/// Settings of the edge. `listen`, `threads` and the backlog of sockets are read once; the rest can be reloaded.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses to listen on. Port 0 takes any free port.
    pub listen: Vec<SocketAddr>,
    /// What is offered over TLS.
    pub tls: Tls,
    /// Threads that serve; 0 takes one per core.
    pub threads: usize,
    /// The origin's authority (`127.0.0.1:8080`), spoken to in HTTP/1.1.
    pub origin: Authority,
    /// TLS towards the origin; without it that is spoken to in the clear.
    pub origin_tls: Option<OriginTls>,
    /// Who knows the origin's addresses. Taken with another origin only.
    pub resolver: Resolver,
    /// How many connections to the origin are kept and prepared.
    pub origin_pool: OriginPool,
    /// Options of TCP sockets.
    pub sockets: Sockets,
    /// How visitors name the site. Without it any Host is accepted, and its scheme is that of the connection.
    pub canonical: Option<Canonical>,
    /// Further hosts (`www.blog.example`, port as in the Host field). With these or `canonical`, no others are accepted.
    pub hosts: Vec<Authority>,
    /// Further sites, chosen by Host; the settings above are the first site's. With any of them, the first has only the hosts it names.
    pub sites: Vec<Site>,
    /// Memory for stored responses.
    pub memory: Bytes,
    /// Where stored responses are kept beyond a restart, and in how many bytes. Without it they are kept in memory only.
    pub disk: Option<DiskCache>,
    /// What the site's link can send. Without it nothing is spilled for the link's sake.
    pub uplink: Option<ByteRate>,
    /// Whether pages name helpers for their files while the link is under pressure.
    pub rewrite: bool,
    /// Helpers that may serve what browsers do not check; `None`: all that hold a lease.
    pub trusted: Option<Vec<SiteId>>,
    /// Where files go that browsers check and no helper has room for.
    pub agentless: Option<AgentlessTarget>,
    /// Under origin pressure: how long a page without freshness counts as fresh.
    pub micro_cache: Duration,
    /// How long any page counts as fresh for who fetches a link preview, in calm, too. Zero: they are asked for like any.
    pub preview_cache: Duration,
    /// Under origin pressure: how old a copy may be at most.
    pub stale_max: Duration,
    /// While the origin fails: how old a copy may be at most.
    pub stale_error_max: Duration,
    /// How many requests the origin is given.
    pub origin_limits: OriginLimits,
    /// How long the edge waits for whom.
    pub timeouts: Timeouts,
    /// How many visitors it listens to.
    pub connections: Connections,
    /// Bytes that one address may have the origin send beyond twice what it receives; forgiven within ten minutes. Beyond it what is not
    /// stored is refused. Without it nobody is.
    pub miss_budget: Option<Bytes>,
    /// The owner's page for visitors to whom nothing else can be shown; without it there is a plain one.
    pub waiting_page: Option<Arc<Template>>,
    /// Text of `/.well-known/overspill`; without it the origin answers that path.
    pub member_key: Option<String>,
    /// Proxies in front whose `X-Forwarded-*` fields are believed. Empty: nobody's are.
    pub trusted_proxies: Vec<IpAddr>,
    /// Whoever says this may purge; without it only this machine may.
    pub purge_token: Option<String>,
    /// Memory for guests' objects.
    pub guest_memory: Bytes,
    /// Memory for the objects of one guest.
    pub guest_memory_each: Bytes,
    /// Domain, and port, under which guests have their names: no name under it is ever this site's.
    pub guest_suffix: Option<String>,
    /// What must not be shown, from the start. Later lists come by [`Handle::deny`](crate::Handle::deny), and settings change nothing in them.
    pub denied: Vec<Denial>,
}

/// A folder for stored responses, that nobody else uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCache {
    /// The folder; made if it is not there.
    pub path: PathBuf,
    /// Bytes of files in it. With none of them nothing is kept, and what is there is removed.
    pub bytes: Bytes,
}

impl DiskCache {
    /// Path and bytes.
    pub(crate) fn parts(&self) -> (&std::path::Path, u64) {
        (&self.path, self.bytes.0)
    }

    /// The folder, if anything may be in it.
    pub(crate) fn room(&self) -> Option<&std::path::Path> {
        (self.bytes.0 > 0).then_some(&self.path)
    }
}

/// The site's canonical scheme and authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// What visitors use, `https` behind a TLS proxy.
    pub scheme: Scheme,
    /// Host, and port if it is not the scheme's own.
    pub authority: Authority,
}

/// Bounds within which the origin's in-flight limit is learned, and of the queue before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginLimits {
    /// The limit is never learned below this.
    pub min: u32,
    /// Where learning starts.
    pub initial: u32,
    /// The limit is never learned above this.
    pub max: u32,
    /// Requests that may wait for a place.
    pub queue_max: u32,
    /// How long one waits at most.
    pub queue_wait: Duration,
    /// Least queueing delay that counts as pressure (CoDel's target).
    pub target_delay: Duration,
}

/// How many connections to the origin are kept and prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginPool {
    /// Connections that are there from the start, used or not. More than none only for an origin that can bear idle connections.
    pub start: u32,
    /// Unused connections at most.
    pub max: u32,
    /// How long connections that were needed at once are kept.
    pub interval: Duration,
    /// How often the origin's name is looked up.
    pub lookup: Duration,
}

/// How long the edge waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For a TCP connection to the origin.
    pub connect: Duration,
    /// For the head of the origin's answer to a safe request.
    pub origin_head: Duration,
    /// For the head of the origin's answer to any other request: uploads and imports take long.
    pub origin_head_unsafe: Duration,
    /// For the next bytes of the origin's body.
    pub origin_idle: Duration,
    /// For a fetch that another visitor began, from its beginning: then somebody begins a new one.
    pub attached: Duration,
    /// For a visitor's request head, and for the next request on a kept connection.
    pub header_read: Duration,
    /// For a visitor to take or send any byte while one is due.
    pub visitor_stall: Duration,
}

/// Bounds on visitors' connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connections {
    /// Open at once in all.
    pub max: u32,
    /// Open at once from one address (IPv6: one /64); loopback and trusted proxies are exempt.
    pub per_address: u32,
}

impl Config {
    /// Careful defaults in front of `origin`, listening on a free port of the loopback interface.
    #[must_use]
    pub fn new(origin: Authority) -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            tls: Tls::default(),
            threads: 0,
            origin,
            origin_tls: None,
            resolver: Resolver::system(),
            origin_pool: OriginPool::default(),
            sockets: Sockets::default(),
            canonical: None,
            hosts: Vec::new(),
            sites: Vec::new(),
            memory: Bytes(64 << 20),
            disk: None,
            uplink: None,
            rewrite: true,
            trusted: None,
            agentless: None,
            micro_cache: Duration::from_secs(5),
            preview_cache: Duration::from_secs(5),
            stale_max: Duration::from_mins(10),
            stale_error_max: Duration::from_hours(24),
            origin_limits: OriginLimits::default(),
            timeouts: Timeouts::default(),
            connections: Connections::default(),
            miss_budget: Some(Bytes(256 << 20)),
            waiting_page: None,
            member_key: None,
            trusted_proxies: Vec::new(),
            purge_token: None,
            guest_memory: Bytes(64 << 20),
            guest_memory_each: Bytes(u64::MAX),
            guest_suffix: None,
            denied: Vec::new(),
        }
    }

    /// The hosts that are this site, if it names any.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Authority> {
        self.canonical.iter().map(|canonical| &canonical.authority).chain(&self.hosts)
    }

    /// Tells whether requests for `host` are for this site, not counting further ones.
    pub(crate) fn accepts(&self, host: &Authority) -> bool {
        let same = |own: &Authority| own.as_str().eq_ignore_ascii_case(host.as_str());
        let mut named = self.names().peekable();
        let serves_all = named.peek().is_none() && self.sites.is_empty();
        serves_all || named.any(same)
    }

    /// Tells whether a key stands under the site's own name; any does while the site has none.
    pub(crate) fn is_canonical(&self, key: &Key) -> bool {
        let root = PathAndQuery::from_static("/");
        self.canonical.as_ref().is_none_or(|canonical| Key::new(&canonical.scheme, &canonical.authority, &root).origin() == key.origin())
    }

    /// The scheme by which visitors reach the site: its own, else that of their connection. Cache and origin are told the same one,
    /// or an origin's redirect to HTTPS would be kept for those who are there already.
    pub(crate) fn scheme(&self, secure: bool) -> &Scheme {
        let of_connection = if secure { &Scheme::HTTPS } else { &Scheme::HTTP };
        self.canonical.as_ref().map_or(of_connection, |canonical| &canonical.scheme)
    }

    /// All schemes that [`Config::scheme`] may say.
    pub(crate) fn schemes(&self) -> &[Scheme] {
        const BOTH: &[Scheme] = &[Scheme::HTTP, Scheme::HTTPS];
        self.canonical.as_ref().map_or(BOTH, |canonical| std::slice::from_ref(&canonical.scheme))
    }
}

impl Default for OriginLimits {
    fn default() -> Self {
        Self { min: 2, initial: 8, max: 128, queue_max: 256, queue_wait: Duration::from_secs(5), target_delay: Duration::from_millis(50) }
    }
}

impl Default for OriginPool {
    fn default() -> Self {
        Self { start: 0, max: 128, interval: Duration::from_secs(30), lookup: Duration::from_secs(30) }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            origin_head: Duration::from_secs(15),
            origin_head_unsafe: Duration::from_mins(1),
            origin_idle: Duration::from_secs(15),
            attached: Duration::from_secs(20),
            header_read: Duration::from_secs(15),
            visitor_stall: Duration::from_secs(30),
        }
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self { max: 8_192, per_address: 256 }
    }
}
