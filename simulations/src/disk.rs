//! A site's disk: what is written, what is synced, and what a power cut leaves of the difference.
//!
//! The ledger is the agent's own format ([`overspill_governance::chain`]), written and read by the same code, so that a torn tail and a
//! flipped bit are told apart here by what tells them apart there. Lost is always an end of what was not synced: at a byte, where the file
//! had not grown yet, or from a sector on, where it had.

use overspill_governance::{
    chain::{Record, Verdict, Writer, read},
    entry::Entry,
    site::SiteId,
    time::Date,
};

use crate::dice::Dice;

/// What a disk loses or keeps as a whole.
const SECTOR: usize = 512;

/// A disk with one ledger on it.
#[derive(Debug, Default)]
pub struct Disk {
    /// Writing finds no space; what was to be synced is taken back.
    pub full: bool,
    /// Syncing fails; nobody knows what of it is on the disk.
    pub broken: bool,
    /// Syncing says yes and leaves the last entry out.
    pub lies: bool,
    synced: Vec<u8>,
    pending: Vec<u8>,
    /// What a failed sync left: nobody knows how much of it is on the disk.
    limbo: Vec<u8>,
    writer: Option<Writer>,
    entries: usize,
    waiting: usize,
    /// Where the last frame begins, counted through both.
    last: usize,
    /// A bit that was flipped, so that it can be flipped back.
    rotten: Option<(usize, u8)>,
    /// A copy of what was synced, as its owner keeps one for bad times.
    copy: Option<Vec<u8>>,
}

/// Why entries are not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// No space. What was synced before is as it was, and there may be space again.
    Full,
    /// Nobody knows what is on the disk until it is read again.
    Broken,
}

/// What opening found.
#[derive(Debug)]
pub struct Opened {
    /// Whose ledger it says that it is: a site's first key.
    pub site: SiteId,
    /// What the ledger remembers.
    pub records: Vec<Record>,
    /// Bytes of a torn tail that were cut off.
    pub cut: usize,
}

impl Disk {
    /// Reads the ledger as the agent does at its start: makes a new one, or repairs a torn tail.
    ///
    /// # Errors
    /// [`Verdict::Corrupt`]; nothing was changed.
    pub fn open(&mut self, site: SiteId) -> Result<Opened, Verdict> {
        (self.pending, self.waiting) = (Vec::new(), 0);
        let before = self.synced.len();
        let (records, head, verdict) = read(&self.synced);
        if matches!(verdict, Verdict::Corrupt { .. }) {
            return Err(verdict);
        }
        self.entries = records.len();
        let whose = head.map_or(site, |head| head.site);
        match head {
            Some(head) => {
                self.synced.truncate(usize::try_from(head.len).unwrap_or(usize::MAX));
                // What was cut off with a torn tail cannot be flipped back.
                let _ = self.rotten.take_if(|(at, _)| *at >= self.synced.len());
                self.writer = Some(Writer::resume(head));
            }
            None => {
                let (writer, header) = Writer::create(site);
                self.synced = header.to_vec();
                self.writer = Some(writer);
            }
        }
        Ok(Opened { site: whose, records, cut: before.saturating_sub(self.synced.len()) })
    }

    /// Writes an entry behind the others; it is durable after [`Disk::sync`].
    ///
    /// # Panics
    /// For an entry longer than a ledger takes: no site may make one.
    pub fn write(&mut self, date: Date, entry: &Entry) {
        let Some(writer) = &mut self.writer else { return };
        let frame = writer.append(date, entry).expect("a site makes no entry that its ledger does not take");
        self.last = self.synced.len() + self.pending.len();
        self.pending.extend_from_slice(&frame);
        self.waiting += 1;
    }

