//! Joining: a token admits one site, once, in time; everything else is refused in words.

use std::{io::Write as _, net::TcpStream, time::Duration};

use overspill::swarm::{self, SwarmEvent};
use overspill_governance::site::SiteId;

use crate::support::{PATIENCE, Ran, Site, eventually, get};

/// A running site that founded a mesh.
fn founder(name: &'static str) -> Site {
    let mut site = Site::new(name);
    site.overspill(&["init", "--name", "Neighbours"]).ok();
    site.run();
    site
}

/// A running site that belongs nowhere yet.
fn newcomer(name: &'static str) -> Site {
    let mut site = Site::new(name);
    site.run();
    site
}

fn invite(site: &Site) -> String {
    site.overspill(&["invite"]).ok().lines().find(|line| line.starts_with("overspill1")).expect("a token on its own line").to_owned()
}

fn join(site: &Site, token: &str) -> Ran {
    site.overspill(&["join", token])
}

/// Partners of a site that are connected, as it says itself.
fn connected(site: &Site) -> usize {
    let partners = site.json(&["partners"]);
    partners["partners"].as_array().map_or(0, |list| list.iter().filter(|partner| partner["connected"] == true).count())
}

#[track_caller]
fn assert_refused(ran: &Ran, reason: &str) {
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.to_lowercase().contains(reason), "`{reason}` is missing: {ran:?}");
}

#[test]
fn a_token_admits_one_site_once() {
    let (founder, helper, late) = (founder("founder"), newcomer("helper"), newcomer("late"));
    let token = invite(&founder);
    join(&helper, &token).ok();
    eventually("both are connected", || connected(&founder) == 1 && connected(&helper) == 1);
    for site in [&founder, &helper] {
        site.overspill(&["ledger", "verify"]).ok();
        assert_eq!(site.json(&["status"])["mesh"]["mesh"]["members"], 2, "{}", site.name);
    }
    assert_refused(&join(&late, &token), "used");
    assert_refused(&join(&helper, &invite(&founder)), "already");
}

#[test]
fn membership_survives_both_agents() {
    let (mut founder, mut helper) = (founder("founder"), newcomer("helper"));
    join(&helper, &invite(&founder)).ok();
    founder.stop();
    helper.kill();
    helper.run();
    founder.run();
    eventually("both find each other again", || connected(&founder) == 1 && connected(&helper) == 1);
}

#[test]
fn a_third_member_is_known_to_all() {
    let (founder, second, third) = (founder("founder"), newcomer("second"), newcomer("third"));
    join(&second, &invite(&founder)).ok();
    // Sponsored by the second, so that the founder hears of it from somebody else.
    join(&third, &invite(&second)).ok();
    for site in [&founder, &second, &third] {
        eventually(&format!("{} knows both others", site.name), || connected(site) == 2);
    }
}

#[test]
fn an_altered_token_is_refused_before_anybody_is_asked() {
    let (founder, helper) = (founder("founder"), newcomer("helper"));
    let token = invite(&founder);
    let middle = token.len() / 2;
    let other = if &token[middle..=middle] == "a" { "b" } else { "a" };
    let altered = format!("{}{other}{}", &token[..middle], &token[middle + 1..]);
    assert_refused(&join(&helper, &altered), "altered");
    assert_refused(&join(&helper, "hello"), "token");
    join(&helper, &token).ok();
}

#[test]
fn an_expired_token_is_refused() {
    let (founder, helper) = (founder("founder"), newcomer("helper"));
    let token = founder.overspill(&["invite", "--for", "1s"]).ok();
    let token = token.lines().find(|line| line.starts_with("overspill1")).unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_refused(&join(&helper, token), "expired");
}

#[test]
fn a_member_of_one_mesh_does_not_take_another_meshs_token() {
    let (founder, other) = (founder("founder"), founder("other"));
    assert_refused(&join(&other, &invite(&founder)), "but this site is in mesh");
}

#[test]
fn a_host_that_does_not_publish_the_key_is_not_admitted() {
    let founder = founder("founder");
    // It says that it serves the founder's own host.
    let mut liar = Site::new("liar");
    liar.run_disguised(&founder);
    assert_refused(&join(&liar, &invite(&founder)), "key");
    assert_eq!(founder.json(&["status"])["mesh"]["mesh"]["members"], 1);
}

#[test]
fn garbage_on_the_listener_disturbs_nobody() {
    let (founder, helper) = (founder("founder"), newcomer("helper"));
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4_096], b"\x13/multistream/1.0.0\n\xff\xff\xff\xff"] {
        let mut socket = TcpStream::connect(("127.0.0.1", founder.mesh_port)).unwrap();
        let _ = socket.write_all(bytes);
    }
    // Connections that say nothing at all.
    let _silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(("127.0.0.1", founder.mesh_port)).unwrap()).collect();
    join(&helper, &invite(&founder)).ok();
    assert_eq!(get(&founder.url("/")).unwrap().status, 200);
    assert!(!founder.log().contains("panicked"), "{}", founder.log());
}

