//! What an authority asks to see whose a name is, and what visitors get before it has answered.

use http::uri::Scheme;
use overspill_edge::{Canonical, Challenge, Config};

use crate::{
    common::{Act, Origin, ask, get, ok},
    support::{Certificate, Visitor, secure_edge, trusting},
};

fn site() -> Origin {
    Origin::new(|_| Act::Say(ok("Cache-Control: max-age=60\r\n", "the origin's")))
}

fn by_https(config: &mut Config) {
    config.canonical = Some(Canonical { scheme: Scheme::HTTPS, authority: "blog.example".parse().unwrap() });
    config.tls.redirect = true;
}

#[test]
fn nobody_is_sent_to_https_before_there_is_a_certificate() {
    let (origin, certificate) = (site(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[], by_https);
    assert_eq!(get(&edge, "/").text(), "the origin's", "plain HTTP is answered");
    assert!(Visitor::meet(&edge, &certificate, "blog.example").is_err(), "no certificate is made up");
    let other = Certificate::new(&["other.example"]);
    edge.certify(std::slice::from_ref(&other.identity));
    assert_eq!(get(&edge, "/").status, 200, "another's certificate is none");
    edge.certify(&[other.identity, certificate.identity.clone()]);
    assert_eq!(get(&edge, "/").status, 308);
    assert_eq!(Visitor::meet(&edge, &certificate, "blog.example").unwrap().get("blog.example", "/", "").text(), "the origin's");
}

#[test]
fn questions_that_are_open_are_answered_and_no_others() {
    let origin = site();
    let edge = secure_edge(&origin, &[], by_https);
    let path = "/.well-known/acme-challenge/token";
    assert_eq!(get(&edge, path).text(), "the origin's", "somebody behind us may be asked, too");
    edge.set_challenges(vec![Challenge::text("Blog.example", "token", "token.thumbprint")]);
    assert_eq!(get(&edge, path).text(), "token.thumbprint", "even though the origin's answer is stored");
    assert_eq!(ask(&edge, "GET", "/.well-known/acme-challenge/tokens", "").text(), "the origin's");
    edge.set_challenges(vec![Challenge::text("shop.example", "token", "token.thumbprint")]);
    assert_eq!(get(&edge, path).text(), "the origin's", "that question is another host's");
}

#[test]
fn an_authoritys_handshake_is_answered_and_carries_nothing() {
    let (origin, certificate) = (site(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |_| ());
    let shown = Certificate::new(&["blog.example"]);
    let asking = trusting(&shown, &[b"acme-tls/1"]);
    assert!(Visitor::meet_with(&edge, &asking, "blog.example").is_err(), "nobody is asked about");
    let (chain, key) = shown.pem();
    edge.set_challenges(vec![Challenge::handshake("blog.example", chain.as_bytes(), key.as_bytes()).unwrap()]);
    let mut authority = Visitor::meet_with(&edge, &asking, "blog.example").unwrap();
    assert_eq!(authority.0.conn.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    let mut nothing = Vec::new();
    let _closed = std::io::Read::read_to_end(&mut authority.0, &mut nothing);
    assert!(nothing.is_empty());
    let both = trusting(&shown, &[b"acme-tls/1", b"http/1.1"]);
    assert!(Visitor::meet_with(&edge, &both, "blog.example").is_err(), "a visitor is shown the certificate in use");
    assert!(Visitor::meet(&edge, &certificate, "blog.example").is_ok());
}
