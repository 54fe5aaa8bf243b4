//! Routing of what peers do and say. Foreign bytes are decoded here and nowhere else.

use alloc::{boxed::Box, vec};

use overspill_governance::{
    evidence::Bundle,
    planted,
    roster::Notice,
    site::{Signed, SiteId},
};

use super::Site;
use crate::{
    event::Event,
    io::Output,
    limits::{BEAT_PAUSE, LEASES_MAX},
    manifest::Manifest,
    membership::{Membership, strangers::Ear},
    message::{Beat, Hello, Message},
    wire,
};

/// What was wrong with a message, in words; `None` when nothing was.
type Fault = Option<&'static str>;

impl Site {
    pub(super) fn on_connected(&mut self, peer: SiteId) {
        if peer == self.desk.id {
            self.desk.put(Output::Hang { peer });
            return;
        }
        if self.membership.is_member(&peer) {
            self.greet(peer);
            return;
        }
        let sponsor = self.membership.is_sponsor_of_ours(&peer);
        if self.strangers.on_connected(&mut self.desk, peer, sponsor) {
            if sponsor {
                self.membership.on_sponsor(&mut self.desk, true);
            }
            self.say_hello(peer);
            let news = self.membership.farewell().or_else(|| self.membership.obituary(&peer).filter(|_| !planted!(BuriesSilently)));
            if let Some(news) = news {
                self.desk.send(peer, news);
            }
        }
    }

    /// A member is connected: from here on it is heard.
    fn greet(&mut self, peer: SiteId) {
        if !self.membership.is_welcome(&peer) || !self.has_room_for(&peer) {
            self.desk.put(Output::Hang { peer });
            return;
        }
        self.partners.on_connected(&mut self.desk, peer);
        self.say_hello(peer);
        self.owner.close_lost(&mut self.desk, peer);
        let (desk, settle, mut ends, _) = self.ends();
        settle.open_hearing(desk, &ends, peer);
        settle.on_connected(desk, &mut ends, &peer);
        settle.rounds.on_connected(desk, &peer);
        settle.say_dispute(desk, peer);
        self.tell_testimonies(peer);
    }

    fn say_hello(&mut self, peer: SiteId) {
        if let Some(hello) = self.membership.hello() {
            self.desk.send(peer, hello);
        }
        // It may know us by a former key.
        for told in self.membership.rotations_of(&self.desk.id) {
            self.desk.send(peer, told);
        }
    }

    pub(super) fn on_disconnected(&mut self, peer: &SiteId) {
        if self.strangers.remove(peer) && self.membership.is_sponsor_of_ours(peer) {
            self.membership.on_sponsor(&mut self.desk, false);
        }
        self.partners.on_disconnected(&mut self.desk, peer);
        self.owner.placing.forget(peer);
        self.helper.keeping.forget(peer);
    }

    pub(super) fn on_message(&mut self, from: SiteId, bytes: &[u8]) {
        let now = self.desk.now.time;
        if let Some(partner) = self.partners.partner_mut(&from) {
            if !partner.manners.allow(now) {
                return;
            }
            match wire::decode(bytes) {
                Ok(message) => {
                    partner.last_heard = now;
                    let fault = self.on_partner_message(from, message);
                    self.judge(from, fault);
                }
                // Members are not all upgraded in one day.
                Err(error) if error.is_newer() && !planted!(BlamesNewerVersions) => {
                    partner.manners.passed_over = partner.manners.passed_over.saturating_add(1);
                }
                Err(_) => self.judge(from, Some("bytes that are no message")),
            }
        } else if self.strangers.contains(&from) {
            let from_sponsor = self.membership.is_sponsor_of_ours(&from);
            match self.strangers.hear(&from, from_sponsor, now) {
                Ear::Hears => {}
                Ear::Misses => return,
                Ear::HangsUp => return self.strangers.hang(&mut self.desk, from),
            }
            let decoded = if from_sponsor { wire::decode(bytes) } else { wire::decode_small(bytes) };
            let fault = match decoded {
                Ok(message) => self.on_stranger_message(from, message),
                Err(error) if error.is_newer() => None,
                Err(_) => Some("bytes that are no message"),
            };
            if let Some(reason) = fault {
                self.desk.tell(Event::Misspoke { peer: from, reason });
                self.strangers.hang(&mut self.desk, from);
            }
        }
    }

