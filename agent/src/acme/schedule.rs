//! When a certificate is to be renewed, and when a failure is tried again. Arithmetic alone: dates come in, dates go out.

use std::time::Duration;

use overspill_governance::time::Date;

use super::limits::{RETRY_PAUSE, RETRY_PAUSE_MAX};

/// What is known of one name's certificate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// Beginning and end of the certificate in use.
    pub valid: Option<(Date, Date)>,
    /// When it came, by our clock, if it came to this process.
    pub came: Option<Date>,
    /// When the authority would like it to be renewed (RFC 9773): the beginning and the end of a window.
    pub window: Option<(Date, Date)>,
    /// Failures in a row, and when the last was.
    pub failed: Option<(u32, Date)>,
    /// A share of 65,536: where within its windows this name falls, so that not all renew at once. Drawn once for each certificate.
    pub lot: u16,
}

impl Standing {
    /// When the authority is to be asked for a certificate.
    pub fn due(&self) -> Date {
        let wanted = match (self.valid, self.window) {
            (None, _) => Date::from_millis(0),
            (Some(_), Some((begin, end))) => begin.after(self.share(end.since(begin))),
            (Some((begin, end)), None) => {
                // A third of the lifetime is left then, or a little more.
                let lifetime = end.since(begin);
                begin.after((lifetime / 3 * 2).saturating_sub(self.share(lifetime / 20)))
            }
        };
        // By a clock that is far off, every certificate would look old as soon as it came.
        let rested = self.came.zip(self.valid).map(|(came, (begin, end))| came.after(end.since(begin) / 3));
        let tried = self.failed.map(|(count, at)| at.after(self.pause(count)));
        wanted.max(rested.unwrap_or_default()).max(tried.unwrap_or_default())
    }

    /// The pause after a number of failures: doubled by each, and a quarter longer at most, by lot.
    fn pause(&self, failures: u32) -> Duration {
        let pause = RETRY_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(RETRY_PAUSE_MAX);
        pause + self.share(pause / 4)
    }

    fn share(&self, of: Duration) -> Duration {
        of / (1 << 16) * u32::from(self.lot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: u64 = 86_400_000;

    fn days(days: u64) -> Date {
        Date::from_millis(days * DAY)
    }

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_time_is_left() {
        let standing = |lot| Standing { valid: Some((days(100), days(190))), lot, ..Standing::default() };
        assert_eq!(standing(0).due(), days(160));
        assert!(standing(u16::MAX).due() > days(155) && standing(u16::MAX).due() < days(156));
        assert_eq!(Standing::default().due(), days(0), "a name without one is due at once");
    }

    #[test]
    fn the_authoritys_window_goes_before_ours() {
        let standing =
            |lot| Standing { valid: Some((days(100), days(190))), window: Some((days(120), days(122))), lot, ..Standing::default() };
        assert_eq!(standing(0).due(), days(120));
        assert_eq!(standing(1 << 15).due(), days(121));
    }

    #[test]
    fn failures_are_tried_again_ever_later_and_not_for_ever_later() {
        let due = |count| Standing { failed: Some((count, days(1))), ..Standing::default() }.due().since(days(1));
        assert_eq!([1, 2, 3, 4].map(due), [5, 10, 20, 40].map(Duration::from_mins));
        assert_eq!([9, 40, u32::MAX].map(due), [Duration::from_hours(12); 3]);
        let early = Standing { valid: Some((days(100), days(190))), failed: Some((1, days(101))), ..Standing::default() };
        assert_eq!(early.due(), days(160), "a failure makes nothing earlier");
    }

    #[test]
    fn a_clock_that_is_far_off_asks_for_no_certificate_after_the_other() {
        let standing = Standing { valid: Some((days(100), days(190))), came: Some(days(400)), ..Standing::default() };
        assert_eq!(standing.due(), days(430));
        let in_time = Standing { came: Some(days(100)), ..standing };
        assert_eq!(in_time.due(), days(160));
    }

    proptest! {
        #[test]
        fn no_dates_panic(begin in any::<u64>(), end in any::<u64>(), other in any::<u64>(), count in any::<u32>(), lot in any::<u16>()) {
            let date = Date::from_millis;
            let window = Some((date(other), date(begin)));
            let _ = Standing { valid: Some((date(begin), date(end))), came: Some(date(other)), window, failed: Some((count, date(other))), lot }.due();
            let _ = Standing { valid: Some((date(begin), date(end))), lot, ..Standing::default() }.due();
        }
    }
}
