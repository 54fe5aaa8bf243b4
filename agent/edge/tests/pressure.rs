//! The origin in bad times: too slow, too small, broken, away. What visitors get then.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Act, Origin, ask, edge, get, ok, raw, together, until};
use overspill_edge::Config;

const PAGE: &str = "Content-Type: text/html\r\n";
const MILLIS_100: Duration = Duration::from_millis(100);

/// An origin with places for exactly `places` requests, as far as the edge believes.
fn places(config: &mut Config, places: u32) {
    (config.origin_limits.min, config.origin_limits.initial, config.origin_limits.max) = (places, places, places);
}

/// An origin that works until it is told to fail in some way.
fn failing(failure: impl Fn() -> Act + Send + Sync + 'static, fields: &'static str) -> (Origin, Arc<AtomicBool>) {
    let fails = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&fails);
    let origin = Origin::new(move |_| if told.load(SeqCst) { failure() } else { Act::Say(ok(fields, "good")) });
    (origin, fails)
}

#[test]
fn a_crowd_on_a_slow_page_gets_copies_and_the_origin_its_limit() {
    let origin = Origin::new(|_| Act::SayAfter(MILLIS_100, ok(PAGE, "page")));
    let edge = edge(&origin, |config| places(config, 2));
    assert_eq!(get(&edge, "/").text(), "page");
    until("it is kept", || edge.metrics().stored_responses == 1);
    let replies: Vec<_> = together(60, |index| {
        thread::sleep(Duration::from_millis(20) * u32::try_from(index).unwrap());
        (0..5).map(|_| get(&edge, "/")).collect::<Vec<_>>()
    });
    let replies: Vec<_> = replies.into_iter().flatten().collect();
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.text() == "page"));
    assert!(origin.in_flight_max.load(SeqCst) <= 2);
    let metrics = edge.metrics();
    assert!(metrics.cache_hit > 0, "{metrics:?}");
    assert!(origin.asked().len() < replies.len() / 2, "{}", origin.asked().len());
}

#[test]
fn pressure_ends_with_the_crowd() {
    let origin = Origin::new(|_| Act::SayAfter(MILLIS_100, ok(PAGE, "page")));
    let edge = edge(&origin, |config| places(config, 1));
    get(&edge, "/");
    together(40, |_| get(&edge, "/"));
    until("calm", || !edge.observe().origin.under_pressure);
    let before = origin.asked_for("/");
    get(&edge, "/");
    get(&edge, "/");
    assert_eq!(origin.asked_for("/"), before + 2);
}

#[test]
fn visitors_of_a_page_that_was_never_seen_share_it_when_the_origin_is_busy() {
    let origin = Origin::new(|_| Act::SayAfter(Duration::from_millis(300), ok(PAGE, "page")));
    let edge = edge(&origin, |config| places(config, 1));
    let replies = together(20, |_| get(&edge, "/new"));
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.text() == "page"));
    assert!(origin.asked_for("/new") < 5, "{}", origin.asked_for("/new"));
}

#[test]
fn when_there_is_no_place_in_time_there_is_a_waiting_page() {
    let origin = Origin::new(|_| Act::SayAfter(Duration::from_millis(500), ok("Cache-Control: private\r\n", "own")));
    let edge = edge(&origin, |config| {
        places(config, 1);
        config.origin_limits.queue_max = 2;
        config.origin_limits.queue_wait = MILLIS_100;
    });
    let replies = together(10, |index| get(&edge, &format!("/{index}")));
    let shed: Vec<_> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert!(shed.len() >= 7, "{}", shed.len());
    assert!(shed.iter().all(|reply| reply.field("retry-after").is_some() && reply.field("cache-control").as_deref() == Some("no-store")));
    assert!(replies.iter().any(|reply| reply.status == 200));
    assert_eq!(edge.metrics().shed, shed.len() as u64);
}

#[test]
fn logins_and_posts_get_through_a_crowd() {
    let origin = Origin::new(|head| {
        if head.starts_with("GET /slow") {
            Act::SayAfter(Duration::from_secs(2), ok("Cache-Control: private\r\n", "slow"))
        } else {
            Act::Say(ok("", "in"))
        }
    });
    let edge = edge(&origin, |config| places(config, 4));
    thread::scope(|scope| {
        for index in 0..12 {
            let edge = &edge;
            scope.spawn(move || get(edge, &format!("/slow{index}")));
        }
        until("the crowd fills its places", || edge.observe().origin.queued >= 8);
        assert_eq!(ask(&edge, "POST", "/comment", "Content-Length: 0\r\n").text(), "in");
        assert_eq!(get(&edge, "/wp-login.php").text(), "in");
        assert_eq!(ask(&edge, "GET", "/", "Cookie: wordpress_logged_in_1=x\r\n").text(), "in");
        assert!(edge.observe().origin.queued >= 8, "the crowd was through already");
    });
}

