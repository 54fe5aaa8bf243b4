//! The `--json` forms of `status` and `partners`, made by the running agent; the command line renders these same objects for people.

use overspill_edge::Metrics;
use overspill_protocol::{
    advert::Offer,
    observation::Observation,
    report::{LeaseReport, LineReport, PartnerReport, Place, Report},
};
use serde_json::{Value, json};

use crate::config::{Loaded, sites::Site};

/// Name and version of the form of `status`.
pub const STATUS: &str = "overspill.status/1";
/// Name and version of the form of `partners`.
pub const PARTNERS: &str = "overspill.partners/1";

/// The load, as the data plane sees it.
pub fn load(observation: &Observation) -> Value {
    let (origin, site) = (&observation.origin, &observation.site);
    json!({
        "origin": {
            "in_flight": origin.in_flight,
            "limit": origin.limit,
            "queued": origin.queued,
            "under_pressure": origin.under_pressure,
        },
        "site": {
            "sent_bytes_per_s": site.sent.0,
            "wanted_bytes_per_s": site.wanted.0,
            "uplink_bytes_per_s": site.budget.0,
            "requests_per_s": site.requests,
            "connections": site.connections,
            "cpu_permille": site.cpu_permille,
            "under_pressure": site.under_pressure,
        },
    })
}

/// Further sites.
pub fn sites(loaded: &Loaded) -> Value {
    let site = |(name, site): (&String, &Site)| json!({ "name": name, "canonical": site.settings.show("site"), "origin": site.settings.show("origin") });
    loaded.sites.iter().map(site).collect()
}

/// What was served since the start.
pub fn served(metrics: &Metrics) -> Value {
    let counters = metrics.counters().into_iter().map(|(name, _, value)| (name.to_owned(), value.into()));
    Value::Object(counters.collect())
}

/// The mesh, in short.
pub fn mesh(report: &Report) -> Value {
    json!({
        "mesh": report.mesh.as_ref().map(|mesh| json!({
            "id": mesh.id.to_string(),
            "name": mesh.name,
            "members": mesh.members,
            "open_invites": mesh.open_invites,
            "leaving": mesh.leaving,
        })),
        "silent": report.silent,
        "crowd": report.crowd,
        "load_permille": report.load_permille,
        "offer": report.offer.as_ref().map(offer),
        "partners": report.partners.len(),
        "partners_connected": report.partners.iter().filter(|partner| partner.connected).count(),
        "strangers": report.strangers,
        "leases": report.leases.iter().map(lease).collect::<Vec<_>>(),
    })
}

/// The answer to `partners`.
pub fn partners(report: &Report) -> Value {
    let with_line = |partner: &PartnerReport| {
        let line = report.lines.iter().find(|line| line.partner == partner.site);
        self::partner(partner, line)
    };
    json!({ "schema": PARTNERS, "site": report.site.to_string(), "partners": report.partners.iter().map(with_line).collect::<Vec<_>>() })
}

fn partner(partner: &PartnerReport, line: Option<&LineReport>) -> Value {
    json!({
        "site": partner.site.to_string(),
        "canonical": partner.canonical,
        "place": match partner.place {
            Place::Lot => "lot",
            Place::Merit => "merit",
            Place::Theirs => "theirs",
        },
        "connected": partner.connected,
        "heard_ms_ago": partner.heard_ago.map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
        "proved": partner.proved,
        "clocks_apart": partner.clocks_apart,
        "clock_offset_ms": partner.clock_offset_ms,
        "load_permille": partner.load_permille,
        "offer": partner.offer.as_ref().map(offer),
        "messages_dropped": partner.dropped,
        "line": line.filter(|line| line.is_used()).map(|line| json!({
            "balance_micro": line.balance.0,
            "limit_given_micro": line.limit_given.0,
            "limit_taken_micro": line.limit_taken.0,
            "seq": line.seq,
            "pending": line.pending,
            "frozen": line.frozen,
        })),
    })
}

fn offer(offer: &Offer) -> Value {
    json!({ "requests_per_s": offer.requests.0, "bytes_per_s": offer.bytes.0, "storage_bytes": offer.storage.0, "https": offer.https })
}

fn lease(lease: &LeaseReport) -> Value {
    json!({
        "lease": lease.lease.to_string(),
        "partner": lease.partner.to_string(),
        "as_owner": lease.as_owner,
        "phase": format!("{:?}", lease.phase).to_lowercase(),
        "requests_per_s": lease.requests.0,
        "bytes_per_s": lease.bytes.0,
        "used_requests": lease.used_requests,
        "used_bytes": lease.used_bytes.0,
        "settled_micro": lease.settled.0,
    })
}
