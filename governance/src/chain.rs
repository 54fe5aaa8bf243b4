//! The ledger's log as bytes: a chain of frames, each linked to all before it. Pure: files and syncs are the agent's.
//!
//! ```text
//! header   magic 32 | site 32 | link 32
//! frame    len u32 | check u32 | body (len bytes) | zeros to a multiple of 32 | link 32
//! ```
//! `link` hashes the link before it and the padded body; `check` hashes the link before it and `len`; numbers are little-endian.
//! A body is version, sequence number, date and [`Entry`], in the canonical encoding.
//!
//! The reader tells a *torn tail* (the power went while a frame was being written: cut it off and go on) from a *flipped bit* (the disk
//! lies: sign nothing, ask a person). What makes the two distinguishable:
//! - `len` has its own check, so a flipped length is not taken for a frame that ends beyond the file;
//! - frames start and end at multiples of 32 bytes, so that neither a frame's first eight bytes nor its link ever straddle a sector, and a
//!   lost sector always takes a whole link with it. A tail of zeros that starts at a sector's edge is therefore never a flipped bit.

use crate::{digest::Digest, entry::Entry, site::SiteId, time::Date};

mod reader;
mod writer;

pub use reader::{Reader, Reason, Verdict, read};
pub use writer::{TooLong, Writer};

/// First bytes of every ledger.
pub const MAGIC: [u8; 32] = *b"overspill ledger v1\n\0\0\0\0\0\0\0\0\0\0\0\0";
/// Bytes before the first frame.
pub const HEADER_BYTES: usize = 96;

/// What a power cut loses or keeps as a whole: the smallest sector of disks in use.
const SECTOR: u64 = 512;
const STEP: usize = 32;
const LINK_BYTES: usize = 32;
const PREFIX_BYTES: usize = 8;

/// Where a log ends: all that a writer needs to go on, and what the next frame links to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Whose ledger it is.
    pub site: SiteId,
    /// Entries so far.
    pub seq: u64,
    /// Bytes so far.
    pub len: u64,
    /// The last link.
    pub link: Digest,
}

/// One entry as read from a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Counts entries, from 1.
    pub seq: u64,
    /// When it was written, by the writer's calendar.
    pub date: Date,
    /// What is remembered.
    pub entry: Entry,
    /// Where its frame starts, in bytes from the log's start.
    pub at: u64,
}

fn header_link(site: &SiteId) -> Digest {
    Digest::of_parts("overspill ledger header v1", &[&MAGIC, &site.0])
}

fn frame_link(previous: &Digest, padded: &[u8]) -> Digest {
    Digest::of_parts("overspill ledger link v1", &[&previous.0, padded])
}

fn length_check(previous: &Digest, len: u32) -> [u8; 4] {
    let digest = Digest::of_parts("overspill ledger length v1", &[&previous.0, &len.to_le_bytes()]);
    [digest.0[0], digest.0[1], digest.0[2], digest.0[3]]
}

/// Bytes of a body with the zeros that follow it, so that prefix and body fill whole steps.
fn padded_len(len: usize) -> usize {
    (PREFIX_BYTES + len).next_multiple_of(STEP) - PREFIX_BYTES
}

#[cfg(test)]
mod tests;
