//! A series out of a file, whichever of the forms that we know it has.

use std::fmt;

use super::{access_log, counts, series::Series};

/// Bins of an access log, in seconds.
const LOG_BIN: u64 = 60;

/// A series, and what it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Requests over time.
    pub series: Series,
    /// Of an access log: its requests, and lines that are none.
    pub log: Option<(usize, usize)>,
}

/// Why a text is no series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// Its dates lie more than a year apart.
    TooLong,
    /// Neither an access log nor counts.
    Neither(counts::Mistake),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("its dates lie more than a year apart"),
            Self::Neither(mistake) => write!(f, "neither an access log nor counts: {mistake}"),
        }
    }
}

/// Reads a combined access log, per minute, or counts at regular times.
///
/// # Errors
/// [`Unreadable`].
pub fn read(text: &str) -> Result<Read, Unreadable> {
    let log = access_log::read(text);
    // A log has a few odd lines; counts have nothing but odd lines, as a log sees them.
    if log.requests.len() > log.odd {
        let series = log.series(LOG_BIN).ok_or(Unreadable::TooLong)?;
        return Ok(Read { series, log: Some((log.requests.len(), log.odd)) });
    }
    counts::read(text).map(|series| Read { series, log: None }).map_err(Unreadable::Neither)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_and_counts_are_told_apart() {
        let line = r#"1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "-""#;
        let log = read(&format!("{line}\nnothing\n{line}\n")).unwrap();
        assert_eq!((log.series.counts.as_slice(), log.series.bin_ms, log.log), (&[2][..], 60_000, Some((2, 1))));
        let counts = read("when,requests\n1998-07-07 21:30,3824\n1998-07-07 21:31,3900\n").unwrap();
        assert_eq!((counts.series.counts.as_slice(), counts.log), (&[3_824, 3_900][..], None));
        let later = line.replace("2015", "2017");
        assert_eq!(read(&format!("{line}\n{later}\n")), Err(Unreadable::TooLong));
        assert!(matches!(read("what is this"), Err(Unreadable::Neither(_))));
    }
}
