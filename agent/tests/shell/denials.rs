//! What is denied, at the command line: with and without a running agent, across a kill, and with a damaged list.

use std::fs;

use rustix::process::Signal;

use crate::support::{Agent, Origin, Place};

fn urls(place: &Place) -> Vec<String> {
    let listed = place.say(&["deny", "--list", "--json"]).assert_done().json();
    assert_eq!(listed["schema"], "overspill.denied/1");
    listed["denied"].as_array().unwrap().iter().map(|denial| denial["url"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_denied_before_the_agent_runs_is_denied_from_its_first_visitor_on() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    assert_eq!(place.say(&["deny", "--list"]).assert_done().out, "Nothing is denied.\n");
    place.say(&["deny", "blog.localhost/a"]).assert_failed(2, "https://");
    place.say(&["deny", "http://blog.localhost/a", "--status", "404"]).assert_failed(2, "no status");
    place.say(&["allow", "http://blog.localhost/a"]).assert_failed(4, "is not denied");
    assert_eq!(place.say(&["deny"]).code, 2);
    let told = place.say(&["deny", "http://blog.localhost/a", "--reason", "Order 7", "--json"]).assert_done().json();
    assert_eq!((told["schema"].as_str(), told["status"].as_u64()), (Some("overspill.deny/1"), Some(451)));

    let agent = Agent::start(&place, &origin, &[]);
    let (status, page) = agent.get("/a");
    assert!(status == 451 && page.contains("Order 7"), "{page}");
    assert_eq!(agent.get("/b/c").0, 200);
    place.say(&["deny", "http://blog.localhost/b/*", "--status", "410"]).assert_done();
    assert_eq!((agent.get("/b/c").0, agent.get("/b").0), (410, 200));
    assert_eq!(urls(&place), ["http://blog.localhost/a", "http://blog.localhost/b/*"]);
    assert_eq!(agent.figure("overspill_denied_total"), Some(2));

    agent.signal(Signal::KILL);
    agent.wait();
    fs::remove_file(place.state().join("running.json")).unwrap();
    let agent = Agent::start(&place, &origin, &[]);
    assert_eq!((agent.get("/a").0, agent.get("/b/c").0), (451, 410), "nothing is forgotten by dying");
    place.say(&["allow", "https://blog.localhost:443/%61"]).assert_done();
    assert_eq!(agent.get("/a").0, 200, "the same URL, written otherwise");
    drop(agent);
    place.say(&["allow", "http://blog.localhost/b/*"]).assert_done();
    assert_eq!(urls(&place), [] as [&str; 0]);
}

#[test]
fn a_damaged_list_is_told_is_not_written_over_and_denies_what_it_still_says() {
    let (place, origin) = (Place::new(), Origin::start("the blog"));
    for path in ["a", "b"] {
        place.say(&["deny", &format!("http://blog.localhost/{path}")]).assert_done();
    }
    let path = place.state().join("denied");
    let torn = fs::read_to_string(&path).unwrap().replace("/a\",", "/a\"");
    fs::write(&path, &torn).unwrap();
    let agent = Agent::start(&place, &origin, &[]);
    assert!(agent.told().contains("the list is damaged: 1 items can be read"), "{}", agent.told());
    assert_eq!((agent.get("/b").0, agent.get("/a").0), (451, 200));
    place.say(&["deny", "http://blog.localhost/c"]).assert_failed(1, "damaged");
    assert!(place.say(&["deny", "--list"]).assert_done().out.starts_with("Take care: "));
    drop(agent);
    place.say(&["allow", "http://blog.localhost/b"]).assert_failed(1, "damaged");
    assert_eq!(fs::read_to_string(&path).unwrap(), torn, "left as it was");
}
