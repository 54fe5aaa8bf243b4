//! Gossip: what one site says to the whole mesh, from neighbour to neighbour, as libp2p's gossipsub has it.
//!
//! A site's own neighbours hear it from the site itself, once or not at all: what is lost there, the exchange has to repair. Everybody else
//! hears it from whoever of its neighbours has it first: some pass it on at once, others only say at their next heartbeat that they have
//! it. Who it goes through on its way is settled when it leaves. What is said again, by whomever, goes to those who have not heard it:
//! messages are known by their content.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
    time::Duration,
};

use overspill_governance::{digest::Digest, time::Time};
use overspill_protocol::io::Input;

use super::{Happening, World, index};
use crate::sometimes::Sometimes;

/// For how long a message is known again: as long as in libp2p, unless it is told otherwise.
const KNOWN: Duration = Duration::from_secs(60);
/// To how many of its neighbours a site passes on at once what it hears.
const EAGER: usize = 4;
/// Milliseconds between two heartbeats.
const HEARTBEAT: u64 = 1_000;

/// Who has heard what of late.
#[derive(Debug, Default)]
pub(super) struct Gossip {
    heard: BTreeMap<Digest, BTreeSet<u32>>,
    order: VecDeque<(Time, Digest)>,
}

impl Gossip {
    /// Takes out who has heard this; what was said long ago is forgotten.
    fn take(&mut self, name: Digest, now: Time) -> BTreeSet<u32> {
        while self.order.front().is_some_and(|(at, _)| now.since(*at) >= KNOWN) {
            if let Some((_, oldest)) = self.order.pop_front() {
                self.heard.remove(&oldest);
            }
        }
        self.heard.remove(&name).unwrap_or_else(|| {
            self.order.push_back((now, name));
            BTreeSet::new()
        })
    }
}

impl World {
    /// Bytes leave for the whole mesh.
    pub(super) fn shout(&mut self, from: usize, bytes: &[u8]) {
        let name = Digest::of("gossip", bytes);
        let own: BTreeSet<u32> = self.net.peers(from).chain([index(from)]).collect();
        let (mut heard, mut ways) = (self.gossip.take(name, self.now), BinaryHeap::new());
        heard.insert(index(from));
        for to in self.net.peers(from).filter(|to| !heard.contains(to)).collect::<Vec<u32>>() {
            if let Some(at) = self.hop((self.now, from), to as usize) {
                ways.push(Reverse((at, to)));
            }
        }
        while let Some(Reverse((at, site))) = ways.pop() {
            if !heard.insert(site) {
                continue;
            }
            let body = &self.bodies[site as usize];
            let (life, is_there) = (body.life, body.agent.is_some() && !body.stopped);
            self.queue.put(at, Happening::Tell { site, life, input: Box::new(Input::Gossip { bytes: bytes.to_vec() }) });
            let mut next: Vec<u32> = self.net.peers(site as usize).filter(|to| !own.contains(to) && !heard.contains(to)).collect();
            let mut passed = 0;
            while is_there && !next.is_empty() {
                let to = next.swap_remove(self.dice.below(next.len()));
                let wait = if passed < EAGER { 0 } else { self.dice.between(0, HEARTBEAT) };
                passed += 1;
                if let Some(at) = self.hop((at.after(Duration::from_millis(wait)), site as usize), to as usize) {
                    ways.push(Reverse((at, to)));
                }
            }
        }
        self.gossip.heard.insert(name, heard);
    }

    /// Who says two things does not do it in front of all: some hear the one, some the other, each for itself.
    pub(super) fn whisper(&mut self, from: usize, things: [&[u8]; 2]) {
        self.met.note(Sometimes::VotedTwice);
        self.bodies[from].lied.get_or_insert(self.now);
        for to in self.net.peers(from).collect::<Vec<u32>>() {
            let told = self.dice.one_of(&things);
            self.post(from, to as usize, told);
        }
    }

    /// When what leaves one site arrives at the next, if it does.
    fn hop(&mut self, (at, from): (Time, usize), to: usize) -> Option<Time> {
        let link = self.link_between(from, to);
        let lost = self.net.is_mute(from, to) || self.dice.happens(link.loss);
        (!lost).then(|| at.after(link.latency.draw(&mut self.dice)))
    }
}
