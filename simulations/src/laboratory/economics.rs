//! What becomes of credit when crowds go on for long: whether a mesh runs dry of it, and what of the rules keeps that from happening; and
//! whether it helps to know who is struck when we are, and who has more to spare.

pub mod choice;
pub mod crash;
pub mod partners;
