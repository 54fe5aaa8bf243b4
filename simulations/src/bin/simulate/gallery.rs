//! `simulate gallery`: the pictures of the docs, each a small file that is the same on every machine.

use std::path::Path;

use clap::Parser as _;
use overspill_simulations::laboratory::economics::crash::STRUCK;

use crate::{
    anchors, args,
    economics::Economy,
    ending::{Ending, Fault},
    experiment::{play, setting},
    phase,
    policies::Table,
    recovery::Map,
    report, told,
};

/// A small map: few enough runs that a test can make it again.
const MAP: [&str; 8] = ["simulate", "recovery", "--map-only", "--seeds=1", "--partners=2", "--strengths=5", "--loads=30,70,90", "--rule"];
/// A small phase diagram.
const PHASE: [&str; 8] = [
    "simulate",
    "sweep",
    "newcomer_limit=1000,4000,2000000",
    "correlation=0,30,100",
    "--sites=4",
    "--minutes=1",
    "--events=2",
    "--seeds=1",
];
/// Sites and crowds of the mesh that runs dry.
const CRASH: (usize, u64) = (4, 24);
/// Sites and minutes of the comparison.
const SITES: usize = 6;
const MINUTES: u64 = 2;

/// Writes all pictures into a folder.
///
/// # Errors
/// When one cannot be written.
pub fn gallery(folder: &Path) -> Result<Ending, Fault> {
    for (name, picture) in pictures()? {
        let file = folder.join(name);
        report::write(&file, &picture)?;
        told::line(file.display())?;
    }
    Ok(Ending::Kept)
}

fn pictures() -> Result<Vec<(String, String)>, Fault> {
    let policies = Table::of((SITES, 0), MINUTES, (1, 1));
    let mut pictures = anchors::pictures();
    pictures.extend(
        [
            ("recovery-shipped.svg", map("shipped")?),
            ("recovery-sticky.svg", map("sticky")?),
            ("policies-goodput.svg", policies.picture("goodput")),
            ("policies-needless.svg", policies.picture("needless")),
            ("economics-phase.svg", phase()?),
        ]
        .map(|(name, picture)| (String::from(name), picture)),
    );
    let crash = Economy::of(&STRUCK[1..2], CRASH.0, CRASH.1, (1, 1));
    pictures.extend(crash.pictures().into_iter().map(|picture| (String::from("economics-crash.svg"), picture)));
    Ok(pictures)
}

fn phase() -> Result<String, Fault> {
    let wrong = |words| Fault::new(Ending::Usage, words, "report this");
    match args::Line::try_parse_from(PHASE).map(|line| line.command) {
        Ok(args::Command::Sweep(options)) => {
            let diagram = setting(&options).diagram(&options.parameters[0], &options.parameters[1]).map_err(wrong)?;
            Ok(phase::picture(&diagram, &play(&diagram.arms).0, "refused_spill"))
        }
        _ => Err(wrong(String::from("the gallery's own command line is wrong"))),
    }
}

fn map(rule: &str) -> Result<String, Fault> {
    let line = args::Line::try_parse_from(MAP.into_iter().chain([rule]));
    match line.map(|line| line.command) {
        Ok(args::Command::Recovery(options)) => Ok(Map::of(&options).heat()),
        _ => Err(Fault::new(Ending::Usage, "the gallery's own command line is wrong", "report this")),
    }
}
