//! Rules and votes at the command line: a mesh of one changes its rules in two weeks, each step by an agent whose calendar is later.

use rustix::process::Signal;

use crate::support::{Agent, Origin, Place, wait_until};

const DAY: u64 = 86_400_000;

/// An agent that lives so many milliseconds after the founding.
fn later(place: &Place, origin: &Origin, millis: u64) -> Agent {
    Agent::start(place, origin, &["--site", "http://blog.localhost", "--clock-offset", &millis.to_string()])
}

/// Ends an agent as its owner would.
fn stop(agent: Agent) {
    agent.signal(Signal::TERM);
    assert!(agent.wait().success());
}

/// Waits until the one motion is decided, and tells how.
fn decided(place: &Place) -> bool {
    let mut adopted = None;
    wait_until("the agent signs by itself", || {
        let votes = place.say(&["vote", "list", "--json"]).assert_done().json();
        adopted = votes["decided"][0]["adopted"].as_bool();
        adopted.is_some()
    });
    adopted.unwrap()
}

#[test]
fn rules_are_shown_changed_by_consent_and_kept_across_restarts() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    place.say(&["rules"]).assert_failed(1, "ledger");
    place.say(&["propose", "change", "price_mib=2000", "--discuss", "http://x"]).assert_failed(3, "no agent runs on");

    let agent = later(&place, &origin, 0);
    place.say(&["rules"]).assert_failed(4, "in no mesh");
    place.say(&["init", "--name", "friends", "--rule", "vote_discussion=86400"]).assert_done();
    let rules = place.say(&["rules"]);
    assert!(
        rules
            .assert_done()
            .out
            .contains("\n  2. What a helper earns for each mebibyte of body that it serves: 0.001 credits. (price_mib)\n")
    );
    place.say(&["propose", "change", "price_mib=2000", "--discuss", "http://x"]).assert_failed(4, "no voice yet");
    stop(agent);

    let agent = later(&place, &origin, DAY);
    assert_eq!(place.say(&["propose", "change", "price_mib=two", "--discuss", "http://x"]).code, 2);
    place.say(&["propose", "change", "price_mib=1000", "--discuss", "http://x"]).assert_failed(4, "another one");
    place.say(&["propose", "change", "settle_window=0", "--discuss", "http://x"]).assert_failed(4, "choose from 1 to 3600 seconds");
    place.say(&["propose", "change", "price_mib=2000", "--discuss", "nowhere"]).assert_failed(4, "http");
    let moved = place.say(&["propose", "change", "price_mib=2000", "--discuss", "https://forum.example/1", "--json"]).assert_done().json();
    assert_eq!(moved["schema"], "overspill.propose/1");
    let motion = &moved["motion"].as_str().unwrap()[..8];
    place.say(&["propose", "change", "price_mib=3000", "--discuss", "http://x"]).assert_failed(4, "open already");
    place.say(&["vote", "second", motion]).assert_failed(4, "another member");
    place.say(&["vote", "object", "ffff", "--reason", "no"]).assert_failed(4, "no open motion");
    let listed = place.say(&["vote", "list"]);
    assert!(listed.assert_done().out.contains("price_mib becomes 0.002 credits instead of 0.001 credits."), "{listed:?}");
    stop(agent);

    let agent = later(&place, &origin, 2 * DAY + 600_000);
    assert!(decided(&place));
    let coming = place.say(&["rules", "diff"]);
    assert!(coming.assert_done().out.contains("0.002 credits instead of 0.001 credits. (price_mib)"), "{coming:?}");
    assert_eq!(place.say(&["rules", "--json"]).assert_done().json()["version"], 1);
    stop(agent);

    let agent = later(&place, &origin, 6 * DAY);
    assert_eq!(place.say(&["rules", "--json"]).assert_done().json()["version"], 2);
    stop(agent);
    let by_ledger = place.say(&["rules"]);
    assert!(by_ledger.assert_done().out.contains("Version 2 is decided"), "by the calendar of this machine it is to come: {by_ledger:?}");
    place.say(&["rules", "diff", "--from", "7"]).assert_failed(2, "no version 7");
    let small = ["--members", "3", "--minutes", "2", "--seeds", "1", "--json"];
    let preview = place.say(&[&["rules", "preview", "newcomer_limit=1000"][..], &small].concat()).assert_done().json();
    assert_eq!((&preview["schema"], &preview["changes"][0]["new"]["value"]), (&"overspill.rules-preview/1".into(), &1_000.into()));
    let sent = |side: &str| preview["all"][side]["sent_to_helpers"].as_u64().unwrap();
    assert!(sent("now") > 1_000 && sent("then") * 10 < sent("now"), "{preview}");
    place.say(&["rules", "preview", "settle_window=0"]).assert_failed(2, "choose from 1 to 3600 seconds");
    place.say(&["rules", "preview", "settle_window=5", "--log", "/nowhere"]).assert_failed(1, "/nowhere");
    let verified = place.say(&["ledger", "verify", "--entries"]);
    assert!(verified.assert_done().out.contains("was adopted (1 signed)"), "{verified:?}");
}

#[test]
fn one_objection_stops_what_a_mesh_of_one_moves() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = later(&place, &origin, 0);
    place.say(&["init", "--name", "friends", "--rule", "vote_discussion=86400"]).assert_done();
    stop(agent);
    let agent = later(&place, &origin, DAY);
    let moved = place.say(&["propose", "change", "price_mib=2000", "--discuss", "http://x", "--json"]).assert_done().json();
    let motion = &moved["motion"].as_str().unwrap()[..8];
    place.say(&["vote", "object", motion, "--reason", "I changed my mind."]).assert_done();
    place.say(&["vote", "object", motion, "--reason", "again"]).assert_failed(4, "counts once");
    stop(agent);
    let _agent = later(&place, &origin, 2 * DAY + 600_000);
    assert!(!decided(&place));
    assert_eq!(place.say(&["rules", "--json"]).assert_done().json()["charters"].as_array().map(Vec::len), Some(1));
}
