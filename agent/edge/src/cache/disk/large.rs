//! Bodies too long for memory: written to a file of their own as they come, and read from it as they are sent.
//!
//! Every block is checked before a byte of it is sent. A file that is removed meanwhile is read to its end all the same; one that turns out to be
//! damaged in its midst breaks off, and is forgotten.

use std::{
    fs::File,
    future::Future,
    io::{self, Write as _},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Disk, Shared,
    files::Lost,
    format::{BLOCK_BYTES, Body},
    index::Name,
};
use crate::limits::{
    DISK_BODY_BYTES_MAX, DISK_BODY_SHARE, DISK_DRAFT_CHUNKS_MAX, DISK_DRAFT_PATIENCE, DISK_DRAFTS_MAX, DISK_FREE_MIN, DISK_LOOK_BYTES,
};

/// Where a body is that is not in memory. The index keeps its file open; when that has gone, so has the body.
#[derive(Debug, Clone)]
pub(crate) struct Apart {
    file: Weak<File>,
    pub(crate) body: Arc<Body>,
    /// Who is told when it is found damaged.
    home: (Weak<Shared>, Name),
}

impl Apart {
    pub(super) fn new(file: &Arc<File>, body: Body, name: Name, shared: &Arc<Shared>) -> Self {
        Self { file: Arc::downgrade(file), body: Arc::new(body), home: (Arc::downgrade(shared), name) }
    }

    /// Tells whether it can be read.
    pub(crate) fn is_there(&self) -> bool {
        self.file.strong_count() > 0
    }

    /// Some of the body, to be sent.
    pub(crate) fn reader(&self, range: Range<u64>) -> Reader {
        Reader { file: self.file.upgrade(), body: Arc::clone(&self.body), home: self.home.clone(), range, coming: None }
    }

    pub(crate) fn file(&self) -> Option<Arc<File>> {
        self.file.upgrade()
    }
}

