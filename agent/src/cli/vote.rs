//! `overspill propose` and `overspill vote`: moving a change, seconding, objecting, and how votes stand.

use std::path::Path;

use overspill_governance::site::SiteId;
use serde_json::Value;

use super::{ask, exit::Outcome, out};
use crate::admin::talk::Ask;

/// What `overspill propose` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Propose {
    /// Moves that a rule gets another value.
    Change {
        /// The rule and its value, as name=number; `overspill rules` shows them.
        #[arg(value_name = "NAME=NUMBER", value_parser = super::mesh::rule)]
        rule: (String, i64),
        /// Where it is discussed, and how the command tells of it.
        #[command(flatten)]
        with: With,
    },
    /// Moves that what weighs on a convicted member is lifted.
    Pardon {
        /// The member's name (52 letters).
        site: SiteId,
        /// Where it is discussed, and how the command tells of it.
        #[command(flatten)]
        with: With,
    },
    /// Moves that a member is removed, for good.
    Remove {
        /// The member's name (52 letters).
        site: SiteId,
        /// Who stays of those that it brought in: all, none, or their names.
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        keep: Vec<String>,
        /// Where it is discussed, and how the command tells of it.
        #[command(flatten)]
        with: With,
    },
}

/// What goes with every motion.
#[derive(Debug, clap::Args)]
pub struct With {
    /// Where members discuss it.
    #[arg(long, value_name = "URL")]
    discuss: String,
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// What `overspill vote` can do.
#[derive(Debug, clap::Subcommand)]
pub enum Vote {
    /// Shows what is to be decided, and what was.
    List {
        /// Prints one JSON object instead.
        #[arg(long)]
        json: bool,
    },
    /// Says that another member's motion is worth deciding.
    Second {
        /// The first digits of the motion's name.
        motion: String,
        /// Prints one JSON object instead.
        #[arg(long)]
        json: bool,
    },
    /// Objects to a motion. Who is silent consents.
    Object {
        /// The first digits of the motion's name.
        motion: String,
        /// Why, for the other members.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Prints one JSON object instead.
        #[arg(long)]
        json: bool,
    },
}

/// Moves a change, through the running agent.
///
/// # Errors
/// When none runs, or it refuses.
pub fn propose(command: Propose, directory: &Path) -> Outcome {
    let (ask, json) = match command {
        Propose::Change { rule: (parameter, to), with } => (Ask::Amend { parameter, to, discuss: with.discuss }, with.json),
        Propose::Pardon { site, with } => (Ask::Pardon { member: site.to_string(), discuss: with.discuss }, with.json),
        Propose::Remove { site, keep, with } => (Ask::Remove { member: site.to_string(), keep, discuss: with.discuss }, with.json),
    };
    let told = ask::ask(directory, ask)?;
    let (motion, deadline) = (short(&told["motion"]), word(&told, "deadline"));
    let words = format!(
        "Motion {motion} is made. Another member must second it: `overspill vote second {motion}`.\nMembers may object until {deadline}; who is silent consents."
    );
    if json { out::line(&told) } else { out::line(words) }
}

/// Takes part in votes, through the running agent.
///
/// # Errors
/// When none runs, or it refuses.
pub fn vote(command: Vote, directory: &Path) -> Outcome {
    let (ask, json, words) = match command {
        Vote::List { json } => {
            let told = ask::ask(directory, Ask::Votes)?;
            return if json { out::line(&told) } else { out::text(text(&told)) };
        }
        Vote::Second { motion, json } => (Ask::Second { motion }, json, "This site seconds the motion."),
        Vote::Object { motion, reason, json } => (Ask::Object { motion, reason }, json, "This site objects to the motion; that is final."),
    };
    let told = ask::ask(directory, ask)?;
    if json { out::line(&told) } else { out::line(words) }
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Enough of a motion's name to type.
fn short(name: &Value) -> &str {
    name.as_str().and_then(|name| name.get(..8)).unwrap_or_default()
}

fn text(told: &Value) -> String {
    let mut text = String::new();
    for vote in told["open"].as_array().into_iter().flatten() {
        let seconded = if vote["seconded"] == true { "" } else { ", not seconded yet" };
        text += &format!("{}  {}\n", short(&vote["motion"]), word(vote, "change"));
        text += &format!(
            "          moved by {} on {}{seconded}; {}\n",
            &word(vote, "mover").get(..8).unwrap_or_default(),
            word(vote, "moved"),
            word(vote, "discuss")
        );
        text += &format!(
            "          objections until {}: they weigh {}, and {} stop it; in force from {} at the earliest\n",
            word(vote, "deadline"),
            vote["weight"],
            vote["quorum"],
            word(vote, "in_force")
        );
        if vote["told_in_time"] == false {
            text += "          this agent heard of it late, so its silence is no consent\n";
        }
        for objection in vote["objections"].as_array().into_iter().flatten() {
            text += &format!("          {} objects: {}\n", word(objection, "site").get(..8).unwrap_or_default(), word(objection, "reason"));
        }
        if let Some(epoch) = vote["signed"]["epoch"].as_u64() {
            let (prepared, committed) = (&vote["signed"]["prepared"], &vote["signed"]["committed"]);
            text += &format!("          try {}: of {} agents {prepared} prepared and {committed} committed\n", epoch + 1, vote["seats"]);
        }
    }
    if text.is_empty() {
        text += "Nothing is to be decided.\n";
    }
    for decided in told["decided"].as_array().into_iter().flatten() {
        let how = match (decided["adopted"] == true, decided["void"] == true) {
            (true, false) => format!("adopted, in force from {}", word(decided, "in_force")),
            (true, true) => "adopted and void: another motion had changed the same rule before".to_owned(),
            (false, _) => "stopped by objections".to_owned(),
        };
        text += &format!("{}  {} {how}\n", short(&decided["motion"]), word(decided, "change"));
    }
    for convicted in told["convicted"].as_array().into_iter().flatten() {
        let (site, sentence) = (word(convicted, "site").get(..8).unwrap_or_default(), word(convicted, "sentence"));
        text += &format!("{}  {site}: {sentence}\n", short(&convicted["matter"]));
        text += &match (word(convicted, "standing"), convicted["until"].as_str()) {
            (standing, Some(until)) => format!("          its standing is {standing} until {until}\n"),
            _ => "          it weighs no more\n".to_owned(),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn votes_are_told_in_plain_words() {
        let told = json!({
            "open": [{
                "motion": "47151872c9249976", "mover": "rkeohxlu2222", "change": "price_mib becomes 0.002 credits instead of 0.001 credits.",
                "discuss": "https://forum.example/1", "moved": "2026-11-22T00:00:00Z", "deadline": "2026-11-29T00:00:00Z",
                "in_force": "2026-12-02T01:02:00Z", "seconded": false, "told_in_time": true, "weight": 1, "quorum": 2, "seats": 4,
                "objections": [{ "site": "qe4xodvi2222", "reason": "Too dear." }], "signed": null,
            }],
            "decided": [{ "motion": "0d88c668574ee10c", "change": "abcdefgh is removed.", "adopted": false, "void": false }],
        });
        assert_eq!(
            text(&told),
            "47151872  price_mib becomes 0.002 credits instead of 0.001 credits.\n\
             \u{20}         moved by rkeohxlu on 2026-11-22T00:00:00Z, not seconded yet; https://forum.example/1\n\
             \u{20}         objections until 2026-11-29T00:00:00Z: they weigh 1, and 2 stop it; in force from 2026-12-02T01:02:00Z at the earliest\n\
             \u{20}         qe4xodvi objects: Too dear.\n\
             0d88c668  abcdefgh is removed. stopped by objections\n"
        );
        assert_eq!(text(&json!({})), "Nothing is to be decided.\n");
    }
}
