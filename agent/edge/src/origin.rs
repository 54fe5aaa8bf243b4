//! The site's own server: connections of HTTP/1.1 that are kept and prepared, and what can go wrong with them, in the three ways that matter.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode, Uri, header,
    uri::{Authority, Scheme},
};
use http_body::Body;
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use thiserror::Error;
use tracing::{debug, trace};

use crate::{
    clock::Clock,
    config::Config,
    early::Early,
    edge::Edge,
    limits::TEND_PAUSE,
    listener::turned_true,
    metrics::Counters,
    sockets::Sockets,
    wire::{Socket, Wire},
};

pub(crate) mod answer;
mod arriving;
mod asking;
mod connection;
mod dial;
mod exchange;
pub(crate) mod names;
mod pool;
mod size;
pub(crate) mod trust;

pub(crate) use answer::{Fields, Head, Length, Malformed, map_of};
pub(crate) use arriving::Arriving;
use arriving::Home;
use asking::Asking;
use connection::Connection;
use exchange::{Asked, Unanswered, ask};
use names::Names;
use pool::Pool;
pub(crate) use pool::Standing;
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
    pub(crate) async fn fetch(&self, mut request: Request<Upload>, patience: Duration) -> Result<Response<Arriving>, Fault> {
        let early = request.extensions_mut().remove::<Arc<Early>>();
        let asked = Asked { bodiless: request.method() == Method::HEAD, may_switch: request.headers().contains_key(header::UPGRADE) };
        let repeatable = is_repeatable(&request);
        let answer = self.send((Asking::new(request), asked, repeatable), early.as_deref());
        let (head, body): (Head, _) = tokio::time::timeout(patience, answer).await.unwrap_or(Err(Fault::Late))?;
        let mut response = Response::new(body);
        (*response.status_mut(), *response.headers_mut()) = (head.status, head.fields);
        Ok(response)
    }

    /// Sends a GET that is this head and nothing else, and waits for its answer's. For how long is up to whoever asks.
    pub(crate) async fn fetch_plain<F: Fields>(&self, head: Bytes, early: &Early) -> Result<(Head<F>, Arriving), Fault> {
        self.send((Asking::bare(head), Asked::default(), true), Some(early)).await
    }

    /// Sends a request: over a kept connection what may be sent twice, else over one of its own.
    async fn send<F: Fields>(
        &self,
        (mut asking, asked, repeatable): (Asking, Asked, bool),
        early: Option<&Early>,
    ) -> Result<(Head<F>, Arriving), Fault> {
        let (entry, kept) = self.pool.enter(&self.names, repeatable);
        let home = Home { names: Arc::clone(&self.names), entry };
        if let Some(mut kept) = kept {
            match ask(&mut kept, &mut asking, asked, early).await {
                Ok(head) => return Ok(arriving(head, kept, asking, home)),
                Err(Unanswered::Closed) => trace!("the origin had closed a kept connection"),
                Err(Unanswered::Broken) => return Err(Fault::Broken),
            }
            self.counters.origin_repeated.one();
            asking.rewind();
        }
        let mut own = Box::pin(self.open()).await.map_err(|error| {
            debug!(%error, "the origin cannot be reached");
            Fault::Unreachable
        })?;
        let head = ask(&mut own, &mut asking, asked, early).await.map_err(|_| Fault::Broken)?;
        Ok(arriving(head, own, asking, home))
    }

    /// Opens a connection. If no address answers, the name is asked for once more: the origin may have moved.
    async fn open(&self) -> io::Result<Connection> {
        let tried = self.names.known();
        let opened = match self.open_to_known().await {
            // Somebody else may have asked meanwhile, and got the news.
            Err(_) if self.names.ask().await.is_ok() && self.names.known() != tried => self.open_to_known().await,
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
        let wire = match tls.as_ref().filter(|_| self.scheme == Scheme::HTTPS) {
            Some(tls) => dial::secure(stream, self.names.host(), Arc::clone(&tls.0), *patience).await?,
            None => Wire::new(Socket::Plain(stream), Bytes::new()),
        };
        Ok(Connection::new(wire, address))
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

/// An answer whose head is here.
fn arriving<F>(head: Head<F>, connection: Connection, asking: Asking, home: Home) -> (Head<F>, Arriving) {
    let body = match head.status {
        StatusCode::SWITCHING_PROTOCOLS => Arriving::switched(connection, home),
        _ => Arriving::new(connection, (head.length, head.keeps_open), asking, home),
    };
    (head, body)
}
