//! Whether a host name publishes a member's key: one careful GET of `/.well-known/overspill`.
//!
//! A member names the host, so this is where somebody could make us ask what we should not (SSRF). Hence: only public addresses
//! (unless a test allows others), the address that was checked is the one connected to, no redirects, port 80 or the one named,
//! a small answer, little time. It is plain HTTP even for an `https` site, as with ACME's HTTP-01 (RFC 8555 section 8.3): what is
//! published is public, and whoever controls port 80 of a host can have certificates for it anyway. Only an `https` site whose address names a port
//! has nothing else at that port: it is asked over TLS, and may show any certificate.

mod public;
pub(crate) mod secure;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, Uri, header, http::uri::Authority};
use hyper_util::rt::TokioIo;
use overspill_governance::site::SiteId;
use overspill_protocol::proof;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use public::is_public;

/// Where a site publishes its member key (RFC 8615).
pub const PATH: &str = "/.well-known/overspill";
/// Bytes of the answer that are read: a host may serve several members, not many.
pub const BODY_BYTES_MAX: usize = 4 * 1024;
/// Time for all of it: resolving, connecting, asking, reading.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 3;

/// Whose addresses may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Addresses of the public Internet.
    Public,
    /// Loopback and private ones as well: tests and demonstrations on one machine.
    Anywhere,
}

/// Why the host does not prove to be the member's. Nothing was changed by asking.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// The member's text is not a scheme and an authority.
    #[error("`{0}` is not the address of a web site")]
    NotAHost(String),
    /// The name has no address, or none that may be asked.
    #[error("{0} has no public address")]
    NoAddress(String),
    /// Nobody answers there in time.
    #[error("{host} did not answer in time or broke off: {reason}")]
    NoAnswer {
        /// Who was asked.
        host: String,
        /// The system's words.
        reason: String,
    },
    /// There is an answer, with another status than 200.
    #[error("{host}{PATH} answers with status {status}")]
    Status {
        /// Who was asked.
        host: String,
        /// What it said.
        status: StatusCode,
    },
    /// There is an answer, and the key is not in it.
    #[error("{0}{PATH} does not name this member's key")]
    OtherKey(String),
}

/// Asks `host` (`http://blog.example`, `https://blog.example`) whether it publishes `site`'s key.
///
/// # Errors
/// [`Unproven`], in words that can be shown to the member.
pub async fn prove(site: &SiteId, host: &str, reach: Reach) -> Result<(), Unproven> {
    let late = || Unproven::NoAnswer { host: host.to_owned(), reason: format!("{} s have passed", PATIENCE.as_secs()) };
    tokio::time::timeout(PATIENCE, ask(site, host, reach)).await.map_err(|_| late())?
}

