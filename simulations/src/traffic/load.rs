//! One load on one site, as a scenario names it.

use super::{days, series::Series, visits::Visits};

/// What somebody wants of a site, beside its crowds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// Days and weeks around a mean of requests a second; the run begins so many milliseconds into a week.
    Days {
        /// Requests in each second, on average.
        mean: u32,
        /// From Monday at midnight.
        from: u64,
    },
    /// One rate for a while: a crawler at two a second, a flood at five hundred.
    Steady {
        /// Requests in each second.
        rate: u32,
        /// When it begins, in milliseconds.
        from: u64,
        /// How long it lasts.
        span: u64,
    },
    /// Link previews: so many requests, evenly within a short time.
    Previews {
        /// When they begin, in milliseconds.
        from: u64,
        /// How many.
        hits: u32,
        /// Within which time, in milliseconds.
        within: u64,
    },
    /// Sessions of people.
    Visits(Visits),
    /// What was measured, or made elsewhere.
    Series(Series),
}

/// A load that can be asked for its rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// It is as it says.
    Plain(Load),
    /// It was drawn as a whole: requests in each bin.
    Drawn(Series),
}

impl Demand {
    /// A load in a run that lasts so many milliseconds.
    pub fn of(load: &Load, length: u64) -> Self {
        match load {
            Load::Visits(visits) => Self::Drawn(visits.series(length)),
            other => Self::Plain(other.clone()),
        }
    }

    /// Requests in each second at a moment.
    pub fn rate(&self, millis: u64) -> u32 {
        let within = |from: u64, span: u64| millis >= from && millis - from < span;
        match self {
            Self::Plain(Load::Days { mean, from }) => days::rate(*mean, from.saturating_add(millis)),
            Self::Plain(Load::Steady { rate, from, span }) if within(*from, *span) => *rate,
            Self::Plain(Load::Previews { from, hits, within: span }) if within(*from, *span) => {
                u32::try_from(u64::from(*hits) * 1_000 / (*span).max(1)).unwrap_or(u32::MAX)
            }
            Self::Plain(Load::Series(series)) => series.rate_at(millis),
            Self::Drawn(series) => {
                let count =
                    usize::try_from(millis / series.bin_ms).ok().and_then(|bin| series.counts.get(bin)).copied().unwrap_or_default();
                u32::try_from(count * 1_000 / series.bin_ms).unwrap_or(u32::MAX)
            }
            Self::Plain(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_begin_and_end_in_time() {
        let seen = |load: Load| -> Vec<u32> { [0, 999, 1_000, 1_999, 2_000, 60_000].map(|at| Demand::of(&load, 60_000).rate(at)).into() };
        assert_eq!(seen(Load::Steady { rate: 500, from: 1_000, span: 1_000 }), [0, 0, 500, 500, 0, 0]);
        assert_eq!(seen(Load::Previews { from: 1_000, hits: 800, within: 1_000 }), [0, 0, 800, 800, 0, 0]);
        assert_eq!(seen(Load::Series(Series { bin_ms: 1_000, counts: vec![7, 7] })), [7, 7, 7, 7, 0, 0]);
        assert!(seen(Load::Days { mean: 10_000, from: 20 * 3_600_000 }).iter().all(|rate| (15_000..17_000).contains(rate)));
        let visits = Visits { seed: 1, pages: 9, per_minute: 600, from: 0, span: 30_000 };
        let all: u64 = (0..600).map(|bin| u64::from(Demand::of(&Load::Visits(visits), 60_000).rate(bin * 100)) / 10).sum();
        assert_eq!(all, visits.series(60_000).counts.iter().sum::<u64>());
    }
}
