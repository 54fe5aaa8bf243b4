//! `overspill rules preview`: what a change of the rules would do, tried on simulated sites before anybody votes on it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use overspill_governance::charter::{Charter, PARAMETERS};
use overspill_simulations::{
    laboratory::preview::{Fared, Run, Wish, preview},
    traffic::{file, series::Series},
};
use serde_json::{Value, json};

use super::{
    exit::{Exit, Failure, Outcome},
    out,
    show::{credits, table},
};
use crate::{offline, state::names};

/// Name and version of the form.
const SCHEMA: &str = "overspill.rules-preview/1";
/// Members of a simulated mesh: fewer than two help nobody, more take too long.
const MEMBERS: (usize, usize) = (2, 30);
/// Members for a site that has no partner yet.
const FEW: usize = 6;

/// Options of `overspill rules preview`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Rules and their values, as name=number; `overspill rules` shows them.
    #[arg(value_name = "NAME=NUMBER", required = true, value_parser = super::mesh::rule)]
    rules: Vec<(String, i64)>,
    /// This site's visitors: a combined access log, or counts at regular times [default: crowds that are drawn].
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Members of the simulated mesh [default: as many as this site's has, 30 at most; 6 for a site that is alone].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(MEMBERS.0 as i64..=MEMBERS.1 as i64))]
    members: Option<u8>,
    /// Minutes that each run lasts.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=1_440))]
    minutes: u16,
    /// Worlds, each with other dice.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    seeds: u16,
    /// How high crowds are, as so many times what a site serves by itself.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    times: u16,
}

/// Plays the rules in force and those with the changes over the same worlds.
///
/// # Errors
/// When a rule is none, the file is no series, or the ledger cannot be read.
pub fn run(options: &Options, json: bool, directory: &Path) -> Outcome {
    let (charter, members) = rules_here(directory)?;
    let changed = change(&charter, &options.rules)?;
    let load = options.log.as_deref().map(read).transpose()?;
    let members = options.members.map_or(members, usize::from);
    let length = Duration::from_secs(u64::from(options.minutes) * 60);
    let wish = Wish { members, length, times: u32::from(options.times), seeds: (1, u64::from(options.seeds)) };
    // Drawn on terminals only.
    let waiting = indicatif::ProgressBar::new_spinner().with_message("playing both rules over the same worlds");
    waiting.enable_steady_tick(Duration::from_millis(200));
    let played = preview(&wish, load.as_ref(), &[&charter, &changed]);
    waiting.finish_and_clear();
    let played = played.map_err(|why| Failure::new(Exit::Failed, why, "nothing was changed; a broken promise is a bug worth reporting"))?;
    let [now, then] = &played[..] else { return Ok(()) };
    let told = told(options, &wish, (&charter, &changed), (now, then));
    if json { out::line(told) } else { out::text(text(&told)) }
}

/// The rules in force, and how many members there are; those of a new mesh where this site is in none.
fn rules_here(directory: &Path) -> Result<(Charter, usize), Failure> {
    if !directory.join(names::LEDGER).exists() {
        return Ok((Charter::default(), FEW));
    }
    let (site, now) = offline::look(directory)?;
    let report = site.report(now);
    let version = report.council.version;
    let charter = report.council.charters.into_iter().map(|(_, charter)| charter).find(|charter| charter.version == version);
    let members = report.mesh.map_or(1, |mesh| mesh.members);
    Ok((charter.unwrap_or_default(), if members < MEMBERS.0 { FEW } else { members.min(MEMBERS.1) }))
}

fn change(charter: &Charter, rules: &[(String, i64)]) -> Result<Charter, Failure> {
    rules.iter().try_fold(charter.clone(), |charter, (name, value)| {
        let advice = "`overspill rules` shows every rule with its name";
        charter.with(name, *value).map_err(|error| Failure::new(Exit::Usage, format!("{name}={value}: {error}"), advice))
    })
}

fn read(log: &Path) -> Result<Series, Failure> {
    let bytes = std::fs::read(log).map_err(|error| Failure::of_system(log.display(), error))?;
    let read = file::read(&String::from_utf8_lossy(&bytes)).map_err(|why| {
        let mend = "give a combined access log, or counts: a header, then lines such as `2026-07-07 21:30,3824`";
        Failure::new(Exit::Usage, format!("{}: {why}", log.display()), mend)
    })?;
    if read.series.peak().is_none_or(|at| read.series.counts[at] == 0) {
        return Err(Failure::new(Exit::Usage, format!("{}: nobody wants anything in it", log.display()), "give a busier part of it"));
    }
    Ok(read.series)
}

