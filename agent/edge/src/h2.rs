//! HTTP/2 towards visitors. Towards the origin it is HTTP/1.1 again, so what the older version has no word for is settled here.

use std::{error::Error, future::poll_fn, io, sync::Arc};

use h2::Reason;
use http::{HeaderValue, Version, header, request::Parts};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tracing::trace;

use crate::{
    edge::Edge,
    limits::{
        HEAD_BYTES_MAX, HTTP2_CONNECTION_WINDOW, HTTP2_FAULTS_MAX, HTTP2_RESETS_PENDING_MAX, HTTP2_SEND_BYTES_MAX, HTTP2_STREAMS_MAX,
        HTTP2_WINDOW,
    },
    listener::turned_true,
    request::Peer,
    stream::Patient,
    wire::Wire,
};

mod answers;
pub(crate) mod frames;
mod gathered;
pub(crate) mod guarded;
pub(crate) mod manners;

use answers::{Answers, AtOnce};
use gathered::Gathered;
use guarded::{Alarm, Books, Guarded};
use manners::{Manners, Patience, Verdict};

/// Serves one connection of HTTP/2 to its end.
pub(crate) async fn serve(stream: Wire, peer: Peer, edge: Arc<Edge>) {
    let timeouts = edge.settings.load().config.timeouts.clone();
    // An answer that stands still stands at the visitor: an origin that is silent for so long was given up before.
    let stall = timeouts.visitor_stall.max(timeouts.origin_idle);
    let patience = Patience { head: timeouts.header_read, idle: timeouts.header_read, stall };
    let books = Books::new(Manners::new(patience, edge.clock.time()), edge.clock.clone());
    let stream = Gathered::new(Guarded::new(Patient::new(stream, timeouts.visitor_stall), books.clone()));
    let connection = http2::Builder::new(AtOnce)
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_pending_accept_reset_streams(HTTP2_RESETS_PENDING_MAX)
        .max_local_error_reset_streams(HTTP2_FAULTS_MAX)
        .initial_stream_window_size(HTTP2_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_send_buf_size(HTTP2_SEND_BYTES_MAX)
        .serve_connection(TokioIo::new(stream.clone()), Answers::new(Arc::clone(&edge), peer));
    let (mut connection, mut alarm) = (Box::pin(connection), Alarm::new(books.clone()));
    let mut stopping = edge.stopping.subscribe();
    let (mut leaving, mut calmed) = (false, false);
    let result = loop {
        let verdict = tokio::select! {
            // In this order: what the connection has written leaves then, and what has left is in the books by which the alarm is set.
            biased;
            result = connection.as_mut() => {
                calmed = result.as_ref().is_err_and(is_told_to_calm_down);
                break result.map_err(io::Error::other);
            }
            error = poll_fn(|cx| stream.poll_leave(cx)) => break Err(error),
            verdict = &mut alarm => verdict,
            () = turned_true(&mut stopping), if !leaving => Verdict::Leave,
        };
        match verdict {
            Verdict::Stay => {}
            Verdict::Leave => {
                leaving = true;
                let (mut manners, now) = books.open();
                manners.on_leave(now);
                drop(manners);
                connection.as_mut().graceful_shutdown();
            }
            Verdict::Cut => break Err(io::ErrorKind::TimedOut.into()),
        }
    };
    if calmed || books.open().0.is_rude() {
        edge.counters.floods_cut.one();
    }
    if let Err(error) = result {
        trace!(%error, "connection ended early");
    }
}

/// Tells whether the library ended a connection for a flood that its own limits met first.
fn is_told_to_calm_down(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_library() && cause.reason() == Some(Reason::ENHANCE_YOUR_CALM))
}

/// Writes a request of HTTP/2 as HTTP/1.1 would have it: one Host, one Cookie. The gate compares Host and `:authority`, which are both
/// there now, as it does Host and the absolute form of HTTP/1.1.
pub(crate) fn settle(parts: &mut Parts) {
    if parts.version != Version::HTTP_2 {
        return;
    }
    //= RFC 9113 section 8.3.1: who makes HTTP/1.1 of a request makes its Host of `:authority`.
    if !parts.headers.contains_key(header::HOST)
        && let Some(host) = parts.uri.authority().and_then(|authority| HeaderValue::try_from(authority.as_str()).ok())
    {
        parts.headers.insert(header::HOST, host);
    }
    //= RFC 9113 section 8.2.3: cookies that came in several fields are joined before anybody looks at them.
    let mut crumbs = parts.headers.get_all(header::COOKIE).iter();
    if let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) {
        let all: Vec<&[u8]> = [first, second].into_iter().chain(crumbs).map(HeaderValue::as_bytes).collect();
        // Joined values of fields are a value.
        if let Ok(cookie) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
            parts.headers.insert(header::COOKIE, cookie);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> Parts {
        let (mut parts, ()) = build(http::Request::builder().version(Version::HTTP_2)).body(()).unwrap().into_parts();
        settle(&mut parts);
        parts
    }

    #[test]
    fn the_authority_becomes_the_host_where_there_is_none() {
        assert_eq!(settled(|r| r.uri("https://blog.example/a")).headers["host"], "blog.example");
        assert_eq!(settled(|r| r.uri("https://blog.example/a").header("host", "other.example")).headers["host"], "other.example");
        assert!(!settled(|r| r.uri("/a")).headers.contains_key("host"));
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let parts = settled(|r| r.uri("https://a/").header("cookie", "a=1").header("cookie", "b=2").header("cookie", "c=3"));
        assert_eq!(parts.headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }
}
