//! `overspill rules` and `overspill rules diff`: the charter in numbered articles, and what changes between two versions of it. What a change
//! would do is told by [`preview`].

use std::path::Path;

use overspill_edge::Clock;
use overspill_governance::{charter::Charter, entry::Entry, minutes::Minutes, time::Date};
use serde_json::Value;

use super::{
    ask,
    exit::{Exit, Failure, Outcome},
    ledger, out, preview,
};
use crate::admin::{talk::Ask, votes};

/// Options of `overspill rules`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Prints one JSON object instead.
    #[arg(long, global = true)]
    json: bool,
}

/// What else can be asked about the rules.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Shows what differs between two versions of the rules.
    Diff {
        /// The earlier version [default: the one in force, or the one before it when nothing else is decided].
        #[arg(long, value_name = "VERSION")]
        from: Option<u64>,
        /// The later version [default: the one after it].
        #[arg(long, value_name = "VERSION")]
        to: Option<u64>,
    },
    /// Tries other rules on simulated sites, beside those in force, before anybody votes on them.
    Preview(preview::Options),
}

/// Shows the rules, by the running agent's word or by the ledger's.
///
/// # Errors
/// When there is neither, or a version that was named is not known.
pub fn run(options: &Options, directory: &Path) -> Outcome {
    if let Some(Command::Preview(wish)) = &options.command {
        return preview::run(wish, options.json, directory);
    }
    let told = match ask::try_ask(directory, Ask::Rules)? {
        Some(told) => told,
        None => by_ledger(directory)?,
    };
    match (&options.command, options.json) {
        (None | Some(Command::Preview(_)), true) => out::line(told),
        (None | Some(Command::Preview(_)), false) => out::text(text(&told)),
        (Some(Command::Diff { from, to }), json) => {
            let (one, other) = pair(&told, *from, *to)?;
            let changes = changes(one, other);
            if json {
                let value = serde_json::json!({
                    "schema": "overspill.rules-diff/1",
                    "from": one["version"],
                    "to": other["version"],
                    "in_force": other["from"],
                    "changes": changes.iter().map(|(old, new)| serde_json::json!({ "old": old, "new": new })).collect::<Vec<_>>(),
                });
                return out::line(value);
            }
            out::text(diff_text(one, other, &changes))
        }
    }
}

/// The rules as the ledger's file has them; those of a new mesh when it belongs to none.
fn by_ledger(directory: &Path) -> Result<Value, Failure> {
    let mut records = ledger::read(directory)?;
    let mut minutes: Option<(String, Minutes)> = None;
    for record in records.by_ref() {
        match record.entry {
            Entry::Founded(founding) => {
                let body = founding.body;
                minutes = Some((body.name, Minutes::new(body.charter, body.date)));
            }
            Entry::Decided(decision) => {
                if let Some((_, minutes)) = &mut minutes {
                    minutes.record(*decision);
                }
            }
            _ => {}
        }
    }
    if let Some(error) = records.failure() {
        return Err(Failure::of_system("the ledger cannot be read", error));
    }
    Ok(minutes.map_or_else(
        || votes::rules(None, 1, &[(Date::default(), Charter::default())]),
        |(mesh, minutes)| votes::rules_of(&mesh, &minutes, Clock::shifted(0).date()),
    ))
}

fn charters(told: &Value) -> &[Value] {
    told["charters"].as_array().map_or(&[], Vec::as_slice)
}

/// The two versions that are compared.
fn pair(told: &Value, from: Option<u64>, to: Option<u64>) -> Result<(&Value, &Value), Failure> {
    let (current, last) = (told["version"].as_u64().unwrap_or(1), charters(told).len() as u64);
    let from = from.or_else(|| to.map(|to| to.saturating_sub(1))).unwrap_or(if current < last {
        current
    } else {
        current.saturating_sub(1).max(1)
    });
    let to = to.unwrap_or((from + 1).min(last));
    let version = |wanted: u64| {
        charters(told)
            .iter()
            .find(|charter| charter["version"].as_u64() == Some(wanted))
            .ok_or_else(|| Failure::new(Exit::Usage, format!("the rules have no version {wanted}"), format!("choose from 1 to {last}")))
    };
    Ok((version(from)?, version(to)?))
}

