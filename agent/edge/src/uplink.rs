//! The site's own uplink: its [`Line`], and an alarm for those who call for help.

use std::{
    ops::Deref,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use overspill_governance::{time::Time, units::ByteRate};
use overspill_protocol::overload::line::Line;
use tokio::sync::Notify;

/// Bytes that every head has beside its fields: the status line, what the server adds (`Date`, `Content-Length`), the empty line.
const HEAD_BYTES_MIN: u64 = 26 + 37 + 24 + 2;

/// The uplink's budget and its use. Shared by all threads without a lock.
#[derive(Debug, Default)]
pub struct Uplink {
    line: Line,
    /// Rung when pressure begins, so that help is called at once.
    alarm: Notify,
    rung: AtomicBool,
}

impl Uplink {
    /// Makes an uplink; without a budget everything is affordable.
    #[must_use]
    pub fn new(budget: Option<ByteRate>) -> Self {
        Self { line: Line::new(budget), ..Self::default() }
    }

    /// Remembers, for a second, that something was beyond the budget; rings when pressure begins.
    pub fn note_excess(&self, now: Time) {
        self.line.note_excess(now);
        if !self.rung.load(Relaxed) && self.is_pressed(now) && !self.rung.swap(true, Relaxed) {
            self.alarm.notify_one();
        }
    }

    /// Waits for pressure to begin. One waits at a time.
    pub async fn pressed(&self) {
        self.alarm.notified().await;
    }

    /// [`Line::is_pressed`]; once it is not, the next pressure rings again.
    #[must_use]
    pub fn is_pressed(&self, now: Time) -> bool {
        let pressed = self.line.is_pressed(now);
        if !pressed {
            self.rung.store(false, Relaxed);
        }
        pressed
    }
}

/// An uplink is its line; only the alarm is more.
impl Deref for Uplink {
    type Target = Line;

    fn deref(&self) -> &Line {
        &self.line
    }
}

/// Bytes of a response's head on an HTTP/1.1 connection.
#[must_use]
pub fn head_bytes(headers: &HeaderMap) -> u64 {
    let field = |(name, value): (&HeaderName, &HeaderValue)| (name.as_str().len() + value.len() + ": \r\n".len()) as u64;
    HEAD_BYTES_MIN + headers.iter().map(field).sum::<u64>()
}

/// A rate out of a growing total, smoothed over about a second.
#[derive(Debug, Default)]
pub(crate) struct Smoothed {
    total: u64,
    at: Option<Time>,
    per_second: f64,
}

impl Smoothed {
    /// Takes a new reading of the total; returns units per second.
    pub(crate) fn read(&mut self, total: u64, now: Time) -> u64 {
        let Some(at) = self.at else {
            (self.total, self.at) = (total, Some(now));
            return 0;
        };
        let elapsed = now.since(at).as_secs_f64();
        if elapsed >= 0.01 {
            let latest = total.saturating_sub(self.total) as f64 / elapsed;
            self.per_second += (latest - self.per_second) * (1.0 - (-elapsed / 0.5).exp());
            (self.total, self.at) = (total, Some(now));
        }
        self.per_second as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    #[tokio::test]
    async fn the_alarm_rings_once_for_each_crowd() {
        let uplink = Uplink::new(Some(ByteRate(1_000_000)));
        let rings = || uplink.pressed().now_or_never().is_some();
        assert!(!rings());
        uplink.charge(500_000, at(0));
        (0..3).for_each(|_| uplink.note_excess(at(0)));
        assert_eq!((rings(), rings()), (true, false));
        (1..5).for_each(|tenth| uplink.note_excess(at(tenth * 100)));
        assert!(!rings(), "it is the same crowd");
        assert!(!uplink.is_pressed(at(2_000)));
        (20..23).for_each(|tenth| uplink.note_excess(at(tenth * 100)));
        assert!(rings());
    }

    #[test]
    fn a_head_is_charged_as_long_as_it_is_on_the_wire() {
        let response = crate::spill::found(HeaderValue::from_static("http://label.helper.example/a.png?overspill-ticket=AAAA"));
        let wire = "HTTP/1.1 302 Found\r\nlocation: http://label.helper.example/a.png?overspill-ticket=AAAA\r\ncache-control: no-store\r\n\
                    access-control-allow-origin: *\r\ncontent-length: 0\r\ndate: Sun, 22 Nov 2026 02:42:14 GMT\r\n\r\n";
        let charged = head_bytes(response.headers());
        assert!(charged.abs_diff(wire.len() as u64) <= 12, "status lines and lengths differ by a few bytes: {charged}, {}", wire.len());
    }

    #[test]
    fn a_rate_settles_on_what_is_sent_and_falls_when_it_ends() {
        let mut rate = Smoothed::default();
        let last = (0..=30_u64).map(|step| rate.read(step * 1_000, at(step * 100))).last();
        assert!(last.is_some_and(|last| (9_500..=10_000).contains(&last)), "{last:?}");
        let after = (31..=60_u64).map(|step| rate.read(30_000, at(step * 100))).last();
        assert!(after.is_some_and(|after| after < 50), "{after:?}");
    }
}
