//! A crowd made of an access log: its objects, sizes, popularity and shape in time, at the rate that a demonstration needs.
//!
//! A small site's log seldom holds a crowd. What is replayed is the stretch that comes nearest to one ([`super::stretch`]), in
//! which each logged visit stands for as many visitors as the demand takes. Its time is compressed; arrivals keep the log's counts second by
//! second of the replay, and within a second, which stands for minutes or hours of the log, they are drawn.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use anyhow::Context as _;

use super::{
    Crowd, Marks, Visit,
    log::Log,
    stretch,
    visits::{self, LoggedVisit, SetAside, kind},
};
use crate::demo::{
    content::{Entry, Kind},
    draw::Draw,
    limits,
    setting::{BUDGET, CALM, RENDERS, UPLINK},
};

/// Different pages of the stretch: in calm the site renders each once, at [`CALM`] of its rate, which takes half a minute.
const PAGES_MAX: usize = 100;
/// The line carries all requests but this share, each alone, within [`QUICK`]; the rest are downloads.
const DOWNLOADS: f64 = 0.02;
/// A tenth of the deadline: with ten at once on the line, each still comes in time.
const QUICK: Duration = Duration::from_millis(200);
/// Lines are sold in these steps: 1 Mbit/s.
const LINE_STEP: u64 = 125_000;
/// Fastest line that is chosen: one machine is to carry all lines of the mesh.
const LINE_MAX: u64 = 4 * UPLINK;
/// Arrivals keep the log's counts in steps of this length.
const SHAPE_STEP: Duration = Duration::from_secs(1);

/// What is asked of a replay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// Relative to the origin's render rate in the built-in crowd; a fifth of it is what the crowd wants of the uplink's budget.
    pub factor: f64,
    /// From onset to end.
    pub length: Duration,
    /// Calm after the end.
    pub tail: Duration,
    /// Bytes per second of each line; chosen by the log's sizes when it is `None`.
    pub line: Option<u64>,
}

/// A crowd and the site that it strikes.
#[derive(Debug, Clone)]
pub struct Replay {
    /// What the site serves, in the order to which the crowd's places refer.
    pub entries: Vec<Entry>,
    /// Who comes when.
    pub crowd: Crowd,
    /// Bytes per second of each line.
    pub line: u64,
    /// What became of the log.
    pub account: Account,
}

/// What became of a log on its way to a crowd.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    /// Lines that were read.
    pub lines: usize,
    /// Requests that can be replayed.
    pub requests: usize,
    /// Lines with requests of another kind or answer.
    pub others: usize,
    /// Lines with requests of crawlers.
    pub crawlers: usize,
    /// Lines that are not of the format.
    pub odd: usize,
    /// Number of the first of these.
    pub first_odd: Option<usize>,
    /// What a replay over this line leaves out.
    pub aside: SetAside,
    /// The stretch that is replayed: its first second since 1970.
    pub from_second: i64,
    /// Its length in seconds.
    pub seconds: i64,
    /// Requests in it.
    pub stretch_requests: u64,
    /// Different objects in it.
    pub objects: usize,
    /// Different pages among them.
    pub pages: usize,
    /// Visitors for each logged visit.
    pub copies: f64,
}

