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
const PAGED_BYTES: usize = 512 * 1024;

/// What an allocation of so many bytes takes: mimalloc has blocks of whole words in pairs, from 64 bytes on four sizes to a doubling, and pages of
/// 4 KiB for what is long (`mi_good_size` in its `page-queue.c`).
pub(crate) fn allocated(bytes: usize) -> usize {
    match bytes {
        0..=64 => bytes.next_multiple_of(16).max(16),
        65..=PAGED_BYTES => bytes.next_multiple_of(bytes.next_power_of_two() / 8),
        _ => bytes.next_multiple_of(4_096),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_allocators() {
        for (bytes, block) in [
            (0, 16),
            (1, 16),
            (16, 16),
            (17, 32),
            (64, 64),
            (65, 80),
            (80, 80),
            (81, 96),
            (128, 128),
            (129, 160),
            (184, 192),
            (192, 192),
            (193, 224),
            (1_024, 1_024),
            (1_025, 1_280),
            (1_384, 1_536),
            (512 * 1024, 512 * 1024),
            (512 * 1024 + 1, 516 * 1024),
        ] {
            assert_eq!(allocated(bytes), block, "{bytes}");
        }
    }
}
