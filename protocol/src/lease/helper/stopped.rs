//! Members for whom this site carries nothing, because its owner wants it so.

use alloc::{collections::BTreeSet, vec::Vec};

use overspill_governance::{payword::LeaseId, site::SiteId};

use super::HelperSide;
use crate::{
    desk::Desk,
    io::Output,
    lease::table::{Phase, Turn},
};

impl HelperSide {
    /// Carries nothing for these from now on, and may carry for all others: leases drain, copies go. Returns for whom that is new. What was served is
    /// claimed all the same.
    pub(crate) fn stop(&mut self, desk: &mut Desk, members: BTreeSet<SiteId>) -> Vec<SiteId> {
        let new: Vec<SiteId> = members.difference(&self.stopped).copied().collect();
        self.stopped = members;
        for owner in &new {
            let held = self.leases.iter().filter(|(_, guest)| guest.terms.owner() == *owner && guest.terms.phase == Phase::Held);
            let held: Vec<LeaseId> = held.map(|(lease, _)| *lease).collect();
            for lease in held {
                self.turn(desk, lease, Turn::Stopped);
            }
            self.keeping.drop_all(owner);
            self.drop_copies(desk, *owner);
        }
        new
    }

    /// Whether nothing is carried for this member.
    pub(crate) fn is_stopped(&self, owner: &SiteId) -> bool {
        self.stopped.contains(owner)
    }

    /// Something came for this owner: it goes if nothing is carried for it, as what was on its way when that was said.
    pub(crate) fn on_came(&mut self, desk: &mut Desk, owner: SiteId) {
        if self.is_stopped(&owner) {
            self.drop_copies(desk, owner);
        }
    }

    fn drop_copies(&self, desk: &mut Desk, owner: SiteId) {
        desk.put(Output::Keep { owner, digests: BTreeSet::new() });
    }
}
