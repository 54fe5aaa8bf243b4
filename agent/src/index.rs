//! An index over the ledger: which records speak of a partner, a lease or a member. Never the truth: deleting it loses nothing.
//!
//! It holds places, not copies. A record that it leads to is read from the ledger, with its link checked, so that a wrong index can
//! miss an answer but never make one up. It is rebuilt when it is gone, damaged, of another log, or ahead of its log.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use overspill_governance::{
    chain::{Head, Record},
    digest::Digest,
    entry::Entry,
    motion::Change,
    payword::LeaseId,
    site::SiteId,
};

use crate::ledger::{Ledger, Listener};

/// Memory for pages of the index; lookups are rare.
const CACHE_BYTES: u64 = 4 << 20;

/// Where the indexed part of the log ends.
const CHECKPOINT: &[u8] = b"checkpoint";

/// Records that wait to be written together. Those that a crash takes are noted again at the next start.
const WAITING_MAX: usize = 512;

/// An open index. Copies share it.
#[derive(Debug, Clone)]
pub struct Index {
    db: sled::Db,
    site: SiteId,
    /// What it says cannot be trusted until it was rebuilt.
    doubtful: Arc<AtomicBool>,
    noted: Arc<Mutex<Noted>>,
}

/// How far records were noted, and what of that is not written yet.
#[derive(Debug, Default)]
struct Noted {
    last: Option<Head>,
    waiting: sled::Batch,
    records: usize,
}

/// What records can be looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The line with a partner: what was proposed and agreed.
    Line(SiteId),
    /// A lease: its allotment, what was served, what was settled, its end.
    Lease(LeaseId),
    /// A member: its admission and departure.
    Member(SiteId),
}

impl Subject {
    /// Everything that an entry speaks of.
    pub fn of(entry: &Entry) -> Vec<Self> {
        match entry {
            Entry::Founded(founding) => vec![Self::Member(founding.body.founder)],
            Entry::Invited(_) => Vec::new(),
            Entry::Admitted(admission) => vec![Self::Member(admission.body.member)],
            Entry::Departed(departure) => vec![Self::Member(departure.body.member)],
            Entry::Allotted(allotment) => vec![Self::Lease(allotment.body.lease)],
            Entry::Taken(claim) => vec![Self::Lease(claim.lease)],
            Entry::Proposed { with, .. } | Entry::Noted { with, .. } | Entry::Renewed { with, .. } => vec![Self::Line(*with)],
            Entry::Agreed { with, receipt } => {
                let lease = receipt.claim.as_ref().map(|claim| Self::Lease(claim.lease));
                std::iter::once(Self::Line(*with)).chain(lease).collect()
            }
            Entry::LeaseEnded { lease } => vec![Self::Lease(*lease)],
            Entry::Moved { motion, .. } => match &motion.body.change {
                Change::Remove { member, .. } | Change::Pardon { member } => vec![Self::Member(*member)],
                Change::Amend { .. } => Vec::new(),
            },
            Entry::Decided(decision) => match &decision.motion.body.change {
                Change::Remove { member, .. } | Change::Pardon { member } => vec![Self::Member(*member)],
                Change::Amend { .. } => Vec::new(),
            },
            Entry::Seconded(_) | Entry::Objected(_) | Entry::Cast(_) | Entry::Ruled(_) | Entry::Recovered { .. } => Vec::new(),
            Entry::Rotated { rotation, .. } => vec![Self::Member(rotation.body.old), Self::Member(rotation.body.new)],
            Entry::Convicted { bundle, .. } => vec![Self::Member(bundle.charge().who)],
        }
    }

    fn prefix(self) -> Vec<u8> {
        let (kind, name): (u8, &[u8]) = match &self {
            Self::Line(partner) => (b'l', &partner.0),
            Self::Lease(lease) => (b'a', &lease.0),
            Self::Member(member) => (b'm', &member.0),
        };
        std::iter::once(kind).chain(name.iter().copied()).collect()
    }

    fn key(self, seq: u64) -> Vec<u8> {
        let mut key = self.prefix();
        key.extend_from_slice(&seq.to_be_bytes());
        key
    }
}

impl Index {
    /// Opens the index of `site` in the directory `path`. One that cannot be opened is thrown away and made anew.
    ///
    /// # Errors
    /// When not even an empty one can be made.
    pub fn open(path: &Path, site: SiteId) -> io::Result<Self> {
        let db = open_db(path).or_else(|error| {
            tracing::info!(%error, "the index cannot be opened and is built anew");
            remove(path)?;
            open_db(path)
        })?;
        let last = db.get(CHECKPOINT).ok().flatten().and_then(|value| head(site, &value));
        let noted = Noted { last, ..Noted::default() };
        Ok(Self { db, site, doubtful: Arc::default(), noted: Arc::new(Mutex::new(noted)) })
    }

    /// What the ledger is to tell its records to.
    pub fn listener(&self) -> Listener {
        let index = self.clone();
        Box::new(move |before, record, after| index.note(before, record, after))
    }

