//! Several sites behind one edge: each host has its own origin, copies, pressure and rules.

#![allow(clippy::unwrap_used)]

mod common;

use std::{thread, time::Duration};

use common::{Act, Origin, Reply, edge, field, ok, parse, raw, until};
use http::uri::Scheme;
use overspill_edge::{Canonical, Config, Handle, OriginLimits, Site};

fn canonical(url: &str) -> Canonical {
    let (scheme, authority) = url.split_once("://").unwrap();
    Canonical { scheme: if scheme == "https" { Scheme::HTTPS } else { Scheme::HTTP }, authority: authority.parse().unwrap() }
}

fn site(url: &str, origin: &Origin, config: &Config) -> Site {
    Site::new(canonical(url), origin.address.to_string().parse().unwrap(), config)
}

/// An origin whose pages say its name.
fn named(name: &'static str) -> Origin {
    Origin::new(move |_| Act::Say(ok("Cache-Control: max-age=60\r\n", name)))
}

fn get(edge: &Handle, host: &str, path: &str) -> Reply {
    parse(&raw(edge, format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes()))
}

fn configured(origin: &Origin) -> Config {
    let mut config = Config::new(origin.address.to_string().parse().unwrap());
    config.canonical = Some(canonical("http://blog.example"));
    config
}

#[test]
fn each_host_is_its_own_site_and_no_other_is_served() {
    let (blog, shop) = (named("blog"), named("shop"));
    let edge = edge(&blog, |config| {
        config.canonical = Some(canonical("http://blog.example"));
        let mut shop = site("https://shop.example", &shop, config);
        shop.hosts = vec!["www.shop.example".parse().unwrap()];
        config.sites = vec![shop];
    });
    for _ in 0..2 {
        assert_eq!(get(&edge, "blog.example", "/").text(), "blog");
        assert_eq!(get(&edge, "Shop.Example", "/").text(), "shop");
        assert_eq!(get(&edge, "www.shop.example", "/").text(), "shop");
    }
    assert_eq!((blog.asked_for("/"), shop.asked_for("/")), (1, 2), "each host has its own copies");
    for strange in ["other.example", "www.blog.example", "127.0.0.1", "shop.example:8443", "shop.example.blog.example"] {
        assert_eq!(get(&edge, strange, "/").status, 421, "{strange}");
    }
    let protocols = |origin: &Origin| origin.asked().iter().filter_map(|head| field(head, "x-forwarded-proto")).collect::<Vec<_>>();
    assert_eq!((protocols(&blog), protocols(&shop)), (vec!["http".to_owned()], vec!["https".to_owned(); 2]), "each has its own scheme");
}

#[test]
fn any_host_is_served_until_one_is_named() {
    let origin = named("anybody's");
    let all = edge(&origin, |_| ());
    assert_eq!(get(&all, "other.example", "/").status, 200);
    let some = edge(&origin, |config| config.hosts = vec!["blog.example".parse().unwrap()]);
    assert_eq!((get(&some, "blog.example", "/").status, get(&some, "other.example", "/").status), (200, 421));
    // The first site names no host, and so it has none beside others that do.
    let others = edge(&origin, |config| config.sites = vec![site("http://shop.example", &origin, config)]);
    assert_eq!((get(&others, "shop.example", "/").status, get(&others, "other.example", "/").status), (200, 421));
}

#[test]
fn one_sites_crowd_takes_no_place_at_anothers_origin() {
    let (blog, shop) = (Origin::new(|_| Act::Hang), named("shop"));
    let edge = edge(&blog, |config| {
        config.canonical = Some(canonical("http://blog.example"));
        config.origin_limits = OriginLimits { min: 1, initial: 1, max: 1, queue_max: 1, ..OriginLimits::default() };
        config.sites = vec![site("http://shop.example", &shop, config)];
    });
    thread::scope(|scope| {
        for path in ["/1", "/2"] {
            let edge = &edge;
            let request = format!("GET {path} HTTP/1.1\r\nHost: blog.example\r\n\r\n");
            scope.spawn(move || raw(edge, request.as_bytes()));
        }
        until("the blog's only place is taken, and its queue full", || {
            let seen = edge.observe().origin;
            (seen.in_flight, seen.queued) == (1, 1)
        });
        assert_eq!(get(&edge, "blog.example", "/3").status, 503);
        for path in ["/1", "/2", "/3"] {
            assert_eq!(get(&edge, "shop.example", path).status, 200);
        }
        edge.shutdown(Duration::ZERO);
    });
}

#[test]
fn sites_come_and_go_and_change_without_a_request_being_dropped() {
    let blog = Origin::new(|_| Act::SayAfter(Duration::from_millis(600), ok("", "slow blog")));
    let (shop, new_shop) = (named("shop"), named("new shop"));
    let edge = edge(&blog, |config| *config = Config { threads: 1, ..configured(&blog) });
    let reload = |sites: Vec<Site>| {
        let mut config = configured(&blog);
        config.sites = sites;
        edge.reload(config);
    };
    let first = configured(&blog);
    assert_eq!(get(&edge, "shop.example", "/").status, 421);
    thread::scope(|scope| {
        let slow = scope.spawn(|| get(&edge, "blog.example", "/slow"));
        until("it is on its way", || edge.observe().origin.in_flight == 1);
        reload(vec![site("http://shop.example", &shop, &first)]);
        assert_eq!(get(&edge, "shop.example", "/").text(), "shop");
        reload(vec![site("http://shop.example", &new_shop, &first)]);
        assert_eq!(get(&edge, "shop.example", "/else").text(), "new shop");
        assert_eq!(edge.observe().origin.in_flight, 1, "what was learned of an origin outlives a reload");
        assert_eq!(slow.join().unwrap().text(), "slow blog");
    });
    reload(Vec::new());
    assert_eq!(get(&edge, "shop.example", "/").status, 421, "not even what is stored");
}

#[test]
fn each_site_is_purged_with_its_own_token_and_redirected_by_its_own_wish() {
    let (blog, shop) = (named("blog"), named("shop"));
    let edge = edge(&blog, |config| {
        config.canonical = Some(canonical("http://blog.example"));
        config.purge_token = Some("the token of the blog".to_owned());
        let mut shop = site("https://shop.example", &shop, config);
        shop.purge_token = Some("the token of the shop".to_owned());
        config.sites = vec![shop.clone(), Site { canonical: canonical("https://wiki.example"), redirect: true, ..shop }];
    });
    let purge = |host: &str, token: &str| {
        let request =
            format!("PURGE / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer the token of the {token}\r\nConnection: close\r\n\r\n");
        parse(&raw(&edge, request.as_bytes())).status
    };
    assert_eq!((purge("blog.example", "blog"), purge("shop.example", "shop")), (200, 200));
    assert_eq!((purge("blog.example", "shop"), purge("shop.example", "blog")), (403, 403));
    assert_eq!(get(&edge, "wiki.example", "/a").field("location").as_deref(), Some("https://wiki.example/a"));
    assert_eq!((get(&edge, "blog.example", "/a").status, get(&edge, "shop.example", "/a").status), (200, 200));
}
