//! Requests that go to the origin for one visitor and are not looked up.

use std::sync::Arc;

use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::{
    access::CacheUse,
    body::{Held, Passing, Payload},
    edge::Edge,
    headers,
    limits::HELD_BODY_BYTES_MAX,
    origin::{Fault, Upload, nothing},
    request::{Answer, Visit},
    waiting,
};

/// Sends the request to the origin, and its answer to the visitor.
pub(crate) async fn pass(visit: Visit, edge: &Arc<Edge>) -> Answer {
    let settings = Arc::clone(&visit.settings);
    let timeouts = &settings.config.timeouts;
    let patience = if is_safe(&visit.parts.method) { timeouts.origin_head } else { timeouts.origin_head_unsafe };
    let request = to_origin(visit, edge);
    edge.counters.origin_requests.one();
    match settings.origin.fetch(request, patience).await {
        Ok(response) => (passing(response, timeouts.origin_idle, None), CacheUse::Bypass),
        Err(fault) => (failed(fault, edge), CacheUse::Bypass),
    }
}

/// RFC 9110 section 9.2.1.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Makes the origin's request of the visitor's.
fn to_origin(visit: Visit, edge: &Edge) -> Request<Upload> {
    let Visit { parts, body, host, asker, settings, .. } = visit;
    let fields = headers::to_origin(parts.headers, &parts.method, &host, asker, settings.config.scheme(), &edge.loop_token);
    let upload = if body.is_end_stream() { nothing() } else { body.map_err(Into::into).boxed_unsync() };
    let mut request = Request::new(upload);
    *request.method_mut() = parts.method;
    *request.uri_mut() = settings.origin.uri(&parts.uri);
    *request.headers_mut() = fields;
    request
}

/// Passes the origin's answer on as it comes. `held`, the place at the origin, is kept to the end of a short body and given up at the head
/// of a long or endless one.
pub(crate) fn passing(response: Response<Incoming>, idle: std::time::Duration, held: Option<Held>) -> Response<Payload> {
    let (mut parts, body) = response.into_parts();
    headers::from_origin(&mut parts.headers);
    let short = body.size_hint().upper().is_some_and(|length| length <= HELD_BODY_BYTES_MAX);
    let held = held.filter(|_| short);
    Response::from_parts(parts, Payload::Passing(Box::new(Passing::new(body, idle, held))))
}

/// Counts a fault of the origin and makes the page that says so.
pub(crate) fn failed(fault: Fault, edge: &Edge) -> Response<Payload> {
    match fault {
        Fault::Unreachable => {
            edge.counters.origin_unreachable.one();
            waiting::unreachable()
        }
        Fault::Broken => {
            edge.counters.origin_broken.one();
            waiting::unreachable()
        }
        Fault::Late => {
            edge.counters.origin_timeouts.one();
            waiting::late()
        }
    }
}
