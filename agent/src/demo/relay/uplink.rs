//! One line's rate, shared by all connections that cross it.
//!
//! The line serves connections in turn, as a Linux machine's own queue does by default (`fq_codel`, RFC 8290): a connection that wants
//! little, such as a lease or a redirect, does not wait behind two hundred that want much. The order is start-time fair queueing
//! (P. Goyal, H. Vin and H. Cheng, 1996): each piece has a virtual start and finish, and the smallest finish goes next.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// Largest piece that a connection puts on the line at once; its next one takes its turn again.
pub(super) const PIECE_MAX: usize = 16 * 1024;
/// Unused time that the line makes up for: hides that waits end on ticks.
const BURST: Duration = Duration::from_millis(20);
/// The line looks at its queue this often.
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
    to_visitors: AtomicU64,
    to_peers: AtomicU64,
}

/// One connection's place in the queues of a line.
#[derive(Debug)]
pub(super) struct Flow {
    uplink: Uplink,
    traffic: Traffic,
    finish: u64,
}

/// A piece that waits for the line.
#[derive(Debug)]
struct Piece {
    start: u64,
    bytes: u64,
    sent: oneshot::Sender<()>,
}

/// Pieces in the order in which they are sent; told the time.
#[derive(Debug, Default)]
struct Line {
    /// When what was sent so far is through.
    free_at: Duration,
    /// Virtual start of the piece sent last.
    virtual_now: u64,
    count: u64,
    order: BinaryHeap<Reverse<(u64, u64)>>,
    pieces: std::collections::BTreeMap<u64, Piece>,
    served: bool,
}

impl Line {
    /// Queues a piece of a connection whose last one finishes at `last`; returns where this one does.
    fn enter(&mut self, last: u64, bytes: u64, now: Duration, sent: oneshot::Sender<()>) -> u64 {
        if self.order.is_empty() {
            self.free_at = self.free_at.max(now.saturating_sub(BURST));
        }
        let start = self.virtual_now.max(last);
        let finish = start.saturating_add(bytes);
        self.count += 1;
        self.order.push(Reverse((finish, self.count)));
        self.pieces.insert(self.count, Piece { start, bytes, sent });
        finish
    }

    /// The next piece that is through by `now`, if the line had the time to send one.
    fn next(&mut self, rate: u64, now: Duration) -> Option<Piece> {
        let Reverse((_, number)) = *self.order.peek()?;
        let bytes = self.pieces.get(&number)?.bytes;
        let through = self.free_at + Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / rate);
        if through > now {
            return None;
        }
        self.order.pop();
        let piece = self.pieces.remove(&number)?;
        self.free_at = through;
        self.virtual_now = self.virtual_now.max(piece.start);
        Some(piece)
    }
}

impl Uplink {
    /// Makes an idle line that carries `rate` bytes in each second.
    #[must_use]
    pub fn new(rate: u64) -> Self {
        let line = Mutex::default();
        let (to_visitors, to_peers) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { rate: rate.max(1), since: Instant::now(), line, to_visitors, to_peers }))
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

    /// A new connection over this line.
    pub(super) fn flow(&self, traffic: Traffic) -> Flow {
        Flow { uplink: self.clone(), traffic, finish: 0 }
    }

    fn count(&self, traffic: Traffic) -> &AtomicU64 {
        match traffic {
            Traffic::Visitors => &self.0.to_visitors,
            Traffic::Peers => &self.0.to_peers,
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is queued, until nothing is.
    async fn serve(self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            {
                let mut line = self.line();
                let now = self.0.since.elapsed();
                while let Some(piece) = line.next(self.0.rate, now) {
                    // A connection that has closed sent its bytes all the same.
                    let _ = piece.sent.send(());
                }
                if line.order.is_empty() {
                    line.served = false;
                    return;
                }
            }
            ticks.tick().await;
        }
    }
}

impl Flow {
    /// Waits until `bytes` have passed.
    pub(super) async fn pass(&mut self, bytes: usize) {
        let (sent, through) = oneshot::channel();
        let idle = {
            let mut line = self.uplink.line();
            self.finish = line.enter(self.finish, bytes as u64, self.uplink.0.since.elapsed(), sent);
            !std::mem::replace(&mut line.served, true)
        };
        if idle {
            tokio::spawn(self.uplink.clone().serve());
        }
        let _ = through.await;
        self.uplink.count(self.traffic).fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_secs(1_000_000);

    fn enter(line: &mut Line, last: u64, bytes: u64) -> u64 {
        line.enter(last, bytes, Duration::ZERO, oneshot::channel().0)
    }

    proptest! {
        #[test]
        fn a_line_passes_its_rate_and_a_burst_at_most_and_is_never_idle_for_long(
            pieces in proptest::collection::vec(1_u64..PIECE_MAX as u64, 1..200),
            rate in 100_000_u64..10_000_000,
        ) {
            let mut line = Line::default();
            for bytes in &pieces {
                enter(&mut line, 0, *bytes);
            }
            let (whole, mut passed, mut now) = (pieces.iter().sum::<u64>(), 0, Duration::ZERO);
            while passed < whole {
                now += TICK;
                while let Some(piece) = line.next(rate, now) {
                    passed += piece.bytes;
                }
                let carried = now.as_secs_f64() * rate as f64;
                prop_assert!(passed as f64 <= carried + BURST.as_secs_f64() * rate as f64, "{passed} bytes by {now:?}");
                prop_assert!(passed == whole || passed as f64 + 2.0 * PIECE_MAX as f64 >= carried, "only {passed} bytes by {now:?}");
            }
        }

        #[test]
        fn who_wants_little_does_not_wait_for_those_who_want_much(crowd in 1_usize..300, small in 1_u64..1_000) {
            let mut line = Line::default();
            for _ in 0..crowd {
                let first = enter(&mut line, 0, PIECE_MAX as u64);
                enter(&mut line, first, PIECE_MAX as u64);
            }
            enter(&mut line, 0, small);
            let first = line.next(1_000_000, LONG).map(|piece| piece.bytes);
            prop_assert_eq!(first, Some(small));
        }

        #[test]
        fn connections_share_the_line_evenly(flows in 2_u64..20, pieces in 1_u64..20) {
            let mut line = Line::default();
            for _ in 0..flows {
                let mut last = 0;
                for _ in 0..pieces {
                    last = enter(&mut line, last, 1_000);
                }
            }
            for round in 0..pieces {
                for _ in 0..flows {
                    prop_assert_eq!(line.next(1_000_000, LONG).map(|piece| piece.start), Some(round * 1_000));
                }
            }
        }
    }
}
