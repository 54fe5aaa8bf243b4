//! `overspill dispute`: a person's word that a line is wrong, and that word taken back.

use std::path::Path;

use overspill_governance::site::SiteId;
use overspill_protocol::{event::Answer, io::Command};
use serde_json::Value;

use super::{
    ask,
    exit::{Failure, Outcome},
    out,
    show::{short, text},
};
use crate::{
    admin::talk::Ask,
    config::table::Settings,
    offline,
    run::{agent::odd, disputing},
};

/// Options of `overspill dispute`.
#[derive(Debug, clap::Args)]
pub struct Dispute {
    /// The member's name (52 letters).
    member: SiteId,
    /// Why, in one line: the member is told.
    #[arg(long, required_unless_present = "withdraw")]
    reason: Option<String>,
    /// Takes this site's dispute back.
    #[arg(long, conflicts_with = "reason")]
    withdraw: bool,
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Disputes the line with a member, or takes that back, through the running agent or without one.
///
/// # Errors
/// When the agent or the machine refuses.
pub fn dispute(options: &Dispute, directory: &Path, settings: impl FnOnce() -> Result<Settings, Failure>) -> Outcome {
    let (member, reason) = (options.member, options.reason.clone());
    let told = match ask::try_ask(directory, Ask::Dispute { member: member.to_string(), reason: reason.clone() })? {
        Some(told) => told,
        None => offline(member, reason, directory, settings()?)?,
    };
    if options.json { out::line(&told) } else { out::line(words(&told)) }
}

/// Writes it down; the member is told when the agent runs.
fn offline(member: SiteId, reason: Option<String>, directory: &Path, settings: Settings) -> Result<Value, Failure> {
    let settings = Settings { state: Some(directory.to_owned()), ..settings };
    match offline::wish(&settings, Command::Dispute { partner: member, reason })? {
        (Answer::Disputed { partner, until }, _) => Ok(disputing::told(partner, until)),
        (other, _) => Err(odd(&other)),
    }
}

fn words(told: &Value) -> String {
    match told["until"].as_str() {
        Some(until) => format!(
            "The line with {} is disputed: it carries no new lease until {until}, or until `overspill dispute {} --withdraw`. What is owed is \
             settled as ever.",
            short(text(told, "/partner")),
            text(told, "/partner"),
        ),
        None => "The dispute is taken back; unless the other end disputes the line, it carries leases again.".to_owned(),
    }
}