/// Articles that differ, old and new.
fn changes<'a>(one: &'a Value, other: &'a Value) -> Vec<(&'a Value, &'a Value)> {
    let articles = |charter: &'a Value| charter["articles"].as_array().map_or(&[][..], Vec::as_slice);
    articles(one).iter().zip(articles(other)).filter(|(old, new)| old["value"] != new["value"]).collect()
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn text(told: &Value) -> String {
    let Some(charter) = charters(told).iter().find(|charter| charter["version"] == told["version"]) else { return String::new() };
    let mut text = match told["mesh"].as_str() {
        Some(mesh) => {
            format!("The rules of the mesh {mesh:?}, version {}, in force since {}.\n", charter["version"], word(charter, "from"))
        }
        None => "This site is in no mesh. A mesh founded now would have these rules.\n".to_owned(),
    };
    for article in charter["articles"].as_array().into_iter().flatten() {
        let sentence = word(article, "sentence").trim_end_matches('.');
        text += &format!(
            "{:>3}. {sentence}: {}. ({})\n",
            article["number"].as_u64().unwrap_or(0),
            word(article, "words"),
            word(article, "name")
        );
    }
    for next in charters(told).iter().filter(|next| next["version"].as_u64() > told["version"].as_u64()) {
        text +=
            &format!("Version {} is decided and in force from {}; `overspill rules diff` shows it.\n", next["version"], word(next, "from"));
    }
    text
}

fn diff_text(one: &Value, other: &Value, changes: &[(&Value, &Value)]) -> String {
    if changes.is_empty() {
        return format!("Nothing differs between version {} and version {}.\n", one["version"], other["version"]);
    }
    let mut text = format!("Version {} becomes version {} on {}:\n", one["version"], other["version"], word(other, "from"));
    for (old, new) in changes {
        let sentence = word(new, "sentence").trim_end_matches('.');
        text += &format!(
            "{:>3}. {sentence}: {} instead of {}. ({})\n",
            new["number"].as_u64().unwrap_or(0),
            word(new, "words"),
            word(old, "words"),
            word(new, "name")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(version: u32) -> Value {
        let first = Charter::default();
        let second = first.amended("price_mib", 1_000, 2_000).unwrap();
        let third = second.amended("vote_discussion", 604_800, 86_400).unwrap();
        let day = |day: u64| Date::from_millis(1_795_305_600_000 + day * 86_400_000);
        votes::rules(Some("Village"), version, &[(day(0), first), (day(10), second), (day(20), third)])
    }

    #[test]
    fn rules_are_numbered_articles_in_plain_words() {
        let text = text(&told(2));
        assert!(text.starts_with("The rules of the mesh \"Village\", version 2, in force since 2026-12-02T00:00:00Z.\n"), "{text}");
        assert!(
            text.contains("\n  2. What a helper earns for each mebibyte of body that it serves: 0.002 credits. (price_mib)\n"),
            "{text}"
        );
        assert!(
            text.ends_with("Version 3 is decided and in force from 2026-12-12T00:00:00Z; `overspill rules diff` shows it.\n"),
            "{text}"
        );
        let unfounded = votes::rules(None, 1, &[(Date::default(), Charter::default())]);
        assert!(super::text(&unfounded).starts_with("This site is in no mesh."));
    }

    #[test]
    fn a_difference_is_shown_between_the_versions_that_matter() {
        let versions = |version, from, to| {
            let told = told(version);
            let (one, other) = pair(&told, from, to).unwrap();
            (one["version"].as_u64().unwrap(), other["version"].as_u64().unwrap())
        };
        assert_eq!((versions(1, None, None), versions(2, None, None), versions(3, None, None)), ((1, 2), (2, 3), (2, 3)));
        assert_eq!((versions(3, Some(1), None), versions(3, None, Some(2)), versions(1, Some(1), Some(3))), ((1, 2), (1, 2), (1, 3)));
        assert!(pair(&told(1), Some(4), None).is_err());
        let told = told(1);
        let (one, other) = pair(&told, None, None).unwrap();
        let text = diff_text(one, other, &changes(one, other));
        assert!(
            text.contains(
                "  2. What a helper earns for each mebibyte of body that it serves: 0.002 credits instead of 0.001 credits. (price_mib)"
            ),
            "{text}"
        );
    }
}
