use super::*;

use overspill_governance::site::SiteId;
use tokio::net::TcpListener;

const BODY: &str = "a file";

fn sample(base: &str) -> Sample {
    Sample {
        number: 1,
        owner: SiteId([1; 32]),
        helper: SiteId([2; 32]),
        base: base.to_owned(),
        path: "/a.png?v=1".to_owned(),
        ticket: "TICKET".to_owned(),
        referrer: "https://blog.example".to_owned(),
    }
}

/// Somebody who gives `answers` one after the other on one connection, each when a head has come; what was asked of it is sent here.
async fn host(answers: Vec<String>) -> (u16, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, heard) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        for answer in answers {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            asked.send(String::from_utf8(head).unwrap()).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (port, heard)
}

fn file() -> String {
    let tag = ObjectDigest::of(BODY.as_bytes());
    format!("HTTP/1.1 200 OK\r\nETag: \"{tag}\"\r\nOverspill-Served: SIGNED\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len())
}

#[tokio::test]
async fn a_sample_asks_as_a_browser_does_and_tells_what_came() {
    let (port, mut heard) = host(vec![file()]).await;
    let ways = Ways::new(Reach::Anywhere, None);
    let answer = take(&sample(&format!("http://guest.localhost:{port}")), &ways).await.unwrap();
    let digest = ObjectDigest::of(BODY.as_bytes());
    assert_eq!((answer.status, answer.whole, answer.body, answer.named), (200, true, digest, Some(digest)));
    assert_eq!(answer.served.as_deref(), Some("SIGNED"));
    let asked = heard.recv().await.unwrap();
    assert!(asked.starts_with("GET /a.png?v=1&overspill-ticket=TICKET HTTP/1.1\r\n"), "{asked}");
    for field in
        ["User-Agent: Mozilla/5.0", "Accept-Encoding: gzip", "Referer: https://blog.example/", &format!("Host: guest.localhost:{port}")]
    {
        assert!(asked.contains(field), "{asked}");
    }
    assert!(!asked.to_ascii_lowercase().replace("overspill-ticket=", "").contains("overspill"), "nothing names the agent: {asked}");
}

#[tokio::test]
async fn redirects_encodings_and_broken_bodies_are_told_as_they_are() {
    for (answer, status, whole) in [
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", 302, true),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", 200, false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", 200, false),
    ] {
        let (port, _heard) = host(vec![answer.to_owned()]).await;
        let answer = take(&sample(&format!("http://guest.localhost:{port}")), &Ways::new(Reach::Anywhere, None)).await.unwrap();
        assert_eq!((answer.status, answer.whole), (status, whole));
    }
}

#[tokio::test]
async fn a_proxy_stands_between() {
    let (port, mut heard) = host(vec!["HTTP/1.1 200 Connected\r\n\r\n".to_owned(), file()]).await;
    let ways = Ways::new(Reach::Public, Some(format!("127.0.0.1:{port}")));
    let answer = take(&sample("http://guest.helper.example:8080"), &ways).await.unwrap();
    assert_eq!(answer.body, ObjectDigest::of(BODY.as_bytes()));
    assert!(heard.recv().await.unwrap().starts_with("CONNECT guest.helper.example:8080 HTTP/1.1\r\n"));
    assert!(heard.recv().await.unwrap().contains("Host: guest.helper.example:8080\r\n"));
    let (port, _heard) = host(vec!["HTTP/1.1 403 Forbidden\r\n\r\n".to_owned()]).await;
    let refused = take(&sample("http://guest.helper.example"), &Ways::new(Reach::Public, Some(format!("127.0.0.1:{port}")))).await;
    assert!(matches!(refused, Err(Unanswered::Broken(_))), "{refused:?}");
}

#[tokio::test]
async fn strange_addresses_are_not_asked() {
    let (port, _heard) = host(vec![file()]).await;
    for proxy in [None, Some(format!("127.0.0.1:{port}"))] {
        for base in [
            format!("http://127.0.0.1:{port}"),
            format!("http://guest.localhost:{port}"),
            "http://10.0.0.1".to_owned(),
            "http://[::1]".to_owned(),
        ] {
            let refused = take(&sample(&base), &Ways::new(Reach::Public, proxy.clone())).await;
            assert!(matches!(refused, Err(Unanswered::NoAddress(_))), "{base}: {refused:?}");
        }
    }
    assert!(matches!(take(&sample("ftp://guest.example"), &Ways::new(Reach::Public, None)).await, Err(Unanswered::NotAHost(_))));
}
