//! Up the second seam: what the data plane tells the control plane, in bounded summaries that merge.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use overspill_governance::{
    digest::ObjectDigest,
    payword::{LeaseId, Word},
    time::Date,
    units::{ByteRate, Bytes},
};

/// One summary of the data plane, made about ten times a second; the newest replaces what was not yet read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation {
    /// Misses: what the origin bears.
    pub origin: OriginLoad,
    /// Hits: what the site's own link, sockets and processor bear.
    pub site: SiteLoad,
    /// As owner: each lease's use so far (cumulative for this process).
    pub spilled: Vec<Spilled>,
    /// As helper: each lease's use so far (cumulative for the lease).
    pub hosted: Vec<Hosted>,
    /// Objects that the site holds and may spill, hottest first; at most [`crate::limits::MANIFEST_OBJECTS_MAX`].
    pub hot: Vec<HotObject>,
    /// Grows when an object was purged or changed its bytes: manifests of older generations must not be served.
    pub generation: u64,
    /// As helper that ends TLS itself: the names for which there are certificates, wildcards among them. `None`: guests are served in plain
    /// HTTP, or somebody in front sees to it.
    pub certified: Option<Arc<Vec<String>>>,
}

/// Load of the origin behind the edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OriginLoad {
    /// Requests at the origin.
    pub in_flight: u32,
    /// The learned limit on that number.
    pub limit: u32,
    /// Requests waiting for a place.
    pub queued: u32,
    /// Smallest wait for a place in the last window: CoDel's signal (RFC 8289 section 3).
    pub delay_min: Duration,
    /// Median service time.
    pub service_median: Duration,
    /// The window's smallest wait stayed above the target.
    pub under_pressure: bool,
}

/// Load of the site's own resources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SiteLoad {
    /// Body bytes sent to visitors, per second, smoothed over about a second.
    pub sent: ByteRate,
    /// What visitors wanted, whether served here, spilled or refused.
    pub wanted: ByteRate,
    /// The uplink budget; 0 when none is set.
    pub budget: ByteRate,
    /// Open connections.
    pub connections: u32,
    /// The bound on them.
    pub connections_max: u32,
    /// Processor time of the whole machine in use, in thousandths.
    pub cpu_permille: u16,
    /// Requests per second, all of them.
    pub requests: u32,
    /// The site cannot carry what is wanted: something is spilled, or would be if there were helpers.
    pub under_pressure: bool,
}

/// As owner: what went out under a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spilled {
    /// The lease.
    pub lease: LeaseId,
    /// Highest serial handed out.
    pub serial: u32,
    /// Sum of the manifest sizes of what was handed out.
    pub bytes: Bytes,
    /// Visitors whom the helper sent back.
    pub sent_back: u32,
}

/// As helper: what was served under a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hosted {
    /// The lease.
    pub lease: LeaseId,
    /// Highest serial taken, and the word that proves it.
    pub serial: u32,
    /// The word at that serial.
    pub word: Word,
    /// Tickets served, each once.
    pub requests: u32,
    /// Body bytes served.
    pub bytes: Bytes,
}

/// An object of the owner that is fit to be spilled: a passive asset, public, fresh, whole, with a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HotObject {
    /// Path and raw query, as the cache keys it.
    pub path: String,
    /// SHA-256 of the body.
    pub digest: ObjectDigest,
    /// Length of the body.
    pub size: Bytes,
    /// Value of `Content-Type`.
    pub media_type: String,
    /// Fresh until.
    pub fresh_until: Date,
    /// Body bytes of it that visitors wanted in about the last ten minutes, whoever served them.
    pub wanted: Bytes,
}
