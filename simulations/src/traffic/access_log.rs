//! A combined access log (Apache's and nginx' usual one), as far as traffic needs it: when, by whom, what, how much.
//!
//! `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a.png HTTP/1.1" 200 203023 "referer" "agent"`

use std::collections::BTreeMap;

use super::{counts::seconds_of, series::Series};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Seconds since a beginning that is the same for all.
    pub second: u64,
    /// Who asked.
    pub visitor: &'a str,
    /// Whether it asked for an object, by GET or HEAD.
    pub reads: bool,
    /// What for.
    pub path: &'a str,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of its body.
    pub bytes: u64,
    /// What the visitor says it is.
    pub agent: &'a str,
}

/// A log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log<'a> {
    /// Its requests, in the order of its lines.
    pub requests: Vec<Request<'a>>,
    /// Lines that are none.
    pub odd: usize,
}

/// Longest stretch of a log that makes a series, in seconds: a year.
const STRETCH_MAX: u64 = 366 * 24 * 3_600;

/// Reads a log. Lines that are none are counted and passed over: every real log has some.
pub fn read(text: &str) -> Log<'_> {
    let mut log = Log::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match request(line) {
            Some(request) => log.requests.push(request),
            None => log.odd += 1,
        }
    }
    log
}

impl Log<'_> {
    /// Requests in each bin of so many seconds; `None` of nothing, or of dates that lie too far apart. Lines may stand in any order.
    pub fn series(&self, bin_seconds: u64) -> Option<Series> {
        let first = self.requests.iter().map(|request| request.second).min()?;
        let last = self.requests.iter().map(|request| request.second).max()?;
        let bin = bin_seconds.max(1);
        let bins = usize::try_from((last - first) / bin + 1).ok().filter(|_| last - first <= STRETCH_MAX)?;
        let mut counts = vec![0; bins];
        for request in &self.requests {
            counts[usize::try_from((request.second - first) / bin).unwrap_or_default()] += 1;
        }
        Some(Series { bin_ms: bin * 1_000, counts })
    }

    /// How often each object was asked for, the most popular first.
    pub fn popularity(&self) -> Vec<u64> {
        let mut paths: BTreeMap<&str, u64> = BTreeMap::new();
        for request in &self.requests {
            *paths.entry(request.path).or_default() += 1;
        }
        let mut counts: Vec<u64> = paths.into_values().collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        counts
    }
}

fn request(line: &str) -> Option<Request<'_>> {
    let (visitor, rest) = line.split_once(' ')?;
    let (_, rest) = rest.split_once('[')?;
    let (date, rest) = rest.split_once("] \"")?;
    let (asked, rest) = quoted(rest)?;
    let mut asked = asked.split(' ');
    let (method, path) = (asked.next()?, asked.next().filter(|path| !path.is_empty())?);
    let mut rest = rest.trim_start().splitn(3, ' ');
    let status = rest.next()?.parse().ok().filter(|status| (100..1_000).contains(status))?;
    let bytes = rest.next()?;
    let bytes = if bytes == "-" { 0 } else { bytes.parse().ok()? };
    let behind = rest.next().and_then(|rest| rest.strip_prefix('"')).and_then(quoted);
    let agent = behind.and_then(|(_, rest)| rest.trim_start().strip_prefix('"')).and_then(quoted).map_or("", |(agent, _)| agent);
    Some(Request { second: second(date)?, visitor, reads: matches!(method, "GET" | "HEAD"), path, status, bytes, agent })
}

/// What stands before the next quote that no backslash stands before, and what stands behind it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return Some((&text[..at], &text[at + 1..])),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// Seconds of `17/May/2015:10:05:03 +0000`.
fn second(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (date, zone) = date.split_once(' ')?;
    let mut parts = date.split(['/', ':']);
    let day = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (year, hour, minute, second) = (number()?, number()?, number()?, number()?);
    let local = seconds_of((year, month, day), (hour, minute, second))?;
    let (east, zone) = zone.strip_prefix('+').map(|zone| (true, zone)).or_else(|| Some((false, zone.strip_prefix('-')?)))?;
    let zone = zone.parse::<u64>().ok().filter(|zone| *zone <= 1_400 && zone % 100 < 60)?;
    let ahead = (zone / 100 * 60 + zone % 100) * 60;
    if east { local.checked_sub(ahead) } else { local.checked_add(ahead) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: &str =
        r#"83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a.png HTTP/1.1" 200 203023 "http://a.example/" "Mozilla \"5\" (X)""#;

    #[test]
    fn a_line_tells_who_asked_when_for_what() {
        let log = read(LINE);
        let [request] = &log.requests[..] else { panic!("{log:?}") };
        assert_eq!((request.visitor, request.path, request.status, request.bytes), ("83.149.9.216", "/a.png", 200, 203_023));
        assert!(request.reads && request.agent == r#"Mozilla \"5\" (X)"#);
        let later = LINE.replace("10:05:03 +0000", "12:05:04 +0200").replace("GET", "POST").replace("203023", "-");
        let later = read(&later).requests[0].clone();
        assert_eq!((later.second, later.reads, later.bytes), (request.second + 1, false, 0), "two hours east of it");
    }

    #[test]
    fn lines_of_no_request_are_counted_and_order_does_not_matter() {
        let text = [
            LINE.replace(":10:05:03", ":10:07:00"),
            LINE.to_owned(),
            String::from("# rotated"),
            LINE.replace("200 ", "abc "),
            LINE.replace("May", "Mai"),
        ]
        .join("\n");
        let log = read(&text);
        assert_eq!((log.requests.len(), log.odd), (2, 3));
        assert_eq!(log.series(60), Some(Series { bin_ms: 60_000, counts: vec![1, 1] }));
        assert_eq!((log.popularity(), Log::default().series(60)), (vec![2], None));
    }

    proptest! {
        #[test]
        fn any_text_is_a_log_of_as_many_lines(text in "\\PC{0,80}(\n\\PC{0,80}){0,4}", at: prop::sample::Index, with in "\\PC{0,3}") {
            let log = read(&text);
            let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
            prop_assert_eq!(log.requests.len() + log.odd, lines);
            // A good line with something in its midst.
            let at = at.index(LINE.len());
            let bent = format!("{}{with}{}", &LINE[..at], &LINE[at..]);
            prop_assert_eq!(read(&bent).requests.len() + read(&bent).odd, bent.lines().filter(|line| !line.trim().is_empty()).count());
        }
    }
}
