//! The command line: what a person can say to `overspill`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    admin::talk::Ask,
    config::{Request, flags::Flags},
    demo, run, state,
};

mod ask;
pub mod carry;
pub mod config;
pub mod deny;
pub mod dispute;
pub mod exit;
pub mod judge;
pub mod key;
pub mod ledger;
pub mod lines;
pub mod members;
pub mod mesh;
pub mod out;
pub mod preview;
#[cfg(test)]
mod reference;
pub mod rules;
pub mod show;
pub mod vote;

use exit::{Exit, Outcome};

/// A flash crowd no longer takes a small web site down.
#[derive(Debug, Parser)]
#[command(name = "overspill", version, after_help = exit::table(), max_term_width = 120)]
struct Line {
    /// The configuration file [default: /etc/overspill/overspill.toml, if it is there].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The one directory that the agent keeps [default: /var/lib/overspill for root, else ~/.local/state/overspill].
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stands in front of a web site and serves it.
    Run(Settings),
    /// Has the running agent read its configuration and reopen its logs.
    Reload(Json),
    /// Founds a mesh, with this site as its first member.
    #[command(mut_args(|arg| shown_among(&["site"], arg)), after_help = MORE_FLAGS)]
    Init {
        #[command(flatten)]
        options: mesh::Init,
        #[command(flatten)]
        settings: Settings,
    },
    /// Makes a single-use token that lets another site join.
    #[command(mut_args(|arg| shown_among(&["site", "mesh.listen", "mesh.announce"], arg)), after_help = MORE_FLAGS)]
    Invite {
        #[command(flatten)]
        options: mesh::Invite,
        #[command(flatten)]
        settings: Settings,
    },
    /// Joins a mesh by a token.
    Join(mesh::Join),
    /// Comes back to the mesh with nothing but the key file: a partner tells the rest.
    Recover(mesh::Recover),
    /// Leaves the mesh.
    Leave(Json),
    /// Shows how the running agent fares.
    Status(Json),
    /// Shows with whom this site is in a mesh.
    Partners(Json),
    /// Shows who belongs to the mesh, who once did, and who brought in whom.
    Members(Json),
    /// Shows every credit line of this site, and how its limits come about.
    Lines(Json),
    /// Shows what this site owes and is owed.
    Statement(Json),
    /// Disputes the line with a member, or takes that back.
    Dispute(dispute::Dispute),
    /// Denies a URL to everybody, here and at helpers, or shows what is denied.
    Deny(deny::Deny),
    /// Denies a URL no longer.
    Allow(deny::Allow),
    /// Shows what this site carries for whom, or stops that.
    Carry(carry::Carry),
    /// Shows the rules of the mesh, as numbered articles.
    Rules(rules::Options),
    /// Moves that a rule is changed, or a member removed.
    Propose {
        #[command(subcommand)]
        command: vote::Propose,
    },
    /// Shows votes and takes part in them.
    Vote {
        #[command(subcommand)]
        command: vote::Vote,
    },
    /// Says what evidence against a member proves.
    Judge(judge::Options),
    /// Gives this site another key, or prepares for the day when that is needed.
    Key {
        #[command(subcommand)]
        command: key::Command,
    },
    /// Reads and checks the ledger.
    Ledger {
        #[command(subcommand)]
        command: ledger::Command,
    },
    /// Reads and explains the configuration.
    Config {
        #[command(subcommand)]
        command: config::Command,
    },
    /// Shows on this machine what the mesh does when a crowd strikes.
    Demo(demo::Options),
    /// The web site behind each agent of the demonstration.
    #[command(hide = true)]
    DemoSite(demo::site::Options),
}

/// How a command tells what it found.
#[derive(Debug, clap::Args)]
struct Json {
    /// Prints one JSON object instead.
    #[arg(long)]
    json: bool,
}

/// The flags for settings.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub struct Settings {
    #[command(flatten)]
    flags: Flags,
}

/// What `--help` says where it shows only some of the settings.
const MORE_FLAGS: &str = "Every setting is a flag here, as with `overspill run`; `overspill config show --explain` lists them.";

/// Hides a flag for a setting that is not among those that matter to a command; it is still taken.
fn shown_among(names: &[&str], arg: clap::Arg) -> clap::Arg {
    let hide = arg.get_help_heading() == Some(Flags::HEADING) && !names.contains(&arg.get_id().as_str());
    if hide { arg.hide(true) } else { arg }
}

/// Carries out the command line that this process was started with.
pub fn main() -> ExitCode {
    let line = Line::parse();
    match line.command {
        Command::Demo(options) => demo::run(&options).unwrap_or_else(not_shown),
        Command::DemoSite(options) => demo::site::run(&options).map_or_else(not_shown, |()| ExitCode::SUCCESS),
        _ => match carry_out(line) {
            Ok(()) => Exit::Done.into(),
            Err(failure) => {
                failure.tell();
                failure.exit.into()
            }
        },
    }
}

