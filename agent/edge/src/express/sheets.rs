//! Sheets: copies of large bodies of which the kernel can send.
//!
//! What is written to a socket is copied for each visitor, and for a large body the copy is most of what a hit costs. The pages of a file
//! are not copied: the socket refers to them where they are. So a body that is asked for again and again gets a file without a name, and is
//! sent from there: on the cache's disk, where such files have large pages and give their memory back when there is too little of it, or in
//! memory (memfd_create(2)) where the cache has none. Whoever asks never waits for it.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Write as _},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use overspill_governance::time::Time;
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create, open};
use tokio::task::spawn_blocking;

use crate::limits::{SHEET_ASKED_MIN, SHEET_IDLE_MAX, SHEETS_BYTES_MAX, SHEETS_MAX, SHEETS_SHARE};

/// The sheets of an edge.
#[derive(Debug)]
pub(crate) struct Sheets(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// By where the body lies. As it is held here, no other body can come to lie there.
    sheets: HashMap<usize, Sheet>,
    bytes: u64,
    bytes_max: u64,
    /// Where copies have their room.
    folder: Option<PathBuf>,
    /// A copy is being made.
    is_busy: bool,
}

/// A body that was asked for lately.
#[derive(Debug)]
struct Sheet {
    body: Bytes,
    asked: u32,
    last: Time,
    /// Its copy, once it was asked for often enough.
    file: Option<Arc<File>>,
}

/// Where they may be `memory` bytes of bodies, the sheets take a share more.
fn share(memory: u64) -> u64 {
    (memory / SHEETS_SHARE).min(SHEETS_BYTES_MAX)
}

impl Sheets {
    /// Beside so much memory for bodies, with copies in a folder of the disk, or in memory.
    pub(crate) fn new(memory: u64, folder: Option<&Path>) -> Self {
        Self(Arc::new(Mutex::new(Inner { bytes_max: share(memory), folder: folder.map(Path::to_owned), ..Inner::default() })))
    }

    /// Changes the bound and the folder.
    pub(crate) fn configure(&self, memory: u64, folder: Option<&Path>) {
        let mut inner = self.inner();
        inner.bytes_max = share(memory);
        inner.make_room(0);
        if inner.folder.as_deref() != folder {
            inner.folder = folder.map(Path::to_owned);
            inner.sheets.values_mut().for_each(|sheet| sheet.file = None);
        }
    }

    /// Notes that a body is asked for. Returns its copy, if it has one.
    pub(crate) fn find(&self, body: &Bytes, now: Time) -> Option<Arc<File>> {
        let mut inner = self.inner();
        let found = inner.ask(body, now);
        if let Asked::Often = found {
            inner.is_busy = true;
            let (sheets, body, folder) = (Self(Arc::clone(&self.0)), body.clone(), inner.folder.clone());
            // Nobody waits for it, and one at a time is made.
            drop(spawn_blocking(move || sheets.made(&body, copy(&body, folder.as_deref()), folder.as_deref())));
        }
        match found {
            Asked::Copied(file) => Some(file),
            Asked::Often | Asked::Seldom => None,
        }
    }

