//! `overspill carry`: what this site carries for whom, with a stop.

use std::path::Path;

use overspill_governance::{site::SiteId, units::Bytes};
use serde_json::Value;

use super::{
    ask,
    exit::{Failure, Outcome},
    out,
    show::{number, short, table, text, truth},
};
use crate::{
    admin::talk::Ask,
    run::{carrying, keep::state_failure},
    state::{State, names},
    stopped::Stopped,
};

/// Options of `overspill carry`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Carry {
    #[command(subcommand)]
    command: Option<Command>,
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Carries nothing for a member any more: its leases end, its objects go.
    Stop(Member),
    /// Carries for a member again.
    Resume(Member),
}

#[derive(Debug, clap::Args)]
struct Member {
    /// The member's name (52 letters).
    site: SiteId,
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Shows what is carried for whom, or changes it.
///
/// # Errors
/// When no agent runs that could say, or the change cannot be written down.
pub fn carry(options: &Carry, directory: &Path) -> Outcome {
    let (member, stopped) = match &options.command {
        None => {
            let told = ask::ask(directory, Ask::Carry)?;
            return if options.json { out::line(&told) } else { out::line(carried(&told)) };
        }
        Some(Command::Stop(member)) => (member, true),
        Some(Command::Resume(member)) => (member, false),
    };
    let told = match ask::try_ask(directory, Ask::CarryFor { member: member.site.to_string(), stopped })? {
        Some(told) => told,
        None => offline(directory, member.site, stopped)?,
    };
    let words = if stopped { "Nothing is carried for it any more; what it owes for is still settled." } else { "It is carried for again." };
    if member.json { out::line(&told) } else { out::line(words) }
}

/// Changes the list under the lock of the state directory.
fn offline(directory: &Path, member: SiteId, stopped: bool) -> Result<Value, Failure> {
    let state = State::open(directory).map_err(|error| state_failure(&error))?;
    Stopped::open(&state.file(names::STOPPED)).set(member, stopped)?;
    Ok(carrying::told(member, stopped))
}

fn carried(told: &Value) -> String {
    let members = told["carried"].as_array().map(Vec::as_slice).unwrap_or_default();
    if members.is_empty() {
        return "Nothing is carried for anybody.".to_owned();
    }
    let mut shown = table(&["partner", "site", "leases", "since", "served", "today", "held"]);
    for member in members {
        let leases = if truth(member, "/stopped") { "stopped".to_owned() } else { number(member, "/leases").to_string() };
        shown.add_row([
            short(text(member, "/partner")).to_owned(),
            text(member, "/canonical").to_owned(),
            leases,
            member["since"].as_str().unwrap_or("-").to_owned(),
            format!("{} requests, {}", number(member, "/requests"), Bytes(number(member, "/bytes"))),
            Bytes(number(member, "/today_bytes")).to_string(),
            format!("{} objects, {}", number(member, "/objects"), Bytes(number(member, "/stored_bytes"))),
        ]);
    }
    shown.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_carried_is_told_in_plain_words() {
        assert_eq!(carried(&json!({ "carried": [] })), "Nothing is carried for anybody.");
        let told = json!({ "carried": [
            { "partner": "rkeohxlu2222", "canonical": "https://blog.example", "stopped": false, "leases": 2, "since": "2026-11-23T02:00:00Z",
              "requests": 12, "bytes": 2048, "today_bytes": 4096, "objects": 3, "stored_bytes": 1024 },
            { "partner": "qe4xodvi2222", "canonical": null, "stopped": true, "leases": 0, "since": null,
              "requests": 0, "bytes": 0, "today_bytes": 0, "objects": 0, "stored_bytes": 0 },
        ]});
        let lines: Vec<String> = carried(&told).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "partner site leases since served today held",
                "rkeohxlu https://blog.example 2 2026-11-23T02:00:00Z 12 requests, 2.0 KiB 4.0 KiB 3 objects, 1.0 KiB",
                "qe4xodvi none stopped - 0 requests, 0 B 0 B 0 objects, 0 B",
            ]
        );
    }
}
