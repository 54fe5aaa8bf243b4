//! What happens at one place and one time, as a story or a scenario wants it; and what bad members do beside what they say.

use overspill_governance::{payword::LeaseId, site::Key};
use overspill_protocol::{
    fill::FillAsk,
    io::{Command, Input},
    wire,
};

use super::{Body, World};
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
        self.forget(site, Sometimes::DiskLost);
        self.trace.note(self.now, site, Kind::Misbehaves, 2, &[], || String::from("its disk is gone"));
    }

    /// Its owner puts an old copy of a site's disk in the place of the new one, if there is a copy; the agent begins after a moment.
    pub fn put_copy_back(&mut self, site: usize, pause: core::time::Duration) {
        self.crash(site, pause);
        let body = &mut self.bodies[site];
        let Some(entries) = body.disk.put_copy_back() else { return };
        body.durable = entries;
        self.forget(site, Sometimes::CopyPutBack);
        self.trace.note(self.now, site, Kind::Misbehaves, 3, &[], || String::from("its disk is an old copy"));
    }

    fn forget(&mut self, site: usize, how: Sometimes) {
        self.met.note(how);
        let body = &mut self.bodies[site];
        body.forgot = true;
        self.checkers.on_forgotten(body.id);
    }

    /// The owner of a site that lost everything but its key names a partner to it.
    pub fn recover(&mut self, site: usize, partner: usize) {
        let (id, addresses) = (self.bodies[partner].id, self.bodies[partner].addresses());
        self.command(site, Command::Recover { partner: id, addresses });
    }

    /// Owners whose sites know of no mesh any more name them a partner, until one answers.
    pub fn help_back(&mut self) {
        let is_member = |body: &Body| body.agent.as_ref().is_some_and(|agent| agent.report(body.clock.read(self.now)).mesh.is_some());
        let lost: Vec<usize> = (0..self.bodies.len()).filter(|at| self.bodies[*at].forgot && !is_member(&self.bodies[*at])).collect();
        let members: Vec<usize> = (0..self.bodies.len()).filter(|at| is_member(&self.bodies[*at])).collect();
        for site in lost {
            if !members.is_empty() {
                let partner = members[self.dice.below(members.len())];
                self.recover(site, partner);
            }
        }
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
