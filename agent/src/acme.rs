//! Certificates from an authority that speaks ACME (RFC 8555): asked for when a name has none, kept in the state directory, renewed in time.
//!
//! Each name has a certificate of its own, so that one whose DNS is wrong keeps no other from being served. The site is served over plain
//! HTTP meanwhile.

pub(crate) mod client;
mod keeper;
pub mod limits;
mod names;
mod order;
mod schedule;
mod store;

pub use keeper::Keeper;
pub use names::wanted;
