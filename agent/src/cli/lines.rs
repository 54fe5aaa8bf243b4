//! `overspill lines`: every credit line of this site, and how its limits come about.

use std::path::Path;

use serde_json::Value;

use super::{
    ask,
    exit::Outcome,
    out,
    show::{credits, integer, number, short, table, text, truth},
};
use crate::{
    admin::{lines, talk::Ask},
    offline,
};

/// Shows the lines, by the running agent or by the ledger.
///
/// # Errors
/// When there is neither.
pub fn run(directory: &Path, json: bool) -> Outcome {
    let told = match ask::try_ask(directory, Ask::Lines)? {
        Some(told) => told,
        None => {
            let (site, now) = offline::look(directory)?;
            lines::lines(&site.report(now), false)
        }
    };
    if json { out::line(told) } else { out::text(words(&told)) }
}

fn words(told: &Value) -> String {
    let lines = told["lines"].as_array().map_or(&[][..], Vec::as_slice);
    if lines.is_empty() {
        return "This site has no line with anybody.\n".to_owned();
    }
    let mut shown = table(&["partner", "site", "balance", "it may owe us", "we may owe it", "unsettled", "state", "busy beside us"]);
    for line in lines {
        shown.add_row([
            short(text(line, "/partner")).to_owned(),
            text(line, "/canonical").to_owned(),
            balance(integer(line, "/balance_micro")),
            credits(integer(line, "/limit_given_micro")),
            credits(integer(line, "/limit_taken_micro")),
            unsettled(line),
            format!("{}/{}{}", number(line, "/epoch"), number(line, "/seq"), if truth(line, "/pending") { ", one waits" } else { "" }),
            line["busy_beside_millionths"].as_u64().map_or_else(|| "-".to_owned(), percent),
        ]);
    }
    let why = lines.iter().map(reasons).collect::<String>();
    format!("{shown}\n{why}{}", together(told))
}

/// Who owes whom.
fn balance(micro: i64) -> String {
    match micro {
        0 => "nobody owes anything".to_owned(),
        1.. => format!("it owes us {}", credits(micro)),
        _ => format!("we owe it {}", credits(micro.saturating_neg())),
    }
}

