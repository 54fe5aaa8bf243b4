//! What the owner denies, over real sockets: every way on which an answer leaves says so, and nothing else changes.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{Act, Origin, Reply, edge, get, http2, ok, parse, raw, until};
use http::{
    Method,
    uri::{Authority, Scheme},
};
use overspill_edge::{Canonical, Config, Denial, DenialStatus, Handle, Site};

const KEPT: &str = "Content-Type: image/png\r\nCache-Control: public, max-age=600\r\n";

fn blog() -> Origin {
    Origin::new(|head| match head.split(' ').nth(1).unwrap_or_default() {
        "/private" => Act::Say(ok("Cache-Control: private\r\n", "yours")),
        "/short.png" => Act::Say(ok("Content-Type: image/png\r\nCache-Control: max-age=1, stale-while-revalidate=600\r\n", "short")),
        _ => Act::Say(ok(KEPT, "shown")),
    })
}

fn named(config: &mut Config) {
    config.canonical = Some(Canonical { scheme: Scheme::HTTP, authority: Authority::from_static("blog.example") });
    config.hosts = vec![Authority::from_static("www.blog.example")];
}

fn denial(url: &str, status: DenialStatus) -> Denial {
    Denial { url: url.parse().unwrap(), status, reason: "Order 7".into(), blocked_by: Some("https://blog.example/why".into()) }
}

fn deny(edge: &Handle, urls: &[&str]) {
    edge.deny(&urls.iter().map(|url| denial(url, DenialStatus::Legal)).collect::<Vec<_>>());
}

/// Asks under a host, with more fields.
fn ask(edge: &Handle, method: &str, host: &str, path: &str, fields: &str) -> Reply {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n");
    parse(&raw(edge, head.as_bytes()))
}

/// Has it stored, so that it is answered beneath the library.
fn stored(edge: &Handle, path: &str) {
    until("it is stored", || get(edge, path).field("cache-status").is_some_and(|status| status.contains("hit")));
    let before = edge.metrics().expressed;
    assert_eq!(keeps(edge, path), 200);
    assert_eq!(edge.metrics().expressed, before + 1, "it takes the express lane");
}

