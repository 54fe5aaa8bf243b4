//! `simulate gallery`: the pictures of the docs, each a small file that is the same on every machine.

use std::path::Path;

use clap::Parser as _;

use crate::{
    args,
    ending::{Ending, Fault},
    policies::Table,
    recovery::Map,
    report, told,
};

/// A small map: few enough runs that a test can make it again.
const MAP: [&str; 8] = ["simulate", "recovery", "--map-only", "--seeds=1", "--partners=2", "--strengths=5", "--loads=30,70,90", "--rule"];
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

fn pictures() -> Result<Vec<(&'static str, String)>, Fault> {
    let policies = Table::of((SITES, 0), MINUTES, (1, 1));
    Ok(vec![
        ("recovery-shipped.svg", map("shipped")?),
        ("recovery-sticky.svg", map("sticky")?),
        ("policies-goodput.svg", policies.picture("goodput")),
        ("policies-needless.svg", policies.picture("needless")),
    ])
}

fn map(rule: &str) -> Result<String, Fault> {
    let line = args::Line::try_parse_from(MAP.into_iter().chain([rule]));
    match line.map(|line| line.command) {
        Ok(args::Command::Recovery(options)) => Ok(Map::of(&options).heat()),
        _ => Err(Fault::new(Ending::Usage, "the gallery's own command line is wrong", "report this")),
    }
}
