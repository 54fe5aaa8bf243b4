//! TLS towards visitors: certificates chosen by the name that a visitor asks for, and replaced while connections live on. What comes in
//! here is PEM; where it lies is the agent's business.

use std::{collections::HashMap, fmt, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use overspill_governance::time::Date;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use self::challenge::{ALPN_CHALLENGE, Challenges};

pub(crate) mod challenge;
pub(crate) mod handshake;
pub(crate) mod redirect;
pub(crate) mod validity;

/// What the edge offers over TLS. `listen` is read once; the rest can be reloaded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tls {
    /// Addresses to listen on. Port 0 takes any free port.
    pub listen: Vec<SocketAddr>,
    /// Certificates with their keys; the first serves whoever asks for a name that none is for.
    pub identities: Vec<Identity>,
    /// Whether visitors of the site over plain HTTP are sent to HTTPS.
    pub redirect: bool,
    /// Whether guests are served over TLS here: then none is taken in for whose name there is no certificate.
    pub guests: bool,
}

/// A certificate chain with its key.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    names: Vec<String>,
    begins: Option<Date>,
    ends: Option<Date>,
}

/// Why a certificate cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// The chain has no certificate, or one that is not PEM.
    #[error("there is no PEM certificate in the chain")]
    NoCertificate,
    /// The first certificate of the chain makes no sense.
    #[error("the first certificate of the chain cannot be read")]
    Malformed,
    /// The key is not PEM, or encrypted.
    #[error("there is no unencrypted PEM key")]
    NoKey,
    /// The key is of a kind that is not spoken.
    #[error("the key is of no kind that is known here: RSA of 2048 bits or more, ECDSA P-256 or P-384, Ed25519")]
    Kind,
    /// Chain and key are of two certificates.
    #[error("the key does not belong to the first certificate of the chain")]
    OtherKey,
}

impl Identity {
    /// Reads a chain, the site's own certificate first, and its key.
    ///
    /// # Errors
    /// [`IdentityError`] says which of the two is wrong.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|_| IdentityError::NoCertificate)?;
        let leaf = chain.first().ok_or(IdentityError::NoCertificate)?;
        let parsed = webpki::EndEntityCert::try_from(leaf).map_err(|_| IdentityError::Malformed)?;
        let names = parsed.valid_dns_names().map(str::to_ascii_lowercase).collect();
        let (begins, ends) = validity::of(leaf).unzip();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::NoKey)?;
        let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => IdentityError::OtherKey,
            _ => IdentityError::Kind,
        })?;
        Ok(Self { certified: Arc::new(certified), names, begins, ends })
    }

    /// The host names that the certificate is for, wildcards among them.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The certificate itself, in DER.
    #[must_use]
    pub fn leaf(&self) -> &[u8] {
        self.certified.cert.first().map_or(&[], |leaf| leaf.as_ref())
    }

    /// When the certificate begins, if that can be read.
    #[must_use]
    pub fn begins(&self) -> Option<Date> {
        self.begins
    }

    /// When the certificate ends, if that can be read.
    #[must_use]
    pub fn ends(&self) -> Option<Date> {
        self.ends
    }

    /// Whether the certificate is for `host`, written without a port.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let wildcard = wildcard_of(&host);
        self.names.iter().any(|name| *name == host || Some(name) == wildcard.as_ref())
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("names", &self.names).field("ends", &self.ends).finish_non_exhaustive()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// `*.example` for `blog.example`: a wildcard stands for one label (RFC 9525 section 6.3).
fn wildcard_of(host: &str) -> Option<String> {
    host.split_once('.').map(|(_, parent)| format!("*.{parent}"))
}

/// The certificates in use, from which each handshake takes one; and what an authority is shown that wants to know whose a name is.
pub(crate) struct Certificates {
    table: ArcSwap<Table>,
    pub(crate) challenges: Challenges,
}

#[derive(Default)]
struct Table {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
    names: Arc<Vec<String>>,
}

