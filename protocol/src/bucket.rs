//! A token bucket in integers: so many of something in each second, so many at once.

use overspill_governance::time::Time;

/// What is left, in millionths of one token, so that a short pause still fills it exactly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    per_second: u64,
    burst: u64,
    left: u64,
    seen: Time,
}

const WHOLE: u64 = 1_000_000;

impl Bucket {
    /// Makes a full bucket.
    pub(crate) fn new(per_second: u32, burst: u32, now: Time) -> Self {
        let burst = u64::from(burst) * WHOLE;
        Self { per_second: u64::from(per_second), burst, left: burst, seen: now }
    }

    /// Takes one token, or tells that there is none.
    pub(crate) fn takes(&mut self, now: Time) -> bool {
        let micros = now.as_micros().saturating_sub(self.seen.as_micros());
        self.seen = self.seen.max(now);
        self.left = self.left.saturating_add(micros.saturating_mul(self.per_second)).min(self.burst);
        let taken = self.left >= WHOLE;
        if taken {
            self.left -= WHOLE;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_granted_and_then_the_rate() {
        let mut bucket = Bucket::new(10, 3, Time::ZERO);
        assert_eq!((0..5).filter(|_| bucket.takes(Time::ZERO)).count(), 3);
        assert!(!bucket.takes(Time::from_micros(99_999)));
        assert!(bucket.takes(Time::from_micros(100_000)));
        assert_eq!((0..9).filter(|_| bucket.takes(Time::from_micros(10_000_000))).count(), 3);
    }
}
