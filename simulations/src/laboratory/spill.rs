//! Refused spill: what a mesh could have carried and did not.
//!
//! *Wanted spill* is what visitors want beyond what their site serves by itself. Of it some is sent to helpers, and the rest is refused. In each
//! tenth of a second, what is refused counts as *refused spill* as far as other members had room: a member whose visitors want no more than it
//! serves has room for what it offers to carry, less the guests that it serves. What is refused beyond that, no mesh could have carried.

use crate::{server::Tally, world::World};

/// Looks in a second, as many as steps of a plot.
const STEPS: u64 = 10;

/// What became of wanted spill, in requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spill {
    /// Sent to helpers.
    pub sent: u64,
    /// Refused though others had room.
    pub refused: u64,
    /// Refused, and nobody had room.
    pub hopeless: u64,
}

impl Spill {
    /// All that was wanted.
    pub fn wanted(&self) -> u64 {
        self.sent + self.refused + self.hopeless
    }

    /// Refused spill, in thousandths of wanted spill; nothing of nothing.
    pub fn share(&self) -> u64 {
        (self.refused * 1_000).checked_div(self.wanted()).unwrap_or_default()
    }

    /// What came since an earlier look.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let Self { sent, refused, hopeless } = *earlier;
        Self { sent: self.sent - sent, refused: self.refused - refused, hopeless: self.hopeless - hopeless }
    }
}

/// Looks at all data planes every tenth of a second.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// So far.
    pub spill: Spill,
    last: Vec<Tally>,
}

impl Watch {
    /// A tenth of a second has passed.
    pub fn look(&mut self, world: &World) {
        self.last.resize(world.bodies.len(), Tally::default());
        let (mut shed, mut room) = (0, 0);
        for (body, last) in world.bodies.iter().zip(&mut self.last) {
            let now = body.server.tally;
            let since = |count: fn(&Tally) -> u64| count(&now) - count(last);
            self.spill.sent += since(|tally| tally.spilled);
            shed += since(|tally| tally.shed);
            // Who refuses its own visitors has no room for others'.
            if body.agent.is_some() && !body.stopped && body.server.wanted <= body.server.budget {
                room += (u64::from(body.caps.requests.0) / STEPS).saturating_sub(since(|tally| tally.guests));
            }
            *last = now;
        }
        self.spill.refused += shed.min(room);
        self.spill.hopeless += shed.saturating_sub(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Three sites of which some are struck while nobody reaches anybody.
    fn alone(struck: &[usize], wanted: u32) -> Spill {
        let mut world = World::settled(1, 3, &crate::story::brisk());
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            world.cut(one, other, true);
        }
        struck.iter().for_each(|site| world.want(*site, wanted));
        let mut watch = Watch::default();
        for _ in 0..100 {
            world.run(Duration::from_millis(100));
            watch.look(&world);
        }
        watch.spill
    }

    #[test]
    fn only_what_others_had_room_for_is_refused_spill() {
        let near = |found: u64, expected: u64| assert!(found.abs_diff(expected) <= expected / 20, "{found} for {expected}");
        // Two others carry 60 a second each, for ten seconds.
        let one = alone(&[0], 100);
        near(one.refused, 800);
        assert_eq!((one.sent, one.hopeless, one.share()), (0, 0, 1_000));
        let two = alone(&[0, 1], 100);
        near(two.refused, 600);
        near(two.hopeless, 1_000);
        assert_eq!(alone(&[0, 1, 2], 100).refused, 0, "who is struck has no room");
        assert_eq!(alone(&[0], 20), Spill::default(), "a site that serves its visitors wants no spill");
    }
}
