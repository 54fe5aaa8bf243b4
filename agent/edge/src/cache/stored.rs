//! One stored response: immutable, shared, with its times frozen so that a hit is a few integer comparisons.

mod bodies;
mod small;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use overspill_governance::{
    digest::ObjectDigest,
    time::{Date, Now, Time},
};

use super::{
    admit::{Admitted, Kept},
    disk::{format::Body, index::Uses, large::Apart},
    groups::{self, CACHE_GROUPS, Group},
    heads::Heads,
    key::Key,
    status::is_failure,
    text::{self, Text},
    vary::{Encoding, Vary},
};
use crate::{cookies::Cookies, hot, rewrite::Looked};
pub(super) use bodies::Long;
pub(crate) use small::allocated;
use small::{PLACE_BYTES, SHARED_BYTES, Seconds, Span};

/// Fields that no confirmation changes. The tag is among them because a confirmation is asked for with one tag only: another one beside a 304 is
/// a known fault of servers that compress, not another representation (section 4.3.4 would have such a 304 passed over).
const OF_THE_BODY: [HeaderName; 5] =
    [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_RANGE, HeaderName::from_static("content-md5"), header::ETAG];

/// A response whose body is whole. There may be a million of them: whatever can be read from its text is read from there.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(super) text: Text,
    pub(super) long: Long,
    /// The request fields that chose it; `text` has the values that they had.
    pub(super) vary: Vary,
    /// What rewriting found in it, once it was asked.
    pub(crate) looked: Looked,
    /// How often it was asked for lately, for the disk tier, which has it longer than memory.
    pub(super) uses: Option<Uses>,
    pub(super) came: Time,
    pub(super) initial_age: Span,
    /// How long it was held before `came`, by a process before this one.
    pub(super) held_before: Span,
    pub(super) lifetime: Span,
    /// Fresh until, by the calendar: for manifests.
    pub(super) fresh_until: Date,
    pub(super) stale_while_revalidate: Seconds,
    pub(super) stale_if_error: Seconds,
    /// Visitors who wanted it since somebody looked last, if helpers may have it.
    pub(super) wanted: AtomicU32,
    /// Somebody asked for it since the memory tier looked last.
    pub(super) visited: AtomicBool,
    pub(crate) status: StatusCode,
    pub(crate) kept: Kept,
    /// Helpers may have it, while it is stored.
    pub(super) offered: bool,
    /// Somebody said that it is out of date.
    pub(crate) purged: bool,
    pub(crate) forbids_stale: bool,
    pub(super) for_authorized: bool,
    /// SHA-256 of the body, for what may be spilled; `None` for everything else.
    pub(super) digest: Option<ObjectDigest>,
}

/// What a file or an answer says of a response's times and rights.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) kept: Kept,
    pub(super) came: Time,
    pub(super) initial_age: Duration,
    pub(super) held_before: Duration,
    pub(super) lifetime: Duration,
    pub(super) fresh_until: Date,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    pub(super) forbids_stale: bool,
    pub(super) for_authorized: bool,
    pub(super) vary: Vary,
    pub(super) digest: Option<ObjectDigest>,
}

impl Stored {
    /// Makes the entry of a response that was admitted and has come whole. `digest` is the body's, if it was counted along the way.
    pub(crate) fn new(
        key: &Key,
        admitted: Admitted,
        (status, mut headers): (StatusCode, HeaderMap),
        (body, digest): (Bytes, Option<ObjectDigest>),
        values: &[u8],
        now: Now,
    ) -> Self {
        // Made anew at each answer.
        headers.remove(header::AGE);
        headers.remove(header::CONTENT_LENGTH);
        headers.entry(header::DATE).or_insert_with(|| http_date(now.date));
        let control = admitted.control;
        let terms = Terms {
            kept: admitted.kept,
            came: now.time,
            initial_age: admitted.age,
            held_before: Duration::ZERO,
            lifetime: admitted.lifetime,
            fresh_until: now.date.after(admitted.lifetime.saturating_sub(admitted.age)),
            stale_while_revalidate: control.stale_while_revalidate.unwrap_or_default(),
            stale_if_error: control.stale_if_error.unwrap_or_default(),
            forbids_stale: control.forbids_stale() || is_failure(status) || status.is_server_error(),
            for_authorized: control.admits_authorized(),
            vary: admitted.vary,
            digest,
        };
        Self::of(key, (status, &headers), body, values, terms)
    }

    /// The same, on known terms.
    pub(super) fn of(key: &Key, (status, headers): (StatusCode, &HeaderMap), body: Bytes, values: &[u8], terms: Terms) -> Self {
        let parts = text::Parts { key: (key.text(), key.origin().len()), values, body: &body };
        Self {
            text: Text::new(&parts, status, headers),
            long: Long::of(body),
            vary: terms.vary,
            looked: Looked::of(headers),
            uses: None,
            came: terms.came,
            initial_age: terms.initial_age.into(),
            held_before: terms.held_before.into(),
            lifetime: terms.lifetime.into(),
            fresh_until: terms.fresh_until,
            stale_while_revalidate: terms.stale_while_revalidate.into(),
            stale_if_error: terms.stale_if_error.into(),
            wanted: AtomicU32::new(0),
            visited: AtomicBool::new(false),
            status,
            kept: terms.kept,
            offered: false,
            purged: false,
            forbids_stale: terms.forbids_stale,
            for_authorized: terms.for_authorized,
            digest: terms.digest,
        }
    }

