//! Which helper an object goes to: weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as in Schindelhauer and
//! Schomaker 2005).
//!
//! Each object has its own order of helpers, in which its first stands in proportion to the weights. So an object sticks to few
//! helpers, each fills it once, and a helper that comes or goes moves only the objects that are its own. Loads are bounded by
//! the caller: it goes down the order until a helper takes the request.

use std::hash::BuildHasher as _;

use overspill_governance::site::SiteId;

/// A place in an object's order: the higher, the earlier.
#[derive(Debug, Clone, Copy)]
struct Score(f64);

/// The objects' hash: seeded by the process, because nobody outside needs to predict where an object goes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chooser {
    state: std::hash::RandomState,
    #[cfg(test)]
    fixed: Option<u64>,
}

impl Chooser {
    /// Names an object by its path.
    pub(crate) fn object(&self, path: &str) -> u64 {
        #[cfg(test)]
        if let Some(seed) = self.fixed {
            return path.bytes().fold(mix(seed), |hash, byte| mix(hash ^ u64::from(byte)));
        }
        self.state.hash_one(path)
    }

    /// Writes the indices of `helpers` into `order`, in this object's order. Helpers of weight 0 are left out.
    pub(crate) fn order(&self, object: u64, helpers: impl Iterator<Item = (u64, u32)>, order: &mut Vec<u16>) {
        let mut scores: [(f64, u16); CANDIDATES_MAX] = [(0.0, 0); CANDIDATES_MAX];
        let mut len = 0;
        for (at, (helper, weight)) in helpers.enumerate().take(CANDIDATES_MAX) {
            if weight > 0 {
                scores[len] = (score(object, helper, weight).0, at as u16);
                len += 1;
            }
        }
        let scores = &mut scores[..len];
        scores.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        order.clear();
        order.extend(scores.iter().map(|(_, at)| *at));
    }
}

/// Candidates that are ranked for one request: all leases that a site may run at once.
pub(crate) const CANDIDATES_MAX: usize = overspill_protocol::limits::LEASES_MAX;

/// A helper's part of the hash, made once for each plan.
pub(crate) fn helper(site: &SiteId) -> u64 {
    site.0.chunks_exact(8).fold(0, |hash, chunk| {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        mix(hash ^ u64::from_le_bytes(word))
    })
}

/// `-weight / ln(u)` for a hash `u` in (0, 1): the largest is a helper's with a probability in proportion to its weight.
fn score(object: u64, helper: u64, weight: u32) -> Score {
    let hash = mix(object ^ helper.rotate_left(32));
    let uniform = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    Score(f64::from(weight) / -uniform.ln())
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of the input moves every bit of the result.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranked(seed: u64, path: &str, helpers: &[(SiteId, u32)]) -> Vec<u16> {
        let chooser = Chooser { fixed: Some(seed), ..Chooser::default() };
        let mut order = Vec::new();
        chooser.order(chooser.object(path), helpers.iter().map(|(site, weight)| (helper(site), *weight)), &mut order);
        order
    }

    fn sites(weights: &[u32]) -> Vec<(SiteId, u32)> {
        weights.iter().enumerate().map(|(at, weight)| (SiteId([at as u8 + 1; 32]), *weight)).collect()
    }

    #[test]
    fn more_candidates_than_there_may_be_are_left_out() {
        let helpers: Vec<_> = (0..200_u8).map(|at| (SiteId([at; 32]), 1)).collect();
        assert_eq!(ranked(1, "/x", &helpers).len(), CANDIDATES_MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn objects_are_shared_by_weight(seed in any::<u64>(), weights in prop::collection::vec(1_u32..8, 2..7)) {
            let helpers = sites(&weights);
            let mut firsts = vec![0_u32; helpers.len()];
            for object in 0..4_000 {
                firsts[usize::from(ranked(seed, &format!("/{object}.png"), &helpers)[0])] += 1;
            }
            let total: u32 = weights.iter().sum();
            for (first, weight) in firsts.iter().zip(&weights) {
                let fair = 4_000.0 * f64::from(*weight) / f64::from(total);
                prop_assert!((f64::from(*first) - fair).abs() < 6.0 * fair.sqrt(), "{firsts:?} by {weights:?}");
            }
        }

        #[test]
        fn a_helper_that_goes_moves_only_its_own_objects(seed in any::<u64>(), gone in 0_usize..5, object in 0_u32..10_000) {
            let helpers = sites(&[3, 1, 2, 5, 1]);
            let path = format!("/{object}");
            let before = ranked(seed, &path, &helpers);
            let mut fewer = helpers.clone();
            fewer[gone].1 = 0;
            let expected: Vec<u16> = before.into_iter().filter(|at| usize::from(*at) != gone).collect();
            prop_assert_eq!(ranked(seed, &path, &fewer), expected);
        }
    }
}