async fn ask(site: &SiteId, host: &str, reach: Reach) -> Result<(), Unproven> {
    let authority = authority_of(host).ok_or_else(|| Unproven::NotAHost(host.chars().take(100).collect()))?;
    let no_answer = |reason: &dyn std::fmt::Display| Unproven::NoAnswer { host: host.to_owned(), reason: reason.to_string() };
    let stream = connect(&authority, 80, reach).await.map_err(|reason| match reason {
        None => Unproven::NoAddress(host.to_owned()),
        Some(error) => no_answer(&error),
    })?;
    let stream: Box<dyn Stream> = if host.starts_with("https://") && authority.port().is_some() {
        Box::new(secure::speak(stream, name_of(&authority)).await.map_err(|error| no_answer(&error))?)
    } else {
        Box::new(stream)
    };
    let (mut requests, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(16 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| no_answer(&error))?;
    let request = Request::get(PATH)
        .header(header::HOST, authority.as_str())
        .header(header::USER_AGENT, concat!("overspill/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| no_answer(&error))?;
    // The connection is driven here, not in a task: when time is up, dropping this closes it.
    let answer = async {
        let response = requests.send_request(request).await.map_err(|error| no_answer(&error))?;
        if response.status() != StatusCode::OK {
            return Err(Unproven::Status { host: host.to_owned(), status: response.status() });
        }
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await.map_err(|error| no_answer(&error))?;
        Ok(body.to_bytes())
    };
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    let body = tokio::select! {
        answer = &mut answer => answer?,
        _ = &mut connection => answer.await?,
    };
    if proof::names(&body, site) { Ok(()) } else { Err(Unproven::OtherKey(host.to_owned())) }
}

/// TCP, or TLS over it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The authority of a scheme and authority, and nothing more: no path, no query, no user.
pub(crate) fn authority_of(host: &str) -> Option<Authority> {
    let uri: Uri = host.parse().ok()?;
    let bare = matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none() && matches!(uri.path(), "" | "/");
    let authority = uri.authority()?;
    (bare && !authority.as_str().contains('@')).then(|| authority.clone())
}

/// The host without brackets.
pub(crate) fn name_of(authority: &Authority) -> &str {
    authority.host().trim_start_matches('[').trim_end_matches(']')
}

/// Connects to the first address that may be asked; `Err(None)` when there is none.
pub(crate) async fn connect(authority: &Authority, default: u16, reach: Reach) -> Result<TcpStream, Option<std::io::Error>> {
    let name = name_of(authority);
    let port = authority.port_u16().unwrap_or(default);
    let addresses: Vec<SocketAddr> = if is_localhost(name) {
        vec![SocketAddr::from(([127, 0, 0, 1], port))]
    } else {
        tokio::net::lookup_host((name, port)).await.map_err(Some)?.collect()
    };
    let allowed = addresses.into_iter().filter(|address| reach == Reach::Anywhere || is_public(address.ip()));
    let mut failed = None;
    for address in allowed.take(ADDRESSES_MAX) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed)
}

/// `localhost` and everything below it is this machine, without asking anybody (RFC 6761 section 6.3).
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::site::Key;
    use overspill_protocol::proof::published;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    /// A host that gives `answer` to whoever asks, and its address.
    async fn host(answer: impl Into<Vec<u8>>) -> String {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut asked = [0; 1_024];
                let _ = socket.read(&mut asked).await;
                let _ = socket.write_all(&answer).await;
            }
        });
        format!("http://blog.localhost:{port}")
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_host_that_names_the_key_is_believed() {
        let site = Key::from_seed([1; 32]).site();
        let other = Key::from_seed([2; 32]).site();
        let host = host(ok(&(published(&other) + &published(&site)))).await;
        assert!(prove(&site, &host, Reach::Anywhere).await.is_ok());
        let stranger = Key::from_seed([3; 32]).site();
        assert!(matches!(prove(&stranger, &host, Reach::Anywhere).await, Err(Unproven::OtherKey(_))));
    }

    #[tokio::test]
    async fn an_https_site_on_a_port_of_its_own_is_asked_over_tls_there() {
        let site = Key::from_seed([1; 32]).site();
        let made = rcgen::generate_simple_self_signed(vec!["another.example".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let builder = rustls::ServerConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()));
        let config = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = ok(&published(&site));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Ok(mut socket) = acceptor.accept(socket).await else { continue };
                let mut asked = [0; 1_024];
                let _ = socket.read(&mut asked).await;
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            }
        });
        assert!(prove(&site, &format!("https://blog.localhost:{port}"), Reach::Anywhere).await.is_ok());
        let plain = prove(&site, &format!("http://blog.localhost:{port}"), Reach::Anywhere).await;
        assert!(matches!(plain, Err(Unproven::NoAnswer { .. })), "{plain:?}");
        let other = Key::from_seed([2; 32]).site();
        let refused = prove(&other, &format!("https://blog.localhost:{port}"), Reach::Anywhere).await;
        assert!(matches!(refused, Err(Unproven::OtherKey(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn this_machine_is_not_asked_for_a_stranger() {
        let site = Key::from_seed([1; 32]).site();
        let host = host(ok(&published(&site))).await;
        assert!(matches!(prove(&site, &host, Reach::Public).await, Err(Unproven::NoAddress(_))));
        let bare = host.replace("blog.localhost", "127.0.0.1");
        assert!(matches!(prove(&site, &bare, Reach::Public).await, Err(Unproven::NoAddress(_))));
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let site = Key::from_seed([1; 32]).site();
        let goal = host(ok(&published(&site))).await;
        let host = host(format!("HTTP/1.1 302 Found\r\nLocation: {goal}{PATH}\r\nContent-Length: 0\r\n\r\n")).await;
        let refused = prove(&site, &host, Reach::Anywhere).await;
        assert!(matches!(refused, Err(Unproven::Status { status: StatusCode::FOUND, .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn a_long_answer_is_not_read() {
        let site = Key::from_seed([1; 32]).site();
        let host = host(ok(&(published(&site) + &"x".repeat(BODY_BYTES_MAX)))).await;
        assert!(matches!(prove(&site, &host, Reach::Anywhere).await, Err(Unproven::NoAnswer { .. })));
    }

    #[tokio::test]
    async fn garbage_and_silence_are_no_proof() {
        let site = Key::from_seed([1; 32]).site();
        let garbage = host(vec![0xff; 5_000]).await;
        assert!(matches!(prove(&site, &garbage, Reach::Anywhere).await, Err(Unproven::NoAnswer { .. })));
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("http://{}", silent.local_addr().unwrap());
        assert!(matches!(prove(&site, &host, Reach::Anywhere).await, Err(Unproven::NoAnswer { .. })));
    }

    #[tokio::test]
    async fn only_a_scheme_and_an_authority_name_a_host() {
        let site = Key::from_seed([1; 32]).site();
        for text in
            ["", "blog.example", "ftp://blog.example", "http://blog.example/path", "http://u:p@blog.example", "http://a b", "http://x?y"]
        {
            let refused = prove(&site, text, Reach::Anywhere).await;
            assert!(matches!(refused, Err(Unproven::NotAHost(_))), "{text}: {refused:?}");
        }
    }
}
