//! The command line: what a person can say to `overspill`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::demo;

/// A flash crowd no longer takes a small web site down.
#[derive(Debug, Parser)]
#[command(name = "overspill", version)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows on this machine what the mesh does when a crowd strikes.
    Demo(demo::Options),
}

/// Carries out the command line that this process was started with.
pub fn main() -> ExitCode {
    match Line::parse().command {
        Command::Demo(options) => match demo::run(&options) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}