/// A peer that holds a key and speaks our protocols, and says whatever `says`; returns when it was hung up on.
fn stranger(to: &Site, says: Vec<Vec<u8>>) {
    let Ok(site) = to.json(&["status"])["site"].as_str().unwrap_or_default().parse::<SiteId>() else { panic!("no site in the status") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (handle, mut events) = swarm::start(&[66; 32], &[]).unwrap();
        handle.dial(site, vec![format!("/ip4/127.0.0.1/tcp/{}", to.mesh_port)]);
        let story = async {
            loop {
                match events.recv().await.unwrap() {
                    SwarmEvent::Connected { .. } => says.iter().for_each(|bytes| handle.send(site, bytes.clone())),
                    SwarmEvent::Disconnected { .. } => return,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, story).await.expect("a stranger is hung up on");
    });
}

#[test]
fn strangers_who_talk_nonsense_or_nothing_are_hung_up_on() {
    let (founder, helper) = (founder("founder"), newcomer("helper"));
    let nonsense =
        vec![Vec::new(), vec![0xff; 3], vec![1, 0, 0xff, 0xff, 0xff, 0xff], vec![0; 4_000], vec![1; 200_000], vec![1, 0, 5, 0, 0, 0]];
    stranger(&founder, nonsense);
    stranger(&founder, Vec::new());
    join(&helper, &invite(&founder)).ok();
    assert_eq!(get(&founder.url("/")).unwrap().status, 200);
    assert!(!founder.log().contains("panicked"), "{}", founder.log());
}

#[test]
fn a_wrong_clock_is_said_and_stops_no_site() {
    let founder = founder("founder");
    let mut wrong = Site::new("wrong").with("CLOCK_OFFSET", &(10 * 60 * 1_000).to_string());
    wrong.run();
    let ran = join(&wrong, &invite(&founder));
    assert_ne!(ran.code, Some(0), "a site whose clock is ten minutes off is not admitted: {ran:?}");
    assert!(ran.err.to_lowercase().contains("clock"), "{ran:?}");
    for site in [&founder, &wrong] {
        assert_eq!(get(&site.url("/")).unwrap().status, 200);
    }
}

#[test]
fn a_join_survives_a_kill_of_either_end() {
    for (sponsor_dies, millis) in [(true, 5), (false, 5), (true, 40), (false, 40), (true, 90), (false, 90)] {
        let (mut founder, mut helper) = (founder("founder"), newcomer("helper"));
        let token = invite(&founder);
        let mut joining = helper.spawn(&["join", &token]);
        std::thread::sleep(Duration::from_millis(millis));
        let victim = if sponsor_dies { &mut founder } else { &mut helper };
        victim.kill();
        victim.run();
        eventually("the command ends", || joining.try_wait().unwrap().is_some());
        // Whatever became of the first attempt: the same token brings the same site in, once.
        let again = join(&helper, &token);
        assert!(again.code == Some(0) || again.err.contains("already"), "after {millis} ms: {again:?}");
        eventually("both are partners", || connected(&founder) == 1 && connected(&helper) == 1);
        assert_eq!(founder.json(&["status"])["mesh"]["mesh"]["members"], 2);
    }
}

#[test]
fn a_clock_that_goes_wrong_later_is_said_by_both() {
    let (founder, mut helper) = (founder("founder"), newcomer("helper"));
    join(&helper, &invite(&founder)).ok();
    eventually("both are connected", || connected(&founder) == 1 && connected(&helper) == 1);
    helper.kill();
    helper.set("CLOCK_OFFSET", &(-10 * 60 * 1_000).to_string());
    helper.run();
    for site in [&founder, &helper] {
        eventually(&format!("{} says that the clocks are apart", site.name), || {
            site.json(&["partners"])["partners"][0]["clocks_apart"] == true
        });
        assert_eq!(get(&site.url("/")).unwrap().status, 200);
    }
}

#[test]
fn whoever_leaves_is_no_member_any_more() {
    let (founder, helper) = (founder("founder"), newcomer("helper"));
    join(&helper, &invite(&founder)).ok();
    eventually("both are connected", || connected(&founder) == 1 && connected(&helper) == 1);
    helper.overspill(&["leave"]).ok();
    eventually("the founder is alone again", || founder.json(&["status"])["mesh"]["mesh"]["members"] == 1);
    assert_eq!(get(&helper.url("/")).unwrap().status, 200);
}
