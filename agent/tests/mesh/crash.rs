//! `kill -9` at any moment: what was signed stays signed once, what was served is paid for.

use std::time::Duration;

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
fn assert_all_paid(owner: &Site, helper: &Site) {
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

/// Rounds of `kill -9` at moments that a seed draws, while leases run and settle. More with `OVERSPILL_CRASH_ROUNDS=100`.
#[test]
fn no_moment_is_a_bad_moment_to_be_killed() {
    let rounds = std::env::var("OVERSPILL_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12_u32);
    let mut draw = std::env::var("OVERSPILL_CRASH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x9e37_79b9_7f4a_7c15_u64);
    println!("rounds {rounds}, seed {draw}");
    let (mut owner, mut helper) = two_partners();
    let crowd: Crowd = crowd_until_helped(&owner, 20);
    for round in 0..rounds {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment = Duration::from_millis(300 + (draw >> 33) % 2_500);
        std::thread::sleep(moment);
        let victim = if draw >> 63 == 0 { &mut owner } else { &mut helper };
        println!("round {round}: {} after {moment:?}", victim.name);
        victim.kill();
        victim.overspill(&["ledger", "verify"]).ok();
        victim.run();
        assert_no_second_signature(&[&owner, &helper]);
    }
    let tally = crowd.ends();
    assert_eq!(Tally::read(&tally.wrong), 0, "{tally:?}");
    assert_settled(&owner, &helper);
    assert_all_paid(&owner, &helper);
    assert_eq!(get(&owner.url("/")).unwrap().status, 200);
}
