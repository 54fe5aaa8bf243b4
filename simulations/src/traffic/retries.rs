//! Those who were refused: some try again after a while, a few times, and then give up. A crowd that is refused is larger a moment later.

use std::collections::VecDeque;

/// How patient visitors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often somebody tries again.
    pub times: u32,
    /// How long after a refusal, in milliseconds.
    pub after: u64,
    /// Of those refused, how many try again, in a million.
    pub share: u32,
}

/// Most tries of one visitor.
pub const TIMES_MAX: u32 = 10;

/// Who will come again to one site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retries {
    /// When, how many, and how often those have tried again by then.
    due: VecDeque<(u64, u32, u32)>,
    /// Who tries at present, by how often they have tried again: none, once, twice.
    trying: Vec<u32>,
}

impl Retries {
    /// So many of those who tried since the last time were refused, of `fresh` and those who came again. Refusals strike all alike, and
    /// who has tried least gets what does not divide.
    pub fn refused(&mut self, now: u64, refused: u32, fresh: u32, patience: Patience) {
        let mut tried = core::mem::take(&mut self.trying);
        if tried.is_empty() {
            tried.push(0);
        }
        tried[0] = tried[0].saturating_add(fresh);
        let all: u64 = tried.iter().map(|count| u64::from(*count)).sum();
        let part = |count: u32| u32::try_from(u64::from(refused) * u64::from(count) / all.max(1)).unwrap_or(u32::MAX);
        let mut parts: Vec<u32> = tried.iter().map(|count| part(*count)).collect();
        parts[0] = parts[0].saturating_add(refused.saturating_sub(parts.iter().sum()));
        for (times, count) in (1..).zip(parts).filter(|(times, _)| *times <= patience.times) {
            let again = u32::try_from(u64::from(count) * u64::from(patience.share) / 1_000_000).unwrap_or(u32::MAX);
            if again > 0 {
                self.due.push_back((now.saturating_add(patience.after), again, times));
            }
        }
    }

    /// How many come again by now.
    pub fn come(&mut self, now: u64) -> u32 {
        self.trying.clear();
        while let Some((_, count, times)) = self.due.front().copied().filter(|(at, ..)| *at <= now) {
            self.due.pop_front();
            let times = times as usize;
            self.trying.resize(self.trying.len().max(times + 1), 0);
            self.trying[times] = self.trying[times].saturating_add(count);
        }
        self.trying.iter().fold(0, |sum: u32, count| sum.saturating_add(*count))
    }

    /// Whether somebody will come again.
    pub fn is_waited_for(&self) -> bool {
        !self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWICE: Patience = Patience { times: 2, after: 3_000, share: 1_000_000 };

    #[test]
    fn who_is_refused_comes_again_and_gives_up_after_the_last_try() {
        let mut retries = Retries::default();
        retries.refused(0, 10, 30, TWICE);
        assert_eq!((retries.come(2_999), retries.come(3_000), retries.come(3_100)), (0, 10, 0));
        retries.refused(3_000, 0, 30, TWICE);
        assert!(!retries.is_waited_for(), "nobody was refused");
        retries.refused(10_000, 10, 10, TWICE);
        assert_eq!(retries.come(13_000), 10);
        retries.refused(13_000, 10, 0, TWICE);
        assert_eq!(retries.come(16_000), 10);
        retries.refused(16_000, 10, 0, TWICE);
        assert!(!retries.is_waited_for(), "they have tried three times");
    }

    proptest! {
        /// Nobody comes out of nothing: each who was refused comes again at most so often.
        #[test]
        fn no_more_come_again_than_were_refused(steps in prop::collection::vec((0_u32..1_000, 0_u32..1_000), 1..60), times in 0..4_u32, share in 0..=1_000_000_u32) {
            let patience = Patience { times, after: 300, share };
            let (mut retries, mut refused, mut came) = (Retries::default(), 0_u64, 0_u64);
            for (step, (fresh, most)) in (0..).zip(&steps) {
                let again = retries.come(step * 100);
                came += u64::from(again);
                let shed = (*most).min(fresh + again);
                refused += u64::from(shed);
                retries.refused(step * 100, shed, *fresh, patience);
            }
            prop_assert!(came <= refused, "{came} {refused}");
            prop_assert!(times > 0 || came == 0);
        }
    }
}
