//! Bytes of messages: the version first, then the kind, then the body, each kind within its own bound.

use alloc::vec::Vec;
use core::fmt;

use overspill_governance::codec::{self, DecodeError, Encode};

use crate::{
    fill::{FillAnswer, FillAsk},
    limits::{FILL_MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX, SMALL_BYTES_MAX, VERSIONS_AHEAD_MAX},
    message::{KIND_LIMITS, Message},
};

/// The version that this agent speaks; stands before every message.
pub const VERSION: u16 = 1;

const VERSION_BYTES: usize = 2;
const KIND_BYTES: usize = 4;

/// Why bytes are not a message. Nothing was changed by reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// Shorter than any message.
    TooShort,
    /// Of a version that this agent does not speak: one of the two wants an upgrade.
    Version(u16),
    /// Of a kind that this version does not know.
    Kind(u32),
    /// Not the canonical bytes of its kind.
    Body(DecodeError),
}

impl WireError {
    /// Whether a newer agent may well have said it to us: nothing of ours, and nobody's fault.
    #[must_use]
    pub fn is_newer(self) -> bool {
        match self {
            Self::Kind(_) => true,
            Self::Version(version) => (VERSION + 1..=VERSION + VERSIONS_AHEAD_MAX).contains(&version),
            Self::TooShort | Self::Body(_) => false,
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("shorter than any message"),
            Self::Version(version) => write!(f, "a message of version {version}, where version {VERSION} is spoken"),
            Self::Kind(kind) => write!(f, "a message of unknown kind {kind}"),
            Self::Body(error) => write!(f, "not a message: {error}"),
        }
    }
}

impl core::error::Error for WireError {}

/// Encodes a message of the talk protocol.
#[must_use]
pub fn encode(message: &Message) -> Vec<u8> {
    versioned(message)
}

/// Decodes a message of the talk protocol, each kind within its own bound.
///
/// # Errors
/// [`WireError`].
pub fn decode(bytes: &[u8]) -> Result<Message, WireError> {
    decode_within(bytes, MESSAGE_BYTES_MAX)
}

/// Decodes a message that may be no longer than a stranger's or a gossip's.
///
/// # Errors
/// [`WireError`].
pub fn decode_small(bytes: &[u8]) -> Result<Message, WireError> {
    decode_within(bytes, SMALL_BYTES_MAX)
}

fn decode_within(bytes: &[u8], limit: usize) -> Result<Message, WireError> {
    let body = unversioned(bytes)?;
    let kind = body.first_chunk::<KIND_BYTES>().ok_or(WireError::TooShort)?;
    let kind = u32::from_le_bytes(*kind);
    let of_kind = usize::try_from(kind).ok().and_then(|kind| KIND_LIMITS.get(kind)).ok_or(WireError::Kind(kind))?;
    codec::decode(body, (*of_kind).min(limit).saturating_sub(VERSION_BYTES)).map_err(WireError::Body)
}

/// Encodes a question of the fill protocol.
#[must_use]
pub fn encode_fill_ask(ask: &FillAsk) -> Vec<u8> {
    versioned(ask)
}

/// Decodes a question of the fill protocol.
///
/// # Errors
/// [`WireError`].
pub fn decode_fill_ask(bytes: &[u8]) -> Result<FillAsk, WireError> {
    codec::decode(unversioned(bytes)?, SMALL_BYTES_MAX).map_err(WireError::Body)
}

/// Encodes an answer of the fill protocol.
#[must_use]
pub fn encode_fill_answer(answer: &FillAnswer) -> Vec<u8> {
    versioned(answer)
}

/// Decodes an answer of the fill protocol.
///
/// # Errors
/// [`WireError`].
pub fn decode_fill_answer(bytes: &[u8]) -> Result<FillAnswer, WireError> {
    codec::decode(unversioned(bytes)?, FILL_MESSAGE_BYTES_MAX).map_err(WireError::Body)
}

fn versioned<T: Encode>(body: &T) -> Vec<u8> {
    let body = codec::encode(body);
    let mut bytes = Vec::with_capacity(VERSION_BYTES + body.len());
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

fn unversioned(bytes: &[u8]) -> Result<&[u8], WireError> {
    let (version, body) = bytes.split_first_chunk::<VERSION_BYTES>().ok_or(WireError::TooShort)?;
    match u16::from_le_bytes(*version) {
        VERSION => Ok(body),
        other => Err(WireError::Version(other)),
    }
}

#[cfg(test)]
mod tests;
