//! Conditional requests: what a visitor's copy is worth, and how the origin is asked about ours (RFC 9110 section 13).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{fresh::parse_date, stored::Stored};

/// Fields by which a request makes itself conditional or partial. The edge answers them from whole responses.
pub(crate) const CONDITIONS: [HeaderName; 6] =
    [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE, header::IF_RANGE, header::RANGE];

/// Tells whether the visitor already has the response with these fields.
//= RFC 9110 section 13.2.2: If-Modified-Since counts only without If-None-Match.
pub(crate) fn not_modified(request: &HeaderMap, response: &HeaderMap) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        let own = response.get(header::ETAG);
        return request.get_all(header::IF_NONE_MATCH).iter().any(|list| names(list, own));
    }
    let since = request.get(header::IF_MODIFIED_SINCE).and_then(parse_date);
    let modified = response.get(header::LAST_MODIFIED).and_then(parse_date);
    matches!((since, modified), (Some(since), Some(modified)) if modified <= since)
}

/// Tells whether a list of entity tags names `own`, by weak comparison (RFC 9110 section 8.8.3.2).
fn names(list: &HeaderValue, own: Option<&HeaderValue>) -> bool {
    let list = list.as_bytes().trim_ascii();
    let Some(own) = own.map(|tag| opaque(tag.as_bytes())) else { return list == b"*" };
    // Tags may hold commas: the opaque part is looked for between its quotes.
    list == b"*" || split_tags(list).any(|tag| opaque(tag) == own)
}

fn split_tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    list.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    })
}

fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Tells whether If-Range allows a part of the response with these fields (RFC 9110 section 13.1.5: strong comparison only).
pub(crate) fn range_allowed(request: &HeaderMap, response: &HeaderMap) -> bool {
    let Some(condition) = request.get(header::IF_RANGE) else { return true };
    if condition.as_bytes().starts_with(b"\"") {
        return response.get(header::ETAG) == Some(condition);
    }
    parse_date(condition).is_some() && response.get(header::LAST_MODIFIED) == Some(condition)
}

/// Makes a request to the origin conditional on our copy (RFC 9111 section 4.3.1).
pub(crate) fn ask_about(stored: &Stored, request: &mut HeaderMap) {
    for (ours, condition) in [(header::ETAG, header::IF_NONE_MATCH), (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE)] {
        if let Some(value) = stored.value(&ours).and_then(|value| HeaderValue::from_bytes(value).ok()) {
            request.insert(condition, value);
        }
    }
}

/// Tells whether the answer to HEAD speaks of the representation that is stored: no validator that it has differs, nor its length.
//= RFC 9111 section 4.3.5
pub(crate) fn same_by_head(stored: &Stored, head: &HeaderMap) -> bool {
    let same = |name| head.get(&name).is_none_or(|value| stored.value(&name) == Some(value.as_bytes()));
    let length = head.get(header::CONTENT_LENGTH).map(|length| length.as_bytes().trim_ascii());
    same(header::ETAG) && same(header::LAST_MODIFIED) && length.is_none_or(|length| length == stored.length().to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn tags_come_before_dates() {
        let response = fields(&[("etag", "W/\"a,b\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        let asks = |pairs: &[(&'static str, &'static str)]| not_modified(&fields(pairs), &response);
        assert!(asks(&[("if-none-match", "\"x\", \"a,b\"")]) && asks(&[("if-none-match", "*")]));
        assert!(!asks(&[("if-none-match", "\"a\""), ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")]));
        assert!(asks(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")]));
        assert!(!asks(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")]) && !asks(&[("if-modified-since", "nonsense")]));
        assert!(!asks(&[]));
    }

    #[test]
    fn a_part_is_given_only_of_the_very_same_bytes() {
        let response = fields(&[("etag", "\"1\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        assert!(range_allowed(&fields(&[]), &response));
        assert!(range_allowed(&fields(&[("if-range", "\"1\"")]), &response));
        assert!(!range_allowed(&fields(&[("if-range", "W/\"1\"")]), &response));
        assert!(!range_allowed(&fields(&[("if-range", "\"2\"")]), &response));
    }
}
