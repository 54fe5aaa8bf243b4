//! Whether a partner's canonical host publishes the partner's key: asked once, and again after a pause when it failed.

use core::time::Duration;

use overspill_governance::time::Time;

use crate::limits::{PROOF_RETRY_MAX, PROOF_RETRY_MIN, PROVE_PATIENCE};

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
    /// Seen.
    Good,
}

impl Proof {
    /// Starts asking if it is time; the caller then asks.
    pub(crate) fn starts(&mut self, now: Time) -> bool {
        if let Self::Asked { until, .. } = *self
            && until <= now
        {
            self.answer(false, now);
        }
        let Self::Open { at, failed } = *self else { return false };
        if at > now {
            return false;
        }
        *self = Self::Asked { until: now.after(PROVE_PATIENCE), failed };
        true
    }

    /// Takes the answer, if one is awaited.
    pub(crate) fn answer(&mut self, good: bool, now: Time) {
        if let Self::Asked { failed, .. } = *self {
            *self = if good { Self::Good } else { Self::Open { at: now.after(backoff(failed)), failed: failed.saturating_add(1) } };
        }
    }

    /// When something is to be done about it.
    pub(crate) fn due(self) -> Option<Time> {
        match self {
            Self::Open { at, .. } => Some(at),
            Self::Asked { until, .. } => Some(until),
            Self::Good => None,
        }
    }
}

fn backoff(failed: u32) -> Duration {
    PROOF_RETRY_MIN.saturating_mul(1_u32 << failed.min(10)).min(PROOF_RETRY_MAX)
}
