//! Sessions: people come by themselves, look at some pages with pauses between them, and their browsers load what they have not got yet.

use std::collections::BTreeSet;

use super::{content::Content, series::Series};
use crate::{
    dice::Dice,
    fixed::{exponential, log_normal},
};

/// Length of a bin of what visits come to, in milliseconds: the time between two looks at a data plane.
pub const BIN_MS: u64 = 100;

/// Who comes to one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visits {
    /// Of the site and of who comes.
    pub seed: u64,
    /// Pages that the site has.
    pub pages: u32,
    /// Sessions that begin in each minute, on average; not 0.
    pub per_minute: u32,
    /// When the first may come, in milliseconds.
    pub from: u64,
    /// How long sessions begin for, in milliseconds.
    pub span: u64,
}

/// Of those who have seen a page, how many look at another, in a million: three pages in a session on average.
const STAYS: u32 = 667_000;
/// Of sessions, how many begin at the home page, in a million; the others come by a link to a page.
const BEGINS_AT_HOME: u32 = 300_000;
/// Pause between two pages, in milliseconds: half are shorter; in thousandths, how heavy the tail is.
const PAUSE: (u64, u32) = (12_000, 1_200);
/// When assets are asked for after their page, in milliseconds: from and to.
const LOADING: (u64, u64) = (80, 900);
/// Most pages of one session.
const PAGES_MAX: u32 = 50;

impl Visits {
    /// Requests over time, from the beginning to the last that is asked for before `end`.
    pub fn series(&self, end: u64) -> Series {
        let mut dice = Dice::new(self.seed ^ 0x5649_5349_5453);
        let content = Content::drawn(&mut dice, self.pages as usize);
        let mut counts = vec![0; usize::try_from(end.div_ceil(BIN_MS)).unwrap_or_default()];
        let mean = 60_000_000 / u64::from(self.per_minute.max(1));
        // In microseconds: a thousand sessions in a second are a millisecond apart.
        let (mut now, until) = (self.from * 1_000, self.from.saturating_add(self.span).min(end) * 1_000);
        loop {
            now = now.saturating_add(exponential(&mut dice, mean));
            if now >= until {
                return Series { bin_ms: BIN_MS, counts };
            }
            session(&content, &mut dice, now / 1_000, &mut |at| {
                if let Some(bin) = counts.get_mut(usize::try_from(at / BIN_MS).unwrap_or(usize::MAX)) {
                    *bin += 1;
                }
            });
        }
    }
}

/// One session from `at` on; `ask` is told when each request is made.
fn session(content: &Content, dice: &mut Dice, at: u64, ask: &mut impl FnMut(u64)) {
    let (mut at, mut held) = (at, BTreeSet::new());
    let mut page = if dice.happens(BEGINS_AT_HOME) { 0 } else { content.page(dice) };
    for _ in 0..PAGES_MAX {
        ask(at);
        for asset in &content.pages[page].assets {
            if held.insert(*asset) {
                ask(at + dice.between(LOADING.0, LOADING.1));
            }
        }
        if !dice.happens(STAYS) {
            return;
        }
        at = at.saturating_add(log_normal(dice, PAUSE.0, PAUSE.1));
        page = content.page(dice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_come_at_their_rate_and_load_nothing_twice() {
        let content = Content::drawn(&mut Dice::new(1), 40);
        let (mut dice, mut requests, mut pages) = (Dice::new(2), 0_u64, 0_u64);
        for _ in 0..2_000 {
            let mut seen = Vec::new();
            session(&content, &mut dice, 1_000, &mut |at| seen.push(at));
            let most: usize = content.assets.len() + PAGES_MAX as usize;
            assert!(seen.iter().all(|at| *at >= 1_000) && seen.len() <= most && seen[0] == 1_000);
            requests += seen.len() as u64;
            pages += u64::from(seen.len() > 1);
        }
        assert!(pages > 1_900 && (2_000 * 10..2_000 * 40).contains(&requests), "{requests}");
    }

    #[test]
    fn visits_are_a_function_of_their_seed_within_their_time() {
        let visits = Visits { seed: 3, pages: 30, per_minute: 120, from: 10_000, span: 300_000 };
        let series = visits.series(400_000);
        assert_eq!((series.counts.len(), &series), (4_000, &visits.series(400_000)));
        assert!(series.counts[..100].iter().all(|count| *count == 0), "nobody comes before the time");
        let (busy, after) = (series.counts[1_500..3_000].iter().sum::<u64>(), series.counts[3_950..].iter().sum::<u64>());
        // Two sessions a second, of ten to forty requests.
        assert!((150 * 20..150 * 80).contains(&busy) && after < busy / 50, "{busy} {after}");
        assert_ne!(series, Visits { seed: 4, ..visits }.series(400_000));
    }
}