    /// Makes the index agree with the ledger, after the ledger was opened with [`Index::listener`].
    ///
    /// # Errors
    /// When the ledger cannot be read; lookups then fail.
    pub fn reconcile(&self, ledger: &Ledger) -> io::Result<()> {
        let head = ledger.head();
        let noted = self.noted().last;
        let agrees = noted.is_some_and(|at| (at.seq, at.link) == (head.seq, head.link)) || (head.seq == 0 && self.db.is_empty());
        if agrees && !self.doubtful.load(Relaxed) {
            return Ok(());
        }
        tracing::info!(entries = head.seq, "the index is rebuilt");
        *self.noted() = Noted::default();
        guarded(|| self.db.clear())?;
        self.doubtful.store(false, Relaxed);
        let mut records = ledger.records()?;
        while let Some((before, record)) = records.next_with_head()? {
            let after = records.head().unwrap_or(before);
            self.note(&before, &record, &after);
        }
        self.write(&mut self.noted());
        guarded(|| self.db.flush())?;
        if self.doubtful.load(Relaxed) { Err(io::Error::other("the index cannot be written")) } else { Ok(()) }
    }

    /// The heads after which the records of a subject stand, oldest first.
    ///
    /// # Errors
    /// When the index cannot be read or trusted: the ledger itself must be read.
    pub fn places(&self, subject: Subject) -> io::Result<Vec<Head>> {
        self.write(&mut self.noted());
        if self.doubtful.load(Relaxed) {
            return Err(io::Error::other("the index does not agree with the ledger"));
        }
        let found = self.db.scan_prefix(subject.prefix()).values();
        found
            .map(|value| value.map_err(to_io).and_then(|value| head(self.site, &value).ok_or_else(|| io::Error::other("not a place"))))
            .collect()
    }

    /// The records of a subject, oldest first, read from the ledger.
    ///
    /// # Errors
    /// When index or ledger cannot be read.
    pub fn records(&self, ledger: &Ledger, subject: Subject) -> io::Result<Vec<Record>> {
        let places = self.places(subject)?;
        places.into_iter().map(|place| ledger.record_after(place)).collect()
    }

    /// Notes a record, in order. Those that are noted already are passed over; the last of them must be the one that was noted.
    fn note(&self, before: &Head, record: &Record, after: &Head) {
        let mut noted = self.noted();
        match noted.last {
            Some(last) if record.seq < last.seq => return,
            Some(last) if record.seq == last.seq => {
                if last.link != after.link {
                    self.doubtful.store(true, Relaxed);
                }
                return;
            }
            Some(last) if last.link == before.link => {}
            None if record.seq == 1 => {}
            _ => return self.doubtful.store(true, Relaxed),
        }
        for subject in Subject::of(&record.entry) {
            noted.waiting.insert(subject.key(record.seq), place(before).to_vec());
        }
        noted.last = Some(*after);
        noted.records += 1;
        if noted.records >= WAITING_MAX {
            self.write(&mut noted);
        }
    }

    /// Writes what waits. After a write that failed nothing more: a later checkpoint would hide the gap from the next start.
    fn write(&self, noted: &mut Noted) {
        let (mut batch, records) = (std::mem::take(&mut noted.waiting), std::mem::take(&mut noted.records));
        let Some(last) = noted.last.filter(|_| records > 0 && !self.doubtful.load(Relaxed)) else { return };
        batch.insert(CHECKPOINT, place(&last).to_vec());
        let written = guarded(|| self.db.apply_batch(batch));
        if let Err(error) = written
            && !self.doubtful.swap(true, Relaxed)
        {
            tracing::warn!(%error, "the index cannot be written; lookups read the ledger instead");
        }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn head(site: SiteId, value: &[u8]) -> Option<Head> {
    let (seq, rest) = value.split_first_chunk::<8>()?;
    let (len, link) = rest.split_first_chunk::<8>()?;
    Some(Head { site, seq: u64::from_be_bytes(*seq), len: u64::from_be_bytes(*len), link: Digest(link.try_into().ok()?) })
}

fn place(head: &Head) -> [u8; 48] {
    let mut value = [0; 48];
    value[..8].copy_from_slice(&head.seq.to_be_bytes());
    value[8..16].copy_from_slice(&head.len.to_be_bytes());
    value[16..].copy_from_slice(&head.link.0);
    value
}

fn open_db(path: &Path) -> io::Result<sled::Db> {
    let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None).mode(sled::Mode::LowSpace);
    guarded(|| config.open())
}

/// Damaged files and full disks make this database panic as often as fail. Neither may end the thread that writes the ledger.
fn guarded<T>(act: impl FnOnce() -> sled::Result<T>) -> io::Result<T> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)) {
        Ok(done) => done.map_err(to_io),
        Err(_) => Err(io::Error::other("the index's database gave up")),
    }
}

/// Removes a damaged index: what this agent made and nothing else.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn to_io(error: sled::Error) -> io::Error {
    match error {
        sled::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests;
