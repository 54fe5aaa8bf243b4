//! A site's line: a budget of bytes per second, and what visitors want of it.
//!
//! The rule is memoryless on purpose: while the budget lasts a request is served, and when it does not, *this* request is excess.
//! No other state is kept, so that the decision cannot stick when the crowd goes (design 5.2).

use core::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use overspill_governance::{time::Time, units::ByteRate};

use super::bucket::{Bucket, Flow};

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

const SLOT: Duration = Duration::from_millis(100);
/// Slots that a window has: pressure ends a second after the last excess.
const WINDOW_SLOTS: u64 = 10;
/// Slots with excess that make pressure: one visitor's page load ends within two.
const PRESSED_SLOTS: usize = 3;

/// A line's budget and its use. Shared by all threads without a lock.
#[derive(Debug, Default)]
pub struct Line {
    bucket: Bucket,
    /// Bytes per second; 0: no budget.
    budget: AtomicU64,
    sent: AtomicU64,
    turned_away: AtomicU64,
    /// Each holds 1 + the number of the last slot of its kind in which there was excess.
    excess: [AtomicU64; WINDOW_SLOTS as usize],
}

impl Line {
    /// Makes a line; without a budget everything is affordable.
    #[must_use]
    pub fn new(budget: Option<ByteRate>) -> Self {
        let line = Self::default();
        line.set_budget(budget);
        line
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

    /// Tells whether [`Line::take`] would take them.
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

    /// Counts bytes that a visitor wanted and that this line did not carry.
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
        let slots = self.slots_with_excess(now);
        slots >= PRESSED_SLOTS || (slots > 0 && self.debt(now) >= PRESSED_DEBT)
    }

    /// Tells whether the last second held excess in several tenths, whatever is owed at this moment.
    #[must_use]
    pub fn is_crowded(&self, now: Time) -> bool {
        self.slots_with_excess(now) >= PRESSED_SLOTS
    }

    fn slots_with_excess(&self, now: Time) -> usize {
        let slot = slot(now);
        let recent = |seen: &&AtomicU64| seen.load(Relaxed).checked_sub(1).is_some_and(|at| at + WINDOW_SLOTS > slot);
        self.excess.iter().filter(recent).count()
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

fn slot(now: Time) -> u64 {
    now.as_micros() / SLOT.as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    #[test]
    fn without_a_budget_everything_is_affordable() {
        let line = Line::new(None);
        assert!((0..100).all(|_| line.take(1 << 40, Time::ZERO)));
        assert_eq!(line.debt(Time::ZERO), Duration::ZERO);
    }

    #[test]
    fn pages_go_out_when_assets_do_not() {
        let line = Line::new(Some(ByteRate(1_000_000)));
        while line.take(1_000, at(0)) {}
        let (before, _) = line.totals();
        assert!((120_000..=130_000).contains(&before), "assets leave the pages' share alone: {before}");
        assert_eq!(line.debt(at(0)), Duration::ZERO);
        line.charge(100_000, at(0));
        assert!(line.debt(at(0)) > Duration::from_millis(70));
        assert!(!line.take(1_000, at(0)));
    }

    #[test]
    fn one_page_load_is_no_pressure_a_crowd_is_and_it_ends_by_itself() {
        let line = Line::new(Some(ByteRate(1)));
        line.note_excess(at(10));
        line.note_excess(at(120));
        assert!(!line.is_pressed(at(130)));
        line.note_excess(at(250));
        assert!(line.is_pressed(at(250)) && line.is_crowded(at(250)));
        assert!(line.is_pressed(at(990)));
        assert!(!line.is_pressed(at(1_000)) && !line.is_crowded(at(1_000)));
    }

    #[test]
    fn an_answer_waits_for_what_was_charged_before_it_and_a_redirect_for_nothing() {
        let line = Line::new(Some(ByteRate(1_000_000)));
        line.charge(1_150_000, at(0));
        assert_eq!(line.pause(1_150_000, 1_150_000, at(0)), Duration::ZERO, "a large answer on an idle line begins at once");
        line.charge(10_000, at(0));
        assert_eq!(line.pause(10_000, 10_000, at(0)), Duration::from_secs(1) - AHEAD);
        assert_eq!(line.pause(50_000, 0, at(0)), Duration::from_millis(1_010) - AHEAD, "what is charged as it streams waits for all");
        assert_eq!(line.pause(UNPACED_BYTES_MAX, 0, at(0)), Duration::ZERO);
        assert_eq!(line.pause(10_000, 10_000, at(1_000)), Duration::ZERO);
        assert_eq!(Line::new(None).pause(10_000, 10_000, at(0)), Duration::ZERO);
    }

    #[test]
    fn any_excess_is_pressure_while_much_is_owed() {
        let line = Line::new(Some(ByteRate(1_000_000)));
        line.charge(250_000, at(0));
        assert!(!line.is_pressed(at(0)), "one large answer is no excess");
        line.note_excess(at(0));
        assert!(line.is_pressed(at(0)));
        assert!(!line.is_pressed(at(1)), "and it ends with the debt");
    }

    proptest! {
        #[test]
        fn sent_never_exceeds_the_budget_by_more_than_burst_and_object(
            asks in prop::collection::vec((0_u64..5_000, 1_u64..50_000), 1..400),
        ) {
            let line = Line::new(Some(ByteRate(2_500_000)));
            let mut micros = 0;
            for (step, bytes) in asks {
                micros += step;
                let _ = line.take(bytes, Time::from_micros(micros));
                let (sent, _) = line.totals();
                prop_assert!(sent <= (micros + 150_000) * 5 / 2 + 50_000);
            }
        }
    }
}
