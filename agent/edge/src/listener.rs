//! Listening sockets and the connections that come out of them.

use std::{
    future::{Future, poll_fn},
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use http::{Request, StatusCode};
use hyper::{
    body::Incoming,
    server::conn::http1::{self, UpgradeableConnection},
    service::{HttpService, service_fn},
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tracing::{trace, warn};

use crate::{
    body::Metered,
    door::{Door, Entrance, Speech},
    early::Hinted,
    edge::Edge,
    express::{Express, held::Held, lane::Lane},
    gate::gated::Gated,
    h2,
    limits::{FIELDS_MAX, HEAD_BYTES_MAX},
    request::{Line, Peer, answer},
    sockets,
    stream::Patient,
    wire::Wire,
};

/// A connection's entry in the books, taken back when it ends.
struct Admitted {
    edge: Arc<Edge>,
    counted: Option<IpAddr>,
}

impl Admitted {
    fn new(edge: &Arc<Edge>, peer: IpAddr) -> Option<Self> {
        let settings = edge.settings.load();
        let bounds = &settings.config.connections;
        let exempt = peer.is_loopback() || settings.config.trusted_proxies.contains(&peer);
        if edge.connections.rise() > u64::from(bounds.max) {
            edge.connections.fall();
            return None;
        }
        if !exempt && !edge.addresses.enter(peer, bounds.per_address) {
            edge.connections.fall();
            return None;
        }
        Some(Self { edge: Arc::clone(edge), counted: (!exempt).then_some(peer) })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.edge.connections.fall();
        if let Some(address) = self.counted {
            self.edge.addresses.leave(address);
        }
    }
}

/// Accepts connections until the edge stops.
pub(crate) async fn accept(listener: TcpListener, door: Door, edge: Arc<Edge>) {
    let mut stopping = edge.stopping.subscribe();
    let entrance = door.open();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = turned_true(&mut stopping) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                edge.counters.connections_accepted.one();
                // Dual-stack sockets show IPv4 visitors as mapped addresses.
                let peer = Peer { address: peer.ip().to_canonical(), secure: door.is_secure() };
                let Some(admitted) = Admitted::new(&edge, peer.address) else {
                    edge.counters.connections_refused.one();
                    refuse(&stream, &door);
                    continue;
                };
                tokio::spawn(enter(stream, entrance.clone(), peer, Arc::clone(&edge), admitted));
            }
            // Out of descriptors, most likely: connections that end will free some. Without a pause the loop would spin.
            Err(error) => {
                warn!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Waits for a switch that is thrown once.
pub(crate) async fn turned_true(switch: &mut watch::Receiver<bool>) {
    // An error means that the edge is gone, which is as good.
    let _thrown = switch.wait_for(|thrown| *thrown).await.is_ok();
}

/// Tells a visitor beyond the bounds to come back, without reading what it wants. One who expects a handshake could not read it.
fn refuse(stream: &TcpStream, door: &Door) {
    if door.is_secure() {
        return;
    }
    const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if let Err(error) = stream.try_write(BUSY) {
        trace!(%error, "refused connection was gone already");
    }
}

/// A visitor's end of a connection, as hyper holds it.
pub(crate) type Visitor = TokioIo<Held<Hinted<Patient>>>;

/// Lets a connection in and serves it to its end.
async fn enter(stream: TcpStream, entrance: Entrance, peer: Peer, edge: Arc<Edge>, admitted: Admitted) {
    let patience = {
        let settings = edge.settings.load();
        sockets::of_visitor(&stream, settings.config.sockets);
        settings.config.timeouts.header_read
    };
    let mut stopping = edge.stopping.subscribe();
    let entered = tokio::select! {
        entered = entrance.enter(stream, patience) => entered,
        // Nothing was asked for yet.
        () = turned_true(&mut stopping) => return,
    };
    match entered {
        // Apart, so that a waiting connection takes no more room than its own kind needs.
        Ok((stream, Speech::Http1)) => Box::pin(serve(stream, peer, edge)).await,
        Ok((stream, Speech::Http2)) => Box::pin(h2::serve(stream, peer, edge)).await,
        Err(error) => {
            if entrance.is_secure() {
                edge.counters.handshakes_failed.one();
            }
            trace!(%error, "connection ended before a request");
        }
    }
    drop(admitted);
}

/// Serves one connection of HTTP/1.1 to its end.
async fn serve(stream: Wire, peer: Peer, edge: Arc<Edge>) {
    let timeouts = edge.settings.load().config.timeouts.clone();
    let line = Line::new(peer);
    let stream = Gated::new(Hinted::new(Patient::new(stream, timeouts.visitor_stall), Arc::clone(&line.early)));
    let lane = Lane::new(Arc::clone(&edge), peer, Arc::clone(&line.early));
    let held = Held::new(Express::new(stream, lane, Arc::clone(&line.turns), timeouts.header_read));
    let stream: Visitor = TokioIo::new(held.clone());
    let refused: Mutex<Option<OnUpgrade>> = Mutex::default();
    let service = service_fn(|request: Request<Incoming>| {
        let upgrade = request.extensions().get::<OnUpgrade>().cloned();
        let answer = answer(request, line.clone(), Arc::clone(&edge));
        // Apart: most connections, at most times, answer nothing.
        Box::pin(async {
            let answer = answer.await;
            let kept = upgrade.filter(|_| answer.as_ref().is_ok_and(|answer| answer.status() != StatusCode::SWITCHING_PROTOCOLS));
            *refused.lock().unwrap_or_else(PoisonError::into_inner) = kept;
            answer
        })
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(FIELDS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .half_close(false)
        .serve_connection(stream, service)
        .with_upgrades();
    let result = finish(connection, held, edge.stopping.subscribe()).await;
    let refused = refused.into_inner().unwrap_or_else(PoisonError::into_inner);
    // A connection whose last request asked for another protocol (CONNECT does) and did not get it is handed out as if it had, unclosed.
    if let Some(upgrade) = refused
        && let Ok(upgraded) = upgrade.await
        && let Err(error) = TokioIo::new(upgraded).shutdown().await
    {
        trace!(%error, "connection ended early");
    }
    if let Err(error) = result {
        // Whatever never became a request is counted here.
        if error.is_parse() {
            edge.counters.requests_refused.one();
        }
        trace!(%error, "connection ended early");
    }
}

/// Drives a connection to its end; tells it to end after its request once the edge stops.
async fn finish<S>(
    connection: UpgradeableConnection<Visitor, S>,
    held: Held<Hinted<Patient>>,
    mut stopping: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    S: HttpService<Incoming, ResBody = Metered>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = pin!(connection);
    let news = stopping.clone();
    let mut stopped = pin!(turned_true(&mut stopping));
    let (mut watched, mut told) = (false, false);
    poll_fn(|cx| {
        let beneath = !told && held.poll_beneath(cx);
        if beneath && watched && !news.has_changed().unwrap_or(true) {
            return Poll::Pending;
        }
        if !beneath && let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        watched = true;
        if !told && stopped.as_mut().poll(cx).is_ready() {
            told = true;
            connection.as_mut().graceful_shutdown();
            return connection.as_mut().poll(cx);
        }
        Poll::Pending
    })
    .await
}
