//! The same overflow for a visitor who speaks HTTP/2: redirects, answers that wait for the uplink, and a helper's own.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use overspill_edge::Handle;
use tokio::{net::TcpStream, time::timeout};

use crate::{Mesh, asset, common::LONG, common::until};

type Visitor = SendRequest<Empty<Bytes>>;

fn story<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(LONG, story).await.unwrap() })
}

async fn meet(edge: &Handle) -> Visitor {
    let stream = TcpStream::connect(edge.local_addr()).await.unwrap();
    let (visitor, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { connection.await.ok() });
    visitor
}

/// Status, `Location`, and the body once all of it is here.
async fn get(visitor: &mut Visitor, url: &str) -> (StatusCode, Option<String>, Bytes) {
    visitor.ready().await.unwrap();
    let (head, body) = visitor.send_request(Request::get(url).body(Empty::new()).unwrap()).await.unwrap().into_parts();
    let location = head.headers.get("location").map(|value| value.to_str().unwrap().to_owned());
    (head.status, location, body.collect().await.unwrap().to_bytes())
}

#[test]
fn over_http_2_excess_goes_to_a_helper_too() {
    let mesh = Mesh::new();
    story(async {
        let (mut owner, mut helper) = (meet(&mesh.owner).await, meet(&mesh.helper).await);
        let own = "http://blog.example/a.png";
        assert_eq!(get(&mut owner, own).await.0, StatusCode::OK);
        until("the image is spillable", || mesh.owner.observe().hot.len() == 1);
        mesh.lease();
        mesh.fill();
        let mut spilled = None;
        for _ in 0..20 {
            let (status, location, body) = get(&mut owner, own).await;
            match status {
                StatusCode::FOUND => spilled = location,
                _ => assert_eq!((status, body.as_ref()), (StatusCode::OK, asset("/a.png").as_bytes())),
            }
        }
        let redirect = spilled.expect("twenty images are more than the uplink carries");
        assert!(redirect.starts_with(&format!("http://{}/a.png?", mesh.guest())), "{redirect}");
        let (status, _, body) = get(&mut helper, &redirect).await;
        assert_eq!((status, body.as_ref()), (StatusCode::OK, asset("/a.png").as_bytes()));
        let (status, back, _) = get(&mut helper, &redirect).await;
        assert_eq!(status, StatusCode::FOUND, "a ticket is good once");
        let (status, _, body) = get(&mut owner, &back.unwrap()).await;
        assert_eq!((status, body.as_ref()), (StatusCode::OK, asset("/a.png").as_bytes()), "whoever comes back is served here");
    });
    let (owner, helper) = (mesh.owner.observe(), mesh.helper.observe());
    assert!(owner.spilled[0].serial > 0 && owner.spilled[0].sent_back == 1, "{owner:?}");
    assert_eq!((helper.hosted[0].requests, helper.hosted[0].bytes.0), (1, owner.spilled[0].bytes.0 / u64::from(owner.spilled[0].serial)));
}

#[test]
fn over_http_2_what_waits_for_the_uplink_holds_nobody_else_up() {
    let mesh = Mesh::new();
    story(async {
        let mut visitor = meet(&mesh.owner).await;
        let image = "http://blog.example/a.png";
        assert_eq!(get(&mut visitor, image).await.0, StatusCode::OK);
        until("the image is kept", || mesh.owner.metrics().stored_responses == 1);
        let begin = |visitor: &mut Visitor| visitor.send_request(Request::get(image).body(Empty::new()).unwrap());
        // Each is three tenths of a second of the uplink, and nobody can help.
        let images: Vec<_> = (0..4)
            .map(|_| {
                let answer = visitor.send_request(Request::get(image).body(Empty::new()).unwrap());
                tokio::spawn(async move {
                    let (head, body) = answer.await.unwrap().into_parts();
                    (head.status, body.collect().await.unwrap().to_bytes())
                })
            })
            .collect();
        let (status, _, page) = get(&mut visitor, "http://blog.example/page").await;
        assert_eq!((status, page.as_ref()), (StatusCode::OK, &b"<p>page</p>"[..]));
        assert!(images.iter().any(|image| !image.is_finished()), "the page overtakes them on their own connection");
        let mut whole = 0;
        for image in images {
            let (status, body) = image.await.unwrap();
            if status == StatusCode::OK {
                assert_eq!(body.as_ref(), asset("/a.png").as_bytes());
                whole += 1;
            } else {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "what could not leave in time is told to come again");
            }
        }
        assert!(whole >= 2, "{whole}");
    });
    until("no account is left open", || mesh.owner.metrics().requests_active == 0);
}
