//! Links: connections that come and go, and messages that may not arrive once, in order, or at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use overspill_governance::{site::SiteId, time::Time};
use overspill_protocol::io::Input;

use super::{Happening, Parcel, World, index};
use crate::{link::Link, sometimes::Sometimes};

/// Who is connected to whom, and which links are not as the others.
#[derive(Debug, Default)]
pub(super) struct Net {
    /// For each site, to whom it is connected.
    peers: Vec<BTreeMap<u32, Way>>,
    cut: BTreeSet<(u32, u32)>,
    /// From the first nothing arrives at the second.
    mute: BTreeSet<(u32, u32)>,
    /// What the first sends the second stands still until then.
    clogged: BTreeMap<(u32, u32), Time>,
    special: BTreeMap<(u32, u32), Link>,
    next: u64,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy)]
struct Way {
    session: u64,
    /// When its last message arrives.
    last: Time,
    /// When its link is free for the next byte.
    free: Time,
}

impl Net {
    /// One more site.
    pub(super) fn grow(&mut self) {
        self.peers.push(BTreeMap::new());
    }

    fn session(&self, from: usize, to: usize) -> Option<u64> {
        self.peers[from].get(&index(to)).map(|way| way.session)
    }

    /// To whom a site is connected.
    pub(super) fn peers(&self, site: usize) -> impl Iterator<Item = u32> {
        self.peers[site].keys().copied()
    }

    /// Whether nothing that one site says arrives at the other.
    pub(super) fn is_mute(&self, from: usize, to: usize) -> bool {
        self.mute.contains(&(index(from), index(to)))
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&pair(a, b)) || self.mute.contains(&(index(a), index(b))) || self.mute.contains(&(index(b), index(a)))
    }
}

