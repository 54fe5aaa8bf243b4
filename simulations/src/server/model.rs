//! What a site in focus is made of: its origin, its line, its pages, and the people who come.

use std::time::Duration;

use super::spread::Spread;
use crate::traffic::retries::Patience;

/// By which rule the site decides what is excess on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// As the edge does: what the line's budget cannot take at this moment.
    Shipped,
    /// That, and only while the smallest debt of the last half second is above a target: a queue that stands.
    Standing,
    /// One that remembers: until nothing was excess for a while everything is. Such a rule must be found out.
    Sticky,
}

/// A site in focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// Requests that the origin works on at once.
    pub workers: u32,
    /// How long one takes for a page, in microseconds.
    pub service: (Spread, u64),
    /// How long one takes for a file.
    pub file_service: u64,
    /// Requests at the origin beyond which it thrashes, and by how many thousandths for each.
    pub thrash: (u32, u32),
    /// Bytes a second that the line really carries.
    pub line: u64,
    /// Of that, what the agent is told, in thousandths.
    pub told: u64,
    /// Pages of which copies are kept; how popular each is goes by Zipf's law.
    pub pages: usize,
    /// Bytes of a page.
    pub html: u64,
    /// Files that a page loads.
    pub files: u32,
    /// Bytes of a file.
    pub sizes: (Spread, u64),
    /// Of all views, how many are of a page that no copy can stand for, in a million.
    pub own: u32,
    /// Those of a trigger are servers that fetch link previews: copies of some seconds do for them in calm, too.
    pub previews: bool,
    /// Those who were refused, or not answered in time.
    pub patience: Option<Patience>,
    /// How it decides.
    pub rule: Rule,
}

/// After this a visitor has gone.
pub const IN_TIME: Duration = Duration::from_secs(2);
/// Files are asked for within this time after their page has come.
pub const LOADS_WITHIN: Duration = Duration::from_millis(300);
/// Bytes of a head, of a file's and of a redirect.
pub const HEAD: u64 = 300;

impl Model {
    /// A small site: an origin that renders forty pages a second, and a line of 20 Mbit/s that carries eleven with their files.
    pub const SMALL: Self = Self {
        workers: 4,
        service: (Spread::Exponential, 100_000),
        file_service: 4_000,
        thrash: (8, 50),
        line: 2_500_000,
        told: 920,
        pages: 40,
        html: 12_000,
        files: 8,
        sizes: (Spread::Exponential, 24_000),
        own: 200_000,
        previews: false,
        patience: None,
        rule: Rule::Shipped,
    };

    /// Bytes of a view: a page and its files.
    pub fn view_bytes(&self) -> u64 {
        self.html + HEAD + u64::from(self.files) * (self.sizes.1 + HEAD)
    }

    /// What the agent may send, in bytes a second.
    pub fn budget(&self) -> u64 {
        self.line * self.told / 1_000
    }

    /// Views that the site can answer in a thousand seconds: the least of what its origin and its line can, without any copy.
    pub fn capacity(&self) -> u64 {
        let origin = u64::from(self.workers) * 1_000_000_000 / self.service.1.max(1);
        let line = self.budget() * 1_000 / self.view_bytes().max(1);
        origin.min(line)
    }
}
