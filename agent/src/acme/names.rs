//! Which names want a certificate.

use std::{collections::BTreeSet, net::IpAddr};

use overspill_edge::Identity;

use super::limits::NAMES_MAX;
use crate::config::{Loaded, table::Settings, value::Scheme};

/// The https hosts of the settings, and of `guests`, for which no file has a certificate: the sites' first.
pub fn wanted(loaded: &Loaded, guests: &[String], files: &[Identity]) -> Vec<String> {
    let settings = &loaded.settings;
    let guests = guests.iter().filter(|_| settings.guest_scheme == Scheme::Https).map(|guest| bare(guest));
    let sites = std::iter::once(settings).chain(loaded.sites.values().map(|site| &site.settings));
    let (mut seen, mut names) = (BTreeSet::new(), Vec::new());
    for name in sites.flat_map(hosts).chain(guests) {
        let covered = files.iter().any(|identity| identity.is_for(&name));
        if !covered && is_certifiable(&name) && names.len() < NAMES_MAX && seen.insert(name.clone()) {
            names.push(name);
        }
    }
    names
}

/// The hosts of a site that is visited over https.
fn hosts(settings: &Settings) -> impl Iterator<Item = String> {
    let site = settings.site.as_ref().filter(|site| site.scheme == "https");
    let further = settings.hosts.iter().filter(move |_| site.is_some());
    site.map(|site| site.host().to_owned()).into_iter().chain(further.map(|host| host.name().to_owned()))
}

fn bare(authority: &str) -> String {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.to_ascii_lowercase()
}

/// A name of the DNS with a dot in it: authorities give certificates for no others. It is also a good name for a file.
fn is_certifiable(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    name.len() <= 240 && name.contains('.') && name.split('.').all(label) && name.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Request, flags::Flags};

    fn of(flags: &[(&'static str, &str)], guests: &[&str], files: &[&[&str]]) -> Vec<String> {
        let loaded = Request { flags: Flags::of(flags), ..Request::default() }.load().unwrap();
        let guests: Vec<String> = guests.iter().map(|guest| (*guest).to_owned()).collect();
        let identity = |names: &&[&str]| {
            let made = rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
            Identity::read(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap()
        };
        wanted(&loaded, &guests, &files.iter().map(identity).collect::<Vec<_>>())
    }

    #[test]
    fn https_hosts_without_a_file_want_one() {
        let site = ("site", "https://blog.example:8443");
        assert_eq!(of(&[site, ("hosts", "www.blog.example")], &[], &[]), ["blog.example", "www.blog.example"]);
        assert_eq!(of(&[site, ("hosts", "www.blog.example")], &[], &[&["*.blog.example"]]), ["blog.example"]);
        assert!(of(&[("site", "http://blog.example")], &[], &[]).is_empty());
        for nobodys in ["https://127.0.0.1", "https://localhost", "https://[::1]"] {
            assert!(of(&[("site", nobodys)], &[], &[]).is_empty(), "{nobodys}");
        }
    }

    #[test]
    fn there_are_never_more_than_the_bound() {
        let guests: Vec<String> = (0..2 * NAMES_MAX).map(|at| format!("x{at}.guests.example")).collect();
        let guests: Vec<&str> = guests.iter().map(String::as_str).collect();
        let names = of(&[("site", "https://blog.example"), ("guest.scheme", "https")], &guests, &[]);
        assert_eq!((names.len(), names[0].as_str()), (NAMES_MAX, "blog.example"), "the site's own come first");
    }

    #[test]
    fn guests_want_one_where_they_are_served_over_https() {
        let https = ("guest.scheme", "https");
        assert_eq!(of(&[https], &["x7.guests.example:8443"], &[]), ["x7.guests.example"]);
        assert!(of(&[], &["x7.guests.example"], &[]).is_empty());
        assert!(of(&[https], &["x7.guests.example"], &[&["*.guests.example"]]).is_empty(), "a wildcard is for all of them");
        assert_eq!(of(&[https], &["../../etc.example", "a b.example"], &[]), Vec::<String>::new());
    }
}
