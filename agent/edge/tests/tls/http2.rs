//! HTTP/2, over TLS and with prior knowledge over plain connections.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Response, StatusCode, Version};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use overspill_edge::Handle;
use tokio::net::TcpStream;

use crate::{
    common::{
        Act, LONG, Origin, field,
        http2::{Visitor, ask, meet_plainly, request, speak, story},
        ok, until,
    },
    support::{Certificate, secure_edge, trusting},
};

async fn meet(edge: &Handle, certificate: &Certificate) -> Visitor {
    let tcp = TcpStream::connect(edge.secure_addrs()[0]).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(trusting(certificate, &[b"h2", b"http/1.1"]));
    let tls = connector.connect("blog.example".try_into().unwrap(), tcp).await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    speak(tls).await
}

async fn get(visitor: &mut Visitor, target: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
    let (head, body) = ask(visitor, request(Method::GET, target, fields, b"")).await;
    (head.status, body)
}

fn page() -> Origin {
    Origin::new(|head| {
        Act::Say(match head.split(' ').nth(1) {
            Some("/slow") => return Act::SayAfter(Duration::from_millis(500), ok("", "slow")),
            Some("/in") => ok("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", "taken"),
            Some("/long") => ok("Cache-Control: max-age=60\r\n", &"x".repeat(1 << 20)),
            _ => ok("Cache-Control: max-age=60\r\nETag: \"1\"\r\n", "0123456789"),
        })
    })
}

#[test]
fn a_site_is_served_over_http_2() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |_| ());
    story(async {
        let mut visitor = meet(&edge, &certificate).await;
        for _ in 0..2 {
            let (head, body) = ask(&mut visitor, request(Method::GET, "https://blog.example/", &[], b"")).await;
            assert_eq!((head.version, head.status, body.as_str()), (Version::HTTP_2, StatusCode::OK, "0123456789"));
            assert_eq!(head.headers["content-length"], "10");
        }
        assert_eq!(origin.asked_for("/"), 1, "the second is a hit");
        let home = "https://blog.example/";
        assert_eq!(get(&mut visitor, home, &[("if-none-match", "\"1\"")]).await.0, StatusCode::NOT_MODIFIED);
        assert_eq!(get(&mut visitor, home, &[("range", "bytes=2-4")]).await, (StatusCode::PARTIAL_CONTENT, "234".to_owned()));
        let (head, body) = ask(&mut visitor, request(Method::HEAD, home, &[], b"")).await;
        assert_eq!((&head.headers["content-length"], body.as_str()), (&http::HeaderValue::from_static("10"), ""));
        let long = get(&mut visitor, "https://blog.example/long", &[]).await.1;
        assert_eq!(long.len(), 1 << 20);
        let upload = request(Method::POST, "https://blog.example/in", &[], &vec![b'y'; 300_000]);
        let (head, body) = ask(&mut visitor, upload).await;
        assert_eq!((head.status, body.as_str()), (StatusCode::OK, "taken"));
        assert!(!head.headers.contains_key("connection") && !head.headers.contains_key("keep-alive"));
    });
    let heads = origin.asked();
    assert!(heads.iter().all(|head| field(head, "x-forwarded-proto").as_deref() == Some("https")), "{heads:?}");
    assert!(heads.iter().all(|head| field(head, "host").as_deref() == Some("blog.example")), "{heads:?}");
    assert!(heads.iter().all(|head| head.split("\r\n").next().is_some_and(|line| line.ends_with(" HTTP/1.1"))), "{heads:?}");
}

#[test]
fn many_requests_share_a_connection_and_none_waits_for_another() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |_| ());
    story(async {
        let mut visitor = meet(&edge, &certificate).await;
        let mut other = visitor.clone();
        let slow = tokio::spawn(async move { get(&mut other, "https://blog.example/slow", &[]).await });
        tokio::task::yield_now().await;
        assert_eq!(get(&mut visitor, "https://blog.example/", &[]).await.1, "0123456789");
        assert!(!slow.is_finished());
        assert_eq!(slow.await.unwrap().1, "slow");
        assert_eq!(edge.metrics().connections, 1);
    });
}

#[test]
fn prior_knowledge_is_enough_on_the_plain_listener() {
    let origin = page();
    let edge = crate::common::edge(&origin, |_| ());
    story(async {
        let mut visitor = meet_plainly(&edge).await;
        assert_eq!(get(&mut visitor, "http://blog.example/", &[]).await.1, "0123456789");
        let cookies = [("cookie", "a=1"), ("cookie", "session=2"), ("te", "trailers")];
        assert_eq!(get(&mut visitor, "http://blog.example/in", &cookies).await.1, "taken");
    });
    let head = origin.asked().pop().unwrap();
    assert_eq!(field(&head, "cookie").as_deref(), Some("a=1; session=2"));
    assert_eq!(field(&head, "te").as_deref(), Some("trailers"), "a visitor who takes trailers gets the origin's");
    assert_eq!(field(&head, "x-forwarded-proto").as_deref(), Some("http"));
    // HTTP/1.1 on the same listener is none the worse.
    assert_eq!(crate::common::get(&edge, "/").text(), "0123456789");
}

