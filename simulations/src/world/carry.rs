//! Driving one site: telling it, and carrying out what it asks for, in order, with a crash possible between any two outputs.

use std::time::Duration;

use overspill_governance::{codec, digest::Digest, site::SiteId};
use overspill_protocol::{
    event::Event,
    fill::FillAsk,
    io::{Input, Output},
    limits::FILL_SLICE_BYTES,
    message::Message,
    plan::FillWanted,
    site::Site,
    wire,
};

use super::{Happening, World, index};
use crate::{sometimes::Sometimes, trace::Kind};

/// Inputs that a stopped process finds when it goes on.
const BACKLOG_MAX: usize = 64;
/// No timer of a machine is finer than this.
const WAKE_PAUSE_MIN: Duration = Duration::from_millis(1);

impl World {
    /// Tells a site something and carries out what follows.
    pub(super) fn tell(&mut self, site: usize, input: Input) {
        let now = self.now_of(site);
        let body = &mut self.bodies[site];
        if body.stopped {
            // Sockets that were closed meanwhile are known to the kernel, however much was said before.
            let of_transport = matches!(input, Input::Connected { .. } | Input::Disconnected { .. });
            if of_transport || body.backlog.len() < BACKLOG_MAX {
                body.backlog.push(input);
            }
            return;
        }
        let Some(agent) = body.agent.as_mut() else { return };
        if let Input::Message { bytes, .. } | Input::Gossip { bytes } = &input {
            self.checkers.on_heard(body.id, bytes);
        }
        agent.handle(input, now);
        self.carry_out(site);
    }

