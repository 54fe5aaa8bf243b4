//! The laboratory: the same mesh under the same crowds, with one thing changed, and what that did to visitors, messages and credit.
//!
//! An [`Arm`] is a name and plots; [`measures`] says what one run came to, in the quantities of [`measures::TABLE`].

pub mod anchors;
pub mod arms;
pub mod course;
pub mod detection;
pub mod economics;
pub mod gini;
pub mod measures;
pub mod policies;
pub mod preview;
pub mod recovery;
pub mod spill;
pub mod strategies;

pub use arms::{Arm, Setting};
pub use measures::{Measures, measured};
