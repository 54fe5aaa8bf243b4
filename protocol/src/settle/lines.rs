//! The credit lines to our partners, each one end of a machine in `governance`.

use alloc::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    vec::Vec,
};

use overspill_governance::{
    charter::Charter,
    line::{Head, Line, LineKey, Proposal, Receipt},
    planted,
    regard::{Note, Regard},
    site::SiteId,
    stake::{Due, Stakes},
    time::{Date, Time},
    units::Credit,
};

use super::{account::Account, hearing::Hearing};
use crate::membership::Membership;

/// All lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    accounts: BTreeMap<SiteId, Account>,
    regards: BTreeMap<SiteId, Regard>,
    /// What others' service and stakes cover.
    pub(crate) stakes: Stakes,
    /// When we signed last that we would carry a member's visitors.
    pub(crate) lent: BTreeMap<SiteId, Date>,
    pub(crate) hearing: Hearing,
}

impl Lines {
    /// Whether something may be signed on the line with a partner: we have heard how far it knows the line, and nobody forked it.
    pub(crate) fn may_sign(&self, partner: &SiteId) -> bool {
        let account = self.accounts.get(partner);
        let epoch = account.map_or(0, |account| account.line.key().epoch);
        !account.is_some_and(|account| account.frozen || account.is_former || account.line.waits()) && self.hearing.permits(partner, epoch)
    }

