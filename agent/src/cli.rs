//! The command line: what a person can say to `overspill`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    config::{Request, flags::Flags},
    demo, run,
};

pub mod config;
pub mod exit;

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
    /// Reads and explains the configuration.
    Config {
        #[command(subcommand)]
        command: config::Command,
        #[command(flatten)]
        settings: Settings,
    },
    /// Shows on this machine what the mesh does when a crowd strikes.
    Demo(demo::Options),
    /// The web site behind each agent of the demonstration.
    #[command(hide = true)]
    DemoSite(demo::site::Options),
}

/// The flags for settings.
#[derive(Debug, Default, clap::Args)]
struct Settings {
    #[command(flatten)]
    flags: Flags,
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
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

fn carry_out(line: Line) -> Outcome {
    let Line { config: file, state, command } = line;
    let request = |settings: Settings| {
        let mut flags = settings.flags;
        if let Some(state) = state {
            flags.set("state", state);
        }
        Request::new(file, flags)
    };
    match command {
        Command::Run(settings) => run::run(request(settings)),
        Command::Config { command, settings } => config::run(&command, &request(settings)),
        Command::Demo(_) | Command::DemoSite(_) => Ok(()),
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
}
