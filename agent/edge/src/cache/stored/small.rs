//! Spans of time in few bytes, and what an allocation takes.

use std::time::Duration;

/// A span of time in eight bytes, to the microsecond.
#[derive(Debug, Clone, Copy)]
pub(in crate::cache) struct Span(u64);

impl From<Duration> for Span {
    fn from(span: Duration) -> Self {
        Self(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        Self::from_micros(span.0)
    }
}

/// A span of time in four bytes, to the second, as directives give it.
#[derive(Debug, Clone, Copy)]
pub(in crate::cache) struct Seconds(u32);

impl From<Duration> for Seconds {
    fn from(span: Duration) -> Self {
        Self(u32::try_from(span.as_secs()).unwrap_or(u32::MAX))
    }
}

impl From<Seconds> for Duration {
    fn from(span: Seconds) -> Self {
        Self::from_secs(span.0.into())
    }
}

/// What the count of those who hold the same bytes takes, once there is more than one.
pub(super) const SHARED_BYTES: usize = 32;
/// An entry of the index at its emptiest, and a place in the order in which things leave.
pub(super) const PLACE_BYTES: usize = 64;
/// From so many bytes on, an allocation has pages of its own.
const PAGED_BYTES: usize = 128 * 1024;

/// What an allocation of so many bytes takes: a header, rounded to 16 bytes, or to pages.
pub(crate) fn allocated(bytes: usize) -> usize {
    if bytes < PAGED_BYTES { (bytes + 8).next_multiple_of(16).max(32) } else { (bytes + 16).next_multiple_of(4_096) }
}
