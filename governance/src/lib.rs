//! What members of an Overspill mesh owe each other, as pure functions and values.
//!
//! Nothing here reads a clock, draws a random number, opens a file or a socket: time is an argument, randomness a seed.
//! `no_std` makes that structural: a call to a clock does not compile.
//!
//! Read in this order: [`site`] (who), [`units`] and [`time`] (how much, when), [`codec`] (as which bytes), then [`mod@line`]
//! (the bilateral account), [`entry`] and [`chain`] (what a ledger remembers), [`charter`] (the votable rules),
//! [`invite`] and [`roster`] (who belongs), [`motion`], [`electorate`], [`ballot`] and [`mod@vote`] (how rules change), [`minutes`] (what
//! was decided).
#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

pub mod allotment;
pub mod audit;
pub mod ballot;
pub mod chain;
pub mod charter;
pub mod claim;
pub mod codec;
pub mod decision;
pub mod digest;
pub mod docket;
pub mod electorate;
pub mod entry;
#[cfg(test)]
mod fixtures;
pub mod invite;
pub mod limits;
pub mod line;
pub mod minutes;
pub mod motion;
pub mod payword;
pub mod roster;
pub mod site;
pub mod time;
pub mod units;
pub mod vote;
