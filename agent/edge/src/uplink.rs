//! The site's own uplink: a budget of bytes per second, and what visitors want of it.
//!
//! The rule is memoryless on purpose: while the budget lasts a request is served, and when it does not, *this* request is excess.
//! No other state is kept, so that the decision cannot stick when the crowd goes (design 5.2).

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use overspill_governance::{time::Time, units::ByteRate};
use tokio::sync::Notify;

use crate::bucket::{Bucket, Flow};

/// How much budget may be saved up: one page with its assets goes out at once, a crowd is noticed at once.
pub const BURST: Duration = Duration::from_millis(150);
/// Part of a full bucket that passive assets leave alone: pages and redirects cannot be spilled, so they find it filled.
pub const KEPT_FOR_PAGES: Duration = Duration::from_micros(BURST.as_micros() as u64 * 15 / 100);
/// Debt at which an asset that nobody can take is refused: what is served beyond it would come too late to be of use.
pub const SHED_DEBT: Duration = Duration::from_millis(500);
/// Debt at which even pages are refused, later than assets, because a page is what the visitor came for.
pub const SHED_PAGES_DEBT: Duration = Duration::from_millis(1_500);
/// How much of the debt waits on the line itself; the rest waits here, before the answer begins, so that fills and redirects find
/// the line short. Who owns the queue decides who waits (Gettys and Nichols, "Bufferbloat", 2011).
const AHEAD: Duration = Duration::from_millis(50);
/// Answers up to this size never wait: a redirect moves its bytes elsewhere.
const UNPACED_BYTES_MAX: u64 = 1_024;
/// Debt that is a crowd, however short it lasts: several page loads at once, beyond a full bucket.
const PRESSED_DEBT: Duration = Duration::from_millis(100);
/// Debt beyond this is forgiven: two seconds after any excess the site is itself again.
const DEBT_MAX: Duration = Duration::from_millis(2_000);
/// Bytes that every head has beside its fields: the status line, what the server adds (`Date`, `Content-Length`), the empty line.
const HEAD_BYTES_MIN: u64 = 26 + 37 + 24 + 2;

const SLOT: Duration = Duration::from_millis(100);
/// Slots that a window has: pressure ends a second after the last excess.
const WINDOW_SLOTS: u64 = 10;
/// Slots with excess that make pressure: one visitor's page load ends within two.
const PRESSED_SLOTS: usize = 3;

/// The uplink's budget and its use. Shared by all threads without a lock.
#[derive(Debug, Default)]
pub struct Uplink {
    bucket: Bucket,
    /// Bytes per second; 0: no budget.
    budget: AtomicU64,
    sent: AtomicU64,
    turned_away: AtomicU64,
    /// Rung when pressure begins, so that help is called at once.
    alarm: Notify,
    rung: AtomicBool,
    /// Each holds 1 + the number of the last slot of its kind in which there was excess.
    excess: [AtomicU64; WINDOW_SLOTS as usize],
}

impl Uplink {
    /// Makes an uplink; without a budget everything is affordable.
    #[must_use]
    pub fn new(budget: Option<ByteRate>) -> Self {
        let uplink = Self::default();
        uplink.set_budget(budget);
        uplink
    }

    /// Changes the budget. Debt is kept as time, so that it weighs the same under the new rate.
    pub fn set_budget(&self, budget: Option<ByteRate>) {
        self.budget.store(budget.map_or(0, |rate| rate.0), Relaxed);
    }

    /// The budget; 0 when there is none.
    #[must_use]
    pub fn budget(&self) -> ByteRate {
        ByteRate(self.budget.load(Relaxed))
    }

    /// Takes the bytes of a passive asset out of the budget, or tells that they are excess.
    #[must_use]
    pub fn take(&self, bytes: u64, now: Time) -> bool {
        let taken = self.flow().is_none_or(|flow| self.bucket.take(bytes, KEPT_FOR_PAGES, flow, now));
        if taken {
            self.sent.fetch_add(bytes, Relaxed);
        }
        taken
    }

    /// Tells whether [`Uplink::take`] would take them.
    #[must_use]
    pub fn affords(&self, bytes: u64, now: Time) -> bool {
        self.flow().is_none_or(|flow| self.bucket.affords(bytes, KEPT_FOR_PAGES, flow, now))
    }

    /// Counts bytes that are sent whatever the budget says, into bounded debt.
    pub fn charge(&self, bytes: u64, now: Time) {
        self.sent.fetch_add(bytes, Relaxed);
        if let Some(flow) = self.flow() {
            self.bucket.charge(bytes, flow, now);
        }
    }

    /// Counts bytes that a visitor wanted and that this uplink did not carry.
    pub fn turn_away(&self, bytes: u64) {
        self.turned_away.fetch_add(bytes, Relaxed);
    }

    /// How long the budget needs to pay for what was sent beyond it.
    #[must_use]
    pub fn debt(&self, now: Time) -> Duration {
        self.flow().map_or(Duration::ZERO, |_| self.bucket.debt(now))
    }

    /// Remembers, for a second, that something was beyond the budget.
    pub fn note_excess(&self, now: Time) {
        let slot = slot(now);
        self.excess[(slot % WINDOW_SLOTS) as usize].store(slot + 1, Relaxed);
        if !self.rung.load(Relaxed) && self.is_pressed(now) && !self.rung.swap(true, Relaxed) {
            self.alarm.notify_one();
        }
    }

    /// Waits for pressure to begin. One waits at a time.
    pub async fn pressed(&self) {
        self.alarm.notified().await;
    }