    /// The account with `partner`, opened when there is none yet.
    pub(crate) fn open(&mut self, us: SiteId, partner: SiteId, membership: &Membership, charter: &Charter) -> Option<&mut Account> {
        match self.accounts.entry(partner) {
            Entry::Occupied(account) => {
                let account = account.into_mut();
                account.line.turn_to(charter);
                Some(account)
            }
            Entry::Vacant(place) => {
                // Who has left keeps its lines, and begins none.
                let roster = membership.roster()?;
                let line = Line::new(LineKey::between(roster.mesh(), us, partner), us, charter)?;
                self.stakes.know(roster, partner);
                Some(place.insert(Account::new(line)))
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
            (Some(account), _) => {
                let taken = account.locking().checked_add(account.asked()).unwrap_or(Credit(i64::MAX));
                account.line.headroom(helper).checked_sub(taken).unwrap_or(Credit::ZERO).max(Credit::ZERO)
            }
            (None, Some(charter)) => charter.newcomer_limit,
            (None, None) => Credit::ZERO,
        }
    }

    /// How much more service may be given to `owner` by what can be proven alone: what both ends signed, and convictions.
    pub(crate) fn lawful_room(&self, charter: &Charter, owner: &SiteId, unsettled: Credit, membership: &Membership) -> Credit {
        let standing = membership.standing(owner);
        match self.accounts.get(owner) {
            _ if !self.may_sign(owner) => Credit::ZERO,
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
        if let Note::Answers { member, amount } = note {
            self.stakes.write_off(Due { member, amount, to: with });
            return true;
        }
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
        let Some(minutes) = membership.minutes() else { return false };
        // The log does not name the rules under which a line started: its first state fits those alone.
        minutes.versions().iter().any(|rules| {
            let opened = self.open(us, with, membership, &rules.charter);
            opened.is_some_and(|account| account.line.restore_proposed(proposal).is_ok())
        })
    }

    /// Takes back a receipt from the ledger, and tells what it moved.
    pub(crate) fn restore_agreed(&mut self, us: SiteId, with: SiteId, receipt: &Receipt, membership: &Membership) -> Option<Credit> {
        let charter = membership.charter()?;
        let account = self.open(us, with, membership, charter)?;
        let before = account.line.balance();
        account.line.restore_agreed(receipt).ok()?;
        let after = account.line.balance();
        self.take_service(with, before, after, receipt);
        moved(before, after)
    }

    /// A receipt moved a line: what of that was service to us covers what its giver owes.
    pub(crate) fn take_service(&mut self, with: SiteId, before: Credit, after: Credit, receipt: &Receipt) {
        if let Some(worth) = before.checked_sub(after).filter(|worth| receipt.claim.is_some() && *worth > Credit::ZERO) {
            self.stakes.on_service(with, worth);
        }
    }

    /// A line began anew: what was forgotten of the partner's service is what its limit has grown by.
    pub(crate) fn take_renewed(&mut self, with: SiteId, charter: &Charter) {
        let grown = self.accounts.get(&with).and_then(|account| account.line.limit_given().checked_sub(account.line.start()));
        self.stakes.on_grown(with, grown.unwrap_or(Credit::ZERO), charter);
    }

    /// Takes back from the ledger that a line began anew.
    pub(crate) fn restore_renewed(&mut self, us: SiteId, with: SiteId, head: &Head, membership: &Membership) -> bool {
        let Some(charter) = membership.charter() else { return false };
        let Some(ends) = membership.ends_with(&us, &with) else { return false };
        let renewed = self.open(us, with, membership, charter).is_some_and(|account| account.line.renew(head, &ends, charter).is_ok());
        self.take_renewed(with, charter);
        renewed
    }

    /// Members go on under other keys, this site perhaps among them: their lines go along. What stands under a former key stays as it was.
    pub(crate) fn follow(&mut self, us: SiteId, membership: &Membership) {
        let Some(charter) = membership.charter() else { return };
        let heirs: BTreeSet<SiteId> = membership.heirs().into_iter().map(|(_, heir)| heir).filter(|heir| *heir != us).collect();
        for heir in heirs {
            // The latest key under which there is a line stands for all before it.
            let former: Vec<SiteId> = membership.keys_of(&heir).into_iter().skip(1).collect();
            let before = former.iter().find_map(|old| self.accounts.get(old)).filter(|_| !self.accounts.contains_key(&heir)).cloned();
            let line = before.as_ref().zip(membership.ends_with(&us, &heir));
            let line = line.and_then(|(account, ends)| account.line.handed_over(&ends, us, charter));
            if let Some((account, line)) = before.zip(line) {
                self.accounts.insert(heir, Account { line, is_former: false, again: Time::ZERO, tries: 0, fading: None, ..account });
            }
            let regard = former.iter().find_map(|old| self.regards.get(old)).filter(|_| !self.regards.contains_key(&heir)).cloned();
            self.regards.extend(regard.map(|regard| (heir, regard)));
            let lent = former.iter().filter_map(|old| self.lent.get(old)).max().copied();
            self.lent.extend(lent.filter(|_| !self.lent.contains_key(&heir)).map(|lent| (heir, lent)));
            self.pass_on(&membership.keys_of(&heir));
            // Nothing is signed under a former key, whatever is open there.
            for old in former {
                self.accounts.entry(old).and_modify(|account| account.is_former = true);
            }
        }
    }

    /// Stakes go along with a member, from each of its keys to the next. What was taken meanwhile under a key that only seemed to have its place is
    /// the loss of whoever lost the key.
    fn pass_on(&mut self, keys: &[SiteId]) {
        let owed = |site: &SiteId| self.accounts.get(site).map_or(Credit::ZERO, |account| account.line.balance());
        for (new, old) in keys.iter().zip(keys.iter().skip(1)).rev() {
            let seemed = self.stakes.heir(old);
            self.stakes.succeed(*old, *new);
            let amount = owed(&seemed).checked_sub(owed(old)).unwrap_or(Credit::ZERO);
            if seemed != *old && seemed != *new && self.stakes.is_succeeded(&seemed) && amount > Credit::ZERO {
                self.stakes.write_off(Due { member: seemed, amount, to: self.stakes.heir(&seemed) });
            }
        }
    }

    /// This site goes on under another key, and so do all its lines.
    pub(crate) fn go_on_as(&mut self, us: SiteId, membership: &Membership) {
        let Some(charter) = membership.charter() else { return };
        for (partner, account) in &mut self.accounts {
            let line = membership.ends_with(&us, partner).and_then(|ends| account.line.handed_over(&ends, us, charter));
            if let Some(line) = line {
                account.line = line;
            }
        }
    }
}

/// By how much a balance moved, whichever way.
pub(crate) fn moved(before: Credit, after: Credit) -> Option<Credit> {
    let moved = after.checked_sub(before)?;
    Some(moved.max(moved.checked_neg()?))
}
