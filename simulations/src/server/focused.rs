//! A server whose site is in focus: what its people want is queued here, and leases are drawn on one by one.

use std::time::Duration;

use overspill_governance::{site::SiteId, time::Time, units::Bytes};
use overspill_protocol::{
    observation::{HotObject, Observation},
    overload::bucket::{Bucket, Flow},
    plan::Spill,
};

use super::{
    Server, Visit,
    focus::{Focus, Help},
};

/// What a lease's rates may save up, as the edge has it.
const LEASE_BURST: Duration = Duration::from_millis(800);

impl Server {
    /// Puts the site into focus.
    pub fn focus_on(&mut self, focus: Focus) {
        self.object.size = Bytes(focus.object_size());
        self.focus = Some(Box::new(focus));
    }

    /// The site in focus, if it is.
    pub fn focus(&mut self) -> Option<&mut Focus> {
        self.focus.as_deref_mut()
    }

    /// Serves what came since the last look.
    pub(super) fn tick_in_focus(&mut self, us: SiteId, mut focus: Box<Focus>, now: Time) -> Vec<Visit> {
        for _ in 0..core::mem::take(&mut self.returned) {
            if focus.come_home(now) {
                self.tally.came_home += 1;
            }
        }
        self.forget_ended();
        let (spills, mut visits) = (self.spills(now), Vec::new());
        let may_come = self.plan.as_ref().is_some_and(|plan| plan.help_may_come);
        let mut draw = |at: Time| self.draw(us, &spills, &mut visits, at);
        focus.advance(now, &mut Help { draw: &mut draw, may_come });
        (self.tally.own, self.tally.shed) = focus.counts.total();
        self.focus = Some(focus);
        visits
    }

    /// Draws on a lease for one visitor. Every site has files enough that they spread over all helpers: each lease takes its turn.
    fn draw(&mut self, us: SiteId, spills: &[Spill], visits: &mut Vec<Visit>, now: Time) -> bool {
        let first = usize::try_from(self.tally.spilled).unwrap_or_default();
        for at in 0..spills.len() {
            let spill = &spills[(first + at) % spills.len()];
            let flow = |per_second: u64| Flow { per_second, burst: LEASE_BURST, debt_max: Duration::from_secs(60) };
            let (requests, bytes) = (flow(u64::from(spill.requests.0)), flow(spill.bytes.0));
            let drawn: &mut [Bucket; 2] = self.drawn.entry(spill.lease).or_default();
            if !drawn[0].affords(1, Duration::ZERO, requests, now) || !drawn[1].affords(self.object.size.0, Duration::ZERO, bytes, now) {
                continue;
            }
            let Some(visit) = self.hand_out(us, spill, 1, (1, now)) else { continue };
            if let Some(drawn) = self.drawn.get(&spill.lease) {
                drawn[0].charge(1, requests, now);
                drawn[1].charge(self.object.size.0, bytes, now);
            }
            self.tally.spilled += 1;
            // They travel together with the next look.
            match visits.iter_mut().find(|one| one.lease == visit.lease) {
                Some(one) => {
                    (one.serial, one.word) = (visit.serial, visit.word);
                    (one.visitors, one.bytes) = (one.visitors + 1, one.bytes.saturating_add(visit.bytes));
                }
                None => visits.push(visit),
            }
            return true;
        }
        false
    }

    /// What the agent of a site in focus is told.
    pub(super) fn observe_in_focus(&mut self, now: Time, rest: Observation) -> Observation {
        let Some(focus) = self.focus.as_deref_mut() else { return rest };
        let (origin, site) = focus.loads(now);
        let hot = vec![HotObject { wanted: focus.wanted(), ..self.object.clone() }];
        Observation { origin, site, hot, ..rest }
    }
}
