//! Who waits for whom: what cannot be shared holds nobody up, a fetch that is stuck holds nobody for long, and what is not there is asked for once.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Act, Origin, edge, get, ok, together, until};

const UNSHARED: &str = "Cache-Control: private\r\n";

#[test]
fn what_turned_out_unshareable_is_fetched_side_by_side_from_then_on() {
    // Each of ten answers waits until all ten are asked for: one behind the other they would never come.
    let (first, all) = (AtomicU32::new(0), Arc::new(Barrier::new(10)));
    let origin = Origin::new(move |_| {
        if first.fetch_add(1, SeqCst) > 0 {
            all.wait();
        }
        Act::Say(ok(UNSHARED, "mine"))
    });
    let edge = edge(&origin, |config| config.origin_limits.initial = 32);
    get(&edge, "/mine");
    assert!(together(10, |_| get(&edge, "/mine")).iter().all(|reply| reply.status == 200 && reply.text() == "mine"));
    assert_eq!(origin.asked().len(), 11);
}

#[test]
fn the_answer_that_turned_out_unshareable_is_its_first_visitors() {
    let origin = Origin::new(|_| Act::SayAfter(Duration::from_millis(300), ok(UNSHARED, "mine")));
    let edge = edge(&origin, |config| config.origin_limits.initial = 32);
    assert!(together(10, |_| get(&edge, "/mine")).iter().all(|reply| reply.status == 200));
    assert_eq!(origin.asked().len(), 10, "nobody's answer was thrown away");
}

#[test]
fn of_those_who_wait_for_a_stuck_fetch_one_leads_anew() {
    let count = AtomicU32::new(0);
    let origin = Origin::new(move |_| {
        if count.fetch_add(1, SeqCst) == 0 {
            return Act::Hang;
        }
        Act::SayAfter(Duration::from_millis(100), ok("Cache-Control: max-age=60\r\n", "at last"))
    });
    let edge = edge(&origin, |config| {
        config.timeouts.attached = Duration::from_millis(500);
        config.timeouts.origin_head = Duration::from_secs(3);
    });
    thread::scope(|scope| {
        let stuck = scope.spawn(|| get(&edge, "/a").status);
        until("the first asks", || origin.asked().len() == 1);
        assert!(together(10, |_| get(&edge, "/a")).iter().all(|reply| reply.status == 200 && reply.text() == "at last"));
        assert_eq!(origin.asked().len(), 2);
        stuck.join().unwrap();
    });
    assert_eq!(get(&edge, "/a").text(), "at last", "the stuck one's end took nothing away");
}

#[test]
fn a_crowd_at_what_is_not_there_costs_the_origin_its_limit() {
    let gone = || b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\ngone".to_vec();
    let origin = Origin::new(move |_| Act::SayAfter(Duration::from_millis(100), gone()));
    let edge = edge(&origin, |config| {
        (config.origin_limits.min, config.origin_limits.initial, config.origin_limits.max) = (2, 2, 2);
    });
    for _ in 0..2 {
        assert_eq!(get(&edge, "/gone").status, 404);
    }
    assert_eq!(origin.asked().len(), 2, "in calm each visitor hears the origin's own word");
    let replies = together(60, |index| {
        thread::sleep(Duration::from_millis(20) * u32::try_from(index).unwrap());
        (0..5).map(|_| get(&edge, "/gone")).filter(|reply| reply.status == 404 && reply.text() == "gone").count()
    });
    assert_eq!(replies.iter().sum::<usize>(), 300);
    assert!(edge.metrics().cache_hit > 0);
    assert!(origin.asked().len() < 150, "{}", origin.asked().len());
}
