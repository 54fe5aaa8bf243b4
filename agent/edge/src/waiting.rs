//! The edge's own answers: small, plain, never stored.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::body::Payload;

/// A small page that says what is the matter and what to do.
fn page(status: StatusCode, title: &str, text: &str) -> Response<Payload> {
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
    response
}

/// 503: the origin has no place in time. Browsers and crawlers come back after `retry`.
pub(crate) fn waiting(retry: Duration) -> Response<Payload> {
    let mut response = page(
        StatusCode::SERVICE_UNAVAILABLE,
        "One moment, please",
        "Many people are visiting this site right now. Please reload the page in a few seconds.",
    );
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry.as_secs().max(1)));
    response
}

/// 503 for an asset that neither this site nor a helper can carry in time. Without a page: nobody would read it, and many get it.
pub(crate) fn overloaded() -> Response<Payload> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// 502: the site's own server cannot be reached or broke off.
pub(crate) fn unreachable() -> Response<Payload> {
    page(StatusCode::BAD_GATEWAY, "This site is away", "The web server behind this site cannot be reached. Please try again later.")
}

/// 504: the site's own server did not answer in time.
pub(crate) fn late() -> Response<Payload> {
    page(
        StatusCode::GATEWAY_TIMEOUT,
        "This site is slow",
        "The web server behind this site did not answer in time. Please try again later.",
    )
}

/// 508: the request has been here before; the origin leads back to this agent.
pub(crate) fn looped() -> Response<Payload> {
    page(StatusCode::LOOP_DETECTED, "This site leads back to itself", "The agent's origin setting points at the agent itself.")
}

/// 421: the Host is not one of this site's.
pub(crate) fn misdirected() -> Response<Payload> {
    page(StatusCode::MISDIRECTED_REQUEST, "No such site here", "This server does not serve the site that you asked for.")
}

/// An answer without a page: status and one line of text.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Payload> {
    let mut response = Response::new(Payload::whole(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
