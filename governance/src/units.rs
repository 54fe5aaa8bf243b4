//! Quantities as types: integers with checked arithmetic, so that a request is never added to a byte.

use core::fmt;

use bincode::{Decode, Encode};

/// Mesh credit in micro-credits. Signed: a balance has two sides. Never convertible to money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Credit(pub i64);

impl Credit {
    /// No credit.
    pub const ZERO: Self = Self(0);
    /// One whole credit.
    pub const ONE: Self = Self(1_000_000);

    /// Sum, or `None` beyond the range of 64 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Difference, or `None` beyond the range of 64 bits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The amount without its sign, at most [`i64::MAX`].
    pub fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// The same amount seen from the other end of the line, or `None` for the one value that has no opposite.
    pub fn checked_neg(self) -> Option<Self> {
        self.0.checked_neg().map(Self)
    }
}

impl fmt::Display for Credit {
    /// Writes whole credits with six decimals, sign first: `-1.250000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let amount = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", amount / 1_000_000, amount % 1_000_000)
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Bytes(pub u64);

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);
    /// One mebibyte.
    pub const MIB: Self = Self(1 << 20);

    /// Sum, stopping at the largest value.
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference, stopping at zero.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Bytes {
    /// Writes the number with the largest binary unit that keeps it at 1 or above: `1.5 MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut step = 0;
        while step + 1 < UNITS.len() && self.0 >> (10 * (step + 1)) > 0 {
            step += 1;
        }
        if step == 0 {
            return write!(f, "{} B", self.0);
        }
        let tenths = u128::from(self.0) * 10 / (1_u128 << (10 * step));
        write!(f, "{}.{} {}", tenths / 10, tenths % 10, UNITS[step])
    }
}

/// Requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct RequestRate(pub u32);

/// Bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct ByteRate(pub u64);

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Bytes(self.0))
    }
}

/// Thousandths of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Permille(pub u32);

impl Permille {
    /// This share of an amount that is not negative, rounded down; zero of a negative one.
    pub fn of(self, amount: Credit) -> Credit {
        let share = i128::from(amount.0.max(0)) * i128::from(self.0) / 1_000;
        Credit(i64::try_from(share).unwrap_or(i64::MAX))
    }
}

/// Millionths of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Millionths(pub u32);

impl Millionths {
    /// This share of an amount that is not negative, rounded down; zero of a negative one.
    pub fn of(self, amount: Credit) -> Credit {
        let share = i128::from(amount.0.max(0)) * i128::from(self.0) / 1_000_000;
        Credit(i64::try_from(share).unwrap_or(i64::MAX))
    }
}

/// A span of whole seconds, as rules and statements name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Seconds(pub u32);

impl Seconds {
    /// The same span for arithmetic with times and dates.
    pub const fn span(self) -> core::time::Duration {
        core::time::Duration::from_secs(self.0 as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn quantities_read_well() {
        assert_eq!(Credit(-1_250_000).to_string(), "-1.250000");
        assert_eq!(Credit(i64::MIN).to_string(), "-9223372036854.775808");
        assert_eq!(Bytes(1_023).to_string(), "1023 B");
        assert_eq!(Bytes(3 << 19).to_string(), "1.5 MiB");
        assert_eq!(Bytes(u64::MAX).to_string(), "16777215.9 TiB");
    }
}
