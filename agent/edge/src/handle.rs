//! Starting an edge, and the handle by which the agent holds it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use overspill_governance::{digest::ObjectDigest, payword::LeaseId, site::SiteId, time::Date};
use overspill_protocol::{
    observation::Observation,
    plan::{FillWanted, Plan},
};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::{
    access::AccessRecord,
    clock::Clock,
    config::{Config, DiskCache},
    deny::{self, Denial},
    door::Door,
    edge::Edge,
    guest::{FillFailed, GuestStored},
    listener,
    metrics::Metrics,
    origin, sockets,
    tls::{Identity, challenge::Challenge},
};

/// Why an edge did not start. Nothing of it is left running.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// No address to listen on.
    #[error("no address to listen on: give at least one, such as 0.0.0.0:80")]
    NoAddress,
    /// Somebody else listens there.
    #[error("{0} is in use by another program: stop that program, or listen on another address")]
    Occupied(SocketAddr),
    /// The operating system does not let this user listen there.
    #[error("may not listen on {0}: ports below 1024 need the capability CAP_NET_BIND_SERVICE; or listen on a higher port")]
    Forbidden(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}; check that the address belongs to this machine")]
    Listen(SocketAddr, #[source] io::Error),
    /// The TLS library cannot be set up.
    #[error("TLS cannot be set up: {0}; check that the system gives random numbers")]
    Tls(#[source] rustls::Error),
    /// The operating system gave no thread or no runtime.
    #[error("cannot start the serving threads: {0}; check the limits on processes and open files")]
    Thread(#[source] io::Error),
}

/// A running edge. Dropping the handle stops it without waiting.
pub struct Handle {
    edge: Arc<Edge>,
    addresses: Vec<SocketAddr>,
    secure_addresses: Vec<SocketAddr>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    wanted: Mutex<Option<mpsc::Receiver<FillWanted>>>,
}

/// Starts serving by `config`: binds every address, then starts the threads.
///
/// # Errors
/// [`StartError`] names the address and what to do; nothing is left running.
pub fn start(config: Config, clock: Clock) -> Result<Handle, StartError> {
    let count = if config.threads == 0 { thread::available_parallelism().map_or(1, usize::from) } else { config.threads };
    if config.listen.is_empty() {
        return Err(StartError::NoAddress);
    }
    let (edge, wanted) = Edge::new(config.clone(), clock);
    let secure = Door::Tls(edge.certificates.acceptor().map_err(StartError::Tls)?);
    let mut sockets: Vec<Sockets> = Vec::new();
    sockets.resize_with(count, Vec::new);
    let addresses = bind_all(&config.listen, &Door::Plain, config.sockets, &mut sockets)?;
    let secure_addresses = bind_all(&config.tls.listen, &secure, config.sockets, &mut sockets)?;
    let (threads, wanted) = (Mutex::default(), Mutex::new(Some(wanted)));
    let handle = Handle { edge: Arc::clone(&edge), addresses, secure_addresses, threads, wanted };
    for index in 0..count {
        let listeners = sockets.pop().unwrap_or_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let edge = Arc::clone(&edge);
        let thread = thread::Builder::new()
            .name(format!("edge-{index}"))
            .spawn(move || {
                runtime.block_on(async {
                    if index == 0 {
                        tokio::spawn(origin::tend(Arc::clone(&edge)));
                    }
                    run(listeners, edge).await;
                });
            })
            .map_err(StartError::Thread)?;
        handle.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }
    Ok(handle)
}

/// One thread's listening sockets.
type Sockets = Vec<(Door, std::net::TcpListener)>;

/// Opens each address once per thread. The first socket is opened alone, to find out whether the address is taken: sockets with
/// `SO_REUSEPORT` would silently share it with another agent of the same user.
fn bind_all(listen: &[SocketAddr], door: &Door, options: sockets::Sockets, sockets: &mut [Sockets]) -> Result<Vec<SocketAddr>, StartError> {
    let mut addresses = Vec::new();
    for wish in listen {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => StartError::Occupied(*wish),
            io::ErrorKind::PermissionDenied => StartError::Forbidden(*wish),
            _ => StartError::Listen(*wish, error),
        };
        let alone = sockets::listen(*wish, false, options).map_err(failed)?;
        let address = alone.local_addr().map_err(failed)?;
        drop(alone);
        for list in &mut *sockets {
            list.push((door.clone(), sockets::listen(address, true, options).map_err(failed)?));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// One serving thread: accepts until the edge stops, then waits for the last connection. Whoever stopped it bounds that wait.
async fn run(listeners: Sockets, edge: Arc<Edge>) {
    let accepting = listeners.into_iter().filter_map(|(door, listener)| {
        let listener = tokio::net::TcpListener::from_std(listener).inspect_err(|error| tracing::error!(%error, "cannot listen")).ok()?;
        Some(listener::accept(listener, door, Arc::clone(&edge)))
    });
    futures::future::join_all(accepting).await;
    let mut given_up = edge.given_up.subscribe();
    while edge.connections.read() > 0 && !*given_up.borrow_and_update() {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
            _ = given_up.changed() => return,
        }
    }
}

impl Handle {
    /// What its threads share.
    pub(crate) fn edge(&self) -> &Arc<Edge> {
        &self.edge
    }

    /// The first address that is listened on, with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses that are listened on.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// All addresses at which TLS is spoken.
    #[must_use]
    pub fn secure_addrs(&self) -> &[SocketAddr] {
        &self.secure_addresses
    }

    /// Uses these certificates from the next handshake on.
    pub fn certify(&self, identities: &[Identity]) {
        self.edge.certificates.replace(identities);
    }

    /// Answers these questions of an authority from now on, and no others.
    pub fn set_challenges(&self, challenges: Vec<Challenge>) {
        self.edge.certificates.challenges.replace(challenges);
    }

    /// Serves by `plan` from now on.
    pub fn apply(&self, plan: Arc<Plan>) {
        self.edge.overflow.apply(&plan);
    }

    /// Says what the edge sees. Cheap; meant to be asked about ten times a second.
    #[must_use]
    pub fn observe(&self) -> Observation {
        self.edge.observe()
    }

    /// Waits for the site's pressure to begin: then it is worth observing at once. One waits at a time.
    pub async fn pressed(&self) {
        self.edge.overflow.uplink.pressed().await;
    }

    /// The objects that guests' visitors want and the store lacks. Given out once.
    #[must_use]
    pub fn take_wanted(&self) -> Option<mpsc::Receiver<FillWanted>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Answers a wish: the object's bytes, or why they do not come.
    pub fn filled(&self, wanted: &FillWanted, result: Result<Bytes, FillFailed>) {
        self.edge.overflow.filled(wanted, result, self.edge.clock.time());
    }

    /// Draws a ticket for a sample: as the next visitor gets it who is sent out under that lease for that object.
    #[must_use]
    pub fn draw(&self, lease: LeaseId, path: &str) -> Option<String> {
        self.edge.overflow.spiller.sample(lease, path, self.edge.clock.now())
    }

    /// Whether a partner's object is here already.
    #[must_use]
    pub fn stands_by(&self, wanted: &FillWanted) -> bool {
        self.edge.overflow.guests.stands_by(wanted)
    }

    /// Takes a standby copy of a partner's object; tells whether it was good.
    #[must_use]
    pub fn stand_by(&self, wanted: &FillWanted, body: Bytes) -> bool {
        self.edge.overflow.guests.stand_by(wanted, body, self.edge.clock.time())
    }

    /// What is held for which partner.
    #[must_use]
    pub fn stored_for_guests(&self) -> BTreeMap<SiteId, GuestStored> {
        self.edge.overflow.guests.by_owner()
    }

    /// Drops all of a partner's objects but these.
    pub fn keep_standby(&self, owner: &SiteId, digests: &BTreeSet<ObjectDigest>) {
        self.edge.overflow.guests.keep_standby(owner, digests);
    }

    /// The body of a spillable object that the site holds, for fills of its helpers.
    #[must_use]
    pub fn held(&self, digest: &ObjectDigest) -> Option<Bytes> {
        self.edge.held(digest)
    }

    /// Counts a part of an object that goes to a helper: it leaves by the same link as what visitors get. With `whole` it is the
    /// last part, and the helper holds the object.
    pub fn note_fill(&self, helper: &SiteId, digest: &ObjectDigest, bytes: u64, whole: bool) {
        let now = self.edge.clock.now();
        self.edge.overflow.uplink.charge(bytes, now.time);
        self.edge.overflow.spiller.note_fill(helper, digest, whole, now);
    }

    /// Waits until more bytes are wanted for the agentless target, and says for a file of which size at least. One waits at a time.
    pub async fn agentless_wanted(&self) -> u64 {
        self.edge.overflow.agentless.wanted().await
    }

    /// Lets pages promise so many bytes more at the agentless target, until a date. Whoever grants has written it down before.
    pub fn grant_agentless(&self, bytes: u64, until: Date) {
        self.edge.overflow.agentless.grant(bytes, until);
    }

    /// Publishes the member key at `/.well-known/overspill`.
    pub fn publish_key(&self, key: String) {
        self.edge.change_settings(|settings| settings.member_key = Some(key.clone()));
    }

    /// Takes new settings, except for addresses and threads. Requests in flight finish by the old ones.
    pub fn reload(&self, config: Config) {
        self.edge.certificates.replace(&config.tls.identities);
        self.edge.overflow.configure(&config);
        self.edge.store.resize(config.memory.0);
        self.edge.store.use_disk(config.disk.as_ref().map(DiskCache::parts), &self.edge.clock);
        self.edge.sheets.configure(config.memory.0, config.disk.as_ref().and_then(DiskCache::room));
        let is_renamed = self.edge.settings.load().config.canonical != config.canonical;
        self.edge.change_settings(|settings| *settings = settings.changed(config.clone(), &self.edge.clock, &self.edge.counters));
        if is_renamed {
            self.edge.overflow.hot.clear();
        }
    }

    /// Counters and gauges.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.edge.metrics()
    }

    /// One record per answered request. Given out once; before that no records are made.
    #[must_use]
    pub fn access(&self) -> Option<mpsc::Receiver<AccessRecord>> {
        self.edge.take_access()
    }

    /// Has records made from now on, or not: they cost something, so whoever writes none should not have them made.
    pub fn keep_records(&self, keep: bool) {
        self.edge.keep_records(keep);
    }

    /// Denies these and nothing else from now on, here and at helpers. Looks at all that is stored: call it where blocking is allowed.
    pub fn deny(&self, denied: &[Denial]) {
        deny::replace(denied, &self.edge);
    }

    /// Stops accepting, lets requests in flight finish for at most `grace`, then closes what is left. Blocks for that long at most (and
    /// a little): call it where blocking is allowed. Returns whether everything finished in time.
    pub fn shutdown(&self, grace: Duration) -> bool {
        self.edge.stopping.send_replace(true);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let deadline = Instant::now() + grace;
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let clean = threads.iter().all(JoinHandle::is_finished);
        self.edge.given_up.send_replace(true);
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a serving thread had panicked");
            }
        }
        self.edge.store.flush();
        clean
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.edge.stopping.send_replace(true);
        self.edge.given_up.send_replace(true);
    }
}
