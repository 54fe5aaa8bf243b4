//! The `--json` form of `lines`, made by the running agent or of its ledger; the command line renders this same object.

use overspill_governance::units::Credit;
use overspill_protocol::report::{DisputeReport, LineReport, LockReport, Report};
use serde_json::{Value, json};

/// Name and version of the form.
pub const LINES: &str = "overspill.lines/1";

/// All lines. What only a running agent knows is null when `running` is false.
pub fn lines(report: &Report, running: bool) -> Value {
    let all_busy = running.then(|| json!({ "millionths": report.all_busy.millionths, "windows": report.all_busy.windows }));
    json!({
        "schema": LINES,
        "site": report.site.to_string(),
        "mesh": report.mesh.as_ref().map(|mesh| &mesh.name),
        "running": running,
        "partners": report.partners.len(),
        "all_busy": all_busy,
        "lines": report.lines.iter().map(|one| line(one, report, running)).collect::<Vec<_>>(),
    })
}

fn line(line: &LineReport, report: &Report, running: bool) -> Value {
    let grown = |limit: Credit| limit.checked_sub(line.start).unwrap_or(Credit::ZERO).0;
    json!({
        "partner": line.partner.to_string(),
        "canonical": (!line.canonical.is_empty()).then_some(&line.canonical),
        "balance_micro": line.balance.0,
        "limit_given_micro": line.limit_given.0,
        "grown_given_micro": grown(line.limit_given),
        "granted_micro": line.granted.0,
        "served_micro": line.served.0,
        "vouched_micro": line.vouched.map(|left| left.0),
        "answers_micro": line.answers.0,
        "limit_taken_micro": line.limit_taken.0,
        "grown_taken_micro": grown(line.limit_taken),
        "start_micro": line.start.0,
        "unsettled_given_micro": line.unsettled_given.0,
        "unsettled_taken_micro": running.then_some(line.unsettled_taken.0),
        "epoch": line.epoch,
        "seq": line.seq,
        "pending": line.pending,
        "locked_micro": line.locked.0,
        "locks": line.locks.iter().map(|one| lock(one, report)).collect::<Vec<_>>(),
        "standing": line.standing.word(),
        "breaches": line.breaches.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "forgotten": line.forgotten.map(|date| date.to_string()),
        "disputed": line.is_disputed(),
        "ours": line.ours.as_ref().map(dispute),
        "theirs": line.theirs.as_ref().map(dispute),
        "busy_beside_millionths": running.then_some(line.beside),
        "frozen": line.frozen,
        "left": line.left,
    })
}

fn lock(lock: &LockReport, report: &Report) -> Value {
    let ruling = report.rounds.iter().find(|round| round.round == lock.round).and_then(|round| round.ruling);
    json!({
        "round": lock.round.to_string(),
        "amount_micro": lock.amount.0,
        "we_owe": lock.we_owe,
        "members": lock.members,
        "moves": ruling,
    })
}

fn dispute(dispute: &DisputeReport) -> Value {
    json!({ "made": dispute.made.to_string(), "until": dispute.until.to_string(), "holds": dispute.holds, "reason": dispute.reason })
}
