//! How times and sizes spread around their mean: the distributions that a queue may meet.

use crate::{
    dice::Dice,
    fixed::{FRACTION, exp, exponential, thousandths},
};

/// A distribution with a mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// All are alike.
    Constant,
    /// What comes of chance alone.
    Exponential,
    /// Nine in ten take half the mean, one takes eleven times as long as they.
    Bimodal,
    /// Pareto with exponent 1.5, cut at a thousand times the least: few are most of all.
    HeavyTailed,
}

/// All of them, with their names.
pub const SPREADS: [(&str, Spread); 4] = [
    ("constant", Spread::Constant),
    ("exponential", Spread::Exponential),
    ("bimodal", Spread::Bimodal),
    ("heavy-tailed", Spread::HeavyTailed),
];

/// The mean of the heavy-tailed one, in thousandths of its least value: 3 - 2 / sqrt(1000).
const HEAVY_MEAN: u64 = 2_937;
/// Farthest that its tail goes: the natural logarithm of 1000, times its exponent, in millionths.
const HEAVY_LOG_MAX: u64 = 10_361_633;

impl Spread {
    /// Draws one around `mean`; never nought.
    pub fn draw(self, dice: &mut Dice, mean: u64) -> u64 {
        let drawn = match self {
            Self::Constant => mean,
            Self::Exponential => exponential(dice, mean),
            Self::Bimodal if dice.happens(100_000) => mean.saturating_mul(11) / 2,
            Self::Bimodal => mean / 2,
            Self::HeavyTailed => {
                let log = exponential(dice, 1_000_000).min(HEAVY_LOG_MAX) * 2 / 3;
                let times = exp(thousandths(i64::try_from(log).unwrap_or(i64::MAX)) / 1_000);
                u64::try_from((u128::from(mean) * 1_000 * times / u128::from(HEAVY_MEAN)) >> FRACTION).unwrap_or(u64::MAX)
            }
        };
        drawn.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spread_has_its_mean_and_its_tail() {
        // How many of a thousand are above three times the mean, as the formulas have it.
        for ((name, spread), tail) in SPREADS.iter().zip([0, 50, 100, 38]) {
            let mut dice = Dice::new(7);
            let drawn: Vec<u64> = (0..200_000).map(|_| spread.draw(&mut dice, 100_000)).collect();
            let mean = drawn.iter().sum::<u64>() / 200_000;
            assert!(mean.abs_diff(100_000) < 4_000, "{name}: {mean}");
            let long = drawn.iter().filter(|one| **one > 300_000).count() / 200;
            assert!(long.abs_diff(tail) <= 2, "{name}: {long}");
        }
    }
}