    /// How long an answer of `bytes` waits before it begins, so that the line is never handed much more than it carries: as long as
    /// what was charged before it takes. `own` is what was charged for the answer itself.
    #[must_use]
    pub fn pause(&self, bytes: u64, own: u64, now: Time) -> Duration {
        let paced = self.flow().filter(|_| bytes > UNPACED_BYTES_MAX);
        paced.map_or(Duration::ZERO, |flow| {
            let own = Duration::from_nanos(flow.nanos(own));
            self.bucket.debt(now).saturating_sub(own).saturating_sub(AHEAD)
        })
    }

    /// Tells whether the last second held excess in several tenths, or much at once: more than one visitor's page load.
    #[must_use]
    pub fn is_pressed(&self, now: Time) -> bool {
        let slot = slot(now);
        let recent = |seen: &&AtomicU64| seen.load(Relaxed).checked_sub(1).is_some_and(|at| at + WINDOW_SLOTS > slot);
        let slots = self.excess.iter().filter(recent).count();
        let pressed = slots >= PRESSED_SLOTS || (slots > 0 && self.debt(now) >= PRESSED_DEBT);
        if !pressed {
            self.rung.store(false, Relaxed);
        }
        pressed
    }

    /// Bytes sent so far, and bytes wanted so far.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        let sent = self.sent.load(Relaxed);
        (sent, sent.saturating_add(self.turned_away.load(Relaxed)))
    }

    fn flow(&self) -> Option<Flow> {
        let per_second = self.budget.load(Relaxed);
        (per_second > 0).then_some(Flow { per_second, burst: BURST, debt_max: DEBT_MAX })
    }
}

/// Bytes of a response's head on an HTTP/1.1 connection.
#[must_use]
pub fn head_bytes(headers: &HeaderMap) -> u64 {
    let field = |(name, value): (&HeaderName, &HeaderValue)| (name.as_str().len() + value.len() + ": \r\n".len()) as u64;
    HEAD_BYTES_MIN + headers.iter().map(field).sum::<u64>()
}

fn slot(now: Time) -> u64 {
    now.as_micros() / SLOT.as_micros() as u64
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
    use proptest::prelude::*;

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    #[test]
    fn without_a_budget_everything_is_affordable() {
        let uplink = Uplink::new(None);
        assert!((0..100).all(|_| uplink.take(1 << 40, Time::ZERO)));
        assert_eq!(uplink.debt(Time::ZERO), Duration::ZERO);
    }

    #[test]
    fn pages_go_out_when_assets_do_not() {
        let uplink = Uplink::new(Some(ByteRate(1_000_000)));
        while uplink.take(1_000, at(0)) {}
        let (before, _) = uplink.totals();
        assert!((120_000..=130_000).contains(&before), "assets leave the pages' share alone: {before}");
        assert_eq!(uplink.debt(at(0)), Duration::ZERO);
        uplink.charge(100_000, at(0));
        assert!(uplink.debt(at(0)) > Duration::from_millis(70));
        assert!(!uplink.take(1_000, at(0)));
    }

    #[test]
    fn one_page_load_is_no_pressure_a_crowd_is_and_it_ends_by_itself() {
        let uplink = Uplink::new(Some(ByteRate(1)));
        uplink.note_excess(at(10));
        uplink.note_excess(at(120));
        assert!(!uplink.is_pressed(at(130)));
        uplink.note_excess(at(250));
        assert!(uplink.is_pressed(at(250)));
        assert!(uplink.is_pressed(at(990)));
        assert!(!uplink.is_pressed(at(1_000)));
    }

    #[test]
    fn an_answer_waits_for_what_was_charged_before_it_and_a_redirect_for_nothing() {
        let uplink = Uplink::new(Some(ByteRate(1_000_000)));
        uplink.charge(1_150_000, at(0));
        assert_eq!(uplink.pause(1_150_000, 1_150_000, at(0)), Duration::ZERO, "a large answer on an idle line begins at once");
        uplink.charge(10_000, at(0));
        assert_eq!(uplink.pause(10_000, 10_000, at(0)), Duration::from_secs(1) - AHEAD);
        assert_eq!(uplink.pause(50_000, 0, at(0)), Duration::from_millis(1_010) - AHEAD, "what is charged as it streams waits for all");
        assert_eq!(uplink.pause(UNPACED_BYTES_MAX, 0, at(0)), Duration::ZERO);
        assert_eq!(uplink.pause(10_000, 10_000, at(1_000)), Duration::ZERO);
        assert_eq!(Uplink::new(None).pause(10_000, 10_000, at(0)), Duration::ZERO);
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
    fn any_excess_is_pressure_while_much_is_owed() {
        let uplink = Uplink::new(Some(ByteRate(1_000_000)));
        uplink.charge(250_000, at(0));
        assert!(!uplink.is_pressed(at(0)), "one large answer is no excess");
        uplink.note_excess(at(0));
        assert!(uplink.is_pressed(at(0)));
        assert!(!uplink.is_pressed(at(1)), "and it ends with the debt");
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

    proptest! {
        #[test]
        fn sent_never_exceeds_the_budget_by_more_than_burst_and_object(
            asks in prop::collection::vec((0_u64..5_000, 1_u64..50_000), 1..400),
        ) {
            let uplink = Uplink::new(Some(ByteRate(2_500_000)));
            let mut micros = 0;
            for (step, bytes) in asks {
                micros += step;
                let _ = uplink.take(bytes, Time::from_micros(micros));
                let (sent, _) = uplink.totals();
                prop_assert!(sent <= (micros + 150_000) * 5 / 2 + 50_000);
            }
        }
    }
}
