//! Objects on their way from owners: one fetch each, bounded in all.

use alloc::collections::BTreeSet;

use overspill_governance::{digest::ObjectDigest, payword::LeaseId};

use crate::limits::FETCHES_MAX;

/// Fetches under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fetches(BTreeSet<(LeaseId, ObjectDigest)>);

impl Fetches {
    /// Starts a fetch, unless it is under way or there are too many.
    pub(crate) fn starts(&mut self, lease: LeaseId, digest: ObjectDigest) -> bool {
        self.0.len() < FETCHES_MAX && self.0.insert((lease, digest))
    }

    /// A fetch has ended; tells whether it was one of ours.
    pub(crate) fn ends(&mut self, lease: LeaseId, digest: ObjectDigest) -> bool {
        self.0.remove(&(lease, digest))
    }

    /// Forgets the fetches of a lease that has ended.
    pub(crate) fn forget(&mut self, lease: &LeaseId) {
        self.0.retain(|(of, _)| of != lease);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_are_single_and_bounded() {
        let (mut fetches, lease) = (Fetches::default(), LeaseId([1; 8]));
        let digest = |at: usize| ObjectDigest::of(&at.to_le_bytes());
        assert!(fetches.starts(lease, digest(0)) && !fetches.starts(lease, digest(0)));
        assert_eq!((1..200).filter(|at| fetches.starts(lease, digest(*at))).count(), FETCHES_MAX - 1);
        assert!(fetches.ends(lease, digest(0)) && !fetches.ends(lease, digest(0)));
        fetches.forget(&lease);
        assert!(fetches.starts(lease, digest(5)));
    }
}
