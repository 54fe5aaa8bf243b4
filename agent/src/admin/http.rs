//! The admin listener: `/metrics`, `/health` and `/ready`, on loopback, for whoever is on this machine.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

use crate::{metrics, run::agent::Agent};

/// A bound admin listener.
#[derive(Debug)]
pub struct Admin(tokio::net::TcpListener);

impl Admin {
    /// Binds it.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        tokio::net::TcpListener::bind(address).await.map(Self)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers until dropped.
    pub async fn serve(self, agent: Arc<Agent>) {
        let routes =
            Router::new().route("/metrics", get(metrics)).route("/health", get(health)).route("/ready", get(ready)).with_state(agent);
        if let Err(error) = axum::serve(self.0, routes).await {
            tracing::warn!(%error, "admin listener ended");
        }
    }
}

/// The process answers: that is all that liveness means.
async fn health() -> &'static str {
    "ok\n"
}

/// Visitors are served. What is wrong beside that stands in the text, but does not take the site out of a load balancer.
async fn ready(State(agent): State<Arc<Agent>>) -> impl IntoResponse {
    if agent.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
    }
    let trouble = agent.trouble().map_or_else(String::new, |trouble| format!("without mesh: {trouble}\n"));
    (StatusCode::OK, format!("ready\n{trouble}"))
}

async fn metrics(State(agent): State<Arc<Agent>>) -> impl IntoResponse {
    let text = metrics::text(&agent).await;
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}
