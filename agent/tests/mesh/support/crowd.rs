//! A crowd: many visitors at once who want assets, follow redirects and check every byte.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::{Site, body_of, get};

/// What the visitors met.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Right bytes, whoever served them.
    pub(crate) right: AtomicU64,
    /// Right bytes, served by a helper.
    pub(crate) helped: AtomicU64,
    /// Wrong bytes with status 200: never.
    pub(crate) wrong: AtomicU64,
    /// Told to come back later.
    pub(crate) shed: AtomicU64,
    /// Everything else: connections refused, torn answers, other statuses.
    pub(crate) failed: AtomicU64,
}

impl Tally {
    pub(crate) fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// A running crowd. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) tally: Arc<Tally>,
    over: Arc<AtomicBool>,
    visitors: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Sends so many visitors, each of whom wants one asset after the other.
    pub(crate) fn on(site: &Site, visitors: usize) -> Self {
        let (tally, over) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let visit = |number: usize| {
            let (tally, over, base) = (tally.clone(), over.clone(), site.canonical());
            thread::spawn(move || {
                let mut at = number;
                while !over.load(Ordering::Relaxed) {
                    at += 1;
                    look(&base, &asset(at % ASSETS), &tally);
                }
            })
        };
        let visitors = (0..visitors).map(visit).collect();
        Self { tally, over, visitors }
    }

    /// Sends the visitors home and says what they met.
    pub(crate) fn ends(mut self) -> Arc<Tally> {
        self.over.store(true, Ordering::Relaxed);
        for visitor in std::mem::take(&mut self.visitors) {
            let _ = visitor.join();
        }
        self.tally.clone()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// How many different assets the crowd wants.
pub(crate) const ASSETS: usize = 12;

/// The path of one of the crowd's assets.
pub(crate) fn asset(number: usize) -> String {
    format!("/asset/{number}-{}.png", 8 + number * 3)
}

/// One visitor wants one asset.
pub(crate) fn look(base: &str, path: &str, tally: &Tally) {
    let count = |counter: &AtomicU64| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    match get(&format!("{base}{path}")) {
        Ok(answer) if answer.status == 200 && answer.body == body_of(path) => {
            count(&tally.right);
            if answer.was_helped() {
                count(&tally.helped);
            }
        }
        Ok(answer) if answer.status == 200 => count(&tally.wrong),
        Ok(answer) if answer.status == 503 => {
            count(&tally.shed);
            // A browser would wait for seconds; the story has no time for that.
            thread::sleep(std::time::Duration::from_millis(100));
        }
        _ => {
            count(&tally.failed);
            thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
