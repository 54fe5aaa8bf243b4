//! How much of one peer is heard: a bucket of messages and one of bytes, so that one loud peer does not drown the others.

use std::time::Instant;

use super::limits::{HEARD_BYTES_PER_SECOND, HEARD_PER_SECOND};

/// What a peer may still say. Full after a second of silence.
#[derive(Debug)]
pub(super) struct Allowance {
    messages: u64,
    bytes: u64,
    at: Instant,
}

/// Fractions of a message are kept by counting in microseconds of the rate.
const SCALE: u64 = 1_000_000;
const MESSAGES_FULL: u64 = HEARD_PER_SECOND as u64 * SCALE;
const BYTES_FULL: u64 = HEARD_BYTES_PER_SECOND as u64 * SCALE;

impl Allowance {
    /// A full allowance.
    pub(super) fn new(now: Instant) -> Self {
        Self { messages: MESSAGES_FULL, bytes: BYTES_FULL, at: now }
    }

    /// Takes one message of `len` bytes out; `false` when the peer has used its allowance up.
    pub(super) fn admits(&mut self, len: usize, now: Instant) -> bool {
        let passed = u64::try_from(now.saturating_duration_since(self.at).as_micros()).unwrap_or(u64::MAX).min(SCALE);
        self.at = now;
        self.messages = MESSAGES_FULL.min(self.messages + passed * u64::from(HEARD_PER_SECOND));
        self.bytes = BYTES_FULL.min(self.bytes + passed * u64::from(HEARD_BYTES_PER_SECOND));
        let cost = (len as u64).saturating_mul(SCALE);
        if self.messages < SCALE || self.bytes < cost {
            return false;
        }
        self.messages -= SCALE;
        self.bytes -= cost;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_loud_peer_is_heard_at_the_rate_and_no_faster() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        let mut heard = 0_u32;
        for millis in 0..3_000 {
            let now = start + Duration::from_millis(millis);
            heard += u32::from(allowance.admits(10, now)) + u32::from(allowance.admits(10, now));
        }
        assert!((3 * HEARD_PER_SECOND..=4 * HEARD_PER_SECOND).contains(&heard), "{heard} heard in three seconds");
    }

    #[test]
    fn bytes_count_as_well_as_messages() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        let heard = (0..100).filter(|_| allowance.admits(256 * 1024, start)).count();
        assert_eq!(heard, HEARD_BYTES_PER_SECOND as usize / (256 * 1024));
        assert!(allowance.admits(256 * 1024, start + Duration::from_secs(1)), "a second later it is heard again");
    }
}
