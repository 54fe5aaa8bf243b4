//! What a partner is worth: bytes a second that can be reckoned with when they are needed.

use core::time::Duration;

use crate::{limits::DISTANCE_HALVES, together::MILLION};

/// What is known of a member beside what it has to spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// That it is busy when we are, in millionths (one half while nothing is known).
    pub(crate) beside: u64,
    /// Promises to us that it broke, and quarters of an hour in which drawn members saw it serve badly.
    pub(crate) broken: u64,
    /// How long it takes to answer, if that was measured.
    pub(crate) away: Option<Duration>,
}

impl Record {
    /// Of whom nothing is known.
    pub(crate) const BLANK: Self = Self { beside: MILLION / 2, broken: 0, away: None };

    /// Bytes a second of `spare` that can be reckoned with: less the likelier it is struck with us, the more promises it broke, and
    /// the further away it is.
    pub(crate) fn weigh(&self, spare: u64) -> u64 {
        let apart = MILLION.saturating_sub(self.beside);
        let (half, away) = (DISTANCE_HALVES.as_millis(), self.away.unwrap_or_default().as_millis());
        let worth = u128::from(spare) * u128::from(apart) / u128::from(MILLION) * half / (half + away) / u128::from(self.broken + 1);
        u64::try_from(worth).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_part_counts() {
        let blank = Record::BLANK;
        assert_eq!(blank.weigh(1_000), 500);
        assert_eq!(Record { beside: 0, ..blank }.weigh(1_000), 1_000);
        assert_eq!(Record { broken: 1, ..blank }.weigh(1_000), 250);
        assert_eq!(Record { away: Some(DISTANCE_HALVES), ..blank }.weigh(1_000), 250);
    }

    proptest! {
        #[test]
        fn nobody_is_worth_more_than_it_has_to_spare(spare: u64, beside in 0..=MILLION, broken in 0_u64..1_000, away in 0_u64..100_000) {
            let record = Record { beside, broken, away: Some(Duration::from_millis(away)) };
            prop_assert!(record.weigh(spare) <= spare);
            let worse = Record { broken: broken + 1, ..record };
            prop_assert!(worse.weigh(spare) <= record.weigh(spare));
        }
    }
}
