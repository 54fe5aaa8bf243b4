//! What a response's status code says about keeping it (RFC 9110 section 15, RFC 9111 section 3).

use http::StatusCode;

/// Tells whether a response of that status may be kept on the origin's word: it is final, neither a part nor a confirmation, and no word about
/// the fields of the request that caused it. Those are not in the key: whoever sends an odd one would have it refused to everybody.
pub(crate) fn is_storable(status: StatusCode) -> bool {
    !status.is_informational() && !matches!(status.as_u16(), 206 | 304 | 400 | 413 | 431)
}

/// Tells whether this cache knows what a status code means for caches: those of RFC 9110 do.
//= RFC 9111 section 5.2.2.3
pub(crate) fn is_understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}

/// Tells whether a response of that status may be kept although its origin says nothing of how long.
//= RFC 9110 section 15.1: "heuristically cacheable"
pub(crate) fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Tells whether a response of that status is a failure: of this request, or of the origin now. It is kept for a moment at most and never shown
/// beyond that, whatever was said of it: whoever makes the origin fail once must not have made it fail for everybody ("cache-poisoned denial of
/// service").
pub(crate) fn is_failure(status: StatusCode) -> bool {
    status.as_u16() >= 400 && !is_heuristic(status)
}

/// Tells whether it says that nothing is there: to many sites such an answer costs as much as a page.
pub(crate) fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_from_what_is_gone() {
        let of = |code: u16| StatusCode::from_u16(code).unwrap();
        assert!([400, 401, 403, 429, 499, 500, 502, 503, 504, 599].into_iter().all(|code| is_failure(of(code))));
        assert!([200, 204, 299, 301, 303, 404, 410, 414, 501].into_iter().all(|code| !is_failure(of(code))));
        assert!(!is_understood(of(599)) && !is_understood(of(299)) && is_understood(of(404)));
        assert!(!is_storable(of(206)) && !is_storable(of(304)) && !is_storable(of(103)) && is_storable(of(599)));
        assert!(![400, 413, 431].into_iter().any(|code| is_storable(of(code))), "said of one request");
    }
}