impl Replay {
    /// Makes a crowd of a log; `seed` draws what the log does not tell.
    ///
    /// # Errors
    /// When nothing of the log can be replayed over such a line, or it would be too much.
    pub fn new(log: &Log, demand: &Demand, seed: u64) -> anyhow::Result<Self> {
        let line = demand.line.unwrap_or_else(|| line(log));
        // A visitor who is redirected waits for two crossings: from the owner to the helper, and from there.
        let largest = ((line as f64 * limits::DEADLINE.as_secs_f64() / 2.0) as u64).min(limits::BODY_MAX as u64);
        let (visits, aside) = visits::group(log, largest);
        let wanted = (demand.factor / 5.0 * BUDGET * line as f64 * demand.length.as_secs_f64()) as u64;
        let found = stretch::choose(log, &visits, PAGES_MAX, wanted);
        let visits = &visits[found];
        let first = visits.first().with_context(|| {
            format!("the log asks for nothing of at most {largest} bytes, which a line of {line} bytes/s can carry in time")
        })?;
        let seconds = visits.last().map_or(0, |last| last.second - first.second) + 1;
        let catalogue = Catalogue::new(log, visits);
        let bytes: u64 = visits.iter().map(|visit| catalogue.weight(visit)).sum();
        let copies = (wanted as f64 / bytes.max(1) as f64).max(1.0);
        let stretch_requests = visits.iter().map(|visit| 1 + visit.assets.len() as u64).sum::<u64>();
        anyhow::ensure!(
            stretch_requests as f64 * copies <= limits::REQUESTS_MAX as f64,
            "the log's objects are so small that {:.0} requests would be needed, more than {}: lower --factor or --seconds",
            stretch_requests as f64 * copies,
            limits::REQUESTS_MAX
        );
        let mut draw = Draw::new(seed, "replay");
        let crowd = catalogue.crowd(visits, demand, line, copies, seconds, &mut draw);
        let account = Account {
            lines: log.lines,
            requests: log.requests.len(),
            others: log.others,
            crawlers: log.crawlers,
            odd: log.odd,
            first_odd: log.first_odd,
            aside,
            from_second: first.second,
            seconds,
            stretch_requests,
            objects: catalogue.entries.len(),
            pages: catalogue.entries.iter().filter(|entry| entry.kind == Kind::Page).count(),
            copies,
        };
        Ok(Self { entries: catalogue.entries, crowd, line, account })
    }
}

/// The least line, in whole steps, that carries all but [`DOWNLOADS`] of the log's requests quickly.
fn line(log: &Log) -> u64 {
    let mut sizes: Vec<u64> = log.requests.iter().filter_map(|request| log.paths[request.path as usize].1).collect();
    sizes.sort_unstable();
    let rank = (sizes.len() as f64 * (1.0 - DOWNLOADS)) as usize;
    let size = sizes.get(rank.min(sizes.len().saturating_sub(1))).copied().unwrap_or(0);
    let line = (size as f64 / QUICK.as_secs_f64()) as u64;
    line.next_multiple_of(LINE_STEP).clamp(UPLINK, LINE_MAX)
}

/// The objects of a stretch.
struct Catalogue {
    entries: Vec<Entry>,
    /// From a path of the log to its entry.
    places: BTreeMap<u32, u32>,
}

impl Catalogue {
    fn new(log: &Log, visits: &[LoggedVisit]) -> Self {
        let (mut entries, mut places) = (Vec::new(), BTreeMap::new());
        for path in visits.iter().flat_map(|visit| std::iter::once(visit.first).chain(visit.assets.iter().copied())) {
            places.entry(path).or_insert_with(|| {
                let (path, size) = &log.paths[path as usize];
                // A body of nothing could not be told from another one.
                let size = size.unwrap_or(0).max(1) as usize;
                entries.push(Entry { kind: kind(path), path: path.clone(), size, assets: Vec::new() });
                entries.len() as u32 - 1
            });
        }
        Self { entries, places }
    }

    fn weight(&self, visit: &LoggedVisit) -> u64 {
        let wants = std::iter::once(visit.first).chain(visit.assets.iter().copied());
        wants.filter_map(|path| self.places.get(&path)).map(|place| self.entries[*place as usize].size as u64).sum()
    }

    fn visit(&self, at: Duration, visit: &LoggedVisit) -> Visit {
        let place = |path: &u32| self.places.get(path).copied().unwrap_or(0);
        Visit { at, first: place(&visit.first), assets: visit.assets.iter().map(place).collect() }
    }

