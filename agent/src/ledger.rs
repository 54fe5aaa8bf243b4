//! The ledger: an append-only file in the form of `governance::chain`, the truth about what this site has signed.
//!
//! One thread writes. Entries that arrive while it syncs share the next sync (group commit), and nobody is told that an entry is
//! durable before `fdatasync` returned. What may go wrong, and what becomes of the state:
//! - *torn tail* (the power went): cut off at opening; nothing that was acknowledged is in it.
//! - *flipped bit, foreign file*: refused at opening, untouched.
//! - *disk full*: the batch fails whole, its part of the file is cut off; appending works again when there is space.
//! - *write or sync error*: poisoned. After a failed sync nobody knows what the disk holds, so this process never appends again.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Mutex,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use overspill_governance::{
    chain::{Head, Reason, Record, Verdict, Writer},
    entry::Entry,
    site::SiteId,
    time::Date,
};
use tokio::sync::{oneshot, watch};

pub mod disk;
pub mod limits;
pub mod records;
mod writer;

use disk::{Disk, FileDisk};
use records::Records;
use writer::{Batch, Thread};

/// Whether the ledger takes entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// It does.
    #[default]
    Good,
    /// The disk is full; it will when there is space.
    Full,
    /// A write or sync failed; not in this process any more.
    Poisoned,
    /// The agent is ending.
    Closed,
}

impl Health {
    /// One word for people and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Full => "full",
            Self::Poisoned => "poisoned",
            Self::Closed => "closed",
        }
    }
}

/// Why entries were not made durable. None of the batch's entries counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// No space; try again later.
    #[error("the disk is full: nothing is signed until there is space")]
    Full,
    /// The disk failed once.
    #[error("a write to the ledger failed: nothing is signed until the agent is restarted on a good disk")]
    Poisoned,
    /// More entries wait than [`limits::WAITING_MAX`] batches.
    #[error("the ledger is busy: too many entries wait to be written")]
    Busy,
    /// An entry is longer than a ledger takes.
    #[error("an entry is longer than a ledger takes")]
    TooLong,
    /// The writer has ended.
    #[error("the ledger is closed")]
    Closed,
}

/// Why a ledger cannot be opened. The file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another site's.
    #[error("the ledger belongs to site {}, and this is site {}", theirs.short(), ours.short())]
    Foreign {
        /// Whose it is.
        theirs: SiteId,
        /// Who we are.
        ours: SiteId,
    },
    /// Its bytes were changed.
    #[error("the ledger is damaged at byte {at}: {reason}")]
    Damaged {
        /// Where.
        at: u64,
        /// What is wrong.
        reason: Reason,
    },
    /// The operating system refused.
    #[error("the ledger cannot be used: {0}")]
    System(#[from] std::io::Error),
}

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The end of the log.
    pub head: Head,
    /// Bytes of a torn tail that were cut off.
    pub cut: u64,
}

/// Told of each record that has become durable, between the heads before and after it.
pub type Listener = Box<dyn FnMut(&Head, &Record, &Head) + Send>;

