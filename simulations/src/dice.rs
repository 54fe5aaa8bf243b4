//! All chance of a world: one stream from one seed.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A world's chance.
#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Makes the dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.next_u64() % (high - low + 1)
    }

    /// A place in something of `len`, which is not empty.
    pub fn below(&mut self, len: usize) -> usize {
        (self.0.next_u64() % len as u64) as usize
    }

    /// Whether something that happens `in_a_million` times in a million tries happens now. What never happens draws nothing.
    pub fn happens(&mut self, in_a_million: u32) -> bool {
        in_a_million > 0 && self.0.next_u64() % 1_000_000 < u64::from(in_a_million)
    }

    /// One of `choices`, which are not none.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A fresh secret.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }
}
