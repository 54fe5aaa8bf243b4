//! Counts at regular times: a header, then in each line a date and how many. `2015-02-26 21:42:53,104`, with columns behind that nobody reads.

use std::collections::BTreeMap;

use super::series::Series;

/// Longest series that is read, in bins: ten years of minutes.
const BINS_MAX: u64 = 10 * 366 * 24 * 60;

/// Why a text is no series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub words: &'static str,
}

impl core::fmt::Display for Mistake {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "line {}: {}", self.line, self.words)
    }
}

/// Reads a series. Its bins are as long as the shortest time between two lines; times that are missing count as nothing.
///
/// # Errors
/// The first line that is none of a series.
pub fn read(text: &str) -> Result<Series, Mistake> {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()).skip(1).filter(|(_, text)| !text.trim().is_empty()) {
        let mistake = |words| Mistake { line, words };
        let mut cells = text.split(',');
        let seconds = cells.next().and_then(seconds).ok_or_else(|| mistake("does not begin with a date such as 1998-07-07 21:30"))?;
        let count = cells.next().and_then(whole).ok_or_else(|| mistake("has no number of requests behind its date"))?;
        let sum = counts.entry(seconds).or_default();
        *sum = sum.saturating_add(count);
    }
    let nothing = Mistake { line: 1, words: "is followed by fewer than two counts" };
    let apart = counts.keys().zip(counts.keys().skip(1)).map(|(one, other)| other - one).min().ok_or_else(|| nothing.clone())?;
    let (first, last) =
        counts.first_key_value().zip(counts.last_key_value()).map(|((first, _), (last, _))| (*first, *last)).ok_or(nothing)?;
    let bins = (last - first) / apart + 1;
    if bins > BINS_MAX {
        return Err(Mistake { line: 1, words: "is followed by dates that lie too far apart" });
    }
    let mut series = Series { bin_ms: apart * 1_000, counts: vec![0; usize::try_from(bins).unwrap_or_default()] };
    for (seconds, count) in counts {
        let bin = &mut series.counts[usize::try_from((seconds - first) / apart).unwrap_or_default()];
        *bin = bin.saturating_add(count);
    }
    Ok(series)
}

/// `104` or `94.0`: a whole number, whatever stands behind its point.
fn whole(cell: &str) -> Option<u64> {
    let cell = cell.trim();
    cell.split_once('.').map_or(cell, |(whole, _)| whole).parse().ok()
}

/// Seconds of `1998-07-07 21:30` or `2015-02-26 21:42:53` since a beginning that is the same for all.
fn seconds(cell: &str) -> Option<u64> {
    let (date, time) = cell.trim().split_once([' ', 'T'])?;
    let mut date = date.split('-').map(|part| part.parse::<u64>().ok());
    let mut time = time.split(':').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next().unwrap_or(Some(0))?);
    seconds_of((year, month, day), (hour, minute, second))
}

/// Seconds since the year 0 of a proleptic Gregorian calendar; `None` of what is no date.
pub(super) fn seconds_of((year, month, day): (u64, u64, u64), (hour, minute, second): (u64, u64, u64)) -> Option<u64> {
    let valid = (1..=9_999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years begin in March, so that the odd day is a year's last; then months of 30 and 31 days make five of 153.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn minutes_and_five_minutes_are_told_apart_and_gaps_are_nothing() {
        let minutes = read("timestamp,num_request,size\n1998-04-30 23:58,2,49\n1998-04-30 23:59,11,8\n1998-05-01 00:02,7,1\n");
        assert_eq!(minutes, Ok(Series { bin_ms: 60_000, counts: vec![2, 11, 0, 0, 7] }));
        let fives = read("timestamp,value\n2016-02-28 23:54:00,94.0\n2016-02-28 23:59:00,56.0\n2016-03-01 00:04:00,1.0\n").unwrap();
        assert_eq!((fives.bin_ms, fives.counts.len()), (300_000, 3 + 24 * 12), "2016 has a 29th of February");
    }

    #[test]
    fn mistakes_name_their_line() {
        let table = [
            ("", 1),
            ("timestamp,value\n", 1),
            ("timestamp,value\n2015-01-01 00:00,1\nyesterday,5\n", 3),
            ("timestamp,value\n2015-13-01 00:00,1\n", 2),
            ("timestamp,value\n2015-01-01 00:00,many\n", 2),
            ("timestamp,value\n2015-01-01 00:00:00,1\n2015-01-01 00:00:01,1\n9015-01-01 00:00:00,1\n", 1),
        ];
        table.iter().for_each(|(text, line)| assert_eq!(read(text).unwrap_err().line, *line, "{text}"));
    }

    proptest! {
        #[test]
        fn anything_is_a_series_or_a_mistake_in_a_line(text in "[0-9 :,.\n-]{0,200}") {
            if let Err(mistake) = read(&text) {
                prop_assert!((1..=text.lines().count().max(1)).contains(&mistake.line));
            }
        }
    }
}
