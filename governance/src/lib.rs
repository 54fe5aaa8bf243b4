//! What members of an Overspill mesh owe each other, as pure functions and values.
//!
//! Nothing here reads a clock, draws a random number, opens a file or a socket: time is an argument, randomness a seed.
//! `no_std` makes that structural: a call to a clock does not compile.
//!
//! Read in this order: [`site`] (who), [`units`] and [`time`] (how much, when), [`codec`] (as which bytes), then [`mod@line`]
//! (the bilateral account), [`entry`] and [`chain`] (what a ledger remembers), [`charter`] (the votable rules),
//! [`invite`], [`rotation`] and [`roster`] (who belongs), [`motion`], [`electorate`], [`ballot`] and [`mod@vote`] (how rules change), [`minutes`] (what
//! was decided).
#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

/// Whether this is a build with planted bugs, for tests of `simulations` alone.
pub const PLANTED: bool = cfg!(feature = "planted");

/// Whether a planted bug is on: `false`, but in a build for tests that asks for the feature `planted`.
#[cfg(feature = "planted")]
#[macro_export]
macro_rules! planted {
    ($bug:ident) => {
        $crate::planted::is_on($crate::planted::Bug::$bug)
    };
}

/// Whether a planted bug is on: `false`, but in a build for tests that asks for the feature `planted`.
#[cfg(not(feature = "planted"))]
#[macro_export]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

pub mod allotment;
pub mod audit;
pub mod ballot;
pub mod chain;
pub mod charter;
pub mod claim;
pub mod clearing;
pub mod codec;
pub mod decision;
pub mod digest;
pub mod docket;
pub mod edition;
pub mod electorate;
pub mod entry;
pub mod evidence;
#[cfg(test)]
mod fixtures;
pub mod invite;
pub mod limits;
pub mod line;
pub mod minutes;
pub mod motion;
pub mod payword;
#[cfg(feature = "planted")]
pub mod planted;
pub mod regard;
pub mod register;
pub mod roster;
pub mod rotation;
pub mod site;
pub mod stake;
pub mod standing;
pub mod testimony;
pub mod time;
pub mod units;
pub mod vote;
