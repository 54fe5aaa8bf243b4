//! `simulate economics`: whether a mesh runs dry of credit, under which rules, and what choosing helpers is worth.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use overspill_governance::digest::Digest;
use overspill_simulations::laboratory::economics::{
    choice::{self, Chosen},
    crash::{Course, ROUND, RULES, Rules, STRUCK, Stage, Struck},
};
use serde_json::{Value, json};

use crate::{
    args,
    chart::{self, Line},
    cores::on_all_cores,
    ending::{Ending, Fault},
    object, report, run, told,
};

/// A line has so many points, each the mean of a part of the rounds: single rounds jump with whom they strike.
const POINTS: usize = 6;
/// Sites that are struck together, and others.
const FAMILY: (usize, usize) = (8, 16);
/// How helpers are chosen.
const CHOICES: [(&str, bool); 2] = [("by who is struck when", false), ("blindly", true)];

/// Whom crowds strike, by its name.
type Named = (&'static str, Struck);

/// What all of it came to.
#[derive(Debug, Default)]
pub struct Economy {
    struck: Vec<Named>,
    /// By whom crowds strike, then by rules, then by seed.
    crash: Vec<Vec<Vec<Course>>>,
    /// By how helpers are chosen, then by seed.
    choice: Vec<Vec<Chosen>>,
    failures: Vec<String>,
    events: u64,
    virtual_time: Duration,
}

/// Plays it.
///
/// # Errors
/// When the report cannot be written.
pub fn economics(options: &args::Economics) -> Result<Ending, Fault> {
    std::panic::set_hook(Box::new(|_| ()));
    let common = &options.common;
    let began = Instant::now();
    let mut economy = Economy::of(&STRUCK, options.sites.into(), options.rounds.into(), (common.from, u64::from(common.seeds)));
    if !options.crash_only {
        economy.choose(common.from..common.from.saturating_add(u64::from(common.seeds)));
    }
    let wall = began.elapsed();
    let about = format!(
        "{} sites of 20 requests a second, of which a crowd of 100 strikes one in each of {} half minutes; seeds {} to {}.",
        options.sites,
        options.rounds,
        common.from,
        common.from.saturating_add(u64::from(common.seeds) - 1)
    );
    if let Some(file) = &common.report {
        let pictures = economy.pictures();
        report::write(file, &report::pictures("simulate economics", &about, &pictures, &economy.failures))?;
    }
    if common.json {
        told::line(economy.object(options, wall))?;
    } else {
        told::line(about)?;
        economy.tell()?;
        economy.failures.iter().try_for_each(|words| told::line(format_args!("! {words}")))?;
        told::line(run::summary(&economy.failures, economy.events, economy.virtual_time, wall))?;
    }
    Ok(Ending::of(!economy.failures.is_empty()))
}

impl Economy {
    /// Plays crowds that strike these members, under all rules.
    pub fn of(struck: &[Named], sites: usize, rounds: u64, (from, seeds): (u64, u64)) -> Self {
        let seeds: Vec<u64> = (from..from.saturating_add(seeds)).collect();
        let mut economy = Self { struck: struck.to_vec(), ..Self::default() };
        let mut jobs = Vec::new();
        for (_, struck) in struck {
            for rules in RULES {
                jobs.extend(seeds.iter().map(|seed| (Stage { sites, rounds, struck: *struck, seed: *seed }, rules)));
            }
        }
        let courses = on_all_cores(&jobs, |(stage, rules)| stage.play(rules));
        for ((stage, (name, _)), course) in jobs.iter().zip(&courses) {
            economy.events += course.outcome.events;
            economy.virtual_time += course.outcome.virtual_time;
            economy.failures.extend(course.outcome.failures.iter().map(|words| format!("{name}, seed {}: {words}", stage.seed)));
        }
        let arms: Vec<Vec<Course>> = courses.chunks(seeds.len()).map(<[Course]>::to_vec).collect();
        economy.crash = arms.chunks(RULES.len()).map(<[Vec<Course>]>::to_vec).collect();
        economy
    }

    fn choose(&mut self, seeds: Range<u64>) {
        let (family, others) = FAMILY;
        let jobs: Vec<(choice::Stage, bool)> =
            CHOICES.iter().flat_map(|(_, blind)| seeds.clone().map(move |seed| (choice::Stage { family, others, seed }, *blind))).collect();
        let chosen = on_all_cores(&jobs, |(stage, blind)| stage.play(*blind));
        for ((stage, _), chosen) in jobs.iter().zip(&chosen) {
            self.events += chosen.events;
            self.virtual_time += Duration::from_millis(chosen.millis);
            self.failures.extend(chosen.failures.iter().map(|words| format!("choice, seed {}: {words}", stage.seed)));
        }
        self.choice = chosen.chunks(chosen.len() / CHOICES.len()).map(<[Chosen]>::to_vec).collect();
    }

    /// Refused spill over time under all rules, a picture for each kind of crowds.
    pub fn pictures(&self) -> Vec<String> {
        let picture = |((struck, _), arms): (&Named, &Vec<Vec<Course>>)| {
            let line = |((name, _), courses): (&Rules, &Vec<Course>)| Line { name: (*name).to_owned(), values: points(courses) };
            let lines: Vec<Line> = RULES.iter().zip(arms).map(line).collect();
            let rounds = arms.iter().flatten().map(|course| course.rounds.len()).max().unwrap_or_default() as u64;
            let title = format!("Refused spill (% of wanted spill) over {} min; crowds strike {struck}", rounds * ROUND / 60_000);
            chart::lines(&title, &lines, 100.0)
        };
        self.struck.iter().zip(&self.crash).map(picture).collect()
    }

    fn tell(&self) -> Result<(), Fault> {
        for ((struck, _), arms) in self.struck.iter().zip(&self.crash) {
            told::line(format_args!("\nrefused spill, % of wanted spill, in each of {POINTS} parts of the time; crowds strike {struck}"))?;
            for ((name, _), courses) in RULES.iter().zip(arms) {
                let cells: String = points(courses).iter().map(|point| format!("{:>7}", chart::number(*point))).collect();
                told::line(format_args!("{name:<24}{cells}"))?;
            }
            for ((name, _), courses) in RULES.iter().zip(arms) {
                let [indebted, exposed, burden] = ends(courses);
                told::line(format_args!(
                    "{name:<24}debts {} % of limits; exposed {} % of the bound; burden {}",
                    chart::number(indebted),
                    chart::number(exposed),
                    chart::number(burden)
                ))?;
            }
        }
        for ((name, _), chosen) in CHOICES.iter().zip(&self.choice) {
            let (refused, amid) = shares(chosen);
            let refused: Vec<String> = refused.iter().map(|share| chart::number(*share)).collect();
            told::line(format_args!(
                "helpers chosen {name}: refused spill {} % of wanted spill, crowd by crowd; in the last {} of {} members without help, {} % served \
                 by members that were struck themselves",
                refused.join(", "),
                starved(chosen),
                FAMILY.0 * chosen.len(),
                chart::number(amid)
            ))?;
        }
        Ok(())
    }

    fn object(&self, options: &args::Economics, wall: Duration) -> Value {
        let hashes: Vec<u8> = self.crash.iter().flatten().flatten().flat_map(|course| course.outcome.trace_hash.0).collect();
        let arm = |((name, changed), courses): (&Rules, &Vec<Course>)| {
            let [indebted, exposed, burden] = ends(courses);
            let changed: Vec<String> = changed.iter().map(|(name, value)| format!("{name}={value}")).collect();
            json!({ "rules": name, "changed": changed, "refused_spill": points(courses), "indebted": indebted, "exposed": exposed, "burden": burden })
        };
        let crash: Vec<Value> = self
            .struck
            .iter()
            .zip(&self.crash)
            .map(|((struck, _), arms)| json!({ "struck": struck, "arms": RULES.iter().zip(arms).map(arm).collect::<Vec<_>>() }))
            .collect();
        let choice: Vec<Value> = CHOICES
            .iter()
            .zip(&self.choice)
            .map(|((name, _), chosen)| {
                let (refused, amid) = shares(chosen);
                json!({ "chosen": name, "refused_spill": refused, "without_help": starved(chosen), "served_by_struck": amid })
            })
            .collect();
        json!({
            "schema": object::SCHEMA, "command": "economics", "seed": options.common.from, "sites": options.sites, "events": self.events,
            "virtual_seconds": object::seconds(self.virtual_time), "wall_seconds": object::seconds(wall),
            "trace_hash": Digest::of("overspill simulate economics", &hashes).to_string(), "failures": self.failures,
            "crash": crash, "choice": choice,
        })
    }
}

/// Refused spill in per cent of wanted spill, of a part of the rounds each, all seeds together.
fn points(courses: &[Course]) -> Vec<f64> {
    let rounds = courses.iter().map(|course| course.rounds.len()).max().unwrap_or_default();
    let part = rounds.div_ceil(POINTS).max(1);
    let point = |from: usize| {
        let spills = courses.iter().flat_map(|course| course.rounds.iter().skip(from).take(part));
        percent(spills.fold((0, 0), |(refused, wanted), spill| (refused + spill.refused, wanted + spill.wanted())))
    };
    (0..rounds).step_by(part).map(point).collect()
}

/// Means over the seeds: debts, exposure, burden.
fn ends(courses: &[Course]) -> [f64; 3] {
    let measures = || courses.iter().filter_map(|course| course.measures);
    let mean = |sum: i64, scale: f64| sum as f64 / scale / (measures().count().max(1)) as f64;
    [
        mean(measures().map(|measures| measures.indebted).sum(), 10.0),
        mean(measures().map(|measures| measures.exposed).max().unwrap_or_default() * measures().count() as i64, 10.0),
        mean(measures().map(|measures| measures.burden).sum(), 1_000.0),
    ]
}

/// Refused spill of each crowd, and what helpers served in the last who were struck themselves, in per cent; all seeds together.
fn shares(chosen: &[Chosen]) -> (Vec<f64>, f64) {
    let sum = |of: fn(&Chosen) -> u64| chosen.iter().map(of).sum::<u64>();
    let crowds = chosen.iter().map(|chosen| chosen.spills.len()).min().unwrap_or_default();
    let crowd = |at: usize| {
        let spills = chosen.iter().map(|chosen| chosen.spills[at]);
        percent(spills.fold((0, 0), |(refused, wanted), spill| (refused + spill.refused, wanted + spill.wanted())))
    };
    ((0..crowds).map(crowd).collect(), percent((sum(|chosen| chosen.amid), sum(|chosen| chosen.given))))
}

/// Members that got next to no help, over all seeds.
fn starved(chosen: &[Chosen]) -> u64 {
    chosen.iter().map(|chosen| chosen.starved).sum()
}

fn percent((part, of): (u64, u64)) -> f64 {
    (part * 1_000).checked_div(of).unwrap_or_default() as f64 / 10.0
}
