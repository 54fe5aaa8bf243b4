//! Replay of a real crowd: paths, sizes and times of an access log in the combined format.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;

use super::{Crowd, Marks, Visit};
use crate::demo::{
    content::{Content, Entry, Kind},
    limits,
};

/// One request of the log that can be replayed: a GET that was answered with 200 or 304.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Seconds since 1970.
    pub second: i64,
    /// Path and query.
    pub path: String,
    /// Bytes of the body; 0 for 304.
    pub size: usize,
}

/// What a log becomes: a catalogue for the site, and requests to draw the crowd from.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// One entry for each path, of the largest size that was logged for it.
    pub entries: Vec<Entry>,
    /// Sorted by time.
    pub requests: Vec<Logged>,
    /// Lines that were no requests to replay.
    pub skipped: usize,
}

/// Reads a log, at most [`limits::LOG_LINES_MAX`] lines of it.
///
/// # Errors
/// When the file cannot be read or holds nothing to replay.
pub fn read(file: &Path) -> anyhow::Result<Replay> {
    let opened = File::open(file).with_context(|| format!("cannot open the access log {}", file.display()))?;
    let (mut reader, mut line) = (BufReader::new(opened), Vec::new());
    let mut replay = Replay::default();
    for _ in 0..limits::LOG_LINES_MAX {
        line.clear();
        // A line without an end must not fill the memory.
        let read = reader.by_ref().take(limits::LOG_LINE_MAX as u64).read_until(b'\n', &mut line);
        if read.with_context(|| format!("cannot read the access log {}", file.display()))? == 0 {
            break;
        }
        match std::str::from_utf8(&line).ok().and_then(parse_line) {
            Some(request) => replay.requests.push(request),
            None => replay.skipped += 1,
        }
    }
    anyhow::ensure!(!replay.requests.is_empty(), "{} holds no answered GET request in the combined format", file.display());
    replay.requests.sort_by_key(|request| request.second);
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for request in &replay.requests {
        let size = sizes.entry(&request.path).or_insert(1);
        *size = (*size).max(request.size);
    }
    let entry = |(path, size): (&&str, &usize)| Entry { kind: kind(path), path: (*path).to_owned(), size: *size, assets: Vec::new() };
    replay.entries = sizes.iter().map(entry).collect();
    Ok(replay)
}

/// Reads one line: `HOST IDENT USER [TIME] "GET PATH HTTP/x" STATUS SIZE ...`; `None` when it is not a request to replay.
#[must_use]
pub fn parse_line(line: &str) -> Option<Logged> {
    let (_, rest) = line.split_once('[')?;
    let (time, rest) = rest.split_once(']')?;
    let (_, rest) = rest.split_once('"')?;
    let (request, rest) = rest.split_once('"')?;
    let mut words = request.split(' ');
    let (method, path, version) = (words.next()?, words.next()?, words.next()?);
    if method != "GET" || !version.starts_with("HTTP/") || words.next().is_some() || !is_plain_path(path) {
        return None;
    }
    let mut fields = rest.split_ascii_whitespace();
    let status = fields.next()?;
    let size = fields.next()?;
    let size = match status {
        "200" => size.parse().ok().filter(|size| *size <= limits::BODY_MAX)?,
        "304" => 0,
        _ => return None,
    };
    Some(Logged { second: second(time)?, path: path.to_owned(), size })
}

/// Paths that a request line can carry as they are.
fn is_plain_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 2_048
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

/// `10/Oct/2000:13:55:36 -0700` as seconds since 1970 in UTC.
fn second(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (moment, zone) = text.split_once(' ')?;
    let mut parts = moment.split(['/', ':']);
    let mut number = |least: i64, most: i64| parts.next()?.parse().ok().filter(|number| (least..=most).contains(number));
    let day = number(1, 31)?;
    let month = { moment.split('/').nth(1).and_then(|name| MONTHS.iter().position(|month| *month == name))? as i64 + 1 };
    parts.next()?;
    let mut number = |least: i64, most: i64| parts.next()?.parse().ok().filter(|number| (least..=most).contains(number));
    let (year, hour, minute, second) = (number(1970, 9_999)?, number(0, 23)?, number(0, 59)?, number(0, 60)?);
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let offset: i64 = zone.get(1..5).filter(|digits| zone.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    let days = days(year, month, day);
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second - sign * (offset / 100 * 3_600 + offset % 100 * 60))
}

/// Days since 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Files by their ending; everything else is taken for a page.
fn kind(path: &str) -> Kind {
    const FILES: [&str; 20] = [
        "css", "js", "mjs", "png", "jpg", "jpeg", "webp", "gif", "svg", "ico", "woff2", "woff", "mp4", "mp3", "pdf", "txt", "xml", "zip",
        "map", "avif",
    ];
    let name = path.split('?').next().unwrap_or(path).rsplit('/').next().unwrap_or("");
    match name.rsplit_once('.') {
        Some((_, end)) if FILES.contains(&end.to_ascii_lowercase().as_str()) => Kind::Asset,
        _ => Kind::Page,
    }
}

