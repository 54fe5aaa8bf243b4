//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use overspill_simulations::scenario::{
    draw::EPISODE_MIN,
    text::{LENGTH_MS_MAX, SITES_MAX, WANTED_MAX},
};

use crate::ending;

/// Plays whole meshes in worlds that are functions of a seed, and asks every checker whether a promise was broken.
#[derive(Debug, Parser)]
#[command(name = "simulate", version, after_help = ending::table(), max_term_width = 120)]
pub struct Line {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Plays one scenario, or what a seed draws, and tells it line by line.
    Run(Run),
    /// Plays many seeds on all cores; stops at the first that breaks a promise, and makes its plot smaller.
    Seeds(Seeds),
    /// Plays again what an object of `--json` tells of, and compares.
    Replay(Replay),
    /// Plays a mesh under events with one parameter at several values, of the charter or of the setting; or two, in all pairs.
    Sweep(Sweep),
    /// Plays scenarios side by side over the same seeds, the first without any mesh, too; or policies.
    Compare(Compare),
    /// Strikes a site in focus, at every load, and says how soon it is itself again.
    Recovery(Recovery),
    /// Plays strategies that must not pay, each beside a twin that is honest, and says what each brought in.
    Strategies(Strategies),
    /// Has a member say two things where it may say one, and says how soon everybody convicts it.
    Detection(Detection),
    /// Plays crowds for so long that credit may run dry, under several rules; and helpers chosen blindly, beside those chosen by who is struck when.
    Economics(Economics),
    /// Gives partners time to find each other in a mesh with more members than partners, and says what it was worth.
    Partners(Partners),
    /// Plays published figures of earlier systems again, beside ours.
    Anchors(Anchors),
    /// Writes the pictures of the docs into a folder.
    Gallery {
        /// The folder: docs/src/img/gallery of a checkout.
        folder: PathBuf,
    },
    /// Makes a scenario of a measured series, and prints it: an access log, or counts at regular times.
    Series(Series),
    /// Lists the scenarios that come along.
    List,
}

