//! Bad input: a clear error, and a site that goes on serving wherever there is one to serve.

use std::{net::TcpListener, os::unix::fs::PermissionsExt as _};

use crate::support::{Agent, Origin, Place, free_address, get, wait_until};

#[test]
fn an_occupied_address_is_named() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = place.say(&["run", "--origin", &origin.url(), "--listen", &address, "--admin", "none"]);
    said.assert_failed(6, &address);
    let said = place.say(&["run", "--origin", &origin.url(), "--listen", "127.0.0.1:0", "--admin", &address]);
    said.assert_failed(6, &format!("the admin listener cannot have {address}"));
}

#[test]
fn a_malformed_configuration_is_refused_with_every_fault_and_its_line() {
    let place = Place::new();
    let file = place.write("overspill.toml", "uplink = \"20\"\n\n[caps]\nmonht = \"1GiB\"\n");
    for command in [&["run"][..], &["config", "check"], &["config", "show"]] {
        let said = place.say(&[command, &["--config", file.to_str().unwrap()]].concat());
        said.assert_failed(2, "overspill.toml:1: uplink: \"20\" has no unit");
        said.assert_failed(2, "overspill.toml:4: `caps.monht` is not a setting; write `caps.month`");
    }
    assert!(!place.state().exists(), "nothing was made");
}

#[test]
fn quotas_and_hours_are_read_or_refused_with_what_to_write() {
    let place = Place::new();
    for hours in ["22-6", "08:00", "08:00-08:00", "25:00-02:00", "08:60-09:00", "+8:00-09:00", "24:00-06:00"] {
        place.say(&["config", "check", "--caps-hours", hours]).assert_failed(2, &format!("caps.hours: {hours:?} is no part of a day"));
    }
    place.say(&["config", "check", "--caps-member-day", "many"]).assert_failed(2, "caps.member_day");
    let file = place.write("overspill.toml", "[caps]\nmember_requests = 20\nmember_day = \"2GiB\"\nhours = \"22:00-6:00\"\n");
    let shown = place.say(&["config", "show", "--config", file.to_str().unwrap(), "--caps-member-storage", "8MiB"]);
    for line in [
        "member_requests = \"20/s\"",
        "member_day = \"2GiB\"",
        "hours = \"22:00-06:00\"",
        "member_storage = \"8MiB\"",
        "member_bytes = \"none\"",
    ] {
        assert!(shown.assert_done().out.contains(line), "{line} in {shown:?}");
    }
}

#[test]
fn a_second_agent_is_refused_by_the_firsts_number() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let first = Agent::start(&place, &origin, &[]);
    let second = place.say(&["run", "--origin", &origin.url(), "--listen", "127.0.0.1:0", "--admin", "none"]);
    second.assert_failed(6, &format!("another agent, process {},", first.pid()));
    assert_eq!(first.get("/").0, 200);
}

