//! The disk tier: what memory cannot hold, and what is to be there after a restart.
//!
//! One file for each variant of a resource, under a name that follows from what is in it; an index in memory, made anew at each start. One
//! thread changes files; reads have threads of their own. Nobody waits for either: what cannot be written soon is not written, and what cannot be
//! read soon, or is damaged, is as if it were not stored. Only who purges waits, until no later process can show what was purged as fresh.

pub(crate) mod files;
pub(crate) mod format;
pub(crate) mod index;
pub(crate) mod large;
pub(crate) mod metrics;
pub(crate) mod queue;
pub(crate) mod reading;
mod worker;

use std::{
    collections::HashSet,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use http::HeaderMap;
use overspill_governance::time::Time;
use tokio::sync::{Semaphore, oneshot};

use self::{
    files::Files,
    index::{Entry, Index, Name},
    metrics::{Counters, DiskMetrics},
    queue::Queue,
    reading::Reading,
    worker::Worker,
};
use super::{
    admit::Kept,
    key::Key,
    status,
    store::{Forgotten, Manner},
    stored::Stored,
    vary::Encoding,
};
use crate::{
    clock::Clock,
    limits::{DISK_LIFETIME_MIN, DISK_OBEY_MAX, DISK_ORDERS_MAX, DISK_QUEUE_BYTES_MAX, DISK_QUEUE_MAX, DISK_REWRITE_MIN},
};

/// Which files are meant.
pub(crate) enum Meant<'a> {
    Resource(&'a Key),
    Those(&'a dyn Fn(&Entry) -> bool),
}

/// A response on its way to the disk, when it was asked for, and the file of its body, if that has one of its own.
type Write = (Arc<Stored>, Time, Option<Arc<File>>);

/// What must be done whatever waits to be written.
#[derive(Debug)]
enum Order {
    /// Purge these files; and all others of the resource that are not known yet.
    Purge { files: Vec<(Name, Option<u64>)>, unknown: Option<u128>, manner: Manner },
    /// Remove a file that was superseded or found damaged.
    Drop(Name, Option<u64>),
    /// Forget everything.
    Empty,
    /// Remove what is beyond the bound.
    Fit,
    /// Say when all orders before this one are carried out.
    Tell(oneshot::Sender<()>),
}

/// What the disk's threads share.
#[derive(Debug)]
struct Shared {
    files: Files,
    index: Mutex<Index>,
    forgotten: Arc<Forgotten>,
    queue: Queue<Order, Write>,
    counters: Counters,
    clock: Clock,
    /// Every file that a process before this one left is known.
    scanned: AtomicBool,
    /// Purges that are not carried out yet.
    unsettled: AtomicUsize,
}

/// Stored responses in files.
#[derive(Debug)]
pub(crate) struct Disk {
    shared: Arc<Shared>,
    reading: Reading,
    /// Places for long bodies on their way to the disk.
    drafts: Arc<Semaphore>,
}

impl Disk {
    /// Begins to use a folder; what is in it is looked through in the background.
    pub(crate) fn start(base: PathBuf, capacity: u64, forgotten: Arc<Forgotten>, clock: Clock) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            files: Files::new(base),
            index: Mutex::new(Index::new(capacity)),
            forgotten,
            queue: Queue::new(DISK_QUEUE_MAX, DISK_QUEUE_BYTES_MAX),
            counters: Counters::default(),
            clock,
            scanned: AtomicBool::new(false),
            unsettled: AtomicUsize::new(0),
        });
        let worker = Worker::new(Arc::clone(&shared));
        thread::Builder::new().name("cache-disk".to_owned()).spawn(move || worker.run())?;
        Ok(Self { shared, reading: Reading::default(), drafts: large::places() })
    }

    /// Tells whether there is anything of the resource of this key's text. Looks into memory only.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.shared.index().knows(key)
    }

    /// The file that answers such a request. Looks into memory only.
    pub(crate) fn find(&self, key: &Key, request: &HeaderMap, encoding: Encoding) -> Option<Name> {
        self.shared.index().find(key, request, encoding)
    }

    /// Has a response written, soon, in place of the one that answered the same requests. If that cannot be, the old one goes all the same.
    pub(crate) fn keep(&self, stored: &Arc<Stored>, asked: Time, file: Option<Arc<File>>) {
        let name = Name::of(stored);
        let is_worth_it = is_worth_keeping(stored);
        if is_worth_it && self.shared.index().entry(name).is_some_and(|entry| is_good_enough(entry, stored)) {
            return;
        }
        if is_worth_it && self.shared.queue.write((Arc::clone(stored), asked, file), stored.weight()) {
            return;
        }
        if is_worth_it {
            self.shared.counters.skipped.one();
        }
        self.shared.supersede(name);
    }

    /// Purges files. From now on none of them is found fresh; after [`Disk::settled`] no later process finds one fresh, either.
    pub(crate) fn purge(&self, meant: &Meant<'_>, manner: Manner) -> HashSet<Name> {
        let mut index = self.shared.index();
        let names = match meant {
            Meant::Resource(key) => index.of_resource(key),
            Meant::Those(is_meant) => index.meant(is_meant),
        };
        let mut files = Vec::with_capacity(names.len());
        for name in &names {
            match manner {
                Manner::Hard => files.extend(index.remove(*name).map(|entry| (*name, entry.apart))),
                Manner::Soft => files.extend(index.entry_mut(*name).map(|entry| {
                    entry.outdated = true;
                    (*name, entry.apart)
                })),
            }
        }
        let scanned = self.shared.scanned.load(SeqCst);
        drop(index);
        let order = match meant {
            // Which of the files are meant that nobody has looked at yet? All, then.
            Meant::Those(_) if !scanned => Order::Empty,
            Meant::Resource(key) => Order::Purge { files, unknown: (!scanned).then(|| index::resource_of(key.text())), manner },
            Meant::Those(_) => Order::Purge { files, unknown: None, manner },
        };
        self.shared.order(order);
        names.into_iter().collect()
    }

    /// Waits until every purge so far will hold after a restart, whatever ends this process. At most a few seconds: a disk that hangs must not
    /// have the site hang.
    pub(crate) async fn settled(&self) {
        if self.shared.unsettled.load(SeqCst) == 0 {
            return;
        }
        let (tell, told) = oneshot::channel();
        self.shared.order(Order::Tell(tell));
        if tokio::time::timeout(DISK_OBEY_MAX, told).await.is_err() {
            tracing::warn!(seconds = DISK_OBEY_MAX.as_secs(), "the disk is slow: a purge may be undone if the agent dies now");
        }
    }

    /// Changes the bound.
    pub(crate) fn resize(&self, capacity: u64) {
        let mut index = self.shared.index();
        if index.capacity() != capacity {
            index.set_capacity(capacity);
            drop(index);
            self.shared.order(Order::Fit);
        }
    }

    /// Forgets everything, on the disk too.
    pub(crate) fn empty(&self) {
        self.shared.order(Order::Empty);
    }

    /// Waits until what was stored so far is written. Blocks, for so long at most.
    pub(crate) fn flush(&self, most: Duration) {
        let deadline = Instant::now() + most;
        while !self.shared.queue.is_idle() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Counters and gauges.
    pub(crate) fn metrics(&self) -> DiskMetrics {
        self.shared.counters.snapshot(self.shared.index().size(), self.shared.scanned.load(SeqCst))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl Shared {
    /// A thread that died while it held the lock may have left a file without an entry, or an entry without a file: both are misses.
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the file of a response removed that is not the latest any more, or damaged.
    fn supersede(&self, name: Name) {
        let removed = self.index().remove(name);
        // What was not looked at yet may be there all the same.
        if removed.is_some() || !self.scanned.load(SeqCst) {
            self.order(Order::Drop(name, removed.and_then(|entry| entry.apart)));
        }
    }

    fn order(&self, order: Order) {
        let empties = matches!(order, Order::Empty);
        if empties || matches!(order, Order::Purge { .. }) {
            self.unsettled.fetch_add(1, SeqCst);
        }
        if empties {
            self.index().clear();
        }
        if self.queue.order(order) > DISK_ORDERS_MAX {
            self.order_less();
        }
    }

    /// Replaces all orders that wait by one that includes them.
    fn order_less(&self) {
        let mut waiting = self.queue.take_orders();
        let settles = waiting.iter().filter(|order| matches!(order, Order::Purge { .. } | Order::Empty)).count();
        waiting.retain(|order| matches!(order, Order::Tell(_)));
        self.index().clear();
        self.unsettled.fetch_add(1, SeqCst);
        self.queue.order(Order::Empty);
        waiting.into_iter().for_each(|tell| {
            self.queue.order(tell);
        });
        self.unsettled.fetch_sub(settles, SeqCst);
    }
}

/// Removes what a process before this one left in a folder that is not used any more.
pub(crate) fn discard(base: &Path) {
    if base.exists()
        && let Err(error) = Files::new(base.to_owned()).empty()
    {
        tracing::warn!(%error, "stored responses on disk cannot be removed");
    }
}

/// Tells whether a response may be of use after a while: failures and moments are not.
fn is_worth_keeping(stored: &Stored) -> bool {
    let fails = status::is_failure(stored.status) || stored.status.is_server_error();
    let lasts = stored.lifetime().saturating_sub(stored.initial_age()) >= DISK_LIFETIME_MIN;
    !fails && (lasts || stored.has_validator() || !stored.forbids_stale)
}

/// Tells whether a file will do instead of a response that takes its place: of what the origin is asked about each time, some moments old is
/// as good.
fn is_good_enough(entry: &Entry, stored: &Stored) -> bool {
    let asked_each_time = stored.kept == Kept::Contract || stored.lifetime().is_zero();
    asked_each_time && !entry.outdated && entry.written.is_some_and(|written| stored.came().since(written) < DISK_REWRITE_MIN)
}
