//! Commands with and without a running agent: what they say, in which form, and with which exit code.

use crate::support::{Agent, Origin, Place};

const SITE: &[&str] = &["--site", "http://blog.localhost"];

#[test]
fn a_mesh_is_founded_and_invites_are_made_without_a_running_agent() {
    let place = Place::new();
    place.say(&["init"]).assert_failed(2, "no canonical address");
    let init = [&["init", "--name", "friends"], SITE].concat();
    place.say(&init).assert_done();
    place.say(&init).assert_failed(4, "");
    place.say(&[&["invite"], SITE].concat()).assert_failed(2, "an invite must say where this agent is reached");
    let invite = [&["invite", "--for", "2h", "--json", "--mesh-announce", "/ip4/192.0.2.1/tcp/7400"], SITE].concat();
    let token = place.say(&invite).assert_done().json();
    assert_eq!(token["schema"], "overspill.invite/1");
    assert!(token["token"].as_str().unwrap().starts_with("overspill1"));
    let statement = place.say(&["statement", "--json"]).assert_done().json();
    assert_eq!((statement["schema"].as_str(), statement["mesh"]["name"].as_str()), (Some("overspill.statement/1"), Some("friends")));
    let verified = place.say(&["ledger", "verify", "--entries", "--json"]).assert_done().json();
    assert_eq!((verified["schema"].as_str(), verified["verdict"].as_str()), (Some("overspill.ledger/1"), Some("whole")));
    assert_eq!(verified["records"].as_array().unwrap().len(), 2);
}

#[test]
fn a_running_agent_takes_the_same_commands() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = Agent::start(&place, &origin, SITE);
    place.say(&["invite"]).assert_failed(4, "");
    place.say(&["init", "--name", "friends", "--rule", "no_such_rule=1"]).assert_failed(2, "no_such_rule");
    place.say(&["init", "--name", "friends"]).assert_done();
    let token = place.say(&["invite"]);
    assert_eq!(token.assert_done().out.lines().count(), 1, "one line of text");
    place.say(&["join", "overspill1garbage"]).assert_failed(4, "");
    let partners = place.say(&["partners", "--json"]).assert_done().json();
    assert_eq!(partners["schema"], "overspill.partners/1");
    let site = partners["site"].as_str().unwrap().to_owned();
    let shown = place.say(&["ledger", "show", &site, "--json"]).assert_done().json();
    assert_eq!(shown["records"].as_array().unwrap().len(), 1, "{shown}");
    let whole = place.say(&["ledger", "verify", "--json"]).assert_done().json();
    assert_eq!(whole["entries"], 2, "beside the running agent");

    drop(agent);
    let without_index = place.say(&["ledger", "show", &site, "--json"]).assert_done().json();
    assert_eq!(without_index, shown, "the index says what the ledger says");
}

#[test]
fn whoever_needs_an_agent_says_so() {
    let place = Place::new();
    for command in [&["status"][..], &["partners"], &["reload"], &["leave"], &["join", "overspill1x"]] {
        place.say(command).assert_failed(3, "no agent runs on");
    }
    place.say(&["ledger", "verify"]).assert_failed(1, "ledger");
    place.say(&["ledger", "show", "nonsense"]).assert_failed(2, "names neither a site nor a lease");
    assert_eq!(place.say(&["no-such-command"]).code, 2);
}

#[test]
fn every_setting_is_explained_with_its_source() {
    let place = Place::new();
    let file = place.write("overspill.toml", "uplink = \"20Mbit/s\"\n");
    let line = ["config", "show", "--explain", "--config", file.to_str().unwrap(), "--memory", "32MiB"];
    let shown = place.say(&line);
    let shown = &shown.assert_done().out;
    assert!(shown.contains("overspill.toml:1\n"), "{shown}");
    assert!(shown.contains("memory = \"32MiB\" # --memory\n"), "{shown}");
    assert!(shown.contains("micro_cache = \"5s\" # default\n"), "{shown}");
    let json = place.say(&["config", "show", "--json"]).assert_done().json();
    assert_eq!(json["schema"], "overspill.config/1");
    let again = place.write("again.toml", shown);
    assert!(place.say(&["config", "check", "--config", again.to_str().unwrap()]).assert_done().out.contains("is good"));
}
