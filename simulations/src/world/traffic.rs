//! Visitors: what they want of whom, and their ways to helpers and home. A population with sessions and patience takes this place later.

use std::time::Duration;

use overspill_governance::time::Time;
use overspill_protocol::io::Input;

use super::{Happening, World, index};
use crate::{
    server::{Received, TICK_CALM_MICROS, TICK_MICROS, Visit},
    sometimes::Sometimes,
};

impl World {
    /// Visitors want so many requests in each second of a site from now on.
    pub fn want(&mut self, site: usize, requests: u32) {
        self.bodies[site].server.wanted = requests;
        self.look_soon(site);
    }

    /// A site purges its object: another stands in its place, and the old one must not be served any more.
    pub fn purge(&mut self, site: usize) {
        // A process that stands still takes no purge.
        if self.bodies[site].stopped {
            return;
        }
        let held = self.bodies.iter().any(|body| body.server.holds(&self.bodies[site].id, &self.bodies[site].server.digest()));
        if held {
            self.met.note(Sometimes::PurgedInUse);
        }
        let body = &mut self.bodies[site];
        let (id, old) = (body.id, body.server.digest());
        body.server.purge();
        self.checkers.on_purge(id, old, self.now);
        self.look_soon(site);
    }

    /// Visitors who are on their way to a helper or home from one.
    pub fn visitors_on_their_way(&self) -> u64 {
        let visit = |happening: &Happening| match happening {
            Happening::Visit(visit) | Happening::Home(visit) => u64::from(visit.visitors),
            _ => 0,
        };
        self.queue.iter().map(visit).sum()
    }

    /// The data plane is looked at now rather than when it is due.
    fn look_soon(&mut self, site: usize) {
        self.bodies[site].round += 1;
        let round = self.bodies[site].round;
        self.after(Duration::from_micros(1), Happening::Tick { site: index(site), round });
    }

    /// Looks at a data plane: often while anything goes on there, else once a second.
    pub(super) fn tick(&mut self, site: usize, round: u32) {
        let now = self.now_of(site).time;
        let body = &mut self.bodies[site];
        if body.round != round {
            return;
        }
        let pause = if body.server.is_busy() { TICK_MICROS } else { TICK_CALM_MICROS };
        if body.agent.is_none() || body.stopped {
            return self.after(Duration::from_micros(pause), Happening::Tick { site: index(site), round });
        }
        // Read before it moves on: what a control plane sees is a moment old.
        let mut seen = (!body.blind).then(|| body.server.observe(now));
        let visits = body.server.tick(body.id, now);
        if let Some(seen) = &mut seen {
            let (id, pressed) = (body.id, seen.site.under_pressure);
            if body.conduct.colours(seen, &mut self.dice) {
                self.met.note(Sometimes::OverClaim);
            }
            self.checkers.on_pressure(id, pressed, self.now);
        }
        self.after(Duration::from_micros(pause), Happening::Tick { site: index(site), round });
        if let Some(seen) = seen {
            self.tell(site, Input::Observed(seen));
        }
        for mut visit in visits {
            visit.sent = self.now;
            self.checkers.on_sent(&visit, self.known_down(site, &visit), self.now);
            let span = self.latency();
            self.after(span, Happening::Visit(Box::new(visit)));
        }
        self.mend_if_possible(site);
        self.pry(site);
    }

    /// Since when an owner could know that a helper is not there.
    pub(super) fn known_down(&self, owner: usize, visit: &Visit) -> Option<Time> {
        let down = self.bodies[self.index_of(&visit.helper)?].down_since?;
        Some(down.max(self.bodies[owner].went_on))
    }

    pub(super) fn visit(&mut self, visit: Visit) {
        let Some(helper) = self.index_of(&visit.helper) else { return };
        if self.bodies[helper].agent.is_none() || self.bodies[helper].stopped {
            return self.sample_unanswered(&visit);
        }
        let now = self.now_of(helper).time;
        let conduct = self.bodies[helper].conduct;
        let full = conduct.is_full(&mut self.dice);
        let received = if full { Received::SentHome(None) } else { self.bodies[helper].server.receive(&visit, now) };
        let want = match received {
            Received::Served { .. } if conduct.drops(&mut self.dice) => return,
            Received::Served { digest, bytes } => {
                self.met.note(Sometimes::GuestServed);
                self.sample_served(helper, &visit, digest);
                return self.checkers.on_served(&visit, digest, bytes, self.now);
            }
            Received::SentHome(want) => want,
        };
        self.met.note(Sometimes::SentHome);
        if self.sample_sent_home(&visit) {
            return want.into_iter().for_each(|want| self.tell(helper, Input::Wanted(want)));
        }
        let span = self.latency();
        self.after(span, Happening::Home(Box::new(visit)));
        if let Some(want) = want {
            self.tell(helper, Input::Wanted(want));
        }
    }

    pub(super) fn come_home(&mut self, visit: &Visit) {
        let Some(owner) = self.index_of(&visit.owner) else { return };
        let body = &mut self.bodies[owner];
        if !body.stopped && body.agent.is_some() {
            body.server.come_home(&visit.lease, visit.visitors);
            self.met.note(Sometimes::ServedAtHome);
        }
    }
}
