//! What an unsafe request that the origin took makes obsolete, here and at helpers.

use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use overspill_governance::time::Time;

use crate::{
    cache::{
        groups::{CACHE_GROUP_INVALIDATION, named},
        key::Key,
    },
    edge::Edge,
    purge,
};

/// Forgets what an unsafe request for `key` changed, by the head of its answer.
pub(crate) fn by_answer(key: &Key, status: StatusCode, answer: &HeaderMap, edge: &Edge) {
    purge::by_answer(key, answer, edge);
    let now = edge.clock.time();
    for obsolete in resources(key, status, answer) {
        forget(&obsolete, edge, now);
    }
    //= RFC 9875 section 3: whatever the status; this function is not called for safe methods.
    for group in named(answer.get_all(&CACHE_GROUP_INVALIDATION).iter().map(HeaderValue::as_bytes)) {
        for spilled in edge.store.remove_group(key, &group, now) {
            edge.recall_from_helpers(&spilled);
        }
    }
}

/// The target, and on the same site what Location and Content-Location name.
//= RFC 9111 section 4.4
fn resources(key: &Key, status: StatusCode, answer: &HeaderMap) -> Vec<Key> {
    if !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut obsolete = vec![key.clone()];
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let named = answer.get(name).and_then(|value| Uri::try_from(value.as_bytes()).ok());
        let Some(target) = named.as_ref().and_then(Uri::path_and_query).filter(|target| target.as_str().starts_with('/')) else { continue };
        let other = match named.as_ref().and_then(|uri| uri.scheme().zip(uri.authority())) {
            Some((scheme, authority)) => Key::new(scheme, authority, target),
            None => key.sibling(target.as_str()),
        };
        if other.origin() == key.origin() {
            obsolete.push(other);
        }
    }
    obsolete
}

fn forget(key: &Key, edge: &Edge, now: Time) {
    // Nobody joins a fetch that the origin may have answered before the change.
    edge.flights.close_all(key);
    if edge.store.remove(key, now) {
        edge.recall_from_helpers(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{
        HeaderName, HeaderValue,
        uri::{Authority, PathAndQuery, Scheme},
    };

    fn named(status: u16, fields: &[(HeaderName, &'static str)]) -> Vec<String> {
        let key = Key::new(&Scheme::HTTPS, &Authority::from_static("blog.example"), &PathAndQuery::from_static("/a"));
        let answer: HeaderMap = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        resources(&key, StatusCode::from_u16(status).unwrap(), &answer).iter().map(|key| key.path().to_owned()).collect()
    }

    #[test]
    fn what_an_answer_names_on_the_same_site_is_obsolete() {
        let both = [(header::LOCATION, "/b?c"), (header::CONTENT_LOCATION, "https://BLOG.example:443/d")];
        assert_eq!(named(201, &both), ["/a", "/b?c", "/d"]);
        assert_eq!(named(303, &[(header::LOCATION, "http://blog.example/b")]), ["/a"]);
        assert_eq!(named(200, &[(header::LOCATION, "https://evil.example/b"), (header::CONTENT_LOCATION, "?x")]), ["/a"]);
        assert_eq!(named(500, &both), [] as [String; 0]);
        assert_eq!(named(404, &both), [] as [String; 0]);
    }
}