fn not_shown(error: anyhow::Error) -> ExitCode {
    out::aside(format_args!("error: {error:#}"));
    ExitCode::FAILURE
}

fn carry_out(line: Line) -> Outcome {
    let Line { config: file, state, command } = line;
    let request = |settings: Settings| {
        let mut flags = settings.flags;
        if let Some(state) = state.clone() {
            flags.set("state", state);
        }
        Request::new(file.clone(), flags)
    };
    let place = |request: Request| config::load(&request).map(|loaded| loaded.settings);
    let bare = || place(request(Settings::default()));
    // Whoever names the directory can look at a running agent even while its file is being mended.
    let named = state.clone().or_else(|| std::env::var("OVERSPILL_STATE").ok());
    let directory = || named.map_or_else(|| bare().map(|settings| state::directory(&settings)), |named| Ok(PathBuf::from(named)));
    match command {
        Command::Run(settings) => run::run(request(settings)),
        Command::Reload(Json { json }) => reload(&directory()?, json),
        Command::Init { options, settings } => mesh::init(&options, &place(request(settings))?),
        Command::Invite { options, settings } => mesh::invite(&options, &place(request(settings))?),
        Command::Join(options) => mesh::join(&options, &directory()?),
        Command::Recover(options) => mesh::recover(&options, &directory()?),
        Command::Leave(Json { json }) => mesh::leave(json, &directory()?),
        Command::Status(Json { json }) => show::status(&directory()?, json),
        Command::Partners(Json { json }) => show::partners(&directory()?, json),
        Command::Members(Json { json }) => members::run(&directory()?, json),
        Command::Lines(Json { json }) => lines::run(&directory()?, json),
        Command::Dispute(options) => dispute::dispute(&options, &directory()?, bare),
        Command::Statement(Json { json }) => show::statement(&directory()?, json),
        Command::Deny(options) => deny::deny(options, &directory()?),
        Command::Allow(options) => deny::allow(&options, &directory()?),
        Command::Carry(options) => carry::carry(&options, &directory()?),
        Command::Rules(options) => rules::run(&options, &directory()?),
        Command::Propose { command } => vote::propose(command, &directory()?),
        Command::Vote { command } => vote::vote(command, &directory()?),
        Command::Judge(options) => judge::run(&options, directory),
        Command::Key { command } => key::run(&command, &directory()?),
        Command::Ledger { command } => ledger::run(&command, &directory()?),
        Command::Config { command } => config::run(&command, &request(command.settings())),
        Command::Demo(_) | Command::DemoSite(_) => Ok(()),
    }
}

fn reload(directory: &Path, json: bool) -> Outcome {
    let told = ask::ask(directory, Ask::Reload)?;
    let waiting: Vec<_> = told["needs_restart"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
    match (json, waiting.is_empty()) {
        (true, _) => out::line(&told),
        (false, true) => out::line("The configuration was read again."),
        (false, false) => out::line(format_args!("The configuration was read again; these wait for a restart: {}", waiting.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Line::command().debug_assert();
    }

    fn help(command: &[&str]) -> String {
        let asked = [&["overspill"], command, &["--help"]].concat();
        Line::try_parse_from(asked).map(|line| format!("{line:?}")).unwrap_or_else(|help| help.to_string())
    }

    #[test]
    fn help_shows_the_settings_that_matter_to_a_command() {
        let settings = ["--uplink", "--mesh-announce", "--site"];
        let shown = |command: &[&str]| {
            let help = help(command);
            settings.map(|flag| help.contains(&format!("{flag} <")))
        };
        assert_eq!(shown(&["run"]), [true, true, true]);
        assert_eq!(shown(&["config", "check"]), [true, true, true]);
        assert_eq!(shown(&["init"]), [false, false, true]);
        assert_eq!(shown(&["invite"]), [false, true, true]);
        for command in [
            &["status"][..],
            &["statement"],
            &["partners"],
            &["reload"],
            &["join"],
            &["recover"],
            &["leave"],
            &["deny"],
            &["carry", "stop"],
            &["lines"],
            &["members"],
            &["dispute"],
            &["ledger", "verify"],
            &["key", "rotate"],
            &["demo"],
            &["rules"],
            &["propose", "change"],
            &["vote", "object"],
            &["judge"],
        ] {
            assert_eq!(shown(command), [false, false, false], "{command:?}");
        }
        assert!(help(&["invite"]).lines().count() < 40, "{}", help(&["invite"]));
        assert!(Line::try_parse_from(["overspill", "init", "--uplink", "1Mbit/s"]).is_ok(), "what is not shown is still taken");
    }
}
