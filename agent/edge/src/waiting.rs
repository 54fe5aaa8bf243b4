//! The edge's own answers: small, plain, never stored.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::{body::Payload, config::Config, limits::RETRY_FAILED, origin::Fault};

pub(crate) mod template;
mod wish;

pub(crate) use wish::{Form, Wish};

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Says that this proxy made the answer, and why.
//= RFC 9209 section 2.3
fn because(mut response: Response<Payload>, why: &'static str) -> Response<Payload> {
    response.headers_mut().insert(PROXY_STATUS, HeaderValue::from_static(why));
    response
}

/// A small page that says what is the matter and what to do, and for programs `why` (RFC 9209).
fn page(status: StatusCode, why: &'static str, title: &str, text: &str) -> Response<Payload> {
    because(html(status, own_page(title, text)), why)
}

fn own_page(title: &str, text: &str) -> Bytes {
    Bytes::from(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>body{{font:1.1em/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em}}</style>\
         <h1>{title}</h1><p>{text}</p></html>\n"
    ))
}

fn html(status: StatusCode, body: Bytes) -> Response<Payload> {
    let mut response = plain(status, "");
    *response.body_mut() = Payload::whole(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Why there is no answer of the site's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The origin has no place in time.
    Place,
    /// The origin failed.
    Answer(Fault),
}

impl Lack {
    /// For programs (RFC 9209).
    fn proxy_status(self) -> &'static str {
        match self {
            Self::Place => "overspill; error=connection_limit_reached",
            Self::Answer(Fault::Unreachable) => "overspill; error=destination_unavailable",
            Self::Answer(Fault::Broken) => "overspill; error=connection_terminated",
            Self::Answer(Fault::Late) => "overspill; error=http_response_timeout",
        }
    }

    /// For people: a title, and what is the matter.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Place => ("One moment, please", "Many people are visiting this site right now. Please reload the page in a few seconds."),
            Self::Answer(Fault::Unreachable | Fault::Broken) => {
                ("This site is away", "The web server behind this site cannot be reached. Please try again in a moment.")
            }
            Self::Answer(Fault::Late) => {
                ("This site is slow", "The web server behind this site did not answer in time. Please try again in a moment.")
            }
        }
    }

    /// When it is worth trying again.
    fn retry(self, config: &Config) -> Duration {
        match self {
            Self::Place => config.origin_limits.queue_wait,
            Self::Answer(_) => RETRY_FAILED,
        }
    }
}

/// The last rung: the answer when neither a copy, nor a helper, nor the origin has one. 503 and when to come back; of what was asked for
/// that may have been done in spite of all, only that this is not known.
pub(crate) fn instead(wish: Wish, lack: Lack, config: &Config) -> Response<Payload> {
    if let Lack::Answer(fault @ (Fault::Broken | Fault::Late)) = lack
        && !wish.safe
    {
        return doubtful(fault, lack.proxy_status());
    }
    let (title, text) = lack.words();
    let seconds = lack.retry(config).as_secs().max(1);
    let mut response = match wish.form {
        Form::Page => match &config.waiting_page {
            Some(template) => html(StatusCode::SERVICE_UNAVAILABLE, template.fill(seconds, text)),
            None => html(StatusCode::SERVICE_UNAVAILABLE, own_page(title, text)),
        },
        Form::Json => problem(title, text),
        Form::Bare => plain(StatusCode::SERVICE_UNAVAILABLE, ""),
    };
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    because(response, lack.proxy_status())
}

/// 502 or 504: whether what was asked for was done, nobody knows; whoever sends it again may do it twice.
fn doubtful(fault: Fault, why: &'static str) -> Response<Payload> {
    let status = if fault == Fault::Late { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
    let text =
        "The web server behind this site took the request and did not answer. It may have been done: please look before you send it again.";
    page(status, why, "No answer", text)
}

//= RFC 9457 section 3
fn problem(title: &str, text: &str) -> Response<Payload> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "");
    let body = format!("{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":503,\"detail\":\"{text}\"}}\n");
    *response.body_mut() = Payload::whole(Bytes::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
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
