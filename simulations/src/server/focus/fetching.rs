//! Places at the origin: as many as the learned limit, a bounded queue before them, and one fetch for all who want the same.

use std::{collections::BTreeMap, time::Duration};

use overspill_governance::time::Time;
use overspill_protocol::overload::gradient::Work;

use super::{Asked, Focus, Step};
use crate::server::counts::{AGAIN, TRIGGER};

/// As the edge has them by default: who may wait, how long, how long a copy counts as fresh under pressure, and how long as good enough.
const QUEUE_MAX: usize = 256;
const QUEUE_WAIT: Duration = Duration::from_secs(5);
const MICRO_CACHE: Duration = Duration::from_secs(5);
/// And for who fetches link previews, in calm, too.
const PREVIEW_CACHE: Duration = Duration::from_secs(5);
const STALE_MAX: Duration = Duration::from_secs(600);
/// From this limit on a share of the places is kept for those with sessions, of whom there are none here.
const RESERVE_FROM: u32 = 4;

/// What is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A page of which copies are kept.
    Page(usize),
    /// One that is made for one view.
    Own(u64),
    /// A file of a page.
    File(usize, u32),
}

/// One fetch.
#[derive(Debug)]
pub(super) struct Fetch {
    what: What,
    since: Time,
    waiters: Vec<Asked>,
    view: u64,
}

/// All fetches.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) in_flight: u32,
    /// In the order of coming.
    pub(super) waiting: Vec<u64>,
    fetches: BTreeMap<u64, Fetch>,
    flights: BTreeMap<What, u64>,
    next: u64,
}

impl Focus {
    /// Somebody asks for a page.
    pub(super) fn page(&mut self, asked: Asked, now: Time) {
        if asked.tries > 0 {
            self.counts.wanted(asked.source, 1 + self.model.files, asked.born);
        }
        self.queueing.on_wanted(now);
        let pressed = self.is_strained(now);
        if self.is_drowned(now) {
            self.counts.refused(asked.source, asked.born);
            return self.failed(asked, now);
        }
        let what = if asked.own { What::Own(asked.view) } else { What::Page(asked.page) };
        let age = self.pages[asked.page].filter(|_| !asked.own).map(|fetched| now.since(fetched));
        let is_preview = self.model.previews && asked.source % AGAIN == TRIGGER;
        match age {
            Some(age) if is_preview && age <= PREVIEW_CACHE => self.send_page(asked, now),
            Some(age) if pressed && age <= STALE_MAX => {
                if age > MICRO_CACHE {
                    self.refresh(what, asked.view, now);
                }
                self.send_page(asked, now);
            }
            _ => self.fetch(what, Some(asked), now),
        }
    }

    /// A file that is not held.
    pub(super) fn fetch_file(&mut self, asked: Asked, now: Time) {
        self.fetch(What::File(asked.page, asked.file.unwrap_or_default()), Some(asked), now);
    }

    /// Takes a place that nobody else wants: half of them at most.
    fn refresh(&mut self, what: What, view: u64, now: Time) {
        let half = self.places.in_flight + self.kept_free() < (self.gradient.limit() / 2).max(1);
        if half && self.places.waiting.is_empty() && !self.places.flights.contains_key(&what) {
            let fetch = self.prepare(what, None, view, now);
            self.enter(fetch, now);
        }
    }

    fn fetch(&mut self, what: What, asked: Option<Asked>, now: Time) {
        if let Some(fetch) = self.places.flights.get(&what).and_then(|id| self.places.fetches.get_mut(id)) {
            return fetch.waiters.extend(asked);
        }
        let view = asked.map_or(0, |asked| asked.view);
        if self.has_place() && self.places.waiting.is_empty() {
            self.queueing.on_delay(Duration::ZERO, now);
            let fetch = self.prepare(what, asked, view, now);
            self.enter(fetch, now);
        } else if self.places.waiting.len() < QUEUE_MAX {
            let fetch = self.prepare(what, asked, view, now);
            self.places.waiting.push(fetch);
            self.steps.put(now.after(QUEUE_WAIT), Step::GiveUp { fetch });
        } else if let Some(asked) = asked {
            self.counts.refused(asked.source, asked.born);
            self.failed(asked, now);
        }
    }