#[test]
fn what_is_not_one_clear_request_is_refused_and_the_connection_lives() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |config| {
        config.canonical = Some(overspill_edge::Canonical { scheme: http::uri::Scheme::HTTPS, authority: "blog.example".parse().unwrap() });
        config.hosts = vec!["www.blog.example".parse().unwrap()];
    });
    story(async {
        let mut visitor = meet(&edge, &certificate).await;
        let many: Vec<_> = (0..120).map(|_| ("x", "y")).collect();
        for (target, fields) in [
            ("https://blog.example/", &[("host", "other.example")][..]),
            ("https://blog.example/", &[("host", "blog.example"), ("host", "blog.example")]),
            ("https://user@blog.example/", &[]),
            ("https://blog.example/", &many),
        ] {
            assert_eq!(get(&mut visitor, target, fields).await.0, StatusCode::BAD_REQUEST, "{target} {fields:?}");
        }
        assert_eq!(get(&mut visitor, "https://other.example/", &[]).await.0, StatusCode::MISDIRECTED_REQUEST);
        let trace = request(Method::TRACE, "https://blog.example/", &[], b"");
        assert_eq!(ask(&mut visitor, trace).await.0.status, StatusCode::BAD_REQUEST);
        assert_eq!(origin.asked().len(), 0);
        for host in ["blog.example", "www.blog.example"] {
            assert_eq!(get(&mut visitor, &format!("https://{host}/"), &[("host", host)]).await.0, StatusCode::OK);
        }
        assert_eq!(edge.metrics().connections_accepted, 1);
    });
}

#[test]
fn a_guests_name_is_served_over_tls_and_tells_whose_it_is() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example", "*.guests.example"]));
    let edge = secure_edge(&origin, &[&certificate], |config| {
        config.guest_suffix = Some("guests.example".to_owned());
        config.member_key = Some("key".to_owned());
        config.tls.redirect = true;
    });
    story(async {
        for mut visitor in [meet(&edge, &certificate).await, meet_plainly(&edge).await] {
            let guest = get(&mut visitor, "https://guest-1.guests.example/a.css", &[]).await.0;
            assert!(guest != StatusCode::OK && guest != StatusCode::PERMANENT_REDIRECT, "without a ticket: {guest}");
            assert_eq!(get(&mut visitor, "https://guest-1.guests.example/.well-known/overspill", &[]).await.1, "key");
        }
    });
    assert_eq!(origin.asked().len(), 0);
}

#[test]
fn a_stop_lets_what_was_begun_finish() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = Arc::new(secure_edge(&origin, &[&certificate], |_| ()));
    story(async {
        let mut visitor = meet(&edge, &certificate).await;
        let mut other = visitor.clone();
        let slow = tokio::spawn(async move { get(&mut other, "https://blog.example/slow", &[]).await });
        while origin.asked_for("/slow") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let stopped = Arc::clone(&edge);
        let stop = tokio::task::spawn_blocking(move || stopped.shutdown(LONG));
        assert_eq!(slow.await.unwrap(), (StatusCode::OK, "slow".to_owned()));
        assert!(stop.await.unwrap(), "everything finished in time");
        let late: Result<Response<_>, _> = visitor.send_request(request(Method::GET, "https://blog.example/", &[], b"")).await;
        assert!(late.is_err());
    });
}

#[test]
fn an_idle_connection_is_told_to_leave() {
    let (origin, certificate) = (page(), Certificate::new(&["blog.example"]));
    let edge = secure_edge(&origin, &[&certificate], |config| config.timeouts.header_read = Duration::from_millis(200));
    story(async {
        let mut visitor = meet(&edge, &certificate).await;
        assert_eq!(get(&mut visitor, "https://blog.example/", &[]).await.0, StatusCode::OK);
        while visitor.ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    until("the connection is closed", || edge.metrics().connections == 0);
}

#[test]
fn a_visitor_who_takes_nothing_is_given_up() {
    let origin = page();
    let edge = crate::common::edge(&origin, |config| {
        (config.timeouts.visitor_stall, config.timeouts.origin_idle) = (Duration::from_millis(300), Duration::from_millis(300));
    });
    story(async {
        let stream = TcpStream::connect(edge.local_addr()).await.unwrap();
        // A window of 20 kB, which is never opened again.
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(20_000);
        let (mut visitor, connection) = builder.handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let answer = visitor.send_request(request(Method::GET, "http://blog.example/long", &[], b"")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let _ended = connection.await.unwrap();
        drop(answer);
    });
    until("the connection is closed", || edge.metrics().connections == 0);
}
