//! `simulate`: plays scenarios and seeds, and says what became of them.
//!
//! Worlds are functions of what they are given; this program alone reads the clock, to say how long it took.
#![allow(clippy::disallowed_types)]

mod anchors;
mod args;
mod cores;
mod detection;
mod economics;
mod ending;
mod experiment;
mod gallery;
mod object;
mod partners;
mod phase;
mod policies;
mod progress;
mod recovery;
mod replay;
mod report;
mod run;
mod seeds;
mod series;
mod strategies;
mod told;

use std::process::ExitCode;

use clap::Parser as _;
use overspill_simulations::chart;

fn main() -> ExitCode {
    let line = args::Line::parse();
    let ended = match line.command {
        args::Command::Run(options) => run::run(&options),
        args::Command::Seeds(options) => seeds::seeds(&options),
        args::Command::Replay(options) => replay::replay(&options),
        args::Command::Series(options) => series::series(&options),
        args::Command::Sweep(options) => experiment::sweep(&options),
        args::Command::Compare(options) if options.policies => policies::compare(&options),
        args::Command::Gallery { folder } => gallery::gallery(&folder),
        args::Command::Compare(options) => experiment::compare(&options),
        args::Command::Recovery(options) => recovery::recovery(&options),
        args::Command::Partners(options) => partners::partners(&options),
        args::Command::Economics(options) => economics::economics(&options),
        args::Command::Anchors(options) => anchors::anchors(&options),
        args::Command::Strategies(options) => strategies::strategies(&options),
        args::Command::Detection(options) => detection::detection(&options),
        args::Command::List => run::list(),
    };
    match ended {
        Ok(ending) => ending.into(),
        Err(fault) => {
            fault.tell();
            fault.ending.into()
        }
    }
}