/// Reads one block, and checks it.
pub(crate) fn read_block(file: &File, body: &Body, block: u64) -> io::Result<Bytes> {
    let at = block * BLOCK_BYTES as u64;
    let length = body.length.saturating_sub(at).min(BLOCK_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut bytes, at)?;
    let check = usize::try_from(block).ok().and_then(|block| body.checks.get(block).copied());
    if check == Some(crc32fast::hash(&bytes)) { Ok(bytes.into()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// A body on its way from its file to one visitor.
#[derive(Debug)]
pub(crate) struct Reader {
    file: Option<Arc<File>>,
    body: Arc<Body>,
    home: (Weak<Shared>, Name),
    /// What is still to be sent.
    range: Range<u64>,
    coming: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Reader {
    /// Bytes still to be sent.
    pub(crate) fn left(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// The next bytes; `None` at the end.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        let block = self.range.start / BLOCK_BYTES as u64;
        if self.coming.is_none() {
            let Some(file) = self.file.clone() else { return Poll::Ready(Some(Err(io::ErrorKind::NotFound.into()))) };
            let body = Arc::clone(&self.body);
            self.coming = Some(tokio::task::spawn_blocking(move || read_block(&file, &body, block)));
        }
        let Some(coming) = &mut self.coming else { return Poll::Pending };
        let read = ready!(Pin::new(coming).poll(cx));
        self.coming = None;
        let bytes = match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(bytes) => bytes,
            Err(error) => {
                // For the next it is as if it had never been stored.
                if let Some(shared) = self.home.0.upgrade() {
                    shared
                        .lose(self.home.1, &if error.kind() == io::ErrorKind::InvalidData { Lost::Damaged } else { Lost::Refused(error) });
                }
                let error = io::Error::other("a stored body is damaged");
                return Poll::Ready(Some(Err(error)));
            }
        };
        let at = block * BLOCK_BYTES as u64;
        let from = usize::try_from(self.range.start - at).unwrap_or_default();
        let to = usize::try_from(self.range.end - at).unwrap_or(usize::MAX).min(bytes.len());
        let bytes = bytes.slice(from.min(to)..to);
        self.range.start += bytes.len() as u64;
        Poll::Ready(Some(Ok(bytes)))
    }
}

/// A body that is being written. Dropped before its end, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Draft {
    name: Name,
    number: u64,
    shared: Arc<Shared>,
    chunks: mpsc::Sender<Bytes>,
    written: JoinHandle<io::Result<(File, Body)>>,
    path: PathBuf,
    is_kept: bool,
    _place: tokio::sync::OwnedSemaphorePermit,
}

/// Bodies that were begun, for names that no two of them share: not in this process, and by their start not in two.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl Disk {
    /// The longest body that is kept.
    pub(crate) fn body_max(&self) -> u64 {
        (self.shared.index().capacity() / DISK_BODY_SHARE).min(DISK_BODY_BYTES_MAX)
    }

    /// Begins to write a body of such a length; `None` if there is no place.
    pub(crate) fn draft(&self, name: Name, length: Length) -> Option<Draft> {
        let place = Arc::clone(&self.drafts).try_acquire_owned().ok()?;
        let number = self.shared.clock.date().as_millis() << 16 | NUMBERS.fetch_add(1, Relaxed) & 0xffff;
        let path = self.shared.files.apart(name, number);
        let (chunks, coming) = mpsc::channel(DISK_DRAFT_CHUNKS_MAX);
        let (shared, at, own) = (Arc::clone(&self.shared), path.clone(), Arc::clone(&self.shared));
        let written = tokio::task::spawn_blocking(move || {
            let (coming_bytes, most) = match length {
                Length::Known(length) => (length, length),
                Length::AtMost(most) => (0, most),
            };
            let has_room = |wanted: u64| match shared.files.free() {
                Ok(free) if free < wanted.saturating_add(DISK_FREE_MIN) => Err(io::ErrorKind::StorageFull.into()),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            has_room(coming_bytes)?;
            let written = shared.files.create(&at).and_then(|file| write(file, coming, most, || has_room(0)));
            if let Err(error) = &written {
                shared.counters.skipped.one();
                tracing::debug!(%error, "a long body cannot be stored on disk: it is passed on");
            }
            written
        });
        Some(Draft { name, number, shared: own, chunks, written, path, is_kept: false, _place: place })
    }
}

/// What is known of a body's length before it has come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Length {
    /// The origin said it.
    Known(u64),
    /// It may become as long as this; one that is longer is not kept.
    AtMost(u64),
}

/// Writes what comes to the end of the channel, and checks it block by block. Now and then it is asked whether there is still room.
fn write(mut file: File, mut coming: mpsc::Receiver<Bytes>, most: u64, has_room: impl Fn() -> io::Result<()>) -> io::Result<(File, Body)> {
    let (mut body, mut hasher, mut in_block) = (Body { length: 0, checks: Vec::new(), apart: None }, crc32fast::Hasher::new(), 0);
    let mut looked = 0;
    while let Some(mut bytes) = coming.blocking_recv() {
        file.write_all(&bytes)?;
        body.length += bytes.len() as u64;
        if body.length > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if body.length - looked > DISK_LOOK_BYTES {
            looked = body.length;
            has_room()?;
        }
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(BLOCK_BYTES - in_block));
            hasher.update(&piece);
            in_block += piece.len();
            if in_block == BLOCK_BYTES {
                body.checks.push(std::mem::take(&mut hasher).finalize());
                in_block = 0;
            }
        }
    }
    if in_block > 0 {
        body.checks.push(hasher.finalize());
    }
    Ok((file, body))
}

impl Draft {
    /// Appends what came. False when the disk has failed, or is much too slow: then there is no use in going on.
    pub(crate) async fn push(&mut self, bytes: Bytes) -> bool {
        matches!(tokio::time::timeout(DISK_DRAFT_PATIENCE, self.chunks.send(bytes)).await, Ok(Ok(())))
    }

    /// Ends a body that is whole: its file, open, and where it is.
    pub(crate) async fn finish(mut self, length: u64) -> Option<(Arc<File>, Apart)> {
        let (nothing, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.chunks, nothing));
        let (file, mut body) = (&mut self.written).await.ok()?.ok()?;
        if body.length != length {
            return None;
        }
        body.apart = Some(self.number);
        self.is_kept = true;
        let file = Arc::new(file);
        let apart = Apart::new(&file, body, self.name, &self.shared);
        Some((file, apart))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_kept {
            // Its thread ends with the channel; what it still writes has no name any more.
            let path = std::mem::take(&mut self.path);
            drop(tokio::task::spawn_blocking(move || std::fs::remove_file(path)));
        }
    }
}

/// Places for drafts.
pub(super) fn places() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(DISK_DRAFTS_MAX))
}
