//! Purges over real sockets, against a scripted origin.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use common::{Act, Origin, Reply, ask, edge, get, ok, until};
use overspill_edge::Handle;

const TAGGED: &str = "Cache-Control: max-age=60\r\nX-Cache-Tags: home,p-12\r\n";
const PLAIN: &str = "Cache-Control: max-age=60\r\n";

fn blog() -> Origin {
    Origin::new(|head| match head.split(' ').nth(1).unwrap_or_default() {
        "/admin" => Act::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Cache-Invalidate: /$/, /rss/\r\n\r\n".to_vec()),
        "/everything" => Act::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Cache-Invalidate: /*\r\n\r\n".to_vec()),
        "/tagged" => Act::Say(ok(TAGGED, "tagged")),
        _ => Act::Say(ok(PLAIN, "plain")),
    })
}

/// Has every page stored.
fn stored(origin: &Origin, edge: &Handle, paths: &[&str]) {
    for path in paths {
        let before = edge.metrics().stored_responses;
        get(edge, path);
        until("it is stored", || edge.metrics().stored_responses == before + 1);
    }
    for path in paths {
        assert_eq!(get(edge, path).status, 200);
        assert_eq!(origin.asked_for(path), 1, "{path} is a hit");
    }
}

/// Which of the pages the origin is asked for again.
fn asked_again<'a>(origin: &Origin, edge: &Handle, paths: &[&'a str]) -> Vec<&'a str> {
    let before: Vec<usize> = paths.iter().map(|path| origin.asked_for(path)).collect();
    paths.iter().for_each(|path| drop(get(edge, path)));
    paths.iter().zip(before).filter(|(path, before)| origin.asked_for(path) > *before).map(|(path, _)| *path).collect()
}

fn purge(edge: &Handle, path: &str, fields: &str) -> Reply {
    ask(edge, "PURGE", path, fields)
}

fn count(reply: &Reply) -> Option<String> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.field("overspill-purged")
}

const PAGES: [&str; 4] = ["/", "/rss/", "/tagged", "/category/a/"];

#[test]
fn a_page_is_purged_by_its_address_and_others_stay() {
    let origin = blog();
    let edge = edge(&origin, |_| ());
    stored(&origin, &edge, &PAGES);
    assert_eq!(count(&purge(&edge, "/rss/", "")).as_deref(), Some("1"));
    assert_eq!(asked_again(&origin, &edge, &PAGES), ["/rss/"]);
    assert_eq!(count(&purge(&edge, "/unknown", "")).as_deref(), Some("0"));
    assert_eq!(edge.metrics().purged, 1);
    assert!(!origin.asked().iter().any(|head| head.starts_with("PURGE")), "the origin hears nothing of it");
}

#[test]
fn the_wordpress_plugin_purges_by_expression_and_by_tag() {
    let origin = blog();
    let edge = edge(&origin, |_| ());
    stored(&origin, &edge, &PAGES);
    assert_eq!(count(&purge(&edge, "/category/.*", "X-Purge-Method: regex\r\n")).as_deref(), Some("1"));
    assert_eq!(asked_again(&origin, &edge, &PAGES), ["/category/a/"]);
    assert_eq!(count(&purge(&edge, "/", "X-Purge-Method: tags\r\nX-Cache-Tags-Pattern: (^|,)p-12(,|$)\r\n")).as_deref(), Some("1"));
    assert_eq!(asked_again(&origin, &edge, &PAGES), ["/tagged"]);
    assert_eq!(count(&purge(&edge, "/.*", "X-Purge-Method: regex\r\n")).as_deref(), Some("4"));
    assert_eq!(asked_again(&origin, &edge, &PAGES), PAGES);
    let heads = origin.asked();
    assert!(heads.iter().all(|head| head.to_ascii_lowercase().contains("surrogate-capability: overspill=\"tags/1\"")));
}

#[test]
fn ghost_says_what_an_edit_changed() {
    let origin = blog();
    let edge = edge(&origin, |_| ());
    stored(&origin, &edge, &PAGES);
    ask(&edge, "PUT", "/admin", "Content-Length: 0\r\n");
    assert_eq!(asked_again(&origin, &edge, &PAGES), ["/", "/rss/"]);
    ask(&edge, "PUT", "/everything", "Content-Length: 0\r\n");
    assert_eq!(asked_again(&origin, &edge, &PAGES), PAGES);
}

#[test]
fn a_purged_copy_helps_when_the_origin_fails_unless_it_is_purged_hard() {
    let fails = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&fails);
    let origin = Origin::new(move |_| match broken.load(SeqCst) {
        true => Act::Say(b"HTTP/1.1 500 Sorry\r\nContent-Length: 0\r\n\r\n".to_vec()),
        false => Act::Say(ok(PLAIN, "plain")),
    });
    let edge = edge(&origin, |_| ());
    stored(&origin, &edge, &["/soft", "/hard"]);
    fails.store(true, SeqCst);
    count(&purge(&edge, "/soft", ""));
    count(&purge(&edge, "/hard", "Overspill-Purge: hard\r\n"));
    assert_eq!((get(&edge, "/soft").status, get(&edge, "/hard").status), (200, 500));
    assert_eq!(origin.asked_for("/soft"), 2, "but it was asked first");
}

#[test]
fn strangers_and_nonsense_are_refused_in_words() {
    let origin = blog();
    let edge = edge(&origin, |config| config.purge_token = Some(String::from("a-token-of-the-site")));
    stored(&origin, &edge, &["/"]);
    for (fields, status, word) in [
        ("X-Forwarded-For: 127.0.0.1\r\n", 403, "purge_token"),
        ("Authorization: Bearer another-token-here\r\n", 403, "purge_token"),
        ("Overspill-Purge: medium\r\n", 400, "soft"),
        ("X-Purge-Method: all\r\n", 400, "regex"),
        ("X-Purge-Method: tags\r\n", 400, "X-Cache-Tags-Pattern"),
    ] {
        let reply = purge(&edge, "/", fields);
        assert_eq!(reply.status, status, "{fields}");
        assert!(reply.text().contains(word), "{fields}: {}", reply.text());
    }
    assert_eq!(asked_again(&origin, &edge, &["/"]), [] as [&str; 0]);
    let token = "X-Forwarded-For: 192.0.2.1\r\nAuthorization: Bearer a-token-of-the-site\r\n";
    assert_eq!(count(&purge(&edge, "/", token)).as_deref(), Some("1"));
}
