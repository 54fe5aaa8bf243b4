//! One stored response: immutable, shared, with its times frozen so that a hit is a few integer comparisons.

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use overspill_governance::{
    digest::ObjectDigest,
    time::{Date, Now, Time},
};

use super::{
    admit::{Admitted, Kept},
    disk::{fifo::Uses, large::Apart},
    groups::{self, CACHE_GROUPS, Group},
    key::Key,
    status::is_failure,
    vary::{Encoding, Vary},
};
use crate::{
    body::Payload,
    cookies::Cookies,
    express::Frozen,
    hot::{Hot, Spillable},
    rewrite::Looked,
    spill::names::Names,
};

/// Fields that no confirmation changes. The tag is among them because a confirmation is asked for with one tag only: another one beside a 304 is
/// a known fault of servers that compress, not another representation (section 4.3.4 would have such a 304 passed over).
const OF_THE_BODY: [HeaderName; 5] =
    [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_RANGE, HeaderName::from_static("content-md5"), header::ETAG];

/// A response whose body is whole.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) key: Key,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) kept: Kept,
    /// SHA-256 of the body, for what may be spilled; `None` for everything else.
    pub(crate) digest: Option<ObjectDigest>,
    /// Fresh until, by the calendar: for manifests.
    pub(crate) fresh_until: Date,
    /// What helpers may have, while this response is stored.
    pub(crate) spillable: Option<Arc<Spillable>>,
    /// What rewriting found in it, once it was asked.
    pub(crate) looked: Looked,
    /// Its head as bytes, once it was asked for often enough to be worth it.
    pub(crate) frozen: Frozen,
    /// The request fields that chose it, and the values that they had.
    pub(crate) vary: Vary,
    pub(crate) values: Vec<u8>,
    /// Somebody said that it is out of date.
    pub(crate) purged: bool,
    /// The groups with which it is forgotten.
    pub(crate) groups: Vec<Group>,
    pub(super) came: Time,
    pub(super) initial_age: Duration,
    /// How long it was held before `came`, by a process before this one.
    pub(super) held_before: Duration,
    pub(super) lifetime: Duration,
    pub(crate) forbids_stale: bool,
    pub(super) for_authorized: bool,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    /// Where its body is, if that is too long for memory; `body` is empty then.
    pub(crate) apart: Option<Apart>,
    /// How often it was asked for lately, for the disk tier, which has it longer than memory.
    pub(super) uses: Uses,
}

impl Stored {
    /// Makes the entry of a response that was admitted and has come whole. `digest` is the body's, if it was counted along the way.
    pub(crate) fn new(
        key: Key,
        admitted: Admitted,
        (status, mut headers): (StatusCode, HeaderMap),
        (body, digest): (Bytes, Option<ObjectDigest>),
        values: Vec<u8>,
        now: Now,
    ) -> Self {
        // Made anew at each answer.
        headers.remove(header::AGE);
        headers.remove(header::CONTENT_LENGTH);
        headers.entry(header::DATE).or_insert_with(|| http_date(now.date));
        let headers = compact(&headers);
        let (groups, looked) = (groups::named(&headers, &CACHE_GROUPS), Looked::of(&headers));
        let remaining = admitted.lifetime.saturating_sub(admitted.age);
        Self {
            key,
            status,
            headers,
            body,
            kept: admitted.kept,
            digest,
            fresh_until: now.date.after(remaining),
            spillable: None,
            looked,
            frozen: Frozen::default(),
            vary: admitted.vary,
            values,
            purged: false,
            groups,
            came: now.time,
            initial_age: admitted.age,
            held_before: Duration::ZERO,
            lifetime: admitted.lifetime,
            forbids_stale: admitted.control.forbids_stale() || is_failure(status) || status.is_server_error(),
            for_authorized: admitted.control.admits_authorized(),
            stale_while_revalidate: admitted.control.stale_while_revalidate.unwrap_or_default(),
            stale_if_error: admitted.control.stale_if_error.unwrap_or_default(),
            uses: Uses::default(),
            apart: None,
        }
    }

    /// Length of the body.
    pub(crate) fn length(&self) -> u64 {
        self.apart.as_ref().map_or(self.body.len() as u64, |apart| apart.body.length)
    }

    /// Tells whether its body is still there.
    pub(super) fn is_there(&self) -> bool {
        self.apart.as_ref().is_none_or(Apart::is_there)
    }

    /// All of the body.
    pub(crate) fn whole(&self) -> Payload {
        match &self.apart {
            None => Payload::whole(self.body.clone()),
            Some(apart) => Payload::Filed(Box::new(apart.reader(0..apart.body.length))),
        }
    }

    /// Some of the body; `None` if there is not so much of it.
    pub(crate) fn cut(&self, range: &Range<u64>) -> Option<Payload> {
        if range.start > range.end || range.end > self.length() {
            return None;
        }
        if let Some(apart) = &self.apart {
            return Some(Payload::Filed(Box::new(apart.reader(range.clone()))));
        }
        Some(Payload::whole(self.body.slice(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)))
    }

    /// Notes that somebody asked for it.
    pub(super) fn used(&self) {
        self.uses.note();
    }

    /// Lets helpers have it, by its site's names, if its digest was counted and a manifest can list it.
    pub(crate) fn offer(&mut self, hot: &Hot, names: &Names) {
        if let Some(digest) = self.digest {
            self.spillable = hot.register(&names.name(self.key.path()), digest, self.media_type(), self.fresh_until, self.body.clone());
        }
    }

