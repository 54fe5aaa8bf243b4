//! A certificate authority of one's own: Debian's `pebble`, which speaks ACME strictly and forgets everything, with a name server beside it
//! that says every name is at 127.0.0.1.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use crate::support::{PATIENCE, Place};

/// An order has a dozen steps, each a handshake, on a machine that has other things to do.
const LONG: Duration = Duration::from_secs(120);

/// The authority; it ends with this.
pub struct Pebble {
    children: [Child; 2],
    api: SocketAddr,
    management: SocketAddr,
    /// Plain and TLS listeners at which it asks about names.
    pub asks: (SocketAddr, SocketAddr),
    /// Root of its own certificate.
    pub root: PathBuf,
    trusted: CertificateDer<'static>,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Pebble {
    /// Starts it, with certificates that live for so many seconds; says so and returns nothing where it is not installed.
    pub fn start(place: &Place, lifetime: u64) -> Option<Self> {
        if Command::new("pebble").arg("-h").stderr(Stdio::null()).status().is_err() {
            println!("passed over: there is no pebble (Debian: apt-get install pebble)");
            return None;
        }
        let [api, management, plain, secure, names, names_management] = std::array::from_fn(|_| port());
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let root = place.write("pebble.pem", &made.cert.pem());
        let key = place.write("pebble.key", &made.signing_key.serialize_pem());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": api.to_string(), "managementListenAddress": management.to_string(),
            "certificate": root, "privateKey": key, "httpPort": plain.port(), "tlsPort": secure.port(),
            "ocspResponderURL": "", "externalAccountBindingRequired": false, "certificateValidityPeriod": lifetime,
        } });
        let config = place.write("pebble.json", &config.to_string());
        let log = |name: &str| Stdio::from(File::create(place.path(name)).unwrap());
        let name_server = Command::new("pebble-challtestsrv")
            .args(["-dns01", &names.to_string(), "-management", &names_management.to_string(), "-defaultIPv6", ""])
            .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
            .stdout(log("names.log"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let authority = Command::new("pebble")
            .args(["-strict", "-config"])
            .arg(&config)
            .args(["-dnsserver", &names.to_string()])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdout(log("pebble.log"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let trusted = CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap();
        let pebble = Self { children: [name_server, authority], api, management, asks: (plain, secure), root, trusted };
        eventually("the authority listens", || [api, management, names_management].iter().all(|at| TcpStream::connect(at).is_ok()));
        Some(pebble)
    }

    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.api)
    }

    /// What its certificates descend from.
    pub fn issues_under(&self) -> CertificateDer<'static> {
        let mut stream = meet(self.management, "127.0.0.1", &self.trusted).expect("the authority can be managed");
        stream.write_all(b"GET /roots/0 HTTP/1.1\r\nHost: pebble\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        CertificateDer::from_pem_slice(text.split_once("\r\n\r\n").unwrap().1.as_bytes()).unwrap()
    }
}

/// A port below those that the kernel gives to others, and another each time.
fn port() -> SocketAddr {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let place = std::process::id().wrapping_mul(97).wrapping_add(TAKEN.fetch_add(1, Relaxed)) % 20_000;
        let address = SocketAddr::from(([127, 0, 0, 1], 10_000 + u16::try_from(place).unwrap()));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// A visitor's connection to `name`, who trusts this root alone; nothing if another's certificate is shown, or none.
pub fn meet(address: SocketAddr, name: &str, root: &CertificateDer<'static>) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let tcp = TcpStream::connect(address).ok()?;
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(tls, tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).ok()?;
    }
    Some(stream)
}

/// The certificate that is shown for `name`, if it is good.
pub fn shown(address: SocketAddr, name: &str, root: &CertificateDer<'static>) -> Option<CertificateDer<'static>> {
    meet(address, name, root)?.conn.peer_certificates()?.first().map(|leaf| leaf.clone().into_owned())
}

pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < LONG, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