    /// The same response with its body, which came after it.
    pub(crate) fn with_body(self, body: Bytes) -> Self {
        Self { text: self.text.with_body(&body), long: Long::of(body), ..self }
    }

    /// The same response with a body that is on disk.
    pub(crate) fn with_apart(self, apart: Apart) -> Self {
        Self { text: self.text.with_body(&[]), long: Long::Apart(Box::new(apart)), ..self }
    }

    /// The key, by itself.
    pub(crate) fn key(&self) -> Key {
        self.text.to_key()
    }

    /// Tells whether it is of the resource of this key's text.
    pub(super) fn is_of(&self, key: &str) -> bool {
        self.text.is_of(key)
    }

    /// The key's text.
    pub(crate) fn key_text(&self) -> &str {
        self.text.key()
    }

    /// Scheme, host and port of its resource.
    pub(crate) fn origin(&self) -> &str {
        self.text.origin()
    }

    /// Path and raw query of its resource.
    pub(crate) fn path(&self) -> &str {
        self.text.path()
    }

    /// Its fields, as a map of their own.
    pub(crate) fn headers(&self) -> HeaderMap {
        self.text.map()
    }

    /// Name and value of each of its fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.text.fields()
    }

    /// The values of one field.
    pub(crate) fn values_of<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.text.fields().filter(move |(other, _)| *other == name.as_str()).map(|(_, value)| value)
    }

    /// The first value of one field.
    pub(crate) fn value(&self, name: &HeaderName) -> Option<&[u8]> {
        self.text.fields().find(|(other, _)| *other == name.as_str()).map(|(_, value)| value)
    }

    /// The groups with which it is forgotten.
    pub(crate) fn groups(&self) -> Vec<Group> {
        groups::named(self.values_of(&CACHE_GROUPS))
    }

    /// The values of the fields by which it varies.
    pub(crate) fn values(&self) -> &[u8] {
        self.text.values()
    }

    /// Has as much of its head in common with others as there is.
    pub(super) fn share(&mut self, heads: &Arc<Heads>) {
        if let Some(text) = self.text.shared(heads) {
            self.text = text;
        }
    }

    /// Its head as it leaves, in two pieces, but for what is told anew each time and the last line.
    pub(crate) fn head(&self) -> [&[u8]; 2] {
        self.text.head()
    }

    /// Notes that somebody asked for it. For what is asked for often, a look and no more.
    pub(super) fn used(&self) {
        if !self.visited.load(Relaxed) {
            self.visited.store(true, Relaxed);
        }
        if let Some(uses) = &self.uses {
            uses.note();
        }
    }

    /// Tells whether somebody asked for it since this was asked last.
    pub(super) fn take_visit(&self) -> bool {
        self.visited.load(Relaxed) && self.visited.swap(false, Relaxed)
    }

    /// The request fields that chose it.
    pub(crate) fn vary(&self) -> &Vary {
        &self.vary
    }

    /// Notes the body's digest, if it was not counted along the way.
    pub(crate) fn set_digest(&mut self, digest: ObjectDigest) {
        self.digest = Some(digest);
    }

    /// Lets helpers have it under that name, if its digest was counted and a manifest can list it.
    pub(crate) fn offer(&mut self, name: &str) {
        self.offered = self.digest.is_some() && self.apart().is_none() && hot::is_listable(name, self.media_type(), self.length());
    }

    /// The digest by which helpers know it, if they may have it.
    pub(crate) fn spillable(&self) -> Option<&ObjectDigest> {
        self.digest.as_ref().filter(|_| self.offered)
    }

    /// Counts a visitor who wants it, whoever serves it in the end.
    pub(crate) fn want(&self) {
        self.wanted.fetch_add(1, Relaxed);
    }

    /// Bytes that visitors wanted of it.
    pub(crate) fn wanted(&self) -> u64 {
        u64::from(self.wanted.load(Relaxed)).saturating_mul(self.length())
    }

    /// The same, and begins anew.
    pub(crate) fn take_wanted(&self) -> u64 {
        u64::from(self.wanted.swap(0, Relaxed)).saturating_mul(self.length())
    }

    /// Fresh until, by the calendar.
    pub(crate) fn fresh_until(&self) -> Date {
        self.fresh_until
    }

    pub(crate) fn stale_while_revalidate(&self) -> Duration {
        self.stale_while_revalidate.into()
    }

    pub(crate) fn stale_if_error(&self) -> Duration {
        self.stale_if_error.into()
    }

    /// Whether it was asked for, as the disk tier knows it.
    pub(super) fn uses(&self) -> Option<&Uses> {
        self.uses.as_ref()
    }

    /// When it came here.
    pub(super) fn came(&self) -> Time {
        self.came
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.lifetime.into()
    }

    pub(super) fn initial_age(&self) -> Duration {
        self.initial_age.into()
    }

    //= RFC 9111 section 4.2.3
    pub(crate) fn age(&self, now: Time) -> Duration {
        self.initial_age() + now.since(self.came)
    }

    /// How long ago it came here: what the contract's times count.
    pub(crate) fn held_for(&self, now: Time) -> Duration {
        Duration::from(self.held_before) + now.since(self.came)
    }

    //= RFC 9111 section 4.2: fresh while the lifetime exceeds the age.
    pub(crate) fn is_fresh(&self, now: Time) -> bool {
        self.lifetime() > self.age(now)
    }

    pub(crate) fn staleness(&self, now: Time) -> Duration {
        self.age(now).saturating_sub(self.lifetime())
    }

    /// The same, stale from now on, and nothing for helpers.
    pub(crate) fn outdated(&self, now: Time) -> Self {
        Self {
            text: self.text.clone(),
            long: self.long.clone(),
            vary: self.vary.clone(),
            looked: self.looked.clone(),
            uses: self.uses.clone(),
            lifetime: self.lifetime().min(self.age(now)).into(),
            wanted: AtomicU32::new(0),
            visited: AtomicBool::new(self.visited.load(Relaxed)),
            offered: false,
            purged: true,
            ..*self
        }
    }

    /// Seconds of freshness left; negative when stale (RFC 9211 section 2.2).
    pub(crate) fn time_to_live(&self, now: Time) -> i64 {
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        seconds(self.lifetime()) - seconds(self.age(now))
    }

    /// Tells whether it answers the same requests as another.
    pub(super) fn is_variant_of(&self, other: &Self) -> bool {
        self.vary == other.vary && self.values() == other.values()
    }

    pub(crate) fn answers(&self, request: &HeaderMap, encoding: Encoding) -> bool {
        self.vary.is_answered(request, encoding, self.values())
    }

    /// The same, for a response that depends on nothing but, perhaps, Accept-Encoding; no other does.
    pub(crate) fn answers_plain(&self, encoding: Encoding) -> bool {
        self.vary.is_plain_with(encoding, self.values())
    }

    /// Tells whether it is for such visitors at all. Copies by contract are for anybody, and only anybody may have them.
    //= RFC 9111 section 3.5
    pub(crate) fn is_for(&self, cookies: Cookies, authorized: bool) -> bool {
        (self.kept != Kept::Contract || cookies == Cookies::Free) && (!authorized || self.for_authorized)
    }

    pub(crate) fn has_validator(&self) -> bool {
        self.value(&header::ETAG).is_some() || self.value(&header::LAST_MODIFIED).is_some()
    }

    /// Value of Content-Type, or nothing.
    pub(crate) fn media_type(&self) -> &str {
        self.value(&header::CONTENT_TYPE).and_then(|value| str::from_utf8(value).ok()).unwrap_or_default()
    }

    /// What it weighs in memory: every allocation that it has or may come to have, as the allocator rounds it, and its place in the index.
    pub(crate) fn weight(&self) -> u64 {
        let long = match &self.long {
            Long::No => 0,
            Long::Whole(body) => allocated(size_of::<Bytes>()) + allocated(body.len()) + SHARED_BYTES,
            Long::Apart(apart) => allocated(size_of::<Apart>()) + allocated(apart.body.checks.len() * 4 + size_of::<Body>()),
        };
        let rest = self.looked.weight() + self.vary.weight() + self.uses.as_ref().map_or(0, |_| allocated(24));
        (allocated(size_of::<Self>() + 16) + allocated(self.text.len()) + long + rest + PLACE_BYTES) as u64
    }

    /// The same body under the fields of a 304 (RFC 9111 section 4.3.4).
    pub(crate) fn confirmed(&self, admitted: Admitted, headers: HeaderMap, now: Now) -> Self {
        // A body that is in memory by itself is not copied.
        let body = self.body();
        let confirmed = Self::new(&self.key(), admitted, (self.status, headers), (body, self.digest), self.values(), now);
        let confirmed = Self { uses: self.uses.clone(), ..confirmed };
        match self.apart() {
            Some(apart) => confirmed.with_apart(apart.clone()),
            None => confirmed,
        }
    }

    /// Its fields, updated by those of a 304 or of a 200 to HEAD. Fields that describe the body as it was sent stay.
    //= RFC 9111 section 3.2
    pub(crate) fn updated_headers(&self, update: &HeaderMap) -> HeaderMap {
        let mut headers = self.headers();
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

/// A date as HTTP writes it (RFC 9110 section 5.6.7).
pub(crate) fn http_date(date: Date) -> HeaderValue {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(date.as_secs().min(253_402_300_799));
    HeaderValue::try_from(httpdate::fmt_http_date(time)).unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
