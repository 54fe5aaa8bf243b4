//! `overspill status`, `partners` and `statement`: how things stand, for people and for scripts.

use std::path::Path;

use comfy_table::{Table, presets};
use overspill_edge::Clock;
use overspill_governance::units::{Bytes, Credit};
use serde_json::Value;

use super::{ask, exit::Failure, exit::Outcome, ledger, out};
use crate::{
    admin::talk::Ask,
    statement::{Cleared, Clerk, LineStatement, Service, Statement},
};

/// Shows how the running agent fares.
///
/// # Errors
/// When none runs.
pub fn status(directory: &Path, json: bool) -> Outcome {
    let told = ask::ask(directory, Ask::Status)?;
    if json { out::line(told) } else { out::text(status_text(&told)) }
}

/// Shows the partners of the running agent.
///
/// # Errors
/// When none runs, or it has no mesh.
pub fn partners(directory: &Path, json: bool) -> Outcome {
    let told = ask::ask(directory, Ask::Partners)?;
    if json { out::line(told) } else { out::line(partners_text(&told)) }
}

/// Shows balances and settled service, from the ledger's file alone.
///
/// # Errors
/// When there is no ledger, or it cannot be read to its end.
pub fn statement(directory: &Path, json: bool) -> Outcome {
    let statement = read_statement(directory)?;
    if json {
        return out::line(serde_json::to_string(&statement).map_err(|error| Failure::of_system("statement", error))?);
    }
    out::line(statement_text(&statement))
}

/// Makes the statement of a state directory.
///
/// # Errors
/// When there is no ledger, or it cannot be read to its end.
pub fn read_statement(directory: &Path) -> Result<Statement, Failure> {
    let mut records = ledger::read(directory)?;
    let mut clerk: Option<Clerk> = None;
    let unreadable = |error| Failure::of_system("the ledger cannot be read", error);
    while let Some((before, record)) = records.next_with_head().map_err(unreadable)? {
        clerk.get_or_insert_with(|| Clerk::new(before.site)).take(&record);
    }
    let site = records.head().map(|head| head.site);
    match (records.finish(), clerk.or_else(|| site.map(Clerk::new))) {
        (overspill_governance::chain::Verdict::Corrupt { at, reason }, _) => Err(Failure::new(
            super::exit::Exit::Damaged,
            format!("the ledger is damaged at byte {at}: {reason}"),
            "see `overspill ledger verify`",
        )),
        (_, Some(clerk)) => Ok(clerk.finish(Clock::shifted(0).date())),
        (_, None) => Err(Failure::new(super::exit::Exit::Failed, "the ledger is empty", "start the agent once, so that it is made")),
    }
}

pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or("none")
}

pub(super) fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

/// A number that may be negative.
pub(super) fn integer(value: &Value, path: &str) -> i64 {
    value.pointer(path).and_then(Value::as_i64).unwrap_or(0)
}

/// Micro-credits in words: `0.0015 credits`.
pub(super) fn credits(micro: i64) -> String {
    format!("{} credits", Credit(micro).to_string().trim_end_matches('0').trim_end_matches('.'))
}

pub(super) fn truth(value: &Value, path: &str) -> bool {
    value.pointer(path).and_then(Value::as_bool).unwrap_or(false)
}

fn list(value: &Value, path: &str) -> String {
    let parts = value.pointer(path).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    parts.collect::<Vec<_>>().join(", ")
}

pub(super) fn short(name: &str) -> &str {
    name.get(..8).unwrap_or(name)
}

fn status_text(told: &Value) -> String {
    let pressure = |path| if truth(told, path) { ", under pressure" } else { "" };
    let mut lines = vec![
        format!(
            "agent     process {}, up {} s, version {}",
            number(told, "/pid"),
            number(told, "/uptime_ms") / 1_000,
            text(told, "/version")
        ),
        format!("visitors  {} -> {}", list(told, "/listen"), text(told, "/origin")),
        format!(
            "load      {} requests/s, {} of {} wanted{}",
            number(told, "/load/site/requests_per_s"),
            rate(number(told, "/load/site/sent_bytes_per_s")),
            rate(number(told, "/load/site/wanted_bytes_per_s")),
            pressure("/load/site/under_pressure"),
        ),
        format!(
            "origin    {} in flight (learned limit {}), {} waiting{}",
            number(told, "/load/origin/in_flight"),
            number(told, "/load/origin/limit"),
            number(told, "/load/origin/queued"),
            pressure("/load/origin/under_pressure"),
        ),
        format!(
            "served    {} requests, {}, {} sent to helpers, {} for guests",
            number(told, "/served/requests"),
            Bytes(number(told, "/served/bytes_sent")),
            number(told, "/served/spilled"),
            number(told, "/served/guest"),
        ),
    ];
    for site in told["sites"].as_array().into_iter().flatten() {
        lines.push(format!("site      {}: {} -> {}", text(site, "/name"), text(site, "/canonical"), text(site, "/origin")));
    }
    if told["ledger"].is_object() {
        lines.push(format!("ledger    {}, {} entries", text(told, "/ledger/health"), number(told, "/ledger/entries")));
    }
    match told.pointer("/mesh/mesh") {
        Some(mesh) if mesh.is_object() => lines.push(format!(
            "mesh      {:?}, {} members, {} of {} partners connected, {} leases{}",
            text(mesh, "/name"),
            number(mesh, "/members"),
            number(told, "/mesh/partners_connected"),
            number(told, "/mesh/partners"),
            told.pointer("/mesh/leases").and_then(Value::as_array).map_or(0, Vec::len),
            if truth(told, "/mesh/crowd") { ", a crowd is here" } else { "" },
        )),
        _ if told["trouble"].is_string() => lines.push(format!("mesh      {}", text(told, "/trouble"))),
        _ => lines.push("mesh      none; `overspill init` founds one, `overspill join TOKEN` joins one".to_owned()),
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn rate(bytes: u64) -> String {
    format!("{}/s", Bytes(bytes))
}

pub(super) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.iter().copied());
    table
}

