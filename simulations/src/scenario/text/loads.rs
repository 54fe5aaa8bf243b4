//! Loads and patience, as a scenario says them.

use super::{LENGTH_MS_MAX, Mistake, WANTED_MAX, words::Line};
use crate::traffic::{
    load::Load,
    retries::{Patience, TIMES_MAX},
    series::Series,
    visits::Visits,
};

/// Most pages of a site.
const PAGES_MAX: i64 = 100_000;
/// Most sessions that begin in a minute.
const SESSIONS_MAX: i64 = 1_000_000;
/// Most bins of a series: a week of minutes.
const BINS_MAX: usize = 7 * 24 * 60;

/// What stands behind `load at SITE`.
pub(super) fn load(line: &mut Line<'_>) -> Result<Load, Mistake> {
    match line.word("a kind of load")? {
        "days" => {
            let mean = after(line, "mean", rate)?;
            Ok(Load::Days { mean, from: after(line, "from", |line| line.millis("a moment of the week", LENGTH_MS_MAX))? })
        }
        "steady" => Ok(Load::Steady { rate: after(line, "rate", rate)?, from: from(line)?, span: after(line, "for", span)? }),
        "previews" => {
            let hits = after(line, "hits", |line| line.number_in("a number of requests", 0..=i64::from(WANTED_MAX)))?;
            Ok(Load::Previews { hits, from: from(line)?, within: after(line, "within", span)? })
        }
        "visits" => {
            let per_minute = after(line, "per-minute", |line| line.number_in("a number of sessions", 1..=SESSIONS_MAX))?;
            let pages = after(line, "pages", |line| line.number_in("a number of pages", 1..=PAGES_MAX))?;
            let seed = after(line, "seed", seed)?;
            Ok(Load::Visits(Visits { seed, pages, per_minute, from: from(line)?, span: after(line, "for", span)? }))
        }
        "series" => series(line),
        other => line.mistake(format!("there is no load `{other}`; there are days, steady, previews, visits, series")),
    }
}

/// What stands behind `retries`.
pub(super) fn patience(line: &mut Line<'_>) -> Result<Patience, Mistake> {
    let times = line.number_in("a number of tries", 0..=i64::from(TIMES_MAX))?;
    let after = after(line, "after", span)?;
    let share = if line.peek().is_none() {
        1_000_000
    } else {
        line.keyword("by")?;
        line.ppm("a share", 1_000_000)?
    };
    Ok(Patience { times, after, share })
}

/// A seed: any number of 64 bits.
pub(super) fn seed(line: &mut Line<'_>) -> Result<u64, Mistake> {
    let word = line.word("a seed")?;
    word.parse().or_else(|_| line.mistake(format!("`{word}` is not a seed: a whole number below 2^64")))
}

fn series(line: &mut Line<'_>) -> Result<Load, Mistake> {
    let bin_ms = after(line, "every", span)?;
    let mut counts = Vec::new();
    while line.peek().is_some() {
        counts.push(line.number_in("a number of requests", 0..=1 << 40)?);
    }
    if bin_ms == 0 || counts.is_empty() || counts.len() > BINS_MAX {
        return line.mistake(format!("a series has bins of 1ms at least, and from 1 to {BINS_MAX} of them"));
    }
    Ok(Load::Series(Series { bin_ms, counts }))
}

fn after<T>(line: &mut Line<'_>, keyword: &str, read: impl FnOnce(&mut Line<'_>) -> Result<T, Mistake>) -> Result<T, Mistake> {
    line.keyword(keyword)?;
    read(line)
}

fn from(line: &mut Line<'_>) -> Result<u64, Mistake> {
    after(line, "from", |line| line.millis("a moment", LENGTH_MS_MAX))
}

fn span(line: &mut Line<'_>) -> Result<u64, Mistake> {
    line.millis("a span", LENGTH_MS_MAX)
}

fn rate(line: &mut Line<'_>) -> Result<u32, Mistake> {
    line.number_in("a number of requests a second", 0..=i64::from(WANTED_MAX))
}
