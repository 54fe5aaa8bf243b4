//! The agent as people and scripts meet it: the real program, on loopback, with everything that goes wrong around it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod acme;
mod commands;
mod denials;
mod durable;
mod judge;
mod lines;
mod logs;
mod pebble;
mod pipes;
mod refusals;
mod reload;
mod secure;
mod serve;
mod sites;
mod support;
mod village;
mod votes;
