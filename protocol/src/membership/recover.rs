//! Coming back with nothing but the key: a partner tells which mesh it is, and the ledger begins with the word that it may have forgotten much.
//!
//! Whoever comes back trusts the partner that its owner names; it checks that the mesh has this site's key as a member. Lines, votes and
//! rules come by the ways by which every member hears of them.

use alloc::{format, string::String, vec::Vec};

use overspill_governance::{entry::Entry, roster::Roster, site::SiteId};

use super::{Membership, silent, sponsor::notices_for};
use crate::{
    desk::Desk,
    event::{Answer, Event},
    io::Output,
    limits::{JOIN_RETRY, JOIN_TRIES_MAX, ROSTER_BATCH},
    message::{Message, Return},
    timer::Reason,
};

/// A return under way. It is not in the ledger: who crashes asks again.
#[derive(Debug, Clone)]
pub(crate) struct Returning {
    id: u64,
    partner: SiteId,
    addresses: Vec<String>,
    tries: u32,
    connected: bool,
}

fn ask(desk: &mut Desk, partner: SiteId) {
    desk.send(partner, Message::Return(Return { founding: None, notices: Vec::new(), date: desk.now.date }));
}

impl Membership {
    /// Starts to ask a partner for the mesh that this key belongs to.
    pub(crate) fn start_returning(
        &mut self,
        desk: &mut Desk,
        id: u64,
        (partner, addresses): (SiteId, Vec<String>),
        connected: bool,
    ) -> Result<(), String> {
        self.may_enter()?;
        if desk.is_silent() {
            return Err(silent());
        }
        if partner == desk.id {
            return Err(String::from("that is this site's own key; name a partner's"));
        }
        if self.joining.is_some() || self.returning.is_some() {
            return Err(String::from("a join or a recovery is under way already; wait for its answer"));
        }
        self.returning = Some(Returning { id, partner, addresses, tries: 0, connected });
        self.press_on_returning(desk);
        Ok(())
    }

    /// Whether we wait for what this peer knows of us.
    pub(crate) fn is_returning_by(&self, peer: &SiteId) -> bool {
        self.returning.as_ref().is_some_and(|returning| returning.partner == *peer)
    }

    /// The partner is reachable, or no longer.
    pub(super) fn on_way_back(&mut self, desk: &mut Desk, connected: bool) {
        if let Some(returning) = &mut self.returning {
            returning.connected = connected;
            if connected {
                ask(desk, returning.partner);
            }
        }
    }

    /// Asks again, dials again, or gives up.
    pub(super) fn press_on_returning(&mut self, desk: &mut Desk) {
        let Some(returning) = &mut self.returning else { return };
        returning.tries += 1;
        if returning.tries > JOIN_TRIES_MAX {
            let words = if returning.connected {
                "the partner's agent does not answer; it may not know this key as a member's: name another partner, or join anew"
            } else {
                "the partner's agent cannot be reached at that address; correct it, or name another partner"
            };
            return self.end_returning(desk, Err(String::from(words)));
        }
        if returning.connected {
            ask(desk, returning.partner);
        } else {
            desk.put(Output::Dial { peer: returning.partner, addresses: returning.addresses.clone() });
        }
        desk.wake_in(Reason::Join, JOIN_RETRY);
    }

    /// A member has nothing left but its key. What it is told, every member may know.
    pub(crate) fn on_return_ask(&self, desk: &mut Desk, from: SiteId) {
        let Some(roster) = self.roster().filter(|roster| roster.contains(&from)) else { return };
        let admission = roster.member(&from).map(|member| member.notice);
        let notices = notices_for(roster, admission.as_ref(), &from);
        desk.send(from, Message::Return(Return { founding: Some(roster.founding().clone()), notices, date: desk.now.date }));
    }

    /// The partner tells which mesh it is. The word that much may be forgotten stands in the ledger before anything else.
    pub(crate) fn on_returned(&mut self, desk: &mut Desk, from: SiteId, told: Return) -> Option<&'static str> {
        if !self.is_returning_by(&from) || desk.is_silent() {
            return None;
        }
        let Return { founding: Some(founding), notices, date } = told else { return None };
        // A wrong date here would stand in the ledger, and shut every line until it comes.
        if !desk.now.date.agrees_with(date) {
            let words = format!(
                "the partner's clock says {date} and this machine's {}: set the one that is wrong and recover again, or name another partner",
                desk.now.date
            );
            self.end_returning(desk, Err(words));
            return None;
        }
        let Some(mut roster) = Roster::new(founding.clone()).filter(|_| notices.len() <= ROSTER_BATCH) else {
            return Some("a founding that is not valid");
        };
        for notice in &notices {
            let _ = roster.receive(notice.clone());
        }
        if !roster.contains(&desk.id) {
            let words = format!("the mesh \"{}\" has no member with this key; join it by an invite", founding.body.name.escape_debug());
            self.end_returning(desk, Err(words));
            return None;
        }
        desk.begin_anew();
        self.set_roster(Roster::new(founding.clone()));
        desk.persist(Entry::Founded(founding.into()));
        for notice in notices {
            let _ = self.take_notice(desk, notice);
        }
        self.end_returning(desk, Ok(Answer::Returned));
        None
    }

    fn end_returning(&mut self, desk: &mut Desk, answer: Result<Answer, String>) {
        if let Some(returning) = self.returning.take() {
            desk.timers.clear(Reason::Join);
            desk.tell(Event::Answered { id: returning.id, answer });
        }
    }
}
