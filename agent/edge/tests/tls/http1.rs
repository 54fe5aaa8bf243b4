//! TLS with HTTP/1.1: certificates, their names and their renewal, and the way from plain HTTP.

use std::io::{Read, Write};

use http::uri::Scheme;
use overspill_edge::{Canonical, Config};

use crate::{
    common::{Act, Origin, ask, field, ok, raw, until},
    support::{Certificate, Visitor, secure_edge, trusting},
};

fn page() -> Origin {
    Origin::new(|head| {
        Act::Say(match head.split(' ').next() {
            Some("POST") => ok("", "taken"),
            _ => ok("Cache-Control: max-age=60\r\nETag: \"1\"\r\n", "0123456789"),
        })
    })
}

#[test]
fn a_site_is_served_over_tls_as_over_plain_http() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |_| ());
    let mut visitor = Visitor::meet(&edge, &certificate, "blog.example").unwrap();
    assert_eq!(visitor.0.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    for _ in 0..2 {
        let reply = visitor.get("blog.example", "/", "");
        assert_eq!((reply.status, reply.text().as_str()), (200, "0123456789"));
    }
    assert_eq!(origin.asked_for("/"), 1, "the second is a hit");
    assert_eq!(visitor.get("blog.example", "/", "If-None-Match: \"1\"\r\n").status, 304);
    let part = visitor.get("blog.example", "/", "Range: bytes=2-4\r\n");
    assert_eq!((part.status, part.text().as_str()), (206, "234"));
    let body = "x".repeat(100_000);
    let post = format!("POST /in HTTP/1.1\r\nHost: blog.example\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(visitor.ask(&post).text(), "taken");
    assert!(origin.asked().iter().all(|head| field(head, "x-forwarded-proto").as_deref() == Some("https")), "{:?}", origin.asked());
}

#[test]
fn copies_for_one_scheme_are_not_shown_under_the_other() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |_| ());
    Visitor::meet(&edge, &certificate, "blog.example").unwrap().get("blog.example", "/", "");
    assert_eq!(ask(&edge, "GET", "/", "").status, 200);
    assert_eq!(origin.asked_for("/"), 2);
    let protocols: Vec<_> = origin.asked().iter().filter_map(|head| field(head, "x-forwarded-proto")).collect();
    assert_eq!(protocols, ["https", "http"]);
}

#[test]
fn a_purge_is_of_both_schemes() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |_| ());
    Visitor::meet(&edge, &certificate, "blog.example").unwrap().get("blog.example", "/", "");
    assert_eq!(ask(&edge, "GET", "/", "").status, 200);
    assert_eq!(ask(&edge, "PURGE", "/", "Overspill-Purge: hard\r\n").field("overspill-purged").as_deref(), Some("2"));
}

#[test]
fn a_site_with_an_address_has_one_scheme_however_it_is_reached() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |config| canonical(config, "blog.example"));
    Visitor::meet(&edge, &certificate, "blog.example").unwrap().get("blog.example", "/", "");
    assert_eq!(ask(&edge, "GET", "/", "").status, 200);
    assert_eq!(origin.asked_for("/"), 1);
    let mut visitor = Visitor::meet(&edge, &certificate, "blog.example").unwrap();
    assert_eq!(visitor.get("other.example", "/", "").status, 421);
}

fn canonical(config: &mut Config, authority: &'static str) {
    config.canonical = Some(Canonical { scheme: Scheme::HTTPS, authority: authority.parse().unwrap() });
}

#[test]
fn the_name_asked_for_chooses_the_certificate() {
    let (origin, blog, guests) = (page(), Certificate::new(&["blog.example"]), Certificate::new(&["*.guests.example"]));
    let edge = secure_edge(&origin, &[&blog, &guests], |_| ());
    assert!(Visitor::meet(&edge, &blog, "blog.example").is_ok());
    assert!(Visitor::meet(&edge, &guests, "a.guests.example").is_ok());
    assert!(Visitor::meet(&edge, &guests, "blog.example").is_err(), "another certificate was shown");
    assert!(Visitor::meet(&edge, &guests, "a.b.guests.example").is_err());
    assert!(Visitor::meet(&edge, &blog, "nobody.example").is_err());
    until("three handshakes failed", || edge.metrics().handshakes_failed == 3);
}

