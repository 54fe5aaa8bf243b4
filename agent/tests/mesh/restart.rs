//! Visitors on their way while an agent restarts: a ticket or a mark that nobody can check any more brings them home, once.

use crate::{
    spill::{crowd_until_helped, two_partners},
    support::{
        Site, body_of,
        crowd::{Crowd, asset},
        eventually, get, http,
    },
};

/// Where a visitor is sent who asks for this URL, if anywhere.
fn sent_to(url: &str) -> Option<String> {
    let (status, headers, _) = http::ask(url).ok()?;
    headers.into_iter().find(|(name, _)| status == 302 && name == "location").map(|(_, to)| to)
}

/// A redirect of the owner for one of the crowd's assets, with its ticket.
#[track_caller]
pub(crate) fn redirect(owner: &Site, path: &str) -> String {
    let mut found = None;
    eventually("a visitor is redirected", || {
        found = sent_to(&owner.url(path));
        found.is_some()
    });
    found.unwrap()
}

/// A crowd is there and the owner spills; whoever comes with this address stays.
#[track_caller]
fn assert_stays(owner: &Site, path: &str, marked: &str) {
    assert!(marked.starts_with(&owner.url(path)) && marked.contains("overspill-back="), "{marked}");
    let _crowd: Crowd = crowd_until_helped(owner, 10);
    let mut redirected = 0;
    eventually("the owner spills what is not marked", || {
        let (status, ..) = http::ask(marked).unwrap();
        assert!(matches!(status, 200 | 503), "a visitor who was sent home is sent away again: {status}");
        redirected += u32::from(sent_to(&owner.url(path)).is_some());
        redirected >= 10
    });
}

#[test]
fn a_helper_that_forgot_its_leases_sends_visitors_home_once() {
    let (owner, mut helper) = two_partners();
    let path = asset(7);
    let crowd = crowd_until_helped(&owner, 10);
    let ticketed = redirect(&owner, &path);
    crowd.ends();
    helper.kill();
    helper.run();
    // In calm there is no new lease, and nothing is refused.
    eventually("the owner is calm", || http::ask(&owner.url(&path)).is_ok_and(|(status, ..)| status == 200));
    let bare = ticketed.split('?').next().unwrap();
    for url in [ticketed.as_str(), bare] {
        let answer = get(url).unwrap();
        assert_eq!((answer.status, answer.asked.len()), (200, 2), "{:?}", answer.asked);
        assert!(answer.asked[1].starts_with(&owner.canonical()), "{:?}", answer.asked);
        assert!(answer.body == body_of(&path), "{:?}", answer.headers);
    }
    let home = sent_to(&ticketed).unwrap();
    let stranger = bare.replacen("http://", "http://x", 1);
    assert_eq!(http::ask(&stranger).unwrap().0, 421, "a name that is no member's");
    assert_stays(&owner, &path, &home);
}

#[test]
fn an_owner_that_forgot_its_leases_keeps_who_is_sent_home() {
    let (mut owner, _helper) = two_partners();
    let path = asset(7);
    let crowd = crowd_until_helped(&owner, 10);
    let ticketed = redirect(&owner, &path);
    owner.kill();
    // The first use takes the ticket, or finds that the lease is over; the second is sent back in any case.
    let _ = http::ask(&ticketed);
    let home = sent_to(&ticketed).unwrap();
    owner.run();
    drop(crowd);
    assert_stays(&owner, &path, &home);
}
