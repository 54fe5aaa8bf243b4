//! `overspill deny` and `allow`: what must not be shown, through the running agent or without one.

use std::path::Path;

use serde_json::Value;

use super::{
    ask,
    exit::{Failure, Outcome},
    out,
};
use crate::{
    admin::{
        denials::{self, Wish},
        talk::Ask,
    },
    denylist::Denylist,
    run::keep::state_failure,
    state::{State, names},
};

/// Options of `overspill deny`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Deny {
    /// What must not be shown, here and at helpers; with a `*` at its end all that begin so. A URL of a guest counts here alone.
    #[arg(value_name = "URL", required_unless_present = "list", conflicts_with = "list")]
    url: Option<String>,
    /// Shows what is denied instead.
    #[arg(long, conflicts_with_all = ["status", "reason", "blocked_by"])]
    list: bool,
    /// How it is answered: 451 (somebody may lawfully demand it) or 410 (the owner took it away).
    #[arg(long, default_value_t = 451, value_name = "451|410")]
    status: u16,
    /// Why, for whoever asks for it.
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    reason: String,
    /// Address of who carries the denial out, for programs (RFC 7725).
    #[arg(long, value_name = "URL")]
    blocked_by: Option<String>,
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Options of `overspill allow`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Allow {
    /// What is denied no longer, as it was denied.
    url: String,
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// Denies something, or shows what is denied.
///
/// # Errors
/// When the URL cannot be denied, or the list cannot be written.
pub fn deny(options: Deny, directory: &Path) -> Outcome {
    let Some(url) = options.url else { return list(options.json, directory) };
    let wish = Wish { url, status: options.status, reason: options.reason, blocked_by: options.blocked_by };
    let told = match ask::try_ask(directory, Ask::Deny(wish.clone()))? {
        Some(told) => told,
        None => offline(directory, |list| denials::deny(list, &wish))?,
    };
    let words = format!("{} is denied: visitors get {}.", told["url"].as_str().unwrap_or_default(), told["status"]);
    if options.json { out::line(&told) } else { out::line(words) }
}

/// Denies something no longer.
///
/// # Errors
/// When it was not denied, or the list cannot be written.
pub fn allow(options: &Allow, directory: &Path) -> Outcome {
    let told = match ask::try_ask(directory, Ask::Allow { url: options.url.clone() })? {
        Some(told) => told,
        None => offline(directory, |list| denials::allow(list, &options.url))?,
    };
    if options.json {
        out::line(&told)
    } else {
        out::line(format_args!("{} is denied no longer.", told["url"].as_str().unwrap_or_default()))
    }
}

fn list(json: bool, directory: &Path) -> Outcome {
    let told = match ask::try_ask(directory, Ask::Denied)? {
        Some(told) => told,
        None => denials::denied(&Denylist::open(&directory.join(names::DENIED))),
    };
    if json { out::line(&told) } else { out::text(text(&told)) }
}

/// Changes the list under the lock of the state directory.
fn offline(directory: &Path, change: impl FnOnce(&mut Denylist) -> Result<Value, Failure>) -> Result<Value, Failure> {
    let state = State::open(directory).map_err(|error| state_failure(&error))?;
    change(&mut Denylist::open(&state.file(names::DENIED)))
}

fn text(told: &Value) -> String {
    let mut text = String::new();
    if let Some(damage) = told["damage"].as_str() {
        text += &format!("Take care: {damage}.\n");
    }
    let denied = told["denied"].as_array().map(Vec::as_slice).unwrap_or_default();
    for denial in denied {
        let word = |name: &str| denial[name].as_str().unwrap_or_default();
        text += format!("{}  {}  {}", denial["status"], word("url"), word("reason")).trim_end();
        text.push('\n');
    }
    if denied.is_empty() {
        text += "Nothing is denied.\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_list_is_told_in_plain_words() {
        let told = json!({ "damage": null, "denied": [
            { "url": "https://blog.example/a", "status": 451, "reason": "Order 7" },
            { "url": "https://blog.example/b/*", "status": 410, "reason": "" },
        ]});
        assert_eq!(text(&told), "451  https://blog.example/a  Order 7\n410  https://blog.example/b/*\n");
        assert_eq!(text(&json!({ "denied": [] })), "Nothing is denied.\n");
        assert!(text(&json!({ "damage": "the list is damaged" })).starts_with("Take care: the list is damaged.\n"));
    }
}
