//! Helpers that send most visitors home: they get none for a while, longer each time, until they serve them again.
//!
//! A helper's own visitors come first, so that in a crowd of its own it sends its guests home. Whoever was sent there and back has waited for nothing, and
//! the owner bears them after all.

use alloc::collections::BTreeMap;
use core::time::Duration;

use overspill_governance::{site::SiteId, time::Time};

use crate::limits::{RETURNS_REST, RETURNS_REST_MAX, RETURNS_SENT_MIN, RETURNS_WINDOW};

/// What came home from whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Returns(BTreeMap<SiteId, Watch>);

/// What is known of one helper.
#[derive(Debug, Clone, Copy)]
struct Watch {
    /// Since when the two numbers below are counted.
    since: Time,
    /// When the last came or went.
    last: Time,
    sent: u32,
    back: u32,
    rests_until: Time,
    /// How long it rested last; zero when it served since.
    rest: Duration,
}

impl Returns {
    /// So many more visitors were sent to a helper, and so many more came back from there.
    pub(crate) fn count(&mut self, helper: SiteId, sent: u32, back: u32, now: Time) {
        if sent == 0 && back == 0 {
            return;
        }
        let nothing = Watch { since: now, last: now, sent: 0, back: 0, rests_until: Time::ZERO, rest: Duration::ZERO };
        let watch = self.0.entry(helper).or_insert(nothing);
        if now < watch.rests_until {
            // Those who were under way when it began to rest say nothing new.
            return;
        }
        // What was before a pause, for whatever reason, says nothing of now.
        if watch.since < watch.rests_until || now.since(watch.last) > RETURNS_WINDOW {
            (watch.since, watch.sent, watch.back) = (now, 0, 0);
        }
        watch.last = now;
        (watch.sent, watch.back) = (watch.sent.saturating_add(sent), watch.back.saturating_add(back));
        if now.since(watch.since) < RETURNS_WINDOW || watch.sent < RETURNS_SENT_MIN {
            return;
        }
        // Three of four: a new lease's first visitors may be faster than what they come for.
        if u64::from(watch.back) * 4 >= u64::from(watch.sent) * 3 {
            watch.rest = (watch.rest * 2).clamp(RETURNS_REST, RETURNS_REST_MAX);
            watch.rests_until = now.after(watch.rest);
        } else {
            watch.rest = Duration::ZERO;
        }
        (watch.since, watch.sent, watch.back) = (now, 0, 0);
    }

    /// Whether a helper gets no visitors now, because it sent them home.
    pub(crate) fn rests(&self, helper: &SiteId, now: Time) -> bool {
        self.0.get(helper).is_some_and(|watch| now < watch.rests_until)
    }

    /// Who rests is remembered, and who is known otherwise; nobody else.
    pub(crate) fn forget(&mut self, now: Time, is_known: impl Fn(&SiteId) -> bool) {
        self.0.retain(|helper, watch| now < watch.rests_until || is_known(helper));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELPER: SiteId = SiteId([7; 32]);

    fn at(tenths: u64) -> Time {
        Time::from_micros(1_000_000 + tenths * 100_000)
    }

    /// For how many tenths of a second of a run the helper rested, where it sends home what `back` says of a tenth's visitors while it gets any.
    fn rested(tenths: u64, sent: u32, back: impl Fn(u64) -> u32) -> u64 {
        let mut returns = Returns::default();
        (0..tenths).fold(0, |rested, tenth| {
            let rests = returns.rests(&HELPER, at(tenth));
            let (sent, back) = if rests { (0, 0) } else { (sent, back(tenth)) };
            returns.count(HELPER, sent, back, at(tenth));
            rested + u64::from(rests)
        })
    }

    #[test]
    fn who_sends_all_home_is_tried_now_and_then() {
        let rested = rested(600, 6, |_| 6);
        assert!((500..560).contains(&rested), "of a minute it gets visitors for a second at a time, ever more seldom: {rested}");
    }

    #[test]
    fn who_serves_most_does_not_rest() {
        assert_eq!(rested(600, 6, |_| 4), 0, "two of three came home");
        assert_eq!(rested(600, 6, |tenth| if tenth < 4 { 6 } else { 0 }), 0, "at first it lacked what they came for");
        assert_eq!(rested(600, 0, |_| 0), 0);
    }

    #[test]
    fn few_visitors_say_nothing_soon_and_enough_of_them_do() {
        let mut returns = Returns::default();
        for second in 0..9 {
            returns.count(HELPER, 1, 1, at(10 * second));
            assert!(!returns.rests(&HELPER, at(10 * second)));
        }
        returns.count(HELPER, 1, 1, at(90));
        assert!(returns.rests(&HELPER, at(91)));
        returns.forget(at(91), |_| false);
        assert!(returns.rests(&HELPER, at(91)), "nobody gets visitors sooner by ending its lease");
        returns.forget(at(200), |_| false);
        assert!(returns.0.is_empty());
    }

    #[test]
    fn what_was_before_a_pause_is_not_held_against_it() {
        let mut returns = Returns::default();
        (0..9).for_each(|tenth| returns.count(HELPER, 6, 6, at(tenth)));
        returns.count(HELPER, 6, 0, at(50));
        assert!(!returns.rests(&HELPER, at(50)));
    }

    #[test]
    fn after_a_crowd_of_its_own_it_is_as_any_other_again() {
        let rested = rested(1_000, 6, |tenth| if tenth < 100 { 6 } else { 0 });
        assert!((60..140).contains(&rested), "for ten seconds it sent all home, and rested for little longer than that: {rested}");
    }
}
