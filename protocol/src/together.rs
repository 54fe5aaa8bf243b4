//! Being struck together: how often partners are busy when we are, measured, and what follows for a crowd.
//!
//! Adverts say how loaded a partner is. Time is cut into windows of ten minutes; in each, a site that was ever heard to be loaded beyond
//! [`BUSY_PERMILLE`] was busy. Counts are kept for each partner and each of the last weeks, and nothing else of anybody's history.
//!
//! **Estimators.** With `n` windows in which we were busy and the partner was heard, `b` of them with the partner busy, it is busy beside us
//! with probability `(b + 1) / (n + 2)` (Laplace's rule: one half while nothing is known). That *all* partners are busy at once, given that
//! we are, is estimated in two ways, and the larger counts: the product over the partners, which assumes that what strikes them beside us strikes
//! each by itself; and the same rule over the windows in which all that were heard were busy, which assumes nothing but is coarse while there
//! are few windows. The first is too hopeful when one event strikes many; the second then grows.

use alloc::collections::BTreeMap;

use overspill_governance::{site::SiteId, time::Date};

use crate::limits::{BUSY_PERMILLE, TOGETHER_WEEKS, TOGETHER_WINDOW};

const WEEK: u64 = 7 * 24 * 3_600 * 1_000;
/// A whole, as estimates count it.
pub const MILLION: u64 = 1_000_000;

/// Windows of one week.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    week: u64,
    /// In which we were busy and they were heard.
    ours: u32,
    /// Of those, in which they were busy.
    both: u32,
}

/// The last weeks.
#[derive(Debug, Clone, Copy, Default)]
struct Weeks([Count; TOGETHER_WEEKS]);

impl Weeks {
    fn add(&mut self, week: u64, both: bool) {
        let place = &mut self.0[(week % TOGETHER_WEEKS as u64) as usize];
        if place.week != week {
            *place = Count { week, ..Count::default() };
        }
        place.ours = place.ours.saturating_add(1);
        place.both = place.both.saturating_add(u32::from(both));
    }

    /// Counts of the weeks that are not too old.
    fn sums(&self, week: u64) -> (u64, u64) {
        let recent = self.0.iter().filter(|count| count.week <= week && week - count.week < TOGETHER_WEEKS as u64);
        recent.fold((0, 0), |(ours, both), count| (ours + u64::from(count.ours), both + u64::from(count.both)))
    }

    fn share(&self, week: u64) -> u64 {
        let (ours, both) = self.sums(week);
        (both + 1) * MILLION / (ours + 2)
    }
}

/// Load histories beside each other. Nothing of it survives a restart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Together {
    /// The window that is open, by its number since the epoch.
    window: u64,
    we: bool,
    /// Who was heard in it, and whether it was busy.
    heard: BTreeMap<SiteId, bool>,
    pairs: BTreeMap<SiteId, Weeks>,
    all: Weeks,
}

/// What is estimated of all partners at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllBusy {
    /// That all partners are busy when we are, in millionths.
    pub millionths: u64,
    /// Windows of the last weeks in which we were busy: of how much the estimate is made.
    pub windows: u64,
}

impl Together {
    /// Our own load at a moment.
    pub(crate) fn on_ours(&mut self, permille: u16, date: Date) {
        self.turn(date);
        self.we |= permille >= BUSY_PERMILLE;
    }

    /// A partner's load, as its advert says.
    pub(crate) fn on_theirs(&mut self, site: SiteId, permille: u16, date: Date) {
        self.turn(date);
        *self.heard.entry(site).or_default() |= permille >= BUSY_PERMILLE;
    }

    /// Forgets who is no partner any more.
    pub(crate) fn retain(&mut self, mut is_partner: impl FnMut(&SiteId) -> bool) {
        self.heard.retain(|site, _| is_partner(site));
        self.pairs.retain(|site, _| is_partner(site));
    }

    /// That a partner is busy when we are, in millionths.
    pub(crate) fn beside(&self, site: &SiteId, date: Date) -> u64 {
        self.pairs.get(site).copied().unwrap_or_default().share(week_of(date))
    }

