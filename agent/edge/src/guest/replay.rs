//! Which tickets of a lease were taken: one bit for each serial.

use overspill_governance::limits::CHAIN_WORDS_MAX;

/// A set of serials from 1 to the allotment's number of requests: 2 KiB at most, and no window to fall out of.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    bits: Vec<u64>,
}

impl Replay {
    /// Takes a serial. False if it was taken before or is not one of the lease's `allotted`.
    pub(crate) fn take(&mut self, serial: u32, allotted: u32) -> bool {
        if serial == 0 || serial > allotted.min(CHAIN_WORDS_MAX) {
            return false;
        }
        let (word, bit) = (serial as usize / 64, 1_u64 << (serial % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        let fresh = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn serials_outside_the_allotment_are_never_taken() {
        let mut replay = Replay::default();
        assert!(!replay.take(0, 10));
        assert!(!replay.take(11, 10));
        assert!(!replay.take(u32::MAX, u32::MAX));
        assert!(replay.take(CHAIN_WORDS_MAX, u32::MAX));
        assert_eq!(replay.bits.len() * 8, 2_056);
    }

    proptest! {
        #[test]
        fn each_is_taken_once_in_any_order(serials in prop::collection::vec(0_u32..600, 0..400), allotted in 0_u32..700) {
            let (mut replay, mut model) = (Replay::default(), BTreeSet::new());
            for serial in serials {
                let fresh = serial > 0 && serial <= allotted && model.insert(serial);
                prop_assert_eq!(replay.take(serial, allotted), fresh);
            }
        }
    }
}
