//! What the ledger asks of a disk: few calls, so that tests can make each of them fail.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use crate::state::sync_directory;

/// A place that can be read.
pub trait Source: Send {
    /// Reads at `at` into `buffer`; fewer bytes are legal, none means the end.
    ///
    /// # Errors
    /// What the operating system says.
    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// A place that can be appended to.
pub trait Disk: Source {
    /// Bytes in it.
    ///
    /// # Errors
    /// What the operating system says.
    fn size(&mut self) -> io::Result<u64>;

    /// Writes at `at`; fewer bytes are legal.
    ///
    /// # Errors
    /// What the operating system says.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Forgets everything from `len` on.
    ///
    /// # Errors
    /// What the operating system says.
    fn cut(&mut self, len: u64) -> io::Result<()>;

    /// Returns when everything written is durable.
    ///
    /// # Errors
    /// What the operating system says. Nobody knows then what is durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// Writes all of `bytes` at `at`, however short each write is.
///
/// # Errors
/// What the disk says; a part may be written.
pub fn write_all(disk: &mut dyn Disk, mut at: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match disk.write_at(at, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                at += written as u64;
                bytes = &bytes[written..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A file.
#[derive(Debug)]
pub struct FileDisk(File);

impl FileDisk {
    /// Opens the file, or makes it, 0600 and with a durable name.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        match options.clone().create_new(true).open(path) {
            Ok(file) => {
                file.sync_all()?;
                path.parent().map_or(Ok(()), sync_directory)?;
                Ok(Self(file))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path).map(Self),
            Err(error) => Err(error),
        }
    }
}

impl Source for FileDisk {
    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(buffer, at)
    }
}

impl Disk for FileDisk {
    fn size(&mut self) -> io::Result<u64> {
        self.0.metadata().map(|found| found.len())
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_at(bytes, at)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        rustix::fs::fdatasync(&self.0).map_err(io::Error::from)
    }
}

impl Source for File {
    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, at)
    }
}

impl<D: Disk + ?Sized> Source for &mut D {
    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(at, buffer)
    }
}
