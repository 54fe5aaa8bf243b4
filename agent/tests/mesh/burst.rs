//! Fifty visitors in one instant, before anybody thought of a lease: what the site can pay for soon is served, and help is asked for.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use overspill_governance::entry::Entry;

use crate::{
    spill::two_partners,
    support::{
        Site, body_of,
        books::entries,
        crowd::{Tally, look},
        eventually, get,
    },
};

const VISITORS: usize = 50;
const ATTEMPTS: usize = 5;

/// An owner that holds the asset, knows its helper's offer, and is calm; with its helper.
fn ready(uplink: &str, path: &str) -> (Site, Site) {
    let (mut owner, helper) = two_partners();
    owner.set("UPLINK", uplink);
    owner.stop();
    owner.run();
    assert_eq!(get(&owner.url(path)).unwrap().body, body_of(path));
    eventually("the owner holds the asset, an offer stands, and both know each other", || {
        let held = get(&owner.url(path)).unwrap().header("cache-status").is_some_and(|status| status.contains("hit"));
        let known = owner.json(&["partners"]);
        // A helper takes nobody's visitors whose host it has not proved.
        let proved = helper.json(&["partners"])["partners"][0]["proved"] == true && known["partners"][0]["proved"] == true;
        held && proved && !known["partners"][0]["offer"].is_null()
    });
    // The bucket fills within its burst; nothing has been beyond it so far.
    thread::sleep(std::time::Duration::from_millis(400));
    assert!(leases(&owner) == 0, "the site was calm");
    (owner, helper)
}

fn leases(owner: &Site) -> usize {
    entries(owner).iter().filter(|entry| matches!(entry, Entry::Allotted(_))).count()
}

/// Everybody asks once, all in one instant.
fn strike(owner: &Site, path: &str) -> Arc<Tally> {
    let (tally, gate) = (Arc::new(Tally::default()), Arc::new(Barrier::new(VISITORS)));
    let visit = |_| {
        let (tally, gate, base, path) = (tally.clone(), gate.clone(), owner.canonical(), path.to_owned());
        thread::spawn(move || {
            gate.wait();
            look(&base, &path, &tally);
        })
    };
    let visitors: Vec<_> = (0..VISITORS).map(visit).collect();
    visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
    tally
}

#[test]
fn a_burst_that_half_a_second_of_the_uplink_carries_is_served_and_help_is_asked_for() {
    // 50 times 8 KiB over 1 MB/s: 0.15 s are saved up, the rest is debt below the bound.
    let path = "/asset/burst-8.png";
    let (owner, _helper) = ready("8Mbit/s", path);
    let tally = strike(&owner, path);
    println!("{tally:?}");
    assert_eq!(Tally::read(&tally.right), VISITORS as u64, "{tally:?}");
    eventually("help was asked for", || leases(&owner) > 0);
}

#[test]
fn a_burst_beyond_the_uplink_waits_for_the_first_lease_and_nobody_is_refused() {
    // 50 times 40 KiB over 1 MB/s would take two seconds.
    let path = "/asset/burst-40.png";
    // They wait for 0.4 s and no longer; a machine that stands still for so long has told nothing about the lease.
    let mut refused = Vec::new();
    for _ in 0..ATTEMPTS {
        let (owner, _helper) = ready("8Mbit/s", path);
        let tally = strike(&owner, path);
        println!("{tally:?}");
        assert_eq!(Tally::read(&tally.right) + Tally::read(&tally.shed), VISITORS as u64, "{tally:?}");
        assert!(Tally::read(&tally.helped) > 0, "{tally:?}");
        if Tally::read(&tally.shed) == 0 {
            return;
        }
        refused.push(Tally::read(&tally.shed));
    }
    panic!("some were refused each time: {refused:?}");
}