#[test]
fn a_renewed_certificate_is_shown_to_new_connections_and_costs_none_of_the_old() {
    let (origin, old, new) = (page(), Certificate::new(&["blog.example"]), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&old], |_| ());
    let mut before = Visitor::meet(&edge, &old, "blog.example").unwrap();
    assert_eq!(before.get("blog.example", "/", "").status, 200);
    edge.certify(std::slice::from_ref(&new.identity));
    assert_eq!(before.get("blog.example", "/", "").status, 200);
    assert!(Visitor::meet(&edge, &old, "blog.example").is_err());
    assert!(Visitor::meet(&edge, &new, "blog.example").is_ok());
}

#[test]
fn a_visitor_who_comes_again_resumes() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |_| ());
    let config = trusting(&certificate, &[b"http/1.1"]);
    let kinds = [(); 2].map(|()| {
        let mut visitor = Visitor::meet_with(&edge, &config, "blog.example").unwrap();
        visitor.get("blog.example", "/", "");
        visitor.0.conn.handshake_kind()
    });
    assert_eq!(kinds, [Some(rustls::HandshakeKind::Full), Some(rustls::HandshakeKind::Resumed)]);
}

#[test]
fn who_speaks_no_common_protocol_is_not_let_in() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |_| ());
    assert!(Visitor::meet_with(&edge, &trusting(&certificate, &[b"smtp"]), "blog.example").is_err());
    // Plain HTTP at the TLS port gets an alert and no answer.
    let mut plain = std::net::TcpStream::connect(edge.secure_addrs()[0]).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: blog.example\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _reset = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(origin.asked().len(), 0);
}

#[test]
fn who_does_not_finish_a_handshake_is_given_up() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |config| config.timeouts.header_read = std::time::Duration::from_millis(200));
    let mut silent = std::net::TcpStream::connect(edge.secure_addrs()[0]).unwrap();
    silent.write_all(&[0x16, 3, 1]).unwrap();
    let mut answer = Vec::new();
    let _reset = silent.read_to_end(&mut answer);
    until("the connection is forgotten", || edge.metrics().connections == 0);
}

#[test]
fn plain_http_is_sent_to_https_where_that_is_wanted() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |config| {
        canonical(config, "blog.example:8443");
        config.hosts = vec!["blog.example".parse().unwrap()];
        config.tls.redirect = true;
        config.member_key = Some("key".to_owned());
        config.trusted_proxies = vec![[127, 0, 0, 1].into()];
    });
    let sent = ask(&edge, "GET", "/a?b=c&overspill-back=AAAA", "");
    assert_eq!(sent.status, 308);
    assert_eq!(sent.field("location").as_deref(), Some("https://blog.example:8443/a?b=c&overspill-back=AAAA"));
    assert_eq!(ask(&edge, "POST", "/in", "Content-Length: 0\r\n").status, 200, "a body is not sent twice");
    assert_eq!(ask(&edge, "GET", "/.well-known/acme-challenge/x", "").status, 200);
    assert_eq!(ask(&edge, "GET", "/.well-known/overspill", "").text(), "key");
    assert_eq!(ask(&edge, "GET", "/", "X-Forwarded-Proto: https\r\n").status, 200, "a proxy in front speaks TLS");
    let strange = raw(&edge, b"GET / HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n");
    assert!(strange.starts_with(b"HTTP/1.1 421"), "nobody is sent to a name that is not the site's");
    let mut visitor = Visitor::meet(&edge, &certificate, "blog.example").unwrap();
    assert_eq!(visitor.get("blog.example:8443", "/", "").status, 200);
}
