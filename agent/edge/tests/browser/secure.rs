//! Certificates, and a server over TLS that plays a script: other people's sites, and whoever stands between a visitor and a helper.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use data_encoding::BASE64;
use overspill_edge::Identity;
use rcgen::PublicKeyData;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use sha2::{Digest, Sha256};

use crate::common::LONG;

/// A certificate that nobody signed, for some names.
#[derive(Clone)]
pub struct Certificate {
    pub identity: Identity,
    /// What a browser is told to believe.
    pub key_digest: String,
    chain: String,
    key: String,
}

impl Certificate {
    pub fn new(names: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let identity = Identity::read(chain.as_bytes(), key.as_bytes()).unwrap();
        let key_digest = BASE64.encode(&Sha256::digest(made.signing_key.subject_public_key_info()));
        Self { identity, key_digest, chain, key }
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()
    }

    fn server(&self) -> Arc<ServerConfig> {
        let builder =
            ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![self.der()], key).unwrap())
    }

    fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let builder =
            ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// A server of HTTP/1.1 over TLS, one request for each connection.
pub struct Server {
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request, given its head, with what the script says: a whole answer with its head.
    pub fn start(certificate: &Certificate, script: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), heads: Arc::default() };
        let (heads, config, script) = (Arc::clone(&server.heads), certificate.server(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heads, config, script) = (Arc::clone(&heads), Arc::clone(&config), Arc::clone(&script));
                thread::spawn(move || {
                    stream.set_read_timeout(Some(LONG)).unwrap();
                    let mut visitor = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                    let Some(head) = read_head(&mut visitor) else { return };
                    heads.lock().unwrap().push(head.clone());
                    let _left = visitor.write_all(&script(&head));
                    visitor.conn.send_close_notify();
                    let _left = visitor.flush();
                });
            }
        });
        server
    }

    /// Heads of the requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn read_head(stream: &mut impl Read) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// Asks whoever listens at a port over TLS, as `name`, and reads until the end.
pub fn ask(certificate: &Certificate, name: &str, port: u16, head: &str) -> Vec<u8> {
    let connection = ClientConnection::new(certificate.client(), name.to_owned().try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(("127.0.0.1", port)).unwrap());
    stream.sock.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _closed = stream.read_to_end(&mut answer);
    answer
}
