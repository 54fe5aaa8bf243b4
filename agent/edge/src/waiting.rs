//! The edge's own answers: small, plain, never stored.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::body::Payload;

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Says that this proxy made the answer, and why.
//= RFC 9209 section 2.3
fn because(mut response: Response<Payload>, why: &'static str) -> Response<Payload> {
    response.headers_mut().insert(PROXY_STATUS, HeaderValue::from_static(why));
    response
}

/// A small page that says what is the matter and what to do, and for programs `why` (RFC 9209).
fn page(status: StatusCode, why: &'static str, title: &str, text: &str) -> Response<Payload> {
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>body{{font:1.1em/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em}}</style>\
         <h1>{title}</h1><p>{text}</p></html>\n"
    );
    let mut response = Response::new(Payload::whole(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    because(response, why)
}

/// 503: the origin has no place in time. Browsers and crawlers come back after `retry`.
pub(crate) fn waiting(retry: Duration) -> Response<Payload> {
    let mut response = page(
        StatusCode::SERVICE_UNAVAILABLE,
        "overspill; error=connection_limit_reached",
        "One moment, please",
        "Many people are visiting this site right now. Please reload the page in a few seconds.",
    );
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry.as_secs().max(1)));
    response
}

/// 429: this visitor had the origin send much that nobody received. What is stored is still served.
pub(crate) fn wasteful(pause: Duration) -> Response<Payload> {
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "Too much was fetched for your address that it did not take.\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs().max(1)));
    response
}

/// 503 for an asset that neither this site nor a helper can carry in time. Without a page: nobody would read it, and many get it.
pub(crate) fn overloaded() -> Response<Payload> {
    let mut response = because(plain(StatusCode::SERVICE_UNAVAILABLE, ""), "overspill; error=connection_limit_reached");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// 502: the site's own server cannot be reached.
pub(crate) fn unreachable() -> Response<Payload> {
    away("overspill; error=destination_unavailable")
}

/// 502: the site's own server broke off, or what it said was not HTTP.
pub(crate) fn broken() -> Response<Payload> {
    away("overspill; error=connection_terminated")
}

fn away(why: &'static str) -> Response<Payload> {
    let text = "The web server behind this site cannot be reached. Please try again later.";
    page(StatusCode::BAD_GATEWAY, why, "This site is away", text)
}

/// 504: the site's own server did not answer in time.
pub(crate) fn late() -> Response<Payload> {
    page(
        StatusCode::GATEWAY_TIMEOUT,
        "overspill; error=http_response_timeout",
        "This site is slow",
        "The web server behind this site did not answer in time. Please try again later.",
    )
}

/// 508: the request has been here before; the origin leads back to this agent.
pub(crate) fn looped() -> Response<Payload> {
    let why = "overspill; error=proxy_loop_detected";
    page(StatusCode::LOOP_DETECTED, why, "This site leads back to itself", "The agent's origin setting points at the agent itself.")
}

/// 421: the Host is not one of this site's.
pub(crate) fn misdirected() -> Response<Payload> {
    let why = "overspill; error=http_request_denied";
    page(StatusCode::MISDIRECTED_REQUEST, why, "No such site here", "This server does not serve the site that you asked for.")
}

/// 400 or 408: what came is not one clear request, or did not come in time.
pub(crate) fn refused(status: StatusCode, text: &'static str) -> Response<Payload> {
    because(plain(status, text), "overspill; error=http_request_error")
}

/// An answer without a page: status and one line of text.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Payload> {
    let mut response = Response::new(Payload::whole(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