    /// Makes what was written durable, all or nothing.
    ///
    /// # Errors
    /// [`Failed`]; then nothing that was written since the last sync counts.
    pub fn sync(&mut self) -> Result<(), Failed> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.full || self.broken {
            let failed = if self.broken { Failed::Broken } else { Failed::Full };
            self.writer = None;
            self.limbo = core::mem::take(&mut self.pending);
            if failed == Failed::Full {
                self.limbo.clear();
            }
            return Err(failed);
        }
        self.synced.append(&mut self.pending);
        self.entries += core::mem::take(&mut self.waiting);
        Ok(())
    }

    /// Whether something was written and not synced.
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The power goes, or the process is killed: an end of what was not synced is gone. Tells whether some of it is there.
    pub fn lose_power(&mut self, dice: &mut Dice) -> bool {
        if self.lies && self.last < self.synced.len() {
            self.synced.truncate(self.last);
            self.entries = self.entries.saturating_sub(1);
        }
        self.limbo.append(&mut self.pending);
        let lost = core::mem::take(&mut self.limbo);
        let (start, len) = (self.synced.len(), lost.len());
        let torn = len > 0 && dice.happens(600_000);
        if torn {
            let kept = if dice.happens(300_000) { len } else { dice.below(len) };
            self.synced.extend_from_slice(&lost[..kept]);
            // The file had grown already: zeros stand from the sector that was not written to the end.
            let edge = (start + kept).next_multiple_of(SECTOR);
            if dice.happens(500_000) && edge < start + len {
                self.synced.extend_from_slice(&lost[kept..edge - start]);
                self.synced.resize(start + len, 0);
            }
        }
        (self.writer, self.waiting) = (None, 0);
        torn
    }

    /// A bit flips somewhere in what is synced; tells whether there was one to flip.
    pub fn rot(&mut self, dice: &mut Dice) -> bool {
        if self.synced.is_empty() || self.rotten.is_some() {
            return false;
        }
        let (at, bit) = (dice.below(self.synced.len()), 1 << dice.below(8));
        self.synced[at] ^= bit;
        self.rotten = Some((at, bit));
        true
    }

    /// A good copy is put back in the place of what has rotten.
    pub fn mend(&mut self) {
        (self.full, self.broken) = (false, false);
        if let Some((at, bit)) = self.rotten.take()
            && let Some(byte) = self.synced.get_mut(at)
        {
            *byte ^= bit;
        }
    }

    /// Whether a bit is flipped.
    pub fn is_rotten(&self) -> bool {
        self.rotten.is_some()
    }

    /// The whole disk is gone.
    pub fn lose(&mut self) {
        *self = Self { full: self.full, broken: self.broken, lies: self.lies, copy: self.copy.take(), ..Self::default() };
    }

    /// A copy is kept of what is synced now, unless that has rotten.
    pub fn keep_copy(&mut self) {
        if self.rotten.is_none() {
            self.copy = Some(self.synced.clone());
        }
    }

    /// A copy that was kept is made anew: an older one would go on under a key that was given up.
    pub fn renew_copy(&mut self) {
        if self.copy.is_some() {
            self.keep_copy();
        }
    }

    /// The copy is put in the place of what is there; tells how many entries it has, if there is one.
    pub fn put_copy_back(&mut self) -> Option<usize> {
        let copy = self.copy.clone()?;
        let entries = read(&copy).0.len();
        self.lose();
        (self.synced, self.entries, self.copy) = (copy.clone(), entries, Some(copy));
        Some(entries)
    }

    /// Durable entries.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Bytes of the ledger.
    pub fn bytes(&self) -> usize {
        self.synced.len()
    }

    /// Whose ledger it says that it is, if it can be read.
    pub fn site(&self) -> Option<SiteId> {
        read(&self.synced).1.map(|head| head.site)
    }

    /// What the ledger remembers, as whoever opens it reads it.
    pub fn read(&self) -> Vec<Entry> {
        read(&self.synced).0.into_iter().map(|record| record.entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::{payword::LeaseId, site::Key};
    use proptest::prelude::*;

    fn entry(at: u8) -> Entry {
        Entry::LeaseEnded { lease: LeaseId([at; 8]) }
    }

    proptest! {
        #[test]
        fn a_power_cut_takes_an_end_of_what_was_not_synced_and_nothing_else(
            seed: u64, synced in 0_u8..6, pending in 0_u8..6,
        ) {
            let (mut disk, mut dice, site) = (Disk::default(), Dice::new(seed), Key::from_seed([1; 32]).site());
            disk.open(site).unwrap();
            for at in 0..synced {
                disk.write(Date::default(), &entry(at));
            }
            disk.sync().unwrap();
            for at in synced..synced + pending {
                disk.write(Date::default(), &entry(at));
            }
            disk.lose_power(&mut dice);
            let opened = disk.open(site).expect("a torn tail is no flipped bit");
            let there = opened.records.len();
            prop_assert!((usize::from(synced)..=usize::from(synced + pending)).contains(&there));
            prop_assert!(opened.records.iter().zip(0..).all(|(record, at)| record.entry == entry(at)));
            prop_assert_eq!((disk.entries(), disk.open(site).unwrap().cut), (there, 0));
        }

        #[test]
        fn a_flipped_bit_is_no_torn_tail(seed: u64, entries in 0_u8..6) {
            let (mut disk, mut dice, site) = (Disk::default(), Dice::new(seed), Key::from_seed([1; 32]).site());
            disk.open(site).unwrap();
            for at in 0..entries {
                disk.write(Date::default(), &entry(at));
            }
            disk.sync().unwrap();
            prop_assert!(disk.rot(&mut dice));
            prop_assert!(disk.open(site).is_err());
            disk.mend();
            prop_assert_eq!(disk.open(site).unwrap().records.len(), usize::from(entries));
        }
    }

    #[test]
    fn a_bit_that_was_cut_off_with_a_torn_tail_is_not_flipped_back() {
        let (mut disk, site) = (Disk::default(), Key::from_seed([1; 32]).site());
        disk.open(site).unwrap();
        disk.write(Date::default(), &entry(0));
        disk.sync().unwrap();
        disk.write(Date::default(), &entry(1));
        let torn = core::mem::take(&mut disk.pending);
        disk.synced.extend(&torn[..40]);
        disk.rotten = Some((disk.synced.len() - 1, 1));
        assert_eq!(disk.open(site).unwrap().cut, 40);
        disk.write(Date::default(), &entry(2));
        disk.sync().unwrap();
        disk.mend();
        disk.open(site).unwrap();
        assert_eq!(disk.read(), [entry(0), entry(2)]);
    }

    #[test]
    fn a_full_disk_takes_nothing_and_a_broken_one_nobody_knows_what() {
        let site = Key::from_seed([1; 32]).site();
        for (full, broken, failed) in [(true, false, Failed::Full), (false, true, Failed::Broken)] {
            let mut disk = Disk { full, broken, ..Disk::default() };
            disk.open(site).unwrap();
            disk.write(Date::default(), &entry(1));
            assert_eq!(disk.sync(), Err(failed));
            disk.write(Date::default(), &entry(2));
            assert_eq!(disk.entries(), 0);
            disk.mend();
            disk.open(site).unwrap();
            disk.write(Date::default(), &entry(3));
            assert_eq!((disk.sync(), disk.read()), (Ok(()), vec![entry(3)]));
        }
    }

    #[test]
    fn a_disk_that_lies_loses_its_last_entry() {
        let (mut disk, site) = (Disk { lies: true, ..Disk::default() }, Key::from_seed([1; 32]).site());
        disk.open(site).unwrap();
        for at in 0..3 {
            disk.write(Date::default(), &entry(at));
            disk.sync().unwrap();
        }
        disk.lose_power(&mut Dice::new(1));
        assert_eq!(disk.open(site).unwrap().records.len(), 2);
        assert_eq!(disk.read(), [entry(0), entry(1)]);
    }
}
