//! What a site denies is shown by nobody: not by its helpers, not after a restart, and a helper may deny what it likes.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    restart::redirect,
    spill::{crowd_until_helped, two_partners},
    support::{Site, body_of, crowd::asset, eventually, get, http},
};

fn status(url: &str) -> Option<u16> {
    http::ask(url).ok().map(|(status, ..)| status)
}

/// Whether a visitor with a ticket is shown the object.
fn shows(ticket: &str, path: &str) -> bool {
    http::ask(ticket).is_ok_and(|(status, _, body)| status == 200 && body == body_of(path))
}

fn tickets(owner: &Site, path: &str, count: usize) -> Vec<String> {
    (0..count).map(|_| redirect(owner, path)).collect()
}

#[test]
fn what_the_owner_denies_its_helper_shows_no_more_and_a_restart_forgets_nothing() {
    let (mut owner, helper) = two_partners();
    let crowd = crowd_until_helped(&owner, 50);
    let path = asset(4);
    eventually("the helper shows it", || shows(&redirect(&owner, &path), &path));
    let mut visitors = tickets(&owner, &path, 120).into_iter();
    let denied = Instant::now();
    owner.overspill(&["deny", &owner.url(&path), "--reason", "Order 7"]).ok();
    assert_eq!(status(&owner.url(&path)), Some(451), "at once here");
    while shows(&visitors.next().unwrap_or_else(|| panic!("the helper goes on showing it")), &path) {
        thread::sleep(Duration::from_millis(100));
    }
    println!("the helper stopped after {:?}", denied.elapsed());
    for ticket in visitors.by_ref().take(20) {
        assert!(!shows(&ticket, &path), "it is shown again");
    }
    let home = get(&visitors.next().unwrap()).unwrap();
    assert_eq!((home.status, home.asked.len()), (451, 2), "who is sent home learns it there: {:?}", home.asked);
    assert_eq!(home.header("cache-control"), Some("no-store"));
    assert_eq!(helper.json(&["deny", "--list"])["denied"].as_array().map(Vec::len), Some(0), "the helper denies nothing itself");

    owner.kill();
    owner.run();
    assert_eq!(status(&owner.url(&path)), Some(451), "from the first visitor on");
    eventually("the crowd is helped again", || status(&owner.url(&asset(5))) == Some(302));
    for _ in 0..20 {
        assert_eq!(status(&owner.url(&path)), Some(451));
    }
    assert!(visitors.all(|ticket| !shows(&ticket, &path)));
    owner.overspill(&["allow", &owner.url(&path)]).ok();
    eventually("it is shown again", || get(&owner.url(&path)).is_ok_and(|answer| answer.status == 200));
    drop(crowd);
}

#[test]
fn a_helper_shows_nothing_that_its_owner_denies_and_goes_on_with_the_rest() {
    let (owner, helper) = two_partners();
    let _crowd = crowd_until_helped(&owner, 50);
    let (path, other) = (asset(4), asset(5));
    eventually("the helper shows it", || shows(&redirect(&owner, &path), &path));
    let ticket = redirect(&owner, &path);
    helper.overspill(&["deny", &owner.url(&path), "--status", "410"]).ok();
    assert_eq!(status(&ticket), Some(410));
    eventually("it shows another", || shows(&redirect(&owner, &other), &other));
}

/// The row of `carry` for a member.
fn carried(helper: &Site, owner: &str) -> Option<serde_json::Value> {
    let told = helper.json(&["carry"]);
    told["carried"].as_array().unwrap().iter().find(|row| row["partner"] == owner).cloned()
}

#[test]
fn a_member_for_whom_nothing_is_carried_gets_no_lease_until_that_is_taken_back() {
    let (owner, mut helper) = two_partners();
    let crowd = crowd_until_helped(&owner, 50);
    let name = owner.json(&["status"])["site"].as_str().unwrap().to_owned();
    let row = carried(&helper, &name).unwrap();
    assert!(row["leases"].as_u64() >= Some(1) && row["objects"].as_u64() >= Some(1) && row["stored_bytes"].as_u64() >= Some(1024), "{row}");
    eventually("what was served is counted", || carried(&helper, &name).is_some_and(|row| row["requests"].as_u64() >= Some(1)));
    let ticket = redirect(&owner, &asset(4));
    helper.overspill(&["carry", "stop", &name]).ok();
    let row = carried(&helper, &name).unwrap();
    assert_eq!((row["stopped"].as_bool(), row["leases"].as_u64(), row["objects"].as_u64()), (Some(true), Some(0), Some(0)), "{row}");
    assert_eq!(status(&ticket), Some(302), "who is on the way there is sent home");
    let is_redirected = || (0..6).any(|number| status(&owner.url(&asset(number))) == Some(302));
    eventually("nobody is sent there", || !is_redirected());
    helper.kill();
    helper.overspill(&["carry"]).code.filter(|code| *code == 3).unwrap();
    helper.run();
    // Longer than a refusal keeps the owner from asking again.
    eventually("the owner sees it again", || {
        let known = owner.json(&["partners"]);
        known["partners"].as_array().unwrap().iter().any(|partner| partner["proved"] == true && !partner["offer"].is_null())
    });
    for _ in 0..80 {
        assert!(!is_redirected(), "a restart forgets nothing");
        thread::sleep(Duration::from_millis(100));
    }
    helper.overspill(&["carry", "resume", &name]).ok();
    eventually("it helps again", is_redirected);
    drop(crowd);
}
