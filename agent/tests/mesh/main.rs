//! The mesh end to end: real agents as separate processes on loopback, real HTTP, real libp2p, real ledgers.

mod join;
mod support;
