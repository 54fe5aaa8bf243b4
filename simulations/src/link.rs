//! What becomes of bytes between two sites: how long they take, how many fit, and how many never arrive or arrive twice.
//!
//! Everything is integers, so that a world is the same on every machine.

use std::{sync::Arc, time::Duration};

use crate::{
    dice::Dice,
    fixed::{FRACTION, NORMAL, exp, thousandths},
};

/// One direction of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// How long each message takes.
    pub latency: Latency,
    /// Messages lost, in a million.
    pub loss: u32,
    /// Messages doubled, in a million.
    pub doubling: u32,
    /// Connections that break with a message, in a million.
    pub breaks: u32,
    /// Bytes in each second; 0: as many as one likes.
    pub bandwidth: u64,
    /// Messages overtake each other; otherwise each waits for the one before it, as in a TCP connection.
    pub reorders: bool,
}

impl Default for Link {
    /// A good link: half a millisecond to five.
    fn default() -> Self {
        Self { latency: Latency::Uniform(500, 5_000), loss: 0, doubling: 0, breaks: 0, bandwidth: 0, reorders: true }
    }
}

/// How long a message takes, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Latency {
    /// Always the same.
    Constant(u32),
    /// Any value from the first to the second, both included.
    Uniform(u32, u32),
    /// By a table of quantiles, evenly apart, with straight lines between them.
    Table(Arc<[u32]>),
}

/// Largest sigma that [`Latency::as_log_normal`] finds: beyond it the tail is longer than a latency may be.
const SIGMA_MAX: u32 = 5_000;

impl Latency {
    /// A log-normal distribution: half of the messages are faster than `median`; `sigma` in thousandths says how heavy the tail is
    /// (500: one in a hundred takes three times the median).
    pub fn log_normal(median: Duration, sigma: u32) -> Self {
        let median = median.as_micros();
        let quantile = |z: &i32| {
            let factor = exp(thousandths(i64::from(*z) * i64::from(sigma) / 1_000));
            u32::try_from((median * factor) >> FRACTION).unwrap_or(u32::MAX)
        };
        Self::Table(NORMAL.iter().map(quantile).collect())
    }

    /// The median in microseconds and the sigma in thousandths, if this is a log-normal distribution.
    pub fn as_log_normal(&self) -> Option<(u32, u32)> {
        let Self::Table(table) = self else { return None };
        if table.len() != NORMAL.len() {
            return None;
        }
        let median = table[NORMAL.len() / 2];
        // The longest latency grows with sigma: it is found by halving.
        let made = |sigma: u32| Self::log_normal(Duration::from_micros(u64::from(median)), sigma);
        let (mut low, mut high) = (0, SIGMA_MAX);
        while low < high {
            let middle = (low + high) / 2;
            let reaches = matches!(&made(middle), Self::Table(made) if made.last() >= table.last());
            (low, high) = if reaches { (low, middle) } else { (middle + 1, high) };
        }
        (made(low) == *self).then_some((median, low))
    }

    /// The distribution of measured samples; `None` for none.
    pub fn measured(samples: &[Duration]) -> Option<Self> {
        let mut micros: Vec<u32> = samples.iter().map(|sample| u32::try_from(sample.as_micros()).unwrap_or(u32::MAX)).collect();
        micros.sort_unstable();
        (!micros.is_empty()).then(|| Self::Table(micros.into()))
    }

    /// How long the next message takes.
    pub fn draw(&self, dice: &mut Dice) -> Duration {
        let micros = match self {
            Self::Constant(micros) => u64::from(*micros),
            Self::Uniform(low, high) => dice.between(u64::from(*low), u64::from(*high).max(u64::from(*low))),
            Self::Table(table) => {
                // A place between two quantiles, in 2^-32 of their distance.
                let place = (u128::from(dice.any()) * (table.len() as u128 - 1)) >> 32;
                let (below, part) = ((place >> 32) as usize, place & 0xffff_ffff);
                let (low, high) = (u128::from(table[below]), u128::from(table[(below + 1).min(table.len() - 1)]));
                u64::try_from(low + (((high - low) * part) >> 32)).unwrap_or(u64::MAX)
            }
        };
        Duration::from_micros(micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(latency: &Latency) -> Vec<u64> {
        let mut dice = Dice::new(7);
        let mut drawn: Vec<u64> = (0..20_001).map(|_| latency.draw(&mut dice).as_micros() as u64).collect();
        drawn.sort_unstable();
        drawn
    }

    #[test]
    fn a_log_normal_link_has_its_median_and_its_tail() {
        let drawn = drawn(&Latency::log_normal(Duration::from_millis(40), 500));
        assert!(drawn[10_000].abs_diff(40_000) < 1_000, "median {}", drawn[10_000]);
        // One standard deviation above the median stands e^0.5 = 1.65 times as much.
        assert!(drawn[16_827].abs_diff(65_949) < 2_000, "84 % {}", drawn[16_827]);
        assert!(drawn[20_000] < 140_000 && drawn[0] > 10_000);
    }

    #[test]
    fn a_log_normal_link_is_known_by_its_table() {
        for (median, sigma) in [(40_000, 500), (10_000, 1), (7, 0), (120_000, 2_500)] {
            let made = Latency::log_normal(Duration::from_micros(median), sigma);
            let (found, sigma) = made.as_log_normal().unwrap();
            assert_eq!((u64::from(found), Latency::log_normal(Duration::from_micros(median), sigma)), (median, made));
        }
        let measured = Latency::measured(&[Duration::from_millis(7); 65]).unwrap();
        assert_eq!(measured.as_log_normal(), Some((7_000, 0)), "which is what all being equal is");
        let odd: Vec<Duration> = (0..65).map(Duration::from_millis).collect();
        assert_eq!(Latency::measured(&odd).unwrap().as_log_normal(), None);
        assert_eq!(Latency::Constant(7).as_log_normal(), None);
    }

    #[test]
    fn measured_samples_are_drawn_within_their_range_and_half_below_their_median() {
        assert_eq!(Latency::measured(&[]), None);
        let samples = [9, 1, 4, 2, 50].map(Duration::from_millis);
        let drawn = drawn(&Latency::measured(&samples).unwrap());
        assert!(drawn[0] >= 1_000 && drawn[20_000] <= 50_000 && drawn[10_000].abs_diff(4_000) < 200);
        let single = Latency::measured(&samples[..1]).unwrap();
        assert_eq!(single.draw(&mut Dice::new(1)), Duration::from_millis(9));
    }

    #[test]
    fn constant_and_uniform_are_what_they_say() {
        assert!(drawn(&Latency::Constant(7)).iter().all(|micros| *micros == 7));
        let drawn = drawn(&Latency::Uniform(10, 19));
        assert_eq!((drawn[0], drawn[20_000]), (10, 19));
    }
}