    /// Takes outputs until there are none, or the site dies. Entries in a row share one sync, which comes before what follows them.
    pub(super) fn carry_out(&mut self, site: usize) {
        while let Some(output) = self.bodies[site].agent.as_mut().and_then(Site::poll) {
            let persists = matches!(output, Output::Persist(_));
            if self.is_struck(&output) {
                let pause = Duration::from_millis(self.dice.between(100, 3_000));
                // Before the sync that stands between an entry and this output, or just after it.
                if !persists && self.dice.happens(500_000) {
                    let _ = self.sync(site);
                }
                return self.crash(site, pause);
            }
            if !persists && !self.sync(site) {
                return self.refuse_entries(site);
            }
            self.carry(site, output);
        }
        if self.sync(site) {
            self.arm(site);
        } else {
            self.refuse_entries(site);
        }
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

    fn carry(&mut self, site: usize, output: Output) {
        let (now, at) = (self.now, site);
        match output {
            Output::Persist(entry) => {
                let date = self.now_of(site).date;
                self.trace.note(now, at, Kind::Writes, 0, &codec::encode(&*entry), || entry.to_string());
                let body = &mut self.bodies[site];
                body.disk.write(date, &entry);
                body.unsynced.push(*entry);
            }
            Output::Send { to, message } => self.send(site, to, *message),
            Output::Broadcast(message) => {
                self.checkers.on_broadcast(self.bodies[site].id, &message);
                let bytes = wire::encode(&message);
                self.trace.note(now, at, Kind::Broadcasts, 0, &bytes, || message.kind().to_owned());
                let lie = self.bodies[site].conduct.contradicts(&message, &self.bodies[site].key());
                match lie {
                    Some(lie) => self.whisper(site, [&bytes, &wire::encode(&lie)]),
                    None => self.shout(site, &bytes),
                }
            }
            Output::Dial { peer, .. } => {
                if let Some(to) = self.index_of(&peer) {
                    self.trace.note(now, at, Kind::Dials, to as u64, &[], || peer.short());
                    self.dial(site, to, peer);
                }
            }
            Output::Hang { peer } => {
                self.trace.note(now, at, Kind::HangsUp, 0, &peer.0, || peer.short());
                if let Some(to) = self.reach(&peer) {
                    self.close(site, to);
                }
            }
            Output::Apply(plan) => {
                self.trace.note(now, at, Kind::Plans, plan.version, &[], String::new);
                let (id, local) = (self.bodies[site].id, self.now_of(site).time);
                self.checkers.on_plan(id, &plan, local);
                self.bodies[site].server.apply(plan);
            }
            Output::Fetch { want, from } => self.fetch(site, want, from),
            Output::StandBy { want } => {
                let from = want.owner;
                self.fetch(site, want, from);
            }
            Output::Keep { owner, digests } => {
                self.trace.note(now, at, Kind::Keeps, digests.len() as u64, &owner.0, || format!("of {}", owner.short()));
                self.bodies[site].server.keep(&owner, &digests);
            }
            Output::Refuse { want } => self.trace.note(now, at, Kind::Refuses, 0, &want.digest.0, || want.digest.to_string()),
            Output::Prove { site: of, host } => self.prove(site, of, host),
            Output::Draw { number, lease, path } => self.draw(site, number, lease, &path),
            Output::Sample(sample) => self.sample(site, *sample),
            Output::Tell(event) => self.hear(site, event),
        }
    }

    /// A message leaves, bent or added to as its sender's conduct has it. Checkers see what a correct machine wanted to say.
    fn send(&mut self, site: usize, to: SiteId, mut message: Message) {
        let id = self.bodies[site].id;
        self.checkers.on_message(id, &to, &message, self.now);
        let conduct = self.bodies[site].conduct;
        let lost = |to: &usize| matches!(message, Message::Manifest(_)) && self.faults.manifests_lost_at == Some(*to);
        let Some(to) = self.reach(&to).filter(|to| !lost(to)) else { return };
        if !conduct.says(&message) {
            return;
        }
        let beside = conduct.forks(&message, &self.bodies[site].key());
        if let Some(lie) = conduct.contradicts(&message, &self.bodies[site].key()).filter(|_| self.dice.happens(500_000)) {
            message = lie;
            self.bodies[site].lied.get_or_insert(self.now);
        }
        let (times, bent) = conduct.bends(&mut message, &mut self.dice);
        if bent {
            self.met.note(Sometimes::Forgery);
        }
        let bytes = wire::encode(&message);
        self.trace.note(self.now, site, Kind::Sends, to as u64, &bytes, || {
            format!("{} {} to site", message.kind(), Digest::of("trace", &bytes).short())
        });
        self.sent.messages += times as u64;
        self.sent.bytes += (times * bytes.len()) as u64;
        self.sent.signed += u64::from(is_signed(&message));
        for _ in 0..times {
            self.post(site, to, &bytes);
        }
        if let Some(beside) = beside {
            self.bodies[site].lied.get_or_insert(self.now);
            self.post(site, to, &wire::encode(&beside));
        }
        if let Some(strange) = conduct.adds(&mut self.dice) {
            self.met.note(Sometimes::UnknownKind);
            self.post(site, to, &strange);
        }
    }

    fn prove(&mut self, site: usize, of: SiteId, host: String) {
        let (id, life) = (self.bodies[site].id, self.bodies[site].life);
        self.trace.note(self.now, site, Kind::Proves, 0, host.as_bytes(), || host.clone());
        let good = self.reach(&of).is_some_and(|at| self.bodies[at].publishes(&host, &id));
        let span = self.latency();
        self.after(span, Happening::Tell { site: index(site), life, input: Box::new(Input::Proved { site: of, host, good }) });
    }

    fn hear(&mut self, site: usize, event: Event) {
        let words = format!("{event:?}");
        self.trace.note(self.now, site, Kind::Tells, 0, words.as_bytes(), || words.clone());
        let expected = self.bodies[site].silent;
        let id = self.bodies[site].id;
        self.checkers.on_event(id, &event, expected, self.now);
        self.notice(&event);
        if let Event::Answered { answer, .. } = &event {
            self.bodies[site].answers.push(answer.clone());
        }
        self.bodies[site].events.push(event);
    }

    /// What the machine tells of what was met.
    fn notice(&mut self, event: &Event) {
        use overspill_protocol::event::Answer;
        let condition = match event {
            Event::CrowdBegan => Sometimes::CrowdBegan,
            Event::LeaseHeld { .. } => Sometimes::LeaseHeld,
            Event::LeaseRefused { .. } => Sometimes::LeaseRefused,
            Event::LeaseDraining { reason, .. } if *reason == "its successor took over" => Sometimes::LeaseSucceeded,
            Event::LeaseDraining { reason, .. } if *reason == "the other end is gone" => Sometimes::LeaseLost,
            Event::Settled { .. } => Sometimes::Settled,
            Event::Faded { .. } => Sometimes::Faded,
            Event::ClaimReduced { .. } => Sometimes::ClaimReduced,
            Event::Silent { .. } => Sometimes::Silent,
            Event::ClocksApart { .. } => Sometimes::ClocksApart,
            Event::Shunned { .. } => Sometimes::Shunned,
            Event::Convicted { .. } => Sometimes::Convicted,
            Event::Altered { .. } => Sometimes::AlteredFound,
            Event::Suspended { .. } => Sometimes::Suspended,
            Event::Decided { adopts: false, .. } => Sometimes::Stopped,
            Event::RulesChanged { .. } => Sometimes::RulesChanged,
            Event::Removed { .. } => Sometimes::Removed,
            Event::Recovered => Sometimes::BeganAnew,
            Event::Renewed { .. } => Sometimes::LineRenewed,
            Event::Answered { answer: Ok(Answer::Returned), .. } => Sometimes::Returned,
            Event::Locked { .. } => Sometimes::Locked,
            Event::Cleared { .. } => Sometimes::Cleared,
            Event::Answered { answer: Ok(Answer::Joined), .. } => Sometimes::Joined,
            Event::Answered { answer: Ok(Answer::Left), .. } => Sometimes::Left,
            _ => return,
        };
        self.met.note(condition);
    }

    /// A fetch succeeds when its source is there and admits it; it takes as long as its bytes.
    fn fetch(&mut self, site: usize, want: FillWanted, from: SiteId) {
        self.trace.note(self.now, site, Kind::Fetches, 0, &want.digest.0, || want.digest.to_string());
        let (id, life) = (self.bodies[site].id, self.bodies[site].life);
        self.checkers.on_fetch(id, &want, &from);
        let len = u32::try_from(want.size.0).unwrap_or(u32::MAX).min(FILL_SLICE_BYTES);
        let ask = FillAsk { lease: want.lease, digest: want.digest, offset: 0, len };
        let source = self.reach(&from).filter(|source| self.is_linked(site, *source) && !self.bodies[*source].stopped);
        let admitted = source.and_then(|source| Some(self.bodies[source].agent.as_ref()?.admit_fill(&id, &ask, self.now_of(source))));
        // The manifest may name what the owner holds no longer: its bytes would not match the digest.
        let held = source.is_some_and(|source| self.bodies[source].server.digest() == want.digest);
        let good = admitted == Some(Ok(())) && held;
        if good {
            self.met.note(Sometimes::StoodBy);
            self.checkers.on_stored(id, want.owner, want.digest);
            self.bodies[site].server.filled(want.owner, want.digest);
            if let Some(source) = source {
                self.bodies[source].server.tally.copied += 1;
            }
        }
        let span = self.latency();
        self.after(span, Happening::Tell { site: index(site), life, input: Box::new(Input::Fetched { want, from, good }) });
    }

    /// Puts in the site's next deadline, unless it is woken earlier anyway.
    fn arm(&mut self, site: usize) {
        let soonest = self.now.after(WAKE_PAUSE_MIN);
        let body = &mut self.bodies[site];
        let Some((at, _)) = body.agent.as_ref().and_then(Site::deadline) else { return };
        let at = body.clock.world_time(at).max(soonest);
        if body.armed.is_none_or(|armed| at < armed) {
            body.armed = Some(at);
            let life = body.life;
            self.queue.put(at, Happening::Wake { site: index(site), life });
        }
    }
}

/// Whether a message carries a signature that its receiver checks.
fn is_signed(message: &Message) -> bool {
    match message {
        Message::Beat(beat) => beat.generation.is_some(),
        Message::Advert(_) | Message::Manifest(_) | Message::LeaseTake(_) | Message::Propose(_) | Message::Agree(_) => true,
        Message::JoinAsk(_) | Message::JoinDone(_) | Message::RosterTell(_) | Message::VoteTell(_) => true,
        Message::Lock(_) | Message::Ruled(_) | Message::Testify(_) | Message::Head(_) => true,
        _ => false,
    }
}
