//! What this site makes of a partner by what it saw itself, and disputes that either end declares.

use alloc::{format, string::String};

use overspill_governance::{entry::Entry, regard::Note, site::SiteId};

use super::Settle;
use crate::{
    desk::Desk,
    event::{Answer, Event},
    membership::{Membership, silent},
    message::Message,
};

impl Settle {
    /// Notes something of a partner; in the ledger, or a restart would forgive it.
    pub(crate) fn note(&mut self, desk: &mut Desk, partner: SiteId, note: Note) {
        let date = desk.now.date;
        if !desk.is_silent() && self.lines.note(partner, note, date) {
            desk.persist(Entry::Noted { with: partner, note, date });
            desk.tell(Event::Noted { partner, note });
        }
    }

    /// A person disputes the line with a partner, or takes that back; the partner is told.
    pub(crate) fn dispute(&mut self, desk: &mut Desk, membership: &Membership, partner: SiteId, open: bool) -> Result<Answer, String> {
        if desk.is_silent() {
            return Err(silent());
        }
        if !membership.is_member(&partner) || partner == desk.id {
            return Err(format!("{} is no other member of this mesh; `overspill members` lists them", partner.short()));
        }
        self.note(desk, partner, if open { Note::WeDispute } else { Note::WeWithdraw });
        desk.send(partner, Message::Dispute(open));
        Ok(Answer::Disputed { partner, open })
    }

    /// The other end disputes our line, or takes that back.
    pub(crate) fn on_dispute(&mut self, desk: &mut Desk, from: SiteId, open: bool) {
        self.note(desk, from, if open { Note::TheyDispute } else { Note::TheyWithdraw });
    }

    /// A partner is there again: what it may have missed of our dispute is said once more.
    pub(crate) fn say_dispute(&self, desk: &mut Desk, partner: SiteId) {
        if let Some(regard) = self.lines.regard(&partner) {
            desk.send(partner, Message::Dispute(regard.is_ours()));
        }
    }
}
