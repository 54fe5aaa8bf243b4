//! Where a stored response's body is, and how it leaves.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{Stored, text};
use crate::{body::Payload, cache::disk::large::Apart};

/// Where a body is that does not stand with the head.
#[derive(Debug, Clone)]
pub(in crate::cache) enum Long {
    /// It does.
    No,
    /// In memory, by itself: what confirms it does not copy it.
    Whole(Box<Bytes>),
    /// On disk only: too long for memory.
    Apart(Box<Apart>),
}

impl Long {
    /// Of a body that is here.
    pub(super) fn of(body: Bytes) -> Self {
        if text::is_short(body.len()) { Self::No } else { Self::Whole(Box::new(body)) }
    }
}

/// A short body that is on its way, with the response that it is of.
struct Short(Arc<Stored>);

impl AsRef<[u8]> for Short {
    fn as_ref(&self) -> &[u8] {
        self.0.text.body()
    }
}

impl Stored {
    /// All of the body, if it is in memory; else nothing. A short one is copied.
    pub(crate) fn body(&self) -> Bytes {
        self.long_body().map_or_else(|| Bytes::copy_from_slice(self.body_bytes()), Bytes::clone)
    }

    /// The same, never copied: it holds the response.
    fn shared_body(self: &Arc<Self>) -> Bytes {
        match self.long_body() {
            None if self.body_bytes().is_empty() => Bytes::new(),
            None => Bytes::from_owner(Short(Arc::clone(self))),
            Some(body) => body.clone(),
        }
    }

    /// The body, if it is in memory by itself.
    pub(crate) fn long_body(&self) -> Option<&Bytes> {
        if let Long::Whole(body) = &self.long { Some(body) } else { None }
    }

    /// The same, to be looked at.
    pub(crate) fn body_bytes(&self) -> &[u8] {
        match &self.long {
            Long::No => self.text.body(),
            Long::Whole(body) => body,
            Long::Apart(_) => &[],
        }
    }

    /// Where its body is, if that is too long for memory.
    pub(crate) fn apart(&self) -> Option<&Apart> {
        if let Long::Apart(apart) = &self.long { Some(apart) } else { None }
    }

    /// Length of the body.
    pub(crate) fn length(&self) -> u64 {
        self.apart().map_or(self.body_bytes().len() as u64, |apart| apart.body.length)
    }

    /// Tells whether its body is still there.
    pub(in crate::cache) fn is_there(&self) -> bool {
        self.apart().is_none_or(Apart::is_there)
    }

    /// All of the body.
    pub(crate) fn whole(self: &Arc<Self>) -> Payload {
        match self.apart() {
            None => Payload::whole(self.shared_body()),
            Some(apart) => Payload::Filed(Box::new(apart.reader(0..apart.body.length))),
        }
    }

    /// Some of the body; `None` if there is not so much of it.
    pub(crate) fn cut(&self, range: &Range<u64>) -> Option<Payload> {
        if range.start > range.end || range.end > self.length() {
            return None;
        }
        if let Some(apart) = self.apart() {
            return Some(Payload::Filed(Box::new(apart.reader(range.clone()))));
        }
        self.slice(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?).map(Payload::whole)
    }

    /// The same, of a body that is in memory. Only what is short is copied.
    pub(in crate::cache) fn slice(&self, range: Range<usize>) -> Option<Bytes> {
        match self.long_body() {
            None => self.body_bytes().get(range).map(Bytes::copy_from_slice),
            Some(body) => (range.start <= range.end && range.end <= body.len()).then(|| body.slice(range)),
        }
    }
}
