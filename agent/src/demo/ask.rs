//! Small HTTP questions to processes on this machine: side ports, metrics, readiness.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longest answer that is read.
const ANSWER_MAX: usize = 4 << 20;
/// An answer takes no longer than this, or counts as none.
const WITHIN: Duration = Duration::from_secs(5);

/// Sends `method path` to `address` and returns the body of a 200 answer.
///
/// # Errors
/// When there is no such answer in time.
pub async fn ask(method: Method, address: SocketAddr, host: &str, path: &str) -> anyhow::Result<String> {
    let asked = async {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header(header::HOST, host).body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        anyhow::ensure!(response.status() == http::StatusCode::OK, "{address}{path} answered {}", response.status());
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(String::from_utf8(body.to_bytes().to_vec())?)
    };
    tokio::time::timeout(WITHIN, asked).await.with_context(|| format!("{address}{path} did not answer in time"))?
}
