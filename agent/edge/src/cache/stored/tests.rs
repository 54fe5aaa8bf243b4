use super::*;
use crate::limits::SHORT_BODY_BYTES_MAX;

#[test]
fn what_there_may_be_a_million_of_is_small() {
    // With the counts of an `Arc` and the allocator's header it takes 208 bytes; the next size is 224.
    assert!(size_of::<Stored>() <= 184, "{}", size_of::<Stored>());
}

#[test]
fn a_confirmation_shares_a_long_body_and_keeps_a_short_one() {
    for length in [0, 10, SHORT_BODY_BYTES_MAX, SHORT_BODY_BYTES_MAX + 1] {
        let body = Bytes::from(vec![7; length]);
        let before = Stored::sample(&[(header::CACHE_CONTROL, "max-age=60"), (header::ETAG, "\"1\"")], body.clone());
        let (request, now) = (HeaderMap::new(), Now::default());
        let asked = crate::cache::admit::Asked { path: "/", headers: &request, cookies: Cookies::Free, at: now.date };
        let mut update = HeaderMap::new();
        update.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=120"));
        let updated = before.updated_headers(&update);
        let admitted = crate::cache::admit::admit(asked, StatusCode::OK, &updated, now.date).unwrap();
        let after = before.confirmed(admitted, updated, now);
        assert_eq!(
            (after.body(), after.value(&header::ETAG), after.lifetime()),
            (body, before.value(&header::ETAG), Duration::from_mins(2))
        );
        assert_eq!(after.body_bytes().as_ptr() == before.body_bytes().as_ptr(), length > SHORT_BODY_BYTES_MAX, "{length}");
        assert!(after.outdated(now.time).body_bytes().as_ptr() == after.body_bytes().as_ptr());
        assert!(after.weight() > length as u64 + 184);
    }
}
