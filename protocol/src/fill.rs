//! Fills: how an object moves from its owner to a helper, in slices that may come in any order.
//!
//! A separate request-response protocol carries [`FillAsk`] and [`FillAnswer`]; an [`Assembly`] puts the slices together and lets the
//! bytes out only when the whole matches its digest, so that nothing unverified is ever served.

use alloc::{collections::BTreeSet, vec, vec::Vec};
use core::fmt;

use overspill_governance::{
    codec::{Decode, Encode},
    digest::ObjectDigest,
    payword::LeaseId,
    units::Bytes,
};

use crate::limits::{FILL_SLICE_BYTES, OBJECT_BYTES_MAX};

/// Asks the owner for one slice of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct FillAsk {
    /// The lease under which it is wanted.
    pub lease: LeaseId,
    /// Which object.
    pub digest: ObjectDigest,
    /// Where the slice starts; a multiple of [`FILL_SLICE_BYTES`].
    pub offset: u64,
    /// How many bytes, at most [`FILL_SLICE_BYTES`].
    pub len: u32,
}

/// The answer to a [`FillAsk`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum FillAnswer {
    /// The slice.
    Slice(FillSlice),
    /// Why there is none.
    Refused(FillRefusal),
}

/// A slice of an object; verified only as part of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct FillSlice {
    /// Which object.
    pub digest: ObjectDigest,
    /// Where the slice starts.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Why an owner gives no slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum FillRefusal {
    /// The asker holds no lease of that name from us.
    NoLease,
    /// The object is not in the lease's manifest.
    NotListed,
    /// The object was listed, but is held no longer.
    NotHeld,
    /// No such slice: beyond the object's end, or longer than a slice may be.
    BadSlice,
    /// Too many slices are outstanding.
    Busy,
}

impl fmt::Display for FillRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLease => "no lease of that name is held",
            Self::NotListed => "the object is not in the lease's manifest",
            Self::NotHeld => "the object is held no longer",
            Self::BadSlice => "there is no such slice",
            Self::Busy => "too many slices are outstanding",
        })
    }
}

impl core::error::Error for FillRefusal {}

/// Why slices do not make an object. The assembly is as it was before the slice, unless it says that all is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FillError {
    /// Larger than any object may be: nothing was reserved.
    TooLarge,
    /// The slice belongs to another object, does not start where slices start, or has the wrong length. It was ignored.
    Misfit,
    /// All slices are there and their digest is another: the bytes are worthless and were dropped.
    WrongDigest,
}

impl fmt::Display for FillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the object is larger than any that is filled",
            Self::Misfit => "the slice does not fit the object",
            Self::WrongDigest => "the bytes do not match the object's digest; they were dropped",
        })
    }
}

impl core::error::Error for FillError {}

/// An object on its way: as much memory as the object, no more.
#[derive(Debug)]
pub struct Assembly {
    lease: LeaseId,
    digest: ObjectDigest,
    bytes: Vec<u8>,
    missing: BTreeSet<u64>,
    unasked: Vec<u64>,
}

impl Assembly {
    /// Starts an assembly of `size` bytes that must match `digest`.
    ///
    /// # Errors
    /// [`FillError::TooLarge`] beyond [`OBJECT_BYTES_MAX`].
    pub fn new(lease: LeaseId, digest: ObjectDigest, size: Bytes) -> Result<Self, FillError> {
        if size.0 > OBJECT_BYTES_MAX {
            return Err(FillError::TooLarge);
        }
        let len = usize::try_from(size.0).map_err(|_| FillError::TooLarge)?;
        let starts: Vec<u64> = (0..size.0).step_by(FILL_SLICE_BYTES as usize).collect();
        Ok(Self {
            lease,
            digest,
            bytes: vec![0; len],
            missing: starts.iter().copied().collect(),
            unasked: starts.into_iter().rev().collect(),
        })
    }

    /// The next slice to ask for; `None` when all were asked for.
    pub fn next_ask(&mut self) -> Option<FillAsk> {
        let offset = self.unasked.pop()?;
        Some(FillAsk { lease: self.lease, digest: self.digest, offset, len: self.slice_len(offset) })
    }

    /// Puts a slice back to be asked for again, after its request failed.
    pub fn ask_again(&mut self, offset: u64) {
        if self.missing.contains(&offset) && !self.unasked.contains(&offset) {
            self.unasked.push(offset);
        }
    }

