//! What a guest's visitor gets: the object with the fields that keep it harmless here, or the way back to its owner.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use overspill_governance::{
    digest::ObjectDigest,
    time::{Date, Now},
};
use overspill_protocol::{
    attest,
    limits::TICKET_LIFETIME,
    manifest::Object,
    plan::Host,
    ticket::{BACK_PARAMETER, BackMark},
};

use super::limits::MAX_AGE_MAX;
use crate::{
    cache::range::{Part, part},
    spill::{found, mark::with_parameter},
};

/// Sends the visitor to the owner's own address for `path`, with a mark under the lease's key: it will not be spilled again.
pub(crate) fn send_back(host: &Host, path: &str, now: Now) -> Response<Bytes> {
    send(&host.canonical, path, &BackMark::issue(&host.key, host.lease, mark_expires(now), path))
}

/// The same for a guest whose leases, and with them their keys, are not known here (any more).
pub(crate) fn send_home(canonical: &str, path: &str, now: Now) -> Response<Bytes> {
    send(canonical, path, &BackMark::keyless(mark_expires(now)))
}

fn mark_expires(now: Now) -> u32 {
    u32::try_from(now.date.after(TICKET_LIFETIME).as_secs()).unwrap_or(u32::MAX)
}

fn send(canonical: &str, path: &str, mark: &BackMark) -> Response<Bytes> {
    let url = with_parameter(canonical, path, BACK_PARAMETER, &mark.to_text());
    match HeaderValue::from_maybe_shared(Bytes::from(url)) {
        Ok(location) => {
            let mut response = found(location);
            response.headers_mut().insert("x-robots-tag", HeaderValue::from_static("noindex"));
            response
        }
        // A path that no field can carry was never one of the owner's.
        Err(_) => page(StatusCode::NOT_FOUND, "There is no such page here.\n"),
    }
}

/// A small answer without an object.
pub(crate) fn page(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    response
}

/// The object, whole or the one range that was asked for.
///
/// Nothing of the request but its range counts: cookies are not looked at, and no field of the owner's origin travels.
pub(crate) fn object(host: &Host, object: &Object, body: Bytes, request: &HeaderMap, was_stored: bool, now: Date) -> Response<Bytes> {
    let tag = entity_tag(&object.digest);
    let wanted = match request.get(header::IF_RANGE) {
        Some(tag_wanted) if tag_wanted.as_bytes() != tag.as_bytes() => Part::Whole,
        _ => part(request, body.len() as u64),
    };
    let mut response = Response::new(Bytes::new());
    let length = body.len();
    match wanted {
        Part::Whole => *response.body_mut() = body,
        Part::Some(Range { start, end }) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            insert(response.headers_mut(), header::CONTENT_RANGE, format!("bytes {start}-{}/{length}", end - 1));
            *response.body_mut() = body.slice(start as usize..end as usize);
        }
        Part::Unsatisfiable => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            insert(response.headers_mut(), header::CONTENT_RANGE, format!("bytes */{length}"));
        }
    }
    let length = response.body().len();
    let headers = response.headers_mut();
    insert(headers, header::CONTENT_TYPE, object.media_type.clone());
    insert(headers, header::CONTENT_LENGTH, length.to_string());
    insert(headers, header::ETAG, tag);
    insert(headers, header::LINK, format!("<{}{}>; rel=\"canonical\"", host.canonical, object.path));
    insert(headers, header::CACHE_CONTROL, format!("private, max-age={}", max_age(object, now)));
    if let Some(value) = host.attested.value(object) {
        insert(headers, header::HeaderName::from_static(attest::FIELD), value.to_owned());
    }
    let status = if was_stored { "overspill; hit" } else { "overspill; fwd=miss; stored" };
    headers.insert("cache-status", HeaderValue::from_static(status));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    for (name, value) in FIXED {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    response
}

/// What every object is sent with. Any page may use it (CORS, CORP, timing), no index lists it, no browser guesses its type,
/// and what it loads learns at most this host's name.
const FIXED: &[(&str, &str)] = &[
    ("access-control-allow-origin", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("timing-allow-origin", "*"),
    ("x-robots-tag", "noindex"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
];

/// What is left of the object's freshness. Private: the address holds a ticket, which is one visitor's.
fn max_age(object: &Object, now: Date) -> u64 {
    object.fresh_until.since(now).as_secs().min(MAX_AGE_MAX)
}

fn entity_tag(digest: &ObjectDigest) -> String {
    format!("\"{digest}\"")
}

/// Inserts a value that our own rules make printable; one that is not, is left out.
fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
        headers.insert(name, value);
    }
}
