//! An agent that stands still for long and goes on: a machine that slept, a disk that hung. Nobody is to blame, so nobody is left alone.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::{
    crash::assert_all_paid,
    spill::{assert_settled, crowd_until_helped, two_partners},
    support::{
        Site,
        books::{entries, served},
        crowd::Tally,
        eventually,
    },
};

/// Whether the site's agent sees its one partner.
fn sees_its_partner(site: &Site) -> bool {
    site.json(&["partners"])["partners"].as_array().unwrap().iter().any(|partner| partner["connected"] == true)
}

/// A helper stands still in mid-crowd until `long` comes true, and goes on: it is back, helps again and is paid for all it served.
#[track_caller]
fn stands_still_and_is_back(long: impl Fn(&Site, Instant) -> bool) {
    let (owner, helper) = two_partners();
    let crowd = crowd_until_helped(&owner, 50);
    eventually("the helper has written down what it served", || !served(&entries(&helper)).is_empty());
    helper.signal(Signal::STOP);
    let stopped = Instant::now();
    while !long(&owner, stopped) {
        assert!(stopped.elapsed() < Duration::from_secs(120), "the owner believes in a partner that stands still");
        std::thread::sleep(Duration::from_millis(100));
    }
    helper.signal(Signal::CONT);
    // Visitors who still hold a redirect may get there; a lease in force, old or new, is what brings others.
    eventually("both see each other", || sees_its_partner(&owner) && sees_its_partner(&helper));
    let before = Tally::read(&crowd.tally.helped);
    eventually("it helps again", || Tally::read(&crowd.tally.helped) >= before + 50);
    assert_eq!(Tally::read(&crowd.ends().wrong), 0);
    assert!(sees_its_partner(&owner) && sees_its_partner(&helper), "and they stay together:\n{}", owner.log());
    assert_settled(&owner, &helper);
    assert_all_paid(&owner, &helper);
}

#[test]
fn messages_that_their_sender_gave_up_meanwhile_are_nobodys_fault() {
    // Far longer than a message waits for its acknowledgement: dozens were given up, and their streams are all that is left of them.
    stands_still_and_is_back(|_, since| since.elapsed() > Duration::from_secs(25));
}

#[test]
fn a_connection_that_the_owner_gave_up_meanwhile_is_replaced() {
    stands_still_and_is_back(|owner, _| !sees_its_partner(owner));
}
