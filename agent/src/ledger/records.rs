//! Reading a log from its start, record by record, in bounded memory.

use std::{fs::File, io, path::Path};

use overspill_governance::chain::{Head, Reader, Record, Verdict};

use super::{disk::Source, limits::PIECE_BYTES};

/// The records of a log. An iterator that ends at the first byte that is no record; [`Records::finish`] says why it ended there.
pub struct Records<'a> {
    source: Box<dyn Source + 'a>,
    reader: Reader,
    at: u64,
    end: u64,
    piece: Vec<u8>,
    failed: Option<io::Error>,
}

impl Records<'static> {
    /// Reads a file up to `end`, or as long as it is now.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn of_file(path: &Path, end: Option<u64>) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self::of(Box::new(file), end.unwrap_or(len).min(len)))
    }
}

impl<'a> Records<'a> {
    /// Reads a source up to `end`.
    pub fn of(source: Box<dyn Source + 'a>, end: u64) -> Self {
        Self { source, reader: Reader::new(), at: 0, end, piece: vec![0; PIECE_BYTES], failed: None }
    }

    /// Goes on reading at `head`, up to `end`.
    pub fn after(source: Box<dyn Source + 'a>, head: Head, end: u64) -> Self {
        Self { reader: Reader::resume(head), at: head.len, ..Self::of(source, end) }
    }

    /// The next record, with the head that it follows.
    ///
    /// # Errors
    /// What the operating system says of reading.
    pub fn next_with_head(&mut self) -> io::Result<Option<(Head, Record)>> {
        loop {
            let before = self.reader.head();
            if let Some(record) = self.reader.poll() {
                // The very first record is read together with the header, so that there is no head before it yet.
                let Some(before) = before.or_else(|| first(&self.reader)) else { return Ok(None) };
                return Ok(Some((before, record)));
            }
            if self.at >= self.end {
                return Ok(None);
            }
            let want = usize::try_from(self.end - self.at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            match self.source.read_at(self.at, &mut self.piece[..want]) {
                Ok(0) => self.end = self.at,
                Ok(read) => {
                    self.reader.feed(&self.piece[..read]);
                    self.at += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The end of what is good so far; `None` when not even the header is.
    pub fn head(&self) -> Option<Head> {
        self.reader.head()
    }

    /// Why the iterator ended, when the operating system was the reason.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Says what state the log is in, once everything was read.
    pub fn finish(self) -> Verdict {
        self.reader.finish()
    }
}

/// The head before the first record: what a new ledger of that site begins with.
fn first(reader: &Reader) -> Option<Head> {
    reader.head().map(|head| overspill_governance::chain::Writer::create(head.site).0.head())
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        match self.next_with_head() {
            Ok(next) => next.map(|(_, record)| record),
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }
}
