//! A lone agent in front of a site.

use rustix::process::Signal;

use crate::support::{Agent, Origin, Place, free_address, get, wait_until};

#[test]
fn a_lone_agent_serves_the_site_and_tells_how_it_fares() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = Agent::start(&place, &origin, &[]);
    assert_eq!(agent.get("/"), (200, "this is the blog\n".to_owned()));

    let status = place.say(&["status", "--json"]);
    let status = status.assert_done().json();
    assert_eq!(status["schema"], "overspill.status/1");
    assert_eq!(status["pid"], agent.pid());
    assert_eq!(status["served"]["requests"], 1);
    assert_eq!(status["ledger"]["health"], "good");
    assert_eq!(status["mesh"]["mesh"], serde_json::Value::Null);
    let people = place.say(&["status"]);
    assert!(people.assert_done().out.contains("mesh      none"), "{people:?}");
}

#[test]
fn the_admin_listener_tells_health_readiness_and_figures() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = Agent::start(&place, &origin, &[]);
    agent.get("/");
    assert_eq!(get(agent.admin, "/health"), (200, "ok\n".to_owned()));
    assert_eq!(get(agent.admin, "/ready"), (200, "ready\n".to_owned()));
    let (_, figures) = get(agent.admin, "/metrics");
    assert!(figures.contains("overspill_requests_total 1\n"), "{figures}");
    assert!(figures.contains("overspill_ledger_entries_total 0\n"), "{figures}");
    let mut names: Vec<_> = figures.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "every figure has one name: {figures}");
    assert!(figures.ends_with("# EOF\n"));
}

#[test]
fn a_stop_lets_the_request_in_flight_finish() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = Agent::start(&place, &origin, &[]);
    let address = agent.listen;
    let visitor = std::thread::spawn(move || get(address, "/slow"));
    wait_until("the origin is asked", || origin.asked() == 1);
    agent.signal(Signal::TERM);
    assert_eq!(visitor.join().unwrap(), (200, "this is the blog\n".to_owned()));
    assert!(agent.wait().success());
    assert!(!place.state().join("running.json").exists());
    assert!(!place.state().join("control.sock").exists());
}

#[test]
fn what_a_killed_agent_leaves_behind_hinders_nobody() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = Agent::start(&place, &origin, &["--site", "http://blog.localhost"]);
    place.say(&["init"]).assert_done();
    let before = place.say(&["ledger", "verify", "--json"]).json();
    drop(agent);
    assert!(place.state().join("control.sock").exists(), "killed, not stopped");
    place.say(&["status"]).assert_failed(3, "no agent runs");

    std::fs::remove_file(place.state().join("running.json")).unwrap();
    let agent = Agent::start(&place, &origin, &["--site", "http://blog.localhost"]);
    assert_eq!(place.say(&["ledger", "verify", "--json"]).assert_done().json()["head"], before["head"]);
    assert_eq!(place.say(&["status", "--json"]).assert_done().json()["mesh"]["mesh"]["members"], 1);
    assert_eq!(agent.told().matches("ERROR").count(), 0, "{}", agent.told());
}

#[test]
fn what_a_killed_agent_had_cached_is_there_again() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = Agent::start(&place, &origin, &[]);
    assert_eq!(agent.get("/"), (200, "this is the blog\n".to_owned()));
    wait_until("it is on disk", || agent.figure("overspill_disk_objects") == Some(1));
    drop(agent);
    let nowhere = format!("http://{}", free_address());
    let restart = |disk: &str| {
        std::fs::remove_file(place.state().join("running.json")).unwrap();
        Agent::run(&place, &["--origin", &nowhere, "--cache-disk", disk].map(str::to_owned))
    };
    let agent = restart("64MiB");
    wait_until("what was left is known", || agent.figure("overspill_disk_objects") == Some(1));
    assert_eq!(agent.get("/"), (200, "this is the blog\n".to_owned()), "its origin is away");
    drop(agent);
    let agent = restart("none");
    assert_eq!(agent.get("/").0, 503);
    drop(agent);
    let agent = restart("64MiB");
    assert_eq!(agent.get("/").0, 503, "nothing stayed when it was switched off");
}

#[test]
fn nonsense_on_the_control_socket_is_answered_and_harms_nobody() {
    use std::io::{Read as _, Write as _};
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = Agent::start(&place, &origin, &[]);
    let ask = |question: &[u8]| {
        let mut stream = std::os::unix::net::UnixStream::connect(place.state().join("control.sock")).unwrap();
        stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
        let mut answer = String::new();
        // The agent may stop listening before all of it is said.
        let _ = stream.write_all(question);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    assert!(ask(b"{}\n").contains("does not understand"));
    assert!(ask(b"\xff\xfe\n").is_empty());
    assert!(ask(b"{\"version\":99,\"ask\":\"status\"}\n").contains("was asked in version 99"));
    ask(&vec![b'x'; 1 << 20]);
    for _ in 0..40 {
        ask(b"");
    }
    place.say(&["status"]).assert_done();
    assert_eq!(agent.get("/").0, 200);
}

#[test]
fn the_mesh_task_dies_under_load_and_not_one_visitor_notices() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = Agent::start(&place, &origin, &["--site", "http://blog.localhost"]);
    place.say(&["init"]).assert_done();
    let (over, served, failed) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    let good = get(agent.listen, "/") == (200, "this is the blog\n".to_owned());
                    let count = if good { &served } else { &failed };
                    count.fetch_add(1, SeqCst);
                }
            });
        }
        for death in 1..=3 {
            kill_mesh(&place);
            wait_until("the mesh has died", || agent.told().matches("the mesh stopped").count() == death);
            let before = served.load(SeqCst);
            wait_until("visitors are served meanwhile", || served.load(SeqCst) > before + 10);
            wait_until("the mesh is back", || place.say(&["status", "--json"]).json()["mesh"]["mesh"]["members"] == 1);
        }
        over.store(true, SeqCst);
    });
    assert_eq!(failed.load(SeqCst), 0);
    assert_eq!(place.say(&["ledger", "verify"]).assert_done().code, 0);
}

/// Asks for what no command asks for.
fn kill_mesh(place: &Place) {
    use std::io::Write as _;
    let mut socket = std::os::unix::net::UnixStream::connect(place.state().join("control.sock")).unwrap();
    socket.write_all(b"{\"version\":1,\"ask\":\"kill_mesh\"}\n").unwrap();
}

/// Huge pages make an agent that does nothing three times as large (`docs/src/figures.md`).
#[test]
fn an_idle_agent_takes_no_huge_pages() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    let agent = Agent::start(&place, &origin, &[]);
    agent.get("/");
    let memory = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", agent.pid())).unwrap();
    let kibibytes = |name: &str| -> u64 {
        let line = memory.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {memory}"));
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    assert_eq!(kibibytes("AnonHugePages:"), 0);
    // An unoptimised program has more to relocate, which counts, too.
    assert!(kibibytes("Anonymous:") < 36 << 10, "{memory}");
}
