//! The site's own server: one pool of plain HTTP/1.1 connections, and what can go wrong with them, in the three ways that matter.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri, uri::Authority};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use thiserror::Error;

use crate::{
    config::Config,
    limits::{ORIGIN_IDLE_MAX, ORIGIN_IDLE_TIME},
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
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(ORIGIN_IDLE_MAX)
            .pool_idle_timeout(ORIGIN_IDLE_TIME)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .set_host(false)
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
    pub(crate) async fn fetch(&self, request: Request<Upload>, patience: Duration) -> Result<Response<Incoming>, Fault> {
        match tokio::time::timeout(patience, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(Fault::Unreachable),
            Ok(Err(_)) => Err(Fault::Broken),
            Err(_) => Err(Fault::Late),
        }
    }
}