    fn prepare(&mut self, what: What, asked: Option<Asked>, view: u64, now: Time) -> u64 {
        let id = self.places.next;
        self.places.next += 1;
        self.places.fetches.insert(id, Fetch { what, since: now, waiters: asked.into_iter().collect(), view });
        self.places.flights.insert(what, id);
        id
    }

    fn kept_free(&self) -> u32 {
        let limit = self.gradient.limit();
        if limit >= RESERVE_FROM { limit / 4 } else { 0 }
    }

    fn has_place(&self) -> bool {
        self.places.in_flight + self.kept_free() < self.gradient.limit()
    }

    /// Since when the first waits.
    pub(super) fn oldest(&self) -> Option<Time> {
        self.places.waiting.first().and_then(|id| self.places.fetches.get(id)).map(|fetch| fetch.since)
    }

    fn enter(&mut self, id: u64, now: Time) {
        let Some(fetch) = self.places.fetches.get_mut(&id) else { return };
        fetch.since = now;
        let (what, view) = (fetch.what, fetch.view);
        self.places.in_flight += 1;
        self.counts.fetched_one(match what {
            What::Page(_) => |fetched| &mut fetched.pages,
            What::Own(_) => |fetched| &mut fetched.own,
            What::File(..) => |fetched| &mut fetched.files,
        });
        let micros = match what {
            What::File(..) => self.model.file_service,
            _ => self.model.service.0.draw(&mut self.chance(view, 50), self.model.service.1),
        };
        if let Some(begun) = self.origin.ask(id, micros, now) {
            self.steps.put(begun.done, Step::Done { fetch: begun.request });
        }
    }

    /// A worker is done: the limit learns, the next go in, and all who waited are answered.
    pub(super) fn done(&mut self, id: u64, now: Time) {
        if let Some(begun) = self.origin.next(now) {
            self.steps.put(begun.done, Step::Done { fetch: begun.request });
        }
        let Some(fetch) = self.places.fetches.remove(&id) else { return };
        self.places.flights.remove(&fetch.what);
        let service = now.since(fetch.since);
        let work = if matches!(fetch.what, What::File(..)) { Work::Asset } else { Work::Page };
        let held = self.places.in_flight + self.kept_free();
        self.gradient.on_answer(work, service, held);
        if work == Work::Page {
            self.queueing.on_service(service, now);
        }
        self.places.in_flight -= 1;
        self.let_in(now);
        match fetch.what {
            What::Page(page) => self.pages[page] = Some(now),
            What::File(page, file) => self.files[page] |= 1 << file,
            What::Own(_) => {}
        }
        for asked in fetch.waiters {
            match fetch.what {
                What::File(..) => self.send_file(asked, now),
                _ => self.send_page(asked, now),
            }
        }
    }

    /// Lets in whoever may go: what most people wait for, of that who came first.
    fn let_in(&mut self, now: Time) {
        while self.has_place() && !self.places.waiting.is_empty() {
            let visitors = |id: &u64| self.places.fetches.get(id).map_or(0, |fetch| fetch.waiters.len());
            let best = (0..self.places.waiting.len()).rev().max_by_key(|at| visitors(&self.places.waiting[*at])).unwrap_or_default();
            let oldest = self.oldest().unwrap_or(now);
            let id = self.places.waiting.remove(best);
            self.queueing.on_delay(now.since(oldest), now);
            self.enter(id, now);
        }
    }

    /// A fetch has waited too long: its visitors are shown a waiting page.
    pub(super) fn give_up(&mut self, id: u64, now: Time) {
        let Some(at) = self.places.waiting.iter().position(|waiting| *waiting == id) else { return };
        self.places.waiting.remove(at);
        let Some(fetch) = self.places.fetches.remove(&id) else { return };
        self.places.flights.remove(&fetch.what);
        for asked in fetch.waiters {
            self.counts.refused(asked.source, asked.born);
            self.failed(asked, now);
        }
    }
}
