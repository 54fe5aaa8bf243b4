//! Keys that are rotated: what a site says with its new key, and what goes along with a member.

use alloc::{vec, vec::Vec};

use overspill_governance::{
    limits::KEEPS_MAX,
    line::Ends,
    roster::{Notice, Roster},
    rotation::Succession,
    site::SiteId,
    time::Date,
};

use super::Membership;
use crate::{limits::ROTATIONS_TOLD, message::Message};

impl Membership {
    /// What this site would say to go on under another key: whoever it brought in by what it knows stays. The keys are for whoever
    /// signs it to fill in.
    ///
    /// `None` for who is no member, or brought in more than a rotation can name.
    pub(crate) fn succession(&self, date: Date) -> Option<Succession> {
        let roster = self.roster().filter(|roster| roster.contains(&self.us))?;
        let ours = |notice: &Notice| matches!(notice, Notice::Admitted(admission) if admission.body.sponsor == self.us);
        let brought = roster.everybody().filter(|member| roster.notice(&member.notice).is_some_and(ours));
        let keeps: Vec<SiteId> = brought.map(|member| member.site).collect();
        let (mesh, old, new, recovery) = (roster.mesh(), self.us, self.us, None);
        (keeps.len() <= KEEPS_MAX).then_some(Succession { mesh, old, new, recovery, keeps, date })
    }

    /// Standing goes along with members, as far as it was known when their rotation was heard of.
    pub(super) fn succeed(&mut self, heard: Date) {
        for (old, new) in self.roster.iter().flat_map(Roster::successions) {
            self.register.succeed(old, new, heard);
        }
    }

    /// The key that this site has now by what its ledger says so far, which begins under `first`.
    pub(crate) fn heir(&self, first: &SiteId) -> SiteId {
        self.roster.as_ref().map_or(*first, |roster| roster.heir(first))
    }

    /// This site has this key from here on, as its ledger says.
    pub(crate) fn go_on_as(&mut self, us: SiteId) {
        (self.us, self.left) = (us, false);
        self.invites = super::Invites::default();
    }

    /// The rotations by which a member came to its key, each as a message: a stranger may say no more at once.
    pub(crate) fn rotations_of(&self, site: &SiteId) -> Vec<Message> {
        let Some(roster) = self.roster() else { return Vec::new() };
        let keys = roster.keys_of(site);
        let notices = keys.iter().filter_map(|key| {
            let member = roster.everybody().find(|member| member.site == *key && member.succeeds.is_some())?;
            roster.notice(&member.notice).cloned()
        });
        let mut told: Vec<Message> = notices.take(ROTATIONS_TOLD).map(|notice| Message::RosterTell(vec![notice])).collect();
        told.reverse();
        told
    }

    /// Whether these notices are rotations alone: what a stranger may tell, for it may be a member whose new key we do not know.
    pub(crate) fn are_rotations(notices: &[Notice]) -> bool {
        notices.iter().all(|notice| matches!(notice, Notice::Rotated(_)))
    }

    /// The ends of our line with a partner, through all keys that both had.
    pub(crate) fn ends_with(&self, us: &SiteId, partner: &SiteId) -> Option<Ends> {
        let roster = self.roster.as_ref()?;
        Ends::between(roster.mesh(), roster.keys_of(us), roster.keys_of(partner))
    }

    /// A member's keys, this one first and then those before it.
    pub(crate) fn keys_of(&self, site: &SiteId) -> Vec<SiteId> {
        self.roster.iter().flat_map(|roster| roster.keys_of(site)).collect()
    }

    /// Members who go on under another key, each key with the one of now.
    pub(crate) fn heirs(&self) -> Vec<(SiteId, SiteId)> {
        self.roster.iter().flat_map(Roster::heirs).collect()
    }
}
