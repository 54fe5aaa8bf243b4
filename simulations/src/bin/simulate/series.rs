//! `simulate series`: what was measured becomes a scenario.

use std::path::Path;

use overspill_simulations::{
    scenario::Measured,
    traffic::{
        file::{self, Read},
        series::Series,
    },
};

use crate::{
    args,
    ending::{Ending, Fault},
    told,
};

/// Prints the scenario of a measured series.
///
/// # Errors
/// When the file cannot be read, or is no series.
pub fn series(options: &args::Series) -> Result<Ending, Fault> {
    let series = read(&options.file)?;
    let how = Measured {
        seed: options.seed,
        members: usize::from(options.sites),
        peak: options.peak,
        stretch_ms: u64::from(options.hours) * 3_600_000,
        length_ms: u64::from(options.minutes) * 60_000,
        correlation: u32::from(options.correlation) * 10_000,
    };
    let mut scenario = how
        .of(&series)
        .ok_or_else(|| Fault::new(Ending::Usage, format!("{}: nobody wants anything in it", options.file.display()), ADVICE))?;
    let name = options.file.file_name().unwrap_or_default().to_string_lossy();
    scenario.about = format!(
        "{} hours of {name} around its peak, in {} minutes, with {} requests a second at most.",
        options.hours, options.minutes, options.peak
    );
    told::line(scenario.to_string().trim_end())?;
    Ok(Ending::Kept)
}

const ADVICE: &str = "give a combined access log, or counts at regular times: a header, then lines such as `1998-07-07 21:30,3824`";

fn read(name: &Path) -> Result<Series, Fault> {
    let bytes = std::fs::read(name)
        .map_err(|error| Fault::new(Ending::System, format!("{}: {error}", name.display()), "name a file that can be read"))?;
    let Read { series, log } = file::read(&String::from_utf8_lossy(&bytes))
        .map_err(|why| Fault::new(Ending::Usage, format!("{}: {why}", name.display()), ADVICE))?;
    if let Some((requests, odd)) = log {
        told::aside(format_args!("an access log: {requests} requests, and {odd} lines that are none"));
    }
    Ok(series)
}
