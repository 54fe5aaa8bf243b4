//! The `--json` forms of `rules` and `vote list`, made by the running agent or of its ledger; the command line renders these same objects.

use overspill_governance::{charter::Charter, minutes::Minutes, motion::Change, time::Date};
use overspill_protocol::report::{ConvictedReport, CouncilReport, DecidedReport, VoteReport};
use serde_json::{Value, json};

/// Name and version of the form of `rules`.
pub const RULES: &str = "overspill.rules/1";
/// Name and version of the form of `vote list`.
pub const VOTES: &str = "overspill.votes/1";

/// The charter in all its versions. Articles are numbered as the table of parameters is.
pub fn rules(mesh: Option<&str>, version: u32, charters: &[(Date, Charter)]) -> Value {
    let charter = |(from, charter): &(Date, Charter)| {
        json!({
            "version": charter.version,
            "from": from.to_string(),
            "in_force": charter.version == version,
            "articles": articles(charter),
        })
    };
    json!({ "schema": RULES, "mesh": mesh, "version": version, "charters": charters.iter().map(charter).collect::<Vec<_>>() })
}

/// The same of what a ledger holds.
pub fn rules_of(mesh: &str, minutes: &Minutes, now: Date) -> Value {
    let charters: Vec<(Date, Charter)> = minutes.versions().iter().map(|rules| (rules.from, rules.charter.clone())).collect();
    rules(Some(mesh), minutes.in_force(now).version, &charters)
}

fn articles(charter: &Charter) -> Vec<Value> {
    let article = |(number, (parameter, value)): (usize, (&overspill_governance::charter::Parameter, i64))| {
        json!({
            "number": number,
            "name": parameter.name,
            "value": value,
            "words": parameter.words(value).to_string(),
            "sentence": parameter.sentence,
            "least": parameter.min,
            "greatest": parameter.max,
            "unit": parameter.unit,
            "principle": parameter.principle,
        })
    };
    (1..).zip(charter.values()).map(article).collect()
}

/// Open votes and decisions.
pub fn votes(report: &CouncilReport) -> Value {
    json!({
        "schema": VOTES,
        "version": report.version,
        "open": report.votes.iter().map(open).collect::<Vec<_>>(),
        "decided": report.decided.iter().map(decided).collect::<Vec<_>>(),
        "convicted": report.convicted.iter().map(convicted).collect::<Vec<_>>(),
    })
}

fn open(vote: &VoteReport) -> Value {
    json!({
        "motion": vote.motion.to_string(),
        "mover": vote.mover.to_string(),
        "change": vote.change.to_string(),
        "keeps": keeps(&vote.change),
        "discuss": vote.discuss,
        "moved": vote.date.to_string(),
        "deadline": vote.deadline.to_string(),
        "in_force": vote.in_force.to_string(),
        "seconded": vote.seconded,
        "told_in_time": vote.told_in_time,
        "objections": vote.objections.iter().map(|(site, reason)| json!({ "site": site.to_string(), "reason": reason })).collect::<Vec<_>>(),
        "weight": vote.weight,
        "quorum": vote.quorum,
        "seats": vote.seats,
        "signed": vote.signed.map(|(epoch, prepared, committed)| json!({ "epoch": epoch, "prepared": prepared, "committed": committed })),
    })
}

fn convicted(conviction: &ConvictedReport) -> Value {
    json!({
        "site": conviction.site.to_string(),
        "crime": conviction.crime.word(),
        "sentence": conviction.crime.sentence(),
        "matter": conviction.matter.to_string(),
        "heard": conviction.heard.to_string(),
        "standing": conviction.standing.word(),
        "until": conviction.until.map(|until| until.to_string()),
    })
}

fn keeps(change: &Change) -> Option<Vec<String>> {
    match change {
        Change::Amend { .. } | Change::Pardon { .. } => None,
        Change::Remove { keeps, .. } => Some(keeps.iter().map(ToString::to_string).collect()),
    }
}

fn decided(decision: &DecidedReport) -> Value {
    json!({
        "motion": decision.motion.to_string(),
        "change": decision.change.to_string(),
        "adopted": decision.adopts,
        "signed": decision.signed,
        "in_force": decision.from.map(|from| from.to_string()),
        "void": decision.void,
    })
}
