use super::*;
use crate::limits::SHORT_BODY_BYTES_MAX;

#[test]
fn what_there_may_be_a_million_of_is_small() {
    // With the counts of an `Arc` it takes 192 bytes; the allocator's next size is 224.
    assert!(size_of::<Stored>() <= 176, "{}", size_of::<Stored>());
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
        let outdated = after.outdated(now.time);
        assert_eq!(outdated.body(), after.body());
        assert_eq!(outdated.body_bytes().as_ptr() == after.body_bytes().as_ptr(), length > SHORT_BODY_BYTES_MAX, "{length}");
        assert!(after.weight() > length as u64 + 176);
    }
}

#[test]
fn a_body_on_its_way_is_not_copied() {
    for length in [0, 10, SHORT_BODY_BYTES_MAX, SHORT_BODY_BYTES_MAX + 1] {
        let stored = Arc::new(Stored::sample(&[(header::CACHE_CONTROL, "max-age=60")], vec![7; length].into()));
        let body = stored.whole().into_bytes();
        assert_eq!(body, stored.body());
        assert!(length == 0 || body.as_ptr() == stored.body_bytes().as_ptr());
        // It outlives the cache's interest.
        drop(stored);
        assert_eq!(body, vec![7; length]);
    }
}

#[test]
fn what_is_cut_is_within() {
    for length in [10_u64, SHORT_BODY_BYTES_MAX as u64 + 1] {
        let body = Bytes::from(vec![7; usize::try_from(length).unwrap()]);
        let stored = Stored::sample(&[(header::CACHE_CONTROL, "max-age=60")], body);
        let cut = |range| stored.cut(&range).map(|payload| payload.into_bytes().len() as u64);
        assert_eq!((cut(0..length), cut(3..7), cut(length..length)), (Some(length), Some(4), Some(0)));
        #[expect(clippy::reversed_empty_ranges, reason = "what a caller must never ask for")]
        let nonsense = (cut(0..length + 1), cut(7..3));
        assert_eq!(nonsense, (None, None));
    }
}
