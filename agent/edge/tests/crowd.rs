//! A crowd on a site of a few workers and slow pages that say nothing about caching: stock WordPress on a small machine.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    sync::{
        Condvar, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Act, Origin, edge, get, ok};

const WORKERS: u32 = 2;
const RENDER: Duration = Duration::from_millis(100);
const PAGES: usize = 20;

/// An origin whose requests wait for one of its few workers.
fn small_origin() -> Origin {
    let (free, freed) = (Mutex::new(WORKERS), Condvar::new());
    Origin::new(move |head| {
        let mut places = freed.wait_while(free.lock().unwrap(), |places| *places == 0).unwrap();
        *places -= 1;
        drop(places);
        thread::sleep(RENDER);
        *free.lock().unwrap() += 1;
        freed.notify_one();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        Act::Say(ok("Content-Type: text/html; charset=utf-8\r\n", &format!("page {path}")))
    })
}

/// A page as visitors choose: the first as often as the second, third and fourth together, and so on.
fn choose(step: usize) -> usize {
    let spread = (step * 7_919) % 1_000;
    PAGES * spread * spread / 1_000_000
}

#[test]
fn everybody_gets_the_page_and_the_origin_is_not_overrun() {
    let origin = small_origin();
    let edge = edge(&origin, |_| ());
    // Calm: a few visitors, one after the other.
    for step in 0..30 {
        assert_eq!(get(&edge, &format!("/{}", choose(step))).status, 200);
    }
    let (wrong, count) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for visitor in 0..40 {
            let (edge, wrong, count) = (&edge, &wrong, &count);
            scope.spawn(move || {
                for step in 0..60 {
                    let path = format!("/{}", choose(visitor * 61 + step));
                    let reply = get(edge, &path);
                    count.fetch_add(1, SeqCst);
                    if reply.status != 200 || reply.text() != format!("page {path}") {
                        wrong.fetch_add(1, SeqCst);
                    }
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
    });
    let count = count.into_inner();
    assert_eq!(wrong.into_inner(), 0, "of {count}");
    // Far fewer renders than visits, and never more at once than the edge's first guess.
    assert!(origin.asked().len() < count as usize / 4, "{} renders for {count} visits", origin.asked().len());
    assert!(origin.in_flight_max.load(SeqCst) <= 8);
}
