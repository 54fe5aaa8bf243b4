//! The operating system's randomness: asked for here and nowhere else.

use std::io;

/// Draws 32 unpredictable bytes: a key's seed, or the seed of a machine's randomness.
///
/// # Errors
/// When the operating system has none to give.
pub fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_seeds_differ() {
        assert_ne!(super::seed().unwrap(), super::seed().unwrap());
    }
}
