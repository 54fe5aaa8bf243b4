//! From a log's requests to visits: a page with what its visitor asked for beside it, or a file on its own.

use std::collections::BTreeMap;

use super::log::{Log, Request};
use crate::demo::{content::Kind, limits};

/// Requests of one visitor that name the page as their `Referer` belong to it within this many seconds. Logs are written when an
/// answer ends, so what belongs to a page may stand before it.
const LOAD_SECONDS: i64 = 60;
/// Others that follow a page of the same visitor belong to it within this many: what a style sheet names has the sheet as `Referer`.
const FOLLOW_SECONDS: i64 = 10;

/// One visit of the log; paths are places in [`Log::paths`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedVisit {
    /// Seconds since 1970.
    pub second: i64,
    /// What was asked for first.
    pub first: u32,
    /// What was asked for with it.
    pub assets: Vec<u32>,
}

/// What a log asks for and a replay over a given line does not, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Requests for objects whose size the log never says.
    pub unsized_requests: u64,
    /// Largest body that is replayed.
    pub largest_bytes: u64,
    /// Objects beyond it, by the bytes that the log asks of them, most first.
    pub too_large: Vec<TooLarge>,
}

/// One object that cannot come in time over the line, even alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    /// Path and query.
    pub path: String,
    /// Of its body.
    pub bytes: u64,
    /// How often the log asks for it.
    pub requests: u64,
}

impl SetAside {
    /// Requests for objects that are too large, and the bytes that they ask for.
    #[must_use]
    pub fn too_large(&self) -> (u64, u64) {
        self.too_large.iter().fold((0, 0), |(requests, bytes), one| (requests + one.requests, bytes + one.requests * one.bytes))
    }
}

/// Groups the requests for objects of at most `largest` bytes into visits, sorted by time; names the others.
#[must_use]
pub fn group(log: &Log, largest: u64) -> (Vec<LoggedVisit>, SetAside) {
    let (kept, aside) = sift(log, largest);
    let is_page = |request: &&Request| kind(&log.paths[request.path as usize].0) == Kind::Page;
    let mut visits: Vec<LoggedVisit> = Vec::new();
    let mut pages: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for page in kept.iter().filter(is_page) {
        pages.entry(page.client).or_default().push(visits.len());
        visits.push(LoggedVisit { second: page.second, first: page.path, assets: Vec::new() });
    }
    for file in kept.iter().filter(|request| !is_page(request)) {
        let own = pages.get(&file.client).map_or(&[][..], Vec::as_slice);
        match belongs(file, own, &visits).filter(|at| visits[*at].assets.len() < limits::ASSETS_PER_VISIT_MAX) {
            Some(page) => visits[page].assets.push(file.path),
            None => visits.push(LoggedVisit { second: file.second, first: file.path, assets: Vec::new() }),
        }
    }
    visits.sort_by_key(|visit| visit.second);
    (visits, aside)
}

/// The visit, among the client's `own`, to whose page a file belongs.
fn belongs(file: &Request, own: &[usize], visits: &[LoggedVisit]) -> Option<usize> {
    let named = own.iter().filter(|at| Some(visits[**at].first) == file.referrer);
    let nearest = named.min_by_key(|at| visits[**at].second.abs_diff(file.second));
    let nearest = nearest.filter(|at| visits[**at].second.abs_diff(file.second) <= LOAD_SECONDS.unsigned_abs());
    let before = || own.iter().rfind(|at| (0..=FOLLOW_SECONDS).contains(&(file.second - visits[**at].second)));
    nearest.or_else(before).copied()
}

