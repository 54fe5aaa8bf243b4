//! The credit lines to our partners, each one end of a machine in `governance`, and when an unanswered proposal is sent again.

use alloc::collections::{BTreeMap, btree_map::Entry};
use core::time::Duration;

use overspill_governance::{
    charter::Charter,
    invite::MeshId,
    line::{Head, Line, LineKey, Proposal, Receipt},
    planted,
    regard::{Note, Regard},
    site::SiteId,
    standing::Standing,
    time::{Date, Time},
    units::Credit,
};

use super::hearing::Hearing;
use crate::{
    limits::{SETTLE_RETRY_MAX, SETTLE_RETRY_MIN},
    membership::Membership,
};

/// One line and what this process knows around it.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    accounts: BTreeMap<SiteId, Account>,
    regards: BTreeMap<SiteId, Regard>,
    pub(crate) hearing: Hearing,
}

impl Lines {
    /// Whether something may be signed on the line with a partner: we have heard how far it knows the line, and nobody forked it.
    pub(crate) fn may_sign(&self, partner: &SiteId) -> bool {
        let account = self.accounts.get(partner);
        let epoch = account.map_or(0, |account| account.line.key().epoch);
        !account.is_some_and(|account| account.frozen) && self.hearing.permits(partner, epoch)
    }

    /// The account with `partner`, opened when there is none yet.
    pub(crate) fn open(&mut self, us: SiteId, partner: SiteId, mesh: MeshId, charter: &Charter) -> Option<&mut Account> {
        match self.accounts.entry(partner) {
            Entry::Occupied(account) => {
                let account = account.into_mut();
                account.line.turn_to(charter);
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
        self.accounts.get(partner)
    }

    /// The account with `partner`, to be changed.
    pub(crate) fn account_mut(&mut self, partner: &SiteId) -> Option<&mut Account> {
        self.accounts.get_mut(partner)
    }

    /// All accounts, by the partners' keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SiteId, &Account)> {
        self.accounts.iter()
    }

    /// All accounts, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&SiteId, &mut Account)> {
        self.accounts.iter_mut()
    }

    /// How much further the line between us, who would owe, and `helper`, who would earn, may move; zero when nothing may be signed on it, or the helper's
    /// standing lets nobody lease from it.
    pub(crate) fn headroom(&self, membership: &Membership, us: SiteId, helper: SiteId) -> Credit {
        match (self.accounts.get(&helper), membership.charter()) {
            _ if us == helper || !self.may_sign(&helper) => Credit::ZERO,
            _ if !membership.standing(&helper).may_lease() => Credit::ZERO,
            (Some(account), _) => account.line.headroom(helper),
            (None, Some(charter)) => charter.newcomer_limit,
            (None, None) => Credit::ZERO,
        }
    }

    /// How much more service may be given to `owner` with `unsettled` outstanding before a receipt is insisted on, or before it owes what its
    /// standing lets it owe, or what we grant it after what we saw of it.
    pub(crate) fn service_room(&self, membership: &Membership, owner: SiteId, unsettled: Credit, date: Date) -> Credit {
        let Some(charter) = membership.charter() else { return Credit::ZERO };
        let lawful = self.lawful_room(charter, membership.standing(&owner), owner, unsettled);
        let Some(regard) = self.regards.get(&owner) else { return lawful };
        let line = self.accounts.get(&owner).map(|account| &account.line);
        let (limit, balance) = line.map_or((charter.newcomer_limit, Credit::ZERO), |line| (line.limit_given(), line.balance()));
        let granted = regard.granted(limit, charter, date).checked_sub(balance).and_then(|room| room.checked_sub(unsettled));
        lawful.min(granted.unwrap_or(Credit::ZERO)).max(Credit::ZERO)
    }

    /// The same by what can be proven alone: what both ends signed, and convictions.
    fn lawful_room(&self, charter: &Charter, standing: Standing, owner: SiteId, unsettled: Credit) -> Credit {
        match self.accounts.get(&owner) {
            _ if !self.may_sign(&owner) => Credit::ZERO,
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

    /// Takes note of what was seen of a partner; tells whether it changes anything.
    pub(crate) fn note(&mut self, with: SiteId, note: Note, date: Date) -> bool {
        self.regards.entry(with).or_default().take(note, date)
    }

    /// What we make of a partner.
    pub(crate) fn regard(&self, partner: &SiteId) -> Option<&Regard> {
        self.regards.get(partner)
    }

    /// What we make of whom we made anything of.
    pub(crate) fn regards(&self) -> impl Iterator<Item = (&SiteId, &Regard)> {
        self.regards.iter()
    }

    /// Until when no help is taken of a partner for what we saw ourselves.
    pub(crate) fn avoided(&self, membership: &Membership, partner: &SiteId, date: Date) -> Option<Date> {
        self.regards.get(partner)?.avoided(membership.charter()?, date)
    }

    /// Whether either end disputes the line with a partner: it carries no new lease.
    pub(crate) fn is_disputed(&self, membership: &Membership, partner: &SiteId, date: Date) -> bool {
        let regard = self.regards.get(partner).zip(membership.charter());
        regard.is_some_and(|(regard, charter)| regard.is_disputed(charter, date))
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

    /// Takes back from the ledger that a line began anew.
    pub(crate) fn restore_renewed(&mut self, us: SiteId, with: SiteId, head: &Head, membership: &Membership) -> bool {
        let Some((mesh, charter)) = membership.mesh().zip(membership.charter()) else { return false };
        self.open(us, with, mesh, charter).is_some_and(|account| account.line.renew(head, charter).is_ok())
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