fn unsettled(line: &Value) -> String {
    let parts = [("/unsettled_given_micro", "from us"), ("/unsettled_taken_micro", "from it")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(path, _)| integer(line, path) != 0)
        .map(|(path, side)| format!("{} {side}", credits(integer(line, path))))
        .collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

fn percent(millionths: u64) -> String {
    let thousandths = millionths.saturating_add(500) / 1_000;
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

/// How the limits of a line come about, and what else there is to say of it.
fn reasons(line: &Value) -> String {
    let (start, given, granted) = (integer(line, "/start_micro"), integer(line, "/limit_given_micro"), integer(line, "/granted_micro"));
    let from = |grown: i64| match grown {
        0 => "as a newcomer may".to_owned(),
        grown => format!("{} as a newcomer may, and {} for service that was settled", credits(start), credits(grown)),
    };
    let mut said = vec![
        format!("It may owe us {}: {}.", credits(given), from(integer(line, "/grown_given_micro"))),
        format!("We may owe it {}: {}.", credits(integer(line, "/limit_taken_micro")), from(integer(line, "/grown_taken_micro"))),
    ];
    said.extend(stake(line));
    if granted < given {
        said.push(format!("For new service it is granted {}: {}.", credits(granted), lowered(line)));
    }
    said.extend([("/ours", "We dispute"), ("/theirs", "It disputes")].iter().filter_map(|(path, who)| dispute(line.pointer(path)?, who)));
    said.extend(line["locks"].as_array().into_iter().flatten().map(lock));
    if truth(line, "/pending") {
        said.push("A state that we signed waits for its signature.".to_owned());
    }
    if truth(line, "/frozen") {
        said.push(
            "Nothing is signed on it any more: the two ledgers contradict each other. `overspill judge --list` shows evidence.".to_owned(),
        );
    }
    if truth(line, "/left") {
        said.push("It has left the mesh, or was removed: what is owed stays as it is.".to_owned());
    }
    let said: String = said.iter().map(|sentence| format!("  {sentence}\n")).collect();
    format!("{}\n{said}", short(text(line, "/partner")))
}

/// What a member may owe that others stand for; nothing of who is gone.
fn stake(line: &Value) -> Option<String> {
    let (served, left) = (integer(line, "/served_micro"), line["vouched_micro"].as_i64()?);
    let served = if served > 0 {
        format!("It served us {}, and may owe as much for that", credits(served))
    } else {
        "It has not served us yet".to_owned()
    };
    Some(format!("{served}; beyond that {} are left of the stakes of those who brought it in.", credits(left)))
}

/// Why a member is granted less than its limit.
fn lowered(line: &Value) -> String {
    let breaches = line["breaches"].as_array().map_or(0, Vec::len);
    let answers = integer(line, "/answers_micro");
    let weighs = text(line, "/standing");
    let why = [
        (weighs != "good").then(|| format!("it is {weighs}")),
        (breaches > 0).then(|| remembered(line, breaches)),
        (answers > 0).then(|| format!("it answers for {} that others left unpaid, until it has served us as much", credits(answers))),
    ];
    why.into_iter().flatten().collect::<Vec<_>>().join(", and ")
}

fn remembered(line: &Value, breaches: usize) -> String {
    let until = text(line, "/forgotten");
    if breaches == 1 {
        format!("a breach is remembered until {until}")
    } else {
        format!("{breaches} breaches are remembered, the oldest until {until}")
    }
}

fn dispute(dispute: &Value, who: &str) -> Option<String> {
    dispute.as_object()?;
    let (made, until, reason) = (text(dispute, "/made"), text(dispute, "/until"), text(dispute, "/reason"));
    Some(if truth(dispute, "/holds") {
        format!("{who} it since {made}, {reason:?}: no new lease until {until}, or until that is taken back.")
    } else {
        format!("{who} it since {made}, {reason:?}: that held until {until}, and holds no more.")
    })
}

fn lock(lock: &Value) -> String {
    let whose = if truth(lock, "/we_owe") { "we owe" } else { "it owes" };
    let ruling = match lock["moves"].as_bool() {
        None => "not ruled yet",
        Some(true) => "which moves",
        Some(false) => "which ends without moving",
    };
    let (amount, round) = (credits(integer(lock, "/amount_micro")), text(lock, "/round").get(..16).unwrap_or_default());
    format!("Of what {whose}, {amount} are locked for round {round} in a circle of {}, {ruling}.", number(lock, "/members"))
}

/// How likely it is that nobody can help.
fn together(told: &Value) -> String {
    let Some(millionths) = told["all_busy"]["millionths"].as_u64() else {
        return "How often partners are busy together is measured while the agent runs.\n".to_owned();
    };
    match number(told, "/partners") {
        0 => "There is no partner who could help at present.\n".to_owned(),
        partners => format!(
            "When this site is busy, {} busy too with a probability of {}, by {} windows of ten minutes in which it was.\n",
            if partners == 1 { "its only partner is".to_owned() } else { format!("all {partners} partners are") },
            percent(millionths),
            number(told, "/all_busy/windows"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line() -> Value {
        json!({
            "partner": "rkeohxlu2222", "canonical": "https://blog.example", "balance_micro": -1_500_000,
            "start_micro": 2_000_000, "limit_given_micro": 2_500_000, "grown_given_micro": 500_000, "granted_micro": 2_500_000,
            "served_micro": 1_000_000, "vouched_micro": 400_000, "answers_micro": 0,
            "limit_taken_micro": 2_000_000, "grown_taken_micro": 0, "unsettled_given_micro": 0, "unsettled_taken_micro": 10,
            "epoch": 0, "seq": 7, "pending": false, "locks": [], "standing": "good", "breaches": [], "forgotten": null,
            "ours": null, "theirs": null, "busy_beside_millionths": 125_000, "frozen": false, "left": false,
        })
    }

    #[test]
    fn a_line_is_told_with_the_reasons_of_its_limits() {
        let told = json!({ "partners": 1, "all_busy": { "millionths": 125_000, "windows": 6 }, "lines": [line()] });
        let words: Vec<String> = words(&told).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            words,
            [
                "partner site balance it may owe us we may owe it unsettled state busy beside us",
                "rkeohxlu https://blog.example we owe it 1.5 credits 2.5 credits 2 credits 0.00001 credits from it 0/7 12.5 %",
                "rkeohxlu",
                "It may owe us 2.5 credits: 2 credits as a newcomer may, and 0.5 credits for service that was settled.",
                "We may owe it 2 credits: as a newcomer may.",
                "It served us 1 credits, and may owe as much for that; beyond that 0.4 credits are left of the stakes of those who brought it in.",
                "When this site is busy, its only partner is busy too with a probability of 12.5 %, by 6 windows of ten minutes in which it was.",
            ]
        );
    }

    #[test]
    fn what_weighs_on_a_line_is_told() {
        let mut line = line();
        line["granted_micro"] = 900_000.into();
        line["standing"] = "warned".into();
        line["answers_micro"] = 100_000.into();
        (line["served_micro"], line["vouched_micro"]) = (0.into(), 0.into());
        line["breaches"] = json!(["2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"]);
        line["forgotten"] = "2026-12-22T00:00:00Z".into();
        line["ours"] = json!({ "made": "2026-11-23T00:00:00Z", "until": "2026-11-30T00:00:00Z", "holds": true, "reason": "Not mine." });
        line["theirs"] = json!({ "made": "2026-11-01T00:00:00Z", "until": "2026-11-08T00:00:00Z", "holds": false, "reason": "Nor mine." });
        line["locks"] = json!([{ "round": "00112233445566778899", "amount_micro": 250_000, "we_owe": true, "members": 3, "moves": null }]);
        line["pending"] = true.into();
        let said = reasons(&line);
        for sentence in [
            "granted 0.9 credits: it is warned, and 2 breaches are remembered, the oldest until 2026-12-22T00:00:00Z, and it answers for 0.1 credits that others left \
             unpaid, until it has served us as much.",
            "It has not served us yet; beyond that 0 credits are left of the stakes of those who brought it in.",
            "We dispute it since 2026-11-23T00:00:00Z, \"Not mine.\": no new lease until 2026-11-30T00:00:00Z, or until that is taken back.",
            "It disputes it since 2026-11-01T00:00:00Z, \"Nor mine.\": that held until 2026-11-08T00:00:00Z, and holds no more.",
            "Of what we owe, 0.25 credits are locked for round 0011223344556677 in a circle of 3, not ruled yet.",
            "A state that we signed waits for its signature.",
        ] {
            assert!(said.contains(sentence), "{sentence:?} in {said}");
        }
    }

    #[test]
    fn without_an_agent_what_it_measured_is_not_told() {
        let mut line = line();
        line["busy_beside_millionths"] = Value::Null;
        let words = words(&json!({ "all_busy": null, "lines": [line] }));
        assert!(words.ends_with("How often partners are busy together is measured while the agent runs.\n"), "{words}");
        assert_eq!(super::words(&json!({ "lines": [] })), "This site has no line with anybody.\n");
    }
}
