//! A site out of its ledger: after a restart, and to give up a key.

use overspill_governance::{entry::Entry, planted, rotation::Succession, site::SiteId, time::Now};

use super::Site;
use crate::{
    io::Config,
    settle::{Ends, book},
    timer::Reason,
};

/// Why a ledger cannot be the one that this site wrote. Nothing may be signed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignLedger {
    /// Which entry does not fit, counted from 0.
    pub entry: u64,
}

impl core::fmt::Display for ForeignLedger {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "entry {} of the ledger is none that this site would have written; nothing is signed with it", self.entry)
    }
}

impl core::error::Error for ForeignLedger {}

impl Site {
    /// A site as its durable entries describe it, after a restart. The seed must be a fresh one.
    ///
    /// # Errors
    /// [`ForeignLedger`] when an entry cannot be this site's.
    pub fn restore(config: Config, entries: impl IntoIterator<Item = Entry>, now: Now) -> Result<Self, ForeignLedger> {
        let first = config.key.site();
        Self::restore_from(config, first, entries, now)
    }

    /// The same for a site whose ledger may begin under a former key.
    ///
    /// # Errors
    /// [`ForeignLedger`] when an entry cannot be this site's, or the ledger does not say that it goes on under the key of now.
    pub fn restore_from(config: Config, first: SiteId, entries: impl IntoIterator<Item = Entry>, now: Now) -> Result<Self, ForeignLedger> {
        let us = config.key.site();
        let mut site = Self::new(config, now);
        let read = site.restore_entries(first, us, entries)?;
        if site.desk.id != us {
            return Err(ForeignLedger { entry: read });
        }
        let _ = site.membership.turn_to(now.date);
        site.membership.finish_restoring();
        site.settle.lines.hearing.close(&mut site.desk);
        site.sync_partners();
        site.desk.timers.set(Reason::Settle, now.time);
        site.desk.timers.set(Reason::Lease, now.time);
        site.desk.timers.set(Reason::Vote, now.time);
        site.desk.timers.set(Reason::Clear, now.time);
        Ok(site)
    }

    /// Takes entries back, under one key after the other up to `us`. Tells which was the last.
    fn restore_entries(&mut self, first: SiteId, us: SiteId, entries: impl IntoIterator<Item = Entry>) -> Result<u64, ForeignLedger> {
        self.desk.id = first;
        self.membership.go_on_as(first);
        let mut read = 0;
        for (at, entry) in (0..).zip(entries) {
            read = at;
            if !self.restore_entry(entry) {
                return Err(ForeignLedger { entry: at });
            }
            self.go_on_as_heir(&first, us);
        }
        Ok(read)
    }

    /// Our ledger says that we go on under another key: what was open under the old one has ended.
    fn go_on_as_heir(&mut self, first: &SiteId, us: SiteId) {
        let heir = self.membership.heir(first);
        if heir == self.desk.id || self.desk.id == us {
            return;
        }
        self.desk.id = heir;
        self.membership.go_on_as(heir);
        self.owner.leases.clear();
        self.helper.leases.clear();
        self.settle.rounds = Default::default();
        self.settle.lines.go_on_as(heir, &self.membership);
    }

    fn restore_entry(&mut self, entry: Entry) -> bool {
        let us = self.desk.id;
        match entry {
            Entry::Allotted(allotment) if allotment.body.owner == us => self.owner.restore(*allotment, self.desk.now.time),
            Entry::Allotted(allotment) if allotment.body.helper == us => {
                self.settle.lines.lent.insert(allotment.body.owner, allotment.body.made);
                self.helper.restore(*allotment, self.desk.now.time);
            }
            Entry::Allotted(_) => return false,
            Entry::Taken(claim) => self.helper.restore_taken(claim),
            Entry::Proposed { with, ref proposal } => {
                let restored = self.settle.lines.restore_proposed(us, with, proposal, &self.membership);
                self.settle.restore_round(us, &entry, &self.membership, self.desk.now.time);
                return restored;
            }
            Entry::Recovered { date } => self.desk.restore_recovered(date),
            Entry::Renewed { with, ref head } => {
                let restored = self.settle.lines.restore_renewed(us, with, head, &self.membership);
                self.settle.restore_round(us, &entry, &self.membership, self.desk.now.time);
                return restored;
            }
            Entry::Ruled(_) => self.settle.restore_round(us, &entry, &self.membership, self.desk.now.time),
            Entry::Agreed { with, ref receipt } => {
                let Some(amount) = self.settle.lines.restore_agreed(us, with, receipt, &self.membership) else { return false };
                let mut ends = Ends { membership: &self.membership, owner: &mut self.owner, helper: &mut self.helper };
                book(&mut ends, with, receipt.claim.as_ref().filter(|_| !planted!(ForgetsSettled)), amount);
                self.settle.restore_round(us, &entry, &self.membership, self.desk.now.time);
            }
            Entry::Noted { with, note, date } => {
                let _ = self.settle.lines.note(with, note, date);
            }
            Entry::LeaseEnded { lease } => {
                self.owner.leases.remove(&lease);
                self.helper.restore_ended(lease);
            }
            Entry::Moved { .. } | Entry::Seconded(_) | Entry::Objected(_) | Entry::Cast(_) | Entry::Decided(_) => {
                return self.council.restore(&self.desk, &mut self.membership, entry);
            }
            Entry::Rotated { ref rotation, .. } => {
                let old = rotation.body.old;
                if !self.membership.restore(entry) {
                    return false;
                }
                self.settle.lines.follow(us, &self.membership);
                self.owner.leases.retain(|_, owned| owned.terms.helper() != old);
                self.helper.leases.retain(|_, guest| guest.terms.owner() != old);
            }
            other => return self.membership.restore(other),
        }
        true
    }

    /// What the site of a ledger, which begins under `first`, would say to give up the key `old`, for whoever holds its keys to sign and write into
    /// that ledger. The key of `config` is of no matter.
    ///
    /// A recovery key may speak where the old key alone was given up already, by whoever had it: who stays is known from before that. `None` for
    /// a key that is given up for good, who is no member, and who brought in more than a rotation can name.
    ///
    /// # Errors
    /// [`ForeignLedger`] when an entry cannot be this site's.
    pub fn succession(
        config: Config,
        (first, old): (SiteId, SiteId),
        by_recovery: bool,
        entries: impl IntoIterator<Item = Entry>,
        now: Now,
    ) -> Result<Option<Succession>, ForeignLedger> {
        // Whether an entry gives the key up, and for good.
        let gives_up = |entry: &Entry| match entry {
            Entry::Rotated { rotation, .. } if rotation.body.old == old => Some(!by_recovery || rotation.body.recovery.is_some()),
            Entry::Departed(departure) if departure.body.member == old => Some(!by_recovery),
            _ => None,
        };
        let (mut site, mut entries) = (Self::new(config, now), entries.into_iter());
        let mut for_good = None;
        let before = entries.by_ref().take_while(|entry| {
            for_good = gives_up(entry);
            for_good.is_none()
        });
        site.restore_entries(first, old, before)?;
        if for_good == Some(true) || entries.any(|entry| gives_up(&entry) == Some(true)) {
            return Ok(None);
        }
        let _ = site.membership.turn_to(now.date);
        Ok(site.membership.succession(now.date).filter(|succession| succession.old == old))
    }
}
