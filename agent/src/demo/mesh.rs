//! The agents of the demonstration: real processes, joined by real invites.

use std::time::Duration;

/// What was done to a helper in mid-crowd, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `kill` (ended at once) or `stop` (frozen).
    pub kind: &'static str,
    /// Which helper, counted from 0.
    pub helper: usize,
    /// When, after the run's start.
    pub at: Duration,
    /// From then to the last redirect to it.
    pub last_redirect_after: Duration,
    /// Requests lost that had been sent to it.
    pub lost_requests: u64,
}
