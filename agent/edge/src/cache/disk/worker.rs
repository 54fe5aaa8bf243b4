//! The thread that changes files: looks through what is there at the start, then writes, purges and makes room.

use std::{
    fs::File,
    io,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Instant,
};

use super::{
    Order, Shared,
    files::{Files, Lost},
    format::{self, Body},
    index::{Entry, Name},
    large::Apart,
    queue::Work,
};
use crate::{
    cache::{store::Manner, stored::Stored},
    limits::DISK_FREE_MIN,
};
use overspill_governance::time::Time;

/// Files that are looked at between two looks at what else there is to do.
const FILES_AT_ONCE: usize = 32;

pub(super) struct Worker {
    shared: Arc<Shared>,
    scan: Option<Scan>,
    /// The last refusal was logged: the next ones are not.
    complained: bool,
    /// When this process began to use the folder, by the calendar.
    began_ms: u64,
}

/// How far the look through the folder has come.
struct Scan {
    began: Instant,
    folder: u8,
    /// What is in the folder and was not looked at yet; `None` before it was listed.
    files: Option<Vec<String>>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let began_ms = shared.clock.date().as_millis();
        Self { shared, scan: None, complained: false, began_ms }
    }

    pub(super) fn run(mut self) {
        match self.shared.files.open() {
            Ok(()) => self.scan = Some(Scan { began: Instant::now(), folder: 0, files: None }),
            Err(error) => {
                tracing::warn!(%error, "nothing is stored on disk");
                self.shared.scanned.store(true, SeqCst);
            }
        }
        loop {
            match self.shared.queue.next(self.scan.is_none()) {
                Work::Order(order) => self.obey(order),
                Work::Write((stored, asked, file)) => {
                    self.keep(&stored, asked, file);
                    self.shared.queue.done();
                    // In turns: what is not known yet is fetched and written again.
                    self.look_on();
                }
                Work::Nothing => self.look_on(),
                Work::Over => return,
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Purge { files, unknown, manner } => {
                let unknown = unknown.map(|resource| self.unknown(resource)).unwrap_or_default();
                for (name, apart) in files.into_iter().chain(unknown) {
                    self.purge(name, apart, manner);
                }
                self.shared.unsettled.fetch_sub(1, SeqCst);
            }
            Order::Drop(name, apart) => {
                let mut index = self.shared.index();
                // A newer one may have taken its place meanwhile, or the look through the folder has come upon the old one.
                if index.entry(name).is_none_or(|entry| entry.written.is_none()) {
                    index.remove(name);
                    drop(index);
                    self.remove(name, apart);
                }
            }
            Order::Empty => {
                self.scan = None;
                self.empty();
                self.shared.scanned.store(true, SeqCst);
                self.shared.unsettled.fetch_sub(1, SeqCst);
            }
            Order::Fit => self.fit(),
            Order::Tell(tell) => {
                let _ = tell.send(());
            }
        }
    }

    fn purge(&mut self, name: Name, apart: Option<u64>, manner: Manner) {
        match manner {
            Manner::Soft => match self.shared.files.mark_outdated(name) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => {
                    let _ = self.shared.index().remove(name);
                    self.remove(name, apart);
                }
            },
            Manner::Hard => self.remove(name, apart),
        }
    }

    /// Files of a resource in a folder that may not have been looked through yet.
    fn unknown(&self, resource: u128) -> Vec<(Name, Option<u64>)> {
        let folder = Name { resource, variant: 0 }.folder();
        let names = self.shared.files.list(folder).into_iter().filter_map(|file| Files::read_name(&file));
        names.filter(|(name, _)| name.resource == resource).collect()
    }

    /// Removes a file; if that cannot be, everything: a file that comes back is worse than none.
    fn remove(&mut self, name: Name, apart: Option<u64>) {
        if let Err(error) = self.shared.files.remove(name, apart) {
            self.complain(&error);
            self.shared.index().clear();
            self.empty();
        }
    }

    fn empty(&mut self) {
        if let Err(error) = self.shared.files.empty() {
            tracing::error!(%error, "stored responses on disk cannot be removed: remove the folder `cache` of the state directory");
        }
    }

    /// Writes one response, and makes room for it. `file`: of its body, if that is written already.
    fn keep(&mut self, stored: &Arc<Stored>, asked: Time, file: Option<Arc<File>>) {
        let (name, now) = (Name::of(stored), self.shared.clock.now());
        let number = stored.apart().and_then(|apart| apart.body.apart);
        let file = file.or_else(|| stored.apart().and_then(Apart::file));
        if self.shared.forgotten.has(stored, asked) || (number.is_some() && file.is_none()) {
            return self.sweep(name, number);
        }
        let body = stored.apart().map_or_else(|| Body::of(stored.body_bytes()), |apart| Body::clone(&apart.body));
        let Some(head) = format::write(stored, body.clone(), now) else { return self.shared.supersede(name) };
        let written = match self.shared.files.free() {
            Ok(free) if free < DISK_FREE_MIN => Err(io::ErrorKind::StorageFull.into()),
            Ok(_) => self.shared.files.write(name, &[&head, stored.body_bytes()]),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            self.shared.counters.skipped.one();
            self.complain(&error);
            self.shared.supersede(name);
            return self.sweep(name, number);
        }
        self.complained = false;
        self.shared.counters.written.one();
        self.shared.counters.written_bytes.add(stored.body_bytes().len() as u64);
        let mut index = self.shared.index();
        // What was purged while it was being written is not there, and who purges waits for this.
        if self.shared.forgotten.has(stored, asked) {
            index.remove(name);
            drop(index);
            return self.remove(name, number);
        }
        let before = index.entry(name).and_then(|entry| entry.apart).filter(|before| Some(*before) != number);
        let mut entry = Entry::of(stored, number, Some(stored.came()));
        entry.file = file;
        let useless = index.insert((name, entry), &body, false);
        let useless: Vec<_> = useless.into_iter().filter_map(|name| Some((name, index.remove(name)?.apart))).collect();
        drop(index);
        self.sweep(name, before);
        for (name, apart) in useless {
            self.remove(name, apart);
        }
        self.fit();
    }

    /// Removes a body that no head names, unless one does.
    fn sweep(&self, name: Name, number: Option<u64>) {
        let Some(number) = number else { return };
        if self.shared.index().entry(name).is_none_or(|entry| entry.apart != Some(number)) {
            self.shared.files.sweep_body(name, number);
        }
    }

    /// Removes what is beyond the bound.
    fn fit(&mut self) {
        loop {
            let evicted = self.shared.index().evict();
            let Some((name, entry)) = evicted else { return };
            self.shared.counters.evicted.one();
            self.remove(name, entry.apart);
        }
    }

    fn complain(&mut self, error: &io::Error) {
        self.shared.counters.refused.one();
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(%error, "a response cannot be stored on disk: it is served from memory and from the origin");
        }
    }

    /// Looks at some more of the files that a process before this one left.
    fn look_on(&mut self) {
        let Some(scan) = &mut self.scan else { return };
        let (folder, shared) = (scan.folder, Arc::clone(&self.shared));
        let files = scan.files.get_or_insert_with(|| shared.files.list(folder));
        let some = files.split_off(files.len().saturating_sub(FILES_AT_ONCE));
        let folder_is_done = files.is_empty();
        if folder_is_done {
            scan.files = None;
            if let Some(next) = folder.checked_add(1) {
                scan.folder = next;
            } else {
                let took_ms = u64::try_from(scan.began.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.scan = None;
                some.iter().for_each(|file| self.look(folder, file));
                self.fit();
                self.shared.scanned.store(true, SeqCst);
                let (bytes, objects) = self.shared.index().size();
                tracing::info!(objects, bytes, took_ms, "stored responses on disk are known");
                return;
            }
        }
        some.iter().for_each(|file| self.look(folder, file));
    }

    /// Takes in one file, or removes it.
    fn look(&self, folder: u8, file: &str) {
        match Files::read_name(file) {
            Some((name, None)) => self.look_at(name),
            // A body, which the file of its head names; else the head was never written, or is gone.
            Some((name, Some(number))) => {
                // A name from before this process: what it writes itself is on its way to a head.
                if number >= self.began_ms << 16 {
                    return;
                }
                let named = self.shared.files.look(name, self.shared.clock.now()).is_ok_and(|read| read.body.apart == Some(number));
                if !named {
                    self.shared.files.sweep(folder, file);
                }
            }
            // Half written when the process before this one died.
            None => self.shared.files.sweep(folder, file),
        }
    }

    fn look_at(&self, name: Name) {
        // Written by this process, and known.
        if self.shared.index().entry(name).is_some() {
            return;
        }
        match self.shared.files.look(name, self.shared.clock.now()) {
            Ok(read) => {
                let entry = Entry::of(&read.stored, read.body.apart, None);
                let useless = self.shared.index().insert((name, entry), &read.body, true);
                useless.into_iter().for_each(|name| self.shared.supersede(name));
            }
            Err(Lost::Gone) => {}
            Err(lost) => self.shared.lose(name, &lost),
        }
    }
}