    /// Books a fault on a partner's manners, and hangs up when it was one too many.
    fn judge(&mut self, peer: SiteId, fault: Fault) {
        let (Some(reason), now) = (fault, self.desk.now.time) else { return };
        self.desk.tell(Event::Misspoke { peer, reason });
        if self.partners.partner_mut(&peer).is_some_and(|partner| partner.manners.misspoke(now)) {
            self.desk.tell(Event::Shunned { peer, reason });
            self.desk.put(Output::Hang { peer });
        }
    }

    /// What a peer that does not belong may say.
    fn on_stranger_message(&mut self, from: SiteId, message: Message) -> Fault {
        match message {
            Message::JoinAsk(redeemed) if self.membership.mesh().is_some() => {
                self.membership.on_join_ask(&mut self.desk, from, *Box::new(redeemed));
                None
            }
            Message::JoinDone(done) if self.membership.is_sponsor_of_ours(&from) => {
                let fault = self.membership.on_join_done(&mut self.desk, from, done);
                self.on_roster_changed();
                fault
            }
            Message::Return(told) => {
                let fault = self.membership.on_returned(&mut self.desk, from, told);
                self.settle.lines.hearing.close(&mut self.desk);
                self.on_roster_changed();
                fault
            }
            Message::JoinRefused(reason) => {
                self.membership.on_join_refused(&mut self.desk, from, reason);
                None
            }
            Message::Hello(hello) => self.on_hello(from, hello),
            Message::RosterTell(notices) if Membership::are_rotations(&notices) => self.on_roster_tell(notices),
            // A member that we do not know yet may speak to us as to a partner before its hello has arrived.
            _ => None,
        }
    }

    fn on_partner_message(&mut self, from: SiteId, message: Message) -> Fault {
        match message {
            Message::Hello(hello) => self.on_hello(from, hello),
            Message::JoinAsk(redeemed) => {
                self.membership.on_join_ask(&mut self.desk, from, redeemed);
                None
            }
            Message::JoinDone(_) | Message::JoinRefused(_) => None,
            Message::Return(told) => {
                if told.founding.is_none() {
                    self.membership.on_return_ask(&mut self.desk, from);
                }
                None
            }
            Message::RosterAsk(ask) => self.membership.on_roster_ask(&mut self.desk, from, &ask),
            Message::RosterTell(notices) => self.on_roster_tell(notices),
            Message::VoteAsk(ask) => self.council.on_vote_ask(&mut self.desk, &self.membership, &mut self.partners, from, &ask),
            Message::VoteTell(papers) => {
                let Self { council, desk, membership, partners, .. } = self;
                council.on_vote_tell(desk, membership, partners, &from, papers)
            }
            Message::Advert(signed) => {
                let (roster, votes, load) = (signed.body.roster, signed.body.votes, signed.body.load_permille);
                let fault = self.partners.on_advert(&mut self.desk, &self.membership, from, signed);
                if fault.is_none() {
                    self.together.on_theirs(from, load, self.desk.now.date);
                    self.membership.compare(&mut self.desk, &mut self.partners, &from, roster);
                    self.council.compare(&mut self.desk, &self.membership, &mut self.partners, &from, votes);
                }
                fault
            }
            Message::AdvertsAsk(()) => {
                self.partners.on_adverts_ask(&mut self.desk, from);
                None
            }
            Message::AdvertsTell(told) => self.partners.on_adverts_tell(&self.desk, &self.membership, &from, told),
            Message::Beat(beat) => self.on_beat(from, &beat),
            Message::Manifest(signed) => self.on_manifest(from, signed),
            Message::Preposition(wish) => self.on_preposition(from, &wish),
            Message::SampleAsk(ask) => self.sampler.on_ask(&mut self.desk, &self.membership, &self.partners, from, ask),
            Message::Testify(testimonies) => self.on_testify(from, testimonies),
            lease => self.on_lease_message(from, lease),
        }
    }

