//! Counts of what became of guests' visitors.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! refusals {
    ($($(#[$meaning:meta])* $reason:ident => $name:literal,)*) => {
        /// Why a visitor was not served here. All but the last few are sent back to the owner with a mark.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Refusal { $($(#[$meaning])* $reason,)* }

        impl Refusal {
            /// All reasons, in the order of [`GuestMetrics::refused`].
            pub const ALL: &'static [Self] = &[$(Self::$reason,)*];

            /// The reason as metrics and logs name it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$reason => concat!("guest_refused_", $name),)* }
            }
        }
    };
}

refusals! {
    /// No ticket: a shared or typed address.
    Ticketless => "ticketless",
    /// Not the text of a ticket.
    Malformed => "malformed",
    /// A lease that this guest does not have.
    LeaseUnknown => "lease_unknown",
    /// The lease is over or ending.
    LeaseOver => "lease_over",
    /// The owner's signed generation was not seen lately.
    GenerationUnseen => "generation_unseen",
    /// The MAC is not the lease's over this request.
    Forged => "forged",
    /// The ticket's time is over.
    Expired => "expired",
    /// The manifest does not list the path.
    NotListed => "not_listed",
    /// The object's freshness is over.
    NotFresh => "not_fresh",
    /// The allotment is used up.
    AllotmentUsed => "allotment_used",
    /// Beyond the lease's rates.
    RateExceeded => "rate_exceeded",
    /// The word is not one of the lease's chain.
    OffChain => "off_chain",
    /// The ticket was taken before.
    Replayed => "replayed",
    /// Our own visitors need the uplink.
    UplinkBusy => "uplink_busy",
    /// The object could not be moved here in time.
    FillFailed => "fill_failed",
    /// Not GET or HEAD: refused, because nothing else is ever spilled.
    Method => "method",
    /// A service worker's script: refused, because it would outlive the lease.
    ServiceWorker => "service_worker",
    /// Denied by the owner of this site.
    Denied => "denied",
    /// A name of the overflow domain that is no guest's.
    HostUnknown => "host_unknown",
}

/// A snapshot of what became of guests' visitors, since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestMetrics {
    /// Served from the store.
    pub hits: u64,
    /// Served after a fill.
    pub misses: u64,
    /// Body bytes served.
    pub bytes: u64,
    /// Objects moved here and stored.
    pub fills: u64,
    /// Fills that failed or were discarded.
    pub fills_failed: u64,
    /// Objects moved here before anybody asked.
    pub standby: u64,
    /// Not served, by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// Gauge: objects stored.
    pub stored_objects: u64,
    /// Gauge: bytes stored.
    pub stored_bytes: u64,
}

impl GuestMetrics {
    /// Name, meaning and value of every counter, for exposition.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let refused = self.refused.iter().map(|(name, count)| (*name, "Guests' visitors who were not served, for this reason.", *count));
        [
            ("guest_hits", "Guests' visitors served from the store.", self.hits),
            ("guest_misses", "Guests' visitors served after a fill.", self.misses),
            ("guest_bytes", "Body bytes served to guests' visitors.", self.bytes),
            ("guest_fills", "Guests' objects moved here.", self.fills),
            ("guest_standby", "Guests' objects moved here in calm, before anybody asked.", self.standby),
            ("guest_fills_failed", "Guests' objects that could not be moved here, or were not wanted any more.", self.fills_failed),
        ]
        .into_iter()
        .chain(refused)
    }

    /// How often a reason occurred.
    #[must_use]
    pub fn refused_for(&self, reason: Refusal) -> u64 {
        self.refused.iter().find(|(name, _)| *name == reason.name()).map_or(0, |(_, count)| *count)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) fills: AtomicU64,
    pub(crate) fills_failed: AtomicU64,
    pub(crate) standby: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl Counters {
    pub(crate) fn refuse(&self, reason: Refusal) {
        self.refused[reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self, (stored_objects, stored_bytes): (u64, u64)) -> GuestMetrics {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        GuestMetrics {
            hits: read(&self.hits),
            misses: read(&self.misses),
            bytes: read(&self.bytes),
            fills: read(&self.fills),
            fills_failed: read(&self.fills_failed),
            standby: read(&self.standby),
            refused: Refusal::ALL.iter().zip(&self.refused).map(|(reason, count)| (reason.name(), read(count))).collect(),
            stored_objects,
            stored_bytes,
        }
    }
}
