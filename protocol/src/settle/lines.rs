//! The credit lines to our partners, each one end of a machine in `governance`, and when an unanswered proposal is sent again.

use alloc::collections::{BTreeMap, btree_map::Entry};
use core::time::Duration;

use overspill_governance::{
    charter::Charter,
    invite::MeshId,
    line::{Line, LineKey, Proposal, Receipt},
    planted,
    site::SiteId,
    time::Time,
    units::Credit,
};

use crate::{
    limits::{SETTLE_RETRY_MAX, SETTLE_RETRY_MIN},
    membership::Membership,
};

/// One line and what this process knows around it.
#[derive(Debug)]
pub(crate) struct Account {
    /// Our end.
    pub(crate) line: Line,
    /// Nothing is signed on it any more: the other end forked it, or the two ledgers disagree.
    pub(crate) frozen: bool,
    /// When the pending proposal is sent again, and how often it was.
    pub(crate) again: Time,
    /// How often it was sent.
    pub(crate) tries: u32,
}

/// All lines.
#[derive(Debug, Default)]
pub(crate) struct Lines(BTreeMap<SiteId, Account>);

impl Lines {
    /// The account with `partner`, opened when there is none yet.
    pub(crate) fn open(&mut self, us: SiteId, partner: SiteId, mesh: MeshId, charter: &Charter) -> Option<&mut Account> {
        match self.0.entry(partner) {
            Entry::Occupied(account) => {
                let account = account.into_mut();
                if account.line.state().seq == 0 && account.line.pending().is_none() {
                    // Nothing was signed yet: the line starts under the rules of what is signed first.
                    account.line = Line::new(LineKey::between(mesh, us, partner), us, charter)?;
                }
                Some(account)
            }
            Entry::Vacant(place) => {
                let line = Line::new(LineKey::between(mesh, us, partner), us, charter)?;
                Some(place.insert(Account { line, frozen: false, again: Time::ZERO, tries: 0 }))
            }
        }
    }

    /// The account with `partner`, if anything ever happened on it.
    pub(crate) fn account(&self, partner: &SiteId) -> Option<&Account> {
        self.0.get(partner)
    }

    /// The account with `partner`, to be changed.
    pub(crate) fn account_mut(&mut self, partner: &SiteId) -> Option<&mut Account> {
        self.0.get_mut(partner)
    }

    /// All accounts, by the partners' keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SiteId, &Account)> {
        self.0.iter()
    }

    /// All accounts, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&SiteId, &mut Account)> {
        self.0.iter_mut()
    }

    /// How much further the line between us, who would owe, and `helper`, who would earn, may move; zero when it is frozen, or the helper's
    /// standing lets nobody lease from it.
    pub(crate) fn headroom(&self, membership: &Membership, us: SiteId, helper: SiteId) -> Credit {
        match (self.0.get(&helper), membership.charter()) {
            (Some(account), _) if account.frozen || us == helper => Credit::ZERO,
            _ if !membership.standing(&helper).may_lease() => Credit::ZERO,
            (Some(account), _) => account.line.headroom(helper),
            (None, Some(charter)) => charter.newcomer_limit,
            (None, None) => Credit::ZERO,
        }
    }

    /// How much more service may be given to `owner` with `unsettled` outstanding before a receipt is insisted on, or its standing lets it owe no more.
    pub(crate) fn service_room(&self, membership: &Membership, owner: SiteId, unsettled: Credit) -> Credit {
        let Some(charter) = membership.charter() else { return Credit::ZERO };
        let standing = membership.standing(&owner);
        match self.0.get(&owner) {
            Some(account) if account.frozen => Credit::ZERO,
            Some(account) => {
                let share = standing.share(account.line.limit_given(), charter);
                let left = share.checked_sub(account.line.balance()).and_then(|left| left.checked_sub(unsettled)).unwrap_or(Credit::ZERO);
                account.line.service_room(unsettled, charter).min(left).max(Credit::ZERO)
            }
            None => {
                let limit = standing.share(charter.newcomer_limit, charter);
                limit.min(charter.unsettled_cap).checked_sub(unsettled).unwrap_or(Credit::ZERO).max(Credit::ZERO)
            }
        }
    }

    /// Takes back our own half from the ledger.
    pub(crate) fn restore_proposed(&mut self, us: SiteId, with: SiteId, proposal: &Proposal, membership: &Membership) -> bool {
        if planted!(ForgetsProposals) {
            return true;
        }
        let Some((mesh, minutes)) = membership.mesh().zip(membership.minutes()) else { return false };
        // The log does not name the rules under which a line started: its first state fits those alone.
        minutes.versions().iter().any(|rules| {
            let opened = self.open(us, with, mesh, &rules.charter);
            opened.is_some_and(|account| account.line.restore_proposed(proposal).is_ok())
        })
    }

    /// Takes back a receipt from the ledger, and tells what it moved.
    pub(crate) fn restore_agreed(&mut self, us: SiteId, with: SiteId, receipt: &Receipt, membership: &Membership) -> Option<Credit> {
        let (mesh, charter) = (membership.mesh()?, membership.charter()?);
        let account = self.open(us, with, mesh, charter)?;
        let before = account.line.balance();
        account.line.restore_agreed(receipt).ok()?;
        moved(before, account.line.balance())
    }
}

impl Account {
    /// Notes that the pending proposal was sent, and when to send it again.
    pub(crate) fn sent(&mut self, now: Time) {
        self.again = now.after(retry_pause(self.tries));
        self.tries = self.tries.saturating_add(1);
    }

    /// The partner is there again, or the proposal was answered: start the pauses afresh.
    pub(crate) fn refresh(&mut self, now: Time) {
        (self.again, self.tries) = (now, 0);
    }
}

/// The pause after the n-th unanswered sending.
pub(crate) fn retry_pause(tries: u32) -> Duration {
    SETTLE_RETRY_MIN.saturating_mul(1_u32 << tries.min(10)).min(SETTLE_RETRY_MAX)
}

/// By how much a balance moved, whichever way.
pub(crate) fn moved(before: Credit, after: Credit) -> Option<Credit> {
    let moved = after.checked_sub(before)?;
    Some(moved.max(moved.checked_neg()?))
}
