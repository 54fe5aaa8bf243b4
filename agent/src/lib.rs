//! The Overspill agent: where the pure machine of `overspill-protocol` meets sockets, disks, clocks and people.
//!
//! A library as well as a program, so that tests and benches reach in. Nothing depends on this crate.
//! Read in this order: [`cli`] (what a person can say), [`config`] (what can be set), [`state`] and [`ledger`] (what is kept),
//! [`mesh_handle`] (the one way to talk to the running mesh).
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod cli;
pub mod demo;
pub mod prove;
pub mod swarm;
