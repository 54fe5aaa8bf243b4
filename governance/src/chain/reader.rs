//! The reading end: takes a log in pieces, gives its entries, and says at the end what state the log is in.

use alloc::vec::Vec;
use core::fmt;

use super::{HEADER_BYTES, Head, LINK_BYTES, MAGIC, PREFIX_BYTES, Record, SECTOR, frame_link, header_link, length_check, padded_len};
use crate::{
    codec::{self, DecodeError},
    digest::Digest,
    entry::{Entry, VERSION},
    limits::ENTRY_BYTES_MAX,
    site::SiteId,
    time::Date,
};

/// What state a log is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Every byte is accounted for.
    Whole,
    /// Writing was interrupted: everything before `at` is good, and what follows never became a frame. Cut it off.
    Torn {
        /// Where the last good frame ends.
        at: u64,
    },
    /// The bytes were changed after they were written, or are not a ledger. Everything before `at` is good.
    Corrupt {
        /// Where the bad frame starts.
        at: u64,
        /// What is wrong with it.
        reason: Reason,
    },
}

/// What is wrong with a log's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The first bytes are not a ledger's.
    NotALedger,
    /// The first bytes name a format that this agent does not know.
    OtherFormat,
    /// The header's link does not fit.
    Header,
    /// A frame's length does not fit its check, or is longer than any entry.
    Length,
    /// A frame's link does not fit.
    Link,
    /// A frame is as it was written, but by an agent of another version.
    OtherVersion(u16),
    /// A frame is as it was written, but is not an entry.
    Body(DecodeError),
    /// A frame is as it was written, but does not carry the next sequence number.
    Sequence,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotALedger => f.write_str("not the beginning of an Overspill ledger"),
            Self::OtherFormat => f.write_str("a ledger of another format; use the agent that wrote it, or a newer one"),
            Self::Header => f.write_str("the header was changed after it was written"),
            Self::Length => f.write_str("a frame's length was changed after it was written"),
            Self::Link => f.write_str("a frame was changed after it was written"),
            Self::OtherVersion(version) => write!(f, "an entry of version {version}; use the agent that wrote it, or a newer one"),
            Self::Body(error) => write!(f, "a frame does not hold an entry: {error}"),
            Self::Sequence => f.write_str("a frame carries the wrong sequence number"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the ledger is whole"),
            Self::Torn { at } => write!(f, "the ledger's tail is torn at byte {at}: a write was interrupted, nothing agreed is lost"),
            Self::Corrupt { at, reason } => write!(f, "the ledger is damaged at byte {at}: {reason}"),
        }
    }
}

/// Reads a log piece by piece. Memory is bounded by the pieces and one frame, if [`Reader::poll`] is asked until it has none.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// How much of the buffer is read.
    read: usize,
    head: Option<Head>,
    doubt: Option<Doubt>,
}

/// A frame was found bad. What follows it decides between torn and corrupt.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    at: u64,
    reason: Reason,
    /// Zeros only, so far, from a place where a lost sector may have begun.
    zeros: bool,
    /// Bytes from `at` on that `zeros` speaks of already.
    judged: usize,
}

impl Reader {
    /// A reader at the start of a log.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader that goes on at `head`, where an earlier one stopped; the next bytes fed are those from `head.len` on.
    pub fn resume(head: Head) -> Self {
        Self { head: Some(head), ..Self::default() }
    }

    /// Takes the log's next bytes.
    pub fn feed(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(piece);
    }

    /// The next entry; `None` until more is fed, or when there is none.
    pub fn poll(&mut self) -> Option<Record> {
        if self.doubt.is_none() {
            match self.step() {
                Ok(record) => return record,
                Err(doubt) => {
                    self.read += doubt.judged;
                    self.doubt = Some(doubt);
                }
            }
        }
        if let Some(doubt) = &mut self.doubt {
            doubt.zeros &= is_zero(&self.buffer[self.read..]);
            self.read = self.buffer.len();
        }
        None
    }

    /// The end of what is good; `None` while not even the header is.
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// Bytes held in memory.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// There is no more to feed: says what state the log is in.
    pub fn finish(mut self) -> Verdict {
        while self.poll().is_some() {}
        let rest = &self.buffer[self.read..];
        match (self.doubt, self.head) {
            (Some(Doubt { at, zeros, .. }), _) if zeros || planted!(CutsFlippedBits) => Verdict::Torn { at },
            (Some(Doubt { at, reason, .. }), _) => Verdict::Corrupt { at, reason },
            (None, Some(_)) if rest.is_empty() => Verdict::Whole,
            (None, Some(head)) => Verdict::Torn { at: head.len },
            (None, None) if is_zero(rest) || rest.iter().zip(&MAGIC).all(|(byte, expected)| byte == expected) => Verdict::Torn { at: 0 },
            (None, None) => Verdict::Corrupt { at: 0, reason: Reason::NotALedger },
        }
    }

