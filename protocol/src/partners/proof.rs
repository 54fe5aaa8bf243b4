//! Whether a partner's host publishes the partner's key: asked at first sight, again after a pause when it failed, and from time to time.

use core::time::Duration;

use overspill_governance::time::Time;

use crate::limits::{PROOF_AGAIN, PROOF_MISSES_MAX, PROOF_RETRY_MAX, PROOF_RETRY_MIN, PROVE_PATIENCE};

/// What is known of one partner's host name. Kept in memory only: a restart asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Not asked, or not seen; to be asked at this time.
    Open {
        /// When.
        at: Time,
        /// Failures in a row.
        failed: u32,
    },
    /// Asked; counts as failed at this time.
    Asked {
        /// When.
        until: Time,
        /// Failures in a row before it.
        failed: u32,
    },
    /// Seen; a name may change hands, so it is asked again at this time.
    Good {
        /// When.
        again: Time,
        /// Failures in a row since it was seen.
        missed: u32,
    },
    /// Seen, and asked again; counts as a failure at this time.
    Again {
        /// When.
        until: Time,
        /// Failures in a row before it.
        missed: u32,
    },
}

impl Proof {
    /// Whether the host is taken for the partner's.
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Good { .. } | Self::Again { .. })
    }

    /// Starts asking if it is time; the caller then asks. `pause` draws the jitter.
    pub(crate) fn starts(&mut self, now: Time, pause: impl FnOnce(Duration) -> Duration) -> bool {
        if let Self::Asked { until, .. } | Self::Again { until, .. } = *self
            && until <= now
        {
            self.answer(false, now, pause);
        }
        let until = now.after(PROVE_PATIENCE);
        *self = match *self {
            Self::Open { at, failed } if at <= now => Self::Asked { until, failed },
            Self::Good { again, missed } if again <= now => Self::Again { until, missed },
            _ => return false,
        };
        true
    }

    /// Takes the answer, if one is awaited. A host that was good may miss a check: it may be in the crowd that it helps with.
    pub(crate) fn answer(&mut self, good: bool, now: Time, pause: impl FnOnce(Duration) -> Duration) {
        *self = match *self {
            Self::Asked { .. } | Self::Again { .. } if good => Self::Good { again: now.after(pause(PROOF_AGAIN)), missed: 0 },
            Self::Asked { failed, .. } => Self::Open { at: now.after(backoff(failed)), failed: failed.saturating_add(1) },
            Self::Again { missed, .. } if missed + 1 < PROOF_MISSES_MAX => {
                Self::Good { again: now.after(PROOF_RETRY_MIN), missed: missed + 1 }
            }
            Self::Again { .. } => Self::Open { at: now.after(PROOF_RETRY_MIN), failed: 1 },
            not_asked => not_asked,
        };
    }

    /// When something is to be done about it.
    pub(crate) fn due(self) -> Time {
        match self {
            Self::Open { at: due, .. }
            | Self::Asked { until: due, .. }
            | Self::Good { again: due, .. }
            | Self::Again { until: due, .. } => due,
        }
    }
}

fn backoff(failed: u32) -> Duration {
    PROOF_RETRY_MIN.saturating_mul(1_u32 << failed.min(10)).min(PROOF_RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks when it is due, and gives the answer; `None` for none.
    fn check(proof: &mut Proof, answer: Option<bool>) -> Time {
        let now = proof.due();
        assert!(proof.starts(now, |pause| pause) && !proof.starts(now, |pause| pause));
        if let Some(good) = answer {
            proof.answer(good, now, |pause| pause);
        }
        now
    }

    #[test]
    fn a_good_host_is_asked_from_time_to_time_and_may_miss_one_check() {
        let mut proof = Proof::Open { at: Time::ZERO, failed: 0 };
        check(&mut proof, Some(true));
        assert_eq!((proof.is_good(), proof.due()), (true, Time::ZERO.after(PROOF_AGAIN)));
        let missed = check(&mut proof, Some(false));
        assert_eq!((proof.is_good(), proof.due()), (true, missed.after(PROOF_RETRY_MIN)));
        check(&mut proof, Some(true));
        check(&mut proof, Some(false));
        check(&mut proof, Some(false));
        assert!(!proof.is_good(), "two in a row are one too many");
        check(&mut proof, Some(true));
        assert!(proof.is_good());
    }

    #[test]
    fn no_answer_is_a_failure_once_its_patience_is_over() {
        let mut proof = Proof::Good { again: Time::ZERO, missed: 0 };
        for _ in 1..PROOF_MISSES_MAX {
            check(&mut proof, None);
            assert!(proof.is_good());
            let late = proof.due();
            assert!(!proof.starts(late, |pause| pause), "it is asked again after a pause");
        }
        check(&mut proof, None);
        assert!(proof.is_good());
        let late = proof.due();
        assert!(!proof.starts(late, |pause| pause) && !proof.is_good());
    }

    #[test]
    fn failures_are_tried_again_after_pauses_that_double() {
        let mut proof = Proof::Open { at: Time::ZERO, failed: 0 };
        let pauses: alloc::vec::Vec<u64> = (0..9)
            .map(|_| {
                let now = check(&mut proof, Some(false));
                proof.due().since(now).as_secs()
            })
            .collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
    }
}