#[test]
fn copies_stand_in_for_an_origin_that_fails() {
    let failures: [fn() -> Act; 2] = [|| Act::Close, || Act::Say(b"HTTP/1.1 500 Oh No\r\nContent-Length: 2\r\n\r\nno".to_vec())];
    for failure in failures {
        for fields in [PAGE, "Cache-Control: max-age=0\r\nETag: \"1\"\r\n"] {
            let (origin, fails) = failing(failure, fields);
            let edge = edge(&origin, |_| ());
            get(&edge, "/");
            until("it is stored", || edge.metrics().stored_responses == 1);
            fails.store(true, SeqCst);
            let reply = get(&edge, "/");
            assert_eq!((reply.status, reply.text().as_str()), (200, "good"), "{fields}");
            assert!(reply.field("cache-status").unwrap().contains("detail=stale"));
            fails.store(false, SeqCst);
            // Not at once, perhaps: on a machine that stands still the copy would stand in once more.
            until("the origin answers again", || !get(&edge, "/").field("cache-status").unwrap().contains("detail=stale"));
        }
    }
}

#[test]
fn no_copy_stands_in_where_the_origin_forbids_it() {
    let (origin, fails) = failing(|| Act::Close, "Cache-Control: max-age=0, must-revalidate\r\nETag: \"1\"\r\n");
    let edge = edge(&origin, |_| ());
    get(&edge, "/");
    until("it is stored", || edge.metrics().stored_responses == 1);
    fails.store(true, SeqCst);
    assert_eq!(get(&edge, "/").status, 503);
}

#[test]
fn a_copy_is_shown_before_a_hanging_origin_is_given_up() {
    let (origin, fails) = failing(|| Act::Hang, PAGE);
    let edge = edge(&origin, |_| ());
    get(&edge, "/");
    until("it is stored", || edge.metrics().stored_responses == 1);
    fails.store(true, SeqCst);
    assert_eq!(get(&edge, "/").text(), "good");
    assert_eq!(edge.metrics().origin_timeouts, 0, "the visitor waited as long as the edge does");
}

#[test]
fn an_error_page_is_shared_by_those_who_wait_and_not_kept() {
    let origin = Origin::new(|_| Act::SayAfter(Duration::from_millis(300), b"HTTP/1.1 500 Oh No\r\nContent-Length: 2\r\n\r\nno".to_vec()));
    let edge = edge(&origin, |_| ());
    let replies = together(10, |_| get(&edge, "/"));
    assert!(replies.iter().all(|reply| reply.status == 500 && reply.text() == "no"));
    assert!(origin.asked_for("/") < 5);
    assert_eq!(edge.metrics().stored_responses, 0);
}

#[test]
fn stale_while_revalidate_answers_at_once_and_refreshes_behind() {
    let origin = Origin::new(|_| Act::Say(ok("Cache-Control: max-age=0, stale-while-revalidate=60\r\nETag: \"1\"\r\n", "x")));
    let edge = edge(&origin, |_| ());
    get(&edge, "/a.js");
    until("it is stored", || edge.metrics().stored_responses == 1);
    assert!(get(&edge, "/a.js").field("cache-status").unwrap().contains("detail=stale"));
    until("it is refreshed", || origin.asked_for("/a.js") == 2);
    assert_eq!(edge.metrics().origin_refreshes, 1);
}

#[test]
fn a_visitor_who_never_sends_its_body_holds_no_place() {
    let origin = Origin::new(|_| Act::Say(ok("", "in")));
    let edge = edge(&origin, |config| {
        places(config, 1);
        config.timeouts.visitor_stall = Duration::from_secs(2);
    });
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answer = raw(&edge, b"POST /comment HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: 10\r\n\r\nabc");
                assert!(answer.starts_with(b"HTTP/1.1 408"), "{:?}", String::from_utf8_lossy(&answer));
            });
        }
        until("they are there", || edge.metrics().requests_active == 4);
        assert_eq!(ask(&edge, "POST", "/comment", "Content-Length: 0\r\n").text(), "in");
        assert_eq!(edge.metrics().requests_active, 4, "they were given up before");
    });
    assert_eq!(origin.asked().len(), 1);
}
