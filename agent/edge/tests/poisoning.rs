//! Cache poisoning, web cache deception and denial of service by the cache (CPDoS): what one visitor does must not change what another gets.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Act, Origin, ask, edge, field, get, ok, parse, raw, until};
use overspill_edge::Handle;

const FRESH: &str = "Cache-Control: public, max-age=600\r\n";

/// Fields by which a visitor could make an origin say something else, with a word that must not come through.
const POISONS: [&str; 52] = [
    "Forwarded: for=evil;host=evil;proto=evil",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Host: blog.example, evil.example",
    "x-forwarded-HOST: evil.example",
    "X_Forwarded_Host: evil.example",
    "X-Forwarded_Host: evil.example",
    "X-Forwarded-Proto: evil",
    "X-Forwarded-Protocol: evil",
    "X-Forwarded-Scheme: evil",
    "X-Forwarded-Ssl: evil",
    "X-Forwarded-Port: 1evil",
    "X-Forwarded-Server: evil.example",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Path: /evil",
    "X-Forwarded-Uri: /evil",
    "X-Forwarded-Url: /evil",
    "X-Forwarded-Method: EVIL",
    "X-Forwarded-For: evil",
    "X-Forwarded-By: evil",
    "X-Forwarded-Context: evil",
    "X-Real-IP: evil",
    "X-Client-IP: evil",
    "X-Cluster-Client-IP: evil",
    "X-Originating-IP: evil",
    "X-Remote-IP: evil",
    "X-Remote-Addr: evil",
    "True-Client-IP: evil",
    "CF-Connecting-IP: evil",
    "Fastly-Client-IP: evil",
    "X-Host: evil.example",
    "X-Http-Host-Override: evil.example",
    "X-Backend-Host: evil.example",
    "X-Original-Host: evil.example",
    "X-Original-URL: /evil",
    "X-Original-URI: /evil",
    "X-Rewrite-URL: /evil",
    "X-Rewrite-URI: /evil",
    "X-Override-URL: /evil",
    "X-Envoy-Original-Path: /evil",
    "X-Proxy-URL: http://evil.example",
    "Proxy: http://evil.example",
    "Front-End-Https: evil",
    "X-Url-Scheme: evil",
    "X-Scheme: evil",
    "X-HTTP-Method-Override: EVIL",
    "X-HTTP-Method: EVIL",
    "X-Method-Override: EVIL",
    "X-Accel-Internal: evil",
    "X-Accel-Redirect: /evil",
    "X-Middleware-Subrequest: evil",
    "Proxy-Authorization: evil",
    "TE: evil",
];

/// Has what was just fetched stored, if it is to be.
fn settle(edge: &Handle, stored: u64) {
    until("it is stored", || edge.metrics().stored_responses >= stored);
}

#[test]
fn no_field_of_a_strangers_is_the_edges_word() {
    let origin = Origin::new(|head| Act::Say(ok(FRESH, &head.to_lowercase())));
    let edge = edge(&origin, |_| ());
    for (index, poison) in POISONS.iter().enumerate() {
        let path = format!("/{index}");
        let attacker = ask(&edge, "GET", &path, &format!("{poison}\r\n"));
        assert!(!attacker.text().contains("evil"), "{poison}: {}", attacker.text());
        settle(&edge, index as u64 + 1);
        assert!(!get(&edge, &path).text().contains("evil"), "{poison}");
        assert_eq!(origin.asked_for(&path), 1, "the visitor got another copy than the attacker");
    }
    // The control: what is passed is seen.
    assert!(ask(&edge, "GET", "/control", "User-Agent: evil\r\n").text().contains("evil"));
}

