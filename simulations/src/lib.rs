//! Worlds that drive the same [`overspill_protocol::site::Site`] as the agent does, without a socket, a disk or a clock.
//!
//! A [`world::World`] is a discrete-event simulation: a queue ordered by time and then by number, sites with durable ledgers, links
//! that lose, double and reorder, data planes that take plans and give observations, and a hand that kills a site between any two of
//! its outputs. [`checkers`] watch every entry, message and plan. One seed gives one run: same seed, same trace hash.
//!
//! Read [`story`] for the words that tests are written in, and [`scenario`] for runs that a seed draws as a whole.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod chart;
pub mod checkers;
pub mod clock;
pub mod conduct;
pub mod cores;
pub mod dice;
pub mod disk;
pub mod fixed;
pub mod laboratory;
pub mod link;
pub mod queue;
pub mod scenario;
pub mod server;
pub mod sometimes;
pub mod story;
pub mod trace;
pub mod traffic;
pub mod world;
