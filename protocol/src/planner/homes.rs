//! Where other members' visitors belong: follows the roster, and is shared by every plan until the roster changes.

use alloc::{sync::Arc, vec::Vec};

use overspill_governance::{digest::Digest, site::SiteId};

use crate::{lease::helper::HelperSide, membership::Membership, plan::Home};

/// The homes of a roster.
#[derive(Debug, Clone, Default)]
pub(super) struct Homes {
    roster: Option<Digest>,
    known: Arc<Vec<Home>>,
}

impl Homes {
    /// Takes up what changed in the roster; tells whether anything did.
    pub(super) fn follow(&mut self, membership: &Membership, helper: &HelperSide, us: &SiteId) -> bool {
        let roster = membership.roster_digest();
        if roster == self.roster {
            return false;
        }
        let home = |site: SiteId| Some(Home { authority: helper.authority(&site)?, canonical: membership.contact(&site)?.0.into() });
        (self.roster, self.known) = (roster, Arc::new(membership.others(us).into_iter().filter_map(home).collect::<Vec<_>>()));
        true
    }

    /// What was taken up last.
    pub(super) fn known(&self) -> &Arc<Vec<Home>> {
        &self.known
    }
}
