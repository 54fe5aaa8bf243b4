//! The writing end: turns entries into frames, and knows the head.

use alloc::vec::Vec;
use core::fmt;

use super::{HEADER_BYTES, Head, LINK_BYTES, MAGIC, PREFIX_BYTES, frame_link, header_link, length_check, padded_len};
use crate::{
    codec,
    entry::{Entry, VERSION},
    limits::ENTRY_BYTES_MAX,
    site::SiteId,
    time::Date,
};

/// An entry that is longer than a ledger takes. The writer is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// Its bytes.
    pub len: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an entry of {} bytes, where a ledger takes {ENTRY_BYTES_MAX}; nothing was written", self.len)
    }
}

impl core::error::Error for TooLong {}

/// Makes the bytes to append to a log. Whether they reached the disk is the caller's to know: see [`Writer::rewind`].
#[derive(Debug, Clone)]
pub struct Writer {
    head: Head,
}

impl Writer {
    /// Starts the log of `site`, with the bytes that it begins with.
    pub fn create(site: SiteId) -> (Self, [u8; HEADER_BYTES]) {
        let link = header_link(&site);
        let mut bytes = [0; HEADER_BYTES];
        bytes[..32].copy_from_slice(&MAGIC);
        bytes[32..64].copy_from_slice(&site.0);
        bytes[64..].copy_from_slice(&link.0);
        (Self::resume(Head { site, seq: 0, len: HEADER_BYTES as u64, link }), bytes)
    }

    /// Goes on where a reader found the log to end. After a torn tail the file must have been cut to [`Head::len`] first.
    pub fn resume(head: Head) -> Self {
        Self { head }
    }

    /// The log's end, with everything appended so far.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Forgets what was appended after `head`, because it could not be written.
    pub fn rewind(&mut self, head: Head) {
        self.head = head;
    }

    /// The next frame's bytes.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn append(&mut self, date: Date, entry: &Entry) -> Result<Vec<u8>, TooLong> {
        let seq = self.head.seq + 1;
        let body = codec::encode(&(VERSION, seq, date, entry));
        let len = u32::try_from(body.len()).ok().filter(|len| *len as usize <= ENTRY_BYTES_MAX).ok_or(TooLong { len: body.len() })?;
        let mut frame = Vec::with_capacity(PREFIX_BYTES + padded_len(body.len()) + LINK_BYTES);
        frame.extend_from_slice(&len.to_le_bytes());
        frame.extend_from_slice(&length_check(&self.head.link, len));
        frame.extend_from_slice(&body);
        frame.resize(PREFIX_BYTES + padded_len(body.len()), 0);
        let link = frame_link(&self.head.link, &frame[PREFIX_BYTES..]);
        frame.extend_from_slice(&link.0);
        self.head = Head { site: self.head.site, seq, len: self.head.len + frame.len() as u64, link };
        Ok(frame)
    }
}
