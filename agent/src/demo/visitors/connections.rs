//! One visitor's connections: kept alive and used again, a few for each host.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Response, Uri};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::demo::limits::CONNECTIONS_PER_HOST_MAX;

/// Idle connections by authority. A connection that is in use belongs to its request, so there are never more of them than the
/// requests that a visitor has under way.
pub(super) struct Connections {
    idle: Mutex<BTreeMap<String, Vec<Sender>>>,
    places: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// A connection's place at its host, free again when the answer was read.
pub(super) type Place = OwnedSemaphorePermit;

type Sender = SendRequest<Empty<Bytes>>;

impl Connections {
    pub(super) fn new() -> Self {
        Self { idle: Mutex::default(), places: Mutex::default() }
    }

    /// Waits for one of the few places at the target's host, as browsers do over HTTP/1.1.
    pub(super) async fn place(&self, target: &Uri) -> anyhow::Result<Place> {
        let authority = target.authority().context("a redirect without an authority")?.as_str();
        let places = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(authority.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(CONNECTIONS_PER_HOST_MAX))))
        };
        Ok(places.acquire_owned().await?)
    }

    /// Asks for `target` over an idle connection, or over a new one if there is none or it has just been closed.
    pub(super) async fn get(&self, target: &Uri) -> anyhow::Result<Response<Incoming>> {
        let authority = target.authority().context("a redirect without an authority")?.as_str();
        while let Some(mut idle) = self.take(authority) {
            // A kept connection may end at any moment; the request has not been worked on then, and is sent again.
            if idle.ready().await.is_ok()
                && let Ok(response) = idle.send_request(super::request(target)?).await
            {
                self.keep(authority, idle);
                return Ok(response);
            }
        }
        let port = target.port_u16().unwrap_or(80);
        // Every `*.localhost` name is this machine (RFC 6761 section 6.3); the demonstration visits no other.
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let response = sender.send_request(super::request(target)?).await?;
        self.keep(authority, sender);
        Ok(response)
    }

    fn take(&self, authority: &str) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let senders = idle.get_mut(authority)?;
        // Connections whose last body is still being read are kept here too; they are ready when it has been.
        let at = senders.iter().position(SendRequest::is_ready)?;
        Some(senders.swap_remove(at))
    }

    fn keep(&self, authority: &str, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.entry(authority.to_owned()).or_default().push(sender);
    }
}
