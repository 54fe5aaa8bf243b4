//! The monetary crash: helpers have room and will not be asked, because who needs them may owe them no more.
//!
//! A crowd strikes one member in each round, the same members at the same moments under all rules. Limits are small beside what one crowd costs,
//! so that an hour is to them what years are to the limits that are usual.

use std::time::Duration;

use overspill_governance::charter::Charter;

use crate::{
    dice::Dice,
    laboratory::{Measures, measures::measured_in_rounds, spill::Spill},
    scenario::{Crowd, Outcome, Plot},
    story::brisk,
};

/// Whom crowds strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Struck {
    /// All members, each as often as any other.
    Alike,
    /// Half of them four times where the others are struck three times.
    More,
    /// Half of them, and never the others, who only save.
    Half,
}

/// All of them, with their names.
pub const STRUCK: [(&str, Struck); 3] =
    [("all alike", Struck::Alike), ("half of them 4 times for 3", Struck::More), ("half of them alone", Struck::Half)];

/// Rules, by what they change of those that are usual.
pub type Rules = (&'static str, &'static [(&'static str, i64)]);

/// How far a member may owe another where limits are small, in micro-credits: about half of what one crowd costs.
const SMALL: i64 = 10_000;

/// Rules that are tried, the poorest first and those that come along last.
pub const RULES: [Rules; 4] = [
    ("small limits for ever", &[("newcomer_limit", SMALL), ("limit_growth", 0), ("clearing_share", 0)]),
    ("cleared", &[("newcomer_limit", SMALL), ("limit_growth", 0)]),
    ("cleared, and growing", &[("newcomer_limit", SMALL)]),
    ("as by default", &[]),
];

/// How long a round is, in milliseconds.
pub const ROUND: u64 = 30_000;
/// Connections come first.
const FIRST: u64 = 10_000;
/// A crowd: how long it comes, stays, and goes in milliseconds, and its requests in each second.
const CROWD: (u64, u64, u64, u32) = (1_000, 8_000, 1_000, 100);

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Members, two at least.
    pub sites: usize,
    /// Crowds.
    pub rounds: u64,
    /// Whom they strike.
    pub struck: Struck,
    /// All chance.
    pub seed: u64,
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Course {
    /// What became of each crowd.
    pub rounds: Vec<Spill>,
    /// What it came to as a whole; nothing if it ended early.
    pub measures: Option<Measures>,
    /// Promises that were broken, and how much happened.
    pub outcome: Outcome,
}

impl Stage {
    /// The same crowds under any rules.
    pub fn plot(&self, rules: &Rules) -> Plot {
        let mut plot = Plot::quiet(self.seed, self.sites, Duration::from_millis(ROUND * self.rounds));
        plot.charter = charter(rules);
        let (mut dice, (onset, plateau, decay, peak)) = (Dice::new(self.seed ^ 0x6372_6173_6800), CROWD);
        let half = self.sites / 2;
        for round in 0..self.rounds {
            let site = match self.struck {
                Struck::Alike => dice.below(self.sites),
                Struck::More if dice.happens(571_429) => dice.below(half),
                Struck::More => half + dice.below(self.sites - half),
                Struck::Half => dice.below(half),
            };
            plot.crowds.push(Crowd { site, from: FIRST + round * ROUND, onset, plateau, decay, peak });
        }
        plot
    }

    /// Plays it under some rules.
    pub fn play(&self, rules: &Rules) -> Course {
        let (outcome, measures, rounds) = measured_in_rounds(&self.plot(rules), ROUND);
        Course { rounds, measures, outcome }
    }
}

fn charter((_, changed): &Rules) -> Charter {
    changed.iter().try_fold(brisk(), |charter, (name, value)| charter.with(name, *value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rules_can_be_made_and_all_play_the_same_crowds() {
        let stage = Stage { sites: 6, rounds: 300, struck: Struck::More, seed: 4 };
        let plots = RULES.each_ref().map(|rules| stage.plot(rules));
        assert_eq!(plots[3].charter, brisk(), "the last changes nothing");
        assert!(plots[..3].iter().all(|plot| plot.charter.newcomer_limit.0 == SMALL && plot.crowds == plots[3].crowds));
        let often = plots[0].crowds.iter().filter(|crowd| crowd.site < 3).count();
        assert!((150..195).contains(&often), "four of seven: {often}");
        let half = Stage { struck: Struck::Half, ..stage }.plot(&RULES[0]);
        assert!(half.crowds.iter().all(|crowd| crowd.site < 3));
    }
}
