//! `simulate series`: what was measured becomes a scenario.

use std::path::Path;

use overspill_simulations::{
    scenario::Measured,
    traffic::{access_log, counts, series::Series},
};

use crate::{
    args,
    ending::{Ending, Fault},
    told,
};

/// Bins of an access log, in seconds.
const LOG_BIN: u64 = 60;

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

fn read(file: &Path) -> Result<Series, Fault> {
    let bytes = std::fs::read(file)
        .map_err(|error| Fault::new(Ending::System, format!("{}: {error}", file.display()), "name a file that can be read"))?;
    let text = String::from_utf8_lossy(&bytes);
    let log = access_log::read(&text);
    // A log has a few odd lines; counts have nothing but odd lines, as a log sees them.
    if log.requests.len() > log.odd {
        told::aside(format_args!("an access log: {} requests, and {} lines that are none", log.requests.len(), log.odd));
        return log.series(LOG_BIN).ok_or_else(|| {
            Fault::new(Ending::Usage, format!("{}: its dates lie more than a year apart", file.display()), "give a part of it")
        });
    }
    counts::read(&text)
        .map_err(|mistake| Fault::new(Ending::Usage, format!("{}: neither an access log nor counts: {mistake}", file.display()), ADVICE))
}