    fn crowd(&self, logged: &[LoggedVisit], demand: &Demand, line: u64, copies: f64, seconds: i64, draw: &mut Draw) -> Crowd {
        let (mut visits, onset) = self.calm_before(logged, line, draw);
        let end = onset + demand.length;
        let from = logged.first().map_or(0, |first| first.second);
        for one in logged {
            let count = copies as usize + usize::from(draw.unit() < copies.fract());
            let step = step((one.second - from) as f64 / seconds as f64, demand.length);
            visits.extend((0..count).map(|_| self.visit(onset + step.start + (step.end - step.start).mul_f64(draw.unit()), one)));
        }
        let after = (CALM * RENDERS * demand.tail.as_secs_f64()) as usize;
        for number in 0..after {
            let at = end + Duration::from_secs_f64((number as f64 + 0.3 + 0.4 * draw.unit()) / (CALM * RENDERS));
            visits.push(self.visit(at, &logged[draw.below(logged.len())]));
        }
        visits.sort_by_key(|visit| visit.at);
        Crowd { visits, marks: Marks { onset, plateau: onset, decay: end, end, finish: end + demand.tail } }
    }

    /// Every object is asked for once, as some hours of real calm would have it: each page with what its heaviest visit loads, then what
    /// no page has brought. Returns when the calm is over.
    fn calm_before(&self, logged: &[LoggedVisit], line: u64, draw: &mut Draw) -> (Vec<Visit>, Duration) {
        let mut heaviest: BTreeMap<u32, &LoggedVisit> = BTreeMap::new();
        for visit in logged.iter().filter(|visit| self.is_page(visit)) {
            let best = heaviest.entry(visit.first).or_insert(visit);
            if visit.assets.len() > best.assets.len() {
                *best = visit;
            }
        }
        let mut visits: Vec<Visit> = heaviest.values().map(|visit| self.visit(Duration::ZERO, visit)).collect();
        let pages = visits.len();
        let mut left: Vec<bool> = vec![true; self.entries.len()];
        visits.iter().flat_map(Visit::wants).for_each(|place| left[place as usize] = false);
        let alone = (0_u32..).zip(&left).filter(|(_, left)| **left);
        visits.extend(alone.map(|(first, _)| Visit { at: Duration::ZERO, first, assets: Arc::default() }));
        draw.shuffle(&mut visits);
        let bytes: usize = visits.iter().flat_map(Visit::wants).map(|place| self.entries[place as usize].size).sum();
        let length = (pages as f64 / (CALM * RENDERS)).max(bytes as f64 / (CALM * line as f64)).max(1.0);
        let gap = length / visits.len().max(1) as f64;
        for (number, visit) in visits.iter_mut().enumerate() {
            visit.at = Duration::from_secs_f64((number as f64 + 0.3 + 0.4 * draw.unit()) * gap);
        }
        (visits, Duration::from_secs_f64(length))
    }

    fn is_page(&self, visit: &LoggedVisit) -> bool {
        self.places.get(&visit.first).is_some_and(|place| self.entries[*place as usize].kind == Kind::Page)
    }
}

