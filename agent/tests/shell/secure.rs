//! TLS as an owner sets it up: files, what is wrong with them, and their renewal.

use std::{
    fs::{Permissions, set_permissions},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::support::{Agent, Origin, PATIENCE, Place, get, wait_until};

/// Writes a new certificate and its key to the place; returns the certificate.
fn certify(place: &Place, names: &[&str], ends: i32) -> CertificateDer<'static> {
    let mut params = rcgen::CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_after = rcgen::date_time_ymd(ends, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let chain = params.self_signed(&key).unwrap().pem();
    place.write("chain.pem", &chain);
    set_permissions(place.write("key.pem", &key.serialize_pem()), Permissions::from_mode(0o600)).unwrap();
    CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()
}

fn flags(place: &Place) -> Vec<String> {
    let path = |name| place.path(name).display().to_string();
    ["--tls-listen", "127.0.0.1:0", "--tls-certificate", &path("chain.pem"), "--tls-key", &path("key.pem")].map(str::to_owned).to_vec()
}

/// The body of `/` over TLS from whoever shows this certificate; nothing if somebody else is there.
fn secure_get(address: SocketAddr, trusted: &CertificateDer<'static>) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), "blog.localhost".try_into().unwrap()).unwrap();
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(tls, tcp);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: blog.localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// Where a running agent speaks TLS.
fn secure_address(place: &Place) -> SocketAddr {
    let running: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(place.state().join("running.json")).unwrap()).unwrap();
    running["tls"][0].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_renewed_certificate_is_taken_at_reload_and_a_broken_one_is_not() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let old = certify(&place, &["blog.localhost"], 2099);
    let line = [vec!["--origin".to_owned(), origin.url()], flags(&place)].concat();
    let agent = Agent::run(&place, &line);
    let address = secure_address(&place);
    assert_eq!(secure_get(address, &old).as_deref(), Some("this is the blog\n"));
    assert_eq!(get(agent.listen, "/"), (200, "this is the blog\n".to_owned()), "the plain listener is still there");

    let new = certify(&place, &["blog.localhost"], 2099);
    let key = std::fs::read_to_string(place.path("key.pem")).unwrap();
    place.write("key.pem", "no key\n");
    place.say(&["reload"]).assert_failed(2, "there is no unencrypted PEM key");
    assert_eq!(secure_get(address, &old).as_deref(), Some("this is the blog\n"));

    place.write("key.pem", &key);
    place.say(&["reload"]).assert_done();
    wait_until("the new certificate is shown", || secure_get(address, &new).is_some());
    assert!(secure_get(address, &old).is_none());
}

#[test]
fn what_is_wrong_with_certificates_is_told_before_anything_starts() {
    let place = Place::new();
    certify(&place, &["blog.localhost"], 2099);
    let check = |place: &Place| {
        let flags = flags(place);
        let line: Vec<&str> = ["config", "check"].into_iter().chain(flags.iter().map(String::as_str)).collect();
        place.say(&line)
    };
    check(&place).assert_done();
    set_permissions(place.path("key.pem"), Permissions::from_mode(0o644)).unwrap();
    check(&place).assert_failed(2, "may be used by every user of this machine (mode 644); write chmod o-rwx");
    set_permissions(place.path("key.pem"), Permissions::from_mode(0o640)).unwrap();
    check(&place).assert_done();

    let other = Place::new();
    certify(&other, &["blog.localhost"], 2099);
    std::fs::copy(other.path("chain.pem"), place.path("chain.pem")).unwrap();
    check(&place).assert_failed(2, "the key does not belong to the first certificate of the chain");
    std::fs::remove_file(place.path("chain.pem")).unwrap();
    check(&place).assert_failed(2, "chain.pem: cannot be read");

    certify(&place, &["blog.localhost"], 2020);
    assert!(check(&place).assert_done().out.contains("warning: "), "an expired certificate is better than no site");
    assert!(check(&place).out.contains("the certificate has expired"));
}

#[test]
fn a_certificate_for_other_hosts_is_noticed() {
    let place = Place::new();
    certify(&place, &["blog.localhost"], 2099);
    let more = ["--site", "https://www.blog.localhost", "--guest-suffix", "guests.localhost", "--guest-scheme", "https"];
    let flags = flags(&place);
    let line: Vec<&str> = ["config", "check"].into_iter().chain(flags.iter().map(String::as_str)).chain(more).collect();
    let said = place.say(&line);
    for host in ["www.blog.localhost", "guest.guests.localhost"] {
        assert!(said.assert_done().out.contains(&format!("no certificate is for {host}")), "{said:?}");
    }
}

#[test]
fn an_origin_over_https_is_reached_by_whoever_trusts_it() {
    // An agent with a certificate is the other's origin.
    let (place, origin, front) = (Place::new(), Origin::start("the blog"), Place::new());
    certify(&place, &["localhost"], 2099);
    let _behind = Agent::start(&place, &origin, &flags(&place).iter().map(String::as_str).collect::<Vec<_>>());
    let url = format!("https://localhost:{}", secure_address(&place).port());
    let chain = place.path("chain.pem").display().to_string();
    let agent = Agent::run(&front, &["--origin".into(), url.clone(), "--origin-ca".into(), chain]);
    assert_eq!(agent.get("/"), (200, "this is the blog\n".to_owned()));
    drop(agent);
    let stranger = Place::new();
    certify(&stranger, &["localhost"], 2099);
    let other = stranger.path("chain.pem").display().to_string();
    let agent = Agent::run(&stranger, &["--origin".into(), url, "--origin-ca".into(), other]);
    assert_eq!(agent.get("/").0, 503);
}
