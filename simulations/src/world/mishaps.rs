//! What happens at one place and one time, as a story or a scenario wants it; and what bad members do beside what they say.

use overspill_governance::{payword::LeaseId, site::Key};
use overspill_protocol::{fill::FillAsk, io::Input, wire};

use super::World;
use crate::{conduct::Conduct, sometimes::Sometimes, trace::Kind};

impl World {
    /// Tells a site garbage, as if `from` had said it.
    pub fn garble(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        let from = self.bodies[from].id;
        self.checkers.on_culprit(from);
        self.tell(to, Input::Message { from, bytes });
    }

    /// Peers that belong nowhere connect to a site; some say something, most only stay.
    pub fn knock(&mut self, site: usize, strangers: usize) {
        for _ in 0..strangers {
            let from = Key::from_seed(self.dice.seed()).site();
            self.tell(site, Input::Connected { peer: from });
            let words = if self.dice.happens(300_000) { self.dice.between(1, 12) } else { 0 };
            for _ in 0..words {
                let bytes = self.dice.seed().to_vec();
                self.tell(site, Input::Message { from, bytes });
            }
        }
    }

    /// A bit flips on a site's disk; it shows when the ledger is opened the next time.
    pub fn rot(&mut self, site: usize) -> bool {
        let rotten = self.bodies[site].disk.rot(&mut self.dice);
        self.trace.note(self.now, site, Kind::Misbehaves, 1, &[], || String::from("a bit of its disk flips"));
        rotten
    }

    /// A site's disk is gone, and its agent with it; a new disk and the same key begin after a moment.
    pub fn lose_disk(&mut self, site: usize, pause: core::time::Duration) {
        self.crash(site, pause);
        let body = &mut self.bodies[site];
        body.disk.lose();
        body.durable = 0;
        let id = body.id;
        self.checkers.on_disk_lost(id);
        self.trace.note(self.now, site, Kind::Misbehaves, 2, &[], || String::from("its disk is gone"));
    }

    /// Whether a member understands the bytes at all: one of the version before does not know the newest kinds, and passes them over.
    pub(super) fn is_understood(&mut self, to: usize, bytes: &[u8]) -> bool {
        let conduct = self.bodies[to].conduct;
        let known = conduct != Conduct::Older || wire::decode(bytes).map_or(true, |message| conduct.says(&message));
        if !known {
            self.met.note(Sometimes::UnknownKind);
        }
        known
    }

    /// A member that frames others accuses whoever gave it something signed.
    pub(super) fn frame(&mut self, site: usize, heard: &[u8]) {
        let conduct = self.bodies[site].conduct;
        if conduct != Conduct::Frames {
            return;
        }
        if let Some(accusation) = wire::decode(heard).ok().and_then(|message| conduct.frames(&message)) {
            self.met.note(Sometimes::Framed);
            self.shout(site, &wire::encode(&accusation));
        }
    }

    /// A member that pries asks its partners for what it may not have: under leases that it holds, under those of others, and under none.
    pub(super) fn pry(&mut self, site: usize) {
        if self.bodies[site].conduct != Conduct::Pries || !self.dice.happens(200_000) {
            return;
        }
        let owner = self.dice.below(self.bodies.len());
        let (thief, of) = (&self.bodies[site], &self.bodies[owner]);
        let Some(agent) = of.agent.as_ref().filter(|_| owner != site) else { return };
        self.met.note(Sometimes::Prying);
        let gets = |lease: Option<LeaseId>, digest| {
            let ask = |lease| FillAsk { lease, digest, offset: 0, len: 20_000 };
            lease.is_some_and(|lease| agent.admit_fill(&thief.id, &ask(lease), self.now_of(owner)).is_ok())
        };
        let others = self.bodies.iter().filter(|body| body.id != thief.id);
        let of_another = others.filter_map(|body| body.server.lease_of(&of.id)).next();
        let got = [
            ("a secret", gets(thief.server.lease_of(&of.id), of.server.secret())),
            ("an object without a lease", gets(Some(LeaseId([0xee; 8])), of.server.digest())),
            ("an object under another's lease", gets(of_another, of.server.digest())),
        ];
        if let Some((what, _)) = got.iter().find(|(_, got)| *got) {
            let words = format!("{} got of {} {what}", thief.id.short(), of.id.short());
            self.checkers.broken(words);
        }
    }
}
