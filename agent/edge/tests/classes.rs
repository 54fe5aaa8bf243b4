//! Who asks makes a difference: link previews share copies, crawlers cost no credit and wait for people, and nobody is refused.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Barrier, thread, time::Duration};

use common::{Act, Origin, Reply, ask, edge, get, ok, together, until};
use overspill_edge::{Config, Handle};

const PAGE: &str = "Content-Type: text/html; charset=utf-8\r\n";
/// As it takes a small server to render a post with its comments.
const RENDERING: Duration = Duration::from_millis(500);
/// Servers that show a link within the same moment.
const SERVERS: usize = 1_000;
const FEDIVERSE: &str = "User-Agent: Mastodon/4.4.3 (http.rb/5.3.1; +https://mastodon.example/) Bot\r\n";
const FIREFOX: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n";

/// What the software behind those servers sends, one after the other.
const FETCHERS: [&str; 8] = [
    "User-Agent: Mastodon/4.4.3 (http.rb/5.3.1; +https://mastodon.example/) Bot\r\nAccept-Encoding: gzip\r\n",
    "User-Agent: Akkoma 3.13.2; https://akkoma.example <admin@akkoma.example>; Bot\r\nAccept-Encoding: gzip\r\n",
    "User-Agent: SummalyBot/5.1.0\r\nAccept-Encoding: gzip, deflate, br\r\n",
    "User-Agent: Lemmy/0.19.5; +https://lemmy.example\r\nAccept-Encoding: gzip, br\r\n",
    "User-Agent: Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)\r\nAccept-Encoding: gzip, deflate, br\r\n",
    "User-Agent: Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)\r\nRange: bytes=0-32768\r\n",
    "User-Agent: facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)\r\nAccept-Encoding: deflate, gzip\r\n",
    "User-Agent: TelegramBot (like TwitterBot)\r\nAccept-Encoding: gzip, deflate\r\n",
];

/// A post that takes its time, in either encoding that is asked for.
fn slow_post() -> Origin {
    Origin::new(|head| {
        let packed = common::field(head, "accept-encoding").is_some_and(|coding| coding.contains("gzip"));
        let coding = if packed { "Content-Encoding: gzip\r\n" } else { "" };
        Act::SayAfter(RENDERING, ok(&format!("{PAGE}Vary: Accept-Encoding\r\n{coding}"), if packed { "packed" } else { "plain" }))
    })
}

/// All servers at once, each on a connection of its own.
fn previews(edge: &Handle) -> Vec<Reply> {
    let start = Barrier::new(SERVERS);
    together(SERVERS, |number| {
        start.wait();
        // One in ten looks at the head first.
        let method = if number % 10 == 9 { "HEAD" } else { "GET" };
        ask(edge, method, "/2026/11/post/", FETCHERS[number % FETCHERS.len()])
    })
}

fn places_of_a_small_server(config: &mut Config) {
    (config.origin_limits.min, config.origin_limits.initial, config.origin_limits.max) = (2, 8, 32);
    // Far above what waiting for one another takes on a slow machine.
    config.origin_limits.queue_wait = Duration::from_secs(15);
    config.origin_limits.queue_max = 4_096;
}

#[test]
fn a_thousand_link_previews_at_once_cost_two_renderings() {
    let origin = slow_post();
    let edge = edge(&origin, places_of_a_small_server);
    for round in 0..2 {
        let replies = previews(&edge);
        for (number, reply) in replies.iter().enumerate() {
            assert!(matches!(reply.status, 200 | 206), "{number}: {}", reply.head);
            let expected = if number % FETCHERS.len() == 5 { "plain" } else { "packed" };
            assert_eq!(reply.text(), if number % 10 == 9 { "" } else { expected }, "{number}: {}", reply.head);
        }
        // One in each encoding that they ask for; those of the second round find copies, unless a slow machine let them grow old.
        assert!(origin.asked().len() <= 2 * (round + 1), "{} renderings after {} previews", origin.asked().len(), SERVERS * (round + 1));
    }
    let metrics = edge.metrics();
    assert_eq!((metrics.requests_preview, metrics.shed), (2 * SERVERS as u64, 0));
    assert_eq!(metrics.requests_person + metrics.requests_crawler + metrics.requests_suspect, 0);
}

#[test]
fn the_same_thousand_cost_more_when_they_are_like_any() {
    let origin = slow_post();
    let edge = edge(&origin, |config| {
        places_of_a_small_server(config);
        config.preview_cache = Duration::ZERO;
    });
    let replies = previews(&edge);
    assert!(replies.iter().any(|reply| reply.status == 200));
    assert!(origin.asked().len() > 10, "{}", origin.asked().len());
    assert_eq!(edge.metrics().previews_spared, 0);
}

#[test]
fn in_calm_previews_share_a_copy_for_some_seconds_and_people_get_their_own() {
    let origin = Origin::new(|_| Act::Say(ok(PAGE, "page")));
    let edge = edge(&origin, |config| config.preview_cache = Duration::from_secs(2));
    for _ in 0..5 {
        assert_eq!(ask(&edge, "GET", "/", FEDIVERSE).text(), "page");
    }
    assert_eq!(origin.asked().len(), 1);
    assert_eq!(edge.metrics().previews_spared, 4);
    for round in 0..3 {
        assert_eq!(ask(&edge, "GET", "/", FIREFOX).text(), "page");
        assert_eq!(origin.asked().len(), 2 + round, "people are shown the page of this moment");
    }
    thread::sleep(Duration::from_millis(2_500));
    ask(&edge, "GET", "/", FEDIVERSE);
    assert_eq!(origin.asked().len(), 5, "and so are previews after a while");
}

