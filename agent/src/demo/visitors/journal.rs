//! What became of every request of a run.

use std::time::Duration;

/// How a request ended, by the visitor's judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The right bytes within the deadline.
    Right,
    /// The site said that it is too busy.
    Refused,
    /// No whole answer within the deadline.
    Late,
    /// Other bytes, or another status.
    Wrong,
    /// The connection failed.
    Broken,
    /// Never sent: the page that wanted it did not come.
    NotAsked,
}

/// Who sent the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Nobody.
    Nobody,
    /// The site's origin, for this request.
    Origin,
    /// The site's agent, which held it.
    Cache,
    /// A helper, counted from 0.
    Helper(u8),
}

/// When a request's visitor was first sent to a helper: by a redirect, or by the page that wanted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redirect {
    /// When it arrived, after the run's start.
    pub at: Duration,
    /// Which helper.
    pub to: u8,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// When it was wanted, after the run's start.
    pub wanted: Duration,
    /// When it ended.
    pub ended: Duration,
    /// Place in the content's resources.
    pub resource: u32,
    /// How.
    pub outcome: Outcome,
    /// By whom.
    pub carrier: Carrier,
    /// Whether its visitor was sent to a helper.
    pub redirect: Option<Redirect>,
    /// Whether its page did so, and the site was not asked before.
    pub named: bool,
    /// Whether a helper sent it back to the owner.
    pub sent_back: bool,
}

impl Record {
    /// From the moment it was wanted to its end.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.ended.saturating_sub(self.wanted)
    }
}

/// All requests of a run, in the order in which their visits ended.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// The requests.
    pub records: Vec<Record>,
}

impl Journal {
    /// Makes an empty journal with room for `requests`.
    #[must_use]
    pub fn with_capacity(requests: usize) -> Self {
        Self { records: Vec::with_capacity(requests) }
    }

    /// Adds the requests of one visit.
    pub fn add(&mut self, records: Vec<Record>) {
        self.records.extend(records);
    }
}
