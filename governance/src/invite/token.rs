//! Tokens: an invite with its one-time secret, as one line of text that a person can send to a friend.
//!
//! The text is `overspill1` and lower-case base32 (RFC 4648) of the canonical bytes and a check: 40 bits of BLAKE3, so that a letter
//! that was altered, lost or swapped is told from a token that was never good. The one-time key's public half is not in the text:
//! it follows from the secret.

use alloc::{string::String, vec::Vec};
use core::fmt;

use bincode::{Decode, Encode};
use data_encoding::BASE32_NOPAD;

use super::{Invite, MeshId};
use crate::{
    codec,
    digest::Digest,
    limits::TOKEN_TEXT_MAX,
    site::{Key, Signature, Signed, SiteId, Statement},
    time::Date,
};

/// What every token starts with; the last letter is the format's version.
pub const PREFIX: &str = "overspill1";
const FAMILY: &str = "overspill";
const CHECK_BYTES: usize = 5;

/// A signed invite and the secret half of its one-time key. Whoever holds it may join, once: keep it as a password.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Token {
    mesh: MeshId,
    sponsor: SiteId,
    addresses: Vec<String>,
    expires: Date,
    serial: u64,
    signature: Signature,
    secret: [u8; 32],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(serial {} of {})", self.serial, self.sponsor.short())
    }
}

/// Why a text is not a token that can be used here and now. The words say what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// The text does not start like a token.
    NotAToken,
    /// A token of a format that this agent does not know.
    OtherVersion,
    /// The check digits do not fit the letters: something was changed or lost on the way.
    Altered,
    /// The letters are whole, but the sponsor that the token names did not sign it.
    Forged,
    /// Its date is over.
    Expired {
        /// Its last moment.
        on: Date,
    },
    /// It leads into another mesh than the one that this site belongs to.
    ForeignMesh {
        /// Where it leads.
        leads_to: MeshId,
        /// Where the site is.
        member_of: MeshId,
    },
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAToken => write!(f, "not an invite token; a token is one line that starts with {PREFIX}: copy the whole line"),
            Self::OtherVersion => {
                f.write_str("a token of another version of Overspill; update this agent, or ask for a token of version 1")
            }
            Self::Altered => f.write_str("the token was altered on the way: its check digits do not fit; copy the whole line again"),
            Self::Forged => f.write_str("the token is not signed by the sponsor that it names; ask your sponsor for a new one"),
            Self::Expired { on } => write!(f, "the token expired on {on}; ask your sponsor for a new one"),
            Self::ForeignMesh { leads_to, member_of } => {
                write!(
                    f,
                    "the token leads to mesh {leads_to}, but this site is in mesh {member_of}; leave that first, or ask for its token"
                )
            }
        }
    }
}

impl core::error::Error for TokenError {}

impl Token {
    /// Makes an invite and its token. `secret` is 32 random bytes that are used for nothing else.
    pub fn issue(sponsor: &Key, mesh: MeshId, addresses: Vec<String>, expires: Date, serial: u64, secret: [u8; 32]) -> Self {
        let key = Key::from_seed(secret).site();
        let invite = Invite { mesh, sponsor: sponsor.site(), addresses, key, expires, serial };
        let signature = invite.sign(sponsor);
        let Invite { mesh, sponsor, addresses, expires, serial, .. } = invite;
        Self { mesh, sponsor, addresses, expires, serial, signature, secret }
    }

    /// The invite, without the secret.
    pub fn invite(&self) -> Signed<Invite> {
        let body = Invite {
            mesh: self.mesh,
            sponsor: self.sponsor,
            addresses: self.addresses.clone(),
            key: self.key().site(),
            expires: self.expires,
            serial: self.serial,
        };
        Signed { body, signature: self.signature }
    }

    /// The one-time key.
    pub fn key(&self) -> Key {
        Key::from_seed(self.secret)
    }

    /// Checks that the token can be used at `now` by a site of `member_of`, if it is a member already.
    ///
    /// # Errors
    /// [`TokenError::Expired`] or [`TokenError::ForeignMesh`].
    pub fn check(&self, now: Date, member_of: Option<MeshId>) -> Result<(), TokenError> {
        match member_of {
            Some(member_of) if member_of != self.mesh => Err(TokenError::ForeignMesh { leads_to: self.mesh, member_of }),
            _ if self.expires < now => Err(TokenError::Expired { on: self.expires }),
            _ => Ok(()),
        }
    }

    /// The token's one line of text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut bytes = codec::encode(self);
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        let mut text = BASE32_NOPAD.encode(&bytes);
        text.make_ascii_lowercase();
        text.insert_str(0, PREFIX);
        text
    }

    /// Reads a token's text; blanks around it and capitals in it do no harm.
    ///
    /// # Errors
    /// What is wrong with the text, without regard to date and mesh: see [`Token::check`].
    pub fn from_text(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > TOKEN_TEXT_MAX || !text.is_ascii() {
            return Err(TokenError::NotAToken);
        }
        let text = text.to_ascii_lowercase();
        let Some(letters) = text.strip_prefix(PREFIX) else {
            return Err(if is_other_version(&text) { TokenError::OtherVersion } else { TokenError::NotAToken });
        };
        let bytes = BASE32_NOPAD.decode(letters.to_ascii_uppercase().as_bytes()).map_err(|_| TokenError::Altered)?;
        let (body, given) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or(TokenError::Altered)?;
        if *given != check(body) {
            return Err(TokenError::Altered);
        }
        let token: Self = codec::decode(body, TOKEN_TEXT_MAX).map_err(|_| TokenError::Forged)?;
        if token.invite().is_good() { Ok(token) } else { Err(TokenError::Forged) }
    }
}

fn is_other_version(text: &str) -> bool {
    text.strip_prefix(FAMILY).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn check(body: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = Digest::of("overspill token check v1", body);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&digest.0[..CHECK_BYTES]);
    check
}
