//! How the roster spreads: by gossip at once, and by an exchange that repairs whatever gossip lost.

use alloc::vec::Vec;

use overspill_governance::{
    digest::Digest,
    invite::Admission,
    planted,
    roster::Notice,
    site::{Signed, SiteId, Statement},
};

use super::Membership;
use crate::{
    desk::Desk,
    limits::{ROSTER_BATCH, ROSTER_DIGESTS_MAX, ROSTER_PAUSE},
    message::{Message, RosterAsk},
    partners::Partners,
};

impl Membership {
    /// A partner's roster has another digest than ours: asks for what we lack, not more often than [`ROSTER_PAUSE`].
    pub(crate) fn compare(&self, desk: &mut Desk, partners: &mut Partners, partner: &SiteId, theirs: Digest) {
        let Some(roster) = self.roster().filter(|_| self.digest != Some(theirs) && !planted!(RepairsNoRoster)) else { return };
        let Some(state) = partners.partner_mut(partner) else { return };
        if state.roster_asked.is_some_and(|at| desk.now.time < at.after(ROSTER_PAUSE)) {
            return;
        }
        state.roster_asked = Some(desk.now.time);
        let known: Vec<Digest> = roster.digests().take(ROSTER_DIGESTS_MAX).collect();
        desk.send(*partner, Message::RosterAsk(RosterAsk { known }));
    }

    /// Answers what a partner lacks, a batch at a time; it asks again while digests differ.
    pub(crate) fn on_roster_ask(&self, desk: &mut Desk, from: SiteId, ask: &RosterAsk) -> Option<&'static str> {
        let roster = self.roster()?;
        if ask.known.len() > ROSTER_DIGESTS_MAX || !ask.known.is_sorted_by(|a, b| a < b) {
            return Some("a roster question that breaks its own rules");
        }
        let lacking: Vec<Notice> = roster.unknown_to(&ask.known).take(ROSTER_BATCH).cloned().collect();
        if !lacking.is_empty() {
            desk.send(from, Message::RosterTell(lacking));
        }
        None
    }

    /// Takes notices; tells whether the roster changed.
    pub(crate) fn on_roster_tell(&mut self, desk: &mut Desk, notices: Vec<Notice>) -> Result<bool, &'static str> {
        if notices.len() > ROSTER_BATCH {
            return Err("more roster notices than a batch holds");
        }
        if desk.is_silent() {
            return Ok(false);
        }
        let mut changed = false;
        for notice in notices {
            let ours = match &notice {
                Notice::Admitted(admission) if admission.body.sponsor == desk.id => Some(admission.clone()),
                _ => None,
            };
            let news = self.take_notice(desk, notice)?;
            if let Some(admission) = ours.filter(|_| news) {
                self.remember_admission(desk, &admission);
            }
            changed |= news;
        }
        Ok(changed)
    }

    /// Others hold an admission of ours that we do not know: its invite is used, and our ledger is an old copy.
    fn remember_admission(&mut self, desk: &mut Desk, admission: &Signed<Admission>) {
        self.invites.use_up(admission.body.invite, admission.body.digest());
        if desk.recovered().is_none_or(|date| admission.body.date > date) {
            desk.begin_anew();
        }
    }
}
