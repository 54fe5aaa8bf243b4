//! Stakes: what a sponsor puts up for those whom it brings in, and what it answers for when they are gone.
//!
//! Credit is bilateral, and so is the stake: each member draws on it by itself, by what stands in its own ledger. Nobody signs for that.
//!
//! What a member owes us beyond all the service that it gave us is *uncovered*. Whom one sponsor brought in, directly or through others, may owe us
//! uncovered no more than the sponsor's stake with us, all together: so ten names get what one gets, until they have served us. What one of them
//! leaves unpaid when it goes is *written off*: its sponsor answers for it. That lowers the stake, and what we let the sponsor itself owe, until
//! the sponsor's service has made up for it.
//!
//! | who stands above a member | what its stake is for |
//! |---|---|
//! | a sponsor | all below it, together |
//! | the founder | each branch by itself: one whom the founder brought in, with all below that one |
//! | we ourselves | the same; nobody answers to us for whom we brought in |
//! | nobody (the founder) | nothing: it has its own limits |
//!
//! A sponsor that is gone puts up nothing any more; those above it do, for the whole branch as before.
//!
//! Who goes on under a new key goes on with its service, with what it answers for, and with whoever stands above it, also when its rotation turns out
//! not to count: [`Stakes::succeed`].

use alloc::{collections::BTreeMap, vec::Vec};

use crate::{charter::Charter, limits::MEMBERS_MAX, roster::Roster, site::SiteId, units::Credit};

/// What a member knows of the service that others gave it, and of what was left unpaid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stakes {
    /// Worth of the service that each gave us.
    gave: BTreeMap<SiteId, Credit>,
    /// How much of that made up for others.
    made_up: BTreeMap<SiteId, Credit>,
    /// What those left unpaid who are gone.
    written: BTreeMap<SiteId, WrittenOff>,
    /// The key that has taken a former key's place.
    after: BTreeMap<SiteId, SiteId>,
    /// The first key of whoever has another now.
    first: BTreeMap<SiteId, SiteId>,
    /// Who stood above those with whom we have lines, and above these: rotations that do not count any more may throw them out of the roster.
    stood: BTreeMap<SiteId, SiteId>,
}

/// What a member left unpaid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenOff {
    /// Who answers for it.
    pub to: SiteId,
    /// How much it was, less what the member has given since.
    pub amount: Credit,
    /// How much of that nobody has made up for.
    pub left: Credit,
}

/// A write-off that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Who is gone.
    pub member: SiteId,
    /// What it left unpaid; zero where it only answered for others.
    pub amount: Credit,
    /// Who answers for that, and for what the member answered for.
    pub to: SiteId,
}

impl Stakes {
    /// Worth of the service that a member gave us and that covers what it owes.
    pub fn served(&self, site: &SiteId) -> Credit {
        less(self.gave.get(site).copied().unwrap_or_default(), self.made_up.get(site).copied().unwrap_or_default())
    }

    /// What a sponsor answers for: what those left unpaid whom it brought in.
    pub fn answers_for(&self, sponsor: &SiteId) -> Credit {
        self.written.values().filter(|written| written.to == *sponsor).fold(Credit::ZERO, |sum, written| plus(sum, written.left))
    }

    /// What was left unpaid, by those who left it.
    pub fn written_off(&self) -> impl Iterator<Item = (&SiteId, &WrittenOff)> {
        self.written.iter().filter(|(_, written)| written.left > Credit::ZERO)
    }

    /// A member gave us service, and both ends signed for it. It makes up for what the member answers for; the rest covers what it owes.
    pub fn on_service(&mut self, by: SiteId, worth: Credit) {
        let mut worth = worth.max(Credit::ZERO);
        if let Some(own) = self.written.get_mut(&by) {
            (own.amount, own.left) = (less(own.amount, worth), less(own.left, worth));
        }
        let gave = self.gave.entry(by).or_default();
        *gave = plus(*gave, worth);
        for written in self.written.values_mut().filter(|written| written.to == by) {
            let made_up = written.left.min(worth);
            (written.left, worth) = (less(written.left, made_up), less(worth, made_up));
            let all = self.made_up.entry(by).or_default();
            *all = plus(*all, made_up);
        }
    }

