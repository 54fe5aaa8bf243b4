//! One line's rate, shared by all connections that cross it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::demo::limits::RELAY_QUEUE;

/// Largest piece that a connection puts into the line's queue at once.
pub(super) const PIECE_MAX: usize = 16 * 1024;
/// Smallest: one Ethernet frame's payload.
const PIECE_MIN: usize = 1_460;
/// Unused time that the line makes up for: hides that waits end on ticks.
const BURST: Duration = Duration::from_millis(20);
/// Waits end on ticks of this length, so that many connections share one wake-up.
const TICK: Duration = Duration::from_millis(5);

/// Whom bytes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Visitors, over HTTP.
    Visitors,
    /// Other agents: fills and talk.
    Peers,
}

/// The rate and the queue of one uplink. Clones share them.
#[derive(Debug, Clone)]
pub struct Uplink(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rate: u64,
    since: Instant,
    line: Mutex<Line>,
    waiting: AtomicUsize,
    to_visitors: AtomicU64,
    to_peers: AtomicU64,
}

/// A line sends one piece after the other; it is told the time.
#[derive(Debug, Default)]
struct Line {
    free_at: Duration,
}

impl Line {
    /// Puts `bytes` behind everything that waits already and tells when the last of them is sent.
    fn reserve(&mut self, bytes: usize, rate: u64, now: Duration) -> Duration {
        let begun = self.free_at.max(now.saturating_sub(BURST));
        self.free_at = begun + Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate);
        self.free_at
    }
}

impl Uplink {
    /// Makes an idle line that carries `rate` bytes in each second.
    #[must_use]
    pub fn new(rate: u64) -> Self {
        let (line, waiting) = (Mutex::default(), AtomicUsize::new(0));
        let inner =
            Inner { rate: rate.max(1), since: Instant::now(), line, waiting, to_visitors: AtomicU64::new(0), to_peers: AtomicU64::new(0) };
        Self(Arc::new(inner))
    }

    /// Bytes in each second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.0.rate
    }

    /// Bytes that have passed so far, by whom they were for.
    #[must_use]
    pub fn sent(&self, traffic: Traffic) -> u64 {
        self.count(traffic).load(Ordering::Relaxed)
    }

    /// How much one connection may put into the queue: all that wait together fill [`RELAY_QUEUE`], and not more, as long as a
    /// frame for each fits.
    pub(super) fn piece(&self) -> usize {
        let queue = (self.0.rate as u128 * RELAY_QUEUE.as_millis() / 1_000) as usize;
        (queue / (self.0.waiting.load(Ordering::Relaxed) + 1)).clamp(PIECE_MIN, PIECE_MAX)
    }

    /// Waits until `bytes` have passed.
    pub(super) async fn pass(&self, bytes: usize, traffic: Traffic) {
        let _waiting = Waiting::enter(&self.0.waiting);
        let passed = {
            let mut line = self.0.line.lock().unwrap_or_else(PoisonError::into_inner);
            line.reserve(bytes, self.0.rate, self.0.since.elapsed())
        };
        if passed > self.0.since.elapsed() {
            let tick = TICK.as_nanos();
            let rounded = Duration::from_nanos_u128(passed.as_nanos().div_ceil(tick) * tick);
            tokio::time::sleep_until((self.0.since + rounded).into()).await;
        }
        self.count(traffic).fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn count(&self, traffic: Traffic) -> &AtomicU64 {
        match traffic {
            Traffic::Visitors => &self.0.to_visitors,
            Traffic::Peers => &self.0.to_peers,
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_line_never_passes_more_than_its_rate_and_a_burst(
            pieces in proptest::collection::vec((1_usize..PIECE_MAX, 0_u64..20_000), 1..200),
            rate in 10_000_u64..10_000_000,
        ) {
            let mut line = Line::default();
            let (mut now, mut bytes) = (Duration::ZERO, 0_u64);
            for (piece, gap) in pieces {
                now += Duration::from_micros(gap);
                let passed = line.reserve(piece, rate, now);
                bytes += piece as u64;
                let most = (passed + BURST).as_secs_f64() * rate as f64 + 200.0;
                prop_assert!(bytes as f64 <= most, "{bytes} bytes by {passed:?}");
            }
        }

        #[test]
        fn a_busy_line_is_never_idle(pieces in proptest::collection::vec(1_usize..PIECE_MAX, 1..200), rate in 10_000_u64..10_000_000) {
            let mut line = Line::default();
            let last = pieces.iter().map(|piece| line.reserve(*piece, rate, Duration::ZERO)).last().unwrap();
            let whole = pieces.iter().sum::<usize>() as f64 / rate as f64;
            prop_assert!((last.as_secs_f64() - whole).abs() < 1e-6);
        }
    }

    #[tokio::test]
    async fn many_connections_share_the_queue_evenly() {
        let uplink = Uplink::new(1_000_000);
        assert_eq!(uplink.piece(), PIECE_MAX);
        let waiting: Vec<_> = (0..100).map(|_| Waiting::enter(&uplink.0.waiting)).collect();
        assert_eq!(uplink.piece(), 250_000 / 101);
        drop(waiting);
        assert_eq!(uplink.piece(), PIECE_MAX);
    }
}