    fn step(&mut self) -> Result<Option<Record>, Doubt> {
        if self.head.is_none() {
            let Some(header) = self.buffer[self.read..].first_chunk() else { return Ok(None) };
            self.head = Some(read_header(header)?);
            self.read += HEADER_BYTES;
        }
        let Some(head) = self.head else { return Ok(None) };
        let Some((record, next)) = read_frame(&self.buffer[self.read..], &head)? else { return Ok(None) };
        self.read += (next.len - head.len) as usize;
        self.head = Some(next);
        Ok(Some(record))
    }
}

fn read_header(header: &[u8; HEADER_BYTES]) -> Result<Head, Doubt> {
    let (magic, rest) = header.split_at(MAGIC.len());
    let (site, link) = (SiteId(array(rest)), Digest(array(&rest[32..])));
    if magic != MAGIC {
        let family = &MAGIC[..b"overspill ledger v".len()];
        let reason = if magic.starts_with(family) { Reason::OtherFormat } else { Reason::NotALedger };
        return Err(Doubt { at: 0, reason, zeros: is_zero(header), judged: HEADER_BYTES });
    }
    if link != header_link(&site) {
        return Err(Doubt { at: 0, reason: Reason::Header, zeros: false, judged: HEADER_BYTES });
    }
    Ok(Head { site, seq: 0, len: HEADER_BYTES as u64, link })
}

/// Reads the frame that `bytes` begin with; `None` when there are too few of them.
fn read_frame(bytes: &[u8], head: &Head) -> Result<Option<(Record, Head)>, Doubt> {
    let bad = |reason, zeros, judged| Doubt { at: head.len, reason, zeros, judged };
    let Some(prefix) = bytes.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
    let len = u32::from_le_bytes(array(prefix));
    if prefix[4..] != length_check(&head.link, len) || len as usize > ENTRY_BYTES_MAX {
        // A torn frame has its whole prefix or none of it, because a prefix never straddles a sector.
        return Err(bad(Reason::Length, is_zero(prefix), PREFIX_BYTES));
    }
    let (len, padded) = (len as usize, padded_len(len as usize));
    let Some(frame) = bytes.get(..PREFIX_BYTES + padded + LINK_BYTES) else { return Ok(None) };
    let (content, link) = frame[PREFIX_BYTES..].split_at(padded);
    let link = Digest(array(link));
    if link != frame_link(&head.link, content) {
        return Err(bad(Reason::Link, may_be_torn(frame, head.len), frame.len()));
    }
    let (_, seq, date, entry) = read_body(&content[..len]).map_err(|reason| bad(reason, false, frame.len()))?;
    if seq != head.seq + 1 {
        return Err(bad(Reason::Sequence, false, frame.len()));
    }
    let next = Head { site: head.site, seq, len: head.len + frame.len() as u64, link };
    Ok(Some((Record { seq, date, entry, at: head.len }, next)))
}

fn read_body(body: &[u8]) -> Result<(u16, u64, Date, Entry), Reason> {
    match body.first_chunk().map(|version| u16::from_le_bytes(*version)) {
        Some(version) if version != VERSION => Err(Reason::OtherVersion(version)),
        _ => codec::decode(body, ENTRY_BYTES_MAX).map_err(Reason::Body),
    }
}

/// Tells whether a frame that starts at `at` ends in zeros from a sector's edge on: the power may have gone before they were written.
fn may_be_torn(frame: &[u8], at: u64) -> bool {
    let written = frame.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    (at + written).next_multiple_of(SECTOR) < at + frame.len() as u64
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// The first `N` bytes of a slice that is known to hold them.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}

/// Reads a log that is in memory as a whole: its entries, its head (unless the header is bad), its state.
pub fn read(bytes: &[u8]) -> (Vec<Record>, Option<Head>, Verdict) {
    let mut reader = Reader::new();
    reader.feed(bytes);
    let records = core::iter::from_fn(|| reader.poll()).collect();
    let head = reader.head();
    (records, head, reader.finish())
}
