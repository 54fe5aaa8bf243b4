//! The Overspill agent: where the pure machine of `overspill-protocol` meets sockets, disks, clocks and people.
//!
//! A library as well as a program, so that tests and benches reach in. Nothing depends on this crate.
//! Read in this order: [`cli`] (what a person can say), [`config`] (what can be set), [`run`] (how the parts hold together), [`state`]
//! and [`ledger`] (what is kept), [`driver`] and [`swarm`] (the mesh), [`admin`] (what is told).
#![cfg_attr(test, allow(clippy::unwrap_used))]
// `cli::out` prints: it outlives its reader.
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

// Planted bugs are for the tests of the simulations: with them there is no agent.
const _: () = assert!(!overspill_governance::PLANTED, "build the agent without the feature `planted`");

pub mod access_log;
mod acme;
pub mod admin;
pub mod agentless;
pub mod certificates;
pub mod cli;
pub mod config;
pub mod demo;
pub mod denylist;
pub mod driver;
pub mod entropy;
pub mod fills;
pub mod index;
pub mod kept;
pub mod ledger;
pub mod mesh_handle;
pub mod metrics;
pub mod named;
pub mod offline;
pub mod prove;
pub mod rotating;
pub mod run;
pub mod samples;
pub mod shutdown;
pub mod state;
pub mod statement;
pub mod stopped;
pub mod swarm;
pub mod telemetry;