/// An open ledger. Copies share it; the last one to be dropped ends the writer.
#[derive(Clone)]
pub struct Ledger {
    batches: SyncSender<Batch>,
    durable: watch::Receiver<Head>,
    /// A sender, so that whoever waits for better health waits on after the writer has ended.
    health: watch::Sender<Health>,
    path: Option<Arc<Path>>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("head", &*self.durable.borrow()).field("health", &*self.health.borrow()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens or makes the ledger of `site` at `path`. Every record is told to `listener`: those found now, and those appended later.
    ///
    /// # Errors
    /// [`OpenError`]; the file is then unchanged.
    pub fn open(path: &Path, site: SiteId, listener: Listener) -> Result<(Self, Opened), OpenError> {
        let disk = FileDisk::open(path)?;
        let (mut ledger, opened) = Self::on(Box::new(disk), site, listener)?;
        ledger.path = Some(Arc::from(path));
        Ok((ledger, opened))
    }

    /// Opens or makes the ledger of `site` on a disk.
    ///
    /// # Errors
    /// [`OpenError`]; the disk is then unchanged.
    pub fn on(mut disk: Box<dyn Disk>, site: SiteId, mut listener: Listener) -> Result<(Self, Opened), OpenError> {
        let opened = open(disk.as_mut(), site, &mut listener)?;
        let (batches, waiting) = sync_channel(limits::WAITING_MAX);
        let (durable_sender, durable) = watch::channel(opened.head);
        let health = watch::Sender::new(Health::Good);
        let thread = Thread::new(disk, opened.head, durable_sender, health.clone(), listener);
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(move || thread.run(&waiting))?;
        Ok((Self { batches, durable, health, path: None, thread: Arc::new(Mutex::new(Some(thread))) }, opened))
    }

    /// Hands entries to the writer, without waiting. The answer comes when all of them are durable, or none counts.
    pub fn append(&self, date: Date, entries: Vec<Entry>) -> oneshot::Receiver<Result<Head, AppendError>> {
        let (answer, receiver) = oneshot::channel();
        match self.batches.try_send(Batch { date, entries, answer }) {
            Ok(()) => {}
            Err(TrySendError::Full(batch)) => drop(batch.answer.send(Err(AppendError::Busy))),
            Err(TrySendError::Disconnected(batch)) => drop(batch.answer.send(Err(AppendError::Closed))),
        }
        receiver
    }

    /// Appends entries and waits until they are durable.
    ///
    /// # Errors
    /// [`AppendError`]; none of the entries counts then.
    pub async fn persist(&self, date: Date, entries: Vec<Entry>) -> Result<Head, AppendError> {
        self.append(date, entries).await.unwrap_or(Err(AppendError::Closed))
    }

    /// As [`Ledger::persist`], for threads that may wait.
    ///
    /// # Errors
    /// [`AppendError`]; none of the entries counts then.
    pub fn persist_blocking(&self, date: Date, entries: Vec<Entry>) -> Result<Head, AppendError> {
        self.append(date, entries).blocking_recv().unwrap_or(Err(AppendError::Closed))
    }

    /// The end of what is durable.
    pub fn head(&self) -> Head {
        *self.durable.borrow()
    }

    /// Whether entries are taken, and every change of that.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Reads what is durable now, from the start, in bounded memory.
    ///
    /// # Errors
    /// When the file cannot be opened again.
    pub fn records(&self) -> std::io::Result<Records<'static>> {
        let path = self.path.as_deref().ok_or_else(|| std::io::Error::other("this ledger is not a file"))?;
        Records::of_file(path, Some(self.head().len))
    }

    /// Reads the one record that follows `head`, with its link checked.
    ///
    /// # Errors
    /// When there is none, or it is not as it was written.
    pub fn record_after(&self, head: Head) -> std::io::Result<Record> {
        let path = self.path.as_deref().ok_or_else(|| std::io::Error::other("this ledger is not a file"))?;
        let mut records = Records::after(Box::new(std::fs::File::open(path)?), head, self.head().len);
        match records.next_with_head()? {
            Some((_, record)) => Ok(record),
            None => Err(std::io::Error::other(format!("no record stands at byte {}", head.len))),
        }
    }

    /// Ends the writer after what it was given, and waits for it. Other copies get [`AppendError::Closed`] from then on.
    pub fn close(self) {
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        let (answer, _) = oneshot::channel();
        let last = Batch { date: Date::MAX, entries: Vec::new(), answer };
        let _ = self.batches.send(last);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// Whose a ledger is in which `site` is none of the keys that one member had. Only one that begins under another key is read for that.
fn is_foreign(disk: &mut dyn Disk, len: u64, site: SiteId) -> Result<Option<SiteId>, OpenError> {
    let mut records = Records::of(Box::new(&mut *disk), len);
    let mut next = records.next_with_head()?;
    let Some(first) = records.head().map(|head| head.site).filter(|first| *first != site) else { return Ok(None) };
    let mut keys = BTreeSet::from([first]);
    while let Some((_, record)) = next {
        if let Entry::Rotated { rotation, .. } = &record.entry
            && keys.contains(&rotation.body.old)
        {
            keys.insert(rotation.body.new);
        }
        next = records.next_with_head()?;
    }
    Ok(Some(first).filter(|_| !keys.contains(&site)))
}

/// Reads the whole disk, repairs a torn tail, writes the header of a new ledger.
fn open(disk: &mut dyn Disk, site: SiteId, listener: &mut Listener) -> Result<Opened, OpenError> {
    let len = disk.size()?;
    if let Some(theirs) = is_foreign(disk, len, site)? {
        return Err(OpenError::Foreign { theirs, ours: site });
    }
    let mut records = Records::of(Box::new(&mut *disk), len);
    while let Some((before, record)) = records.next_with_head()? {
        listener(&before, &record, &records.head().unwrap_or(before));
    }
    let head = records.head();
    let good = match records.finish() {
        Verdict::Whole => len,
        Verdict::Torn { at } => at,
        Verdict::Corrupt { at, reason } => return Err(OpenError::Damaged { at, reason }),
    };
    if good < len {
        disk.cut(good)?;
        disk.sync()?;
    }
    match head {
        Some(head) => Ok(Opened { head, cut: len - good }),
        None => {
            let (writer, header) = Writer::create(site);
            disk::write_all(disk, 0, &header)?;
            disk.sync()?;
            Ok(Opened { head: writer.head(), cut: len })
        }
    }
}

#[cfg(test)]
mod tests;
