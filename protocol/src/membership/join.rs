//! The joiner: dials the sponsor that its token names, redeems the invite, and believes only what the token's mesh proves.

use alloc::string::String;

use overspill_governance::{
    entry::Entry,
    invite::{Redeemed, token::Token},
    roster::{Notice, Roster},
    site::SiteId,
};

use super::{Membership, clip, silent};
use crate::{
    desk::Desk,
    event::{Answer, Event},
    io::Output,
    limits::{JOIN_RETRY, JOIN_TRIES_MAX},
    message::{JoinDone, Message},
    timer::Reason,
};

/// A join under way. It is not in the ledger: a joiner that crashes redeems the same token again and gets the same answer.
#[derive(Debug, Clone)]
pub(crate) struct Joining {
    id: u64,
    redeemed: Redeemed,
    tries: u32,
    connected: bool,
}

impl Joining {
    fn sponsor(&self) -> SiteId {
        self.redeemed.invite.body.sponsor
    }
}

impl Membership {
    /// Starts to redeem a token.
    pub(crate) fn start_joining(
        &mut self,
        desk: &mut Desk,
        id: u64,
        text: &str,
        connected: impl Fn(&SiteId) -> bool,
    ) -> Result<(), String> {
        let token = Token::from_text(text).map_err(|error| alloc::format!("{error}"))?;
        token.check(desk.now.date, self.mesh()).map_err(|error| alloc::format!("{error}"))?;
        self.may_enter()?;
        if self.joining.is_some() || self.returning.is_some() {
            return Err(String::from("a join is under way already; wait for its answer"));
        }
        let key = desk.key().ok_or_else(silent)?;
        let redeemed = Redeemed::new(&token, key, self.canonical.clone(), self.addresses.clone(), desk.now.date);
        let connected = connected(&redeemed.invite.body.sponsor);
        self.joining = Some(Joining { id, redeemed, tries: 0, connected });
        self.press_on(desk);
        Ok(())
    }

    /// Whether we wait for this peer's countersignature, or for what it knows of us.
    pub(crate) fn is_sponsor_of_ours(&self, peer: &SiteId) -> bool {
        self.joining.as_ref().is_some_and(|joining| joining.sponsor() == *peer) || self.is_returning_by(peer)
    }

    /// The sponsor is reachable, or no longer.
    pub(crate) fn on_sponsor(&mut self, desk: &mut Desk, connected: bool) {
        self.on_way_back(desk, connected);
        if let Some(joining) = &mut self.joining {
            joining.connected = connected;
            if connected {
                desk.send(joining.sponsor(), Message::JoinAsk(joining.redeemed.clone()));
            }
        }
    }

    /// Asks the sponsor again, dials it again, or gives up.
    pub(crate) fn press_on(&mut self, desk: &mut Desk) {
        self.press_on_returning(desk);
        let Some(joining) = &mut self.joining else { return };
        joining.tries += 1;
        if joining.tries > JOIN_TRIES_MAX {
            let words = if joining.connected {
                "the sponsor's agent does not answer; ask the sponsor to look at its log, then join again with the same token"
            } else {
                "the sponsor's agent cannot be reached at the token's addresses; ask the sponsor whether it runs and listens there, then join again with the same token"
            };
            return self.end_joining(desk, Err(String::from(words)));
        }
        if joining.connected {
            desk.send(joining.sponsor(), Message::JoinAsk(joining.redeemed.clone()));
        } else {
            let addresses = joining.redeemed.invite.body.addresses.clone();
            desk.put(Output::Dial { peer: joining.sponsor(), addresses });
        }
        desk.wake_in(Reason::Join, JOIN_RETRY);
    }

    /// The sponsor countersigned: everything is checked against the token before any of it is remembered.
    pub(crate) fn on_join_done(&mut self, desk: &mut Desk, from: SiteId, done: JoinDone) -> Option<&'static str> {
        let joining = self.joining.as_ref().filter(|joining| joining.sponsor() == from)?;
        let invite = &joining.redeemed.invite.body;
        let admission = &done.admission.body;
        let ours = (admission.mesh, admission.member, admission.sponsor) == (invite.mesh, desk.id, invite.sponsor);
        if done.founding.body.mesh() != invite.mesh || !ours || !done.admission.is_good() {
            return Some("an admission that does not fit the token");
        }
        let Some(roster) = Roster::new(done.founding.clone()) else { return Some("a founding that is not valid") };
        if desk.is_silent() {
            self.end_joining(desk, Err(silent()));
            return None;
        }
        self.set_roster(Some(roster));
        desk.persist(Entry::Founded(done.founding.into()));
        for notice in done.notices {
            // What is wrong or early among these is repaired by the roster exchange.
            let _ = self.take_notice(desk, notice);
        }
        let admitted = self.take_notice(desk, Notice::Admitted(done.admission));
        if !self.is_member(&desk.id) {
            // Forgetting the mesh again is safe: the entries name a mesh in which we are no member, and the next join replaces them.
            self.set_roster(None);
            return Some(admitted.err().unwrap_or("an admission without the notices that it rests on"));
        }
        self.end_joining(desk, Ok(Answer::Joined));
        None
    }

    /// The sponsor would not.
    pub(crate) fn on_join_refused(&mut self, desk: &mut Desk, from: SiteId, mut reason: String) {
        if self.is_sponsor_of_ours(&from) {
            clip(&mut reason);
            self.end_joining(desk, Err(reason));
        }
    }

    fn end_joining(&mut self, desk: &mut Desk, answer: Result<Answer, String>) {
        if let Some(joining) = self.joining.take() {
            desk.timers.clear(Reason::Join);
            desk.tell(Event::Answered { id: joining.id, answer });
        }
    }
}
