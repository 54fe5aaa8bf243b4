//! The figures of a running agent in the OpenMetrics text form: read when asked, so that nothing is counted twice.

use overspill_edge::Metrics;
use overspill_protocol::{observation::Observation, report::Report};
use prometheus_client::{
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::{
    ledger::{Health, Ledger},
    run::agent::Agent,
};

/// Everything, as text.
pub async fn text(agent: &Agent) -> String {
    let mut registry = Registry::with_prefix("overspill");
    edge(&mut registry, &agent.edge().metrics());
    load(&mut registry, &agent.edge().observe());
    let promised = agent.agentless_promised();
    gauge(&mut registry, "agentless_month_bytes", "Bytes that may have been sent to the agentless target this month.", promised);
    gauge(&mut registry, "uptime_seconds", "Seconds since the start.", agent.uptime().as_secs());
    if let Some(ledger) = agent.ledger() {
        self::ledger(&mut registry, ledger);
    }
    if let Some(mesh) = agent.mesh() {
        match mesh.report().await {
            Ok(report) => self::mesh(&mut registry, &report),
            Err(reason) => tracing::debug!(reason, "no figures of the mesh"),
        }
        for (name, value) in mesh.counts().await.unwrap_or_default() {
            counter(&mut registry, &format!("transport_{name}"), "Counted by the peer transport.", value);
        }
    }
    let mut text = String::new();
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &registry) {
        tracing::warn!(%error, "figures not written");
    }
    text
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help.trim_end_matches('.'), ConstCounter::new(value));
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help.trim_end_matches('.'), ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
}

fn edge(registry: &mut Registry, metrics: &Metrics) {
    for (name, meaning, value) in metrics.counters() {
        counter(registry, name, meaning, value);
    }
    let hosting = &metrics.hosting;
    gauge(registry, "guest_stored_objects", "Guests' objects stored.", hosting.stored_objects);
    gauge(registry, "guest_stored_bytes", "Bytes of guests' objects stored.", hosting.stored_bytes);
    gauge(registry, "disk_bytes", "Bytes of stored responses on disk.", metrics.disk.bytes);
    gauge(registry, "disk_objects", "Stored responses on disk.", metrics.disk.objects);
    gauge(registry, "connections", "Open connections.", metrics.connections);
    gauge(registry, "requests_active", "Requests being answered.", metrics.requests_active);
    let (used, idle) = (metrics.origin_connections_used, metrics.origin_connections_idle);
    gauge(registry, "origin_connections_used", "Connections to the origin over which a request is on its way.", used);
    gauge(registry, "origin_connections_idle", "Connections to the origin that wait for a request.", idle);
    gauge(registry, "stored_bytes", "Bytes of stored responses.", metrics.stored_bytes);
    gauge(registry, "stored_responses", "Stored responses.", metrics.stored_responses);
}

fn load(registry: &mut Registry, observation: &Observation) {
    let (origin, site) = (&observation.origin, &observation.site);
    gauge(registry, "origin_in_flight", "Requests at the origin.", origin.in_flight.into());
    gauge(registry, "origin_limit", "Learned limit on requests at the origin.", origin.limit.into());
    gauge(registry, "origin_queued", "Requests waiting for a place at the origin.", origin.queued.into());
    gauge(registry, "origin_under_pressure", "1 while the origin is under pressure.", origin.under_pressure.into());
    gauge(registry, "site_sent_bytes_per_second", "Body bytes sent to visitors, smoothed.", site.sent.0);
    gauge(registry, "site_wanted_bytes_per_second", "Body bytes wanted by visitors, smoothed.", site.wanted.0);
    gauge(registry, "site_under_pressure", "1 while the site cannot carry what is wanted.", site.under_pressure.into());
    gauge(registry, "cpu_permille", "Processor time of the machine in use, in thousandths.", site.cpu_permille.into());
}

fn ledger(registry: &mut Registry, ledger: &Ledger) {
    let head = ledger.head();
    counter(registry, "ledger_entries", "Durable entries of the ledger.", head.seq);
    gauge(registry, "ledger_bytes", "Bytes of the ledger.", head.len);
    let health = *ledger.health().borrow();
    gauge(registry, "ledger_full", "1 while the disk is full and nothing is signed.", (health == Health::Full).into());
    gauge(registry, "ledger_poisoned", "1 after a failed write: nothing is signed until a restart.", (health == Health::Poisoned).into());
}

fn mesh(registry: &mut Registry, report: &Report) {
    let connected = report.partners.iter().filter(|partner| partner.connected).count();
    let owned = report.leases.iter().filter(|lease| lease.as_owner).count();
    gauge(registry, "mesh_members", "Members of the mesh.", report.mesh.as_ref().map_or(0, |mesh| mesh.members as u64));
    gauge(registry, "partners_connected", "Partners that are reachable.", connected as u64);
    gauge(registry, "leases_as_owner", "Unsettled leases as owner.", owned as u64);
    gauge(registry, "leases_as_helper", "Unsettled leases as helper.", (report.leases.len() - owned) as u64);
    gauge(registry, "crowd", "1 while a crowd is there.", report.crowd.into());
    gauge(registry, "silent", "1 while nothing is signed because the ledger failed.", report.silent.into());
    let balance = report.lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.balance.0));
    registry.register(
        "balance_microcredits",
        "Sum of all lines' balances: positive when the mesh owes this site",
        ConstGauge::new(balance),
    );
}
