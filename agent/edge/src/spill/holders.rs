//! Which helpers hold an object, and which are fetching it: whom its next visitor is sent to.
//!
//! A helper that lacks an object fetches it over the owner's line, which a crowd fills. So visitors go to those who hold it, the least
//! busy first; a new helper is asked only when those can take no more, few new ones at a time, and few visitors wait for each.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use overspill_governance::{digest::ObjectDigest, time::Time};

use super::{
    book::Page,
    choose::CANDIDATES_MAX,
    limits::{FETCH_NOTICE, FETCH_PATIENCE, VISITORS_PER_FETCH},
};

const _: () = assert!(CANDIDATES_MAX <= u64::BITS as usize, "a page of the book is a bit of a mask");

/// The objects that may be spilled, and who has them. A bit for each page of the book.
#[derive(Debug, Default)]
pub(crate) struct Holders(HashMap<ObjectDigest, Holding>);

/// Of one object. Each field may be read a moment before the others change: then one visitor more or less is sent somewhere.
#[derive(Debug, Default)]
struct Holding {
    /// It stands by there, its last byte was handed out to them, or they were sent visitors for it and did not ask for it.
    held: AtomicU64,
    /// They were sent a visitor for it, and whether they hold it is not known yet.
    asked: AtomicU64,
    /// Those of them that have begun to fetch it.
    fetching: AtomicU64,
    /// When the last of those was first sent one, in microseconds.
    asked_at: AtomicU64,
    /// Visitors sent to those since.
    waiting: AtomicU32,
}

/// How a helper stands to an object: the lesser is the better place for a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Holds,
    Fetches,
    Lacks,
}

impl Holders {
    /// For the `pages` of a new book: what stands by, and what `before` knew of the pages that were its.
    pub(crate) fn new(pages: &[Page], (before, pages_before): (&Self, &[Page])) -> Self {
        let mut holders: HashMap<ObjectDigest, Holding> = HashMap::new();
        for (at, page) in pages.iter().enumerate() {
            let was = pages_before.iter().position(|old| old.spill.helper == page.spill.helper);
            let bit = |mask: &AtomicU64| was.is_some_and(|was| mask.load(Relaxed) & (1 << was) != 0);
            for object in &page.spill.manifest.objects {
                let old = before.0.get(&object.digest);
                let holding = holders.entry(object.digest).or_default();
                let holds = page.spill.standby.contains(&object.digest) || old.is_some_and(|old| bit(&old.held));
                *holding.held.get_mut() |= u64::from(holds) << at;
                if let Some(old) = old {
                    *holding.asked.get_mut() |= u64::from(bit(&old.asked)) << at;
                    *holding.fetching.get_mut() |= u64::from(bit(&old.fetching)) << at;
                    *holding.asked_at.get_mut() = old.asked_at.load(Relaxed);
                    *holding.waiting.get_mut() = old.waiting.load(Relaxed);
                }
            }
        }
        Self(holders)
    }

    /// Orders `candidates` for the object's next visitor, and leaves out those that had better not get one now: holders first, those with
    /// the most to spare before the others; then those that fetch it; then those that lack it. Otherwise the order stays as it is.
    pub(crate) fn arrange(&self, digest: &ObjectDigest, candidates: &mut Vec<u16>, spare: impl Fn(u16) -> Duration, now: Time) {
        let Some(holding) = self.0.get(digest) else { return };
        let (held, fetching) = holding.masks(now);
        let may_wait = holding.waiting.load(Relaxed) < VISITORS_PER_FETCH.saturating_mul(fetching.count_ones());
        let may_ask = fetching.count_ones() < held.count_ones().max(1);
        let standing = |at: u16| match 1 << at {
            bit if held & bit != 0 => Some(Standing::Holds),
            bit if fetching & bit != 0 => may_wait.then_some(Standing::Fetches),
            _ => may_ask.then_some(Standing::Lacks),
        };
        let mut ranks = [(Standing::Lacks, Reverse(Duration::ZERO), 0_u16, 0_u16); CANDIDATES_MAX];
        let mut len = 0;
        for (place, at) in candidates.drain(..).take(CANDIDATES_MAX).enumerate() {
            if let Some(standing) = standing(at) {
                let spare = if standing == Standing::Holds { spare(at) } else { Duration::ZERO };
                ranks[len] = (standing, Reverse(spare), place as u16, at);
                len += 1;
            }
        }
        ranks[..len].sort_unstable();
        candidates.extend(ranks[..len].iter().map(|(.., at)| *at));
    }

    /// A visitor is sent to the helper at this page: it holds the object, or asks for it now.
    pub(crate) fn note_sent(&self, digest: &ObjectDigest, at: u16, now: Time) {
        let Some(holding) = self.0.get(digest) else { return };
        let bit = 1 << at;
        if holding.masks(now).0 & bit != 0 {
            return;
        }
        if holding.asked.fetch_or(bit, Relaxed) & bit == 0 {
            holding.asked_at.store(now.as_micros(), Relaxed);
        }
        holding.waiting.fetch_add(1, Relaxed);
    }

    /// The helper at this page asks for the object: it lacks it, whatever we thought.
    pub(crate) fn note_fetching(&self, digest: &ObjectDigest, at: usize, now: Time) {
        let Some(holding) = self.0.get(digest).filter(|_| at < CANDIDATES_MAX) else { return };
        let bit = 1 << at;
        if holding.fetching.fetch_or(bit, Relaxed) & bit == 0 {
            holding.held.fetch_and(!bit, Relaxed);
            holding.asked.fetch_or(bit, Relaxed);
            holding.asked_at.store(now.as_micros(), Relaxed);
        }
    }

    /// The helper at this page was handed the object's last byte.
    pub(crate) fn note_filled(&self, digest: &ObjectDigest, at: usize) {
        let Some(holding) = self.0.get(digest).filter(|_| at < CANDIDATES_MAX) else { return };
        holding.held.fetch_or(1 << at, Relaxed);
        holding.fetching.fetch_and(!(1 << at), Relaxed);
        if holding.asked.fetch_and(!(1 << at), Relaxed) & !(1 << at) == 0 {
            holding.waiting.store(0, Relaxed);
        }
    }
}

impl Holding {
    /// Who holds the object, and who fetches it or may have to. Whoever got a visitor and did not ask for it soon after holds it, as
    /// helpers do that we knew before a restart; a fetch that does not end counts for nothing.
    fn masks(&self, now: Time) -> (u64, u64) {
        let asked = self.asked.load(Relaxed);
        let since = now.since(Time::from_micros(self.asked_at.load(Relaxed)));
        if asked != 0 && since >= FETCH_NOTICE {
            let fetching = self.fetching.load(Relaxed);
            let known = if since >= FETCH_PATIENCE { asked } else { asked & !fetching };
            self.held.fetch_or(known & !fetching, Relaxed);
            self.fetching.fetch_and(!known, Relaxed);
            if self.asked.fetch_and(!known, Relaxed) & !known == 0 {
                self.waiting.store(0, Relaxed);
            }
        }
        let held = self.held.load(Relaxed);
        (held, self.asked.load(Relaxed) & !held)
    }
}

#[cfg(test)]
#[path = "holders_tests.rs"]
mod tests;