fn told(options: &Options, wish: &Wish, rules: (&Charter, &Charter), runs: (&[Run], &[Run])) -> Value {
    let changes = rules.0.values().zip(rules.1.values()).filter(|((_, old), (_, new))| old != new);
    let changes = changes.map(|((parameter, old), (_, new))| {
        json!({
            "name": parameter.name,
            "number": PARAMETERS.iter().position(|known| known.name == parameter.name).map(|at| at + 1),
            "sentence": parameter.sentence,
            "old": { "value": old, "words": parameter.words(old).to_string() },
            "new": { "value": new, "words": parameter.words(new).to_string() },
        })
    });
    let all = |runs: &[Run]| side(runs.iter().flatten());
    let here = |runs: &[Run]| side(runs.iter().filter_map(|run| run.first()));
    // Thousandths of one's visitors, of each member in each world.
    let differences = runs.0.iter().flatten().zip(runs.1.iter().flatten());
    let differences: Vec<i64> = differences.map(|(now, then)| then.share() as i64 - now.share() as i64).collect();
    json!({
        "schema": SCHEMA,
        "changes": changes.collect::<Vec<_>>(),
        "members": wish.members,
        "minutes": options.minutes,
        "worlds": options.seeds,
        "times": options.times,
        "load": options.log.as_ref().map(|log| log.display().to_string()),
        "here": { "now": here(runs.0), "then": here(runs.1) },
        "all": { "now": all(runs.0), "then": all(runs.1) },
        "gain": differences.iter().filter(|difference| **difference > 0).count(),
        "lose": differences.iter().filter(|difference| **difference < 0).count(),
        "most_gained_permille": differences.iter().copied().max().unwrap_or_default().max(0),
        "most_lost_permille": -differences.iter().copied().min().unwrap_or_default().min(0),
    })
}

/// Members together.
fn side<'a>(members: impl Iterator<Item = &'a Fared>) -> Value {
    let sum = members.fold(Fared::default(), |sum, fared| Fared {
        wanted: sum.wanted + fared.wanted,
        kept: sum.kept + fared.kept,
        sent: sum.sent + fared.sent,
        guests: sum.guests + fared.guests,
        refused: sum.refused + fared.refused,
        balance: sum.balance + fared.balance,
        deepest: sum.deepest.max(fared.deepest),
    });
    json!({
        "wanted": sum.wanted,
        "kept": sum.kept,
        "kept_permille": sum.share(),
        "sent_to_helpers": sum.sent,
        "served_for_others": sum.guests,
        "leases_refused": sum.refused,
        "balance_micro": sum.balance,
        "largest_debt_micro": sum.deepest,
    })
}

fn text(told: &Value) -> String {
    let word = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let changes = told["changes"].as_array().map_or(&[][..], Vec::as_slice);
    let mut text = String::new();
    for change in changes {
        let sentence = word(change, "sentence");
        let (old, new) = (word(&change["old"], "words"), word(&change["new"], "words"));
        text += &format!(
            "{:>3}. {}: {new} instead of {old}. ({})\n",
            change["number"].as_u64().unwrap_or(0),
            sentence.trim_end_matches('.'),
            word(change, "name")
        );
    }
    if changes.is_empty() {
        text += "Nothing differs from the rules in force.\n";
    }
    let load = told["load"].as_str().map_or_else(
        || "crowds that are drawn".to_owned(),
        |log| format!("this site has the busiest hours of {log}, the others other hours of it"),
    );
    text += &format!(
        "Simulated: {} sites of one size, {} minutes, {} worlds; {load}, at most {} times what a site serves by itself.\n\n",
        told["members"], told["minutes"], told["worlds"], told["times"]
    );
    let mut shown = table(&["", "here, now", "here, then", "all, now", "all, then"]);
    let sides = ["/here/now", "/here/then", "/all/now", "/all/then"];
    let mut row = |words: &str, name: &str, form: fn(i64) -> String| {
        let cell = |side: &str| form(told.pointer(&format!("{side}/{name}")).and_then(Value::as_i64).unwrap_or_default());
        shown.add_row(std::iter::once(words.to_owned()).chain(sides.iter().map(|side| cell(side))));
    };
    row("visitors' requests", "wanted", |count| count.to_string());
    row("of these answered, here or by helpers", "kept_permille", |permille| format!("{}.{} %", permille / 10, permille % 10));
    row("sent to helpers", "sent_to_helpers", |count| count.to_string());
    row("served for others", "served_for_others", |count| count.to_string());
    row("leases refused", "leases_refused", |count| count.to_string());
    row("balance in the end", "balance_micro", credits);
    row("largest debt with one partner", "largest_debt_micro", credits);
    let members = told["members"].as_u64().unwrap_or_default() * told["worlds"].as_u64().unwrap_or_default();
    let permille = |name: &str| told[name].as_i64().unwrap_or_default();
    let (gained, lost) = (permille("most_gained_permille"), permille("most_lost_permille"));
    text + &format!(
        "{shown}\nOf {members} sites in all worlds {} answer more of their visitors (by at most {}.{} %), {} fewer (by at most {}.{} %).\n",
        told["gain"],
        gained / 10,
        gained % 10,
        told["lose"],
        lost / 10,
        lost % 10
    )
}
