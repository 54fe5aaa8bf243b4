//! TLS towards the origin: whose certificates are good.

use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use thiserror::Error;

/// TLS towards the origin. Its certificate must be for the origin's own name.
#[derive(Clone)]
pub struct OriginTls(pub(super) Arc<rustls::ClientConfig>);

/// Why a list of certificates cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// No certificate in it that can be read.
    #[error("holds no certificate")]
    NoCertificate,
    /// The TLS library cannot be set up.
    #[error("cannot be used for TLS: {0}")]
    Library(rustls::Error),
}

impl OriginTls {
    /// Trusts the certificates in `pem`, and those that they sign. Ones that are too strange to be read are passed over, as in any system's list.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(pem: &[u8]) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        let (good, _strange) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
        if good == 0 {
            return Err(TrustError::NoCertificate);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Ok(Self(Arc::new(versions.map_err(TrustError::Library)?.with_root_certificates(roots).with_no_client_auth())))
    }
}

impl fmt::Debug for OriginTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OriginTls")
    }
}