fn pair(a: usize, b: usize) -> (u32, u32) {
    (index(a.min(b)), index(a.max(b)))
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

    /// Nothing that `from` says arrives at `to` any more, or it does again; the other way is as it was, and nobody is told.
    pub fn mute(&mut self, from: usize, to: usize, mute: bool) {
        let way = (index(from), index(to));
        let _ = if mute { self.net.mute.insert(way) } else { self.net.mute.remove(&way) };
    }

    /// What `from` says to `to` stands still for `span`, and then arrives all at once.
    pub fn clog(&mut self, from: usize, to: usize, span: Duration) {
        self.net.clogged.insert((index(from), index(to)), self.now.after(span));
    }

    /// The link from one site to another is of its own kind from now on; `None`: as all others.
    pub fn link(&mut self, from: usize, to: usize, link: Option<Link>) {
        let way = (index(from), index(to));
        let _ = match link {
            Some(link) => self.net.special.insert(way, link),
            None => self.net.special.remove(&way),
        };
    }

    /// All links are as they should be.
    pub(super) fn mend_links(&mut self) {
        self.net.cut.clear();
        self.net.mute.clear();
        self.net.clogged.clear();
        self.net.special.clear();
    }

    /// How long a message of nobody in particular takes: a visitor's way, the answer to a proof.
    pub(super) fn latency(&mut self) -> Duration {
        self.faults.link().latency.draw(&mut self.dice)
    }

    pub(super) fn link_between(&self, from: usize, to: usize) -> Link {
        self.net.special.get(&(index(from), index(to))).cloned().unwrap_or_else(|| self.faults.link())
    }

    /// A dial is made; it may find nobody.
    pub(super) fn dial(&mut self, from: usize, to: usize, peer: SiteId) {
        let (span, life) = (self.link_between(from, to).latency.draw(&mut self.dice), self.bodies[from].life);
        // Whoever answers there has another key.
        if self.bodies[to].id != peer {
            let refused = Box::new(Input::DialFailed { peer });
            return self.after(span, Happening::Tell { site: index(from), life, input: refused });
        }
        self.after(span, Happening::Ring { from: index(from), to: index(to), life });
    }

    pub(super) fn ring(&mut self, from: usize, to: usize, life: u32) {
        let alive = self.bodies[from].life == life && self.bodies[to].agent.is_some() && !self.bodies[to].stopped;
        let cut = self.net.is_cut(from, to);
        // A dead agent's machine refuses at once; a stopped agent and a cut link are only silent.
        if self.bodies[from].life == life && self.bodies[to].agent.is_none() && !cut {
            let peer = self.bodies[to].id;
            self.tell_soon(from, Input::DialFailed { peer });
        }
        if !alive || cut || self.net.session(from, to).is_some() {
            return;
        }
        self.net.next += 1;
        let way = Way { session: self.net.next, last: self.now, free: self.now };
        for (site, other) in [(from, to), (to, from)] {
            self.net.peers[site].insert(index(other), way);
            let peer = self.bodies[other].id;
            self.tell_soon(site, Input::Connected { peer });
        }
    }

    /// Closes the connection between two sites, if there is one; both are told.
    pub(super) fn close(&mut self, a: usize, b: usize) {
        if self.net.peers[a].remove(&index(b)).is_some() {
            self.net.peers[b].remove(&index(a));
            for (site, other) in [(a, b), (b, a)] {
                let peer = self.bodies[other].id;
                self.tell_soon(site, Input::Disconnected { peer });
            }
        }
    }

    /// Closes every connection of a site.
    pub(super) fn hang_all(&mut self, site: usize) {
        let theirs: Vec<u32> = self.net.peers[site].keys().copied().collect();
        for other in theirs {
            self.close(site, other as usize);
        }
    }

    fn tell_soon(&mut self, site: usize, input: Input) {
        let life = self.bodies[site].life;
        self.after(Duration::from_micros(1), Happening::Tell { site: index(site), life, input: Box::new(input) });
    }

    /// Whether bytes can go from one site to another and back now.
    pub(super) fn is_linked(&self, from: usize, to: usize) -> bool {
        self.net.session(from, to).is_some() && !self.net.is_cut(from, to)
    }

    /// Whether nothing goes from one site to the other.
    pub(super) fn cannot_reach(&self, from: usize, to: usize) -> bool {
        self.net.is_cut(from, to)
    }

    /// Bytes leave; what becomes of them is chance.
    pub(super) fn post(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let Some(session) = self.net.session(from, to) else { return };
        let link = self.link_between(from, to);
        if self.dice.happens(link.breaks) {
            self.met.note(Sometimes::ConnectionBroke);
            return self.close(from, to);
        }
        if self.net.mute.contains(&(index(from), index(to))) {
            return self.met.note(Sometimes::OneWayOnly);
        }
        if self.dice.happens(link.loss) {
            return self.met.note(Sometimes::MessageLost);
        }
        let doubled = self.dice.happens(link.doubling);
        if doubled {
            self.met.note(Sometimes::MessageDoubled);
        }
        for _ in 0..1 + usize::from(doubled) {
            let at = self.arrival(&link, from, to, bytes.len());
            let parcel = Parcel { from: index(from), to: index(to), session, bytes: bytes.to_vec() };
            self.queue.put(at, Happening::Arrive(Box::new(parcel)));
        }
    }

    /// When bytes that leave now arrive.
    fn arrival(&mut self, link: &Link, from: usize, to: usize, len: usize) -> Time {
        let mut leaves = self.now;
        if let Some(until) = self.net.clogged.get(&(index(from), index(to))).filter(|until| **until > leaves) {
            leaves = *until;
            self.met.note(Sometimes::LinkClogged);
        }
        let span = link.latency.draw(&mut self.dice);
        let Some(way) = self.net.peers[from].get_mut(&index(to)) else { return leaves.after(span) };
        if let Some(micros) = (len as u64 * 1_000_000).checked_div(link.bandwidth) {
            if way.free > leaves {
                self.met.note(Sometimes::LinkFull);
            }
            leaves = leaves.max(way.free).after(Duration::from_micros(micros));
            way.free = leaves;
        }
        let mut arrives = leaves.after(span);
        if arrives < way.last {
            if link.reorders {
                self.met.note(Sometimes::MessageOvertook);
            } else {
                arrives = way.last;
            }
        }
        way.last = way.last.max(arrives);
        arrives
    }

    pub(super) fn arrive(&mut self, parcel: Parcel) {
        let (from, to) = (parcel.from as usize, parcel.to as usize);
        if self.net.session(from, to) != Some(parcel.session) {
            return;
        }
        if self.is_understood(to, &parcel.bytes) {
            self.frame(to, &parcel.bytes);
            let from = self.bodies[from].id;
            self.tell(to, Input::Message { from, bytes: parcel.bytes });
        }
    }
}
