//! Digests: what a ledger entry links to, and what an object must hash to.

use core::fmt;

use bincode::{Decode, Encode};
use data_encoding::HEXLOWER;
use sha2::Digest as _;

/// BLAKE3 digest of canonical bytes under a domain: links of chains, names of statements.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest before the first: what the first entry of a chain links to.
    pub const ZERO: Self = Self([0; 32]);

    /// Hashes `bytes` under `domain`, so that equal bytes in two roles never share a digest.
    pub fn of(domain: &'static str, bytes: &[u8]) -> Self {
        Self::of_parts(domain, &[bytes])
    }

    /// Hashes several parts under `domain`; each part's length is hashed before it, so that parts cannot slide.
    pub fn of_parts(domain: &'static str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(domain.len() as u64).to_le_bytes()).update(domain.as_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The first 16 hex digits, for people.
    pub fn short(&self) -> alloc::string::String {
        HEXLOWER.encode(&self.0[..8])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

/// SHA-256 of a representation's bytes: the name of an object in a manifest (RFC 9530 `sha-256`, SRI `sha256-`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ObjectDigest(pub [u8; 32]);

impl ObjectDigest {
    /// Hashes a whole object at once.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl ObjectDigest {
    /// Reads it as it is printed: 64 hex digits in lower case.
    pub fn from_hex(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for ObjectDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ObjectDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectDigest({})", HEXLOWER.encode(&self.0[..8]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn digests_read_as_64_hex_digits() {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (0xab, 0x0f);
        let digits = ["ab", &"00".repeat(30), "0f"].concat();
        assert_eq!((Digest(bytes).to_string(), Digest(bytes).short()), (digits.clone(), "ab00000000000000".to_string()));
        assert_eq!((ObjectDigest(bytes).to_string(), ObjectDigest::from_hex(&digits)), (digits, Some(ObjectDigest(bytes))));
    }
}