    /// That all of `partners` are busy when we are.
    pub(crate) fn all_busy<'a>(&self, partners: impl Iterator<Item = &'a SiteId>, date: Date) -> AllBusy {
        let product = partners.fold(MILLION, |product, site| product * self.beside(site, date) / MILLION);
        let windows = self.all.sums(week_of(date)).0;
        // With no window yet the rule says one half of everything, which would tell of nothing.
        let measured = if windows == 0 { 0 } else { self.all.share(week_of(date)) };
        AllBusy { millionths: product.max(measured), windows }
    }

    /// Closes the window that is over, however long ago that was; a calendar that is set back opens no old one.
    fn turn(&mut self, date: Date) {
        let window = date.as_millis() / TOGETHER_WINDOW.as_millis() as u64;
        if window <= self.window {
            return;
        }
        let week = self.window * TOGETHER_WINDOW.as_millis() as u64 / WEEK;
        let heard = core::mem::take(&mut self.heard);
        if core::mem::take(&mut self.we) && !heard.is_empty() {
            self.all.add(week, heard.values().all(|busy| *busy));
            for (site, busy) in heard {
                self.pairs.entry(site).or_default().add(week, busy);
            }
        }
        self.window = window;
    }
}

fn week_of(date: Date) -> u64 {
    date.as_millis() / WEEK
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};
    use core::time::Duration;
    use proptest::prelude::*;

    fn site(at: u8) -> SiteId {
        SiteId([at; 32])
    }

    /// Windows, each with whether we are busy and whether each partner is.
    fn live(windows: &[(bool, Vec<bool>)]) -> (Together, Date) {
        let (mut together, mut date) = (Together::default(), Date::from_millis(WEEK * 2_900));
        for (we, partners) in windows {
            together.on_ours(if *we { 900 } else { 100 }, date);
            for (at, busy) in (1..).zip(partners) {
                together.on_theirs(site(at), if *busy { 900 } else { 100 }, date);
            }
            date = date.after(TOGETHER_WINDOW);
        }
        together.on_ours(0, date);
        (together, date)
    }

    fn all(together: &Together, partners: u8, date: Date) -> u64 {
        let sites: Vec<SiteId> = (1..=partners).map(site).collect();
        together.all_busy(sites.iter(), date).millionths
    }

    #[test]
    fn who_is_struck_with_us_is_told_from_who_is_not() {
        let windows: Vec<_> = (0..200).map(|at| (at % 2 == 0, [at % 2 == 0, at % 4 == 1, at % 4 < 2].to_vec())).collect();
        let (together, date) = live(&windows);
        assert!(together.beside(&site(1), date) > 980_000, "always with us");
        assert!(together.beside(&site(2), date) < 20_000, "busy as well, but never with us");
        assert!((450_000..550_000).contains(&together.beside(&site(3), date)), "now and then");
        assert_eq!(together.beside(&site(9), date), 500_000, "nothing is known");
    }

    #[test]
    fn what_strikes_all_at_once_is_seen_though_each_is_seldom_struck() {
        // In one window of five everybody is struck: by itself each seems to be busy in a fifth.
        let windows: Vec<_> = (0..500).map(|at| (true, [at % 5 == 0; 4].to_vec())).collect();
        let (together, date) = live(&windows);
        assert!((190_000..210_000).contains(&all(&together, 4, date)), "not a fifth to the fourth");
        let apart: Vec<_> = (0..500).map(|at| (true, (0..4).map(|partner| at % 5 == partner).collect())).collect();
        let (together, date) = live(&apart);
        assert!(all(&together, 4, date) < 5_000);
    }

    #[test]
    fn old_weeks_are_forgotten() {
        let (mut together, date) = live(&vec![(true, vec![true]); 50]);
        assert!(together.beside(&site(1), date) > 900_000);
        let later = date.after(Duration::from_millis(WEEK * TOGETHER_WEEKS as u64));
        together.on_ours(0, later);
        assert_eq!(together.beside(&site(1), later), 500_000);
        together.retain(|_| false);
        assert!(together.pairs.is_empty() && together.heard.is_empty());
    }

    proptest! {
        #[test]
        fn estimates_are_probabilities_and_more_partners_are_never_worse(
            windows in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<bool>(), 4..5)), 0..120),
        ) {
            let (together, date) = live(&windows);
            let estimates: Vec<u64> = (1..=4).map(|partners| all(&together, partners, date)).collect();
            prop_assert!(estimates.iter().all(|estimate| *estimate <= MILLION));
            prop_assert!(estimates.is_sorted_by(|fewer, more| fewer >= more));
        }

        #[test]
        fn one_more_window_in_common_is_never_good_news(
            windows in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<bool>(), 3..4)), 1..60),
        ) {
            let estimate = |last: bool| {
                let mut windows = windows.clone();
                windows.push((true, [last; 3].to_vec()));
                let (together, date) = live(&windows);
                (together.beside(&site(1), date), all(&together, 3, date))
            };
            let ((good, all_good), (bad, all_bad)) = (estimate(false), estimate(true));
            prop_assert!(good < bad && all_good <= all_bad);
        }
    }
}