#[derive(Debug, Args)]
pub struct Run {
    /// A file, or the name of a scenario that comes along (`simulate list`).
    #[arg(required_unless_present = "seed")]
    pub scenario: Option<String>,
    /// Plays what this seed draws; with a scenario, plays that one in this seed's world.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Members, instead of as many as the seed draws.
    #[arg(long, value_name = "N", conflicts_with = "scenario", value_parser = clap::value_parser!(u16).range(2..=SITES_MAX as i64))]
    pub sites: Option<u16>,
    /// Days that it lasts, instead of as long as the seed draws; 0.5 is twelve hours.
    #[arg(long, value_name = "D", conflicts_with = "scenario", value_parser = days)]
    pub days: Option<Duration>,
    /// Leaves out what happens, of which there is much in a large world: what was drawn and what it came to.
    #[arg(long)]
    pub quiet: bool,
    #[command(flatten)]
    pub planted: Planted,
    /// Prints one JSON object instead.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Seeds {
    /// How many.
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// The first.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from: u64,
    /// Runs that making a broken plot smaller may take; 0 leaves it as it is.
    #[arg(long, value_name = "N", default_value_t = 600)]
    pub tries: u32,
    /// Writes the smaller plot to this file, too.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    #[command(flatten)]
    pub planted: Planted,
    /// Prints one JSON object instead.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Replay {
    /// The file with the object; `-` is standard input.
    pub file: PathBuf,
    /// Prints the last so many things that happened, if a promise was broken.
    #[arg(long, value_name = "LINES", default_value_t = 0)]
    pub tail: usize,
    /// Prints one JSON object instead.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Series {
    /// The file with the log or the counts.
    pub file: PathBuf,
    /// Members.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=SITES_MAX as i64))]
    pub sites: u16,
    /// Requests a second at the peak of the first member.
    #[arg(long, value_name = "RATE", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=WANTED_MAX as i64))]
    pub peak: u32,
    /// Hours of the series, around its highest peak.
    #[arg(long, value_name = "H", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub hours: u16,
    /// Minutes that the scenario lasts.
    #[arg(long, value_name = "M", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub minutes: u16,
    /// Of the other members, how many in a hundred get the same stretch; the others get stretches from elsewhere.
    #[arg(long, value_name = "PER CENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub correlation: u8,
    /// The seed of the scenario.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct Sweep {
    /// PARAMETER=VALUE,VALUE,...: a parameter of the charter, or sites, correlation, peak, events, attackers. Two make a phase diagram: each value of the
    /// first with each of the second.
    #[arg(value_name = "PARAMETER=VALUES", required = true, num_args = 1..=2)]
    pub parameters: Vec<String>,
    /// Members.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(2..=SITES_MAX as i64))]
    pub sites: u16,
    /// Minutes that each run lasts.
    #[arg(long, value_name = "M", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub minutes: u16,
    /// Events that strike the mesh.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub events: u32,
    /// How likely an event strikes each site beside the first, in per cent.
    #[arg(long, value_name = "PER CENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub correlation: u8,
    /// Requests a second at the peak of a crowd.
    #[arg(long, value_name = "RATE", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=WANTED_MAX as i64))]
    pub peak: u32,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Compare {
    /// Files, or names of scenarios that come along.
    #[arg(required_unless_present = "policies")]
    pub scenarios: Vec<String>,
    /// Plays our own policy and others over the same crowds, instead of scenarios.
    #[arg(long, conflicts_with = "scenarios")]
    pub policies: bool,
    /// Members, for policies.
    #[arg(long, value_name = "N", default_value_t = 12, requires = "policies", value_parser = clap::value_parser!(u16).range(2..=SITES_MAX as i64))]
    pub sites: u16,
    /// Of the members, how many help nobody and want too much all the time.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "policies")]
    pub riders: u16,
    /// Minutes that each run lasts, for policies.
    #[arg(long, value_name = "M", default_value_t = 10, requires = "policies", value_parser = clap::value_parser!(u16).range(1..=60))]
    pub minutes: u16,
    #[command(flatten)]
    pub common: Common,
}

/// How heavy views are in runs for needless redirects, in per cent of the usual; lighter ones come more often.
pub const WEIGHTS: [u64; 3] = [100, 20, 5];

#[derive(Debug, Args)]
pub struct Recovery {
    /// How much of its capacity is wanted anyway, in per cent.
    #[arg(long, value_name = "PER CENT,...", value_delimiter = ',', default_values_t = [10, 20, 30, 40, 50, 60, 70, 80, 90, 95],
        value_parser = clap::value_parser!(u64).range(1..=100))]
    pub loads: Vec<u64>,
    /// How hard triggers strike: times the capacity, times as slow, times that copies are lost.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [2, 5, 20], value_parser = clap::value_parser!(u64).range(1..=100))]
    pub strengths: Vec<u64>,
    /// Members beside the site.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(0..=60))]
    pub partners: u8,
    /// By which rule the site decides what its line cannot take.
    #[arg(long, value_enum, default_value = "shipped")]
    pub rule: crate::recovery::Chosen,
    /// Leaves out trains of pulses and needless redirects.
    #[arg(long)]
    pub map_only: bool,
    /// Seeds of each cell.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub seeds: u32,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1 << 40))]
    pub from: u64,
    /// Writes a report with charts to this file: HTML that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Prints one JSON object instead.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Strategies {
    /// Seeds of each.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub seeds: u32,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1 << 40))]
    pub from: u64,
    /// Requests in each second of a crowd.
    #[arg(long, value_name = "N", default_value_t = overspill_simulations::laboratory::strategies::CROWD, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub crowd: u32,
    /// Prints one JSON object instead.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Detection {
    /// Members.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(5..=SITES_MAX as i64))]
    pub sites: u16,
    /// What is said in two ways: line, roster, vote, clearing; all of them unless told otherwise.
    #[arg(long, value_name = "MATTER", value_parser = ["line", "roster", "vote", "clearing"])]
    pub of: Vec<String>,
    /// Seeds of each.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub seeds: u32,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1 << 40))]
    pub from: u64,
    /// Prints one JSON object instead.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Economics {
    /// Members of the mesh that may run dry.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=60))]
    pub sites: u8,
    /// Crowds that strike it, one in half a minute.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=2_000))]
    pub rounds: u16,
    /// Leaves out choosing helpers.
    #[arg(long)]
    pub crash_only: bool,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Args)]
