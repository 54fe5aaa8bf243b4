//! `kill -9` at any moment: what was signed stays signed once, what was served is paid for.

use std::time::Duration;

use overspill_governance::entry::Entry;

use crate::{
    spill::{assert_settled, crowd_until_helped, two_partners},
    support::{
        Site,
        books::{assert_no_second_signature, balances, entries, served, settled},
        crowd::{Crowd, Tally},
        eventually, get,
    },
};

/// Waits until receipts cover everything that the helper's checkpoints say it served.
#[track_caller]
pub(crate) fn assert_all_paid(owner: &Site, helper: &Site) {
    eventually("what was served is settled", || {
        let (ours, theirs) = (entries(owner), entries(helper));
        let paid = settled(&ours);
        served(&theirs).iter().all(|(lease, service)| paid.get(lease).is_some_and(|paid| paid >= service))
            && balances(&ours) == balances(&theirs)
    });
}

#[test]
fn the_owner_is_killed_in_mid_crowd() {
    let (mut owner, helper) = two_partners();
    let crowd = crowd_until_helped(&owner, 50);
    owner.kill();
    owner.overspill(&["ledger", "verify"]).ok();
    owner.run();
    let before = Tally::read(&crowd.tally.helped);
    eventually("the crowd is carried again", || Tally::read(&crowd.tally.helped) > before + 20);
    assert_eq!(Tally::read(&crowd.ends().wrong), 0);
    assert_settled(&owner, &helper);
    assert_all_paid(&owner, &helper);
}

#[test]
fn the_mesh_task_dies_and_no_visitor_notices() {
    let (owner, helper) = two_partners();
    let crowd = crowd_until_helped(&owner, 20);
    owner.kill_mesh();
    let before = Tally::read(&crowd.tally.right);
    eventually("visitors are served on", || Tally::read(&crowd.tally.right) > before + 50);
    let tally = crowd.ends();
    assert_eq!((Tally::read(&tally.failed), Tally::read(&tally.wrong)), (0, 0), "{tally:?}");
    eventually("the mesh is back", || owner.overspill(&["partners", "--json"]).code == Some(0));
    assert_settled(&owner, &helper);
}

/// Rounds of `kill -9` while leases run and settle: at moments that a seed draws, and in every other round within milliseconds after
/// the victim's ledger has grown, when what was signed is on its way. More with `OVERSPILL_CRASH_ROUNDS=100`.
#[test]
fn no_moment_is_a_bad_moment_to_be_killed() {
    let number = |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (rounds, mut draw) = (number("OVERSPILL_CRASH_ROUNDS", 12), number("OVERSPILL_CRASH_SEED", 0x9e37_79b9_7f4a_7c15));
    println!("rounds {rounds}, seed {draw}");
    let (mut owner, mut helper) = two_partners();
    let crowd: Crowd = crowd_until_helped(&owner, 20);
    for round in 0..rounds {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let victim = if draw >> 63 == 0 { &mut owner } else { &mut helper };
        std::thread::sleep(Duration::from_millis(300 + (draw >> 33) % 1_500));
        if round % 2 == 1 {
            wait_for_growth(victim);
            std::thread::sleep(Duration::from_micros((draw >> 40) % 12_000));
        }
        println!("round {round}: {}", victim.name);
        victim.kill();
        victim.overspill(&["ledger", "verify"]).ok();
        victim.run();
        assert_no_second_signature(&[&owner, &helper]);
    }
    let tally = crowd.ends();
    assert_eq!(Tally::read(&tally.wrong), 0, "{tally:?}");
    assert_settled(&owner, &helper);
    assert_all_paid(&owner, &helper);
    let receipts = entries(&owner).iter().filter(|entry| matches!(entry, Entry::Agreed { .. })).count();
    println!("{receipts} receipts, {tally:?}");
    assert!(receipts as u64 >= rounds / 6, "the kills fell into a time in which nothing was settled: {receipts} receipts");
    assert_eq!(get(&owner.url("/")).unwrap().status, 200);
}

/// Waits until something was written to the site's ledger, or a few seconds have passed.
pub(crate) fn wait_for_growth(site: &Site) {
    let len = || std::fs::metadata(site.state().join("ledger")).map_or(0, |found| found.len());
    let before = len();
    for _ in 0..4_000 {
        if len() != before {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
