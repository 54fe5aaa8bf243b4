//! A crowd strikes, and a partner carries it: redirected visitors, verified fills, co-signed receipts.

use overspill_governance::{digest::ObjectDigest, entry::Entry};
use overspill_protocol::attest::{self, Response};
use rustix::process::Signal;

use crate::support::{
    Site, body_of,
    books::{assert_no_second_signature, assert_unbroken, balances, entries, served, settled},
    crowd::{Crowd, Tally, asset},
    eventually, get,
    http::Answer,
};

/// A small uplink: a few visitors are a crowd.
const UPLINK: &str = "2Mbit/s";

/// An owner with a small uplink and a helper, both running, partners of one mesh.
pub(crate) fn two_partners() -> (Site, Site) {
    partners_with(UPLINK)
}

/// The same, with another uplink.
pub(crate) fn partners_with(uplink: &str) -> (Site, Site) {
    let (mut owner, mut helper) = (Site::new("owner").with("UPLINK", uplink), Site::new("helper"));
    become_partners(&mut owner, &mut helper);
    (owner, helper)
}

/// Makes two sites the owner and the helper of one mesh, and runs both.
pub(crate) fn become_partners(owner: &mut Site, helper: &mut Site) {
    if !owner.is_set("UPLINK") {
        owner.set("UPLINK", UPLINK);
    }
    owner.overspill(&["init", "--name", "Two", "--rule", "settle_window=1"]).ok();
    owner.run();
    joins(helper, owner);
}

/// Runs a site and joins it to the owner's mesh.
pub(crate) fn joins(site: &mut Site, owner: &Site) {
    site.run();
    let token = owner.overspill(&["invite"]).ok();
    let token = token.lines().find(|line| line.starts_with("overspill1")).unwrap();
    site.overspill(&["join", token]).ok();
}

/// A crowd strikes and goes on until helpers have served so many visitors.
#[track_caller]
pub(crate) fn crowd_until_helped(owner: &Site, helped: u64) -> Crowd {
    let crowd = Crowd::on(owner, 12);
    eventually("visitors are helped", || Tally::read(&crowd.tally.helped) >= helped);
    crowd
}

/// Waits until both ends have signed the same last state of their line, and something moved.
#[track_caller]
pub(crate) fn assert_settled(owner: &Site, helper: &Site) {
    eventually("both ends agree on a state in which something moved", || {
        let (ours, theirs) = (balances(&entries(owner)), balances(&entries(helper)));
        !ours.is_empty() && ours == theirs && ours.values().all(|(_, balance)| balance.0 != 0)
    });
    assert_no_second_signature(&[owner, helper]);
    assert_unbroken(owner);
    assert_unbroken(helper);
}

#[test]
fn a_crowd_is_carried_and_paid_for() {
    let (owner, helper) = two_partners();
    let calm = get(&owner.url(&asset(1))).unwrap();
    assert_eq!((calm.status, calm.was_helped()), (200, false), "in calm nobody is sent away");

    let tally = crowd_until_helped(&owner, 100).ends();
    assert_eq!(Tally::read(&tally.wrong), 0, "{tally:?}");
    assert_eq!(Tally::read(&tally.failed), 0, "{tally:?}");
    assert!(helper.origin.asked() < 20, "the helper's own origin has nothing to do with it");

    assert_settled(&owner, &helper);
    for site in [&owner, &helper] {
        site.overspill(&["ledger", "verify"]).ok();
    }
    // The state that both agree on may be the first of several.
    eventually("every visitor that was helped is settled", || {
        let sum = settled(&entries(&helper)).values().fold((0, 0), |sum, lease| (sum.0 + lease.0, sum.1 + lease.1));
        sum.0 >= 100 && sum.1 > 0
    });

    eventually("in calm nobody is sent away again", || {
        get(&owner.url(&asset(2))).is_ok_and(|answer| answer.status == 200 && !answer.was_helped())
    });
}

#[test]
fn three_helpers_share_a_crowd_and_each_is_paid() {
    let (owner, first) = two_partners();
    let (mut second, mut third) = (Site::new("second"), Site::new("third"));
    joins(&mut second, &owner);
    joins(&mut third, &owner);
    let helpers = [&first, &second, &third];
    // At a crowd's onset every standing offer is taken; one that comes later is taken when those do not suffice.
    eventually("the owner knows three offers", || {
        let known: serde_json::Value = serde_json::from_str(&owner.overspill(&["partners", "--json"]).ok()).unwrap();
        let offers = |partner: &&serde_json::Value| partner["proved"] == true && !partner["offer"].is_null();
        known["partners"].as_array().unwrap().iter().filter(offers).count() == 3
    });
    let crowd = crowd_until_helped(&owner, 100);
    eventually("every helper has served", || helpers.iter().all(|helper| !served(&entries(helper)).is_empty()));
    let tally = crowd.ends();
    assert_eq!((Tally::read(&tally.wrong), Tally::read(&tally.failed)), (0, 0), "{tally:?}");
    eventually("the owner agrees with each of them", || {
        let ours = balances(&entries(&owner));
        let agrees = |helper: &&Site| {
            let theirs = balances(&entries(helper));
            !theirs.is_empty() && theirs.iter().all(|(line, state)| ours.get(line) == Some(state) && state.1.0 != 0)
        };
        helpers.iter().all(agrees)
    });
    assert_no_second_signature(&[&owner, &first, &second, &third]);
}