/// Asks as browsers do, which keep the connection.
fn keeps(edge: &Handle, path: &str) -> u16 {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(edge.local_addr()).unwrap();
    stream.set_read_timeout(Some(common::LONG)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: blog.example\r\nUser-Agent: x\r\n\r\n").as_bytes()).unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    String::from_utf8_lossy(&head[9..]).parse().unwrap()
}

#[test]
fn a_stored_page_that_is_denied_is_shown_on_no_way() {
    let origin = blog();
    let edge = edge(&origin, named);
    stored(&edge, "/a.png");
    stored(&edge, "/b.png");
    deny(&edge, &["https://blog.example/a.png"]);
    let before = origin.asked().len();

    let reply = get(&edge, "/a.png");
    assert_eq!(reply.status, 451);
    assert_eq!(reply.field("link").as_deref(), Some("<https://blog.example/why>; rel=\"blocked-by\""));
    assert_eq!(reply.field("cache-control").as_deref(), Some("no-store"));
    assert!(reply.text().contains("Order 7"), "{}", reply.text());
    assert_eq!(keeps(&edge, "/a.png"), 451);
    for (method, fields) in [
        ("GET", "Cookie: PHPSESSID=1\r\n"),
        ("GET", "Cookie: theme=dark\r\n"),
        ("GET", "Range: bytes=0-1\r\n"),
        ("GET", "Authorization: Basic eA==\r\n"),
        ("GET", "Cache-Control: no-cache\r\n"),
        ("GET", "If-None-Match: \"1\"\r\n"),
        ("HEAD", ""),
        ("POST", "Content-Length: 0\r\n"),
        ("OPTIONS", ""),
        ("GET", "User-Agent: Mastodon/4\r\n"),
    ] {
        assert_eq!(ask(&edge, method, "blog.example", "/a.png", fields).status, 451, "{method} {fields}");
    }
    for spelled in ["/a.png?1", "/%61.png", "//a.png", "/x/../a.png", "/a.png?overspill-back=AAAA", "/a.png?overspill-ticket=AAAA"] {
        assert_eq!(get(&edge, spelled).status, 451, "{spelled}");
    }
    assert_eq!(ask(&edge, "GET", "www.blog.example", "/a.png", "").status, 451, "the same site by another name");
    assert_eq!(origin.asked().len(), before, "and the origin is asked for none of it");
    assert_eq!(edge.metrics().denied, 19);

    assert_eq!(get(&edge, "/b.png").status, 200);
    assert_eq!(keeps(&edge, "/b.png"), 200);
    assert_eq!(origin.asked().len(), before, "what is not denied is what it was");
}

#[test]
fn over_http_2_too() {
    let origin = blog();
    let edge = edge(&origin, named);
    stored(&edge, "/a.png");
    http2::story(async {
        let mut visitor = http2::meet_plainly(&edge).await;
        let mut status = async |target: &str, fields: &[(&str, &str)]| {
            let url = format!("http://blog.example{target}");
            http2::ask(&mut visitor, http2::request(Method::GET, &url, fields, b"")).await.0.status.as_u16()
        };
        assert_eq!(status("/a.png", &[]).await, 200);
        edge.deny(&[denial("http://blog.example/a.png", DenialStatus::Gone)]);
        assert_eq!(status("/a.png", &[]).await, 410);
        assert_eq!(status("/a.png", &[("range", "bytes=0-1")]).await, 410);
        assert_eq!(status("/b.png", &[]).await, 200);
    });
}

#[test]
fn a_prefix_denies_all_below_it_and_proofs_go_on() {
    let origin = blog();
    let edge = edge(&origin, |config| {
        named(config);
        config.member_key = Some("a key\n".into());
        config.denied = vec![denial("https://blog.example/*", DenialStatus::Gone)];
    });
    for path in ["/", "/a.png", "/private", "/short.png"] {
        assert_eq!(get(&edge, path).status, 410, "{path}, from the first visitor on");
    }
    assert_eq!(get(&edge, "/.well-known/overspill").text(), "a key\n", "members still see whose host it is");
    assert_eq!(origin.asked().len(), 0);
    edge.reload({
        let mut config = Config::new(origin.address.to_string().parse().unwrap());
        named(&mut config);
        config
    });
    assert_eq!(get(&edge, "/a.png").status, 410, "settings change nothing in it");
    edge.deny(&[]);
    assert_eq!(get(&edge, "/a.png").status, 200);
}

#[test]
fn what_is_allowed_again_is_fetched_anew() {
    let origin = blog();
    let edge = edge(&origin, named);
    stored(&edge, "/a.png");
    deny(&edge, &["https://blog.example/a.png"]);
    assert_eq!(edge.metrics().stored_responses, 0, "the copy is gone");
    deny(&edge, &[]);
    assert_eq!(get(&edge, "/a.png").status, 200);
    assert_eq!(origin.asked_for("/a.png"), 2);
}

#[test]
fn a_stale_answer_and_one_that_is_passed_on_are_denied() {
    let origin = blog();
    let edge = edge(&origin, named);
    assert_eq!(get(&edge, "/short.png").status, 200);
    assert_eq!(get(&edge, "/private").status, 200);
    assert_eq!(keeps(&edge, "/private"), 200);
    std::thread::sleep(Duration::from_millis(1_100));
    deny(&edge, &["https://blog.example/short.png", "https://blog.example/private"]);
    for path in ["/short.png", "/private"] {
        assert_eq!((get(&edge, path).status, keeps(&edge, path)), (451, 451), "{path}");
    }
}

#[test]
fn a_denial_is_of_one_site_and_of_all_its_names() {
    let origin = blog();
    let shop = Canonical { scheme: Scheme::HTTP, authority: Authority::from_static("shop.example") };
    let edge = edge(&origin, |config| {
        named(config);
        let mut site = Site::new(shop, config.origin.clone(), config);
        site.hosts = vec![Authority::from_static("www.shop.example")];
        config.sites = vec![site];
    });
    let status = |host: &str, path: &str| ask(&edge, "GET", host, path, "").status;
    deny(&edge, &["https://www.shop.example/a.png"]);
    assert_eq!([status("shop.example", "/a.png"), status("www.shop.example", "/a.png")], [451, 451]);
    assert_eq!(status("blog.example", "/a.png"), 200);
    assert_eq!(status("blog.example", "/.well-known/overspill-sites/shop.example/a.png"), 451, "by the name that helpers know");
    assert_eq!(status("blog.example", "/.well-known/overspill-sites/shop.example/b.png"), 302);
    deny(&edge, &["https://blog.example/a.png"]);
    assert_eq!([status("shop.example", "/a.png"), status("blog.example", "/a.png")], [200, 451]);
}

#[test]
fn helpers_are_told_of_nothing_that_is_denied() {
    let origin = blog();
    let edge = edge(&origin, named);
    for path in ["/a.png", "/b.png"] {
        stored(&edge, path);
    }
    let before = edge.observe();
    let digest = before.hot.iter().find(|hot| hot.path == "/a.png").unwrap().digest;
    // Both have the same bytes, which the other's name keeps.
    assert!(edge.held(&digest).is_some());
    deny(&edge, &["https://blog.example/a.png"]);
    let after = edge.observe();
    assert!(after.generation > before.generation, "older manifests are barred");
    assert_eq!(after.hot.iter().map(|hot| hot.path.as_str()).collect::<Vec<_>>(), ["/b.png"]);
    deny(&edge, &["https://blog.example/a.png", "https://blog.example/b.png"]);
    assert_eq!((edge.observe().hot.len(), edge.held(&digest)), (0, None), "no fill of it, either");
    let generation = edge.observe().generation;
    deny(&edge, &["https://blog.example/b.png"]);
    assert_eq!(edge.observe().generation, generation, "to allow something bars nothing");
    assert_eq!(get(&edge, "/b.png").status, 451);
}