    /// An owner's list of what may be served. One that is new is acknowledged at once: the owner may be waiting for that after a purge.
    fn on_manifest(&mut self, from: SiteId, signed: Signed<Manifest>) -> Fault {
        if self.membership.mesh() != Some(signed.body.mesh) {
            return Some("a manifest of another mesh");
        }
        let shelf = self.helper.shelves.get_mut(&from)?;
        let held = shelf.manifest().generation;
        let fault = shelf.on_manifest(signed).err();
        if let Some(double) = shelf.take_double() {
            self.desk.accuse(Bundle::DoubleEdition(double.into()));
        }
        if shelf.manifest().generation > held {
            self.beat_to(from, None);
        }
        fault
    }

    fn on_lease_message(&mut self, from: SiteId, message: Message) -> Fault {
        match message {
            // A lease of ours by the same name would make receipts ambiguous.
            Message::LeaseTake(take) if self.owner.leases.contains_key(&take.allotment.body.lease) => {
                Some("a lease by a name that is in use")
            }
            Message::LeaseTake(take) => {
                let (lease, made) = (take.allotment.body.lease, take.allotment.body.made);
                let context = (&self.membership, &self.partners, &self.settle.lines);
                self.helper.on_take(&mut self.desk, context, from, take);
                if self.helper.leases.contains_key(&lease) {
                    self.settle.lines.lent.insert(from, made);
                }
                self.tend_soon();
                None
            }
            Message::LeaseHeld(held) => {
                let proved = self.partners.partner(&from).and_then(|partner| partner.proved_base());
                let fault = self.owner.on_held(&mut self.desk, from, held, proved);
                self.owner.publisher.send(&mut self.desk, from, 0);
                self.beat();
                fault
            }
            Message::LeaseRefused(refused) => {
                self.owner.on_refused(&mut self.desk, from, &refused);
                None
            }
            Message::LeaseClosed(closed) => {
                if self.helper.on_closed(&mut self.desk, from, closed.lease) {
                    // There is room again, and the owner may well need it.
                    self.partners.advertise_soon(&mut self.desk);
                }
                None
            }
            settling => self.on_settling_message(from, settling),
        }
    }

    fn on_settling_message(&mut self, from: SiteId, message: Message) -> Fault {
        let (desk, settle, mut ends, partners) = self.ends();
        let fault = match message {
            Message::Claim(made) => settle.on_claim(desk, &mut ends, from, made),
            Message::ClaimAsk(ask) => {
                settle.on_claim_ask(desk, &mut ends, from, ask.lease);
                None
            }
            Message::ClaimAnswer(answer) => settle.on_answer(desk, &mut ends, from, answer),
            Message::Propose(proposal) => settle.on_propose(desk, &mut ends, from, &proposal),
            Message::Agree(agree) => settle.on_agree(desk, &mut ends, from, &agree),
            Message::Seek(seek) => settle.on_seek(desk, ends.around(partners), from, seek),
            Message::Lock(ask) => settle.on_lock_ask(desk, ends.around(partners), from, ask),
            Message::RulingAsk(ask) => {
                settle.on_ruling_ask(desk, ends.around(partners), from, ask);
                None
            }
            Message::Ruled(ruled) => settle.on_ruled(desk, ruled),
            Message::RulingLost(round) => {
                settle.on_ruling_lost(desk, from, &round);
                None
            }
            Message::FadeAsk(fade) => {
                settle.on_fade_ask(desk, ends.around(partners), from, fade);
                None
            }
            Message::Head(told) => settle.on_head(desk, &mut ends, from, told),
            Message::Dispute(reason) => {
                settle.on_dispute(desk, from, reason);
                None
            }
            _ => None,
        };
        settle.tend_rounds(desk, ends.around(partners));
        fault
    }

