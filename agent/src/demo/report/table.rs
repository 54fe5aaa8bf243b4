//! The table on the terminal.

use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::{Measured, MeshArm, log};
use crate::demo::{figures::Arm, ledgers::credit};

/// Writes the figures of all arms side by side, and what only the mesh has below.
#[must_use]
pub fn table(measured: &Measured) -> String {
    let arms = measured.arms();
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(std::iter::once("").chain(arms.iter().map(|(name, _)| *name)));
    let mut row = |name: &str, cell: &dyn Fn(&Arm) -> String| {
        table.add_row(std::iter::once(name.to_owned()).chain(arms.iter().map(|(_, arm)| cell(arm))));
    };
    row("requests wanted", &|arm| arm.seen.requests.to_string());
    row("right bytes in time", &|arm| format!("{} of {}", megabytes(arm.seen.right_bytes), megabytes(arm.wanted_bytes)));
    row("  of all wanted", &|arm| percent(arm.seen.right_bytes_ratio));
    row("  per second on the plateau", &|arm| format!("{:.2} MB", arm.plateau_rate / 1e6));
    row("requests answered right", &|arm| percent(arm.ends.right as f64 / arm.seen.requests.max(1) as f64));
    row("failed", &|arm| arm.seen.errors.to_string());
    row("  refused / late", &|arm| format!("{} / {}", arm.ends.refused, arm.ends.late));
    row("  wrong / broken / not asked", &|arm| format!("{} / {} / {}", arm.ends.wrong, arm.ends.broken, arm.ends.not_asked));
    row("latency, median", &|arm| milliseconds(arm.seen.p50_ms));
    row("latency, 95 % within", &|arm| milliseconds(arm.seen.p95_ms));
    row("latency, 99 % within", &|arm| milliseconds(arm.seen.p99_ms));
    row("most in flight at the origin", &|arm| arm.origin.in_flight_max.to_string());
    row("pages rendered", &|arm| arm.origin.rendered.to_string());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{table}\n");
    for (name, value) in measured.setting.account.iter().flat_map(log::facts) {
        text.push_str(&format!(" {name:<34} {value}\n"));
    }
    if let Some(mesh) = &measured.mesh {
        for (name, value) in facts(mesh) {
            text.push_str(&format!(" {name:<34} {value}\n"));
        }
    }
    text
}

/// What only the mesh arm has, as name and value.
pub(super) fn facts(mesh: &MeshArm) -> Vec<(&'static str, String)> {
    let arm = &mesh.arm;
    let after = |span: Duration| format!("{} ms", span.as_millis());
    let each = arm.carried.helpers.iter().map(|bytes| megabytes(*bytes)).collect::<Vec<_>>().join(", ");
    let mut facts = vec![
        ("carried by helpers", format!("{} of the right bytes ({each})", percent(arm.carried.helped_ratio()))),
        ("onset to first redirect", arm.onset_to_first_redirect.map_or_else(|| "none".to_owned(), after)),
        ("crowd's end to share below 1 %", after(arm.end_to_share_below_1pct)),
        ("redirected / sent back", format!("{} / {}", arm.redirected, arm.sent_back)),
        ("sent to helpers by their page", arm.named.to_string()),
        (
            "copies over the owner's uplink",
            format!(
                "{:.2} per object and helper ({} fills, {} objects)",
                mesh.copies.per_object_and_helper(),
                mesh.copies.fills,
                mesh.copies.objects
            ),
        ),
        ("origin limit learned, at most", mesh.limit_max.to_string()),
        ("credit moved", credit(mesh.books.moved())),
        ("sum over both ends of all lines", credit(mesh.books.sum())),
        ("crowd's end to last lease settled", mesh.settled.end_to_last_lease.map_or_else(|| "too long".to_owned(), after)),
        ("left unsettled", mesh.settled.unsettled.to_string()),
        ("ledgers whole", format!("{} of {} read", mesh.books.whole, mesh.books.read)),
    ];
    if let Some(fault) = &mesh.fault {
        facts.push(("agent lost in mid-crowd", format!("{} ({}) at {} ms", fault.who, fault.kind, fault.at.as_millis())));
        facts.extend(fault.last_redirect_after.map(|last| ("  last redirect to it", format!("{} later", after(last)))));
        facts.extend(fault.redirects_before.map(|count| ("  redirects to it, second before", count.to_string())));
        facts.extend(fault.away.map(|away| ("  away for", after(away))));
        facts.push(("  requests lost", format!("{} ({:.3} % of the run)", fault.lost_requests, fault.lost_ratio * 100.0)));
        facts.extend(fault.failed_after_return.map(|failed| ("  failed when it was back", failed.to_string())));
    }
    facts
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

pub(super) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

pub(super) fn milliseconds(value: f64) -> String {
    format!("{value:.0} ms")
}
