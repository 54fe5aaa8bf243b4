//! The same overflow for a visitor who speaks HTTP/2: redirects, answers that wait for the uplink, and a helper's own.

use http::{Method, StatusCode};

use crate::{
    Mesh, asset,
    common::{
        http2::{Visitor, ask, meet_plainly, request, story},
        until,
    },
};

/// Status, `Location`, and the body once all of it is here.
async fn get(visitor: &mut Visitor, url: &str) -> (StatusCode, Option<String>, String) {
    let (head, body) = ask(visitor, request(Method::GET, url, &[], b"")).await;
    (head.status, head.headers.get("location").map(|value| value.to_str().unwrap().to_owned()), body)
}

#[test]
fn over_http_2_excess_goes_to_a_helper_too() {
    let mesh = Mesh::new();
    story(async {
        let (mut owner, mut helper) = (meet_plainly(&mesh.owner).await, meet_plainly(&mesh.helper).await);
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
                _ => assert_eq!((status, body), (StatusCode::OK, asset("/a.png"))),
            }
        }
        let redirect = spilled.expect("twenty images are more than the uplink carries");
        assert!(redirect.starts_with(&format!("http://{}/a.png?", mesh.guest())), "{redirect}");
        let (status, _, body) = get(&mut helper, &redirect).await;
        assert_eq!((status, body), (StatusCode::OK, asset("/a.png")));
        let (status, back, _) = get(&mut helper, &redirect).await;
        assert_eq!(status, StatusCode::FOUND, "a ticket is good once");
        let (status, _, body) = get(&mut owner, &back.unwrap()).await;
        assert_eq!((status, body), (StatusCode::OK, asset("/a.png")), "whoever comes back is served here");
    });
    let (owner, helper) = (mesh.owner.observe(), mesh.helper.observe());
    assert!(owner.spilled[0].serial > 0 && owner.spilled[0].sent_back == 1, "{owner:?}");
    assert_eq!((helper.hosted[0].requests, helper.hosted[0].bytes.0), (1, owner.spilled[0].bytes.0 / u64::from(owner.spilled[0].serial)));
}

#[test]
fn over_http_2_what_waits_for_the_uplink_holds_nobody_else_up() {
    let mesh = Mesh::new();
    story(async {
        let mut visitor = meet_plainly(&mesh.owner).await;
        let image = "http://blog.example/a.png";
        assert_eq!(get(&mut visitor, image).await.0, StatusCode::OK);
        until("the image is kept", || mesh.owner.metrics().stored_responses == 1);
        // Each is three tenths of a second of the uplink, and nobody can help.
        let images: Vec<_> = (0..4)
            .map(|_| {
                let mut visitor = visitor.clone();
                tokio::spawn(async move { get(&mut visitor, image).await })
            })
            .collect();
        // They have asked before the page is asked for.
        tokio::task::yield_now().await;
        let (status, _, page) = get(&mut visitor, "http://blog.example/page").await;
        assert_eq!((status, page.as_str()), (StatusCode::OK, "<p>page</p>"));
        assert!(images.iter().any(|image| !image.is_finished()), "the page overtakes them on their own connection");
        let mut whole = 0;
        for image in images {
            let (status, _, body) = image.await.unwrap();
            if status == StatusCode::OK {
                assert_eq!(body, asset("/a.png"));
                whole += 1;
            } else {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "what could not leave in time is told to come again");
            }
        }
        assert!(whole >= 2, "{whole}");
    });
    until("no account is left open", || mesh.owner.metrics().requests_active == 0);
}
