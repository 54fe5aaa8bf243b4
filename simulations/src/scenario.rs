//! Scenarios: runs as a whole, drawn from a seed or written by hand.
//!
//! [`Plot::of`] draws a plot and [`text::read`] reads one from a file, with what is expected of it; [`run`] plays it, and [`Outcome`] says
//! what became of it. [`shrink()`] finds a smaller plot that breaks the same promise. A plot prints as the text that it is read from.

pub mod draw;
pub mod expect;
pub mod measured;
pub mod play;
pub mod plot;
pub mod promise;
pub mod shipped;
pub mod shrink;
pub mod text;
pub mod transcript;
pub mod visitors;

pub use draw::Size;
pub use expect::Expectation;
pub use measured::Measured;
pub use play::{Outcome, run};
pub use plot::{Action, Crowd, Plot};
pub use shrink::shrink;

/// A plot with what is expected of it, as a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What happens.
    pub plot: Plot,
    /// What must be so at a moment, in milliseconds, or in the end.
    pub expected: Vec<(Option<u64>, Expectation)>,
    /// The first comment of its file: what it is about, in one sentence.
    pub about: String,
}
