//! An access log in the combined format, read line by line: what can be replayed of it, and what cannot.

mod stamp;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

use anyhow::Context as _;

use crate::demo::limits;

/// Words in the names of programs that read the web by themselves. They are no part of a crowd, and no agent spends credit on them.
const CRAWLERS: [&str; 5] = ["bot", "crawl", "spider", "slurp", "archiver"];

/// One request of the log that can be replayed: a GET that was answered with 200 or 304.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged<'a> {
    /// Who asked: an address or a name.
    pub client: &'a str,
    /// Seconds since 1970.
    pub second: i64,
    /// Path and query.
    pub path: &'a str,
    /// Bytes of the body; `None` for 304.
    pub size: Option<u64>,
    /// Path and query of the page that it was asked for, by `Referer`.
    pub referrer: Option<&'a str>,
}

/// What a line of a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// A request to replay.
    Request(Logged<'a>),
    /// A request of another kind, or with another answer.
    Other,
    /// A request of a program that names itself a crawler.
    Crawler,
    /// Not a line of the combined format.
    Odd,
}

/// A request with its names replaced by numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Who asked.
    pub client: u32,
    /// Seconds since 1970.
    pub second: i64,
    /// Place in [`Log::paths`].
    pub path: u32,
    /// The page that it was asked for, if the log knows that path.
    pub referrer: Option<u32>,
}

/// A log that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Path and query of everything that was asked for, and the largest size that was logged for it.
    pub paths: Vec<(String, Option<u64>)>,
    /// Sorted by time.
    pub requests: Vec<Request>,
    /// Lines that were read.
    pub lines: usize,
    /// Lines with requests of another kind or answer.
    pub others: usize,
    /// Lines with requests of crawlers.
    pub crawlers: usize,
    /// Lines that are not of the format.
    pub odd: usize,
    /// Number of the first of these, counted from 1.
    pub first_odd: Option<usize>,
}

/// Reads a log, at most [`limits::LOG_LINES_MAX`] lines of it.
///
/// # Errors
/// When the file cannot be read or holds nothing to replay: says what it holds instead.
pub fn read(file: &Path) -> anyhow::Result<Log> {
    let opened = File::open(file).with_context(|| format!("cannot open the access log {}", file.display()))?;
    let (mut reader, mut line) = (BufReader::new(opened), Vec::new());
    let (mut log, mut names) = (Log::default(), Names::default());
    while log.lines < limits::LOG_LINES_MAX {
        line.clear();
        // A line without an end must not fill the memory.
        let read = reader.by_ref().take(limits::LOG_LINE_MAX as u64).read_until(b'\n', &mut line);
        if read.with_context(|| format!("cannot read the access log {}", file.display()))? == 0 {
            break;
        }
        log.lines += 1;
        match std::str::from_utf8(&line).map_or(Verdict::Odd, judge_line) {
            Verdict::Request(logged) => log.take(&logged, &mut names),
            Verdict::Other => log.others += 1,
            Verdict::Crawler => log.crawlers += 1,
            Verdict::Odd => {
                log.odd += 1;
                log.first_odd.get_or_insert(log.lines);
            }
        }
    }
    anyhow::ensure!(
        !log.requests.is_empty(),
        "{} holds no GET request answered with 200 in the combined format: of its {} lines, {} are not of that format, {} are crawlers', \
         and {} are requests of another kind. Counts over time, such as a CSV file, cannot be replayed",
        file.display(),
        log.lines,
        log.odd,
        log.crawlers,
        log.others
    );
    log.requests.sort_by_key(|request| request.second);
    Ok(log)
}

/// Numbers that names have been given.
#[derive(Debug, Default)]
struct Names {
    clients: BTreeMap<String, u32>,
    paths: BTreeMap<String, u32>,
}

impl Log {
    fn take(&mut self, logged: &Logged<'_>, names: &mut Names) {
        let path = self.place(logged.path, names);
        let known = &mut self.paths[path as usize].1;
        *known = (*known).max(logged.size);
        // A page in the cache of its visitor need not be in the log; what was asked for it still belongs together.
        let referrer = logged.referrer.map(|path| self.place(path, names));
        let count = names.clients.len() as u32;
        let client = *names.clients.entry(logged.client.to_owned()).or_insert(count);
        self.requests.push(Request { client, second: logged.second, path, referrer });
    }

    fn place(&mut self, path: &str, names: &mut Names) -> u32 {
        if let Some(place) = names.paths.get(path) {
            return *place;
        }
        let place = self.paths.len() as u32;
        self.paths.push((path.to_owned(), None));
        names.paths.insert(path.to_owned(), place);
        place
    }
}

/// Reads one line: `HOST IDENT USER [TIME] "GET PATH HTTP/x" STATUS SIZE "REFERER" "AGENT"`, of which the last two may be missing.
#[must_use]
pub fn judge_line(line: &str) -> Verdict<'_> {
    let Some((logged, agent)) = parse(line) else { return Verdict::Odd };
    let is_crawler = || CRAWLERS.iter().any(|word| agent.to_ascii_lowercase().contains(word));
    match logged {
        None => Verdict::Other,
        Some(_) if is_crawler() => Verdict::Crawler,
        Some(logged) => Verdict::Request(logged),
    }
}

