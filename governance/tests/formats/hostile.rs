//! Foreign bytes: they never panic, never allocate beyond their length's worth, and are never taken in a second form.

use core::fmt::Debug;

use overspill_governance::{
    allotment::Allotment,
    ballot::Equivocation,
    claim::Claim,
    codec::{self, Decode, DecodeError, Encode},
    docket::Paper,
    entry::Entry,
    evidence::Bundle,
    invite::{Admission, Departure, Founding, Invite, Redeemed, token::Token},
    line::{Fork, Proposal, Receipt},
    roster::{DoubleAdmission, Notice},
    site::Signed,
};
use proptest::prelude::*;

use super::samples;

const LIMIT: usize = 16 * 1024;

/// Reads hostile bytes as a `T`. What is taken must be the one encoding of a value.
fn look<T: Encode + Decode<()>>(bytes: &[u8]) -> bool {
    codec::decode::<T>(bytes, LIMIT).is_ok_and(|value| {
        assert_eq!(codec::encode(&value), bytes, "a value taken in a second form");
        true
    })
}

/// Reads them as everything that we ever read.
fn look_at_all(bytes: &[u8]) {
    look::<Entry>(bytes);
    look::<Notice>(bytes);
    look::<Signed<Founding>>(bytes);
    look::<Signed<Invite>>(bytes);
    look::<Signed<Admission>>(bytes);
    look::<Signed<Departure>>(bytes);
    look::<Signed<Allotment>>(bytes);
    look::<Redeemed>(bytes);
    look::<Token>(bytes);
    look::<Claim>(bytes);
    look::<Proposal>(bytes);
    look::<Receipt>(bytes);
    look::<Fork>(bytes);
    look::<DoubleAdmission>(bytes);
    look::<Paper>(bytes);
    look::<Equivocation>(bytes);
    look::<Bundle>(bytes);
}

/// Every byte set to every value, every truncation, and a byte too many.
fn bend<T: Encode + Decode<()> + PartialEq + Debug>(value: &T) {
    let bytes = codec::encode(value);
    for at in 0..bytes.len() {
        assert!(!look::<T>(&bytes[..at]), "{at} bytes are not a whole value");
        let mut bent = bytes.clone();
        for byte in [0, 1, 2, 9, 0x7f, 0x80, 0xfe, 0xff] {
            bent[at] = byte;
            look::<T>(&bent);
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(codec::decode::<T>(&longer, LIMIT), Err(DecodeError::Trailing { left: 1 }));
    assert_eq!(codec::decode::<T>(&bytes, bytes.len() - 1), Err(DecodeError::TooLong { len: bytes.len(), limit: bytes.len() - 1 }));
}

#[test]
fn bent_values_are_refused_or_are_other_values() {
    samples::entries().iter().for_each(bend);
    samples::notices().iter().for_each(bend);
    samples::papers().iter().for_each(bend);
    samples::bundles().iter().for_each(bend);
    bend(&samples::redeemed());
    bend(&samples::token());
}

#[test]
fn a_length_that_lies_costs_nothing() {
    let redeemed = codec::encode(&samples::redeemed());
    // The count of the invite's addresses stands after mesh and sponsor.
    for count in [u64::MAX, 1 << 40, 1 << 20, 3] {
        let mut lying = redeemed.clone();
        lying[64..72].copy_from_slice(&count.to_le_bytes());
        assert!(!look::<Redeemed>(&lying));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        look_at_all(&bytes);
    }

    #[test]
    fn spliced_values_never_panic(
        one: proptest::sample::Index, other: proptest::sample::Index, head: proptest::sample::Index, tail: proptest::sample::Index,
        middle in proptest::collection::vec(any::<u8>(), 0..12),
    ) {
        let entries = samples_encoded();
        let (one, other) = (one.get(&entries), other.get(&entries));
        let spliced = [&one[..head.index(one.len())], &middle, &other[tail.index(other.len())..]].concat();
        look_at_all(&spliced);
    }
}

fn samples_encoded() -> Vec<Vec<u8>> {
    static ENCODED: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    ENCODED.get_or_init(|| samples::entries().iter().map(codec::encode).collect()).clone()
}
