//! The disk tier's files: written beside their place and put there whole, never synced, read back with suspicion.
//!
//! Nothing here is worth a sync: what a power cut damages is noticed when it is read, and is then as if it had never been stored.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use overspill_governance::time::Now;

use super::{
    format::{self, Body, OUTDATED, OUTDATED_AT, Read, Unread},
    index::Name,
    large::read_block,
};
use crate::limits::{DISK_HEAD_BYTES_MAX, STORED_BODY_BYTES_MAX};

/// The folder of this version of the format. Others beside it are of other versions, or thrown away.
const FOLDER: &str = "v1";
/// Bytes of a file that are read to see its head: most heads fit.
const BEGINNING_BYTES: usize = 4_096;

/// A folder of stored responses that this process alone uses.
#[derive(Debug)]
pub(crate) struct Files {
    base: PathBuf,
    root: PathBuf,
}

/// Why a file gives nothing.
#[derive(Debug)]
pub(crate) enum Lost {
    /// It is not there.
    Gone,
    /// It is not what it should be.
    Damaged,
    /// The disk does not give it.
    Refused(io::Error),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Gone } else { Self::Refused(error) }
    }
}

impl Files {
    pub(crate) fn new(base: PathBuf) -> Self {
        Self { root: base.join(FOLDER), base }
    }

    /// Makes the folder, for nobody else to look into, and throws away what is beside it.
    pub(crate) fn open(&self) -> io::Result<()> {
        private_folder(&self.root)?;
        for entry in fs::read_dir(&self.base)?.flatten().filter(|entry| entry.file_name() != FOLDER) {
            throw_away(entry.path());
        }
        Ok(())
    }

    fn folder(&self, folder: u8) -> PathBuf {
        self.root.join(format!("{folder:02x}"))
    }

    fn path(&self, name: Name) -> PathBuf {
        self.folder(name.folder()).join(name.text())
    }

    /// The file of a body that has one of its own.
    pub(crate) fn apart(&self, name: Name, number: u64) -> PathBuf {
        self.folder(name.folder()).join(format!("{}.{number:016x}", name.text()))
    }

    /// Reads the name of a file of this folder, and the number if it is a body's.
    pub(crate) fn read_name(text: &str) -> Option<(Name, Option<u64>)> {
        match text.split_once('.') {
            None => Some((Name::read(text)?, None)),
            Some((name, number)) if number.len() == 16 => Some((Name::read(name)?, Some(u64::from_str_radix(number, 16).ok()?))),
            Some(_) => None,
        }
    }

    /// Puts a file into its place when all of it is written; what was there before stays until then.
    pub(crate) fn write(&self, name: Name, parts: &[&[u8]]) -> io::Result<()> {
        let path = self.path(name);
        let draft = path.with_extension("new");
        let written = self.create(&draft).and_then(|mut file| parts.iter().try_for_each(|part| file.write_all(part)));
        let placed = written.and_then(|()| fs::rename(&draft, &path));
        if placed.is_err() {
            let _ = fs::remove_file(&draft);
        }
        placed
    }

