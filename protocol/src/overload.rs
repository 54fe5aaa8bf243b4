//! What a data plane decides by when visitors want more than there is: the learned limit, the test for pressure, the line's budget.
//!
//! The edge and the simulator drive the same rules. Floats: these are control loops, and nothing is accounted by them; there is no
//! operation in them that rounds differently from machine to machine.

pub mod bucket;
pub mod gradient;
pub mod line;
pub mod queueing;
