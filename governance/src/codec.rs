//! Canonical bytes: the one file that encodes and decodes anything signed, stored or sent.
//!
//! Fixed-width little-endian integers, no maps, no floats. A value has exactly one encoding, and [`decode`] enforces it:
//! the length is checked first, every byte must be consumed, and the decoded value must encode to the same bytes again.
//! The codec behind it (bincode) is unmaintained upstream; it stays replaceable because nothing else calls it.

use alloc::vec::Vec;
use core::fmt;

pub use bincode::{Decode, Encode};

/// Largest size that any decoder accepts; recursion in a derive could overflow the stack above it.
pub const LIMIT_MAX: usize = 768 * 1024;

/// Says why bytes are not the canonical encoding of the type asked for. Nothing was changed by looking at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The input is longer than its class of message may be.
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes do not describe a value of the type.
    Malformed,
    /// A value was read, but bytes were left over.
    Trailing {
        /// Bytes left over.
        left: usize,
    },
    /// The bytes describe a value, but not in its one canonical form.
    NotCanonical,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, limit } => write!(f, "{len} bytes where at most {limit} are allowed"),
            Self::Malformed => f.write_str("bytes do not describe a value of this type"),
            Self::Trailing { left } => write!(f, "{left} bytes left over after the value"),
            Self::NotCanonical => f.write_str("value is not in its canonical form"),
        }
    }
}

impl core::error::Error for DecodeError {}

fn config() -> bincode::config::Configuration<bincode::config::LittleEndian, bincode::config::Fixint, bincode::config::Limit<LIMIT_MAX>> {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<LIMIT_MAX>()
}

/// Encodes a value to its canonical bytes.
///
/// # Panics
/// Never for the types of this project: encoding to a vector fails only for types that refuse to encode (`RefCell`, paths).
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    let unlimited = bincode::config::standard().with_little_endian().with_fixed_int_encoding();
    match bincode::encode_to_vec(value, unlimited) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("plain data always encodes: {error}"),
    }
}

/// Decodes canonical bytes of at most `limit` bytes.
///
/// # Errors
/// [`DecodeError`] when the input is too long, malformed, followed by more bytes, or not canonical.
pub fn decode<T: Encode + Decode<()>>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    let limit = limit.min(LIMIT_MAX);
    if bytes.len() > limit {
        return Err(DecodeError::TooLong { len: bytes.len(), limit });
    }
    let (value, read) = bincode::decode_from_slice::<T, _>(bytes, config()).map_err(|_| DecodeError::Malformed)?;
    if read != bytes.len() {
        return Err(DecodeError::Trailing { left: bytes.len() - read });
    }
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type whose decoder takes more than its encoder writes: what a careless hand-written codec would be.
    #[derive(Debug, PartialEq)]
    struct Even(u8);

    impl Encode for Even {
        fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
            (self.0 & !1).encode(encoder)
        }
    }

    impl<Context> Decode<Context> for Even {
        fn decode<D: bincode::de::Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, bincode::error::DecodeError> {
            u8::decode(decoder).map(Self)
        }
    }

    #[test]
    fn a_second_form_of_a_value_is_refused() {
        assert_eq!(decode(&[4], 1), Ok(Even(4)));
        assert_eq!(decode::<Even>(&[5], 1), Err(DecodeError::NotCanonical));
    }

    #[test]
    fn numbers_are_fixed_in_width_and_little_endian() {
        assert_eq!(encode(&(1_u16, 2_u64, 3_u32)), [1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(encode(&Some(7_u8)), [1, 7]);
        assert_eq!(encode(&[9_u8].to_vec()), [1, 0, 0, 0, 0, 0, 0, 0, 9]);
    }
}
