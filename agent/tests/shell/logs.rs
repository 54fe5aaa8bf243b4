//! The access log in both forms, and its rotation; the agent's own log as JSON.

use serde_json::Value;

use crate::support::{Agent, Origin, Place, wait_until};

fn lines(path: &std::path::Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn the_combined_log_is_written_and_rotated() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let log = place.path("access.log");
    let agent = Agent::start(&place, &origin, &["--access-log-path", log.to_str().unwrap()]);
    agent.get("/first?x=1");
    wait_until("the line is there", || lines(&log).len() == 1);
    let line = &lines(&log)[0];
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(line.ends_with("] \"GET /first?x=1 HTTP/1.1\" 200 17 \"-\" \"test\""), "{line}");

    std::fs::rename(&log, place.path("access.log.1")).unwrap();
    place.say(&["reload"]).assert_done();
    agent.get("/second");
    wait_until("a new file is written", || lines(&log).len() == 1);
    assert!(lines(&log)[0].contains("GET /second "));
    assert_eq!(lines(&place.path("access.log.1")).len(), 1);
}

#[test]
fn the_log_is_begun_and_ended_by_a_reload() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let (log, plain) = (place.path("access.log"), format!("origin = \"{}\"\n", origin.url()));
    let logged = format!("{plain}[access_log]\npath = \"{}\"\n", log.display());
    let path = place.write("overspill.toml", &plain);
    let agent = Agent::run(&place, &["--config".into(), path.display().to_string()]);
    let asked = |file: &str, target: &str| {
        place.write("overspill.toml", file);
        place.say(&["reload"]).assert_done();
        agent.get(target);
    };
    asked(&plain, "/before");
    assert!(!log.exists());
    asked(&logged, "/during");
    wait_until("the line is there", || lines(&log).len() == 1);
    asked(&plain, "/after");
    asked(&logged, "/again");
    wait_until("the next line is there", || lines(&log).len() == 2);
    assert!(lines(&log)[0].contains("GET /during ") && lines(&log)[1].contains("GET /again "), "{:?}", lines(&log));
}

#[test]
fn the_json_log_is_whole_after_a_stop() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let log = place.path("access.log");
    let flags = ["--access-log-path", log.to_str().unwrap(), "--access-log-format", "json", "--access-log-addresses", "truncated"];
    let agent = Agent::start(&place, &origin, &flags);
    for number in 0..20 {
        agent.get(&format!("/{number}"));
    }
    agent.signal(rustix::process::Signal::TERM);
    assert!(agent.wait().success());
    let records: Vec<Value> = lines(&log).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 20);
    assert!(records.iter().all(|record| record["visitor"] == "127.0.0.0" && record["status"] == 200 && record["bytes"] == 17));
}

#[test]
fn the_agents_own_log_can_be_json() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = Agent::start(&place, &origin, &["--log-format", "json", "--log-level", "debug"]);
    let told = agent.told();
    let serving = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).find(|line| line["message"] == "serving");
    assert_eq!(serving.unwrap()["listen"], agent.listen.to_string());
}
