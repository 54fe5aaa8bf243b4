//! Requests that stay here whatever the load: answered here, or refused.

use http::{HeaderMap, header};

use super::mark::has_passed_an_agent;

/// Destinations of fetches that browsers follow to no other origin (Fetch standard, "request destination"; HTML standard, workers).
const SAME_ORIGIN_ONLY: [&[u8]; 3] = [b"serviceworker", b"sharedworker", b"worker"];

/// Tells whether a request, by its fields, must not be sent to a helper.
pub(crate) fn must_stay(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || has_passed_an_agent(headers) || is_same_origin_only(headers)
}

/// Browsers that say nothing about a fetch are old: they have no workers to speak of.
fn is_same_origin_only(headers: &HeaderMap) -> bool {
    let says = |name: &str, values: &[&[u8]]| headers.get(name).is_some_and(|value| values.contains(&value.as_bytes()));
    headers.contains_key("service-worker") || says("sec-fetch-dest", &SAME_ORIGIN_ONLY) || says("sec-fetch-mode", &[b"same-origin"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn stays(name: &'static str, value: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        must_stay(&headers)
    }

    #[test]
    fn credentials_and_loops_stay() {
        assert!(!must_stay(&HeaderMap::new()));
        assert!(stays("authorization", "Basic eA=="));
        assert!(stays("cdn-loop", "overspill-0123"));
        assert!(!stays("cdn-loop", "other"));
    }

    #[test]
    fn what_browsers_would_not_follow_stays() {
        assert!(stays("service-worker", "script"));
        assert!(stays("sec-fetch-dest", "worker"));
        assert!(stays("sec-fetch-mode", "same-origin"));
        assert!(!stays("sec-fetch-dest", "image"));
        assert!(!stays("sec-fetch-mode", "no-cors"));
    }
}
