//! HTTPS to an authority: one connection for each of the few requests, bounded in time and bytes.

use std::{future::Future, io, path::Path, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::limits::{ANSWER_BYTES_MAX, REQUEST_TIME};

/// Where Linux distributions keep the roots that they trust.
const SYSTEM_ROOTS: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem"];

/// Speaks to authorities whose certificates descend from some roots.
#[derive(Clone)]
pub struct Client(TlsConnector);

impl Client {
    /// Trusts the roots of a PEM file, or the system's.
    ///
    /// # Errors
    /// When there is no file with a root in it.
    pub fn new(root: Option<&Path>) -> io::Result<Self> {
        trusting(root).map(Self)
    }

    async fn exchange(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.map_err(other)?.to_bytes();
        let (host, port) = secure_host(&parts.uri)?;
        let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(other)?;
        let name = ServerName::try_from(host.clone()).map_err(other)?;
        let tls = self.0.connect(name, tcp).await.map_err(other)?;
        let authority = if port == 443 { host } else { format!("{host}:{port}") };
        parts.headers.insert(header::HOST, HeaderValue::try_from(authority).map_err(other)?);
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        parts.uri = parts.uri.path_and_query().map_or_else(Uri::default, |path| path.clone().into());
        let (mut requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await.map_err(other)?;
        let answer = async {
            let response = requests.send_request(Request::from_parts(parts, Full::new(body))).await.map_err(other)?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(Error::Other)?.to_bytes();
            Ok(BytesResponse::from(Response::from_parts(parts, Full::new(body))))
        };
        // Driven here, not in a task: when time is up, dropping this closes it.
        let (mut connection, mut answer) = (std::pin::pin!(connection), std::pin::pin!(answer));
        tokio::select! {
            answer = &mut answer => answer,
            _ = &mut connection => answer.await,
        }
    }
}

/// TLS to whose certificate descends from the roots of a PEM file, or from the system's.
///
/// # Errors
/// When there is no file with a root in it.
pub(crate) fn trusting(root: Option<&Path>) -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let system = || SYSTEM_ROOTS.iter().map(Path::new).find(|path| path.exists());
    let file = root.or_else(system).ok_or_else(|| io::Error::other("this system keeps no root certificates where they are looked for"))?;
    let found = CertificateDer::pem_file_iter(file).map_err(|error| io::Error::other(format!("{}: {error}", file.display())))?;
    roots.add_parsable_certificates(found.flatten());
    if roots.is_empty() {
        return Err(io::Error::other(format!("{} holds no root certificate", file.display())));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    Ok(TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}

impl HttpClient for Client {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let exchange = self.clone().exchange(request);
        Box::pin(async move {
            let late = |_| other(io::Error::other(format!("no answer within {} s", REQUEST_TIME.as_secs())));
            tokio::time::timeout(REQUEST_TIME, exchange).await.map_err(late)?
        })
    }
}

/// An authority is spoken to over TLS only, wherever its answers point.
fn secure_host(uri: &Uri) -> Result<(String, u16), Error> {
    let secure = uri.scheme_str() == Some("https");
    let authority = uri.authority().filter(|_| secure).ok_or(Error::Str("an https URL"))?;
    Ok((authority.host().trim_matches(['[', ']']).to_owned(), authority.port_u16().unwrap_or(443)))
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_spoken() {
        let host = |text: &'static str| secure_host(&Uri::from_static(text)).ok();
        assert_eq!(host("https://acme.example/dir"), Some(("acme.example".to_owned(), 443)));
        assert_eq!(host("https://[::1]:14000/dir"), Some(("::1".to_owned(), 14_000)));
        assert_eq!(host("http://acme.example/dir"), None);
        assert_eq!(host("/dir"), None);
    }

    #[test]
    fn a_file_without_roots_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("roots.pem");
        std::fs::write(&file, "nothing\n").unwrap();
        assert!(Client::new(Some(&file)).err().unwrap().to_string().contains("holds no root certificate"));
        assert!(Client::new(Some(&dir.path().join("missing"))).is_err());
    }
}