    //= RFC 9111 section 4.2.3
    pub(crate) fn age(&self, now: Time) -> Duration {
        self.initial_age + now.since(self.came)
    }

    /// How long ago it came here: what the contract's times count.
    pub(crate) fn held_for(&self, now: Time) -> Duration {
        self.held_before + now.since(self.came)
    }

    //= RFC 9111 section 4.2: fresh while the lifetime exceeds the age.
    pub(crate) fn is_fresh(&self, now: Time) -> bool {
        self.lifetime > self.age(now)
    }

    pub(crate) fn staleness(&self, now: Time) -> Duration {
        self.age(now).saturating_sub(self.lifetime)
    }

    /// The same, stale from now on, and nothing for helpers.
    pub(crate) fn outdated(&self, now: Time) -> Self {
        Self { lifetime: self.lifetime.min(self.age(now)), spillable: None, purged: true, ..self.clone() }
    }

    /// Seconds of freshness left; negative when stale (RFC 9211 section 2.2).
    pub(crate) fn time_to_live(&self, now: Time) -> i64 {
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        seconds(self.lifetime) - seconds(self.age(now))
    }

    /// Tells whether it answers the same requests as another.
    pub(super) fn is_variant_of(&self, other: &Self) -> bool {
        self.vary == other.vary && self.values == other.values
    }

    pub(crate) fn answers(&self, request: &HeaderMap, encoding: Encoding) -> bool {
        self.vary.values(request, encoding) == self.values
    }

    /// The same, for a response that depends on nothing but, perhaps, Accept-Encoding; no other does.
    pub(crate) fn answers_plain(&self, encoding: Encoding) -> bool {
        self.vary.is_plain_with(encoding, &self.values)
    }

    /// Tells whether it is for such visitors at all. Copies by contract are for anybody, and only anybody may have them.
    //= RFC 9111 section 3.5
    pub(crate) fn is_for(&self, cookies: Cookies, authorized: bool) -> bool {
        (self.kept != Kept::Contract || cookies == Cookies::Free) && (!authorized || self.for_authorized)
    }

    pub(crate) fn has_validator(&self) -> bool {
        self.headers.contains_key(header::ETAG) || self.headers.contains_key(header::LAST_MODIFIED)
    }

    /// Value of Content-Type, or nothing.
    pub(crate) fn media_type(&self) -> &str {
        self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What it weighs in memory: body, fields, and a little for the entry itself.
    pub(crate) fn weight(&self) -> u64 {
        let fields: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        (self.body.len() + fields + self.key.path().len() + self.values.len() + 512) as u64
    }

    /// The same body under the fields of a 304 (RFC 9111 section 4.3.4).
    pub(crate) fn confirmed(&self, admitted: Admitted, headers: HeaderMap, now: Now) -> Self {
        let body = (self.body.clone(), self.digest);
        let (uses, apart) = (self.uses.clone(), self.apart.clone());
        Self { uses, apart, ..Self::new(self.key.clone(), admitted, (self.status, headers), body, self.values.clone(), now) }
    }

    /// Its fields, updated by those of a 304 or of a 200 to HEAD. Fields that describe the body as it was sent stay.
    //= RFC 9111 section 3.2
    pub(crate) fn updated_headers(&self, update: &HeaderMap) -> HeaderMap {
        let mut headers = self.headers.clone();
        // Dated by its arrival here, then (RFC 9110 section 6.6.1).
        headers.remove(header::DATE);
        for name in update.keys().filter(|name| !OF_THE_BODY.contains(name)) {
            headers.remove(name);
            for value in update.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        headers
    }
}

/// The same fields in as little memory as they need: those that came over a connection keep the whole buffer into which it was read.
fn compact(headers: &HeaderMap) -> HeaderMap {
    let mut text = BytesMut::with_capacity(headers.values().map(HeaderValue::len).sum());
    headers.values().for_each(|value| text.extend_from_slice(value.as_bytes()));
    let mut text = text.freeze();
    let mut compacted = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in headers {
        let own = HeaderValue::from_maybe_shared(text.split_to(value.len()));
        compacted.append(name.clone(), own.unwrap_or_else(|_| value.clone()));
    }
    // A copy has room for what is in it and no more.
    compacted.clone()
}

/// A date as HTTP writes it (RFC 9110 section 5.6.7).
pub(crate) fn http_date(date: Date) -> HeaderValue {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(date.as_secs().min(253_402_300_799));
    HeaderValue::try_from(httpdate::fmt_http_date(time)).unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
impl Stored {
    /// A response to anybody's GET of `/`, as it is stored.
    pub(crate) fn sample(fields: &[(HeaderName, &'static str)], body: Bytes) -> Self {
        use http::uri::{Authority, PathAndQuery, Scheme};

        let (request, now) = (HeaderMap::new(), Now::default());
        let response: HeaderMap = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        let asked = super::admit::Asked { path: "/", headers: &request, cookies: Cookies::Free, at: now.date };
        let admitted = super::admit::admit(asked, StatusCode::OK, &response, now.date).unwrap();
        let key = Key::new(&Scheme::HTTP, &Authority::from_static("a.example"), &PathAndQuery::from_static("/"));
        Self::new(key, admitted, (StatusCode::OK, response), (body, None), Vec::new(), now)
    }
}
