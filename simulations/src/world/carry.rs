//! Driving one site: telling it, and carrying out what it asks for, in order, with a crash possible between any two outputs.

use std::time::Duration;

use overspill_governance::{codec, digest::Digest};
use overspill_protocol::{
    event::Event,
    fill::FillAsk,
    io::{Input, Output},
    limits::FILL_SLICE_BYTES,
    message::Message,
    plan::FillWanted,
    wire,
};

use super::{Happening, World};

/// Inputs that a stopped process finds when it goes on.
const BACKLOG_MAX: usize = 64;

impl World {
    /// Tells a site something and carries out what follows.
    pub(super) fn tell(&mut self, site: usize, input: Input) {
        let now = self.now_of(site);
        let body = &mut self.bodies[site];
        if body.stopped {
            if body.backlog.len() < BACKLOG_MAX {
                body.backlog.push(input);
            }
            return;
        }
        let Some(agent) = body.agent.as_mut() else { return };
        agent.handle(input, now);
        self.carry_out(site);
    }

    /// Takes outputs until there are none, or the site dies.
    pub(super) fn carry_out(&mut self, site: usize) {
        while let Some(output) = self.bodies[site].agent.as_mut().and_then(overspill_protocol::site::Site::poll) {
            if self.is_struck(&output) {
                let pause = Duration::from_millis(self.dice.between(100, 3_000));
                return self.crash(site, pause);
            }
            self.note(site, &output);
            if self.bodies[site].disk_full && matches!(output, Output::Persist(_)) {
                return self.refuse_entries(site);
            }
            self.carry(site, output);
        }
        self.arm(site);
    }

    /// Whether the agent dies before this output is carried out.
    fn is_struck(&mut self, output: &Output) -> bool {
        let weighty = match output {
            Output::Persist(_) => true,
            Output::Send { message, .. } => !matches!(**message, Message::Beat(_) | Message::Advert(_) | Message::Hello(_)),
            _ => false,
        };
        self.weighty += u64::from(weighty);
        let chance = if weighty { self.faults.crash.max(self.faults.crash_weighty) } else { self.faults.crash };
        self.dice.happens(chance) || (weighty && self.faults.crash_at == Some(self.weighty))
    }

    /// The disk is full: what follows is dropped, and the site is told.
    fn refuse_entries(&mut self, site: usize) {
        while self.bodies[site].agent.as_mut().and_then(overspill_protocol::site::Site::poll).is_some() {}
        self.tell(site, Input::LedgerFailed);
    }

    fn carry(&mut self, site: usize, output: Output) {
        let (id, life) = (self.bodies[site].id, self.bodies[site].life);
        match output {
            Output::Persist(entry) => {
                self.checkers.on_entry(id, &entry);
                self.bodies[site].disk.push(codec::encode(&*entry));
            }
            Output::Send { to, message } => {
                self.checkers.on_message(id, &message);
                let lost = |to: &usize| matches!(*message, Message::Manifest(_)) && self.faults.manifests_lost_at == Some(*to);
                if let Some(to) = self.index_of(&to).filter(|to| !lost(to)) {
                    self.post(site, to, &wire::encode(&message));
                }
            }
            Output::Broadcast(message) => {
                self.checkers.on_message(id, &message);
                self.shout(site, &wire::encode(&message));
            }
            Output::Dial { peer, .. } => {
                if let Some(to) = self.index_of(&peer) {
                    self.dial(site, to);
                }
            }
            Output::Hang { peer } => {
                if let Some(to) = self.index_of(&peer) {
                    self.close(site, to);
                }
            }
            Output::Apply(plan) => {
                self.checkers.on_plan(id, &plan);
                self.bodies[site].server.apply(plan);
            }
            Output::Fetch { want, from } => self.fetch(site, want, from),
            Output::StandBy { want } => {
                let from = want.owner;
                self.fetch(site, want, from);
            }
            Output::Keep { owner, digests } => self.bodies[site].server.keep(&owner, &digests),
            Output::Refuse { .. } => {}
            Output::Prove { site: of, host } => {
                let good = self.index_of(&of).is_some_and(|at| {
                    let names = [format!("http://site-{at}.example"), format!("http://{}.{}", id.short(), self.bodies[at].guest_suffix)];
                    !self.bodies[at].mute_host && names.contains(&host)
                });
                let span = self.latency();
                self.after(span, Happening::Tell { site, life, input: Box::new(Input::Proved { site: of, host, good }) });
            }
            Output::Tell(event) => self.hear(site, event),
        }
    }

    fn hear(&mut self, site: usize, event: Event) {
        if let Event::Answered { answer, .. } = &event {
            self.bodies[site].answers.push(answer.clone());
        }
        self.bodies[site].events.push(event);
    }

    /// A fetch succeeds when the owner is alive and admits it.
    fn fetch(&mut self, site: usize, want: FillWanted, from: overspill_governance::site::SiteId) {
        let (id, life) = (self.bodies[site].id, self.bodies[site].life);
        let len = u32::try_from(want.size.0).unwrap_or(u32::MAX).min(FILL_SLICE_BYTES);
        let ask = FillAsk { lease: want.lease, digest: want.digest, offset: 0, len };
        let owner = self.index_of(&from);
        let admitted = owner.and_then(|owner| Some(self.bodies[owner].agent.as_ref()?.admit_fill(&id, &ask, self.now_of(owner))));
        let good = admitted == Some(Ok(()));
        if good {
            self.bodies[site].server.filled(want.owner, want.digest);
        }
        let span = self.latency();
        self.after(span, Happening::Tell { site, life, input: Box::new(Input::Fetched { want, from, good }) });
    }

    fn arm(&mut self, site: usize) {
        let soonest = self.now.after(Duration::from_millis(1));
        let body = &mut self.bodies[site];
        let Some((at, _)) = body.agent.as_ref().and_then(overspill_protocol::site::Site::deadline) else { return };
        let at = at.max(soonest);
        if body.armed.is_none_or(|armed| at < armed) {
            body.armed = Some(at);
            let life = body.life;
            self.after(at.since(self.now), Happening::Wake { site, life });
        }
    }

    fn note(&mut self, site: usize, output: &Output) {
        let what = match output {
            Output::Persist(entry) => format!("persists {entry}"),
            Output::Send { to, message } => {
                format!("sends {} to {} {}", message.kind(), to.short(), Digest::of("trace", &wire::encode(message)).short())
            }
            Output::Broadcast(message) => format!("broadcasts {}", message.kind()),
            Output::Dial { peer, .. } => format!("dials {}", peer.short()),
            Output::Hang { peer } => format!("hangs up on {}", peer.short()),
            Output::Apply(plan) => format!("applies plan {}", plan.version),
            Output::Fetch { want, .. } => format!("fetches {}", want.digest),
            Output::StandBy { want } => format!("fetches {} to stand by", want.digest),
            Output::Keep { owner, digests } => format!("keeps {} objects of {}", digests.len(), owner.short()),
            Output::Refuse { want } => format!("refuses {}", want.digest),
            Output::Prove { host, .. } => format!("proves {host}"),
            Output::Tell(event) => format!("tells {event:?}"),
        };
        self.trace.note(format!("{} site {site} {what}", self.now.as_micros()));
    }
}
