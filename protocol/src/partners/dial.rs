//! When to dial a partner: at once, then with pauses that double, a little apart from everybody else's.

use core::time::Duration;

use overspill_governance::time::Time;

use crate::limits::{DIAL_BACKOFF_MAX, DIAL_BACKOFF_MIN, DIAL_PATIENCE};

/// The state of reaching one partner.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Dial {
    /// Not before this time.
    NotBefore {
        /// When.
        at: Time,
        /// Failures in a row.
        failed: u32,
    },
    /// Under way.
    UnderWay {
        /// Counts as failed then.
        until: Time,
        /// Failures in a row before it.
        failed: u32,
    },
    /// Connected.
    Done,
}

impl Dial {
    /// When something is to be done about it.
    pub(crate) fn due(self) -> Option<Time> {
        match self {
            Self::NotBefore { at, .. } => Some(at),
            Self::UnderWay { until, .. } => Some(until),
            Self::Done => None,
        }
    }

    /// Counts an attempt whose patience is over as failed; `pause` draws the jitter.
    pub(crate) fn expire(&mut self, now: Time, pause: impl FnOnce(Duration) -> Duration) {
        if matches!(self, Self::UnderWay { until, .. } if *until <= now) {
            let _ = self.fail(now, pause);
        }
    }

    /// Counts the attempt under way, if there is one, as failed, and tells when the next is due; `pause` draws the jitter.
    pub(crate) fn fail(&mut self, now: Time, pause: impl FnOnce(Duration) -> Duration) -> Option<Time> {
        let Self::UnderWay { failed, .. } = *self else { return None };
        let at = now.after(pause(backoff(failed)));
        *self = Self::NotBefore { at, failed: failed.saturating_add(1) };
        Some(at)
    }

    /// Starts an attempt if one is due.
    pub(crate) fn starts(&mut self, now: Time) -> bool {
        let Self::NotBefore { at, failed } = *self else { return false };
        if at > now {
            return false;
        }
        *self = Self::UnderWay { until: now.after(DIAL_PATIENCE), failed };
        true
    }

    /// Whether an attempt is under way.
    pub(crate) fn is_under_way(self) -> bool {
        matches!(self, Self::UnderWay { .. })
    }
}

pub(crate) fn backoff(failed: u32) -> Duration {
    DIAL_BACKOFF_MIN.saturating_mul(1_u32 << failed.min(10)).min(DIAL_BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut now = Time::ZERO;
        let mut dial = Dial::NotBefore { at: now, failed: 0 };
        let mut pauses = alloc::vec::Vec::new();
        for _ in 0..9 {
            assert!(dial.starts(now) && !dial.starts(now));
            now = dial.due().unwrap();
            dial.expire(now, |pause| pause);
            let next = dial.due().unwrap();
            pauses.push(next.since(now).as_millis());
            now = next;
        }
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn a_failure_that_is_told_costs_its_pause_and_no_patience() {
        let start = Time::ZERO;
        let mut dial = Dial::NotBefore { at: start, failed: 0 };
        assert_eq!(dial.fail(start, |pause| pause), None, "nothing was under way");
        assert!(dial.starts(start));
        let again = start.after(DIAL_BACKOFF_MIN);
        assert_eq!(dial.fail(start, |pause| pause), Some(again));
        assert_eq!(dial.fail(start, |pause| pause), None, "one failure is told once");
        assert!(!dial.is_under_way() && !dial.starts(start) && dial.starts(again));
        assert_eq!(dial.fail(again, |pause| pause), Some(again.after(DIAL_BACKOFF_MIN * 2)));
        dial = Dial::Done;
        assert_eq!(dial.fail(again, |pause| pause), None, "the other end was faster");
        assert!(matches!(dial, Dial::Done));
    }
}
