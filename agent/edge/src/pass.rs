//! Requests that go to the origin for one visitor and are not looked up.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body;

use crate::{
    access::CacheUse,
    admission::Class,
    body::{Held, Passing, Payload, Tee},
    cache::key::Key,
    classes::RequestClass,
    cookies::Cookies,
    debts::Reservation,
    early::{Open, relay},
    edge::{Edge, Settings},
    fetch::work_of,
    headers, invalidate,
    limits::HELD_BODY_BYTES_MAX,
    origin::{Arriving, Fault, Upload},
    paths::is_entrance,
    request::{Answer, Visit},
    respond, tunnel,
    upload::{is_malformed, take_in},
    waiting::{self, Lack, Wish},
};

/// Sends the request to the origin, and its answer to the visitor.
pub(crate) async fn pass(visit: Visit, edge: &Arc<Edge>, cookies: Cookies) -> Answer {
    let why = if is_safe(&visit.parts.method) { "fwd=bypass" } else { "fwd=method" };
    forward(visit, edge, cookies, why, |_| None).await
}

/// The same; `why` tells the visitor what for (RFC 9211), `heard` sees the answer's head before anything is changed in it, and may have the body shown to it.
pub(crate) async fn forward(
    mut visit: Visit,
    edge: &Arc<Edge>,
    cookies: Cookies,
    why: &str,
    heard: impl FnOnce(&Response<Arriving>) -> Option<Tee>,
) -> Answer {
    let settings = Arc::clone(&visit.settings);
    let timeouts = &settings.config.timeouts;
    let safe = is_safe(&visit.parts.method);
    let reserved = match if safe { reserve(visit.asker.visitor, &settings, edge).await } else { Ok(None) } {
        Ok(reserved) => reserved,
        Err(pause) => return (waiting::wasteful(pause), CacheUse::None),
    };
    let class = class_of(&visit, cookies);
    let patience = if safe { timeouts.origin_head } else { timeouts.origin_head_unsafe };
    let wish = Wish::new(&visit.parts);
    let learns = safe.then(|| work_of(visit.parts.uri.path()));
    let key = visit.parts.uri.path_and_query().map(|target| Key::new(settings.config.scheme(visit.asker.secure), &visit.host, target));
    let (tunnel, early) = (tunnel::asked(&mut visit.parts), visit.early.take());
    let mut request = match to_origin(visit, edge).await {
        Ok(request) => request,
        Err(error) => return (unsent(&error, edge), CacheUse::Bypass),
    };
    let open = match early {
        Some(early) => {
            relay(&early, &mut request);
            Some(Open::new(early).await)
        }
        None => None,
    };
    if tunnel.is_some() {
        tunnel::ask(request.headers_mut());
    }
    let Ok(permit) = settings.admission.enter_alone(class).await else {
        return (shed(edge, wish, &settings), CacheUse::Bypass);
    };
    edge.counters.origin_requests.one();
    let answer = settings.origin.fetch(request, patience).await;
    drop(open);
    match answer {
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let opened = tunnel.and_then(|visitor| tunnel::open(response, visitor, edge));
            (opened.unwrap_or_else(|| failed(Fault::Unreachable, wish, &settings)), CacheUse::Bypass)
        }
        Ok(response) => {
            if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                permit.on_drop();
            } else if let Some(work) = learns {
                permit.on_answer(work);
            }
            if let Some(key) = key.filter(|_| !safe) {
                invalidate::by_answer(&key, response.status(), response.headers(), edge);
                // Who is told that something changed must not find it unchanged, whatever happens to this process.
                edge.store.settled().await;
            }
            let tee = heard(&response);
            (passing(response, timeouts.origin_idle, (Some(Box::new(permit)), tee, reserved), why), CacheUse::Bypass)
        }
        Err(fault) => {
            if fault != Fault::Unreachable {
                permit.on_drop();
            }
            edge.count_fault(fault);
            (failed(fault, wish, &settings), CacheUse::Bypass)
        }
    }
}

/// How long nothing is fetched for this visitor, who let the origin send much in vain.
pub(crate) fn pause_of(visit: &Visit, edge: &Edge) -> Option<Duration> {
    let budget = visit.settings.config.miss_budget?;
    edge.debts.pause(visit.asker.visitor, budget.0, edge.clock.time())
}

