//! Plain hits over HTTP/2 take the express lane, and get what the usual way gives.

use std::{
    io::{Read, Write},
    time::Duration,
};

use http::{Method, response::Parts};
use overspill_edge::Handle;
use proptest::prelude::*;

use crate::{
    common::{
        LONG, Origin, edge, get,
        http2::{Visitor, ask, meet_plainly, request, story},
        site::{FIELDS, asks, counts, essence, site},
        until,
    },
    floods::{Frames, frame, meet, stream},
};

/// The lane leaves requests with this field to the usual way, where it changes nothing for a stored response that is fresh.
const THE_USUAL_WAY: (&str, &str) = ("cache-control", "no-transform");

async fn hear(visitor: &mut Visitor, path: &str, fields: &[(&str, &str)]) -> (Parts, String) {
    ask(visitor, request(Method::GET, &format!("http://blog.example{path}"), fields, b"")).await
}

/// A head as text.
fn text(head: &Parts) -> String {
    let fields = head.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
    [format!("{}\n", head.status)].into_iter().chain(fields).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn it_answers_as_the_usual_way_does(
        asks in asks(&FIELDS),
    ) {
        let (origin, other_origin) = (site(), site());
        let (edge, other) = (edge(&origin, |_| ()), edge(&other_origin, |_| ()));
        story(async {
            let (mut visitor, mut twin) = (meet_plainly(&edge).await, meet_plainly(&other).await);
            // Twice: what the first round stored, the second finds.
            for (path, fields) in asks.iter().chain(&asks) {
                let (head, body) = hear(&mut visitor, path, fields).await;
                let (usual, same) = hear(&mut twin, path, &[&fields[..], &[THE_USUAL_WAY]].concat()).await;
                prop_assert_eq!(essence(&text(&head)), essence(&text(&usual)), "{} {:?}", path, fields);
                prop_assert_eq!(body, same, "{} {:?}", path, fields);
                until("both have stored what they store", || edge.metrics().stored_responses == other.metrics().stored_responses);
            }
            Ok(())
        })?;
        until("no account is left open", || edge.metrics().requests_active + other.metrics().requests_active == 0);
        prop_assert_eq!(other.metrics().expressed, 0);
        prop_assert_eq!(counts(&edge), counts(&other));
    }
}

/// A site, and an edge that has stored this path of it.
fn stored(path: &str) -> (Origin, Handle) {
    let origin = site();
    let edge = edge(&origin, |_| ());
    get(&edge, path);
    until("it is stored", || edge.metrics().stored_responses == 1);
    (origin, edge)
}

#[test]
fn plain_hits_take_the_lane_and_nothing_else_does() {
    let (_origin, edge) = stored("/plain");
    let mut records = edge.access().unwrap();
    story(async {
        let mut visitor = meet_plainly(&edge).await;
        let browser = [("user-agent", "Mozilla/5.0"), ("accept-encoding", "gzip, br"), ("cookie", "_ga=1"), ("cookie", "_fbp=1")];
        let (head, body) = hear(&mut visitor, "/plain", &browser).await;
        assert_eq!((body.as_str(), &head.headers["age"], &head.headers["content-length"]), ("plain", &"0".parse().unwrap(), &5.into()));
        assert_eq!(edge.metrics().expressed, 1);
        let record = records.recv().await.unwrap();
        assert_eq!((record.target.to_string(), record.version, record.bytes), ("/plain".to_owned(), http::Version::HTTP_2, 5));
        assert_eq!((record.host.unwrap(), record.user_agent.unwrap()), ("blog.example".parse().unwrap(), "Mozilla/5.0".parse().unwrap()));
        assert!(record.complete);
        for field in [("range", "bytes=0-0"), ("if-none-match", "\"1\""), ("cookie", "PHPSESSID=1"), ("authorization", "x")] {
            hear(&mut visitor, "/plain", &[field]).await;
        }
        hear(&mut visitor, "/plain", &[("host", "blog.example")]).await;
        ask(&mut visitor, request(Method::HEAD, "http://blog.example/plain", &[], b"")).await;
        ask(&mut visitor, request(Method::GET, "http://blog.example/plain", &[], b"with a body")).await;
        assert_eq!(edge.metrics().expressed, 1);
        hear(&mut visitor, "/plain", &[]).await;
        assert_eq!(edge.metrics().expressed, 2);
    });
}

#[test]
fn answers_that_are_ready_together_leave_together() {
    let (_origin, edge) = stored("/plain");
    let mut connection = meet(&edge);
    connection.set_read_timeout(Some(LONG)).unwrap();
    // The edge's settings, and its word that it has ours: then nothing but answers comes.
    let (mut answers, mut settled) = (Frames::default(), 0);
    while settled < 2 {
        settled += answers.read(&mut connection, |kind, _| kind == 4);
    }
    // An indexed GET, http, and path `/plain`, for a literal authority (RFC 7541).
    let block = [&[0x82, 0x86, 0x44, 6][..], b"/plain", &[0x41, 12], b"blog.example"].concat();
    let asked: Vec<u8> = (0..10).flat_map(|count| frame(1, 5, stream(count), &block)).collect();
    connection.write_all(&asked).unwrap();
    assert_eq!(answers.read_ends(&mut connection), 10, "one read has them all");
    assert_eq!(edge.metrics().expressed, 10);
}

#[test]
fn a_visitor_with_a_small_window_gets_all_of_a_large_body_and_others_beside_it() {
    let (_origin, edge) = stored("/large");
    story(async {
        let mut visitor = meet_plainly(&edge).await;
        let mut other = visitor.clone();
        let large = tokio::spawn(async move { hear(&mut other, "/large", &[]).await.1 });
        assert_eq!(hear(&mut visitor, "/slow", &[]).await.1, "slow");
        let large = large.await.unwrap();
        assert!(large.len() == 3_000_000 && large.starts_with("large ") && large.ends_with("large "));
    });
    until("no account is left open", || edge.metrics().requests_active == 0);
    assert_eq!((edge.metrics().expressed, edge.metrics().bytes_sent), (1, 2 * 3_000_000 + 4));
}

#[test]
fn who_leaves_in_the_middle_is_counted_for_what_was_sent() {
    let (_origin, edge) = stored("/large");
    let before = edge.metrics().bytes_sent;
    let mut connection = meet(&edge);
    let block = [&[0x82, 0x86, 0x44, 6][..], b"/large", &[0x41, 12], b"blog.example"].concat();
    connection.set_read_timeout(Some(LONG)).unwrap();
    connection.write_all(&frame(1, 5, 1, &block)).unwrap();
    connection.read_exact(&mut [0; 1_000]).unwrap();
    assert_eq!((edge.metrics().expressed, edge.metrics().requests_active), (1, 1));
    // It takes the stream back, and the connection lives.
    connection.write_all(&frame(3, 0, 1, &[0, 0, 0, 8])).unwrap();
    until("the account is closed", || edge.metrics().requests_active == 0);
    let sent = edge.metrics().bytes_sent - before;
    assert!((1..3_000_000).contains(&sent), "{sent}");
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(edge.metrics().connections, 1);
}
