//! Who watches a world. Each checker knows one family of promises, believes nobody, and looks at what leaves a site and at what is durable.

use overspill_governance::{entry::Entry, site::SiteId};
use overspill_protocol::{message::Message, plan::Plan};

pub mod conservation;
pub mod forks;
pub mod lease_caps;
pub mod paid;
pub mod sense;
pub mod single_settlement;
pub mod vote_safety;

use forks::Forks;
use vote_safety::Votes;

/// All checkers that watch while a world runs; the others read the disks at its end.
#[derive(Debug, Default)]
pub struct Checkers {
    forks: Forks,
    votes: Votes,
    violations: Vec<String>,
}

impl Checkers {
    /// An entry becomes durable.
    pub fn on_entry(&mut self, site: SiteId, entry: &Entry) {
        self.violations.extend(self.forks.on_entry(site, entry));
        self.violations.extend(self.votes.on_entry(site, entry));
    }

    /// A message leaves.
    pub fn on_message(&mut self, site: SiteId, message: &Message) {
        self.violations.extend(self.forks.on_message(site, message));
        self.violations.extend(self.votes.on_message(site, message));
    }

    /// A plan is handed to a data plane.
    pub fn on_plan(&mut self, site: SiteId, plan: &Plan) {
        self.violations.extend(lease_caps::check(site, plan));
    }

    /// Promises that were broken so far, in words.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }
}
