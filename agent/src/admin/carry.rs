//! The `--json` form of `carry`: what this site holds and serves for other members, and for whom it carries nothing.

use std::collections::{BTreeMap, BTreeSet};

use overspill_edge::GuestStored;
use overspill_governance::{site::SiteId, time::Date, units::Bytes};
use overspill_protocol::{lease::table::Phase, report::Report};
use serde_json::{Value, json};

/// Name and version of the form.
pub const CARRY: &str = "overspill.carry/1";

/// What is carried for one member.
#[derive(Debug, Clone, Default)]
struct Carried {
    leases: usize,
    since: Option<Date>,
    requests: u64,
    bytes: Bytes,
    today: Bytes,
    stored: GuestStored,
}

/// All of it: by the mesh, if it could be asked, and by what is stored.
pub fn carry(report: Option<&Report>, stored: &BTreeMap<SiteId, GuestStored>, stopped: &BTreeSet<SiteId>) -> Value {
    let mut members: BTreeMap<SiteId, Carried> = BTreeMap::new();
    for lease in report.iter().flat_map(|report| &report.leases).filter(|lease| !lease.as_owner) {
        let carried = members.entry(lease.partner).or_default();
        carried.leases += usize::from(lease.phase == Phase::Held);
        carried.since = Some(carried.since.map_or(lease.made, |since| since.min(lease.made)));
        carried.requests = carried.requests.saturating_add(u64::from(lease.used_requests));
        carried.bytes = carried.bytes.saturating_add(lease.used_bytes);
    }
    for (member, bytes) in report.iter().flat_map(|report| &report.carried_today) {
        members.entry(*member).or_default().today = *bytes;
    }
    for (owner, stored) in stored {
        members.entry(*owner).or_default().stored = *stored;
    }
    for member in stopped {
        members.entry(*member).or_default();
    }
    let canonical = |member: &SiteId| {
        let partner = report?.partners.iter().find(|partner| partner.site == *member)?;
        Some(partner.canonical.clone())
    };
    let row = |(member, carried): (&SiteId, &Carried)| {
        json!({
            "partner": member.to_string(),
            "canonical": canonical(member),
            "stopped": stopped.contains(member),
            "leases": carried.leases,
            "since": carried.since.map(|since| since.to_string()),
            "requests": carried.requests,
            "bytes": carried.bytes.0,
            "today_bytes": carried.today.0,
            "objects": carried.stored.objects,
            "stored_bytes": carried.stored.bytes.0,
        })
    };
    json!({ "schema": CARRY, "carried": members.iter().map(row).collect::<Vec<_>>() })
}
