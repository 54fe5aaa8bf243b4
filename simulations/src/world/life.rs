//! Life and death of agents: starting from a disk, dying between any two outputs, stopping and going on.

use std::time::Duration;

use overspill_governance::{
    chain::{Record, Verdict},
    digest::Digest,
    entry::Entry,
    site::Statement,
};
use overspill_protocol::{io::Input, site::Site};

use super::{Happening, World, index};
use crate::{
    disk::{Failed, Opened},
    sometimes::Sometimes,
    trace::Kind,
};

/// How long an agent takes to begin anew when its ledger takes entries again.
const AFRESH: Duration = Duration::from_millis(50);

impl World {
    /// Kills a site's agent now; it starts again after `pause`.
    pub fn crash(&mut self, site: usize, pause: Duration) {
        if self.bodies[site].agent.is_none() {
            return;
        }
        self.end(site);
        self.bodies[site].server.die();
        self.bodies[site].down_since = Some(self.now);
        self.after(pause, Happening::Start { site: index(site) });
    }

    /// The agent is gone, with all that was not synced.
    fn end(&mut self, site: usize) {
        let body = &mut self.bodies[site];
        body.agent = None;
        body.life += 1;
        (body.armed, body.stopped, body.silent) = (None, false, false);
        body.backlog.clear();
        body.unsynced.clear();
        let was_pending = body.disk.is_pending();
        let torn = body.disk.lose_power(&mut self.dice);
        if was_pending && !torn {
            self.met.note(Sometimes::WrittenAndLost);
        }
        let id = self.bodies[site].id;
        self.checkers.on_death(id);
        self.trace.note(self.now, site, Kind::Dies, 0, &[], String::new);
        self.hang_all(site);
    }

    /// Stops a site's agent without killing it, or lets it go on: connections stay, nothing moves.
    pub fn stop(&mut self, site: usize, stopped: bool) {
        let body = &mut self.bodies[site];
        body.stopped = stopped;
        body.down_since = if stopped || body.agent.is_none() { body.down_since.or(Some(self.now)) } else { None };
        if !stopped {
            self.bodies[site].went_on = self.now;
            for input in core::mem::take(&mut self.bodies[site].backlog) {
                self.tell(site, input);
            }
            self.tell(site, Input::Wake);
        }
    }

    /// Starts a site's agent from its disk; what cannot be opened stays closed until a person has looked at it.
    pub fn start(&mut self, site: usize) {
        let id = self.bodies[site].id;
        if self.bodies[site].agent.is_some() {
            return;
        }
        match self.bodies[site].disk.open(id) {
            Ok(opened) => self.restore(site, opened),
            Err(verdict) => self.find_damaged(site, verdict),
        }
    }

    fn find_damaged(&mut self, site: usize, verdict: Verdict) {
        let body = &mut self.bodies[site];
        body.damaged = true;
        if body.disk.is_rotten() {
            self.met.note(Sometimes::FlippedBitFound);
        } else {
            self.checkers.broken(format!("{} found damaged what nobody damaged: {verdict}", body.id.short()));
        }
        self.trace.note(self.now, site, Kind::Fails, 0, &[], || verdict.to_string());
    }

    fn restore(&mut self, site: usize, opened: Opened) {
        let (now, seed, first) = (self.now_of(site), self.dice.seed(), opened.site);
        let records = self.take_stock(site, opened);
        let body = &mut self.bodies[site];
        let found = records.len();
        body.unanswered = unanswered(&records);
        let config = body.config(seed);
        let agent = match Site::restore_from(config, first, records.into_iter().map(|record| record.entry), now) {
            Ok(agent) => agent,
            Err(foreign) => {
                body.damaged = true;
                return self.checkers.broken(format!("{} cannot restore its own ledger: {foreign}", body.id.short()));
            }
        };
        (body.agent, body.damaged, body.down_since) = (Some(agent), false, None);
        self.trace.note(self.now, site, Kind::Starts, found as u64, &[], || String::from("with so many entries"));
        self.carry_out(site);
    }

