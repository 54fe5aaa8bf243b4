//! WebSockets: after the origin agrees (101), bytes pass both ways until one end is silent for long. No other protocol is switched to:
//! `h2c` above all would carry requests past the gate.

use std::{io, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header, request::Parts};
use hyper::upgrade::{OnUpgrade, Upgraded};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tracing::trace;

use crate::{
    body::Payload,
    early::Hinted,
    edge::Edge,
    headers,
    limits::{TUNNEL_BUFFER_BYTES, TUNNEL_SILENCE, TUNNELS_MAX},
    listener::{Visitor, turned_true},
    origin::Arriving,
    stream::Patient,
    wire::Wire,
};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");

/// Takes the visitor's end out of a request that asks for a WebSocket (RFC 6455 section 4.1).
pub(crate) fn asked(parts: &mut Parts) -> Option<OnUpgrade> {
    let wants = parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && parts.headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && parts.headers.contains_key(header::SEC_WEBSOCKET_KEY);
    if wants { parts.extensions.remove() } else { None }
}

/// Asks the origin for the same: the fields belong to one hop, so that they are written anew.
pub(crate) fn ask(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, UPGRADE);
    headers.insert(header::UPGRADE, WEBSOCKET);
}

/// Ties both ends together and tells the visitor so; nothing if there are too many tunnels, or the origin agreed to something else.
pub(crate) fn open(response: Response<Arriving>, visitor: OnUpgrade, edge: &Arc<Edge>) -> Option<Response<Payload>> {
    let agreed = response.headers().get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let open = Open::new(edge).filter(|_| agreed)?;
    let (mut parts, origin) = response.into_parts();
    let origin = origin.into_wire()?;
    tokio::spawn(async move {
        let Ok(visitor) = visitor.await else { return };
        let Some(visitor) = out_of_http(visitor) else { return };
        let mut stopping = open.0.stopping.subscribe();
        let result = tokio::select! {
            result = carry(visitor, origin, &open.0) => result,
            () = turned_true(&mut stopping) => Ok(()),
        };
        if let Err(error) = result {
            trace!(%error, "tunnel ended early");
        }
    });
    headers::from_origin(&mut parts.headers);
    ask(&mut parts.headers);
    parts.status = StatusCode::SWITCHING_PROTOCOLS;
    Some(Response::from_parts(parts, Payload::Empty))
}

/// Takes the visitor's end from behind the gate: what comes now is not HTTP. Nothing, if more than the request came before the answer:
/// whether that was a second request or the beginning of something else is not for the edge to guess.
fn out_of_http(visitor: Upgraded) -> Option<Hinted<Patient>> {
    let parts = visitor.downcast::<Visitor>().ok()?;
    parts.io.into_inner().into_inner().filter(|_| parts.read_buf.is_empty())
}

/// A tunnel's entry in the books.
struct Open(Arc<Edge>);

impl Open {
    fn new(edge: &Arc<Edge>) -> Option<Self> {
        // Counted first, so that two at once cannot both be the last.
        let open = Self(Arc::clone(edge));
        (edge.tunnels.rise() <= TUNNELS_MAX).then_some(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.tunnels.fall();
    }
}

/// Carries bytes both ways until either end closes or falls silent.
async fn carry(visitor: Hinted<Patient>, origin: Wire, edge: &Edge) -> io::Result<()> {
    let (mut from_visitor, mut to_visitor) = tokio::io::split(visitor);
    let (mut from_origin, mut to_origin) = tokio::io::split(origin);
    tokio::select! {
        result = pump(&mut from_visitor, &mut to_origin, |_| ()) => result,
        result = pump(&mut from_origin, &mut to_visitor, |bytes| edge.sent(bytes, false)) => result,
    }
}

async fn pump(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), count: impl Fn(u64)) -> io::Result<()> {
    let mut buffer = vec![0; TUNNEL_BUFFER_BYTES];
    loop {
        let taken = within(TUNNEL_SILENCE, from.read(&mut buffer)).await?;
        if taken == 0 {
            return to.shutdown().await;
        }
        within(TUNNEL_SILENCE, to.write_all(&buffer[..taken])).await?;
        within(TUNNEL_SILENCE, to.flush()).await?;
        count(taken as u64);
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
