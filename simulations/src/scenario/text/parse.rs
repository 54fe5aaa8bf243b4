//! Reading a scenario: its lines one by one, then what only the whole can tell.

use std::time::Duration;

use super::{
    LENGTH_MS_MAX, Mistake, SITES_MAX, WANTED_MAX,
    loads::{load, patience, seed},
    statements::{action, conduct, expectation, link, weather},
    words::{Line, millis},
};
use crate::scenario::{Crowd, Expectation, Plot, Scenario};

/// Reads a scenario.
///
/// # Errors
/// The first line that is not understood, and what to write there.
pub fn read(text: &str) -> Result<Scenario, Mistake> {
    let mut reader = Reader::default();
    for (number, line) in (1..).zip(text.lines()) {
        let (statement, comment) = line.split_once('#').map_or((line, None), |(statement, comment)| (statement, Some(comment.trim())));
        if reader.about.is_empty() && reader.plot.is_none() && statement.trim().is_empty() {
            comment.unwrap_or_default().clone_into(&mut reader.about);
        }
        let mut line = Line::new(number, statement);
        if let Some(word) = line.next() {
            reader.statement(word, line)?;
        }
        reader.lines = number;
    }
    reader.finish()
}

/// What was read so far.
#[derive(Debug, Default)]
struct Reader {
    about: String,
    seed: u64,
    /// There from `sites` on: what follows may name them.
    plot: Option<Plot>,
    length: Option<u64>,
    expected: Vec<(Option<u64>, Expectation)>,
    /// What happens when, and where that stands.
    moments: Vec<(u64, usize)>,
    lines: usize,
}

impl Reader {
    fn statement(&mut self, word: &str, mut line: Line<'_>) -> Result<(), Mistake> {
        match word {
            "seed" => self.seed = seed(&mut line)?,
            "sites" if self.plot.is_some() => return line.mistake("`sites` stands twice"),
            "sites" => {
                let members = line.number_in("a number of members", 1..=SITES_MAX as i64)?;
                self.plot = Some(Plot::quiet(0, members, Duration::ZERO));
            }
            "length" => self.length = Some(line.millis("a length", LENGTH_MS_MAX)?),
            _ => return self.of_sites(word, line),
        }
        line.end()
    }

    /// Statements that may name sites.
    fn of_sites(&mut self, word: &str, mut line: Line<'_>) -> Result<(), Mistake> {
        const KNOWN: [&str; 11] = ["outside", "charter", "faults", "link", "site", "clock", "crowd", "load", "retries", "at", "expect"];
        if !KNOWN.contains(&word) {
            return line.mistake(format!("there is no statement `{word}`; there are seed, sites, length, {}", KNOWN.join(", ")));
        }
        let Some(plot) = &mut self.plot else {
            return line.mistake(format!("`{word}` stands before `sites N`, which says how many members there are"));
        };
        let sites = plot.sites();
        match word {
            "outside" => {
                plot.outside = line.number_in("a number of sites outside", 0..=SITES_MAX.saturating_sub(plot.members) as i64)?;
                plot.drifts.resize(plot.sites(), 0);
            }
            "charter" => {
                let (name, value) = (line.word("a parameter of the charter")?, line.whole("a value", i64::MIN..=i64::MAX)?);
                let changed = plot.charter.clone().with(name, value);
                plot.charter = changed.or_else(|error| line.mistake(format!("{name}: {error}")))?;
            }
            "faults" => plot.faults = weather(&mut line, sites)?,
            "link" => plot.links.push(link(&mut line, sites)?),
            "site" => {
                let site = line.site(sites)?;
                match line.word("`is` or `serves`")? {
                    "is" => plot.conducts.push((site, conduct(&mut line)?)),
                    "serves" => plot.budgets.push((site, line.number_in("a number of requests a second", 0..=i64::from(WANTED_MAX))?)),
                    other => return line.mistake(format!("`{other}` stands where `is CONDUCT` or `serves NUMBER` should stand")),
                }
            }
            "clock" => {
                let site = line.site(sites)?;
                let sign = line.one_of("`fast` or `slow`", &[("fast", 1), ("slow", -1)])?;
                // A clock's speed is off by a half at most; real ones by a ten thousandth.
                plot.drifts[site] = sign * i32::try_from(line.ppm("a share", 500_000)?).unwrap_or_default();
            }
            "crowd" => {
                let crowd = crowd(&mut line, sites)?;
                self.moments.push((crowd.from, line.number()));
                plot.crowds.push(crowd);
            }
            "load" => {
                line.keyword("at")?;
                plot.loads.push((line.site(sites)?, load(&mut line)?));
            }
            "retries" => plot.patience = Some(patience(&mut line)?),
            "at" => return self.at(line, sites),
            _ => {
                self.expected.push((None, expectation(line, sites)?));
                return Ok(());
            }
        }
        line.end()
    }

    fn at(&mut self, mut line: Line<'_>, sites: usize) -> Result<(), Mistake> {
        let at = line.millis("a moment", LENGTH_MS_MAX)?;
        self.moments.push((at, line.number()));
        let word = line.word("what happens then")?;
        if word == "expect" {
            self.expected.push((Some(at), expectation(line, sites)?));
            return Ok(());
        }
        let action = action(word, &mut line, sites)?;
        if let Some(plot) = &mut self.plot {
            plot.actions.push((at, action));
        }
        line.end()
    }

    fn finish(self) -> Result<Scenario, Mistake> {
        let at_end = |words: &str| Err(Mistake { line: self.lines.max(1), words: words.to_owned() });
        let Some(mut plot) = self.plot else { return at_end("nothing says how many members there are; write `sites 3`") };
        let Some(length) = self.length else { return at_end("nothing says how long it lasts; write `length 60s`") };
        if let Some((at, line)) = self.moments.iter().find(|(at, _)| *at >= length) {
            let words =
                format!("{} is not before the end ({}); write a greater `length`, or an earlier moment", millis(*at), millis(length));
            return Err(Mistake { line: *line, words });
        }
        (plot.seed, plot.length) = (self.seed, Duration::from_millis(length));
        plot.actions.sort_by_key(|(at, _)| *at);
        Ok(Scenario { plot, expected: self.expected, about: self.about })
    }
}

fn crowd(line: &mut Line<'_>, sites: usize) -> Result<Crowd, Mistake> {
    line.keyword("at")?;
    let site = line.site(sites)?;
    let mut phase = |name: &str, what: &str| -> Result<u64, Mistake> {
        line.keyword(name)?;
        line.millis(what, LENGTH_MS_MAX)
    };
    let (from, onset) = (phase("from", "a moment")?, phase("onset", "a span")?);
    let (plateau, decay) = (phase("plateau", "a span")?, phase("decay", "a span")?);
    line.keyword("peak")?;
    let peak = line.number_in("a number of requests a second", 0..=i64::from(WANTED_MAX))?;
    Ok(Crowd { site, from, onset, plateau, decay, peak })
}
