//! Whether there is a crowd, and whether the leases held suffice for it.

use overspill_governance::time::Time;

use crate::{
    limits::RELEASE_AFTER,
    observation::{Observation, SiteLoad},
};

/// What the site's own load says. Single requests are the data plane's to judge; this orders and releases leases.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crowd {
    pressed: Option<Time>,
    load: SiteLoad,
}

/// A turn of fortune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The site wants more than it can carry.
    Began,
    /// It has not for a while.
    Ended,
}

impl Crowd {
    /// Takes an observation.
    pub(crate) fn on_observed(&mut self, observation: &Observation, now: Time) -> Option<Change> {
        self.load = observation.site;
        let began = self.load.under_pressure && self.pressed.is_none();
        if self.load.under_pressure {
            self.pressed = Some(now);
        }
        began.then_some(Change::Began)
    }

    /// Ends the crowd when there was no pressure for [`RELEASE_AFTER`].
    pub(crate) fn on_time(&mut self, now: Time) -> Option<Change> {
        self.pressed.take_if(|pressed| now.since(*pressed) >= RELEASE_AFTER).map(|_| Change::Ended)
    }

    /// Whether leases are to be held.
    pub(crate) fn is_on(&self) -> bool {
        self.pressed.is_some()
    }

    /// Whether the site is pressed right now.
    pub(crate) fn is_pressing(&self) -> bool {
        self.load.under_pressure
    }

    /// Body bytes in each second that leases should add up to: half more than what the uplink lacks, because crowds grow.
    /// 0 when no budget is set, so that one round of leases is all that is taken.
    pub(crate) fn wanted_bytes(&self) -> u64 {
        let lacking = self.load.wanted.0.saturating_sub(self.load.budget.0);
        if self.load.budget.0 == 0 { 0 } else { lacking.saturating_add(lacking / 2) }
    }

    /// How much of what the site can carry is wanted, in thousandths.
    pub(crate) fn load_permille(&self) -> u16 {
        let of_uplink = match self.load.budget.0 {
            0 => 0,
            budget => self.load.wanted.0.saturating_mul(1_000) / budget,
        };
        let of_sockets = match u64::from(self.load.connections_max) {
            0 => 0,
            most => u64::from(self.load.connections) * 1_000 / most,
        };
        let busiest = of_uplink.max(of_sockets).max(u64::from(self.load.cpu_permille));
        u16::try_from(busiest).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_crowd_begins_at_once_and_ends_after_a_while_without_pressure() {
        let (mut crowd, mut seen) = (Crowd::default(), Observation::default());
        seen.site.under_pressure = true;
        assert_eq!(crowd.on_observed(&seen, Time::ZERO), Some(Change::Began));
        assert_eq!(crowd.on_observed(&seen, Time::ZERO), None);
        seen.site.under_pressure = false;
        let later = Time::ZERO.after(RELEASE_AFTER - Duration::from_millis(1));
        assert_eq!((crowd.on_observed(&seen, later), crowd.on_time(later), crowd.is_on()), (None, None, true));
        let later = Time::ZERO.after(RELEASE_AFTER);
        assert_eq!((crowd.on_time(later), crowd.on_time(later), crowd.is_on()), (Some(Change::Ended), None, false));
    }
}