#[test]
fn what_a_helper_serves_is_marked_as_a_guests() {
    let (owner, _helper) = two_partners();
    let crowd = crowd_until_helped(&owner, 1);
    let mut seen = None;
    eventually("a visitor is helped", || {
        seen = get(&owner.url(&asset(11))).ok().filter(|answer| answer.status == 200 && answer.was_helped());
        seen.is_some()
    });
    drop(crowd);
    let answer = seen.unwrap();
    assert_eq!(answer.body, body_of(&asset(11)));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.header("x-robots-tag").is_some_and(|tag| tag.contains("noindex")), "{answer:?}");
    assert!(answer.header("link").is_some_and(|link| link.contains("canonical")), "{:?}", answer.headers);
    assert_eq!(answer.header("set-cookie"), None);
    assert!(answer.asked.len() == 2, "one hop and no more: {:?}", answer.asked);
    assert_is_signed_by_its_helper(&owner, &answer);

    // The same URL again, as a visitor shares it: it goes home to the owner and comes to an answer.
    let shared = get(answer.asked.last().unwrap()).unwrap();
    assert!(matches!(shared.status, 200 | 503), "{shared:?}");
    assert!(shared.asked[1].starts_with(&owner.canonical()), "{:?}", shared.asked);
}

/// The helper's signature under the bytes that it served, as whoever wants to audit it finds it.
fn assert_is_signed_by_its_helper(owner: &Site, answer: &Answer) {
    let ledger = entries(owner);
    let founding = ledger.iter().find_map(|entry| if let Entry::Founded(founding) = entry { Some(&founding.body) } else { None });
    let admitted = ledger.iter().find_map(|entry| if let Entry::Admitted(admission) = entry { Some(admission.body.member) } else { None });
    let (founding, helper, path) = (founding.unwrap(), admitted.unwrap(), asset(11));
    let body = ObjectDigest::of(&answer.body);
    let response = Response { mesh: founding.mesh(), owner: founding.founder, helper, path: &path, body };
    let value = answer.header(attest::FIELD).unwrap();
    assert!(attest::read(value, response).is_some(), "{value}");
    assert_eq!(attest::read(value, Response { body: ObjectDigest([0; 32]), ..response }), None, "it speaks of these bytes alone");
}

#[test]
fn visitors_go_on_when_the_helper_is_killed() {
    let (owner, mut helper) = two_partners();
    let crowd = crowd_until_helped(&owner, 50);
    // What it served in the second before its death and had not yet written down is its own loss.
    eventually("the helper has written down what it served", || !served(&entries(&helper)).is_empty());
    helper.kill();
    let before = Tally::read(&crowd.tally.right);
    eventually("visitors are served without it", || Tally::read(&crowd.tally.right) > before + 50);
    let failed = Tally::read(&crowd.tally.failed);
    let before = Tally::read(&crowd.tally.right);
    eventually("and go on", || Tally::read(&crowd.tally.right) > before + 50);
    assert_eq!(Tally::read(&crowd.tally.failed), failed, "nobody is sent to a helper that is gone");
    let tally = crowd.ends();
    assert_eq!(Tally::read(&tally.wrong), 0);

    // It comes back, is paid for what it served, and helps again.
    helper.run();
    assert_settled(&owner, &helper);
    crowd_until_helped(&owner, 20);
}

#[test]
fn a_helper_that_stands_still_gets_no_visitors() {
    let (owner, helper) = two_partners();
    let crowd = crowd_until_helped(&owner, 50);
    helper.signal(Signal::STOP);
    // Whoever was on the way there waits for it; those after are served by the owner.
    eventually("nobody is sent there any more", || {
        let answers: Vec<_> = (0..5).filter_map(|number| crate::support::http::ask(&owner.url(&asset(number))).ok()).collect();
        answers.len() == 5 && answers.iter().all(|(status, ..)| matches!(status, 200 | 503))
    });
    helper.signal(Signal::CONT);
    eventually("it helps again", || {
        let (status, ..) = crate::support::http::ask(&owner.url(&asset(3))).unwrap();
        status == 302
    });
    assert_eq!(Tally::read(&crowd.ends().wrong), 0);
}
