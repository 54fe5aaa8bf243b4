//! The mesh end to end: real agents as separate processes on loopback, real HTTP, real libp2p, real ledgers.
#![allow(clippy::unwrap_used)]

mod agentless;
mod browser;
mod burst;
mod crash;
mod denied;
mod join;
mod power;
mod purge;
mod recover;
mod restart;
mod rewrite;
mod rotate;
mod sampled;
mod secure;
mod spill;
mod standstill;
mod support;