#[test]
fn a_state_that_others_can_read_is_refused_and_the_site_served() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    std::fs::create_dir(place.state()).unwrap();
    std::fs::set_permissions(place.state(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let agent = Agent::run_stateless(&place, &origin, free_address(), free_address());
    assert_eq!(agent.get("/"), (200, "this is the blog\n".to_owned()));
    assert!(agent.told().contains("may be used by other users (mode 755)"), "{}", agent.told());
    let (code, ready) = get(agent.admin, "/ready");
    assert!(code == 200 && ready.contains("without mesh"), "{ready}");
    assert_eq!(std::fs::read_dir(place.state()).unwrap().count(), 0, "nothing was written into it");
}

#[test]
fn a_directory_of_another_program_is_refused_and_the_site_served() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    std::fs::create_dir(place.state()).unwrap();
    std::fs::set_permissions(place.state(), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(place.state().join("key"), "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
    std::fs::set_permissions(place.state().join("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let agent = Agent::run_stateless(&place, &origin, free_address(), free_address());
    assert_eq!(agent.get("/").0, 200);
    assert!(agent.told().contains("is not a key of an overspill agent"), "{}", agent.told());
}

#[test]
fn the_ledger_of_another_site_is_refused_untouched_and_the_site_served() {
    let (place, other, origin) = (Place::new(), Place::new(), Origin::start("the blog"));
    for place in [&place, &other] {
        place.say(&["init", "--site", "http://blog.localhost"]).assert_done();
    }
    let ledger = place.state().join("ledger");
    std::fs::copy(other.state().join("ledger"), &ledger).unwrap();
    let before = std::fs::read(&ledger).unwrap();
    let agent = Agent::start(&place, &origin, &["--site", "http://blog.localhost"]);
    assert_eq!(agent.get("/").0, 200);
    place.say(&["invite"]).assert_failed(6, "the ledger belongs to site");
    let trouble = place.say(&["status", "--json"]).assert_done().json()["trouble"].clone();
    assert!(trouble.as_str().unwrap().contains("the ledger belongs to site"), "{trouble}");
    drop(agent);
    assert_eq!(std::fs::read(&ledger).unwrap(), before);
}

#[test]
fn a_flipped_bit_is_found_and_the_site_served() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    place.say(&["init", "--site", "http://blog.localhost"]).assert_done();
    let ledger = place.state().join("ledger");
    let mut bytes = std::fs::read(&ledger).unwrap();
    let middle = 96 + (bytes.len() - 96) / 2;
    bytes[middle] ^= 4;
    std::fs::write(&ledger, &bytes).unwrap();

    let verified = place.say(&["ledger", "verify", "--json"]);
    verified.assert_failed(5, "the ledger is damaged at byte 96");
    assert_eq!(verified.json()["verdict"], "corrupt");
    place.say(&["statement"]).assert_failed(5, "the ledger is damaged");
    let agent = Agent::start(&place, &origin, &["--site", "http://blog.localhost"]);
    assert_eq!(agent.get("/").0, 200);
    place.say(&["invite"]).assert_failed(5, "the ledger is damaged at byte 96");
    drop(agent);
    assert_eq!(std::fs::read(&ledger).unwrap(), bytes, "nothing was repaired away");
}

#[test]
fn a_state_that_is_no_directory_or_holds_no_file_is_refused_and_the_site_served() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    std::fs::write(place.state(), "").unwrap();
    std::fs::set_permissions(place.state(), std::fs::Permissions::from_mode(0o600)).unwrap();
    let agent = Agent::run_stateless(&place, &origin, free_address(), free_address());
    assert_eq!(agent.get("/").0, 200);
    assert!(agent.told().contains("cannot be used: Not a directory"), "{}", agent.told());

    let place = Place::new();
    place.say(&["init", "--site", "http://blog.localhost"]).assert_done();
    let ledger = place.state().join("ledger");
    std::fs::remove_file(&ledger).unwrap();
    std::fs::create_dir(&ledger).unwrap();
    let agent = Agent::start(&place, &origin, &["--site", "http://blog.localhost"]);
    assert_eq!(agent.get("/").0, 200);
    place.say(&["invite"]).assert_failed(1, "Is a directory");
}

#[test]
fn an_occupied_port_for_partners_is_named_the_site_served_and_the_port_taken_when_it_is_free() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    place.say(&["init", "--site", "http://blog.localhost"]).assert_done();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let agent = Agent::start(&place, &origin, &["--site", "http://blog.localhost", "--mesh-listen", &address]);
    wait_until("the agent says so", || agent.told().contains(&format!("cannot listen on `{address}` for partners")));
    assert_eq!(agent.get("/").0, 200);
    place.say(&["invite"]).assert_failed(4, "cannot listen on");
    drop(taken);
    wait_until("the mesh runs", || place.say(&["invite"]).code == 0);
}

#[test]
fn an_origin_that_hangs_is_given_up_in_time_and_holds_up_nobody_else() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let file = place.write("overspill.toml", "[origin_limit]\ntimeout = \"1s\"\n");
    let agent = Agent::start(&place, &origin, &["--config", file.to_str().unwrap()]);
    let address = agent.listen;
    let visitor = std::thread::spawn(move || get(address, "/hang"));
    wait_until("the origin is asked", || origin.asked() == 1);
    assert_eq!(agent.get("/"), (200, "this is the blog\n".to_owned()));
    assert!(!visitor.is_finished(), "somebody else was served while one request hung");
    let (code, page) = visitor.join().unwrap();
    assert!(code == 503 && page.contains("did not answer"), "{code}: {page}");
    let (_, figures) = get(agent.admin, "/metrics");
    assert!(figures.contains("overspill_origin_timeouts_total 1\n"), "{figures}");
    assert_eq!(agent.get("/").0, 200);
}

#[test]
fn an_origin_that_is_down_is_told_to_visitors_and_found_again() {
    let (place, address) = (Place::new(), free_address());
    let agent = Agent::run(&place, &["--origin".into(), format!("http://{address}")]);
    let (code, page) = agent.get("/");
    assert!(code == 503 && page.contains("cannot be reached"), "{code}: {page}");
    assert_eq!(get(agent.admin, "/health").0, 200);
    let _origin = Origin::start_at(address, "the blog");
    assert_eq!(agent.get("/"), (200, "this is the blog\n".to_owned()));
}
