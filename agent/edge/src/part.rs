//! Requests for a part of what is not stored whole: answered from a stored stretch, else passed, and what comes is kept.

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::Body;
use overspill_governance::{digest::ObjectDigest, time::Now};

use crate::{
    access::CacheUse,
    body::Tee,
    cache::{
        admit::{Admitted, Asked, Kept, admit},
        key::Key,
        part::{Part, stretch},
        stored::Stored,
        validate,
        vary::Encoding,
    },
    cookies::Cookies,
    edge::{Edge, Settings},
    fetch, headers,
    limits::STORED_BODY_BYTES_MAX,
    origin::Arriving,
    pass,
    request::{Answer, Visit},
    respond,
};

/// Answers a GET with Range for which no whole response is stored.
pub(crate) async fn part(visit: Visit, key: Key, encoding: Encoding, cookies: Cookies, edge: &Arc<Edge>) -> Answer {
    let asked = visit.parts.headers.clone();
    let authorized = asked.contains_key(header::AUTHORIZATION);
    let mut why = "fwd=miss";
    if let Some(part) = edge.store.part(&key) {
        let now = edge.clock.time();
        let fits = part.stored.is_for(cookies, authorized) && part.stored.answers(&asked, encoding) && part.stored.is_fresh(now);
        if fits
            && validate::range_allowed(&asked, &part.stored.headers())
            && let Some(cut) = part.cut(&asked)
        {
            return respond::from_part(&part.stored, cut, CacheUse::Hit, now);
        }
        why = if part.stored.is_fresh(now) { "fwd=partial" } else { "fwd=stale" };
    }
    let coming = Coming { key, encoding, asked, cookies, at: edge.clock.now(), settings: Arc::clone(&visit.settings) };
    pass::forward(visit, edge, cookies, why, |answer| coming.tee(answer, edge)).await
}

/// Tells whether a request is one that `part` answers.
pub(crate) fn is_wanted(method: &Method, request: &HeaderMap) -> bool {
    let conditional = request.contains_key(header::IF_NONE_MATCH) || request.contains_key(header::IF_MODIFIED_SINCE);
    *method == Method::GET && request.contains_key(header::RANGE) && !conditional
}

/// An answer on its way to a visitor who asked for a part.
struct Coming {
    key: Key,
    encoding: Encoding,
    asked: HeaderMap,
    cookies: Cookies,
    at: Now,
    settings: Arc<Settings>,
}

impl Coming {
    /// Takes a copy of a body that may be kept: a stretch with a lifetime, of bytes that a strong tag names.
    fn tee(self, answer: &Response<Arriving>, edge: &Arc<Edge>) -> Option<Tee> {
        let (range, total) = stretch(answer.headers()).filter(|_| answer.status() == StatusCode::PARTIAL_CONTENT)?;
        let length = range.end - range.start;
        if length > STORED_BODY_BYTES_MAX || answer.body().size_hint().exact() != Some(length) {
            return None;
        }
        let mut headers = answer.headers().clone();
        headers::from_origin(&mut headers);
        headers.remove(header::CONTENT_RANGE);
        let asked = Asked { path: self.key.path(), headers: &self.asked, cookies: self.cookies, at: self.at.date };
        //= RFC 9111 section 3.3: a 206 is kept by the rules of the whole that it is of.
        let came = edge.clock.now();
        let admitted = admit(asked, StatusCode::OK, &headers, came.date).filter(|admitted| admitted.kept() == Kept::Explicit)?;
        let (edge, mut body) = (Arc::clone(edge), BytesMut::new());
        let mut keep = Some((self, headers, admitted));
        Some(Box::new(move |bytes: &Bytes| {
            body.extend_from_slice(bytes);
            if body.len() as u64 == length
                && let Some((coming, headers, admitted)) = keep.take()
            {
                coming.keep((headers, admitted, came), std::mem::take(&mut body).freeze(), (&range, total), &edge);
            }
        }))
    }

    fn keep(
        self,
        (headers, admitted, came): (HeaderMap, Admitted, Now),
        body: Bytes,
        (range, total): (&Range<u64>, u64),
        edge: &Arc<Edge>,
    ) {
        let values = admitted.vary().values(&self.asked, self.encoding);
        let stored = Stored::new(&self.key, admitted, (StatusCode::OK, headers), (body, None), &values, came);
        let Some(part) = Part::new(stored, range, total) else { return };
        let part = match edge.store.part(&self.key).filter(|older| older.stored.values() == part.stored.values()) {
            Some(older) => part.joined(&older),
            None => part,
        };
        if part.is_whole() {
            let edge = Arc::clone(edge);
            // Off this thread, for the digest's sake.
            tokio::task::spawn_blocking(move || self.keep_whole(part.stored, &edge));
        } else {
            edge.store.insert_part(part, self.at.time);
        }
    }

    fn keep_whole(self, mut whole: Stored, edge: &Edge) {
        if fetch::is_spillable((whole.status, &whole.headers()), Some(whole.kept), whole.vary(), Some(whole.length())) {
            whole.set_digest(ObjectDigest::of(whole.body_bytes()));
        }
        fetch::store(edge, &self.settings, whole, false, self.at.time);
    }
}