impl Table {
    fn new(identities: &[Identity]) -> Self {
        let mut table = Self { default: identities.first().map(|first| Arc::clone(&first.certified)), ..Self::default() };
        for identity in identities {
            for name in &identity.names {
                table.by_name.entry(name.clone()).or_insert_with(|| Arc::clone(&identity.certified));
            }
        }
        table.names = Arc::new(table.by_name.keys().cloned().collect());
        table
    }

    fn by_name(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        self.by_name.get(&name).or_else(|| self.by_name.get(&wildcard_of(&name)?))
    }

    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        name.and_then(|name| self.by_name(name)).or(self.default.as_ref()).cloned()
    }
}

impl Certificates {
    pub(crate) fn new(identities: &[Identity]) -> Arc<Self> {
        Arc::new(Self { table: ArcSwap::from_pointee(Table::new(identities)), challenges: Challenges::default() })
    }

    /// Uses these from the next handshake on; connections keep what they have.
    pub(crate) fn replace(&self, identities: &[Identity]) {
        self.table.store(Arc::new(Table::new(identities)));
    }

    /// Tells whether one of them is for `host`, written without a port: then a visitor sent there by https meets no other's.
    pub(crate) fn are_for(&self, host: &str) -> bool {
        self.table.load().by_name(host).is_some()
    }

    /// All names that they are for.
    pub(crate) fn names(&self) -> Arc<Vec<String>> {
        Arc::clone(&self.table.load().names)
    }

    /// The server's side of TLS: 1.2 and 1.3, session tickets, no early data (a replayed request is not the visitor's).
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, rustls::Error> {
        let builder =
            ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), b"http/1.1".to_vec(), ALPN_CHALLENGE.to_vec()];
        config.ticketer = ring::Ticketer::new()?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// HTTP/2 in the handshake (RFC 7301, RFC 9113 section 3.1).
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if challenge::asks(&hello) {
            return self.challenges.certified(hello.server_name()?);
        }
        self.table.load().choose(hello.server_name())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.table.load().by_name.keys()).finish()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Chain and key of a new certificate for these names.
    pub(crate) fn pem(names: &[&str]) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn identity(names: &[&str]) -> Identity {
        let (chain, key) = pem(names);
        Identity::read(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    #[test]
    fn a_certificate_says_whom_it_is_for() {
        let identity = identity(&["Blog.example", "*.guests.example"]);
        assert_eq!(identity.names(), ["blog.example", "*.guests.example"]);
        assert!(identity.is_for("BLOG.example") && identity.is_for("a.guests.example"));
        assert!(!identity.is_for("a.b.guests.example") && !identity.is_for("guests.example") && !identity.is_for("example"));
        assert!(!format!("{identity:?}").contains("certified"), "keys are not for logs");
    }

    #[test]
    fn what_does_not_belong_together_is_refused_by_name() {
        let ((chain, key), (_, other)) = (pem(&["a.example"]), pem(&["b.example"]));
        let read = |chain: &str, key: &str| Identity::read(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(read("", &key), IdentityError::NoCertificate);
        assert_eq!(read(&key, &key), IdentityError::NoCertificate);
        assert_eq!(read("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key), IdentityError::Malformed);
        assert_eq!(read(&chain, &chain), IdentityError::NoKey);
        assert_eq!(read(&chain, &other), IdentityError::OtherKey);
    }

    #[test]
    fn the_name_chooses_and_the_first_serves_the_rest() {
        let all = [identity(&["a.example"]), identity(&["*.b.example"]), identity(&["x.b.example", "a.example"])];
        let table = Table::new(&all);
        let chosen = |name: Option<&str>| {
            let key = table.choose(name).unwrap();
            all.iter().position(|identity| Arc::ptr_eq(&identity.certified, &key)).unwrap()
        };
        assert_eq!(chosen(Some("a.example")), 0);
        assert_eq!(chosen(Some("y.B.example")), 1);
        assert_eq!(chosen(Some("x.b.example")), 2, "a name goes before a wildcard");
        assert_eq!((chosen(Some("z.y.b.example")), chosen(Some("c.example")), chosen(None)), (0, 0, 0));
        assert!(Table::new(&[]).choose(Some("a.example")).is_none());
    }
}
