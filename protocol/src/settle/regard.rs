//! What this site makes of a partner by what it saw itself, and disputes that either end declares.

use alloc::{format, string::String};

use overspill_governance::{
    entry::Entry,
    regard::{Note, Regard},
    site::SiteId,
};

use super::Settle;
use crate::{
    desk::Desk,
    event::{Answer, Event},
    limits::REASON_MAX,
    membership::{Membership, clip, silent},
    message::Message,
};

impl Settle {
    /// Notes something of a partner; in the ledger, or a restart would forgive it.
    pub(crate) fn note(&mut self, desk: &mut Desk, partner: SiteId, note: Note) {
        let date = desk.now.date;
        if !desk.is_silent() && self.lines.note(partner, note.clone(), date) {
            desk.persist(Entry::Noted { with: partner, note: note.clone(), date });
            desk.tell(Event::Noted { partner, note });
        }
    }

    /// A person disputes the line with a partner, or takes that back; the partner is told.
    pub(crate) fn dispute(
        &mut self,
        desk: &mut Desk,
        membership: &Membership,
        partner: SiteId,
        reason: Option<String>,
    ) -> Result<Answer, String> {
        if desk.is_silent() {
            return Err(silent());
        }
        let Some(charter) = membership.charter() else {
            return Err(String::from("this site is in no mesh; `overspill init` founds one, `overspill join TOKEN` joins one"));
        };
        if !membership.is_member(&partner) || partner == desk.id {
            return Err(format!("{} is no other member of this mesh; `overspill members` lists them", partner.short()));
        }
        let (short, ours) = (partner.short(), self.lines.regard(&partner).and_then(Regard::ours));
        match (ours, &reason) {
            (Some(ours), Some(_)) => {
                let until = ours.until(charter);
                return Err(format!(
                    "this site disputes the line with {short} already, with effect until {until}; take that back first, by --withdraw"
                ));
            }
            (None, None) => return Err(format!("this site does not dispute the line with {short}; `overspill lines` shows who does")),
            (None, Some(reason)) if reason.trim().is_empty() || reason.len() > REASON_MAX || reason.contains(char::is_control) => {
                return Err(format!("a reason is one line of 1 to {REASON_MAX} bytes; write another one"));
            }
            _ => {}
        }
        let until = reason.as_ref().map(|_| desk.now.date.after(charter.dispute_length.span()));
        self.note(desk, partner, reason.clone().map_or(Note::WeWithdraw, Note::WeDispute));
        desk.send(partner, Message::Dispute(reason));
        Ok(Answer::Disputed { partner, until })
    }

    /// The other end disputes our line, or takes that back.
    pub(crate) fn on_dispute(&mut self, desk: &mut Desk, from: SiteId, reason: Option<String>) {
        let said = reason.map(|mut reason| {
            clip(&mut reason);
            Note::TheyDispute(reason)
        });
        self.note(desk, from, said.unwrap_or(Note::TheyWithdraw));
    }

    /// A partner is there again: what it may have missed of our dispute is said once more.
    pub(crate) fn say_dispute(&self, desk: &mut Desk, partner: SiteId) {
        if let Some(regard) = self.lines.regard(&partner) {
            desk.send(partner, Message::Dispute(regard.ours().map(|ours| ours.reason.clone())));
        }
    }
}
