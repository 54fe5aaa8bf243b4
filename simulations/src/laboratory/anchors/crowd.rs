//! A crowd that strikes a site in focus, amid helpers of the same size.

use overspill_governance::units::{ByteRate, RequestRate};
use overspill_protocol::io::Caps;

use crate::{
    laboratory::course::{Act, Course, Run},
    server::{
        Model,
        counts::{SLOT_MS, Slot, TRIGGER},
    },
    world,
};

/// When it strikes, in milliseconds: before that agents connect, and nobody comes.
pub(super) const STRIKES: u64 = 20_000;

/// A crowd on a site.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crowd {
    pub(super) model: Model,
    pub(super) helpers: usize,
    /// Views in a thousand seconds.
    pub(super) views: u64,
    /// How long it lasts, in milliseconds.
    pub(super) lasts: u64,
    /// No copy is there when it comes.
    pub(super) cold: bool,
    pub(super) seed: u64,
}

impl Crowd {
    pub(super) fn play(&self) -> Course {
        let mut acts = vec![(STRIKES, Act::Rate(TRIGGER, self.views)), (STRIKES + self.lasts, Act::Rate(TRIGGER, 0))];
        if self.cold {
            acts.insert(0, (STRIKES, Act::Cool));
        }
        let (model, partners, caps) = (self.model, self.helpers, Some(as_large(&self.model)));
        Run { model, partners, caps, seed: self.seed, length: self.length(), acts }.play()
    }

    /// Of all that it takes, in milliseconds.
    pub(super) fn length(&self) -> u64 {
        STRIKES + self.lasts
    }

    pub(super) fn sites(&self) -> usize {
        1 + self.helpers
    }
}

/// What a helper carries whose line is that of the site.
fn as_large(model: &Model) -> Caps {
    let requests = u32::try_from(model.budget().div_ceil(model.sizes.1.max(1))).unwrap_or(u32::MAX);
    Caps { requests: RequestRate(requests), bytes: ByteRate(model.budget()), ..world::caps() }
}

/// What all views together came to that began from one moment to another, in milliseconds of the crowd.
pub(super) fn between(course: &Course, from: u64, until: u64) -> Slot {
    let at = |millis: u64| usize::try_from((STRIKES + millis) / SLOT_MS).unwrap_or(usize::MAX);
    let mut sum = Slot::default();
    course.slots.iter().take(at(until)).skip(at(from)).for_each(|slot| sum.add(slot));
    sum
}

/// Of a slot's requests, answered right and in time, here or by helpers; in thousandths of per cent.
pub(super) fn served(slot: &Slot) -> u64 {
    let sum = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum::<u64>();
    let good = (sum(&slot.good) + sum(&slot.redirected)).saturating_sub(u64::from(slot.home.1));
    (good * 100_000).checked_div(sum(&slot.wanted)).unwrap_or_default()
}
