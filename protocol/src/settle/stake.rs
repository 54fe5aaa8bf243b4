//! What we let others owe us: by what both ends signed, by what we saw of them, by evidence, and by the stakes of those who brought them in.

use alloc::{collections::BTreeMap, vec::Vec};

use overspill_governance::{
    charter::Charter,
    regard::Note,
    roster::Roster,
    site::SiteId,
    stake::{Due, Left},
    time::Date,
    units::Credit,
};

use super::{Ends, Settle, hearing::end_all, lines::Lines};
use crate::{
    desk::Desk,
    lease::helper::HelperSide,
    limits::{ABSENT_FOR, WRITE_OFF_PAUSE},
    membership::Membership,
    partners::Partners,
};

/// How much more service may be given to whom, on one date.
pub(crate) struct Rooms<'a> {
    lines: &'a Lines,
    membership: &'a Membership,
    unsettled: BTreeMap<SiteId, Credit>,
    left: Left,
    date: Date,
}

impl Rooms<'_> {
    /// How much more service may be given to `owner`, one of those for whom this was made, before a receipt is insisted on, or before it owes what we
    /// let it owe.
    pub(crate) fn of(&self, owner: &SiteId) -> Credit {
        let Some(charter) = self.membership.charter() else { return Credit::ZERO };
        let unsettled = self.unsettled.get(owner).copied().unwrap_or_default();
        let lawful = self.lines.lawful_room(charter, owner, unsettled, self.membership);
        let owed = self.lines.owed(owner, unsettled);
        let granted = minus(self.lines.granted(charter, self.membership, owner, self.date), owed);
        let vouched = self.lines.stakes.room(&self.left, owner, owed).unwrap_or(granted);
        lawful.min(granted).min(vouched).max(Credit::ZERO)
    }

    /// What of its sponsors' stakes is left for a member.
    pub(crate) fn left(&self, owner: &SiteId) -> Option<Credit> {
        self.left.of(owner)
    }
}

impl Lines {
    /// How much more service may be given to the members of whom `unsettled` tells what they had and did not sign for.
    pub(crate) fn rooms<'a>(&'a self, membership: &'a Membership, unsettled: BTreeMap<SiteId, Credit>, date: Date) -> Rooms<'a> {
        let rules = membership.roster().zip(membership.charter()).filter(|_| !unsettled.is_empty());
        let left = rules.map(|(roster, charter)| {
            let granted = |site: &SiteId| self.trusted(charter, membership, site, date);
            self.stakes.left(roster, membership.us(), charter, &self.all_owed(&unsettled), granted)
        });
        Rooms { lines: self, membership, unsettled, left: left.unwrap_or_default(), date }
    }

    /// How far we let a member owe us: its signed limit, or the newcomer's, less what evidence and what we saw take off, and less what it answers for.
    pub(crate) fn granted(&self, charter: &Charter, membership: &Membership, site: &SiteId, date: Date) -> Credit {
        minus(self.trusted(charter, membership, site, date), self.stakes.answers_for(site)).max(Credit::ZERO)
    }

    /// The same, whatever it answers for.
    fn trusted(&self, charter: &Charter, membership: &Membership, site: &SiteId, date: Date) -> Credit {
        let limit = self.account(site).map_or(charter.newcomer_limit, |account| account.line.limit_given());
        let seen = self.regard(site).map_or(limit, |regard| regard.granted(limit, charter, date));
        seen.min(membership.standing(site).share(limit, charter))
    }

    /// What a member owes us, with what it had and did not sign for.
    fn owed(&self, site: &SiteId, unsettled: Credit) -> Credit {
        let balance = self.account(site).map_or(Credit::ZERO, |account| account.line.balance());
        Credit(balance.0.saturating_add(unsettled.0))
    }

    fn all_owed(&self, unsettled: &BTreeMap<SiteId, Credit>) -> BTreeMap<SiteId, Credit> {
        // What is owed on a former key's line is carried on by the key of now.
        let lines = self.iter().map(|(site, _)| site).filter(|site| !self.stakes.is_succeeded(site));
        let sites = lines.chain(unsettled.keys());
        sites.map(|site| (*site, self.owed(site, unsettled.get(site).copied().unwrap_or_default()))).collect()
    }

    /// The write-offs that are due.
    fn write_offs(&self, roster: &Roster, us: SiteId, unsettled: &BTreeMap<SiteId, Credit>, is_gone: impl Fn(&SiteId) -> bool) -> Vec<Due> {
        self.stakes.due(roster, us, &self.all_owed(unsettled), is_gone)
    }
}

impl Settle {
    /// Writes off what those leave unpaid who are gone: who left, was removed or expelled, or does not come back. Before anything of theirs is given up.
    pub(crate) fn write_off(&mut self, desk: &mut Desk, membership: &Membership, partners: &Partners, helper: &HelperSide) {
        let Some((roster, charter)) = membership.roster().zip(membership.charter()) else { return };
        self.looked = Some(desk.now.time);
        let is_absent = |site: &SiteId| {
            let long_ago = self.lines.lent.get(site).is_some_and(|lent| desk.now.date >= lent.after(charter.breach_memory.span()));
            long_ago
                && partners.partner(site).is_some_and(|partner| !partner.connected && desk.now.time.since(partner.last_heard) >= ABSENT_FOR)
        };
        let is_gone = |site: &SiteId| membership.has_left(site) || !membership.standing(site).is_heard() || is_absent(site);
        for Due { member, amount, to } in self.lines.write_offs(roster, membership.us(), &helper.outstanding(), is_gone) {
            self.note(desk, to, Note::Answers { member, amount });
        }
    }

    /// A member goes on under another key: what is open with the old one ends, and what is not settled of it the member answers for.
    pub(crate) fn end_with(&mut self, desk: &mut Desk, ends: &mut Ends<'_>, old: SiteId, heir: SiteId) {
        let amount = ends.helper.unsettled(&old);
        if amount > Credit::ZERO {
            self.note(desk, heir, Note::Answers { member: old, amount });
        }
        end_all(desk, ends, old);
    }

    /// Whether it is time to look for those who do not come back.
    pub(crate) fn is_to_look(&self, desk: &Desk) -> bool {
        self.looked.is_none_or(|looked| desk.now.time.since(looked) >= WRITE_OFF_PAUSE)
    }
}

fn minus(one: Credit, other: Credit) -> Credit {
    Credit(one.0.saturating_sub(other.0))
}