    /// Makes a file, and its folder if that is not there yet.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        let open = || OpenOptions::new().write(true).read(true).create(true).truncate(true).mode(0o600).open(path);
        match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                private_folder(path.parent().unwrap_or(&self.root))?;
                open()
            }
            opened => opened,
        }
    }

    /// Reads a whole file: a response, with its body unless that is apart.
    pub(crate) fn read(&self, name: Name, now: Now) -> Result<Read, Lost> {
        let mut bytes = Vec::new();
        let most = DISK_HEAD_BYTES_MAX as u64 + STORED_BODY_BYTES_MAX + 4_096;
        let file = File::open(self.path(name))?;
        bytes.reserve_exact(usize::try_from(file.metadata()?.len().min(most)).unwrap_or_default() + 1);
        file.take(most).read_to_end(&mut bytes)?;
        let mut read = format::read(&bytes, now).map_err(|_| Lost::Damaged)?;
        if Name::of(&read.stored) != name {
            return Err(Lost::Damaged);
        }
        if read.body.apart.is_none() {
            // The head's bytes do not stay in memory with the body.
            let body = bytes.split_off(usize::try_from(read.body_at).unwrap_or(bytes.len()).min(bytes.len()));
            if !read.body.is(&body) {
                return Err(Lost::Damaged);
            }
            read.stored = read.stored.with_body(body.into());
        }
        Ok(read)
    }

    /// Opens a body that has a file of its own. Its length and its first block are looked at.
    pub(crate) fn open_apart(&self, name: Name, body: &Body) -> Result<Option<Arc<File>>, Lost> {
        let Some(number) = body.apart else { return Ok(None) };
        let file = File::open(self.apart(name, number))?;
        let is_whole = file.metadata()?.len() == body.length && read_block(&file, body, 0).is_ok();
        if is_whole { Ok(Some(Arc::new(file))) } else { Err(Lost::Damaged) }
    }

    /// Reads the beginning of a file, and looks whether as much follows as it says.
    pub(crate) fn look(&self, name: Name, now: Now) -> Result<Read, Lost> {
        let file = File::open(self.path(name))?;
        let length = file.metadata()?.len();
        let mut bytes = vec![0; BEGINNING_BYTES.min(usize::try_from(length).unwrap_or(BEGINNING_BYTES))];
        file.read_exact_at(&mut bytes, 0)?;
        let read = match format::read(&bytes, now) {
            Err(Unread::Short(needed)) if needed as u64 <= length => {
                bytes.resize(needed, 0);
                file.read_exact_at(&mut bytes, 0)?;
                format::read(&bytes, now)
            }
            read => read,
        };
        let read = read.map_err(|_| Lost::Damaged)?;
        let whole = match read.body.apart {
            None => length == read.body_at + read.body.length,
            Some(number) => fs::metadata(self.apart(name, number))?.len() == read.body.length,
        };
        if whole && Name::of(&read.stored) == name { Ok(read) } else { Err(Lost::Damaged) }
    }

    /// Marks a file as purged, in place: whatever is read of it from now on is stale.
    pub(crate) fn mark_outdated(&self, name: Name) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.path(name))?.write_all_at(&OUTDATED, OUTDATED_AT)
    }

    /// Removes a file. That it is not there is as good.
    pub(crate) fn remove(&self, name: Name, apart: Option<u64>) -> io::Result<()> {
        let gone = |removed: io::Result<()>| match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        let head = gone(fs::remove_file(self.path(name)));
        let body = apart.map_or(Ok(()), |number| gone(fs::remove_file(self.apart(name, number))));
        head.and(body)
    }

    /// Removes a body whose head names it no more.
    pub(crate) fn sweep_body(&self, name: Name, number: u64) {
        let _ = fs::remove_file(self.apart(name, number));
    }

    /// What is in one of the 256 folders.
    pub(crate) fn list(&self, folder: u8) -> Vec<String> {
        let entries = fs::read_dir(self.folder(folder)).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Removes a file by the name that [`Files::list`] gave.
    pub(crate) fn sweep(&self, folder: u8, file: &str) {
        let _ = fs::remove_file(self.folder(folder).join(file));
    }

    /// Forgets everything at once. The bytes are given back in the background.
    pub(crate) fn empty(&self) -> io::Result<()> {
        let mut gone = self.base.join("gone");
        for attempt in 0_u32.. {
            gone = self.base.join(format!("gone-{attempt}"));
            if !gone.exists() {
                break;
            }
        }
        match fs::rename(&self.root, &gone) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
            Ok(()) => throw_away(gone),
        }
        private_folder(&self.root)
    }

    /// Bytes that the file system has left for us.
    pub(crate) fn free(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.root)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes a tree, which may take long, where nobody waits for it. What is left is removed at the next start.
fn throw_away(path: PathBuf) {
    let remove = move || {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::warn!(%error, "what was thrown away is still there");
        }
    };
    let _ = thread::Builder::new().name("cache-sweep".to_owned()).spawn(remove);
}
