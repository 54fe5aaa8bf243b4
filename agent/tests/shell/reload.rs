//! Reloading: by command or by signal, and never at the cost of a visitor.

use std::collections::BTreeSet;

use overspill::config::table::{TABLE, Takes};
use rustix::process::Signal;

use crate::support::{Agent, Origin, Place, free_address, wait_until};

fn file(origin: &Origin, more: &str) -> String {
    format!("origin = \"{}\"\n{more}", origin.url())
}

#[test]
fn a_new_origin_is_taken_and_a_malformed_file_is_not() {
    let (place, old, new) = (Place::new(), Origin::start("the old site"), Origin::start("the new site"));
    let path = place.write("overspill.toml", &file(&old, ""));
    let agent = Agent::run(&place, &["--config".into(), path.display().to_string()]);
    assert_eq!(agent.get("/").1, "this is the old site\n");

    place.write("overspill.toml", "origin = \"nowhere\"\n");
    place.say(&["reload", "--config", &path.display().to_string()]).assert_failed(2, "overspill.toml:1: origin");
    agent.signal(Signal::HUP);
    wait_until("the refusal is logged twice", || agent.told().matches("the old one stays in force").count() == 2);
    assert_eq!(agent.get("/").1, "this is the old site\n");

    place.write("overspill.toml", &file(&new, "threads = \"3\"\n"));
    let said = place.say(&["reload", "--json"]).assert_done().json();
    assert_eq!(said["needs_restart"], serde_json::json!(["threads"]));
    assert_eq!(agent.get("/").1, "this is the new site\n");

    place.write("overspill.toml", &file(&old, ""));
    agent.signal(Signal::HUP);
    wait_until("the signal is obeyed", || agent.get("/").1 == "this is the old site\n");
}

#[test]
fn what_waits_for_a_restart_is_named_and_everything_else_is_taken() {
    // Another value for each; those that the agent of a test gets as flags stand above the file.
    let started = [
        ("tls.listen", "none"),
        ("threads", "2"),
        ("tcp.backlog", "64"),
        ("log.format", "json"),
        ("mesh.announce", "/ip4/192.0.2.1/tcp/7400"),
        ("guest.scheme", "https"),
        ("guest.suffix", "guests.example"),
        ("caps.requests", "7/s"),
        ("caps.bytes", "7Mbit/s"),
        ("caps.month", "7GiB"),
        ("caps.storage", "7MiB"),
        ("caps.member_requests", "6/s"),
        ("caps.member_bytes", "6Mbit/s"),
        ("caps.member_day", "6GiB"),
        ("caps.member_storage", "6MiB"),
        ("caps.hours", "22:00-06:00"),
        ("sample_proxy", "proxy.example:3128"),
        ("allow_private_proofs", "true"),
        ("clock_offset", "7"),
    ];
    let flags = ["listen", "admin", "mesh.listen", "state"];
    let unchanged = ["tls.listen"];
    for setting in TABLE.iter().filter(|setting| setting.takes == Takes::Start) {
        let is_tried = started.iter().any(|(name, _)| *name == setting.name);
        assert!(is_tried || flags.contains(&setting.name), "{} is to be tried as well", setting.name);
    }
    let (place, origin) = (Place::new(), Origin::start("the site"));
    let path = place.write("overspill.toml", &file(&origin, ""));
    let agent = Agent::run(&place, &["--config".into(), path.display().to_string()]);
    let mut more: String = started.iter().map(|(name, value)| format!("{name} = \"{value}\"\n")).collect();
    more += "memory = \"32MiB\"\norigin_pool.start = \"2\"\norigin_pool.interval = \"1s\"\ntcp.keepalive = \"5s\"\n";
    place.write("overspill.toml", &file(&origin, &more));
    let said = place.say(&["reload", "--json"]).assert_done().json();
    let named: BTreeSet<&str> = said["needs_restart"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    let meant = started.iter().map(|(name, _)| *name).filter(|name| !unchanged.contains(name)).collect();
    assert_eq!(named, meant);
    wait_until("connections are prepared from now on", || {
        crate::support::get(agent.admin, "/metrics").1.contains("overspill_origin_connections_idle 2\n")
    });
    assert_eq!(agent.get("/").1, "this is the site\n");
}

#[test]
fn the_owners_waiting_page_is_checked_before_it_is_taken() {
    let place = Place::new();
    place.write("page.html", "<h1>Knit Club</h1> back in {{seconds}} s");
    let page = place.path("page.html").display().to_string();
    let path = place.write("overspill.toml", &format!("origin = \"http://{}\"\nwaiting_page = \"{page}\"\n", free_address()));
    let agent = Agent::run(&place, &["--config".into(), path.display().to_string()]);
    let own = (503, "<h1>Knit Club</h1> back in 10 s".to_owned());
    assert_eq!(agent.get("/"), own);
    for (text, wrong) in [("{{second}}", "has the unknown place"), ("", "is empty"), (&*"x".repeat(70_000), "is longer than 64 KiB")] {
        place.write("page.html", text);
        let said = place.say(&["reload", "--config", &path.display().to_string()]);
        said.assert_failed(2, "overspill.toml:2: waiting_page").assert_failed(2, wrong);
        assert_eq!(agent.get("/"), own, "the page that was good stays");
    }
    std::fs::remove_file(place.path("page.html")).unwrap();
    place.say(&["config", "check", "--config", &path.display().to_string()]).assert_failed(2, "cannot be read");
    place.write("page.html", "Another");
    place.say(&["reload", "--config", &path.display().to_string()]).assert_done();
    assert_eq!(agent.get("/").1, "Another");
}
