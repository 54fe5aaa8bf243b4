//! Requests over time, in bins of equal length.

/// A series, measured or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Length of a bin, in milliseconds; not 0.
    pub bin_ms: u64,
    /// Requests in each bin, the first first.
    pub counts: Vec<u64>,
}

impl Series {
    /// How long it lasts, in milliseconds.
    pub fn span_ms(&self) -> u64 {
        self.bin_ms.saturating_mul(self.counts.len() as u64)
    }

    /// Requests in each second at a moment, on straight lines between the middles of bins; nothing before and behind.
    pub fn rate_at(&self, millis: u64) -> u32 {
        if millis >= self.span_ms() {
            return 0;
        }
        let half = self.bin_ms / 2;
        // Where the moment stands between the middles of two bins; the first and the last half are level.
        let place = millis.saturating_sub(half);
        let (at, part) = ((place / self.bin_ms) as usize, place % self.bin_ms);
        let count = |at: usize| u128::from(self.counts[at.min(self.counts.len() - 1)]);
        let part = if millis < half { 0 } else { u128::from(part) };
        let sum = count(at) * (u128::from(self.bin_ms) - part) + count(at + 1) * part;
        u32::try_from(sum * 1_000 / u128::from(self.bin_ms) / u128::from(self.bin_ms)).unwrap_or(u32::MAX)
    }

    /// The bin with the most; `None` of nothing.
    pub fn peak(&self) -> Option<usize> {
        // Of equals the first: it is where a crowd comes, not where it goes.
        (0..self.counts.len()).max_by_key(|at| (self.counts[*at], core::cmp::Reverse(*at)))
    }

    /// A part of it, in bins; what lies outside is nothing.
    pub fn window(&self, from: usize, len: usize) -> Self {
        let counts = (from..from.saturating_add(len)).map(|at| self.counts.get(at).copied().unwrap_or_default()).collect();
        Self { bin_ms: self.bin_ms, counts }
    }

    /// The same in fewer bins, each of so many of these; an incomplete last one is left out.
    pub fn coarser(&self, bins: usize) -> Self {
        let bins = bins.max(1);
        let counts =
            self.counts.chunks_exact(bins).map(|chunk| chunk.iter().fold(0, |sum: u64, count| sum.saturating_add(*count))).collect();
        Self { bin_ms: self.bin_ms.saturating_mul(bins as u64), counts }
    }

    /// The same shape in another time and with another peak, in requests a second: a day in ten minutes, the World Cup at a small site.
    pub fn shaped(&self, span_ms: u64, peak: u32) -> Self {
        let bin_ms = (span_ms / (self.counts.len() as u64).max(1)).max(1);
        let most = self.counts.iter().copied().max().unwrap_or_default().max(1);
        let scale = |count: &u64| {
            let scaled = u128::from(*count) * u128::from(peak) * u128::from(bin_ms) / 1_000 / u128::from(most);
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        Self { bin_ms, counts: self.counts.iter().map(scale).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_run_straight_between_the_middles_of_bins() {
        let series = Series { bin_ms: 1_000, counts: vec![10, 30, 0] };
        let seen: Vec<u32> = [0, 499, 500, 1_000, 1_500, 2_000, 2_500, 2_999, 3_000].map(|at| series.rate_at(at)).into();
        assert_eq!(seen, [10, 10, 10, 20, 30, 15, 0, 0, 0]);
        assert_eq!((series.peak(), series.span_ms()), (Some(1), 3_000));
        assert_eq!(series.window(1, 4).counts, [30, 0, 0, 0]);
        assert_eq!(series.coarser(2), Series { bin_ms: 2_000, counts: vec![40] });
        assert_eq!(Series { bin_ms: 1, counts: vec![] }.rate_at(0), 0);
    }

    proptest! {
        #[test]
        fn a_shape_keeps_its_proportions_and_has_its_peak(counts in prop::collection::vec(0_u64..100_000, 1..50), peak in 1_u32..5_000, bin in 1_u64..100) {
            let series = Series { bin_ms: 60_000, counts };
            let shaped = series.shaped(bin * 1_000 * series.counts.len() as u64, peak);
            prop_assert_eq!(shaped.bin_ms, bin * 1_000);
            let most = series.counts.iter().copied().max().unwrap_or_default();
            for (count, scaled) in series.counts.iter().zip(&shaped.counts) {
                prop_assert_eq!(*scaled, (count * u64::from(peak) * bin).checked_div(most).unwrap_or_default());
            }
            prop_assert!((0..shaped.span_ms()).step_by(777).all(|at| shaped.rate_at(at) <= peak));
        }
    }
}