    /// What is found on a disk that is opened is durable from now on, also what nobody waited for.
    pub(super) fn take_stock(&mut self, site: usize, opened: Opened) -> Vec<Record> {
        let body = &mut self.bodies[site];
        let (id, durable, found) = (body.id, body.durable, opened.records.len());
        if found < durable && !body.disk.lies {
            self.checkers.broken(format!("{} lost {} durable entries", id.short(), durable - found));
        }
        if opened.cut > 0 {
            self.met.note(Sometimes::TornTailCut);
        }
        for record in opened.records.iter().skip(durable) {
            self.checkers.on_entry(id, &record.entry);
        }
        if durable > 0 && found > durable {
            self.met.note(Sometimes::UnsyncedSurvived);
        }
        body.durable = found;
        opened.records
    }

    /// What was written is made durable; tells whether it is. Until it is nothing that stands behind it may be carried out.
    pub(super) fn sync(&mut self, site: usize) -> bool {
        let body = &mut self.bodies[site];
        if !body.disk.is_pending() {
            return true;
        }
        match body.disk.sync() {
            Ok(()) => {
                let (id, entries) = (body.id, core::mem::take(&mut body.unsynced));
                body.durable += entries.len();
                self.trace.note(self.now, site, Kind::Syncs, entries.len() as u64, &[], || String::from("so many entries"));
                for entry in &entries {
                    self.checkers.on_entry(id, entry);
                    self.notice_lines(site, entry);
                }
                true
            }
            Err(failed) => {
                let condition = if failed == Failed::Full { Sometimes::DiskFull } else { Sometimes::SyncFailed };
                self.met.note(condition);
                self.trace.note(self.now, site, Kind::Fails, 0, &[], || format!("to sync: {failed:?}"));
                false
            }
        }
    }

    /// Notes when a proposal that a crash left unanswered is answered after all, and when a line goes on under new keys.
    fn notice_lines(&mut self, site: usize, entry: &Entry) {
        let open = &mut self.bodies[site].unanswered;
        if let Entry::Agreed { receipt, .. } = entry
            && let Some(at) = open.iter().position(|digest| *digest == receipt.state.digest())
        {
            open.swap_remove(at);
            self.met.note(Sometimes::ProposalSurvived);
        }
        if let Entry::Renewed { head, .. } = entry
            && head.is_handed_over()
        {
            self.met.note(Sometimes::LineHandedOver);
        }
    }

    /// The ledger failed: what follows is dropped, and the site is told.
    pub(super) fn refuse_entries(&mut self, site: usize) {
        while self.bodies[site].agent.as_mut().and_then(Site::poll).is_some() {}
        let body = &mut self.bodies[site];
        body.unsynced.clear();
        body.silent = true;
        let id = body.id;
        self.checkers.on_ledger_failed(id);
        self.tell(site, Input::LedgerFailed);
    }

    /// A disk that was full takes entries again: the control plane begins anew, the data plane has never stopped.
    pub(super) fn mend_if_possible(&mut self, site: usize) {
        let body = &self.bodies[site];
        if body.silent && !body.disk.full && !body.disk.broken && !body.stopped && body.agent.is_some() {
            self.end(site);
            self.after(AFRESH, Happening::Start { site: index(site) });
        }
    }

    /// Everything is whole again: links, disks, clocks, processes. What is bad of a member stays bad.
    pub fn mend(&mut self) {
        self.faults = super::Faults { latency_max: 5, ..super::Faults::default() };
        self.mend_links();
        for site in 0..self.bodies.len() {
            let now = self.now;
            let body = &mut self.bodies[site];
            body.blind = false;
            body.mute_host = false;
            body.clock.offset_ms = 0;
            body.clock.drift(now, 0);
            let was_silent = body.silent;
            body.disk.mend();
            if self.bodies[site].stopped {
                self.stop(site, false);
            }
            if was_silent {
                // After a failed sync only a new process knows what is on the disk.
                self.crash(site, AFRESH);
            }
            if self.bodies[site].damaged {
                self.bodies[site].damaged = false;
                self.after(AFRESH, Happening::Start { site: index(site) });
            }
        }
    }
}

/// What was proposed and not agreed on, as a ledger leaves it.
fn unanswered(records: &[Record]) -> Vec<Digest> {
    let mut open = Vec::new();
    for record in records {
        match &record.entry {
            Entry::Proposed { proposal, .. } => open.push(proposal.state.digest()),
            Entry::Agreed { receipt, .. } => open.retain(|digest| *digest != receipt.state.digest()),
            _ => {}
        }
    }
    open
}
