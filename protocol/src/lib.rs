//! What members of an Overspill mesh say to each other: messages, and the sans-IO machine [`site::Site`] that speaks them.
//!
//! The law of the machine: it is *told* ([`site::Site::handle`]), *asked* ([`site::Site::poll`]) and says *when* it wants to be told
//! of time again ([`site::Site::deadline`]). It owns no clock, no socket, no file and no randomness but its seed. Outputs come in
//! an order, and the order is the write-ahead rule: what must be remembered comes before what must be said.
//!
//! Two seams meet the world: [`io`] (machine and driver) and [`plan`] with [`observation`] (control plane and data plane).
#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

pub mod advert;
pub mod attest;
pub mod event;
pub mod fill;
pub mod io;
pub mod lease;
pub mod limits;
pub mod manifest;
pub mod message;
pub mod observation;
pub mod overload;
pub mod plan;
pub mod proof;
pub mod quota;
pub mod report;
pub mod sampling;
pub mod site;
pub mod ticket;
pub mod timer;
pub mod together;
pub mod wire;

mod bucket;
mod council;
mod desk;
mod membership;
mod partners;
mod planner;
mod settle;
mod standby;
