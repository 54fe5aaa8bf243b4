//! Keys: a site goes on under another one, as its owner has it while the agent stands still.

use std::time::Duration;

use overspill_governance::{
    digest::Digest,
    entry::Entry,
    rotation::{Commitment, Rotation},
    site::{Key, Signed, SiteId},
};
use overspill_protocol::site::Site;

use super::{World, index};
use crate::{sometimes::Sometimes, trace::Kind};

/// Which key says that another takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The one that is given up.
    OldKey,
    /// One to which that had committed, kept elsewhere.
    RecoveryKey,
}

impl World {
    /// A site's owner gives it a new key; its agent begins with that after a moment. The owner does so while all partners are connected: two members
    /// who rotate and have not heard of each other know no key by which they could meet. Nothing comes of it where the ledger cannot be read or
    /// written, has forgotten something, or is of no member.
    pub fn rotate(&mut self, site: usize, signer: Signer, pause: Duration) {
        let agent = self.bodies[site].agent.as_ref().filter(|_| !self.bodies[site].stopped);
        let report = agent.map(|agent| agent.report(self.now_of(site)));
        if !report.is_some_and(|report| report.partners.iter().all(|partner| partner.connected)) {
            return;
        }
        self.crash(site, pause);
        let Some((rotation, seed)) = self.rotation(site, signer) else { return };
        let (now, body) = (self.now_of(site), &mut self.bodies[site]);
        let (old, entry) = (body.id, Entry::Rotated { rotation: rotation.into(), heard: now.date });
        body.disk.write(now.date, &entry);
        if body.disk.sync().is_err() {
            return;
        }
        body.durable += 1;
        body.disk.renew_copy();
        let new = body.take_key(seed);
        let caps = body.caps;
        self.names.insert(new, index(site));
        self.checkers.on_rotated(old, new, caps);
        self.checkers.on_entry(new, &entry);
        self.met.note(if signer == Signer::OldKey { Sometimes::KeyRotated } else { Sometimes::KeyRecovered });
        self.trace.note(self.now, site, Kind::Rotates, 0, &new.0, || new.short());
    }

    /// What the owner signs, and the seed of the new key.
    fn rotation(&mut self, site: usize, signer: Signer) -> Option<(Rotation, [u8; 32])> {
        let (now, seeds) = (self.now_of(site), [self.dice.seed(), self.dice.seed()]);
        let body = &mut self.bodies[site];
        if body.forgot || body.disk.full || body.disk.broken || body.agent.is_some() {
            return None;
        }
        let opened = body.disk.open(body.id).ok()?;
        let (first, records) = (opened.site, self.take_stock(site, opened));
        let body = &self.bodies[site];
        // Who has left does not come back by a recovery key.
        let left = |entry: &Entry| matches!(entry, Entry::Departed(departure) if departure.body.member == body.id);
        if records.iter().any(|record| left(&record.entry)) {
            return None;
        }
        let entries = records.into_iter().map(|record| record.entry);
        let succession = Site::succession(body.config(seeds[0]), (first, body.id), signer == Signer::RecoveryKey, entries, now).ok()??;
        let (old, new) = (body.key(), Key::from_seed(seeds[1]));
        let rotation = match signer {
            Signer::OldKey => Rotation::by_key(succession, &old, &new),
            Signer::RecoveryKey => {
                let recovery = Key::from_seed(Digest::of("recovery key", &seeds[1]).0);
                let commitment = Commitment { mesh: succession.mesh, member: old.site(), recovery: recovery.site(), date: now.date };
                Rotation::by_recovery(succession, &recovery, Signed::new(commitment, &old), &new)
            }
        };
        Some((rotation, seeds[1]))
    }

    /// The key with which a site's ledger begins.
    pub fn first_key_of(&self, site: &SiteId) -> SiteId {
        self.index_of(site).and_then(|at| self.bodies[at].disk.site()).unwrap_or(*site)
    }

    /// The site that goes by this key now: nobody answers to a former one.
    pub fn reach(&self, id: &SiteId) -> Option<usize> {
        self.index_of(id).filter(|at| self.bodies[*at].id == *id)
    }
}
