//! The public face of a site: a reverse proxy with a small shared cache that keeps a weak origin alive.
//!
//! It owns sockets and a clock, and knows nothing of peers: it serves by the last [`Plan`] that it was told and reports what it sees
//! as an [`Observation`]. It never waits for either. One `current_thread` runtime per core accepts from its own listening socket
//! (`SO_REUSEPORT`); what the threads share is in `edge.rs`.
//!
//! The way of a request: `listener` (a connection) -> `door` (TLS or not, which HTTP?) -> `gate` (is it one valid request?) -> `request` (guest, cache or origin?) ->
//! `serve` (what the cache may answer) -> `flight` (one fetch for many visitors) -> `admission` (a place at the origin) -> `origin`.
//!
//! [`Plan`]: overspill_protocol::plan::Plan
//! [`Observation`]: overspill_protocol::observation::Observation
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod addresses;
mod admission;
mod agentless;
mod authority;
mod body;
mod cache;
pub mod classes;
mod clock;
mod config;
mod cookies;
mod debts;
mod deny;
mod door;
mod early;
mod edge;
mod express;
mod fetch;
mod fields;
mod flight;
mod gate;
mod guest;
mod h2;
mod handle;
mod headers;
mod hot;
#[doc(hidden)]
pub mod inside;
mod invalidate;
mod limits;
mod listener;
mod metrics;
mod observe;
mod origin;
mod overflow;
mod part;
mod pass;
mod paths;
mod pressure;
mod preview;
mod probe;
mod purge;
mod request;
mod respond;
mod rewrite;
mod serve;
mod sites;
mod sockets;
mod spill;
mod stream;
mod tls;
mod tunnel;
mod uplink;
mod upload;
mod waiting;
mod wire;

pub use access::{AccessRecord, CacheUse};
pub use agentless::AgentlessTarget;
pub use authority::read_authority;
pub use cache::disk::metrics::DiskMetrics;
pub use classes::RequestClass;
pub use clock::Clock;
pub use config::{Canonical, Config, Connections, DiskCache, OriginLimits, OriginPool, Timeouts};
pub use deny::{Denial, DenialStatus, DeniedUrl, Misread};
pub use guest::{FillFailed, GuestMetrics, GuestStored};
pub use handle::{Handle, StartError, start};
pub use limits::{DENIAL_LINK_BYTES_MAX, DENIAL_REASON_BYTES_MAX, DENIALS_MAX, DENIED_URL_BYTES_MAX};
pub use metrics::Metrics;
pub use origin::{
    names::Resolver,
    trust::{OriginTls, TrustError},
};
pub use rewrite::RewriteMetrics;
pub use sites::Site;
pub use sockets::Sockets;
pub use spill::SpillMetrics;
pub use tls::{Identity, IdentityError, Tls, challenge::Challenge};
pub use waiting::template::{Template, TemplateError};
