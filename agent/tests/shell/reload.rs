//! Reloading: by command or by signal, and never at the cost of a visitor.

use rustix::process::Signal;

use crate::support::{Agent, Origin, Place, wait_until};

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
