//! The last resort, end to end: without any partner, pages under pressure name the agentless target until its month is used up, and a
//! restart begins no month.

use std::time::{Duration, Instant};

use overspill_governance::digest::ObjectDigest;

use crate::support::{
    PATIENCE, Site, body_of,
    crowd::{Crowd, Tally},
    get,
    http::ask,
};

const PAGE: &str = "/page/";
const SCRIPT: &str = "/asset/page-9.js";
/// What stands for a ticket where nobody checks one.
const ZEROS: &str = "?overspill-ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Pages that a month has room for.
const PAGES: usize = 5;

/// How long a crowd is given to press before it is believed that no page names the target any more.
const QUIET: Duration = Duration::from_secs(3);

/// Sends a crowd, and reads the page until the target was named in so many of its answers, and for as long as it still is. Says how often.
fn named_in_a_crowd(site: &Site, least: usize) -> usize {
    let crowd = Crowd::on(site, 12);
    let (mut named, mut quiet, started, mut last) = (0, 0, Instant::now(), Instant::now());
    while (named < least || quiet < 60 || last.elapsed() < QUIET) && started.elapsed() < PATIENCE {
        let answer = get(&site.url(PAGE)).unwrap();
        let text = String::from_utf8(answer.body).unwrap();
        if text.contains("//zone.localhost") {
            let integrity = data_encoding::BASE64.encode(&ObjectDigest::of(&body_of(SCRIPT)).0);
            let tag = format!("<script integrity=\"sha256-{integrity}\" crossorigin src=\"//zone.localhost:9{SCRIPT}{ZEROS}\">");
            assert!(text.contains(&tag), "{text}");
            assert!(text.contains("src='/asset/page-20.png'"), "nobody checks an image: {text}");
            (named, quiet, last) = (named + 1, 0, Instant::now());
        } else if answer.status == 200 {
            quiet += 1;
        }
    }
    let tally = crowd.ends();
    assert_eq!(Tally::read(&tally.helped), 0, "redirects are nobody's but partners'");
    named
}

#[test]
fn the_months_cap_of_the_agentless_target_survives_a_restart() {
    let size = body_of(SCRIPT).len();
    let mut site = Site::new("alone").with("UPLINK", "8Mbit/s").with("SPILL_AGENTLESS", "http://zone.localhost:9{path}");
    site.set("SPILL_AGENTLESS_MONTH", &format!("{}", size * PAGES + size / 2));
    run_again(&mut site);
    let named = named_in_a_crowd(&site, 1);
    assert!((1..=PAGES).contains(&named), "{named}");
    let month = month(&site);

    // The target, and a browser that could not use it, get the file here, and any page may have it.
    let home = format!("{}{SCRIPT}{ZEROS}", site.canonical());
    let (status, head, body) = ask(&home).unwrap();
    assert!(status == 200 && body == body_of(SCRIPT), "{status}");
    assert!(head.iter().any(|(name, value)| name == "access-control-allow-origin" && value == "*"), "{head:?}");

    run_again(&mut site);
    let again = named_in_a_crowd(&site, 0);
    if month == self::month(&site) {
        assert!(named + again <= PAGES, "a restart gave some: {named} and {again}");
    }

    // It is the file that remembers.
    site.kill();
    std::fs::remove_file(site.state().join("agentless")).unwrap();
    run_again(&mut site);
    assert!(named_in_a_crowd(&site, 1) > 0);
}

/// The month that the agent has written down.
fn month(site: &Site) -> String {
    let line = std::fs::read_to_string(site.state().join("agentless")).unwrap();
    line.split(' ').nth(1).unwrap().to_owned()
}

fn run_again(site: &mut Site) {
    site.kill();
    site.run();
    for path in [PAGE, SCRIPT, "/asset/page-20.png"] {
        assert_eq!(get(&site.url(path)).unwrap().body, body_of(path));
    }
}
