//! Counters of the edge and their snapshot. One table, so that what is counted, what is shown and what is documented cannot differ.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{cache::disk::metrics::DiskMetrics, classes::RequestClass, guest::GuestMetrics, rewrite::RewriteMetrics, spill::SpillMetrics};

macro_rules! counters {
    ($($name:ident: $meaning:literal,)*) => {
        /// Counts since start; rising only.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(#[doc = $meaning] pub(crate) $name: Counter,)* }

        /// A snapshot of the edge's counters and gauges.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Metrics {
            $(#[doc = $meaning] pub $name: u64,)*
            /// What was decided on excess.
            pub spill: SpillMetrics,
            /// What became of pages.
            pub rewrite: RewriteMetrics,
            /// What became of guests' visitors.
            pub hosting: GuestMetrics,
            /// What became of the disk tier; all zero without one.
            pub disk: DiskMetrics,
            /// Gauge: open connections.
            pub connections: u64,
            /// Gauge: requests being answered.
            pub requests_active: u64,
            /// Gauge: requests at the origin.
            pub origin_in_flight: u64,
            /// Gauge: connections to the origin over which a request is on its way.
            pub origin_connections_used: u64,
            /// Gauge: connections to the origin that wait for a request.
            pub origin_connections_idle: u64,
            /// Gauge: learned limit on requests at the origin.
            pub origin_limit: u64,
            /// Gauge: requests waiting for a place at the origin.
            pub origin_queued: u64,
            /// Gauge: 1 while the origin is under pressure.
            pub origin_under_pressure: u64,
            /// Gauge: bytes of stored responses.
            pub stored_bytes: u64,
            /// Gauge: stored responses.
            pub stored_responses: u64,
        }

        impl Metrics {
            /// Name, meaning and value of every counter, for exposition.
            #[must_use]
            pub fn counters(&self) -> Vec<(&'static str, &'static str, u64)> {
                let mut all = vec![$((stringify!($name), $meaning, self.$name),)*];
                all.extend(self.spill.counters());
                all.extend(self.rewrite.counters());
                all.extend(self.hosting.counters());
                all.extend(self.disk.counters());
                all
            }
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Metrics {
                Metrics { $($name: self.$name.read(),)* ..Metrics::default() }
            }
        }
    };
}

counters! {
    connections_accepted: "Connections accepted.",
    connections_refused: "Connections refused at a bound.",
    handshakes_failed: "TLS connections that ended before their handshake did.",
    floods_cut: "HTTP/2 connections that were cut for what they sent.",
    requests: "Requests whose head was complete.",
    requests_refused: "Requests that the gate refused.",
    denied: "Requests for what the owner denies.",
    requests_person: "Requests of people, as far as is known.",
    requests_preview: "Requests of programs that show people what a link leads to.",
    requests_crawler: "Requests of programs that read the web by themselves.",
    requests_suspect: "Requests for what only attackers look for.",
    previews_spared: "Link previews answered in calm by a copy that a person would not have been shown.",
    bytes_sent: "Body bytes handed to visitors' connections.",
    responses_2xx: "Responses with a status from 200 to 299.",
    responses_3xx: "Responses with a status from 300 to 399.",
    responses_4xx: "Responses with a status from 400 to 499.",
    responses_5xx: "Responses with a status from 500 to 599.",
    cache_hit: "Responses from the cache, fresh.",
    cache_stale: "Responses from the cache, beyond their freshness.",
    cache_revalidated: "Responses from the cache, confirmed by the origin.",
    cache_collapsed: "Responses fetched by another visitor's request.",
    cache_miss: "Responses fetched and looked up before.",
    cache_bypass: "Responses fetched without a look into the cache.",
    expressed: "Responses that left by the express lane: plain hits, without the usual way of a request.",
    purged: "Stored responses that were purged.",
    spilled: "Visitors sent to helpers.",
    guest: "Responses served for other sites.",
    agentless_files: "Files for which pages named the agentless target.",
    agentless_bytes: "Bytes of those files.",
    origin_requests: "Requests sent to the origin.",
    origin_unreachable: "Requests that did not reach the origin.",
    origin_timeouts: "Requests that the origin did not answer in time.",
    origin_broken: "Answers of the origin that broke off or made no sense.",
    origin_connections_opened: "Connections opened to the origin.",
    origin_repeated: "Requests sent again because the origin had closed the kept connection over which they went.",
    origin_refreshes: "Background refreshes of stored responses.",
    shed: "Requests refused because the origin had no place for them in time.",
    access_records_dropped: "Access records dropped because the log writer fell behind.",
}

impl Counters {
    /// The count of requests of a class.
    pub(crate) fn of_class(&self, class: RequestClass) -> &Counter {
        match class {
            RequestClass::Person => &self.requests_person,
            RequestClass::Preview => &self.requests_preview,
            RequestClass::Crawler => &self.requests_crawler,
            RequestClass::Suspect => &self.requests_suspect,
        }
    }
}

/// One rising count.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number of things that exist now.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// Counts one more and returns how many there are.
    pub(crate) fn rise(&self) -> u64 {
        self.0.fetch_add(1, Relaxed) + 1
    }

    pub(crate) fn fall(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
