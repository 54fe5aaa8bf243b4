//! Scenarios that a seed draws as a whole: who is there, what every link and clock is like, what goes wrong where and when.
//!
//! [`Plot::of`] draws, [`run`] plays, and [`Outcome`] says what became of it. A plot prints one line for each thing that was drawn.
pub mod play;
pub mod plot;

pub use play::{Outcome, run};
pub use plot::{Action, Plot};
