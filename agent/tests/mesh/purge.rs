//! What the owner says is out of date, helpers show no more: whichever way it is said, and although visitors with good tickets ask.

use std::{thread, time::Duration};

use crate::{
    restart::redirect,
    spill::{crowd_until_helped, two_partners},
    support::{
        Site, body_of,
        crowd::{Tally, asset},
        eventually, get, http,
    },
};

/// Pause between two visitors who follow their tickets.
const PAUSE: Duration = Duration::from_millis(100);

/// What a way to purge is called, and how a path is purged so.
type Way<'a> = (&'a str, &'a dyn Fn(&str));

/// Visitors on their way to the helper, whom the owner sent there before anything was purged.
fn tickets(owner: &Site, path: &str, count: usize) -> Vec<String> {
    (0..count).map(|_| redirect(owner, path)).collect()
}

/// Whether a visitor with a ticket is shown what stood there before the edit.
fn shows_old(ticket: &str, old: &[u8]) -> bool {
    http::ask(ticket).is_ok_and(|(status, _, body)| status == 200 && body == old)
}

#[test]
fn whichever_way_a_purge_is_said_helpers_hear_it() {
    let (owner, _helper) = two_partners();
    let crowd = crowd_until_helped(&owner, 50);
    let purge = |path: &str, fields: &str| {
        let (status, headers, _) = http::say(&owner.url(path), "PURGE", fields).unwrap();
        let purged = headers.iter().find(|(name, _)| name == "overspill-purged").map(|(_, count)| count.clone());
        assert!(status == 200 && purged.as_deref().is_some_and(|count| count != "0"), "{status} {purged:?}");
    };
    let post = |path: &str| assert_eq!(http::say(&owner.url(path), "POST", "").unwrap().0, 200);
    // Each with an asset of its own, since the crowd has what was purged fetched again at once.
    let ways: [Way<'_>; 6] = [
        ("softly", &|path| purge(path, "")),
        ("hard", &|path| purge(path, "Overspill-Purge: hard\r\n")),
        ("by expression", &|path| purge(&path.replace(".png", ".pn.$"), "X-Purge-Method: regex\r\n")),
        ("by tag", &|path| purge("/", &format!("X-Purge-Method: tags\r\nX-Cache-Tags-Pattern: of:{path}$\r\n"))),
        ("by an unsafe method", &post),
        ("in Ghost's way", &|path| post(&format!("/ghost{path}"))),
    ];
    for (number, (way, purge)) in ways.into_iter().enumerate() {
        let path = asset(number);
        let old = body_of(&path);
        eventually("the helper shows it", || shows_old(&redirect(&owner, &path), &old));
        let mut visitors = tickets(&owner, &path, 40).into_iter();
        owner.origin.edit(&path);
        purge(&path);
        // Nobody's clock is trusted here: it is heard before the tickets are used up, and the simulations say within what time.
        while shows_old(&visitors.next().unwrap_or_else(|| panic!("{way}: the helper goes on showing it")), &old) {
            thread::sleep(PAUSE);
        }
        assert!(visitors.take(10).all(|ticket| !shows_old(&ticket, &old)), "{way}: it is shown again");
        assert!(get(&owner.url(&path)).unwrap().body != old, "{way}: wherever a visitor is sent");
    }
    assert!(Tally::read(&crowd.ends().helped) > 50);
}

#[test]
fn a_helper_that_stands_still_when_a_purge_comes_gets_nobody_and_shows_nothing_old() {
    let (owner, helper) = two_partners();
    let crowd = crowd_until_helped(&owner, 50);
    let path = asset(4);
    let old = body_of(&path);
    eventually("the helper shows it", || shows_old(&redirect(&owner, &path), &old));
    let visitors = tickets(&owner, &path, 10);
    helper.freeze();
    owner.origin.edit(&path);
    assert_eq!(http::say(&owner.url(&path), "PURGE", "").unwrap().0, 200);
    let is_redirected = || (0..6).any(|number| http::ask(&owner.url(&asset(number))).is_ok_and(|(status, ..)| status == 302));
    eventually("it gets nobody", || !is_redirected());
    // Longer than it may serve without a word of the owner.
    for _ in 0..110 {
        thread::sleep(PAUSE);
        assert!(!is_redirected(), "it has not confirmed the purge");
    }
    helper.signal(rustix::process::Signal::CONT);
    assert!(visitors.iter().all(|ticket| !shows_old(ticket, &old)), "it wakes up with what was purged meanwhile");
    let before = Tally::read(&crowd.tally.helped);
    eventually("it helps again", || Tally::read(&crowd.tally.helped) >= before + 20);
    assert!(get(&owner.url(&path)).unwrap().body != old);
}
