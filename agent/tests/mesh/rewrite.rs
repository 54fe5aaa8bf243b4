//! The ladder's first rung, end to end: a page under pressure names the helper itself, and the helper serves what was signed.

use overspill_governance::digest::ObjectDigest;

use crate::{
    spill::{assert_settled, crowd_until_helped, partners_with},
    support::{
        body_of,
        books::{entries, served},
        crowd::Tally,
        eventually, get,
        http::ask,
    },
};

const PAGE: &str = "/page/";
const SCRIPT: &str = "/asset/page-9.js";
const IMAGE: &str = "/asset/page-20.png";

/// The helper's address of `path` in a page.
fn helped(page: &str, path: &str) -> Option<String> {
    let at = page.find(&format!("{path}?overspill-ticket="))?;
    let start = page[..at].rfind("//")?;
    let end = at + page[at..].find(['"', '\''])?;
    Some(format!("http:{}", &page[start..end]))
}

#[test]
fn a_page_under_pressure_names_the_helper_which_serves_the_signed_bytes() {
    // Wide enough for the redirects of visitors who never pause: they alone must not keep pages from being sent.
    let (owner, helper) = partners_with("8Mbit/s");
    for path in [PAGE, SCRIPT, IMAGE] {
        let calm = get(&owner.url(path)).unwrap();
        assert_eq!((calm.status, &calm.body), (200, &body_of(path)));
    }
    let crowd = crowd_until_helped(&owner, 30);
    let mut seen = None;
    eventually("a page names the helper for both of its files", || {
        let answer = get(&owner.url(PAGE)).ok().filter(|answer| answer.status == 200);
        seen = answer.and_then(|answer| {
            let page = String::from_utf8(answer.body.clone()).unwrap();
            let addresses = [(SCRIPT, helped(&page, SCRIPT)?), (IMAGE, helped(&page, IMAGE)?)];
            Some((answer, page, addresses))
        });
        // What a helper cannot take just then is named at the owner: then the page is asked for again.
        let Some((_, _, addresses)) = &seen else { return false };
        addresses.iter().all(|(path, address)| {
            let (status, _, body) = ask(address).unwrap();
            assert!(status == 302 || (status == 200 && body == body_of(path)), "{status} {address}");
            status == 200
        })
    });
    let (answer, page, addresses) = seen.unwrap();
    assert_eq!((answer.header("cache-control"), answer.header("etag")), (Some("no-store"), None));
    let integrity = data_encoding::BASE64.encode(&ObjectDigest::of(&body_of(SCRIPT)).0);
    assert!(page.contains(&format!("<script integrity=\"sha256-{integrity}\" crossorigin src=")), "{page}");

    let mut undone = page.replace(&format!(" integrity=\"sha256-{integrity}\" crossorigin"), "");
    for (path, address) in &addresses {
        undone = undone.replace(address.strip_prefix("http:").unwrap(), path);
    }
    let (start, end) = (undone.find("<script>").unwrap(), undone.find("</script>").unwrap() + "</script>".len());
    undone.replace_range(start..end, "");
    assert_eq!(undone.into_bytes(), body_of(PAGE), "nothing else in the page has changed");

    // A ticket is good once; the restoring script asks the owner with it, who never sends that visitor away again.
    let (path, address) = &addresses[1];
    let (again, ..) = ask(address).unwrap();
    assert_eq!(again, 302, "a used ticket leads home");
    let home = format!("{}{}", owner.canonical(), &address[address.find(path).unwrap()..]);
    for _ in 0..10 {
        let (status, _, body) = ask(&home).unwrap();
        assert!(status == 503 || (status == 200 && body == body_of(path)), "{status}");
    }

    let tally = crowd.ends();
    assert_eq!((Tally::read(&tally.wrong), Tally::read(&tally.failed)), (0, 0), "{tally:?}");
    eventually("in calm the page is the origin's", || get(&owner.url(PAGE)).is_ok_and(|answer| answer.body == body_of(PAGE)));
    assert_settled(&owner, &helper);
    assert!(!served(&entries(&helper)).is_empty());
}