    /// A line began anew, perhaps with more than we remember: what a signed limit has `grown` by shows how much service there was.
    pub fn on_grown(&mut self, by: SiteId, grown: Credit, charter: &Charter) {
        let growth = i64::from(charter.limit_growth.0);
        let shown = Credit(grown.0.max(0).saturating_mul(1_000).checked_div(growth).unwrap_or(0));
        let gave = self.gave.entry(by).or_default();
        *gave = shown.max(*gave);
    }

    /// A line with a member begins: who stands above it is kept in mind.
    pub fn know(&mut self, roster: &Roster, site: SiteId) {
        let mut at = site;
        while let Some(sponsor) = roster.sponsor(&at).filter(|_| !self.stood.contains_key(&at)) {
            self.stood.insert(at, sponsor);
            at = sponsor;
        }
    }

    /// A member goes on under a new key. Everything that is known of the old one goes along, or of a key that seemed to have its place before.
    pub fn succeed(&mut self, old: SiteId, new: SiteId) {
        let former = self.heir(&old);
        if former == new || self.first.contains_key(&new) || self.after.contains_key(&new) {
            return;
        }
        for known in [&mut self.gave, &mut self.made_up] {
            if let Some(worth) = known.remove(&former) {
                let all = known.entry(new).or_default();
                *all = plus(*all, worth);
            }
        }
        for written in self.written.values_mut().filter(|written| written.to == former) {
            written.to = new;
        }
        if let Some(WrittenOff { to, amount, left }) = self.written.remove(&former) {
            let all = self.written.entry(new).or_insert(WrittenOff { to, amount: Credit::ZERO, left: Credit::ZERO });
            (all.amount, all.left) = (plus(all.amount, amount), plus(all.left, left));
        }
        let first = self.first.get(&former).copied().unwrap_or(former);
        self.first.insert(new, first);
        self.after.insert(former, new);
    }

    /// Tells whether what is known of a key has gone along to another.
    #[must_use]
    pub fn is_succeeded(&self, site: &SiteId) -> bool {
        self.after.contains_key(site)
    }

    /// The key to which everything has gone along that was known of this one.
    pub fn heir(&self, site: &SiteId) -> SiteId {
        core::iter::successors(Some(*site), |at| self.after.get(at).copied()).last().unwrap_or(*site)
    }

    /// Who stands above a site. A key whose rotation turned out not to count hangs from the member that it seemed to be; whomever that threw out
    /// of the roster, from where it hung before.
    fn above(&self, roster: &Roster, site: &SiteId) -> Option<SiteId> {
        let seemed = || self.first.get(site).map(|first| roster.heir(first));
        let stood = || self.stood.get(site).map(|above| roster.heir(above));
        roster.sponsor(site).or_else(seemed).or_else(stood).filter(|above| above != site)
    }

    /// Whether the roster has lost a member, by rotations that do not count any more.
    fn is_lost(&self, roster: &Roster, site: &SiteId) -> bool {
        (self.first.contains_key(site) || self.stood.contains_key(site)) && !roster.contains(site)
    }

    /// Writes off what a member left unpaid: `to` answers for it, and for whatever the member answered for.
    pub fn write_off(&mut self, Due { member, amount, to }: Due) {
        for written in self.written.values_mut().filter(|written| written.to == member) {
            written.to = to;
        }
        let written = self.written.entry(member).or_insert(WrittenOff { to, amount: Credit::ZERO, left: Credit::ZERO });
        let more = amount.max(Credit::ZERO);
        *written = WrittenOff { to, amount: plus(written.amount, more), left: plus(written.left, more) };
    }

    /// How much of what a member owes us neither its own service covers nor was written off.
    pub fn uncovered(&self, site: &SiteId, owed: Credit) -> Credit {
        let written = self.written.get(site).map_or(Credit::ZERO, |written| written.amount);
        less(less(owed, self.served(site)), written)
    }

    /// How much more service a member may be given that owes us this much: what its own service covers, and what is left of stakes. `None` for the
    /// founder, who has no sponsor.
    pub fn room(&self, left: &Left, site: &SiteId, owed: Credit) -> Option<Credit> {
        Some(plus(less(self.served(site), owed), left.of(site)?))
    }

