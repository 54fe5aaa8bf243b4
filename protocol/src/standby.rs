//! Standby copies: what partners hold of each other before a crowd comes.
//!
//! In calm an owner places its hot objects with partners, each object with one of them, out of a small part of its uplink
//! (CDNI calls this *prepositioning*: RFC 8007). When the crowd is there the line is full, and every byte that helpers
//! already hold is one that visitors need not wait for. A standby copy is only that: nothing of it is served before a lease is held
//! and the owner's signed manifest names it.

pub(crate) mod keeping;
pub(crate) mod placing;