fn partners_text(told: &Value) -> String {
    let mut shown = table(&["partner", "site", "reachable", "proved", "load", "balance"]);
    for partner in told["partners"].as_array().into_iter().flatten() {
        let balance = partner
            .pointer("/line/balance_micro")
            .and_then(Value::as_i64)
            .map_or_else(|| "-".to_owned(), |micro| Credit(micro).to_string());
        let yes = |path| if truth(partner, path) { "yes" } else { "no" };
        shown.add_row([
            short(text(partner, "/site")).to_owned(),
            text(partner, "/canonical").to_owned(),
            yes("/connected").to_owned(),
            yes("/proved").to_owned(),
            format!("{} %", number(partner, "/load_permille") / 10),
            balance,
        ]);
    }
    shown.to_string()
}

fn statement_text(statement: &Statement) -> String {
    let mut shown = table(&["partner", "balance", "earned", "spent", "cleared", "given", "taken", "receipts", "state"]);
    let service = |service: &Service| format!("{} requests, {}", service.requests, Bytes(service.bytes));
    for line in &statement.lines {
        shown.add_row([
            short(&line.partner).to_owned(),
            Credit(line.balance_micro).to_string(),
            Credit(line.earned_micro).to_string(),
            Credit(line.spent_micro).to_string(),
            Credit(line.cleared_of_ours_micro.saturating_sub(line.cleared_of_theirs_micro)).to_string(),
            service(&line.given),
            service(&line.taken),
            line.receipts.to_string(),
            line.condition.word().to_owned(),
        ]);
    }
    let mesh = statement.mesh.as_ref().map_or_else(|| "no mesh".to_owned(), |mesh| format!("mesh {:?}", mesh.name));
    let sum = Credit(statement.balance_micro);
    let told: String = statement
        .cleared
        .iter()
        .map(cleared)
        .chain(cleared_in_all(statement))
        .chain(faded_in_all(statement))
        .chain(disputes(statement))
        .collect();
    format!("{}, {mesh}\n{shown}\n{told}balance of all lines: {sum} (positive: the mesh owes this site)", short(&statement.site))
}

/// One circle of debts, in a line of its own.
fn cleared(cleared: &Cleared) -> String {
    let less = match (&cleared.creditor, &cleared.debtor) {
        (Some(creditor), Some(debtor)) => format!("we owe {} less, and {} owes us less", short(creditor), short(debtor)),
        (Some(creditor), None) => format!("we owe {} less; who owes us has not signed yet", short(creditor)),
        (None, Some(debtor)) => format!("{} owes us less; whom we owe has not signed yet", short(debtor)),
        (None, None) => "nothing has moved yet".to_owned(),
    };
    let (date, amount, round) = (&cleared.date, credits(cleared.amount_micro), cleared.round.get(..16).unwrap_or(&cleared.round));
    format!("cleared on {date}: {amount} in a circle of {} (round {round}): {less}\n", cleared.members)
}

fn cleared_in_all(statement: &Statement) -> Option<String> {
    let (ours, theirs) = (statement.cleared_of_ours_micro, statement.cleared_of_theirs_micro);
    let left = Credit(ours.saturating_sub(theirs));
    (ours != 0 || theirs != 0).then(|| {
        let waits = if left == Credit::ZERO { "" } else { " until the other line of a round has moved as well" };
        format!("cleared in all: {} that we owed, less {} that we were owed: {left}{waits}\n", credits(ours), credits(theirs))
    })
}

fn faded_in_all(statement: &Statement) -> Option<String> {
    let (ours, theirs) = (statement.faded_of_ours_micro, statement.faded_of_theirs_micro);
    (ours != 0 || theirs != 0)
        .then(|| format!("demurrage in all: {} that we owed, and {} that we were owed\n", credits(ours), credits(theirs)))
}

fn disputes(statement: &Statement) -> impl Iterator<Item = String> {
    let told = |line: &LineStatement, who: &str, until: &Option<String>| {
        until.as_ref().map(|until| format!("{who} the line with {}: no new lease until {until}\n", short(&line.partner)))
    };
    statement.lines.iter().flat_map(move |line| {
        [told(line, "we dispute", &line.our_dispute_until), told(line, "the other end disputes", &line.their_dispute_until)]
            .into_iter()
            .flatten()
    })
}
