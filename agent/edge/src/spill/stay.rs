//! Requests that stay here whatever the load: answered here, or refused.

use super::mark::has_passed_an_agent;
use crate::fields::Fields;

/// Destinations of fetches that browsers follow to no other origin (Fetch standard, "request destination"; HTML standard, workers).
const SAME_ORIGIN_ONLY: [&[u8]; 3] = [b"serviceworker", b"sharedworker", b"worker"];

/// Tells whether a request, by its fields, must not be sent to a helper.
pub(crate) fn must_stay(fields: &(impl Fields + ?Sized)) -> bool {
    fields.has("authorization") || has_passed_an_agent(fields) || is_same_origin_only(fields)
}

/// Browsers that say nothing about a fetch are old: they have no workers to speak of.
fn is_same_origin_only(fields: &(impl Fields + ?Sized)) -> bool {
    let says = |name: &str, values: &[&[u8]]| fields.values(name).next().is_some_and(|value| values.contains(&value));
    fields.has("service-worker") || says("sec-fetch-dest", &SAME_ORIGIN_ONLY) || says("sec-fetch-mode", &[b"same-origin"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

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
