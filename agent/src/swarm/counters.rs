//! What the transport did, counted: nothing is dropped in silence.

use std::sync::atomic::{AtomicU64, Ordering};

/// One table of counters: the name, and what it counts.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters that only grow, shared by the swarm and its handles.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)+
        }

        /// The counters at one moment.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// Reads all counters.
            pub(super) fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)+ }
            }
        }

        impl Counts {
            /// Every counter with its name, for metrics.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Messages handed to the transport.
    sent,
    /// Messages dropped because their peer is not connected.
    dropped_unconnected,
    /// Messages dropped because their peer, or the swarm itself, did not keep up.
    dropped_full,
    /// Messages that the transport could not deliver.
    send_failed,
    /// Messages heard.
    heard,
    /// Messages of peers that said more than is heard.
    unheard,
    /// Gossip heard.
    gossip_heard,
    /// Slices asked for.
    fills_asked,
    /// Slices that did not come.
    fills_failed,
    /// Requests for slices by others.
    fills_wanted,
    /// Connections that closed before they showed a key: port scans and garbage among them.
    handshakes_failed,
    /// Frames longer than their class may be, or beyond the room for unread messages.
    frames_refused,
    /// Messages and requests for slices that ended before they were whole: their sender gave them up, perhaps as we stood still.
    frames_cut,
    /// Streams that timed out or broke by themselves.
    streams_failed,
    /// Peers with a kind of key that no agent has.
    foreign_keys,
}

impl Counters {
    /// Adds one.
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