#[test]
fn what_differs_in_any_part_of_its_address_is_another_resource() {
    let origin = Origin::new(|head| {
        let host = field(head, "host").unwrap_or_default();
        Act::Say(ok(FRESH, &format!("{host} {}", head.split(' ').nth(1).unwrap_or_default())))
    });
    let edge = edge(&origin, |_| ());
    let addresses = [
        ("blog.example", "/a"),
        ("blog.example:81", "/a"),
        ("www.blog.example", "/a"),
        ("blog.example.", "/a"),
        ("blog.example", "/A"),
        ("blog.example", "/a/"),
        ("blog.example", "//a"),
        ("blog.example", "/./a"),
        ("blog.example", "/b/../a"),
        ("blog.example", "/%61"),
        ("blog.example", "/a%00"),
        ("blog.example", "/a%2f"),
        ("blog.example", "/a;x"),
        ("blog.example", "/a?"),
        ("blog.example", "/a?x=1&y=2"),
        ("blog.example", "/a?y=2&x=1"),
        ("blog.example", "/a?x=1&x=2"),
        ("blog.example", "/a?x=1;y=2"),
        ("blog.example", "/a?x=1&utm_source=2"),
        ("blog.example", "/a?x=1%26y=2"),
        ("blog.example", "/a?X=1"),
    ];
    for round in 0..2 {
        for (index, (host, path)) in addresses.iter().enumerate() {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            assert_eq!(parse(&raw(&edge, request.as_bytes())).text(), format!("{host} {path}"));
            settle(&edge, if round == 0 { index as u64 + 1 } else { 0 });
        }
    }
    assert_eq!(origin.asked().len(), addresses.len(), "each is fetched once and stored under its own name");
}

#[test]
fn a_variant_is_stored_under_what_the_origin_saw() {
    let said = |head: &str, name: &str| field(head, name).unwrap_or_else(|| "none".to_owned());
    let origin = Origin::new(move |head| {
        let text = format!("{} {}", said(head, "accept-language"), said(head, "origin"));
        Act::Say(ok(&format!("{FRESH}Vary: Accept-Language, Origin\r\n"), &text))
    });
    let edge = edge(&origin, |_| ());
    // Naming a field in Connection takes it from the origin; were it still in the key, German readers would get what nobody asked for.
    assert_eq!(ask(&edge, "GET", "/", "Connection: Accept-Language\r\nAccept-Language: de\r\n").text(), "none none");
    settle(&edge, 1);
    assert_eq!(ask(&edge, "GET", "/", "Accept-Language: de\r\n").text(), "de none");
    assert_eq!(ask(&edge, "GET", "/", "Origin: https://evil.example\r\n").text(), "none https://evil.example");
    assert_eq!(get(&edge, "/").text(), "none none");
}

/// Addresses that many servers answer with `/account.php` and many caches take for a style sheet or an image.
const DECEPTIONS: [&str; 12] = [
    "/account.php/nonexistent.css",
    "/account/x.js",
    "/account/.css",
    "/account;x.css",
    "/account%3bx.css",
    "/account%2fx.png",
    "/account%00.css",
    "/account%23x.css",
    "/account%3fx.css",
    "/account%0ax.css",
    "/static/..%2faccount.css",
    "/account?x.css",
];