fn sift(log: &Log, largest: u64) -> (Vec<Request>, SetAside) {
    let mut aside = SetAside { largest_bytes: largest, ..SetAside::default() };
    let mut too_large: BTreeMap<u32, u64> = BTreeMap::new();
    let fits = |request: &&Request| match log.paths[request.path as usize].1 {
        None => {
            aside.unsized_requests += 1;
            false
        }
        Some(size) if size > largest => {
            *too_large.entry(request.path).or_default() += 1;
            false
        }
        Some(_) => true,
    };
    let kept = log.requests.iter().filter(fits).copied().collect();
    let named = |(path, requests): (u32, u64)| {
        let (path, size) = &log.paths[path as usize];
        TooLarge { path: path.clone(), bytes: size.unwrap_or(0), requests }
    };
    aside.too_large = too_large.into_iter().map(named).collect();
    aside.too_large.sort_by_key(|one| std::cmp::Reverse(one.bytes.saturating_mul(one.requests)));
    (kept, aside)
}

/// What a path costs its site: a name with an ending is a file, unless the ending is that of a page.
#[must_use]
pub fn kind(path: &str) -> Kind {
    const PAGES: [&str; 10] = ["html", "htm", "xhtml", "shtml", "php", "asp", "aspx", "jsp", "cgi", "do"];
    let name = path.split('?').next().unwrap_or(path).rsplit('/').next().unwrap_or("");
    let is_ending = |end: &str| {
        let letters = end.bytes().any(|byte| byte.is_ascii_alphabetic());
        letters && end.len() <= 8 && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match name.rsplit_once('.') {
        Some((_, end)) if is_ending(end) && !PAGES.contains(&end.to_ascii_lowercase().as_str()) => Kind::Asset,
        _ => Kind::Page,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [(&str, Option<u64>); 5] =
        [("/a/", Some(900)), ("/a.css", Some(50)), ("/font.woff", Some(70)), ("/film.mp4", Some(9_000)), ("/gone.png", None)];

    fn log(requests: &[(u32, i64, u32, Option<u32>)]) -> Log {
        let request = |(client, second, path, referrer): &(u32, i64, u32, Option<u32>)| Request {
            client: *client,
            second: *second,
            path: *path,
            referrer: *referrer,
        };
        let paths = PATHS.iter().map(|(path, size)| ((*path).to_owned(), *size)).collect();
        Log { paths, requests: requests.iter().map(request).collect(), ..Log::default() }
    }

    #[test]
    fn files_belong_to_the_page_that_their_visitor_came_for() {
        // Visitor 1 loads the page twice; its style sheet is logged before it, its font after. Visitor 2 comes for the sheet alone.
        let log = log(&[(1, 9, 1, Some(0)), (1, 10, 0, None), (2, 11, 1, Some(0)), (1, 13, 2, Some(1)), (1, 500, 0, None)]);
        let (visits, aside) = group(&log, 1_000);
        let visit = |second, first, assets: &[u32]| LoggedVisit { second, first, assets: assets.to_vec() };
        assert_eq!(visits, vec![visit(10, 0, &[1, 2]), visit(11, 1, &[]), visit(500, 0, &[])]);
        assert_eq!(aside.too_large(), (0, 0));
    }

    #[test]
    fn what_cannot_come_in_time_is_named() {
        let (visits, aside) = group(&log(&[(1, 1, 0, None), (1, 2, 3, Some(0)), (1, 3, 3, Some(0)), (1, 4, 4, None)]), 8_999);
        assert_eq!(visits.len(), 1);
        assert_eq!(aside.too_large, vec![TooLarge { path: "/film.mp4".to_owned(), bytes: 9_000, requests: 2 }]);
        assert_eq!((aside.too_large(), aside.unsized_requests), ((2, 18_000), 1));
        assert_eq!(group(&log(&[(1, 2, 3, None)]), 9_000).0.len(), 1, "at the bound it is replayed");
    }

    #[test]
    fn pages_are_told_from_files() {
        for path in ["/", "/blog/", "/a.html", "/index.php?x=a.png", "/articles/ssh-2.0", "/projects/xdotool/xdotool.xhtml", "/v1.0/x"] {
            assert_eq!(kind(path), Kind::Page, "{path}");
        }
        for path in ["/a.css?v=2", "/misc/sample.log", "/i.PNG", "/robots.txt"] {
            assert_eq!(kind(path), Kind::Asset, "{path}");
        }
    }
}
