//! PayWord chains (Rivest and Shamir 1996): a receipt for any number of tickets is one word.
//!
//! The owner signs a chain's anchor in the lease's allotment and hands out the words in order, one for each ticket. A helper
//! cannot mint words, and any third party checks "at least `n` were handed out" with one word and `n` hashes.

use alloc::vec::Vec;
use core::fmt;

use bincode::{Decode, Encode};

use crate::limits::CHAIN_WORDS_MAX;

/// Names a lease between two sites; drawn by the owner, unique per owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct LeaseId(pub [u8; 8]);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeaseId({self})")
    }
}

/// One word of a lease's hash chain: 128 bits, so that a ticket stays short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Word(pub [u8; 16]);

impl Word {
    /// The word before this one, which stands at `index` (1 or more) of `lease`'s chain.
    #[must_use]
    pub fn before(&self, lease: LeaseId, index: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"overspill word v1").update(&lease.0).update(&index.to_le_bytes()).update(&self.0);
        let mut word = [0; 16];
        hasher.finalize_xof().fill(&mut word);
        Self(word)
    }

    /// Tells whether this word stands at `index` of the chain that starts at `anchor`. Costs `index` hashes.
    #[must_use]
    pub fn reaches(&self, anchor: Self, lease: LeaseId, index: u32) -> bool {
        self.follows(anchor, 0, lease, index)
    }

    /// Tells whether this word stands at `index` of the chain that has `earlier` at `from`. Costs `index - from` hashes.
    #[must_use]
    pub fn follows(&self, earlier: Self, from: u32, lease: LeaseId, index: u32) -> bool {
        if index > CHAIN_WORDS_MAX || from > index {
            return false;
        }
        let mut word = *self;
        for at in (from + 1..=index).rev() {
            word = word.before(lease, at);
        }
        word == earlier
    }
}

/// The owner's end of a hash chain: all words, from the anchor (index 0) to the last.
#[derive(Clone)]
pub struct Chain {
    words: Vec<Word>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({} words)", self.len())
    }
}

impl Chain {
    /// Draws a chain of `len` words (at most [`CHAIN_WORDS_MAX`]) from a secret seed.
    #[must_use]
    pub fn from_seed(seed: [u8; 32], lease: LeaseId, len: u32) -> Self {
        let len = len.min(CHAIN_WORDS_MAX);
        let mut last = [0; 16];
        let mut hasher = blake3::Hasher::new_keyed(&seed);
        hasher.update(b"overspill chain v1").update(&lease.0);
        hasher.finalize_xof().fill(&mut last);
        let mut words = Vec::with_capacity(len as usize + 1);
        words.push(Word(last));
        for index in (1..=len).rev() {
            let word = words[words.len() - 1].before(lease, index);
            words.push(word);
        }
        words.reverse();
        Self { words }
    }

    /// The word that the owner signs: it stands at index 0 and is never handed out.
    #[must_use]
    pub fn anchor(&self) -> Word {
        self.words[0]
    }

    /// The word at `serial`, from 1 to [`Chain::len`].
    #[must_use]
    pub fn word(&self, serial: u32) -> Option<Word> {
        (serial > 0).then(|| self.words.get(serial as usize).copied()).flatten()
    }

    /// How many tickets the chain is good for.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.words.len() - 1).unwrap_or(u32::MAX)
    }

    /// Tells whether the chain is good for no ticket at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEASE: LeaseId = LeaseId([7; 8]);

    #[test]
    fn a_chain_has_no_word_at_its_anchor_or_beyond_its_end() {
        let chain = Chain::from_seed([3; 32], LEASE, 4);
        assert_eq!((chain.len(), chain.word(0), chain.word(5)), (4, None, None));
        let longest = Chain::from_seed([3; 32], LEASE, u32::MAX);
        assert_eq!(longest.len(), CHAIN_WORDS_MAX);
        let last = longest.word(CHAIN_WORDS_MAX).unwrap();
        assert!(last.reaches(longest.anchor(), LEASE, CHAIN_WORDS_MAX) && !last.reaches(longest.anchor(), LEASE, CHAIN_WORDS_MAX + 1));
        let too_far = (1..=CHAIN_WORDS_MAX + 1).rev().fold(last, |word, index| word.before(LEASE, index));
        assert!(!last.reaches(too_far, LEASE, CHAIN_WORDS_MAX + 1), "a chain longer than the bound is not walked, however true");
    }

    proptest! {
        #[test]
        fn words_reach_the_anchor_at_their_own_index_only(len in 1_u32..200, at in 1_u32..200, other in 0_u32..200) {
            let chain = Chain::from_seed([4; 32], LEASE, len);
            let at = at.min(len);
            let word = chain.word(at).unwrap();
            prop_assert!(word.reaches(chain.anchor(), LEASE, at));
            prop_assert_eq!(word.reaches(chain.anchor(), LEASE, other), other == at);
            let earlier = chain.word(other.clamp(1, len)).unwrap();
            prop_assert_eq!(word.follows(earlier, other.clamp(1, len), LEASE, at), other.clamp(1, len) <= at);
        }
    }
}