    /// The write-offs that are due, of those who owe us this much: each once, as a further call finds after [`Stakes::write_off`]. Nobody answers to
    /// us for those whom we brought in, nor where everybody above is gone.
    pub fn due(&self, roster: &Roster, us: SiteId, owed: &BTreeMap<SiteId, Credit>, is_gone: impl Fn(&SiteId) -> bool) -> Vec<Due> {
        let is_gone = |site: &SiteId| is_gone(site) || self.is_lost(roster, site);
        let answering = self.written.values().filter(|written| written.left > Credit::ZERO).map(|written| written.to);
        let mut sites: Vec<SiteId> = owed.keys().copied().chain(answering).filter(|site| is_gone(site)).collect();
        sites.sort_unstable();
        sites.dedup();
        let above = |site: &SiteId| self.above(roster, site).filter(|sponsor| *sponsor != us);
        let due = |member: SiteId| {
            let amount = self.uncovered(&member, owed.get(&member).copied().unwrap_or_default());
            let matters = amount > Credit::ZERO || self.answers_for(&member) > Credit::ZERO;
            let to = core::iter::successors(above(&member).filter(|_| matters), above).take(MEMBERS_MAX).find(|site| !is_gone(site))?;
            Some(Due { member, amount, to })
        };
        sites.into_iter().filter_map(due).collect()
    }

    /// What of sponsors' stakes is left for each of those who owe us this much; zero for whom the roster does not know. `granted`: how much we let
    /// a member owe us, stakes aside.
    pub fn left(
        &self,
        roster: &Roster,
        us: SiteId,
        charter: &Charter,
        owed: &BTreeMap<SiteId, Credit>,
        granted: impl Fn(&SiteId) -> Credit,
    ) -> Left {
        let above = |site: &SiteId| self.above(roster, site).filter(|_| *site != us);
        let uncovered = |site: &SiteId| self.uncovered(site, owed.get(site).copied().unwrap_or_default());
        // Everybody on the ways up from who owes or answers, sponsors first; and what each and all below it owe and answer for.
        let (mut order, mut sums) = (Vec::new(), BTreeMap::new());
        for site in owed.keys().chain(self.written.values().map(|written| &written.to)) {
            let mut way = Vec::new();
            let mut next = Some(*site);
            while let Some(at) = next.filter(|at| !sums.contains_key(at)) {
                sums.insert(at, plus(uncovered(&at), self.answers_for(&at)));
                way.push(at);
                next = above(&at);
            }
            order.extend(way.into_iter().rev());
        }
        for site in order.iter().rev() {
            let sum = sums.get(site).copied().unwrap_or_default();
            if let Some(total) = above(site).and_then(|sponsor| sums.get_mut(&sponsor)) {
                *total = plus(*total, sum);
            }
        }
        let sum = |site: &SiteId| sums.get(site).copied().unwrap_or_default();
        let put_up = |sponsor: &SiteId| match roster.member(sponsor) {
            Some(_) if *sponsor != us => charter.sponsor_stake.min(granted(sponsor)),
            _ => charter.sponsor_stake,
        };
        let mut left: BTreeMap<SiteId, Option<Credit>> = BTreeMap::new();
        for site in order {
            let Some(sponsor) = above(&site) else {
                left.insert(site, (site != us && !roster.is_founder(&site)).then_some(Credit::ZERO));
                continue;
            };
            let of_all = left.get(&sponsor).copied().flatten();
            let here = match of_all {
                // The founder's stake, or ours: for each branch.
                None => Some(minus(minus(put_up(&sponsor), self.answers_for(&sponsor)), sum(&site))),
                Some(_) if roster.member(&sponsor).is_none() => None,
                Some(_) => Some(minus(put_up(&sponsor), minus(sum(&sponsor), uncovered(&sponsor)))),
            };
            left.insert(site, [of_all, here].into_iter().flatten().min());
        }
        Left(left)
    }
}

/// What of sponsors' stakes is left. See [`Stakes::left`].
#[derive(Debug, Clone, Default)]
pub struct Left(BTreeMap<SiteId, Option<Credit>>);

impl Left {
    /// How much more a member may owe us beyond what its own service covers; `None` for the founder, who has no sponsor.
    pub fn of(&self, site: &SiteId) -> Option<Credit> {
        self.0.get(site).copied().unwrap_or(Some(Credit::ZERO)).map(|left| left.max(Credit::ZERO))
    }
}

fn plus(one: Credit, other: Credit) -> Credit {
    Credit(one.0.saturating_add(other.0))
}

fn minus(one: Credit, other: Credit) -> Credit {
    Credit(one.0.saturating_sub(other.0))
}

/// The difference, but not below zero.
fn less(one: Credit, other: Credit) -> Credit {
    minus(one, other).max(Credit::ZERO)
}

#[cfg(test)]
mod tests;
