//! Mutations for a test run: few kinds, those that find most, from a seed. libFuzzer knows more.

/// Draws by xorshift (Marsaglia 2003): what matters is that a run can be repeated.
#[derive(Debug, Clone)]
pub struct Mutator(u64);

/// Numbers at which lengths and counts go wrong.
const EDGES: [u64; 10] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 1 << 40, u64::MAX];

impl Mutator {
    /// Starts from a seed; 0 is as good as any other.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `most`, or 0 when there is nothing below it.
    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % (most as u64).max(1)).unwrap_or_default()
    }

    /// Changes one of `starts` in one to four places.
    ///
    /// # Panics
    /// When there is no start.
    #[must_use]
    pub fn bend(&mut self, starts: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = starts[self.below(starts.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let rest = bytes.len() - at;
            match self.below(8) {
                0 if rest > 0 => bytes[at] ^= 1 << self.below(8),
                1 if rest > 0 => bytes[at] = self.next().to_le_bytes()[0],
                2 => {
                    let edge = EDGES[self.below(EDGES.len())].to_le_bytes();
                    let len = rest.min(1 << self.below(4));
                    bytes[at..at + len].copy_from_slice(&edge[..len]);
                }
                3 => bytes.truncate(at),
                4 => {
                    let other = &starts[self.below(starts.len())];
                    let from = self.below(other.len());
                    let len = self.below(other.len() - from + 1).min(64);
                    bytes.splice(at..at, other[from..from + len].iter().copied());
                }
                5 => {
                    let len = self.below(rest + 1).min(64);
                    bytes.drain(at..at + len);
                }
                6 => {
                    let len = self.below(rest + 1).min(64);
                    let copy = bytes[at..at + len].to_vec();
                    bytes.splice(at..at, copy);
                }
                _ => bytes.insert(at, self.next().to_le_bytes()[0]),
            }
        }
        bytes
    }
}