    /// A heartbeat: each end says what it holds, so that what one has forgotten does not live on at the other.
    fn on_beat(&mut self, from: SiteId, beat: &Beat) -> Fault {
        if beat.owned.len() > LEASES_MAX || beat.hosted.len() > LEASES_MAX {
            return Some("a beat with more leases than there may be");
        }
        self.helper.on_owned(&mut self.desk, from, |lease| beat.owned.contains(lease));
        self.owner.on_hosted(&mut self.desk, from, &beat.hosted);
        if self.owner.live_with(&from).next().is_some() {
            self.owner.publisher.on_held(&from, beat.holds);
            self.owner.publisher.send(&mut self.desk, from, beat.holds);
        }
        // An owner that believes in a lease which we do not know hears so at once.
        let stale = beat.owned.iter().any(|lease| !self.helper.leases.contains_key(lease));
        let now = self.desk.now.time;
        let partner = self.partners.partner_mut(&from).filter(|partner| {
            // Two ends that are both mistaken must not answer each other's answers for ever.
            stale && partner.beat_answered.is_none_or(|at| now >= at.after(BEAT_PAUSE))
        });
        if let Some(partner) = partner {
            partner.beat_answered = Some(now);
            self.beat_to(from, None);
        }
        let generation = beat.generation.as_ref()?;
        self.helper.shelves.get_mut(&from).and_then(|shelf| shelf.on_generation(&self.desk, generation).err())
    }

    /// A peer shows that it belongs.
    fn on_hello(&mut self, from: SiteId, hello: Hello) -> Fault {
        let mesh = self.membership.mesh()?;
        if hello.mesh != mesh {
            return Some("a hello from another mesh");
        }
        match hello.admission {
            Some(admission) if admission.body.member == from => self.on_roster_tell(vec![Notice::Admitted(admission)]),
            Some(_) => Some("a hello with another site's admission"),
            None => None,
        }
    }

    fn on_roster_tell(&mut self, notices: alloc::vec::Vec<Notice>) -> Fault {
        match self.membership.on_roster_tell(&mut self.desk, notices) {
            Ok(changed) => {
                if changed {
                    self.on_roster_changed();
                }
                None
            }
            Err(reason) => Some(reason),
        }
    }

    pub(super) fn on_gossip(&mut self, bytes: &[u8]) {
        // Nobody is to blame for gossip: what is wrong is dropped, and what is lost the roster exchange repairs.
        match wire::decode_small(bytes) {
            Ok(Message::RosterTell(notices)) => {
                if let Ok(true) = self.membership.on_roster_tell(&mut self.desk, notices) {
                    self.on_roster_changed();
                }
            }
            Ok(Message::VoteTell(papers)) => self.council.on_gossip(&mut self.desk, &mut self.membership, papers),
            Ok(Message::Testify(testimonies)) => self.on_testimonies_gossiped(testimonies),
            _ => {}
        }
    }

    pub(super) fn on_proved(&mut self, site: &SiteId, host: &str, good: bool) {
        match self.membership.on_joiner_proved(&mut self.desk, site, good) {
            Some(Some(notice)) => {
                self.desk.broadcast(Message::RosterTell(vec![notice]));
                self.on_roster_changed();
            }
            Some(None) => {}
            None => self.partners.on_proved(&mut self.desk, site, host, good),
        }
    }

    /// Members go on under other keys: their lines go along, and what is open with the old keys ends.
    pub(super) fn follow_heirs(&mut self) {
        self.settle.lines.follow(self.desk.id, &self.membership);
        for (old, heir) in self.membership.heirs() {
            let (desk, settle, mut ends, _) = self.ends();
            settle.end_with(desk, &mut ends, old, heir);
        }
    }

    /// Members came or left: strangers who turn out to belong are greeted, partners who left are hung up on.
    pub(super) fn on_roster_changed(&mut self) {
        self.follow_heirs();
        self.write_off();
        let gone = self.partners.iter().filter(|(site, partner)| partner.connected && !self.membership.is_welcome(site));
        let gone: alloc::vec::Vec<SiteId> = gone.map(|(site, _)| *site).collect();
        for peer in gone {
            self.desk.put(Output::Hang { peer });
        }
        self.sync_partners();
        self.weigh_testimonies();
        for peer in self.strangers.peers() {
            if self.membership.is_member(&peer) {
                self.strangers.remove(&peer);
                self.greet(peer);
            }
        }
    }
}
