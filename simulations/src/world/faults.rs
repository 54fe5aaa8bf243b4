//! What goes wrong by chance, everywhere and at any time; what goes wrong at one place and one time is a mishap.

use crate::link::{Latency, Link};

/// What goes wrong, and how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Messages lost, in a million.
    pub loss: u32,
    /// Messages doubled, in a million.
    pub doubling: u32,
    /// Longest latency in milliseconds; messages overtake each other when it is above 1.
    pub latency_max: u32,
    /// Crashes between two outputs, in a million.
    pub crash: u32,
    /// Connections that break with a message, in a million.
    pub breaks: u32,
    /// Crashes before an output that matters (an entry, or a message of a lease or of money), in a million.
    pub crash_weighty: u32,
    /// One crash before exactly this weighty output, counted over all sites from when it was set.
    pub crash_at: Option<u64>,
    /// Manifests never arrive at this site, though everything else does.
    pub manifests_lost_at: Option<usize>,
}

impl Faults {
    /// What every link is that is nothing else.
    pub(super) fn link(&self) -> Link {
        let latency = Latency::Uniform(500, 1_000 * self.latency_max.max(1));
        Link { latency, loss: self.loss, doubling: self.doubling, breaks: self.breaks, ..Link::default() }
    }
}