/// Has something fetched for this visitor count before it is known how much it is; nothing if nothing is counted.
pub(crate) async fn reserve(visitor: IpAddr, settings: &Settings, edge: &Edge) -> Result<Option<Reservation>, Duration> {
    let Some(budget) = settings.config.miss_budget else { return Ok(None) };
    edge.debts.reserve(visitor, budget.0, settings.config.origin_limits.queue_wait, &edge.clock).await.map(Some)
}

/// The same at once, or not.
pub(crate) fn reserve_now(visitor: IpAddr, settings: &Settings, edge: &Edge) -> Option<Option<Reservation>> {
    let Some(budget) = settings.config.miss_budget else { return Some(None) };
    edge.debts.reserve_now(visitor, budget.0, edge.clock.time()).map(Some)
}

/// Whoever is somebody, is about to be, or changes something, goes before anybody; who reads the web by machine or looks for holes, after.
pub(crate) fn class_of(visit: &Visit, cookies: Cookies) -> Class {
    let parts = &visit.parts;
    let reserved = !is_safe(&parts.method)
        || cookies == Cookies::Session
        || parts.headers.contains_key(header::AUTHORIZATION)
        || is_entrance(parts.uri.path());
    match visit.class {
        _ if reserved => Class::Reserved,
        RequestClass::Person | RequestClass::Preview => Class::Visit,
        RequestClass::Crawler | RequestClass::Suspect => Class::Later,
    }
}

/// RFC 9110 section 9.2.1.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Makes the origin's request of the visitor's, unless the visitor does not send it.
async fn to_origin(visit: Visit, edge: &Edge) -> io::Result<Request<Upload>> {
    let Visit { parts, body, host, asker, settings, .. } = visit;
    let takes_trailers = headers::takes_trailers(&parts.headers);
    let upload = take_in(body, settings.config.timeouts.visitor_stall).await?;
    let mut request = Request::new(upload);
    let scheme = settings.config.scheme(asker.secure);
    *request.headers_mut() = headers::to_origin(parts.headers, &parts.method, &host, asker, scheme, &edge.loop_token);
    if takes_trailers {
        headers::take_trailers(request.headers_mut());
    }
    *request.method_mut() = parts.method;
    *request.uri_mut() = settings.origin.uri(&parts.uri);
    Ok(request)
}

/// The answer to a request whose body did not come. What may still come on that connection is nobody's request.
fn unsent(error: &io::Error, edge: &Edge) -> Response<Payload> {
    let mut response = match error.kind() {
        io::ErrorKind::TimedOut => waiting::refused(StatusCode::REQUEST_TIMEOUT, "The request body did not come in time.\n"),
        _ => {
            if is_malformed(error) {
                edge.counters.requests_refused.one();
            }
            waiting::refused(StatusCode::BAD_REQUEST, "The request body broke off, or its chunks are malformed.\n")
        }
    };
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Passes the origin's answer on as it comes. `held`, the place at the origin, is kept to the end of a short body and given up at the head
/// of a long or endless one.
pub(crate) fn passing(
    response: Response<Arriving>,
    idle: Duration,
    (held, tee, reserved): (Option<Held>, Option<Tee>, Option<Reservation>),
    why: &str,
) -> Response<Payload> {
    let (mut parts, body) = response.into_parts();
    // RFC 9112 section 2.3: an intermediary sends its own version. An origin of HTTP/1.0 would cost each visitor the connection.
    parts.version = Version::HTTP_11;
    let trailers: Vec<HeaderValue> = parts.headers.get_all(header::TRAILER).iter().cloned().collect();
    headers::from_origin(&mut parts.headers);
    // Of what is passed, trailers go to whoever takes them (hyper looks at the visitor's TE); only this field announces them.
    parts.headers.extend(trailers.into_iter().map(|names| (header::TRAILER, names)));
    respond::mark(&mut parts.headers, &format!("overspill; {why}; fwd-status={}", parts.status.as_u16()));
    let short = body.size_hint().upper().is_some_and(|length| length <= HELD_BODY_BYTES_MAX);
    let held = held.filter(|_| short);
    Response::from_parts(parts, Payload::Passing(Box::new(Passing::new(body, idle, held).teed(tee).reserved(reserved))))
}

/// The answer that says what is wrong with the origin.
pub(crate) fn failed(fault: Fault, wish: Wish, settings: &Settings) -> Response<Payload> {
    waiting::instead(wish, Lack::Answer(fault), &settings.config)
}

/// The answer for a visitor for whom the origin has no place in time.
pub(crate) fn shed(edge: &Edge, wish: Wish, settings: &Settings) -> Response<Payload> {
    edge.counters.shed.one();
    waiting::instead(wish, Lack::Place, &settings.config)
}
