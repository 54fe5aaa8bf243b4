//! The site's own server: connections of HTTP/1.1 that are kept and prepared, and what can go wrong with them, in the three ways that matter.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, header,
    uri::{Authority, Scheme},
};
use http_body::Body;
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::sync::Notify;
use tracing::{debug, trace};

use crate::{
    clock::Clock,
    config::Config,
    early::Early,
    edge::Edge,
    limits::{INTERIM_MAX, ORIGIN_HEAD_BYTES_MAX, TEND_PAUSE},
    listener::turned_true,
    metrics::Counters,
    sockets::Sockets,
};

mod dial;
pub(crate) mod names;
mod pool;
mod size;
pub(crate) mod trust;

use dial::Line;
use names::Names;
pub(crate) use pool::Standing;
use pool::{Connection, Entry, Pool};
use size::Bounds;
use trust::OriginTls;

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

/// How connections are opened.
#[derive(Debug, Clone)]
struct Dialling {
    patience: Duration,
    sockets: Sockets,
    lookup: Duration,
    tls: Option<OriginTls>,
}

/// The origin. Shared by all threads: a small server's workers are often bound to its connections, so that few of them should idle.
#[derive(Clone)]
pub(crate) struct Origin {
    scheme: Scheme,
    authority: Authority,
    pool: Arc<Pool>,
    names: Arc<Names>,
    dialling: Dialling,
    counters: Arc<Counters>,
}

impl Origin {
    pub(crate) fn new(config: &Config, clock: Clock, counters: Arc<Counters>) -> Self {
        let scheme = scheme(config);
        let names = Names::new(&scheme, &config.origin, config.resolver.clone(), clock.clone());
        Self {
            scheme,
            authority: config.origin.clone(),
            pool: Pool::new(bounds(config), clock),
            names: Arc::new(names),
            dialling: dialling(config),
            counters,
        }
    }

    /// The origin of other settings: while it is the same server, its connections stay.
    pub(crate) fn renewed(&self, config: &Config, clock: Clock) -> Self {
        if self.authority != config.origin || self.scheme != scheme(config) {
            return Self::new(config, clock, Arc::clone(&self.counters));
        }
        self.pool.bound(bounds(config));
        Self { dialling: dialling(config), ..self.clone() }
    }

    /// The request target for the origin: a path with its query.
    #[expect(clippy::unused_self, reason = "the form of a target is the origin's business")]
    pub(crate) fn uri(&self, target: &Uri) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = target.path_and_query().cloned();
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// Connections in use and unused.
    pub(crate) fn standing(&self) -> Standing {
        self.pool.standing()
    }

    /// Sends `request` and waits for the answer's head, at most `patience`.
    pub(crate) async fn fetch(&self, mut request: Request<Upload>, patience: Duration) -> Result<Response<Incoming>, Fault> {
        let may_switch = request.headers().contains_key(header::UPGRADE);
        let flooded = watch_interim(&mut request);
        let answer = tokio::select! {
            answer = tokio::time::timeout(patience, self.send(request)) => answer.map_err(|_| Fault::Late)?,
            () = flooded.notified() => return Err(Fault::Broken),
        };
        let (response, connection, entry) = answer?;
        let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        // Another protocol that nobody asked for would carry whatever the origin likes past everything that reads HTTP. And of an answer of
        // unclear length, where it ends, and whose the next is, would be a guess: its connection goes with it.
        if switches != may_switch && switches || !has_clear_length(response.headers()) {
            return Err(Fault::Broken);
        }
        if !switches {
            self.keep_later(connection, entry);
        }
        Ok(response)
    }

