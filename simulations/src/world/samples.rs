//! Samples: tickets drawn for them, their way to a helper as a visitor's, and what it answers them by its conduct.

use std::time::Duration;

use overspill_governance::{digest::ObjectDigest, payword::LeaseId};
use overspill_protocol::{
    io::Input,
    sampling::{Answer, Sample},
    ticket::Ticket,
};

use super::{Happening, World, index};
use crate::{
    server::{Sampled, Visit},
    sometimes::Sometimes,
    trace::Kind,
};

/// How long somebody waits for an answer that does not come.
const IN_VAIN: Duration = Duration::from_secs(10);
/// How long the data plane takes to draw a ticket.
const DRAWN_AFTER: Duration = Duration::from_micros(1);

impl World {
    pub(super) fn draw(&mut self, site: usize, number: u64, lease: LeaseId, path: &str) {
        let (now, world_now) = (self.now_of(site), self.now);
        let body = &mut self.bodies[site];
        let (id, life) = (body.id, body.life);
        let drawn = body.server.draw_for_sample(id, lease, path, now);
        if let Some((visit, _)) = &drawn {
            let visit = Visit { sent: world_now, ..*visit };
            self.drawn.insert((visit.lease, visit.serial), world_now);
            self.checkers.on_sent(&visit, self.known_down(site, &visit), world_now);
        }
        let input = Input::Drawn { number, ticket: drawn.map(|(_, ticket)| ticket) };
        self.after(DRAWN_AFTER, Happening::Tell { site: index(site), life, input: Box::new(input) });
    }

    /// A sample leaves as a visitor would; where the way to the helper is cut, nobody answers.
    pub(super) fn sample(&mut self, site: usize, sample: Sample) {
        let Sample { number, owner, helper, ref path, ref ticket, .. } = sample;
        self.trace.note(self.now, site, Kind::Fetches, number, path.as_bytes(), || format!("a sample of {}", helper.short()));
        let sampled = Sampled { number, by: index(site), life: self.bodies[site].life };
        let (Ok(ticket), Some(to)) = (Ticket::from_text(ticket), self.index_of(&helper)) else { return };
        let size = self.index_of(&owner).map_or(0, |owner| self.bodies[owner].server.size());
        let visit = Visit {
            owner,
            helper,
            lease: ticket.lease,
            visitors: 1,
            serial: ticket.serial,
            word: ticket.word,
            bytes: overspill_governance::units::Bytes(size),
            // Whoever makes it, its owner sent it out when it drew the ticket.
            sent: self.drawn.remove(&(ticket.lease, ticket.serial)).unwrap_or(self.now),
            hops: 1,
            sampled: Some(sampled),
        };
        if self.cannot_reach(site, to) {
            return self.sample_unanswered(&visit);
        }
        let span = self.latency();
        self.after(span, Happening::Visit(Box::new(visit)));
    }

    pub(super) fn sample_served(&mut self, helper: usize, visit: &Visit, digest: ObjectDigest) {
        let Some(Sampled { by, .. }) = visit.sampled else { return };
        let Some(owner) = self.index_of(&visit.owner) else { return };
        let path = self.bodies[owner].server.path().to_owned();
        let served = self.bodies[helper].server.attested(&visit.lease, &path);
        let (conduct, share, from_member) = (self.bodies[helper].conduct, self.bodies[helper].alters, !self.bodies[by as usize].veiled);
        let altered = conduct.alters(from_member, share, &mut self.dice);
        let body = if altered { ObjectDigest::of(b"altered") } else { digest };
        self.met.note(Sometimes::SampledWell);
        let waited = self.latency();
        self.answer_sample(visit, waited, Some(Answer { status: 200, whole: true, body, named: Some(digest), served, waited }));
    }

    /// Tells whether it was a sample.
    pub(super) fn sample_sent_home(&mut self, visit: &Visit) -> bool {
        let waited = self.latency();
        let (body, named, served) = (ObjectDigest::of(b""), None, None);
        self.answer_sample(visit, waited, Some(Answer { status: 302, whole: true, body, named, served, waited }));
        visit.sampled.is_some()
    }

    pub(super) fn sample_unanswered(&mut self, visit: &Visit) {
        self.answer_sample(visit, IN_VAIN, None);
    }

    fn answer_sample(&mut self, visit: &Visit, after: Duration, answer: Option<Answer>) {
        let Some(Sampled { number, by, life }) = visit.sampled else { return };
        self.after(after, Happening::Tell { site: by, life, input: Box::new(Input::Sampled { number, answer }) });
    }
}
