//! Samples of what helpers serve: one GET each, as much like a visitor's as can be, at the helper's public address.
//!
//! A member chose the address, so the rules of [`crate::prove`] hold: public addresses only, the address that was checked is the one connected to, no
//! redirects, bounds on bytes and time. A certificate must be good, as for a browser. Directly made samples come from this machine's
//! address, by which a helper can tell them from visitors'; with a proxy it sees the proxy's.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{HeaderMap, Request, StatusCode, header, http::uri::Authority};
use hyper_util::rt::TokioIo;
use overspill_governance::digest::ObjectDigest;
use overspill_protocol::{
    attest,
    limits::OBJECT_BYTES_MAX,
    sampling::{Answer, Sample},
    ticket::TICKET_PARAMETER,
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    acme::client::trusting,
    prove::{self, Reach, Stream, secure},
};

/// Time for all of it: resolving, connecting, asking, reading.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of a proxy's answer to CONNECT that are read.
const PROXY_HEAD_MAX: usize = 4 * 1024;
/// Where proxies listen that are named without a port.
const PROXY_PORT: u16 = 3_128;
/// What a browser sends with a request for a file, in its order. Which file it is for, it says in fields of its own.
const BROWSER: &[(header::HeaderName, &str)] = &[
    (header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (header::ACCEPT, "*/*"),
    (header::ACCEPT_LANGUAGE, "en-US,en;q=0.5"),
    (header::ACCEPT_ENCODING, "gzip, deflate, br, zstd"),
];

/// How samples reach helpers.
#[derive(Clone)]
pub struct Ways {
    reach: Reach,
    proxy: Option<String>,
    /// Absent where this system keeps no roots: then nobody is asked over TLS.
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Ways {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ways").field("reach", &self.reach).field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

impl Ways {
    /// Directly, or through an HTTP proxy at this host and port.
    #[must_use]
    pub fn new(reach: Reach, proxy: Option<String>) -> Self {
        Self { reach, proxy, tls: trusting(None).ok() }
    }
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The helper's text is not a scheme and an authority.
    #[error("`{0}` is not the address of a web site")]
    NotAHost(String),
    /// The name has no address, or none that may be asked.
    #[error("{0} has no public address")]
    NoAddress(String),
    /// Nobody answers in time.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
    /// The way there is cut, or the answer is none.
    #[error("{0}")]
    Broken(String),
}

fn broken(error: impl std::fmt::Display) -> Unanswered {
    Unanswered::Broken(error.to_string())
}

/// Asks a helper as a visitor would.
///
/// # Errors
/// [`Unanswered`].
pub async fn take(sample: &Sample, ways: &Ways) -> Result<Answer, Unanswered> {
    tokio::time::timeout(PATIENCE, ask(sample, ways)).await.map_err(|_| Unanswered::Late)?
}

async fn ask(sample: &Sample, ways: &Ways) -> Result<Answer, Unanswered> {
    let authority = prove::authority_of(&sample.base).ok_or_else(|| Unanswered::NotAHost(sample.base.clone()))?;
    let is_https = sample.base.starts_with("https://");
    let tcp = match &ways.proxy {
        Some(proxy) => through(proxy, &authority, if is_https { 443 } else { 80 }, ways.reach).await?,
        None => prove::connect(&authority, if is_https { 443 } else { 80 }, ways.reach)
            .await
            .map_err(|error| error.map_or_else(|| Unanswered::NoAddress(authority.to_string()), broken))?,
    };
    let stream: Box<dyn Stream> = if is_https { secured(tcp, prove::name_of(&authority), ways).await? } else { Box::new(tcp) };
    let (mut requests, connection) = hyper::client::conn::http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(16 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let request = request(sample, &authority)?;
    // The connection is driven here, not in a task: when time is up, dropping this closes it.
    let answer = async {
        let asked = Instant::now();
        let response = requests.send_request(request).await.map_err(broken)?;
        let waited = asked.elapsed();
        let (parts, body) = response.into_parts();
        let most = usize::try_from(OBJECT_BYTES_MAX).unwrap_or(usize::MAX);
        let body = Limited::new(body, most).collect().await;
        let whole = body.is_ok() && !parts.headers.contains_key(header::CONTENT_ENCODING);
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        Ok(answer(parts.status, &parts.headers, whole, &body, waited))
    };
    let (mut connection, mut answer) = (std::pin::pin!(connection), std::pin::pin!(answer));
    tokio::select! {
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}

fn request(sample: &Sample, authority: &Authority) -> Result<Request<Empty<Bytes>>, Unanswered> {
    let joint = if sample.path.contains('?') { '&' } else { '?' };
    let mut request = Request::get(format!("{}{joint}{TICKET_PARAMETER}={}", sample.path, sample.ticket));
    request = request.header(header::HOST, authority.as_str());
    for (name, value) in BROWSER {
        request = request.header(name, *value);
    }
    request
        .header(header::REFERER, format!("{}/", sample.referrer))
        .header(header::CONNECTION, "keep-alive")
        .header("sec-fetch-dest", "empty")
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-site", "cross-site")
        .body(Empty::new())
        .map_err(broken)
}

fn answer(status: StatusCode, headers: &HeaderMap, whole: bool, body: &[u8], waited: Duration) -> Answer {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let named = text(header::ETAG.as_str()).and_then(|tag| ObjectDigest::from_hex(tag.trim_matches('"')));
    Answer { status: status.as_u16(), whole, body: ObjectDigest::of(body), named, served: text(attest::FIELD).map(str::to_owned), waited }
}

/// TLS as a browser speaks it; in trials on one machine, with whatever certificate is shown.
async fn secured(tcp: TcpStream, name: &str, ways: &Ways) -> Result<Box<dyn Stream>, Unanswered> {
    if ways.reach == Reach::Anywhere {
        return Ok(Box::new(secure::speak(tcp, name).await.map_err(broken)?));
    }
    let tls = ways.tls.as_ref().ok_or_else(|| broken("this system keeps no root certificates where they are looked for"))?;
    let name = ServerName::try_from(name.to_owned()).map_err(broken)?;
    Ok(Box::new(tls.connect(name, tcp).await.map_err(broken)?))
}

/// A connection to a helper through a proxy (CONNECT, RFC 9110 section 9.3.6). The proxy looks the name up; it must be a name.
async fn through(proxy: &str, helper: &Authority, port: u16, reach: Reach) -> Result<TcpStream, Unanswered> {
    let name = prove::name_of(helper);
    let is_name = name.contains('.') && name.parse::<std::net::IpAddr>().is_err() && !prove::is_localhost(name);
    if reach == Reach::Public && !is_name {
        return Err(Unanswered::NoAddress(name.to_owned()));
    }
    let proxy: Authority = proxy.parse().map_err(broken)?;
    // Our own proxy may stand anywhere.
    let mut tcp = prove::connect(&proxy, PROXY_PORT, Reach::Anywhere).await.map_err(|error| error.map_or(Unanswered::Late, broken))?;
    let goal = format!("{}:{}", helper.host(), helper.port_u16().unwrap_or(port));
    tcp.write_all(format!("CONNECT {goal} HTTP/1.1\r\nHost: {goal}\r\n\r\n").as_bytes()).await.map_err(broken)?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head is not ours to read.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= PROXY_HEAD_MAX {
            return Err(broken("the proxy's answer never ends"));
        }
        head.push(tcp.read_u8().await.map_err(broken)?);
    }
    let is_good = head.starts_with(b"HTTP/1.1 200") || head.starts_with(b"HTTP/1.0 200");
    if is_good { Ok(tcp) } else { Err(broken("the proxy does not let samples through")) }
}

#[cfg(test)]
mod tests;
