//! When nobody can answer: a copy if the owner's words allow one, else a page that says when to come back, at once or in time, never a hang.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Act, LONG, Origin, Reply, ask, edge, edge_at, field, get, ok, parse, raw, until};
use overspill_edge::{Clock, Config, Handle, Resolver, Template, start};
use overspill_governance::units::ByteRate;

/// What ails an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ill {
    Hangs = 1,
    Slow,
    Breaks,
    Fails,
}

const ILLS: [Ill; 4] = [Ill::Hangs, Ill::Slow, Ill::Breaks, Ill::Fails];

/// An origin that falls ill when it is told to, and an edge that does not wait for it for long.
fn ailing(fields: &'static str) -> (Handle, Arc<AtomicU8>, Origin) {
    let ill = Arc::new(AtomicU8::new(0));
    let how = Arc::clone(&ill);
    let origin = Origin::new(move |_| match how.load(SeqCst) {
        0 => Act::Say(ok(fields, "page")),
        1 => Act::Hang,
        2 => Act::SayAfter(Duration::from_secs(3), ok(fields, "late")),
        3 => Act::Close,
        _ => Act::Say(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno".to_vec()),
    });
    let edge = edge(&origin, |config| {
        config.timeouts.origin_head = Duration::from_millis(400);
        config.timeouts.origin_head_unsafe = Duration::from_millis(400);
    });
    (edge, ill, origin)
}

/// 503 with when to come back, and not to be kept by anybody.
fn assert_waits(reply: &Reply, what: &str) {
    assert_eq!((reply.status, reply.field("cache-control").as_deref()), (503, Some("no-store")), "{what}: {}", reply.head);
    assert!(reply.field("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|seconds| seconds >= 1)), "{what}");
    assert!(reply.field("proxy-status").is_some_and(|status| status.starts_with("overspill; error=")), "{what}");
}

#[test]
fn whatever_ails_the_origin_visitors_get_a_copy_or_a_page() {
    for ill in ILLS {
        let (edge, state, _origin) = ailing("Cache-Control: max-age=0\r\nETag: \"1\"\r\n");
        assert_eq!(get(&edge, "/known").text(), "page");
        until("it is stored", || edge.metrics().stored_responses == 1);
        state.store(ill as u8, SeqCst);
        assert_eq!(get(&edge, "/known").text(), "page", "{ill:?}: the copy is better than nothing");
        let unknown = get(&edge, "/unknown");
        if ill == Ill::Fails {
            assert_eq!(unknown.text(), "no", "what the origin itself says stands");
        } else {
            assert_waits(&unknown, &format!("{ill:?}"));
            assert!(unknown.text().contains("<h1>"), "{ill:?}");
        }
        until("nobody waits any more", || edge.metrics().requests_active == 0);
    }
}

#[test]
fn a_copy_that_may_not_stand_in_does_not() {
    for ill in [Ill::Hangs, Ill::Breaks] {
        let (edge, state, _origin) = ailing("Cache-Control: max-age=0, must-revalidate\r\nETag: \"1\"\r\n");
        assert_eq!(get(&edge, "/known").text(), "page");
        until("it is stored", || edge.metrics().stored_responses == 1);
        state.store(ill as u8, SeqCst);
        assert_waits(&get(&edge, "/known"), &format!("{ill:?}"));
    }
}

#[test]
fn an_origin_that_is_down_or_has_no_name_is_told_of_at_once() {
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let edge = edge_at(down, |_| ());
    assert_waits(&get(&edge, "/"), "down");
    let dead = |resolver: Resolver| {
        let mut config = Config::new("origin.example".parse().unwrap());
        config.resolver = resolver;
        config.timeouts.origin_head = Duration::from_millis(400);
        start(config, Clock::new()).unwrap()
    };
    let unknown = dead(Resolver::of(|_, _| Err(std::io::ErrorKind::NotFound.into())));
    assert_waits(&get(&unknown, "/"), "no such name");
    assert_waits(&get(&unknown, "/"), "no such name, asked again at once");
    let hangs = dead(Resolver::of(|_, _| {
        thread::sleep(LONG);
        Ok(Vec::new())
    }));
    assert_waits(&get(&hangs, "/"), "a name server that hangs");
}

#[test]
fn nobody_to_help_and_nothing_to_show_is_no_reason_to_wait() {
    // The mesh is dead: no plan ever comes. The line is full, and the origin is away.
    let origin = Origin::new(|_| Act::Say(ok("Cache-Control: max-age=600\r\n", &"x".repeat(60_000))));
    let edge = edge(&origin, |config| config.uplink = Some(ByteRate(20_000)));
    assert_eq!(get(&edge, "/film.mp4").status, 200);
    until("it is stored", || edge.metrics().stored_responses == 1);
    let refused = (0..200).map(|_| get(&edge, "/film.mp4")).find(|reply| reply.status == 503);
    assert_waits_bare(&refused.expect("an asset is refused at last"));
}

/// The same for an asset that the line cannot carry: nothing but a status.
fn assert_waits_bare(reply: &Reply) {
    assert_waits(reply, "a full line");
    assert_eq!(reply.text(), "");
}

#[test]
fn everybody_gets_what_it_can_use() {
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let edge = edge_at(down, |_| ());
    let page = get(&edge, "/post/");
    assert_eq!(page.field("content-type").as_deref(), Some("text/html; charset=utf-8"));
    let json = ask(&edge, "GET", "/wp-json/", "Accept: application/json\r\n");
    assert_waits(&json, "JSON");
    assert_eq!(json.field("content-type").as_deref(), Some("application/problem+json"));
    assert!(json.text().starts_with('{') && json.text().contains("\"status\":503"), "{}", json.text());
    let image = ask(&edge, "GET", "/logo.png", "Sec-Fetch-Dest: image\r\n");
    assert_waits(&image, "image");
    assert_eq!(image.text(), "");
    let head = ask(&edge, "HEAD", "/post/", "");
    assert_waits(&head, "HEAD");
    assert_eq!((head.text().as_str(), head.field("content-length")), ("", page.field("content-length")));
}

#[test]
fn what_may_have_been_done_is_not_to_be_sent_again_unseen() {
    let post =
        |edge: &Handle| parse(&raw(edge, b"POST /order HTTP/1.1\r\nHost: blog.example\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"));
    for (ill, status) in [(Ill::Hangs, 504), (Ill::Breaks, 502)] {
        let (edge, state, origin) = ailing("");
        state.store(ill as u8, SeqCst);
        let reply = post(&edge);
        assert_eq!((reply.status, reply.field("retry-after"), origin.asked().len()), (status, None, 1), "{ill:?}");
        assert!(reply.text().contains("look before you send it again"), "{ill:?}");
    }
    // What never reached the origin may be sent again.
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_waits(&post(&edge_at(down, |_| ())), "down");
}

#[test]
fn the_owners_own_page_is_shown_to_people_and_changes_with_a_reload() {
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let page = |text: &str| Some(Arc::new(Template::read(text.as_bytes()).unwrap()));
    let edge = edge_at(down, |config| config.waiting_page = page("<h1>Knit Club</h1>{{reason}} <b>{{seconds}}</b>"));
    let reply = get(&edge, "/");
    assert_waits(&reply, "own page");
    let seconds = field(&reply.head, "retry-after").unwrap();
    assert!(reply.text().starts_with("<h1>Knit Club</h1>The web server") && reply.text().ends_with(&format!("<b>{seconds}</b>")));
    assert_eq!(ask(&edge, "GET", "/a.css", "").text(), "", "assets get none");
    let mut config = Config::new(down.to_string().parse().unwrap());
    config.waiting_page = page("Another");
    edge.reload(config);
    assert_eq!(get(&edge, "/").text(), "Another");
}