/// The step of the replay into which a moment of the stretch falls; `share` is from 0 to 1.
fn step(share: f64, length: Duration) -> Range<Duration> {
    let number = (share * length.as_secs_f64() / SHAPE_STEP.as_secs_f64()) as u32;
    SHAPE_STEP * number..(SHAPE_STEP * (number + 1)).min(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::demo::crowd::log::Request;

    const PATHS: [(&str, u64); 6] =
        [("/a/", 9_000), ("/b/", 8_000), ("/a.png", 90_000), ("/b.png", 40_000), ("/theme.css", 12_000), ("/all.zip", 90_000_000)];

    /// A log of `count` visits, one a minute, twice as many in its second half; every other visitor comes for the popular page.
    fn log(count: i64) -> Log {
        let paths = PATHS.iter().map(|(path, size)| ((*path).to_owned(), Some(*size))).collect();
        let mut requests = Vec::new();
        for number in 0..count {
            let second = if number < count / 3 { number * 60 } else { (count / 3 + number) * 30 };
            let page = u32::from(number % 3 == 0);
            let request = |path| Request { client: number as u32, second, path, referrer: Some(page) };
            requests.extend([Request { referrer: None, ..request(page) }, request(page + 2), request(4)]);
        }
        requests.push(Request { client: 0, second: 1, path: 5, referrer: None });
        Log { paths, requests, lines: 3 * count as usize + 1, ..Log::default() }
    }

    fn demand(factor: f64) -> Demand {
        Demand { factor, length: Duration::from_secs(16), tail: Duration::from_secs(4), line: None }
    }

    #[test]
    fn a_log_becomes_a_crowd_that_wants_a_fifth_of_the_factor_of_the_line() {
        let replay = Replay::new(&log(300), &demand(20.0), 1).unwrap();
        assert_eq!(replay.line, UPLINK, "its objects are small");
        let size = |place: u32| replay.entries[place as usize].size as f64;
        let marks = replay.crowd.marks;
        let crowd: Vec<&Visit> = replay.crowd.visits.iter().filter(|visit| (marks.onset..marks.end).contains(&visit.at)).collect();
        let wanted: f64 = crowd.iter().flat_map(|visit| visit.wants()).map(size).sum();
        let ratio = wanted / marks.end.saturating_sub(marks.onset).as_secs_f64() / (UPLINK as f64 * BUDGET);
        assert!((3.8..4.2).contains(&ratio), "{ratio}");
        let at = |path: &str| replay.entries.iter().position(|entry| entry.path == path).unwrap() as u32;
        let share = crowd.iter().filter(|visit| visit.first == at("/a/")).count() as f64 / crowd.len() as f64;
        assert!((0.62..0.71).contains(&share), "the log's own popularity: {share}");
        assert!(crowd.iter().all(|visit| visit.assets.len() == 2), "pages and what belongs to them");
        let half = marks.onset + Duration::from_secs(8);
        let later = crowd.iter().filter(|visit| visit.at >= half).count() as f64 / crowd.len() as f64;
        assert!((0.62..0.71).contains(&later), "the log's own shape, two thirds in the second half: {later}");
    }

    #[test]
    fn nothing_is_left_out_silently() {
        let Replay { account, entries, .. } = Replay::new(&log(300), &demand(5.0), 1).unwrap();
        assert_eq!(account.aside.too_large(), (1, 90_000_000));
        assert_eq!(account.aside.too_large[0].path, "/all.zip");
        assert!(entries.iter().all(|entry| entry.size as u64 <= account.aside.largest_bytes));
        let only = Log { requests: vec![Request { client: 0, second: 0, path: 5, referrer: None }], ..log(0) };
        assert!(Replay::new(&only, &demand(5.0), 1).is_err_and(|error| error.to_string().contains("asks for nothing")));
    }

    #[test]
    fn a_log_of_large_objects_gets_a_faster_line() {
        let mut log = log(90);
        log.paths[2].1 = Some(1_100_000);
        assert_eq!(line(&log), 5_500_000);
        log.paths[2].1 = Some(70_000_000);
        assert_eq!(line(&log), LINE_MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_object_is_seen_in_calm_and_one_seed_makes_one_crowd(seed: u64, count in 1_i64..80, factor in 0.2_f64..30.0) {
            let (log, demand) = (log(count), demand(factor));
            let replay = Replay::new(&log, &demand, seed).unwrap();
            let Crowd { visits, marks } = &replay.crowd;
            prop_assert!(visits.windows(2).all(|pair| pair[0].at <= pair[1].at));
            prop_assert!(visits.last().unwrap().at < marks.finish);
            let mut seen: Vec<u32> = visits.iter().filter(|visit| visit.at < marks.onset).flat_map(Visit::wants).collect();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), replay.entries.len());
            prop_assert_eq!(&replay.crowd, &Replay::new(&log, &demand, seed).unwrap().crowd);
        }
    }
}