    /// Takes what has been made, unless it is not wanted there any more.
    fn made(&self, body: &Bytes, made: io::Result<File>, folder: Option<&Path>) {
        let made = made.inspect_err(|error| tracing::debug!(%error, "no copy of a body that is asked for often")).ok();
        let mut inner = self.inner();
        inner.is_busy = false;
        if inner.folder.as_deref() == folder
            && let Some(sheet) = inner.sheet(body)
        {
            sheet.file = made.map(Arc::new);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a body.
enum Asked {
    /// Here is its copy.
    Copied(Arc<File>),
    /// It has none and should.
    Often,
    Seldom,
}

impl Inner {
    fn sheet(&mut self, body: &Bytes) -> Option<&mut Sheet> {
        self.sheets.get_mut(&body.as_ptr().addr()).filter(|sheet| sheet.body.len() == body.len())
    }

    fn ask(&mut self, body: &Bytes, now: Time) -> Asked {
        let is_busy = self.is_busy;
        if let Some(sheet) = self.sheet(body) {
            // The disk may have taken its memory back: nobody shall wait until it is read again.
            if now.since(sheet.last) > SHEET_IDLE_MAX {
                (sheet.asked, sheet.file) = (0, None);
            }
            (sheet.asked, sheet.last) = (sheet.asked.saturating_add(1), now);
            return match &sheet.file {
                Some(file) => Asked::Copied(Arc::clone(file)),
                None if sheet.asked >= SHEET_ASKED_MIN && !is_busy => {
                    // If it cannot be made, it is tried again after as many.
                    sheet.asked = 0;
                    Asked::Often
                }
                None => Asked::Seldom,
            };
        }
        let length = body.len() as u64;
        if length <= self.bytes_max / 4 && self.make_room(length) {
            self.bytes += length;
            let sheet = Sheet { body: body.clone(), asked: 1, last: now, file: None };
            if let Some(before) = self.sheets.insert(body.as_ptr().addr(), sheet) {
                self.bytes -= before.body.len() as u64;
            }
        }
        Asked::Seldom
    }

    /// Drops bodies that nobody else holds any more, then those that were not asked for the longest, until one of this length fits.
    fn make_room(&mut self, length: u64) -> bool {
        let fits = |inner: &Self| inner.sheets.len() < SHEETS_MAX && inner.bytes + length <= inner.bytes_max;
        if !fits(self) {
            let bytes = &mut self.bytes;
            self.sheets.retain(|_, sheet| {
                let is_held = !sheet.body.is_unique();
                *bytes -= if is_held { 0 } else { sheet.body.len() as u64 };
                is_held
            });
        }
        while !fits(self) {
            let Some(oldest) = self.sheets.iter().min_by_key(|(_, sheet)| sheet.last).map(|(place, _)| *place) else { break };
            if let Some(sheet) = self.sheets.remove(&oldest) {
                self.bytes -= sheet.body.len() as u64;
            }
        }
        fits(self)
    }
}

/// A file with these bytes, which nothing can change any more: what a socket refers to must stay as it is.
fn copy(body: &[u8], folder: Option<&Path>) -> io::Result<File> {
    match folder.map(|folder| copy_on_disk(body, folder)) {
        Some(Ok(file)) => Ok(file),
        // A full disk, or a file system that has no such files.
        Some(Err(_)) | None => copy_in_memory(body),
    }
}

fn copy_in_memory(body: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("overspill-body", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(body)?;
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(file)
}

fn copy_on_disk(body: &[u8], folder: &Path) -> io::Result<File> {
    let owner_alone = Mode::RUSR | Mode::WUSR;
    // Without a name, and without the right to be given one: it goes with its last reader.
    let mut file = File::from(open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC, owner_alone)?);
    file.write_all(body)?;
    // Who only reads it cannot change it, and the one who wrote it goes here.
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::fs::FileExt as _, thread, time::Duration};

    use tokio::runtime::{Builder, Runtime};

    const NOW: Time = Time::ZERO;

    fn body(byte: u8, length: usize) -> Bytes {
        vec![byte; length].into()
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    /// Asks until there is a copy, or it is clear that there will be none.
    fn ask_often(sheets: &Sheets, body: &Bytes) -> Option<Arc<File>> {
        let runtime = runtime();
        let _entered = runtime.enter();
        (0..10 * SHEET_ASKED_MIN).find_map(|_| {
            while sheets.inner().is_busy {
                thread::sleep(Duration::from_millis(1));
            }
            sheets.find(body, NOW)
        })
    }

    #[test]
    fn what_is_asked_for_often_gets_a_copy_that_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        for folder in [None, Some(folder.path()), Some(Path::new("/nowhere"))] {
            let (runtime, sheets) = (runtime(), Sheets::new(1 << 20, folder));
            let (one, other) = (body(1, 20_000), body(2, 20_000));
            let asked = runtime.block_on(async { (1..SHEET_ASKED_MIN).all(|_| sheets.find(&one, NOW).is_none()) });
            assert!(asked && !sheets.inner().is_busy, "asked for less often than copies are worth");
            for (body, byte) in [(one, 1), (other, 2)] {
                let (file, mut read) = (ask_often(&sheets, &body).unwrap(), vec![0; 20_000]);
                file.read_exact_at(&mut read, 0).unwrap();
                assert_eq!(read, [byte; 20_000]);
                assert!(file.write_at(b"x", 0).is_err(), "nothing changes it");
                assert!(file.set_len(0).is_err(), "nor its length");
            }
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "no name is left behind");
    }

    #[test]
    fn a_copy_that_nobody_asked_for_lately_is_not_relied_on() {
        let (sheets, body) = (Sheets::new(1 << 20, None), body(1, 20_000));
        assert!(ask_often(&sheets, &body).is_some());
        assert!(sheets.find(&body, NOW.after(SHEET_IDLE_MAX)).is_some());
        let late = NOW.after(SHEET_IDLE_MAX * 2 + Duration::from_millis(1));
        assert!(sheets.find(&body, late).is_none());
        assert_eq!(sheets.inner().sheet(&body).unwrap().asked, 1, "it is counted anew");
    }

    #[test]
    fn another_folder_has_no_copies_of_the_last() {
        let (folder, body) = (tempfile::tempdir().unwrap(), body(1, 20_000));
        let sheets = Sheets::new(1 << 20, Some(folder.path()));
        assert!(ask_often(&sheets, &body).is_some());
        sheets.configure(1 << 20, Some(folder.path()));
        assert!(sheets.find(&body, NOW).is_some());
        sheets.configure(1 << 20, None);
        assert!(sheets.find(&body, NOW).is_none() && ask_often(&sheets, &body).is_some());
    }

    #[test]
    fn copies_are_bounded_and_what_the_cache_dropped_goes_first() {
        let sheets = Sheets::new(100_000 * SHEETS_SHARE, None);
        let bodies: Vec<_> = (0..4).map(|byte| body(byte, 25_000)).collect();
        assert!(bodies.iter().all(|body| ask_often(&sheets, body).is_some()));
        assert!(ask_often(&sheets, &body(9, 25_001)).is_none(), "more than a fourth of all");
        let held = |body: &Bytes| sheets.inner().sheets.contains_key(&body.as_ptr().addr());
        let [first, second, third, fourth] = <[Bytes; 4]>::try_from(bodies).unwrap();
        drop(third);
        let next = body(5, 25_000);
        assert!(ask_often(&sheets, &next).is_some());
        assert!([&first, &second, &fourth, &next].iter().all(|body| held(body)));
        let soon = NOW.after(Duration::from_millis(1));
        for body in [&first, &fourth, &next] {
            sheets.find(body, soon);
        }
        assert!(ask_often(&sheets, &body(6, 25_000)).is_some());
        assert!(held(&first) && !held(&second), "the one that was not asked for the longest goes");
        sheets.configure(50_000 * SHEETS_SHARE, None);
        let inner = sheets.inner();
        assert!(inner.bytes <= 50_000 && inner.bytes == inner.sheets.values().map(|sheet| sheet.body.len() as u64).sum::<u64>());
    }

    #[test]
    fn another_length_from_the_same_place_is_another_body() {
        let (sheets, whole) = (Sheets::new(1 << 20, None), body(1, 20_000));
        assert!(ask_often(&sheets, &whole).is_some());
        assert!(sheets.find(&whole.slice(..16_500), NOW).is_none());
        assert_eq!(sheets.inner().bytes, 16_500);
    }
}
