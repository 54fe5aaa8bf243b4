//! Words for visitors who speak TLS: certificates that they trust, and connections.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use overspill_edge::{Config, Handle, Identity};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::common::{LONG, Origin, Reply, edge, parse};

/// A certificate that its own visitors trust.
pub struct Certificate {
    pub identity: Identity,
    der: CertificateDer<'static>,
    pem: (String, String),
}

impl Certificate {
    pub fn new(names: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        let chain = made.cert.pem();
        let key = made.signing_key.serialize_pem();
        let identity = Identity::read(chain.as_bytes(), key.as_bytes()).unwrap();
        Self { identity, der: CertificateDer::from_pem_slice(chain.as_bytes()).unwrap(), pem: (chain, key) }
    }

    /// Chain and key.
    pub fn pem(&self) -> (&str, &str) {
        (&self.pem.0, &self.pem.1)
    }
}

/// An edge that shows these certificates on a TLS listener beside its plain one.
pub fn secure_edge(origin: &Origin, certificates: &[&Certificate], change: impl FnOnce(&mut Config)) -> Handle {
    edge(origin, |config| {
        config.tls.listen = vec![([127, 0, 0, 1], 0).into()];
        config.tls.identities = certificates.iter().map(|certificate| certificate.identity.clone()).collect();
        change(config);
    })
}

/// What a visitor who trusts `certificate` alone brings to a handshake.
pub fn trusting(certificate: &Certificate, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der.clone()).unwrap();
    let versions = rustls::ALL_VERSIONS;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// A connection of HTTP/1.1 over TLS.
pub struct Visitor(pub StreamOwned<ClientConnection, TcpStream>);

impl Visitor {
    /// Shakes hands for `name`, trusting `certificate` alone.
    pub fn meet(edge: &Handle, certificate: &Certificate, name: &'static str) -> Result<Self, std::io::Error> {
        Self::meet_with(edge, &trusting(certificate, &[b"http/1.1"]), name)
    }

    pub fn meet_with(edge: &Handle, config: &Arc<ClientConfig>, name: &'static str) -> Result<Self, std::io::Error> {
        let tcp = TcpStream::connect(edge.secure_addrs()[0]).unwrap();
        tcp.set_read_timeout(Some(LONG)).unwrap();
        let tls = ClientConnection::new(Arc::clone(config), name.try_into().unwrap()).unwrap();
        let mut visitor = Self(StreamOwned::new(tls, tcp));
        while visitor.0.conn.is_handshaking() {
            visitor.0.conn.complete_io(&mut visitor.0.sock)?;
        }
        Ok(visitor)
    }

    /// Asks on a connection that is kept; the answer must state its length.
    pub fn ask(&mut self, request: &str) -> Reply {
        self.0.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        let mut reply = parse(&answer);
        let length: usize = reply.field("content-length").map_or(0, |length| length.parse().unwrap());
        reply.body = vec![0; if request.starts_with("HEAD") || reply.status == 304 { 0 } else { length }];
        self.0.read_exact(&mut reply.body).unwrap();
        reply
    }

    pub fn get(&mut self, host: &str, path: &str, fields: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"))
    }
}