/// The request, if it is one to replay, and the name of the program that made it; `None` when the line is not of the format.
fn parse(line: &str) -> Option<(Option<Logged<'_>>, &str)> {
    let (before, rest) = line.split_once('[')?;
    let client = before.split_ascii_whitespace().next()?;
    let (time, rest) = rest.split_once(']')?;
    let second = stamp::second(time)?;
    let (_, rest) = rest.split_once('"')?;
    let (request, rest) = rest.split_once('"')?;
    let mut fields = rest.split_ascii_whitespace();
    let (status, size) = (fields.next()?, fields.next()?);
    status.parse::<u16>().ok()?;
    let size = match size {
        "-" => None,
        size => Some(size.parse::<u64>().ok()?),
    };
    let mut quoted = rest.split('"').skip(1).step_by(2);
    let (referrer, agent) = (quoted.next().and_then(path_of), quoted.next().unwrap_or(""));
    let mut words = request.split(' ');
    let (method, path, version) = (words.next()?, words.next().unwrap_or(""), words.next().unwrap_or(""));
    let plain = method == "GET" && version.starts_with("HTTP/") && words.next().is_none() && is_plain_path(path);
    let size = match (status, size) {
        ("200", Some(size)) => Some(Some(size)),
        ("304", _) => Some(None),
        _ => None,
    };
    let logged = size.filter(|_| plain).map(|size| Logged { client, second, path, size, referrer });
    Some((logged, agent))
}

/// Path and query of an address, without what only the browser sees.
fn path_of(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    Some(path.split('#').next().unwrap_or(path)).filter(|path| is_plain_path(path))
}

/// Paths that a request line can carry as they are.
fn is_plain_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 2_048
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str =
        r#"203.0.113.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif?x=1 HTTP/1.0" 200 2326 "http://example/a?b#c" "Mozilla""#;

    #[test]
    fn a_line_is_read_as_its_server_meant_it() {
        let path = "/apache_pb.gif?x=1";
        let logged = Logged { client: "203.0.113.7", second: 971_211_336, path, size: Some(2_326), referrer: Some("/a?b") };
        assert_eq!(judge_line(LINE), Verdict::Request(logged));
        assert_eq!(judge_line(&LINE.replace("200 2326", "304 -")), Verdict::Request(Logged { size: None, ..logged }));
        let short = &LINE[..LINE.find(" \"http").unwrap()];
        assert_eq!(judge_line(short), Verdict::Request(Logged { referrer: None, ..logged }), "the common format is the combined one, cut");
        for (from, to) in [("GET", "POST"), (" 200 ", " 404 "), ("/apache", "apache"), (" 200 2326", " 200 -"), (" HTTP/1.0", "")] {
            assert_eq!(judge_line(&LINE.replace(from, to)), Verdict::Other, "{to}");
        }
        for (from, to) in [("Oct", "Okt"), ("-0700", "07:00"), (" 200 ", " ok "), ("2326", "many"), ("\"", "'")] {
            assert_eq!(judge_line(&LINE.replace(from, to)), Verdict::Odd, "{to}");
        }
        assert_eq!(judge_line(&LINE.replace("Mozilla", "ExampleBot/1.0")), Verdict::Crawler);
    }

    #[test]
    fn odd_lines_are_counted_and_the_rest_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [LINE.as_bytes(), b"\nfoo\n\xff\xfe\n\n", LINE.replace("GET", "HEAD").as_bytes()].concat()).unwrap();
        let log = read(file.path()).unwrap();
        assert_eq!((log.lines, log.requests.len(), log.others, log.odd, log.first_odd), (5, 1, 1, 3, Some(2)));
    }

    #[test]
    fn a_file_that_is_no_log_is_refused_in_words() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "timestamp,value\n2015-02-26 21:42:53,104\n").unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        assert!(error.contains("of its 2 lines, 2 are not of that format"), "{error}");
    }

    proptest! {
        #[test]
        fn foreign_lines_never_panic(line in ".{0,200}") {
            let _ = judge_line(&line);
        }

        #[test]
        fn altered_lines_never_panic(at in 0..LINE.len(), byte: u8) {
            let mut bytes = LINE.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = judge_line(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn written_lines_are_read_back(day in 1_i64..=28, hour in 0_i64..24, path in "/[a-z0-9/._-]{0,40}", size in 0_u64..1_000_000) {
            prop_assume!(!path.starts_with("//"));
            let line = format!("::1 - - [{day:02}/Feb/2026:{hour:02}:00:09 +0000] \"GET {path} HTTP/1.1\" 200 {size} \"-\" \"-\"");
            let second = 1_769_904_000 + (day - 1) * 86_400 + hour * 3_600 + 9;
            let logged = Logged { client: "::1", second, path: &path, size: Some(size), referrer: None };
            prop_assert_eq!(judge_line(&line), Verdict::Request(logged));
        }
    }
}