    /// Takes a slice; one that came before is ignored.
    ///
    /// # Errors
    /// [`FillError::Misfit`] for a slice that is not one of this object's.
    pub fn insert(&mut self, slice: &FillSlice) -> Result<(), FillError> {
        let aligned = slice.offset.is_multiple_of(u64::from(FILL_SLICE_BYTES));
        let fits = slice.digest == self.digest && aligned && slice.offset < self.bytes.len() as u64;
        if !fits || slice.bytes.len() != self.slice_len(slice.offset) as usize {
            return Err(FillError::Misfit);
        }
        if self.missing.remove(&slice.offset) {
            let start = usize::try_from(slice.offset).map_err(|_| FillError::Misfit)?;
            self.bytes[start..start + slice.bytes.len()].copy_from_slice(&slice.bytes);
        }
        Ok(())
    }

    /// Tells whether every slice has come. Whether they are the right bytes is [`Assembly::finish`]'s to say.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }

    /// Lets the bytes out if they are whole and match the digest; gives the assembly back while slices are missing.
    ///
    /// # Errors
    /// [`Unfinished::Missing`] with the assembly, or [`Unfinished::Lost`].
    pub fn finish(self) -> Result<Vec<u8>, Unfinished> {
        if !self.is_whole() {
            return Err(Unfinished::Missing(self));
        }
        if ObjectDigest::of(&self.bytes) != self.digest {
            return Err(Unfinished::Lost(FillError::WrongDigest));
        }
        Ok(self.bytes)
    }

    fn slice_len(&self, offset: u64) -> u32 {
        let left = (self.bytes.len() as u64).saturating_sub(offset);
        u32::try_from(left).unwrap_or(u32::MAX).min(FILL_SLICE_BYTES)
    }
}

/// Why an assembly lets no bytes out.
#[derive(Debug)]
pub enum Unfinished {
    /// Slices are missing; go on with it.
    Missing(Assembly),
    /// It is over.
    Lost(FillError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEASE: LeaseId = LeaseId([1; 8]);

    fn slices(bytes: &[u8], digest: ObjectDigest) -> Vec<FillSlice> {
        let size = FILL_SLICE_BYTES as usize;
        (0..).zip(bytes.chunks(size)).map(|(at, part)| FillSlice { digest, offset: at * size as u64, bytes: part.to_vec() }).collect()
    }

    #[test]
    fn an_empty_object_is_whole_at_once() {
        let assembly = Assembly::new(LEASE, ObjectDigest::of(b""), Bytes(0)).unwrap();
        assert_eq!(assembly.finish().unwrap(), b"");
    }

    #[test]
    fn more_than_an_object_may_be_reserves_nothing() {
        let refused = Assembly::new(LEASE, ObjectDigest::of(b""), Bytes(OBJECT_BYTES_MAX + 1));
        assert_eq!(refused.err(), Some(FillError::TooLarge));
    }

    #[test]
    fn one_wrong_byte_lets_nothing_out() {
        let bytes = vec![7; 100];
        let digest = ObjectDigest::of(&bytes);
        let mut assembly = Assembly::new(LEASE, digest, Bytes(100)).unwrap();
        let mut slice = slices(&bytes, digest).remove(0);
        slice.bytes[50] ^= 1;
        assembly.insert(&slice).unwrap();
        assert!(matches!(assembly.finish(), Err(Unfinished::Lost(FillError::WrongDigest))));
    }

    #[test]
    fn slices_that_are_not_the_objects_change_nothing() {
        let digest = ObjectDigest::of(b"abc");
        let mut assembly = Assembly::new(LEASE, digest, Bytes(3)).unwrap();
        for bad in [
            FillSlice { digest: ObjectDigest::of(b"x"), offset: 0, bytes: b"abc".to_vec() },
            FillSlice { digest, offset: 1, bytes: b"bc".to_vec() },
            FillSlice { digest, offset: 0, bytes: b"ab".to_vec() },
            FillSlice { digest, offset: u64::from(FILL_SLICE_BYTES), bytes: vec![] },
        ] {
            assert_eq!(assembly.insert(&bad), Err(FillError::Misfit));
        }
        assert!(!assembly.is_whole());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_order_with_repetitions_gives_the_object(size in 1_usize..1_700_000, order in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
            let bytes: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
            let digest = ObjectDigest::of(&bytes);
            let slices = slices(&bytes, digest);
            let mut assembly = Assembly::new(LEASE, digest, Bytes(size as u64)).unwrap();
            let asks: Vec<_> = core::iter::from_fn(|| assembly.next_ask()).collect();
            prop_assert_eq!(asks.iter().map(|ask| u64::from(ask.len)).sum::<u64>(), size as u64);
            for at in order {
                assembly.insert(at.get(&slices)).unwrap();
            }
            for slice in slices.iter().rev() {
                assembly.insert(slice).unwrap();
            }
            prop_assert_eq!(assembly.finish().unwrap(), bytes);
        }
    }
}
