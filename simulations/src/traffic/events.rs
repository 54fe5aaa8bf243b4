//! Crowds that one event sends to several sites: a front page links to one, and to others that wrote of the same.

use crate::{dice::Dice, scenario::Crowd};

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When it happens, in milliseconds.
    pub at: u64,
    /// How likely it strikes each site beside the first, in a million: 0 strikes one alone, a million all.
    pub correlation: u32,
    /// Longest time by which another is struck later than the first, in milliseconds.
    pub lag: u64,
    /// Requests in each second at the peak of the first; others have half of it to all of it.
    pub peak: u32,
}

/// Phases in milliseconds, from and to: how fast crowds come, how long they stay, how slowly they go.
const ONSET: (u64, u64) = (1_000, 10_000);
const PLATEAU: (u64, u64) = (2_000, 20_000);
const DECAY: (u64, u64) = (2_000, 20_000);

impl Event {
    /// The crowds of it, over so many sites, at least one.
    pub fn crowds(&self, dice: &mut Dice, sites: usize) -> Vec<Crowd> {
        let first = dice.below(sites);
        let mut crowds = Vec::new();
        for site in 0..sites {
            if site != first && !dice.happens(self.correlation) {
                continue;
            }
            let (late, peak) = if site == first { (0, self.peak) } else { (dice.between(0, self.lag), self.less(dice)) };
            let phase = |dice: &mut Dice, (from, to)| dice.between(from, to);
            let (onset, plateau, decay) = (phase(dice, ONSET), phase(dice, PLATEAU), phase(dice, DECAY));
            crowds.push(Crowd { site, from: self.at.saturating_add(late), onset, plateau, decay, peak });
        }
        crowds
    }

    fn less(&self, dice: &mut Dice) -> u32 {
        let peak = u64::from(self.peak);
        u32::try_from(dice.between(peak / 2, peak)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_strikes_one_some_or_all() {
        let struck = |correlation| -> usize {
            let event = Event { at: 5_000, correlation, lag: 2_000, peak: 100 };
            let mut dice = Dice::new(1);
            (0..100).map(|_| event.crowds(&mut dice, 11).len()).sum()
        };
        assert_eq!((struck(0), struck(1_000_000)), (100, 1_100));
        assert!(struck(300_000).abs_diff(400) < 50, "{}", struck(300_000));
        let event = Event { at: 5_000, correlation: 1_000_000, lag: 2_000, peak: 100 };
        let crowds = event.crowds(&mut Dice::new(2), 5);
        assert!(crowds.iter().all(|crowd| (5_000..=7_000).contains(&crowd.from) && (50..=100).contains(&crowd.peak)));
        assert_eq!(crowds.iter().filter(|crowd| crowd.from == 5_000 && crowd.peak == 100).count(), 1);
        assert_eq!(event.crowds(&mut Dice::new(3), 1).len(), 1);
    }
}
