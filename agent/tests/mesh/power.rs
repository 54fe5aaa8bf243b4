//! The power fails at any moment: whatever one end had told the other is on its disk, and both go on from the same state.
//!
//! Both agents keep their state on disks of their own. One is stopped in the middle of its work, its disk is copied as it stands, and
//! it is killed; it goes on with the copy, in which nothing is that was not synced. More with `OVERSPILL_POWER_CUTS=30`.

use std::{fs, time::Duration};

use overspill_governance::{entry::Entry, line::LineId, site::SiteId, units::Credit};
use tempfile::TempDir;

use crate::{
    crash::{assert_all_paid, wait_for_growth},
    spill::{assert_settled, become_partners, crowd_until_helped},
    support::{
        Site,
        books::{assert_no_second_signature, assert_nothing_told_is_lost, assert_unbroken, balances, durable, entries},
        crowd::Tally,
        disk::{self, Disk},
        eventually, get,
    },
};

/// Cuts that one pair of agents lives through before another pair takes over.
const CUTS_PER_PAIR: u32 = 10;

/// A site on a disk of its own.
struct Powered {
    site: Site,
    disk: Disk,
    cuts: u32,
}

impl Powered {
    fn new(name: &'static str, folder: &TempDir) -> Option<Self> {
        let (mut site, disk) = (Site::new(name), Disk::new(folder.path(), name)?);
        site.lives_in(disk.folder());
        Some(Self { site, disk, cuts: 0 })
    }

    /// Cuts the power at this moment. Returns whether a file that nobody synced lost what was in it.
    #[track_caller]
    fn loses_power(&mut self) -> bool {
        self.site.freeze();
        let stood = fs::read(self.site.state().join("ledger")).unwrap();
        fs::write(self.disk.folder().join("unsynced"), [7; 10_000]).unwrap();
        self.cuts += 1;
        let after = self.disk.after_a_cut(&format!("{}-{}", self.site.name, self.cuts)).unwrap();
        self.site.kill();
        self.site.lives_in(after.folder());
        self.disk = after;
        let left = fs::read(self.site.state().join("ledger")).unwrap();
        let agree = stood.iter().zip(&left).take_while(|(a, b)| a == b).count();
        println!("  {}: {} of {} bytes of the ledger were on the disk", self.site.name, agree, stood.len());
        fs::metadata(self.disk.folder().join("unsynced")).map_or(0, |file| file.len()) < 10_000
    }

    fn id(&self) -> SiteId {
        let site = self.site.json(&["statement"])["site"].as_str().map(str::parse);
        site.expect("a statement says whose it is").expect("a site has a name")
    }
}

/// What both ends' ledgers say of their line, if they say the same.
fn agreed(one: &Site, other: &Site) -> Option<(LineId, (u64, Credit))> {
    let (ours, theirs) = (balances(&entries(one)), balances(&entries(other)));
    ours.first_key_value().filter(|_| ours == theirs).map(|(line, state)| (*line, *state))
}

/// Waits until both ends agree on a state beyond `seq`, and checks that they see it alike.
#[track_caller]
fn assert_settles_beyond(seq: u64, one: &Site, other: &Site) -> u64 {
    let mut reached = seq;
    eventually(&format!("{} and {} settle beyond state {seq}", one.name, other.name), || {
        reached = agreed(one, other).map_or(0, |(_, (seq, _))| seq);
        reached > seq
    });
    eventually("both statements say the same, each from its side", || {
        let (ours, theirs) = (one.json(&["statement"]), other.json(&["statement"]));
        let same = ours["lines"][0]["state"] == theirs["lines"][0]["state"] && ours["lines"][0]["seq"] == theirs["lines"][0]["seq"];
        let sum = ours["balance_micro"].as_i64().unwrap() + theirs["balance_micro"].as_i64().unwrap();
        assert!(!same || sum == 0, "one state, and the balances do not cancel: {ours} {theirs}");
        same
    });
    assert_no_second_signature(&[one, other]);
    for site in [one, other] {
        site.overspill(&["ledger", "verify"]).ok();
        assert_unbroken(site);
    }
    reached
}

/// Cuts the victim's power; the other end is the witness of what it had said.
#[track_caller]
fn cut(victim: &mut Powered, witness: &Site) -> bool {
    let us = victim.id();
    let lost = victim.loses_power();
    // What was said before the cut may still be on its way; the end of the connection comes after it.
    eventually(&format!("{} has heard all", witness.name), || witness.json(&["partners"])["partners"][0]["connected"] == false);
    assert_nothing_told_is_lost(us, &durable(&victim.site), &entries(witness));
    victim.site.overspill(&["ledger", "verify"]).ok();
    victim.site.run();
    assert_eq!(victim.id(), us, "the key is the same");
    lost
}

#[test]
fn nothing_that_was_told_is_lost_in_a_power_cut() {
    let (mut left, mut draw, mut lost, mut receipts) = (disk::rounds(4), 0x2545_f491_4f6c_dd1d_u64, 0, 0);
    let (rounds, mut round) = (left, 0);
    while left > 0 {
        let cuts = left.min(CUTS_PER_PAIR);
        let folder = TempDir::new().unwrap();
        let (Some(mut owner), Some(mut helper)) = (Powered::new("owner", &folder), Powered::new("helper", &folder)) else {
            return disk::passed_over();
        };
        become_partners(&mut owner.site, &mut helper.site);
        let mut crowd = None;
        let mut seq = 0;
        for at in 0..cuts {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (victim, witness) = if draw >> 63 == 0 { (&mut owner, &helper.site) } else { (&mut helper, &owner.site) };
            // The first cut comes as soon as the join is answered, the others while service settles.
            if at > 0 {
                std::thread::sleep(Duration::from_millis((draw >> 33) % 1_500));
                if at % 2 == 1 {
                    wait_for_growth(&victim.site);
                    std::thread::sleep(Duration::from_micros((draw >> 40) % 12_000));
                }
            }
            round += 1;
            println!("cut {round}, of {}", victim.site.name);
            lost += u32::from(cut(victim, witness));
            crowd.get_or_insert_with(|| crowd_until_helped(&owner.site, 1));
            seq = assert_settles_beyond(seq, &owner.site, &helper.site);
        }
        let tally = crowd.unwrap().ends();
        assert_eq!(Tally::read(&tally.wrong), 0, "{tally:?}");
        assert_settled(&owner.site, &helper.site);
        assert_all_paid(&owner.site, &helper.site);
        eventually("the site serves on", || get(&owner.site.url("/")).is_ok_and(|answer| answer.status == 200));
        receipts += entries(&owner.site).iter().filter(|entry| matches!(entry, Entry::Agreed { .. })).count();
        left -= cuts;
    }
    println!("{rounds} cuts, {receipts} receipts, {lost} unsynced files lost");
    assert!(lost > 0, "the control lost nothing: these cuts prove nothing");
}
