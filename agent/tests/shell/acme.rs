//! Certificates from an authority, a real one on loopback: asked for, kept, renewed, and none for names that are not ours.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::{
    pebble::{Pebble, eventually, meet, shown},
    support::{Agent, Origin, Place, get},
};

fn flags(origin: &Origin, pebble: &Pebble, more: &[&str]) -> Vec<String> {
    let (root, directory) = (pebble.root.display().to_string(), pebble.directory());
    let (plain, secure) = (pebble.asks.0.to_string(), pebble.asks.1.to_string());
    let own = ["--origin", &origin.url(), "--listen", &plain, "--tls-listen", &secure, "--site", "https://blog.localhost"];
    let acme = ["--acme-directory", &directory, "--acme-root", &root, "--acme-contact", "owner@blog.example"];
    [&own[..], &acme[..], more].concat().into_iter().map(str::to_owned).collect()
}

/// All files below a directory, with the permissions of each.
fn modes(path: &Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap().flatten() {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        found.push((entry.file_name().into_string().unwrap(), mode));
        if entry.path().is_dir() {
            found.extend(modes(&entry.path()));
        }
    }
    found
}

#[test]
fn each_https_host_gets_a_certificate_and_keeps_it() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let Some(pebble) = Pebble::start(&place, 90 * 86_400) else { return };
    let root = pebble.issues_under();
    let more = ["--hosts", "www.blog.localhost, shop.localhost", "--tls-redirect", "true"];
    let agent = Agent::run(&place, &flags(&origin, &pebble, &more));
    let secure = pebble.asks.1;
    for name in ["blog.localhost", "www.blog.localhost", "shop.localhost"] {
        eventually("each has a certificate", || shown(secure, name, &root).is_some());
    }
    assert!(shown(secure, "other.localhost", &root).is_none(), "nobody has one for a name that is not ours");
    assert_eq!(get(agent.listen, "/").0, 308, "https can be shown now");
    assert_eq!(get(agent.listen, "/.well-known/acme-challenge/x").1, "this is the blog\n", "no question is open: the origin answers");

    let kept = modes(&place.state().join("certificates"));
    for (name, mode) in &kept {
        let private = if name.contains('.') { 0o600 } else { 0o700 };
        assert_eq!(*mode, private, "{name}");
    }
    for name in ["account.json", "blog.localhost.pem", "www.blog.localhost.pem"] {
        assert!(kept.iter().any(|(kept, _)| kept == name), "{name} in {kept:?}");
    }

    let (leaf, line) = (shown(secure, "blog.localhost", &root), flags(&origin, &pebble, &more));
    drop((agent, pebble));
    fs::remove_file(place.state().join("running.json")).unwrap();
    // The authority is away, and who comes at once is shown what was kept.
    let _agent = Agent::run(&place, &line);
    assert_eq!(shown(secure, "blog.localhost", &root), leaf);
}

#[test]
fn a_handshake_proves_a_name_where_plain_http_is_not_reached() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let Some(pebble) = Pebble::start(&place, 90 * 86_400) else { return };
    let mut line = flags(&origin, &pebble, &["--acme-challenge", "tls-alpn-01"]);
    let at = line.iter().position(|word| word == "--listen").unwrap();
    line[at + 1] = "127.0.0.1:0".to_owned();
    let _agent = Agent::run(&place, &line);
    let root = pebble.issues_under();
    eventually("the name has a certificate", || shown(pebble.asks.1, "blog.localhost", &root).is_some());
}

#[test]
fn a_certificate_is_renewed_while_connections_live_on() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let Some(pebble) = Pebble::start(&place, 15) else { return };
    let _agent = Agent::run(&place, &flags(&origin, &pebble, &[]));
    let (root, secure) = (pebble.issues_under(), pebble.asks.1);
    let first = || shown(secure, "blog.localhost", &root);
    eventually("there is a certificate", || first().is_some());
    let leaf = first();
    let mut lasting = meet(secure, "blog.localhost", &root).unwrap();
    eventually("another takes its place", || {
        ask(&mut lasting);
        first().is_some_and(|now| Some(&now) != leaf.as_ref())
    });
    ask(&mut lasting);
}

/// One request on a connection that is kept.
fn ask(stream: &mut (impl std::io::Read + std::io::Write)) {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: blog.localhost\r\n\r\n").unwrap();
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"this is the blog\n") {
        stream.read_exact(&mut byte).expect("the connection lives on");
        text.push(byte[0]);
    }
    assert!(text.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn a_name_that_is_elsewhere_is_told_of_and_keeps_no_other_from_being_served() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let Some(pebble) = Pebble::start(&place, 90 * 86_400) else { return };
    // The authority asks at the plain listener of somebody else for every name: nothing can be proved.
    let mut line = flags(&origin, &pebble, &[]);
    let at = line.iter().position(|word| word == "--listen").unwrap();
    line[at + 1] = "127.0.0.1:0".to_owned();
    let agent = Agent::run(&place, &line);
    eventually("the failure is told", || agent.told().contains("no certificate from the authority"));
    assert!(agent.told().contains("again_in_s=3"), "it is tried again after five minutes and a little: {}", agent.told());
    assert_eq!(agent.get("/"), (200, "this is the blog\n".to_owned()), "plain HTTP is answered meanwhile");
    assert!(shown(pebble.asks.1, "blog.localhost", &pebble.issues_under()).is_none());
}
