//! Scenarios as text: one statement in each line, `#` before a comment. `docs/src/scenarios.md` lists the statements.
//!
//! [`read`] understands what a plot prints as, and says of anything else which line it does not understand, and what it wants there.

mod loads;
mod parse;
mod print;
mod statements;
pub mod words;

use std::fmt;

pub use parse::read;

/// Most sites of a scenario: a thousand take minutes, and more is no scenario for a file.
pub const SITES_MAX: usize = 1_000;
/// Longest scenario, in milliseconds: a leap year.
pub const LENGTH_MS_MAX: u64 = 366 * 24 * 3_600_000;
/// Most requests in each second that visitors may want of a site.
pub const WANTED_MAX: u32 = 1_000_000;
/// Most strangers that come at once.
pub const STRANGERS_AT_ONCE_MAX: usize = 10_000;

/// Why a text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it, and what to write there.
    pub words: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.words)
    }
}

impl std::error::Error for Mistake {}

#[cfg(test)]
mod tests;