pub struct Partners {
    /// Members.
    #[arg(long, value_name = "N", default_value_t = 80, value_parser = clap::value_parser!(u16).range(40..=SITES_MAX as i64))]
    pub sites: u16,
    /// How long partners have to find each other.
    #[arg(long, value_name = "N", default_value_t = 240, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub minutes: u16,
    /// Seeds, two worlds each.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub seeds: u32,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1 << 40))]
    pub from: u64,
    /// Prints one JSON object instead.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Anchors {
    /// One of them; without a name all are played.
    pub name: Option<String>,
    /// Few and short runs, as for the pictures of the docs.
    #[arg(long)]
    pub small: bool,
    /// The seed.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1 << 40))]
    pub seed: u64,
    /// Writes a report with charts to this file: HTML that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Prints one JSON object instead.
    #[arg(long)]
    pub json: bool,
}

/// What experiments have in common.
#[derive(Debug, Args)]
pub struct Common {
    /// Seeds in each arm.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub seeds: u32,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from: u64,
    /// Writes a report with charts to this file: HTML that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Prints one JSON object instead.
    #[arg(long)]
    pub json: bool,
}

/// A bug to see found; there is none to choose but in a build with the feature `planted`.
#[derive(Debug, Args)]
pub struct Planted {
    /// Switches a planted bug on.
    #[cfg(feature = "planted")]
    #[arg(long, value_name = "NAME", value_parser = bug)]
    bug: Option<overspill_governance::planted::Bug>,
}

impl Planted {
    /// Switches it on, for this thread.
    pub fn switch(&self) {
        #[cfg(feature = "planted")]
        overspill_governance::planted::switch(self.bug);
    }

    /// As it stands on the command line, behind a space.
    pub fn flag(&self) -> String {
        #[cfg(feature = "planted")]
        return self.bug.map_or_else(String::new, |bug| format!(" --bug {bug:?}"));
        #[cfg(not(feature = "planted"))]
        String::new()
    }
}

/// Days as they are written: a decimal number.
fn days(text: &str) -> Result<Duration, String> {
    let most = LENGTH_MS_MAX / 86_400_000;
    let seconds = text.parse::<f64>().ok().filter(|days| *days > 0.0 && *days <= most as f64).map(|days| (days * 86_400.0).round());
    let seconds = seconds.ok_or_else(|| format!("write a number of days up to {most}, such as 1 or 0.25"))?;
    let length = Duration::from_secs(seconds as u64);
    if length < EPISODE_MIN { Err(format!("that is below {} seconds, the shortest plot", EPISODE_MIN.as_secs())) } else { Ok(length) }
}

#[cfg(feature = "planted")]
fn bug(name: &str) -> Result<overspill_governance::planted::Bug, String> {
    use overspill_governance::planted::Bug;
    let named = Bug::ALL.iter().copied().find(|bug| format!("{bug:?}") == name);
    named.ok_or_else(|| format!("there are {}", Bug::ALL.iter().map(|bug| format!("{bug:?}")).collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Line::command().debug_assert();
    }

    #[test]
    fn days_may_be_parts_of_days() {
        assert_eq!(days("0.25"), Ok(Duration::from_secs(6 * 3_600)));
        for bad in ["0", "-1", "nan", "inf", "367", "0.0001", "two", ""] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }
}
