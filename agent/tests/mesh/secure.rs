//! A crowd at a site over https, carried by a helper over https on a name that has nothing to do with the owner's.

use overspill_governance::entry::Entry;

use crate::{
    spill::{assert_settled, crowd_until_helped, joins},
    support::{
        Site, body_of,
        books::{entries, served},
        crowd::{Tally, asset},
        eventually, get,
        http::ask,
    },
};

#[test]
fn a_crowd_at_an_https_site_is_carried_by_the_helper_that_has_https() {
    let mut owner = Site::new("owner").with("UPLINK", "2Mbit/s").over_tls();
    owner.overspill(&["init", "--name", "Three", "--rule", "settle_window=1"]).ok();
    owner.run();
    let (mut plain, mut secure) = (Site::new("plain"), Site::new("secure").over_tls());
    joins(&mut plain, &owner);
    joins(&mut secure, &owner);
    eventually("both offers are known, and what they are", || {
        let known = owner.json(&["partners"]);
        let mut https: Vec<_> =
            known["partners"].as_array().unwrap().iter().filter_map(|known| known["offer"]["https"].as_bool()).collect();
        https.sort_unstable();
        https == [false, true]
    });

    let crowd = crowd_until_helped(&owner, 50);
    let mut helped = None;
    eventually("a visitor is helped", || {
        helped = get(&owner.url(&asset(11))).ok().filter(|answer| answer.status == 200 && answer.was_helped());
        helped.is_some()
    });
    let helped = helped.unwrap();
    assert_eq!(helped.body, body_of(&asset(11)));
    assert!(helped.asked.iter().all(|url| url.starts_with("https://")), "{:?}", helped.asked);
    assert!(helped.asked[1].contains(&format!(".secure-guests.localhost:{}/", secure.port)), "{:?}", helped.asked);

    // Whoever comes with a ticket that is used up is sent back over https, too.
    let (status, head, _) = ask(&helped.asked[1]).unwrap();
    let home = head.iter().find(|(name, _)| name == "location").map(|(_, value)| value.clone()).unwrap();
    assert!(status == 302 && home.starts_with(&format!("{}{}", owner.canonical(), asset(11))), "{status} {home}");

    let tally = crowd.ends();
    assert_eq!((Tally::read(&tally.wrong), Tally::read(&tally.failed)), (0, 0), "{tally:?}");
    assert_settled(&owner, &secure);
    assert!(served(&entries(&plain)).is_empty(), "a browser would not load it into a page over https");
    let has_leases = |site: &Site| entries(site).iter().any(|entry| matches!(entry, Entry::Allotted(_)));
    assert_eq!([&secure, &plain].map(has_leases), [true, false], "and it was not asked");
}
