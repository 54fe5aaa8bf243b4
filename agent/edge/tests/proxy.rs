//! The edge as a plain reverse proxy: what passes, what does not, and how it starts and ends.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use common::{Act, LONG, Origin, ask, edge, edge_at, field, get, ok, parse, raw, until};
use overspill_edge::{Clock, Config, StartError, start};

#[test]
fn a_request_reaches_the_origin_as_the_visitor_meant_it() {
    let origin = Origin::new(|_| Act::Say(ok("Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n", "hello")));
    let edge = edge(&origin, |_| ());
    let reply = ask(&edge, "GET", "/a%20b?c=d&c", "X-Hop-In: 1\r\nX_Forwarded_For: 9.9.9.9\r\nX-Forwarded-For: 9.9.9.9\r\n");
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
    assert_eq!((reply.field("x-hop"), reply.field("x-end").as_deref()), (None, Some("2")));
    let head = origin.asked().remove(0);
    assert!(head.starts_with("GET /a%20b?c=d&c HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(&head, "host").as_deref(), Some("blog.example"));
    assert_eq!(field(&head, "x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(field(&head, "x_forwarded_for"), None);
}

#[test]
fn bodies_pass_in_both_directions() {
    let origin = Origin::new(|head| Act::Say(ok("", if head.starts_with("POST /in") { "taken" } else { "?" })));
    let edge = edge(&origin, |_| ());
    let body = "x".repeat(100_000);
    let request = format!("POST /in HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(parse(&raw(&edge, request.as_bytes())).text(), "taken");
}

#[test]
fn an_origin_of_http_1_0_costs_no_visitor_the_connection() {
    let origin = Origin::new(|_| Act::Say(b"HTTP/1.0 404 Not Found\r\nContent-Length: 4\r\nSet-Cookie: a=b\r\n\r\ngone".to_vec()));
    let edge = edge(&origin, |_| ());
    let twice = "GET / HTTP/1.1\r\nHost: blog.example\r\n\r\nGET / HTTP/1.1\r\nHost: blog.example\r\nConnection: close\r\n\r\n";
    let answers = String::from_utf8_lossy(&raw(&edge, twice.as_bytes())).into_owned();
    assert_eq!(answers.matches("HTTP/1.1 404").count(), 2, "{answers}");
}

#[test]
fn what_is_not_one_clear_request_is_refused_and_the_connection_closed() {
    let origin = Origin::new(|_| Act::Say(ok("", "reached")));
    let edge = edge(&origin, |_| ());
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n",
        "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nX: a\x01b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nX: a\r\n folded\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /\x7f HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
    ] {
        let answer = raw(&edge, request.as_bytes());
        assert!(
            answer.starts_with(b"HTTP/1.1 400") || answer.starts_with(b"HTTP/1.0 400"),
            "{request:?}: {:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(origin.asked().len(), 0);
}

#[test]
fn a_body_of_two_lengths_never_becomes_a_second_request() {
    let origin = Origin::new(|_| Act::Say(ok("", "reached")));
    let edge = edge(&origin, |_| ());
    let smuggled = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /secret HTTP/1.1\r\nHost: a.example\r\n\r\n";
    let answer = String::from_utf8_lossy(&raw(&edge, smuggled.as_bytes())).into_owned();
    assert_eq!(origin.asked_for("/secret"), 0, "{answer}");
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let origin = Origin::new(|_| Act::Say(ok("", "reached")));
    let edge = edge(&origin, |config| config.timeouts.header_read = Duration::from_millis(200));
    let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.exa").unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    until("the connection's place is free", || edge.metrics().connections == 0);
}

#[test]
fn an_origin_that_is_down_gets_a_page_and_no_wait() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let edge = edge_at(gone, |_| ());
    let reply = get(&edge, "/");
    assert_eq!((reply.status, reply.field("cache-control").as_deref()), (503, Some("no-store")));
    assert_eq!(edge.metrics().origin_unreachable, 1);
}

#[test]
fn an_origin_that_hangs_gets_a_page_in_time() {
    let origin = Origin::new(|_| Act::Hang);
    let edge = edge(&origin, |config| config.timeouts.origin_head = Duration::from_millis(200));
    assert_eq!(get(&edge, "/").status, 503);
    assert_eq!(edge.metrics().origin_timeouts, 1);
}

#[test]
fn an_origin_that_leads_back_is_seen() {
    // The edge is its own origin: take a free port, then start on it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let edge = edge_at(port, |config| config.listen = vec![port]);
    assert_eq!(get(&edge, "/").status, 508);
}

#[test]
fn hosts_of_other_sites_are_refused_when_the_site_is_named() {
    let origin = Origin::new(|_| Act::Say(ok("", "mine")));
    let canonical = overspill_edge::Canonical { scheme: http::uri::Scheme::HTTPS, authority: "other.example".parse().unwrap() };
    let edge = edge(&origin, |config| config.canonical = Some(canonical));
    assert_eq!(get(&edge, "/").status, 421);
    assert_eq!(raw(&edge, b"GET / HTTP/1.1\r\nHost: Other.Example\r\nConnection: close\r\n\r\n")[9..12], *b"200");
}

#[test]
fn the_member_key_is_published_when_there_is_one() {
    let origin = Origin::new(|_| Act::Say(ok("", "origin's own")));
    let edge = edge(&origin, |_| ());
    assert_eq!(get(&edge, "/.well-known/overspill").text(), "origin's own");
    edge.publish_key("overspill-member 1 abc\n".into());
    assert_eq!(get(&edge, "/.well-known/overspill").text(), "overspill-member 1 abc\n");
}

#[test]
fn an_occupied_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut config = Config::new("127.0.0.1:9".parse().unwrap());
    config.listen = vec![address];
    let Err(error) = start(config.clone(), Clock::new()) else { panic!("started on a taken port") };
    assert!(matches!(error, StartError::Occupied(_)) && error.to_string().contains(&address.to_string()), "{error}");
    drop(taken);
    // A second edge of the same user is found out as well, though both would set SO_REUSEPORT.
    let _first = start(config.clone(), Clock::new()).unwrap();
    assert!(matches!(start(config, Clock::new()), Err(StartError::Occupied(_))));
}

#[test]
fn a_reload_changes_the_origin_and_drops_nothing() {
    let old = Origin::new(|_| Act::SayAfter(Duration::from_millis(300), ok("", "old")));
    let new = Origin::new(|_| Act::Say(ok("", "new")));
    let edge = edge(&old, |_| ());
    std::thread::scope(|scope| {
        let before = scope.spawn(|| get(&edge, "/before").text());
        until("the old origin is asked", || old.asked_for("/before") == 1);
        edge.reload(Config::new(new.address.to_string().parse().unwrap()));
        assert_eq!(get(&edge, "/after").text(), "new");
        assert_eq!(before.join().unwrap(), "old");
    });
}

#[test]
fn a_shutdown_finishes_what_is_in_flight_and_is_bounded() {
    let origin =
        Origin::new(|head| if head.contains("/hang") { Act::Hang } else { Act::SayAfter(Duration::from_millis(300), ok("", "done")) });
    let edge = edge(&origin, |_| ());
    std::thread::scope(|scope| {
        let in_flight = scope.spawn(|| get(&edge, "/").text());
        until("the origin is asked", || origin.asked_for("/") == 1);
        assert!(edge.shutdown(LONG));
        assert_eq!(in_flight.join().unwrap(), "done");
    });
    assert!(TcpStream::connect(edge.local_addr()).is_err());

    let edge = common::edge(&origin, |_| ());
    std::thread::scope(|scope| {
        scope.spawn(|| raw(&edge, b"GET /hang HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        until("the origin is asked", || origin.asked_for("/hang") == 1);
        assert!(!edge.shutdown(Duration::from_millis(100)));
    });
}

#[test]
fn each_answer_has_one_record() {
    let origin = Origin::new(|_| Act::Say(ok("", "hello")));
    let edge = edge(&origin, |_| ());
    let mut records = edge.access().unwrap();
    get(&edge, "/a?b");
    let record = records.blocking_recv().unwrap();
    assert_eq!((record.status.as_u16(), record.bytes, record.complete), (200, 5, true));
    assert_eq!(record.target.to_string(), "/a?b");
    assert!(edge.access().is_none());
}

#[test]
fn a_websocket_passes_both_ways_and_other_upgrades_do_not() {
    const AGREED: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";
    let origin = Origin::new(|head| match field(head, "upgrade").as_deref() {
        Some("websocket") => Act::Say(AGREED.to_vec()),
        Some(_) => Act::Say(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".to_vec()),
        None if head.starts_with("ping") => Act::Say(b"pong".to_vec()),
        None => Act::Say(ok("", "plain")),
    });
    let edge = edge(&origin, |_| ());
    let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
        .write_all(b"GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n")
        .unwrap();
    let head = common::read_head(&mut stream).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && field(&head, "upgrade").as_deref() == Some("websocket"), "{head}");
    stream.write_all(b"ping\r\n\r\n").unwrap();
    let mut pong = [0; 4];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"pong");
    let reply = ask(&edge, "GET", "/", "Upgrade: h2c\r\nHTTP2-Settings: x\r\n");
    assert_eq!((reply.status, reply.text().as_str()), (200, "plain"));
    assert!(edge.shutdown(LONG), "an open tunnel must not hold up the end");
}

#[test]
fn trailers_pass_to_who_takes_them() {
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\nX-Asked: 1\r\n\r\n\
        4\r\nbody\r\n0\r\nX-Sum: 7\r\nX-Other: 8\r\n\r\n";
    let origin = Origin::new(|_| Act::Say(answer.to_vec()));
    let edge = edge(&origin, |_| ());
    let request = |te: &str| format!("POST /rpc HTTP/1.1\r\nHost: a.example\r\nConnection: close{te}\r\nContent-Length: 0\r\n\r\n");
    let with = String::from_utf8(raw(&edge, request(", TE\r\nTE: deflate, Trailers").as_bytes())).unwrap();
    assert!(with.contains("trailer: X-Sum") && with.ends_with("0\r\nx-sum: 7\r\n\r\n"), "{with}");
    assert_eq!(field(&origin.asked()[0], "te").as_deref(), Some("trailers"));
    let without = String::from_utf8(raw(&edge, request("").as_bytes())).unwrap();
    assert!(without.ends_with("4\r\nbody\r\n0\r\n\r\n"), "{without}");
    assert_eq!(field(&origin.asked()[1], "te"), None);
}

#[test]
fn who_waits_for_a_word_before_the_body_gets_it_from_the_edge() {
    let origin = Origin::new(|_| Act::Say(ok("", "taken")));
    let edge = edge(&origin, |_| ());
    let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let head = "PUT /a HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert!(common::read_head(&mut stream).unwrap().starts_with("HTTP/1.1 100 Continue"));
    assert_eq!(origin.asked().len(), 0, "the origin is not bothered before the body is there");
    stream.write_all(b"body").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(parse(&answer).text(), "taken");
    assert_eq!(field(&origin.asked()[0], "expect"), None);
}

#[test]
fn early_hints_come_early_and_to_who_knows_them() {
    const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Else: 1\r\n\r\n";
    let origin = Origin::new(|head| {
        let fields = if head.contains("/asset") { "Cache-Control: max-age=60\r\n" } else { "" };
        Act::SayTwice(HINTS.to_vec(), Duration::from_millis(300), ok(fields, "page"))
    });
    let edge = edge(&origin, |_| ());
    for (method, path) in [("GET", "/page"), ("GET", "/asset"), ("POST", "/form")] {
        let mut stream = TcpStream::connect(edge.local_addr()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let hints = common::read_head(&mut stream).unwrap();
        assert_eq!(hints, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n", "{method} {path}");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!((parse(&answer).status, parse(&answer).text().as_str()), (200, "page"));
    }
    let hit = raw(&edge, b"GET /asset HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    assert!(hit.starts_with(b"HTTP/1.1 200"), "what is stored needs no hints");
    let old = raw(&edge, b"GET /page HTTP/1.0\r\nHost: a.example\r\n\r\n");
    assert!(old.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&old));
}
