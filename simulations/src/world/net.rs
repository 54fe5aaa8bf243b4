//! Links: connections that come and go, and messages that may not arrive once, in order, or at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use overspill_protocol::io::Input;

use super::{Happening, World};

/// Who is connected to whom.
#[derive(Debug, Default)]
pub(super) struct Net {
    sessions: BTreeMap<(usize, usize), u64>,
    cut: BTreeSet<(usize, usize)>,
    next: u64,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    /// Cuts, or mends, the link between two sites.
    pub fn cut(&mut self, a: usize, b: usize, cut: bool) {
        if cut {
            self.net.cut.insert(pair(a, b));
            self.close(a, b);
        } else {
            self.net.cut.remove(&pair(a, b));
        }
    }

    /// A dial is made; it may find nobody.
    pub(super) fn dial(&mut self, from: usize, to: usize) {
        let (span, life) = (self.latency(), self.bodies[from].life);
        self.after(span, Happening::Ring { from, to, life });
    }

    pub(super) fn ring(&mut self, from: usize, to: usize, life: u32) {
        let alive = self.bodies[from].life == life && self.bodies[to].agent.is_some() && !self.bodies[to].stopped;
        let both = pair(from, to);
        // A dead agent's machine refuses at once; a stopped agent and a cut link are only silent.
        if self.bodies[from].life == life && self.bodies[to].agent.is_none() && !self.net.cut.contains(&both) {
            let peer = self.bodies[to].id;
            self.tell_soon(from, Input::DialFailed { peer });
        }
        if !alive || self.net.cut.contains(&both) || self.net.sessions.contains_key(&both) {
            return;
        }
        self.net.next += 1;
        self.net.sessions.insert(both, self.net.next);
        for (site, other) in [(from, to), (to, from)] {
            let peer = self.bodies[other].id;
            self.tell_soon(site, Input::Connected { peer });
        }
    }

    /// Closes the connection between two sites, if there is one; both are told.
    pub(super) fn close(&mut self, a: usize, b: usize) {
        if self.net.sessions.remove(&pair(a, b)).is_some() {
            for (site, other) in [(a, b), (b, a)] {
                let peer = self.bodies[other].id;
                self.tell_soon(site, Input::Disconnected { peer });
            }
        }
    }

    /// Closes every connection of a site.
    pub(super) fn hang_all(&mut self, site: usize) {
        let theirs: Vec<(usize, usize)> = self.net.sessions.keys().filter(|(a, b)| *a == site || *b == site).copied().collect();
        for (a, b) in theirs {
            self.close(a, b);
        }
    }

    fn tell_soon(&mut self, site: usize, input: Input) {
        let life = self.bodies[site].life;
        self.after(Duration::from_micros(1), Happening::Tell { site, life, input: Box::new(input) });
    }

    /// Bytes leave; what becomes of them is chance.
    pub(super) fn post(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let Some(session) = self.net.sessions.get(&pair(from, to)).copied() else { return };
        if self.dice.happens(self.faults.breaks) {
            return self.close(from, to);
        }
        if self.dice.happens(self.faults.loss) {
            return;
        }
        let copies = 1 + usize::from(self.dice.happens(self.faults.doubling));
        for _ in 0..copies {
            let span = self.latency();
            self.after(span, Happening::Arrive { from, to, session, bytes: bytes.to_vec() });
        }
    }

    pub(super) fn arrive(&mut self, from: usize, to: usize, session: u64, bytes: Vec<u8>) {
        if self.net.sessions.get(&pair(from, to)) == Some(&session) {
            let from = self.bodies[from].id;
            self.tell(to, Input::Message { from, bytes });
        }
    }

    /// Bytes leave for everybody who is connected.
    pub(super) fn shout(&mut self, from: usize, bytes: &[u8]) {
        for to in 0..self.bodies.len() {
            if to != from && self.net.sessions.contains_key(&pair(from, to)) && !self.dice.happens(self.faults.loss) {
                let (span, life) = (self.latency(), self.bodies[to].life);
                self.after(span, Happening::Tell { site: to, life, input: Box::new(Input::Gossip { bytes: bytes.to_vec() }) });
            }
        }
    }
}
