//! The thread that writes: gathers what waits, writes it, syncs once, and only then says so.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError},
};

use overspill_governance::{
    chain::{Head, Record, Writer},
    entry::Entry,
    time::Date,
};
use tokio::sync::{oneshot, watch};

use super::{
    AppendError, Health, Listener,
    disk::{Disk, write_all},
    limits::{GROUP_BYTES_MAX, PROBE_BYTES, PROBE_EVERY},
};

/// Entries that become durable together, and who wants to know. A batch without entries asks the thread to end.
pub(super) struct Batch {
    pub(super) date: Date,
    pub(super) entries: Vec<Entry>,
    pub(super) answer: oneshot::Sender<Result<Head, AppendError>>,
}

pub(super) struct Thread {
    disk: Box<dyn Disk>,
    writer: Writer,
    durable: watch::Sender<Head>,
    health: watch::Sender<Health>,
    listener: Listener,
}

/// What one sync makes durable.
#[derive(Default)]
struct Group {
    bytes: Vec<u8>,
    records: Vec<(Head, Record, Head)>,
    answers: Vec<(Head, oneshot::Sender<Result<Head, AppendError>>)>,
}

impl Thread {
    pub(super) fn new(
        disk: Box<dyn Disk>,
        head: Head,
        durable: watch::Sender<Head>,
        health: watch::Sender<Health>,
        listener: Listener,
    ) -> Self {
        Self { disk, writer: Writer::resume(head), durable, health, listener }
    }

    pub(super) fn run(mut self, waiting: &Receiver<Batch>) {
        loop {
            let first = if self.health() == Health::Full {
                match waiting.recv_timeout(PROBE_EVERY) {
                    Ok(batch) => batch,
                    Err(RecvTimeoutError::Timeout) => {
                        self.probe();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            } else {
                match waiting.recv() {
                    Ok(batch) => batch,
                    Err(_) => return,
                }
            };
            let mut ends = false;
            let mut group = Group::default();
            let mut next = Some(first);
            while let Some(batch) = next.take() {
                ends |= batch.entries.is_empty();
                self.gather(batch, &mut group);
                if group.bytes.len() < GROUP_BYTES_MAX && !ends {
                    next = waiting.try_recv().ok();
                }
            }
            self.commit(group);
            if ends {
                self.health
                    .send_if_modified(|health| *health != Health::Poisoned && std::mem::replace(health, Health::Closed) != Health::Closed);
                return;
            }
        }
    }

    fn health(&self) -> Health {
        *self.health.borrow()
    }

    /// Turns a batch into frames. A batch with an entry that is too long is refused alone.
    fn gather(&mut self, batch: Batch, group: &mut Group) {
        let before = self.writer.head();
        let (bytes, records) = (group.bytes.len(), group.records.len());
        for entry in batch.entries {
            let previous = self.writer.head();
            match self.writer.append(batch.date, &entry) {
                Ok(frame) => group.bytes.extend_from_slice(&frame),
                Err(error) => {
                    tracing::error!(%error, "an entry of our own is too long");
                    self.writer.rewind(before);
                    group.bytes.truncate(bytes);
                    group.records.truncate(records);
                    let _ = batch.answer.send(Err(AppendError::TooLong));
                    return;
                }
            }
            let record = Record { seq: self.writer.head().seq, date: batch.date, entry, at: previous.len };
            group.records.push((previous, record, self.writer.head()));
        }
        group.answers.push((self.writer.head(), batch.answer));
    }

    fn commit(&mut self, group: Group) {
        let start = *self.durable.borrow();
        let done = match self.health() {
            Health::Poisoned => Err(AppendError::Poisoned),
            Health::Good | Health::Full | Health::Closed => self.write(start, &group.bytes),
        };
        match done {
            Ok(()) => {
                self.durable.send_replace(self.writer.head());
                for (before, record, after) in &group.records {
                    (self.listener)(before, record, after);
                }
            }
            Err(_) => self.writer.rewind(start),
        }
        for (head, answer) in group.answers {
            let _ = answer.send(done.map(|()| head));
        }
    }

    fn write(&mut self, start: Head, bytes: &[u8]) -> Result<(), AppendError> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Err(error) = write_all(self.disk.as_mut(), start.len, bytes) {
            return Err(self.on_write_error(start, &error));
        }
        if let Err(error) = self.disk.sync() {
            tracing::error!(%error, "ledger poisoned: a sync failed; the site goes on serving and signs nothing until it is restarted");
            self.health.send_replace(Health::Poisoned);
            return Err(AppendError::Poisoned);
        }
        self.recovered();
        Ok(())
    }

    /// A full disk took nothing that a cut cannot undo; after any other error nobody knows what the file holds.
    fn on_write_error(&mut self, start: Head, error: &io::Error) -> AppendError {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero);
        match self.disk.cut(start.len) {
            Ok(()) if full => {
                if self.health() != Health::Full {
                    tracing::warn!(%error, "disk full: the site goes on serving, the ledger is read-only until there is space");
                }
                self.health.send_replace(Health::Full);
                AppendError::Full
            }
            _ => {
                tracing::error!(%error, "ledger poisoned: a write failed; the site goes on serving and signs nothing until it is restarted");
                self.health.send_replace(Health::Poisoned);
                AppendError::Poisoned
            }
        }
    }

    /// Finds out whether there is space again, without leaving anything behind. A crash in between leaves zeros: a torn tail.
    fn probe(&mut self) {
        let end = self.durable.borrow().len;
        let written = write_all(self.disk.as_mut(), end, &[0; PROBE_BYTES]);
        match self.disk.cut(end) {
            Ok(()) if written.is_ok() => self.recovered(),
            Ok(()) => {}
            Err(error) => {
                tracing::error!(%error, "ledger poisoned: its end cannot be cut");
                self.health.send_replace(Health::Poisoned);
            }
        }
    }

    fn recovered(&self) {
        let was_full = self.health.send_if_modified(|health| std::mem::replace(health, Health::Good) != Health::Good);
        if was_full {
            tracing::info!("there is space again: the ledger takes entries");
        }
    }
}
