//! Standing: what evidence says of a member, and what follows from it. A ladder with four rungs, each convicted step of which wears off.
//!
//! Each crime costs steps ([`Crime::steps`]), and those of convictions that weigh at the same time add up, as far as they came to light more than a
//! day apart; within a day the gravest counts. Who went on with an old copy of its ledger breaks many lines at once, by one mistake. As many as
//! [`CONVICTIONS_PER_MEMBER`] are no mistake, whenever they came to light.
//!
//! | steps | standing | what members do |
//! |---|---|---|
//! | 0 | good | nothing |
//! | 1 | warned | let it owe no more than the charter's `warned_share` of its limits |
//! | 2 | capped | let it owe no more than `capped_share` |
//! | 3 | quarantined | take no leases of it and give it none; what is owed is still settled |
//! | 4 and more | expelled | hang up on it, until the oldest of its convictions has worn off |

use alloc::vec::Vec;
use core::{fmt, time::Duration};

use crate::{charter::Charter, evidence::Crime, limits::CONVICTIONS_PER_MEMBER, time::Date, units::Credit};

/// What came to light within this time is one offence.
pub const ONE_OFFENCE: Duration = Duration::from_secs(86_400);

/// Where a member stands. Ordered: the later the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Standing {
    /// Nothing weighs on it.
    #[default]
    Good,
    /// It may owe less.
    Warned,
    /// It may owe little.
    Capped,
    /// No leases with it.
    Quarantined,
    /// Nothing with it.
    Expelled,
}

impl Standing {
    /// The standing of a member with these convictions, each with the date on which it came to light, on the date `now`. The second is when that ends
    /// or gets better; `None` for good standing.
    pub fn of(convictions: impl IntoIterator<Item = (Crime, Date)>, now: Date, charter: &Charter) -> (Self, Option<Date>) {
        let term = charter.sanction_term.span();
        // A clock that was set back makes no conviction lighter.
        let mut weighing: Vec<(Date, u8)> =
            convictions.into_iter().filter(|(_, heard)| now < heard.after(term)).map(|(crime, heard)| (heard, crime.steps())).collect();
        weighing.sort_unstable();
        // For each conviction the most steps of a row that ends with it, no two within one offence.
        let mut rows: Vec<u8> = Vec::new();
        for (at, (heard, cost)) in weighing.iter().enumerate() {
            let apart = |before: &usize| heard.since(weighing[*before].0) > ONE_OFFENCE;
            let best = (0..at).filter(apart).filter_map(|before| rows.get(before)).max();
            rows.push(cost.saturating_add(best.copied().unwrap_or(0)));
        }
        let steps = rows.iter().copied().max().unwrap_or(0);
        let standing = match steps {
            _ if rows.len() >= CONVICTIONS_PER_MEMBER => Self::Expelled,
            0 => Self::Good,
            1 => Self::Warned,
            2 => Self::Capped,
            3 => Self::Quarantined,
            _ => Self::Expelled,
        };
        (standing, weighing.first().map(|(heard, _)| heard.after(term)))
    }

    /// Whether leases may be given to it and taken of it.
    #[must_use]
    pub fn may_lease(self) -> bool {
        self < Self::Quarantined
    }

    /// Whether it is talked to.
    #[must_use]
    pub fn is_heard(self) -> bool {
        self < Self::Expelled
    }

    /// How much of a limit it may use.
    pub fn share(self, limit: Credit, charter: &Charter) -> Credit {
        match self {
            Self::Good => limit,
            Self::Warned => charter.warned_share.of(limit),
            Self::Capped => charter.capped_share.of(limit),
            Self::Quarantined | Self::Expelled => Credit::ZERO,
        }
    }

    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warned => "warned",
            Self::Capped => "capped",
            Self::Quarantined => "quarantined",
            Self::Expelled => "expelled",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: u64 = 86_400;

    fn on(seconds: u64) -> Date {
        Date::from_millis(1_795_305_600_000).after(Duration::from_secs(seconds))
    }

    fn standing(convictions: &[(Crime, u64)], now: u64) -> Standing {
        Standing::of(convictions.iter().map(|(crime, heard)| (*crime, on(*heard))), on(now), &Charter::default()).0
    }

    #[test]
    fn the_ladder_is_climbed_step_by_step() {
        let lesser = |days: &[u64]| days.iter().map(|day| (Crime::Equivocation, day * DAY)).collect::<Vec<_>>();
        assert_eq!(standing(&[], 0), Standing::Good);
        assert_eq!(standing(&lesser(&[0]), 0), Standing::Warned);
        assert_eq!(standing(&lesser(&[0, 2]), 2 * DAY), Standing::Capped);
        assert_eq!(standing(&lesser(&[0, 2, 4]), 4 * DAY), Standing::Quarantined);
        assert_eq!(standing(&lesser(&[0, 2, 4, 6, 8]), 8 * DAY), Standing::Expelled);
        assert_eq!(standing(&[(Crime::Fork, 0)], 0), Standing::Capped, "who touches money climbs two steps at once");
    }

    #[test]
    fn what_comes_to_light_within_a_day_is_one_offence_by_its_gravest_part() {
        assert_eq!(standing(&[(Crime::Fork, 0), (Crime::Fork, 5), (Crime::Fork, DAY)], DAY), Standing::Capped);
        assert_eq!(standing(&[(Crime::Equivocation, 0), (Crime::Fork, 5)], DAY), Standing::Capped);
        assert_eq!(standing(&[(Crime::Fork, 0), (Crime::Fork, DAY + 1)], 2 * DAY), Standing::Expelled);
    }

    #[test]
    fn sanctions_end_one_after_the_other() {
        let (charter, crimes) = (Charter::default(), [(Crime::Fork, on(0)), (Crime::Equivocation, on(3 * DAY))]);
        let of = |now| Standing::of(crimes, on(now), &charter);
        assert_eq!(of(3 * DAY), (Standing::Quarantined, Some(on(30 * DAY))));
        assert_eq!(of(30 * DAY), (Standing::Warned, Some(on(33 * DAY))));
        assert_eq!(of(33 * DAY), (Standing::Good, None));
    }

    #[test]
    fn a_worse_standing_lets_less_be_owed() {
        let charter = Charter::default();
        let shares = [Standing::Good, Standing::Warned, Standing::Capped, Standing::Quarantined, Standing::Expelled]
            .map(|standing| standing.share(Credit(1_000), &charter).0);
        assert_eq!(shares, [1_000, 500, 100, 0, 0]);
    }

    proptest! {
        /// Nobody gains by one conviction more, and whoever is convicted of nothing stands well at any time.
        #[test]
        fn more_evidence_never_helps(
            convictions in prop::collection::vec((prop::sample::select(Crime::ALL), 0_u64..100 * DAY), 0..8), now in 0_u64..150 * DAY,
        ) {
            let all = standing(&convictions, now);
            for left_out in 0..convictions.len() {
                let mut fewer = convictions.clone();
                fewer.remove(left_out);
                prop_assert!(standing(&fewer, now) <= all);
            }
            prop_assert_eq!(standing(&[], now), Standing::Good);
        }
    }
}