#[test]
fn a_preview_is_shared_only_where_nobody_is_meant() {
    let origin = Origin::new(|head| {
        Act::Say(match head.split(' ').nth(1).unwrap() {
            "/private" => ok(&format!("{PAGE}Cache-Control: private\r\n"), "x"),
            "/no-store" => ok(&format!("{PAGE}Cache-Control: no-store\r\n"), "x"),
            "/strict" => ok(&format!("{PAGE}Cache-Control: max-age=0, must-revalidate\r\nETag: \"1\"\r\n"), "x"),
            "/session" => ok(&format!("{PAGE}Set-Cookie: PHPSESSID=1\r\n"), "x"),
            _ => ok(PAGE, "x"),
        })
    });
    let edge = edge(&origin, |_| ());
    let cost = |method: &str, path: &str, fields: &str| {
        let before = origin.asked_for(path);
        for _ in 0..3 {
            assert_eq!(ask(&edge, method, path, &format!("{FEDIVERSE}{fields}")).status, 200);
        }
        origin.asked_for(path) - before
    };
    for path in ["/private", "/no-store", "/strict", "/session"] {
        assert_eq!(cost("GET", path, ""), 3, "{path}");
    }
    assert_eq!(cost("GET", "/cookie", "Cookie: who=me\r\n"), 3);
    assert_eq!(cost("GET", "/authorized", "Authorization: Basic eA==\r\n"), 3);
    assert_eq!(cost("POST", "/post", "Content-Length: 0\r\n"), 3);
    assert_eq!(cost("GET", "/wp-json/oembed", ""), 3, "what acts is never kept on the operator's word");
    assert_eq!(cost("GET", "/anybody", ""), 1);
}

#[test]
fn what_was_purged_is_shown_to_no_preview() {
    let origin = Origin::new(|_| Act::Say(ok(PAGE, "page")));
    let edge = edge(&origin, |_| ());
    ask(&edge, "GET", "/", FEDIVERSE);
    until("it is stored", || edge.metrics().stored_responses == 1);
    assert_eq!(ask(&edge, "PURGE", "/", "").status, 200);
    ask(&edge, "GET", "/", FEDIVERSE);
    assert_eq!(origin.asked_for("/"), 2);
}

#[test]
fn the_head_of_a_page_and_a_part_of_it_make_a_copy_for_previews() {
    let origin = Origin::new(|head| {
        assert!(head.starts_with("GET ") && !head.to_ascii_lowercase().contains("\r\nrange:"), "{head}");
        Act::Say(ok(PAGE, "0123456789"))
    });
    let edge = edge(&origin, |_| ());
    let head = ask(&edge, "HEAD", "/", FEDIVERSE);
    assert_eq!((head.status, head.field("content-length").as_deref()), (200, Some("10")));
    until("it is stored", || edge.metrics().stored_responses == 1);
    let part = ask(&edge, "GET", "/", &format!("{FEDIVERSE}Range: bytes=0-3\r\n"));
    assert_eq!((part.status, part.text().as_str()), (206, "0123"));
    assert_eq!(origin.asked().len(), 1);
}

#[test]
fn each_class_is_counted_and_served() {
    let origin = Origin::new(|_| Act::Say(ok(PAGE, "page")));
    let edge = edge(&origin, |_| ());
    assert_eq!(ask(&edge, "GET", "/", FIREFOX).status, 200);
    assert_eq!(get(&edge, "/").status, 200);
    assert_eq!(ask(&edge, "GET", "/", FEDIVERSE).status, 200);
    assert_eq!(ask(&edge, "GET", "/", "User-Agent: GPTBot/1.2\r\n").status, 200);
    assert_eq!(ask(&edge, "GET", "/.env", FIREFOX).status, 200, "the origin has the word");
    let metrics = edge.metrics();
    let counts = [metrics.requests_person, metrics.requests_preview, metrics.requests_crawler, metrics.requests_suspect];
    assert_eq!(counts, [2, 1, 1, 1]);
}

#[test]
fn under_a_full_queue_crawlers_give_way_to_people() {
    let origin = Origin::new(|_| Act::SayAfter(Duration::from_millis(300), ok("Cache-Control: private\r\n", "own")));
    let edge = edge(&origin, |config| {
        (config.origin_limits.min, config.origin_limits.initial, config.origin_limits.max) = (1, 1, 1);
        config.origin_limits.queue_max = 2;
    });
    thread::scope(|scope| {
        let edge = &edge;
        let crawl = |path: &'static str| scope.spawn(move || ask(edge, "GET", path, "User-Agent: GPTBot/1.2\r\n"));
        let first = crawl("/1");
        until("it is at the origin", || edge.observe().origin.in_flight == 1);
        let waiting = [crawl("/2"), crawl("/3")];
        until("the queue is full", || edge.observe().origin.queued == 2);
        let person = scope.spawn(move || ask(edge, "GET", "/4", FIREFOX));
        assert_eq!(person.join().unwrap().status, 200);
        assert_eq!(first.join().unwrap().status, 200);
        let mut crawled = waiting.map(|crawler| crawler.join().unwrap().status);
        crawled.sort_unstable();
        assert_eq!(crawled, [200, 503], "one gave way, the other was served after the person");
    });
}