impl Replay {
    /// Compresses the log's time so that its busiest stretch asks for `peak` pages per second, and keeps `length` around it.
    ///
    /// # Errors
    /// When the log asks for nothing that `content` holds, or for too much.
    pub fn crowd(&self, content: &Content, peak: f64, length: Duration) -> anyhow::Result<Crowd> {
        let first = self.requests.first().context("the log is empty")?.second;
        // Requests of one logged second are spread over it, in their order.
        let mut at = Vec::with_capacity(self.requests.len());
        for group in self.requests.chunk_by(|one, other| one.second == other.second) {
            at.extend((0..group.len()).map(|number| (group[0].second - first) as f64 + (number as f64 + 0.5) / group.len() as f64));
        }
        let places: Vec<u32> =
            self.requests.iter().map(|request| content.place(&request.path)).collect::<Option<_>>().context("a path is nowhere")?;
        let paged: Vec<f64> = std::iter::zip(&at, &places)
            .filter(|(_, place)| content.resources[**place as usize].kind == Kind::Page)
            .map(|(at, _)| *at)
            .collect();
        let (busiest, rate) = busiest(if paged.is_empty() { &at } else { &paged });
        let speed = (peak / rate).max(1.0);
        let centre = busiest / speed;
        let from = (centre - length.as_secs_f64() / 2.0).max(0.0);
        let visit = |(at, first): (&f64, &u32)| {
            let at = at / speed - from;
            (0.0..length.as_secs_f64()).contains(&at).then(|| Visit { at: Duration::from_secs_f64(at), first: *first })
        };
        let visits: Vec<Visit> = std::iter::zip(&at, &places).filter_map(visit).collect();
        anyhow::ensure!(!visits.is_empty(), "nothing of the log falls into {length:?} around its busiest stretch");
        anyhow::ensure!(visits.len() <= limits::REQUESTS_MAX, "the log makes {} requests in {length:?}: lower --seconds", visits.len());
        let centre = Duration::from_secs_f64((centre - from).max(0.0));
        let marks = Marks { onset: centre.mul_f64(0.5), plateau: centre, decay: centre, end: length, finish: length };
        Ok(Crowd { visits, marks })
    }
}

/// Middle of the busiest stretch of 30 requests (or of all, if fewer), and requests per second in it.
fn busiest(at: &[f64]) -> (f64, f64) {
    let width = at.len().min(30);
    let span = |from: usize| (at[from + width - 1] - at[from]).max(0.02);
    let best = (0..=at.len() - width).min_by(|one, other| span(*one).total_cmp(&span(*other))).unwrap_or(0);
    (at[best] + span(best) / 2.0, width as f64 / span(best))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str =
        r#"203.0.113.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif?x=1 HTTP/1.0" 200 2326 "http://example/" "Mozilla""#;

    #[test]
    fn a_line_is_read_as_its_server_meant_it() {
        let read = parse_line(LINE).unwrap();
        assert_eq!(read, Logged { second: 971_211_336, path: "/apache_pb.gif?x=1".to_owned(), size: 2_326 });
        for (from, to) in [("GET", "POST"), (" 200 ", " 404 "), ("/apache", "apache"), ("Oct", "Okt"), ("-0700", "07:00"), ("2326", "-")] {
            assert_eq!(parse_line(&LINE.replace(from, to)), None, "{to}");
        }
    }

    #[test]
    fn a_log_becomes_a_crowd_of_the_wanted_rate() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |second: usize, path: &str| {
            format!("::1 - - [10/Oct/2000:13:{:02}:{:02} +0000] \"GET {path} HTTP/1.1\" 200 900\n", second / 60, second % 60)
        };
        let text: String = (0..600).flat_map(|at| [line(at, "/a/"), line(at, "/b.css")]).collect();
        std::fs::write(file.path(), text + "garbage\n").unwrap();
        let replay = read(file.path()).unwrap();
        assert_eq!((replay.requests.len(), replay.skipped, replay.entries.len()), (1_200, 1, 2));
        let content = Content::new(&replay.entries, 1).unwrap();
        let crowd = replay.crowd(&content, 50.0, Duration::from_secs(6)).unwrap();
        let rate = crowd.visits.len() as f64 / 6.0;
        assert!((95.0..106.0).contains(&rate), "{rate} of pages and files together");
    }

    proptest! {
        #[test]
        fn foreign_lines_never_panic(line in ".{0,200}") {
            let _ = parse_line(&line);
        }

        #[test]
        fn altered_lines_never_panic(at in 0..LINE.len(), byte: u8) {
            let mut bytes = LINE.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = parse_line(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn written_lines_are_read_back(day in 1_i64..=28, hour in 0_i64..24, path in "/[a-z0-9/._-]{0,40}", size in 0_usize..1_000_000) {
            prop_assume!(!path.starts_with("//"));
            let line = format!("::1 - - [{day:02}/Feb/2026:{hour:02}:00:09 +0000] \"GET {path} HTTP/1.1\" 200 {size} \"-\" \"-\"");
            let second = 1_769_904_000 + (day - 1) * 86_400 + hour * 3_600 + 9;
            prop_assert_eq!(parse_line(&line), Some(Logged { second, path, size }));
        }
    }
}
