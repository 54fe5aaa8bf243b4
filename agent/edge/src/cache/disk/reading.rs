//! Reading files back: on threads for blocking work, a few at a time, each file once for all who want it, and nobody waits long.

use std::{
    collections::HashMap,
    fs::File,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::sync::{OnceCell, Semaphore};

use super::{Disk, Order, files::Lost, format::Read, index::Name, large::Apart};
use crate::{
    cache::stored::Stored,
    limits::{DISK_PATIENCE, DISK_READERS, DISK_WAITERS_MAX},
};

type Loaded = OnceCell<Option<Arc<Stored>>>;

/// Reads that are under way.
#[derive(Debug)]
pub(crate) struct Reading {
    under_way: Mutex<HashMap<Name, Arc<Loaded>>>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Default for Reading {
    fn default() -> Self {
        Self { under_way: Mutex::default(), places: Arc::new(Semaphore::new(DISK_READERS)), waiting: AtomicUsize::new(0) }
    }
}

impl Reading {
    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Arc<Loaded>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One visitor's part in a read.
struct Part<'a> {
    reading: &'a Reading,
    name: Name,
    loaded: Arc<Loaded>,
}

impl<'a> Part<'a> {
    /// Joins the read of a file, or begins it; `None` when too many wait already.
    fn take(reading: &'a Reading, name: Name) -> Option<Self> {
        if reading.waiting.fetch_add(1, Relaxed) >= DISK_WAITERS_MAX {
            reading.waiting.fetch_sub(1, Relaxed);
            return None;
        }
        let loaded = Arc::clone(reading.lock().entry(name).or_default());
        Some(Self { reading, name, loaded })
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.reading.waiting.fetch_sub(1, Relaxed);
        let mut under_way = self.reading.lock();
        // Whoever is last, or has it, closes the door: the next reads anew.
        let is_mine = under_way.get(&self.name).is_some_and(|known| Arc::ptr_eq(known, &self.loaded));
        if is_mine && (self.loaded.initialized() || Arc::strong_count(&self.loaded) == 2) {
            under_way.remove(&self.name);
        }
    }
}

impl Disk {
    /// Reads a file back. `take_in` is given the response and says what is stored of it.
    pub(crate) async fn load(&self, name: Name, take_in: impl FnOnce(Stored) -> Option<Arc<Stored>>) -> Option<Arc<Stored>> {
        let part = Part::take(&self.reading, name)?;
        let read = async { self.read(name).await.and_then(take_in) };
        match tokio::time::timeout(DISK_PATIENCE, part.loaded.get_or_init(|| read)).await {
            Ok(loaded) => loaded.clone(),
            Err(_) => {
                self.shared.counters.late.one();
                None
            }
        }
    }

    async fn read(&self, name: Name) -> Option<Stored> {
        let place = Arc::clone(&self.reading.places).acquire_owned().await.ok()?;
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || {
            // Held by the thread: a read that hangs keeps its place although nobody waits for it any more.
            let _place = place;
            let read = shared.files.read(name, shared.clock.now())?;
            let file = shared.files.open_apart(name, &read.body)?;
            Ok((read, file))
        });
        match read.await.ok()? {
            Ok((read, file)) => {
                self.shared.counters.read.one();
                self.shared.known(name, read, file)
            }
            Err(lost) => {
                self.shared.lose(name, &lost);
                None
            }
        }
    }
}

impl super::Shared {
    /// What was read, as the index knows it: it may have been purged meanwhile.
    fn known(self: &Arc<Self>, name: Name, read: Read, file: Option<Arc<File>>) -> Option<Stored> {
        let Read { mut stored, body, .. } = read;
        let mut index = self.index();
        let entry = index.entry_mut(name).filter(|entry| entry.apart == body.apart)?;
        if let Some(file) = file {
            stored = stored.with_apart(Apart::new(&file, body, name, self));
            entry.file = Some(file);
        }
        if entry.outdated {
            stored = stored.outdated(self.clock.time());
        }
        stored.uses = index.uses(name);
        Some(stored)
    }

    /// A file that gives nothing is forgotten.
    pub(super) fn lose(&self, name: Name, lost: &Lost) {
        match lost {
            Lost::Gone => {}
            Lost::Damaged => self.counters.damaged.one(),
            Lost::Refused(error) => {
                self.counters.refused.one();
                tracing::debug!(%error, "a stored response cannot be read");
            }
        }
        let removed = self.index().remove(name);
        self.order(Order::Drop(name, removed.and_then(|entry| entry.apart)));
    }
}
