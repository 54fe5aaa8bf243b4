//! Answers made of stored or shared responses: conditions, ranges, and the fields that say where an answer comes from.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use overspill_governance::time::Time;

use crate::{
    access::CacheUse,
    admission::Interest,
    body::Payload,
    cache::{
        range::{Part, part},
        stored::Stored,
        validate,
    },
    flight::Shared,
    request::Answer,
    waiting,
};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Fields that a 304 carries (RFC 9110 section 15.4.5), besides those that the edge adds.
const OF_NOT_MODIFIED: [HeaderName; 7] =
    [header::CACHE_CONTROL, header::CONTENT_LOCATION, header::DATE, header::ETAG, header::EXPIRES, header::LAST_MODIFIED, header::VARY];

/// Answers with a stored response.
pub(crate) fn from_stored(stored: &Arc<Stored>, request: &HeaderMap, cache: CacheUse, now: Time) -> Answer {
    let fields = stored.headers();
    let mut response = if stored.status == StatusCode::OK && validate::not_modified(request, &fields) {
        not_modified(&fields)
    } else {
        match whole_or_part(stored, &fields, request) {
            Part::Whole => return (whole_as(stored, fields, cache, now), cache),
            Part::Some(range) => match stored.cut(&range) {
                Some(cut) => partial(fields, &range, stored.length(), cut),
                None => unsatisfiable(stored),
            },
            Part::Unsatisfiable => unsatisfiable(stored),
        }
    };
    say(response.headers_mut(), stored, cache, now);
    (response, cache)
}

/// Answers with all of a stored response, which is fresh.
pub(crate) fn whole(stored: &Arc<Stored>, now: Time) -> Response<Payload> {
    whole_as(stored, stored.headers(), CacheUse::Hit, now)
}

fn whole_as(stored: &Arc<Stored>, mut fields: HeaderMap, cache: CacheUse, now: Time) -> Response<Payload> {
    say(&mut fields, stored, cache, now);
    with(stored.status, fields, stored.whole())
}

/// Answers with bytes of a stretch of a response: their place, the whole's length, and the bytes themselves.
pub(crate) fn from_part(stored: &Stored, (range, total, bytes): (Range<u64>, u64, Bytes), cache: CacheUse, now: Time) -> Answer {
    let mut response = partial(stored.headers(), &range, total, Payload::whole(bytes));
    say(response.headers_mut(), stored, cache, now);
    (response, cache)
}

/// Says how old a stored response is and how it was used.
fn say(headers: &mut HeaderMap, stored: &Stored, cache: CacheUse, now: Time) {
    headers.insert(header::AGE, HeaderValue::from(stored.age(now).as_secs()));
    let ttl = stored.time_to_live(now);
    let status = match cache {
        CacheUse::Revalidated => format!("overspill; fwd=stale; fwd-status=304; ttl={ttl}"),
        CacheUse::Stale => format!("overspill; hit; ttl={ttl}; detail=stale"),
        _ => format!("overspill; hit; ttl={ttl}"),
    };
    mark(headers, &status);
}

fn whole_or_part(stored: &Stored, fields: &HeaderMap, request: &HeaderMap) -> Part {
    if stored.status == StatusCode::OK && validate::range_allowed(request, fields) { part(request, stored.length()) } else { Part::Whole }
}

fn with(status: StatusCode, headers: HeaderMap, payload: Payload) -> Response<Payload> {
    let mut response = Response::new(payload);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn not_modified(stored: &HeaderMap) -> Response<Payload> {
    let fields = OF_NOT_MODIFIED.iter().flat_map(|name| stored.get_all(name).iter().map(|value| (name.clone(), value.clone())));
    with(StatusCode::NOT_MODIFIED, fields.collect(), Payload::Empty)
}

fn partial(fields: HeaderMap, range: &Range<u64>, total: u64, cut: Payload) -> Response<Payload> {
    let mut response = with(StatusCode::PARTIAL_CONTENT, fields, cut);
    if let Ok(value) = HeaderValue::try_from(format!("bytes {}-{}/{total}", range.start, range.end - 1)) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

fn unsatisfiable(stored: &Stored) -> Response<Payload> {
    let mut response = with(StatusCode::RANGE_NOT_SATISFIABLE, HeaderMap::new(), Payload::Empty);
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{}", stored.length())) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// Answers with a response whose body is still coming; `None` when its beginning is gone already. `first`: it was fetched for this visitor;
/// `had_copy`: there was one, but it could not be used.
pub(crate) fn from_shared(
    shared: &Shared,
    interest: Arc<Interest>,
    request: &HeaderMap,
    (first, had_copy): (bool, bool),
) -> Option<Answer> {
    let cache = if first { CacheUse::Miss } else { CacheUse::Collapsed };
    let mut response = if shared.status == StatusCode::OK && validate::not_modified(request, &shared.headers) {
        not_modified(&shared.headers)
    } else {
        let follower = shared.body.follow(interest)?;
        with(shared.status, shared.headers.clone(), Payload::Following(follower, shared.length))
    };
    let stored = if shared.kept.is_some() { "; stored" } else { "" };
    let collapsed = if first { "" } else { "; collapsed" };
    let why = if had_copy { "stale" } else { "miss" };
    mark(response.headers_mut(), &format!("overspill; fwd={why}; fwd-status={}{stored}{collapsed}", shared.status.as_u16()));
    Some((response, cache))
}

/// The answer to who wants nothing but what is stored, when nothing is that may be used.
//= RFC 9111 section 5.2.1.7
pub(crate) fn not_stored() -> Answer {
    let mut response = waiting::plain(StatusCode::GATEWAY_TIMEOUT, "Not stored here.\n");
    mark(response.headers_mut(), "overspill; detail=only-if-cached");
    (response, CacheUse::None)
}

/// Adds this cache's entry to Cache-Status (RFC 9211); the entries of caches nearer to the origin stand before it.
pub(crate) fn mark(headers: &mut HeaderMap, status: &str) {
    if let Ok(value) = HeaderValue::try_from(status) {
        headers.append(CACHE_STATUS, value);
    }
}
