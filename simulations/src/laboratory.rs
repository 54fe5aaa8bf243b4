//! The laboratory: the same mesh under the same crowds, with one thing changed, and what that did to visitors, messages and credit.
//!
//! An [`Arm`] is a name and plots; [`measures`] says what one run came to, in the quantities of [`measures::TABLE`].

pub mod arms;
pub mod course;
pub mod measures;
pub mod policies;
pub mod recovery;
pub mod strategies;

pub use arms::{Arm, Setting};
pub use measures::{Measures, measured};
