//! What a certificate authority asks to see whose a host name is (RFC 8555 section 8): a text over plain HTTP (HTTP-01), or a certificate
//! in a handshake of its own (TLS-ALPN-01, RFC 8737). Who asks the authority is the agent's business.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::uri::Authority;
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::ClientHello,
    sign::CertifiedKey,
};

use super::{IdentityError, provider};

/// The protocol of the authority's handshake (RFC 8737 section 6.2).
pub(crate) const ALPN_CHALLENGE: &[u8] = b"acme-tls/1";
/// Below it the authority asks over plain HTTP (RFC 8555 section 8.3).
const PATH: &str = "/.well-known/acme-challenge/";

/// A question that an authority is about to ask, and its answer.
#[derive(Debug, Clone)]
pub struct Challenge {
    name: String,
    answer: Answer,
}

#[derive(Debug, Clone)]
enum Answer {
    Text { token: String, proof: String },
    Handshake(Arc<CertifiedKey>),
}

impl Challenge {
    /// At `name`, `token` is answered with the text `proof`.
    #[must_use]
    pub fn text(name: &str, token: &str, proof: &str) -> Self {
        Self { name: name.to_ascii_lowercase(), answer: Answer::Text { token: token.to_owned(), proof: proof.to_owned() } }
    }

    /// In the authority's handshake, `name` shows this certificate, in PEM.
    ///
    /// # Errors
    /// When one of the two is not PEM, or the key of a kind that is not spoken.
    pub fn handshake(name: &str, certificate: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let certificate = CertificateDer::from_pem_slice(certificate).map_err(|_| IdentityError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::NoKey)?;
        let key = provider().key_provider.load_private_key(key).map_err(|_| IdentityError::Kind)?;
        // Not read as other certificates are: it has an extension that nobody but the authority may understand.
        Ok(Self { name: name.to_ascii_lowercase(), answer: Answer::Handshake(Arc::new(CertifiedKey::new(vec![certificate], key))) })
    }
}

/// The questions that are answered: few, for a moment each.
#[derive(Debug, Default)]
pub(crate) struct Challenges(ArcSwap<Vec<Challenge>>);

impl Challenges {
    pub(crate) fn replace(&self, challenges: Vec<Challenge>) {
        self.0.store(Arc::new(challenges));
    }

    /// The text that is asked for at `path` of `host`, if we expect that question.
    pub(crate) fn proof(&self, host: &Authority, path: &str) -> Option<String> {
        let asked = path.strip_prefix(PATH)?;
        self.0.load().iter().find_map(|challenge| match &challenge.answer {
            Answer::Text { token, proof } if token == asked && challenge.name.eq_ignore_ascii_case(host.host()) => Some(proof.clone()),
            _ => None,
        })
    }

    /// The certificate for the authority's handshake with `name`, if we expect that.
    pub(crate) fn certified(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.0.load().iter().find_map(|challenge| match &challenge.answer {
            Answer::Handshake(certified) if challenge.name.eq_ignore_ascii_case(name) => Some(Arc::clone(certified)),
            _ => None,
        })
    }
}

/// Tells whether this is an authority's handshake: it offers that protocol alone.
pub(crate) fn asks(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.next() == Some(ALPN_CHALLENGE) && offered.next().is_none())
}
