//! The site's own server: one pool of plain HTTP/1.1 connections, and what can go wrong with them, in the three ways that matter.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header, uri::Authority};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use thiserror::Error;
use tokio::sync::Notify;

use crate::{
    config::Config,
    early::Early,
    limits::{INTERIM_MAX, ORIGIN_BUFFER_BYTES, ORIGIN_HEAD_BYTES_MAX, ORIGIN_IDLE_MAX, ORIGIN_IDLE_TIME},
};

/// A request body on its way to the origin.
pub(crate) type Upload = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A request body of nothing.
pub(crate) fn nothing() -> Upload {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Why the origin gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    /// No connection: nobody listens, or the network does not reach it. The request was not seen by the origin.
    #[error("the origin cannot be reached")]
    Unreachable,
    /// No answer in time. The origin may still be at work on it.
    #[error("the origin did not answer in time")]
    Late,
    /// The connection broke, or what came was not HTTP.
    #[error("the origin broke off")]
    Broken,
}

/// The pool. Shared by all threads: a small server's workers are often bound to its connections, so that few of them should idle.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    client: Client<HttpConnector, Upload>,
    authority: Authority,
}

impl Origin {
    pub(crate) fn new(config: &Config) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(config.timeouts.connect));
        connector.set_nodelay(true);
        connector.set_recv_buffer_size(Some(ORIGIN_BUFFER_BYTES));
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(ORIGIN_IDLE_MAX)
            .pool_idle_timeout(ORIGIN_IDLE_TIME)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .set_host(false)
            .http1_max_buf_size(ORIGIN_HEAD_BYTES_MAX)
            .build(connector);
        Self { client, authority: config.origin.clone() }
    }

    /// The origin's address for `target`, a path with its query.
    pub(crate) fn uri(&self, target: &Uri) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(http::uri::Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = target.path_and_query().cloned();
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// Sends `request` and waits for the answer's head, at most `patience`.
    pub(crate) async fn fetch(&self, mut request: Request<Upload>, patience: Duration) -> Result<Response<Incoming>, Fault> {
        let may_switch = request.headers().contains_key(header::UPGRADE);
        let connection = capture_connection(&mut request);
        let flooded = watch_interim(&mut request);
        let answer = tokio::select! {
            answer = tokio::time::timeout(patience, self.client.request(request)) => answer,
            () = flooded.notified() => return Err(Fault::Broken),
        };
        match answer {
            // Another protocol that nobody asked for would carry whatever the origin likes past everything that reads HTTP.
            Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS && !may_switch => Err(Fault::Broken),
            Ok(Ok(response)) if has_clear_length(response.headers()) => Ok(response),
            Ok(Ok(_)) => {
                // Where this answer ends, and whose the next is, would be a guess.
                if let Some(connected) = connection.connection_metadata().as_ref() {
                    connected.poison();
                }
                Err(Fault::Broken)
            }
            Ok(Err(error)) if error.is_connect() => Err(Fault::Unreachable),
            Ok(Err(_)) => Err(Fault::Broken),
            Err(_) => Err(Fault::Late),
        }
    }
}

/// Passes early hints on, and tells when more interim answers (1xx) came than anybody means.
fn watch_interim(request: &mut Request<Upload>) -> Arc<Notify> {
    let flooded = Arc::new(Notify::new());
    let (rings, count) = (Arc::clone(&flooded), AtomicU32::new(0));
    let early = request.extensions_mut().remove::<Arc<Early>>();
    hyper::ext::on_informational(request, move |interim| {
        if count.fetch_add(1, Relaxed) >= INTERIM_MAX {
            rings.notify_one();
        } else if let Some(early) = early.as_ref().filter(|_| interim.status() == StatusCode::EARLY_HINTS) {
            early.say(interim.headers());
        }
    });
    flooded
}

/// One length at most, or chunks, and not both: hyper goes by one of them and would pass the other on (RFC 9112 section 6.3: such an answer
/// "ought to be handled as an error").
fn has_clear_length(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (codings.next(), lengths.next()) {
        (None, None) => true,
        (Some(coding), None) => {
            let coding = coding.as_bytes().to_ascii_lowercase();
            // A coding that is no chunks leaves the connection's end as the body's (section 6.3, rule 4).
            let hidden = || coding.windows(b"chunked".len()).any(|part| part == b"chunked");
            codings.next().is_none() && (coding == b"chunked" || !hidden())
        }
        (None, Some(length)) => length.as_bytes().iter().all(u8::is_ascii_digit) && lengths.next().is_none(),
        (Some(_), Some(_)) => false,
    }
}
