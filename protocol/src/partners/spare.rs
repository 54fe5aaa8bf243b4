//! What a site has to spare, smoothed over time, so that one quiet or one busy moment decides nothing.

use overspill_governance::time::Time;

use crate::{advert::Advert, limits::SPARE_SMOOTHING};

/// Bytes a second that a site offers and its own visitors leave, as a mean that forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spare {
    mean: u64,
    at: Time,
}

impl Spare {
    /// The first that is heard.
    pub(crate) fn first(spare: u64, now: Time) -> Self {
        Self { mean: spare, at: now }
    }

    /// Notes what it is now: the longer nothing was heard, the more that weighs.
    pub(crate) fn note(&mut self, spare: u64, now: Time) {
        let (span, smoothing) = (now.since(self.at).as_millis(), SPARE_SMOOTHING.as_millis());
        let mean = (u128::from(self.mean) * smoothing + u128::from(spare) * span) / (smoothing + span).max(1);
        *self = Self { mean: u64::try_from(mean).unwrap_or(u64::MAX), at: now };
    }

    /// Bytes a second.
    pub(crate) fn mean(&self) -> u64 {
        self.mean
    }

    /// When it was last heard.
    pub(crate) fn at(&self) -> Time {
        self.at
    }
}

/// What an advert says that its site could spare for us, in bytes a second: its offer, if we can take it, less what its own visitors want of it.
pub(crate) fn of(advert: &Advert, us_https: bool) -> u64 {
    let free = 1_000_u64.saturating_sub(u64::from(advert.load_permille));
    let offer = advert.offer.filter(|offer| offer.https || !us_https);
    offer.map_or(0, |offer| (u128::from(offer.bytes.0) * u128::from(free) / 1_000) as u64)
}