    /// Sends a request: over a kept connection what may be sent twice, else over one of its own.
    async fn send(&self, mut request: Request<Upload>) -> Result<(Response<Incoming>, Connection, Entry), Fault> {
        let entry = self.pool.enter();
        if is_repeatable(&request)
            && let Some(mut kept) = self.pool.take(&self.names)
        {
            let again = copy_of(&request);
            match kept.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, kept, entry)),
                Err(error) if was_closed(error.error()) => trace!("the origin had closed a kept connection"),
                Err(_) => return Err(Fault::Broken),
            }
            self.counters.origin_repeated.one();
            request = again;
        }
        let mut own = self.open().await.map_err(|error| {
            debug!(%error, "the origin cannot be reached");
            Fault::Unreachable
        })?;
        match own.sender.send_request(request).await {
            Ok(response) => Ok((response, own, entry)),
            Err(_) => Err(Fault::Broken),
        }
    }

    /// Puts a connection back when its answer has been taken to the end, and the origin keeps it open.
    fn keep_later(&self, mut connection: Connection, entry: Entry) {
        let (pool, names) = (Arc::clone(&self.pool), Arc::clone(&self.names));
        tokio::spawn(async move {
            let reusable = connection.sender.ready().await.is_ok();
            drop(entry);
            if reusable {
                connection.used = true;
                pool.keep(connection, &names);
            }
        });
    }

    /// Opens a connection. If no address answers, the name is asked for once more: the origin may have moved.
    async fn open(&self) -> io::Result<Connection> {
        let opened = self.open_to_known().await;
        let opened = match opened {
            Err(_) if self.names.ask().await.unwrap_or(false) => self.open_to_known().await,
            opened => opened,
        };
        match &opened {
            Ok(connection) => {
                self.counters.origin_connections_opened.one();
                self.pool.note_reached();
                self.names.prefer(connection.address);
            }
            Err(_) => self.pool.note_unreachable(),
        }
        opened
    }

    async fn open_to_known(&self) -> io::Result<Connection> {
        let Dialling { patience, sockets, tls, .. } = &self.dialling;
        let addresses = self.names.addresses().await?;
        let (stream, address) = dial::connect(&addresses, *patience, *sockets).await?;
        let line: Box<dyn Line> = match tls.as_ref().filter(|_| self.scheme == Scheme::HTTPS) {
            Some(tls) => dial::secure(stream, self.names.host(), Arc::clone(&tls.0), *patience).await?,
            None => Box::new(stream),
        };
        let shaken = http1::Builder::new().max_buf_size(ORIGIN_HEAD_BYTES_MAX).handshake(TokioIo::new(line)).await;
        let (sender, connection) = shaken.map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                trace!(%error, "connection to the origin ended early");
            }
        });
        Ok(Connection::new(sender, address))
    }

    /// Closes what is too much, prepares what is missing, asks for the name when that is due. None of it is waited for.
    fn look(&self) {
        if self.names.is_due(self.dialling.lookup) {
            let names = Arc::clone(&self.names);
            tokio::spawn(async move {
                if let Err(error) = names.ask().await {
                    debug!(%error, host = names.host(), "the origin's name cannot be looked up; its last addresses stay");
                }
            });
        }
        for _ in 0..self.pool.look(&self.names) {
            let origin = self.clone();
            tokio::spawn(async move {
                let opened = origin.open().await.inspect_err(|error| debug!(%error, "no connection to the origin could be prepared"));
                origin.pool.prepared(opened.ok(), &origin.names);
            });
        }
    }
}

fn scheme(config: &Config) -> Scheme {
    if config.origin_tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
}

fn bounds(config: &Config) -> Bounds {
    let pool = &config.origin_pool;
    Bounds { start: pool.start.min(pool.max), max: pool.max, interval: pool.interval }
}

fn dialling(config: &Config) -> Dialling {
    Dialling {
        patience: config.timeouts.connect,
        sockets: config.sockets,
        lookup: config.origin_pool.lookup,
        tls: config.origin_tls.clone(),
    }
}

/// Looks after the origin's connections until the edge stops.
pub(crate) async fn tend(edge: Arc<Edge>) {
    let mut stopping = edge.stopping.subscribe();
    loop {
        let settings = edge.settings.load_full();
        settings.origins().for_each(Origin::look);
        let wanted = futures::future::select_all(settings.origins().map(|origin| Box::pin(origin.pool.wanted.notified())));
        tokio::select! {
            () = tokio::time::sleep(TEND_PAUSE) => {}
            _ = wanted => {}
            () = turned_true(&mut stopping) => return,
        }
    }
}

/// Whether a request may be sent twice, and can be: it changes nothing (RFC 9110 section 9.2.1), has no body, and asks for no other protocol.
fn is_repeatable(request: &Request<Upload>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && request.body().is_end_stream()
        && !request.headers().contains_key(header::UPGRADE)
}

fn copy_of(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(nothing());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    copy
}

/// Whether a connection ended before its answer began: what came over it was no answer, so that asking again is not asking twice.
//= RFC 9112 section 9.3.1
fn was_closed(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
            return matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof);
        }
        source = cause.source();
    }
    error.is_canceled() || error.is_closed() || error.is_incomplete_message()
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