#[test]
fn a_page_for_one_visitor_is_nobody_elses_under_any_name() {
    // What the origin says of a personal page, and the cookie that its owner sends.
    for (fields, cookie) in [
        ("Set-Cookie: sid=1\r\nCache-Control: max-age=60\r\n", "lang=de"),
        ("Cache-Control: private, max-age=60\r\n", "sid=abc"),
        ("Cache-Control: no-store\r\n", "sid=abc"),
        ("Vary: Cookie\r\nCache-Control: max-age=60\r\n", "sid=abc"),
        ("", "sid=abc"),
        ("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "sid=abc"),
        ("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "PHPSESSID=abc"),
        ("Cache-Control: max-age=60\r\n", "PHPSESSID=abc"),
    ] {
        let says = format!("Content-Type: text/html; charset=utf-8\r\n{fields}");
        let origin = Origin::new(move |head| {
            Act::Say(ok(&says, if head.contains("Cookie: ") || head.contains("cookie: ") { "secret" } else { "login" }))
        });
        let edge = edge(&origin, |_| ());
        for path in DECEPTIONS {
            assert_eq!(ask(&edge, "GET", path, &format!("Cookie: {cookie}\r\n")).text(), "secret");
            assert_eq!(get(&edge, path).text(), "login", "{path} with {fields:?} and {cookie}");
        }
    }
}

#[test]
fn what_an_odd_request_was_refused_with_is_nobody_elses() {
    // The origin takes heads of 8 KiB, no field X-Odd, and no method but GET; what it says then, it says is fresh.
    for status in ["400 Bad Request", "413 Content Too Large", "431 Request Header Fields Too Large"] {
        let origin = Origin::new(move |head| {
            let refused = if !head.starts_with("GET ") {
                Some("405 Method Not Allowed")
            } else if field(head, "range").is_some() {
                Some("416 Range Not Satisfiable")
            } else {
                (head.len() > 8_192 || field(head, "x-odd").is_some()).then_some(status)
            };
            let refusal = |status| format!("HTTP/1.1 {status}\r\n{FRESH}Content-Length: 2\r\n\r\nno").into_bytes();
            Act::Say(refused.map_or_else(|| ok(FRESH, "page"), refusal))
        });
        let edge = edge(&origin, |_| ());
        let long = format!("X-Long: {}\r\n", "x".repeat(20_000));
        let odd = ["X-Odd: \\x07\r\n", &long, "Range: bytes=9999-\r\n", "X-Odd: <script>\r\n"];
        for (index, fields) in odd.into_iter().enumerate() {
            let path = format!("/{index}");
            assert_ne!(ask(&edge, "GET", &path, fields).status, 200, "the origin did not mind {fields:.40}");
            assert_eq!(get(&edge, &path).text(), "page", "{status} after {fields:.40}");
        }
        for method in ["POST", "HEAD", "DELETE", "PATCH", "get", "ODD"] {
            let path = format!("/{method}");
            assert_eq!(ask(&edge, method, &path, "Content-Length: 0\r\n").status, 405);
            assert_eq!(get(&edge, &path).text(), "page", "after {method}");
        }
        for control in ["X: a\x07b\r\n", "X: a\x00b\r\n"] {
            assert_eq!(ask(&edge, "GET", "/control", control).status, 400);
            assert_eq!(get(&edge, "/control").text(), "page");
        }
    }
}

#[test]
fn a_get_with_a_body_is_between_its_visitor_and_the_origin() {
    let origin = Origin::new(|head| Act::Say(ok(FRESH, if field(head, "content-length").is_some() { "evil" } else { "page" })));
    let edge = edge(&origin, |_| ());
    for fields in ["Content-Length: 4\r\n\r\nevil", "Content-Length: 4\r\nX-HTTP-Method-Override: POST\r\n\r\nevil"] {
        let fat = format!("GET /fat HTTP/1.1\r\nHost: blog.example\r\nConnection: close\r\n{fields}");
        assert_eq!(parse(&raw(&edge, fat.as_bytes())).text(), "evil");
        assert_eq!(get(&edge, "/fat").text(), "page");
        settle(&edge, 1);
        // Nor is it answered from the cache, as if its body said nothing.
        assert_eq!(parse(&raw(&edge, fat.as_bytes())).text(), "evil");
        assert_eq!(get(&edge, "/fat").text(), "page");
    }
}

#[test]
fn a_question_about_a_part_or_a_copy_stores_no_answer_for_the_whole() {
    let origin = Origin::new(|head| {
        if field(head, "range").is_some() {
            return Act::Say(
                format!("HTTP/1.1 206 Partial Content\r\n{FRESH}Content-Range: bytes 0-0/4\r\nContent-Length: 1\r\n\r\np").into(),
            );
        }
        if field(head, "if-none-match").is_some() || field(head, "if-modified-since").is_some() {
            return Act::Say(format!("HTTP/1.1 304 Not Modified\r\n{FRESH}\r\n").into());
        }
        Act::Say(ok(&format!("{FRESH}ETag: \"1\"\r\n"), "page"))
    });
    let edge = edge(&origin, |_| ());
    let odd = [
        "Range: bytes=0-0\r\n",
        "If-None-Match: *\r\n",
        "If-None-Match: \"x\"\r\n",
        "If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT\r\n",
    ];
    for (index, fields) in odd.into_iter().enumerate() {
        let path = format!("/{index}");
        ask(&edge, "GET", &path, fields);
        let reply = get(&edge, &path);
        assert_eq!((reply.status, reply.text().as_str()), (200, "page"), "after {fields}");
    }
}
