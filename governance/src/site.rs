//! Who speaks: a site is its ed25519 key, and what it signs is signed under a domain.

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use bincode::{Decode, Encode};
use data_encoding::BASE32_NOPAD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use crate::{codec, digest::Digest};

/// A member's name: its ed25519 public key (RFC 8032). Ordered, because the lower end of a line sequences it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct SiteId(pub [u8; 32]);

impl SiteId {
    /// The first eight letters, for people.
    pub fn short(&self) -> String {
        let mut text = BASE32_NOPAD.encode(&self.0[..5]);
        text.make_ascii_lowercase();
        text
    }

    /// Tells whether this site signed `bytes` under `domain`. Strict: small-order keys and malleable signatures fail.
    #[must_use]
    pub fn verifies(&self, domain: &'static str, bytes: &[u8], signature: &Signature) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(&in_domain(domain, bytes), &signature).is_ok()
    }
}

impl fmt::Display for SiteId {
    /// Writes all 52 letters: RFC 4648 base32, lower case, no padding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = BASE32_NOPAD.encode(&self.0);
        text.make_ascii_lowercase();
        f.write_str(&text)
    }
}

impl fmt::Debug for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteId({})", self.short())
    }
}

/// The text is not 52 letters of RFC 4648 base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotASite;

impl fmt::Display for NotASite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a site's name is 52 letters a-z and digits 2-7")
    }
}

impl core::error::Error for NotASite {}

impl FromStr for SiteId {
    type Err = NotASite;

    fn from_str(text: &str) -> Result<Self, NotASite> {
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| NotASite)?;
        bytes.try_into().map(Self).map_err(|_| NotASite)
    }
}

/// An ed25519 signature over `domain || bytes`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

/// A site's secret key. Wiped from memory when dropped; never printed.
pub struct Key(SigningKey);

impl Key {
    /// Makes a key from 32 secret bytes (the seed of RFC 8032 section 5.1.5).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// The public name of this key.
    pub fn site(&self) -> SiteId {
        SiteId(self.0.verifying_key().to_bytes())
    }

    /// The 32 secret bytes again: the transport needs its own form of the same key.
    #[must_use]
    pub fn to_seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Signs `bytes` under `domain`.
    #[must_use]
    pub fn sign(&self, domain: &'static str, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(&in_domain(domain, bytes)).to_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.site().short())
    }
}

fn in_domain(domain: &'static str, bytes: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(1 + domain.len() + bytes.len());
    message.push(u8::try_from(domain.len()).unwrap_or(u8::MAX));
    message.extend_from_slice(domain.as_bytes());
    message.extend_from_slice(bytes);
    message
}

/// A body that can be signed: it names the domain that keeps its bytes from being taken for another statement's.
pub trait Statement: Encode + Decode<()> {
    /// Domain tag, unique in the project, at most 255 bytes.
    const DOMAIN: &'static str;

    /// The canonical bytes that are signed.
    fn canonical(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The statement's name: the digest of its canonical bytes in its domain.
    fn digest(&self) -> Digest {
        Digest::of(Self::DOMAIN, &self.canonical())
    }

    /// Signs the statement.
    fn sign(&self, key: &Key) -> Signature {
        key.sign(Self::DOMAIN, &self.canonical())
    }

    /// Tells whether `site` signed this statement.
    fn is_signed_by(&self, site: &SiteId, signature: &Signature) -> bool {
        site.verifies(Self::DOMAIN, &self.canonical(), signature)
    }
}

/// A statement with one signature. Holding a value says nothing: ask [`Signed::is_by`] before believing it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Signed<T> {
    /// What is stated.
    pub body: T,
    /// Over the body's canonical bytes, in the body's domain.
    pub signature: Signature,
}

impl<T: Statement> Signed<T> {
    /// Signs `body`.
    pub fn new(body: T, key: &Key) -> Self {
        let signature = body.sign(key);
        Self { body, signature }
    }

    /// Tells whether `site` signed the body.
    #[must_use]
    pub fn is_by(&self, site: &SiteId) -> bool {
        self.body.is_signed_by(site, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_again_by_its_seed() {
        for seed in [[0; 32], [9; 32]] {
            assert_eq!(Key::from_seed(seed).to_seed(), seed);
        }
    }
}
