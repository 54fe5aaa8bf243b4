//! The shared cache (RFC 9111): pure decisions, and the memory and the files they govern.
//!
//! A response is stored only with an [`admit::Admitted`], which only the policy in `admit` can make; a [`key::Key`] cannot be made
//! without scheme, host, port, path and query.

pub(crate) mod admit;
pub(crate) mod control;
pub(crate) mod decide;
pub(crate) mod disk;
pub(crate) mod fresh;
pub(crate) mod groups;
pub(crate) mod growing;
mod heads;
pub(crate) mod key;
pub(crate) mod part;
pub(crate) mod range;
pub(crate) mod sieve;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod stored;
pub(crate) mod structured;
pub(crate) mod targeted;
mod text;
pub(crate) mod validate;
pub(crate) mod vary;
