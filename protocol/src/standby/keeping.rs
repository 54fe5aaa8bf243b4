//! The partner's side: what it fetches for others before they need it, within hard bounds.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use overspill_governance::{digest::ObjectDigest, payword::LeaseId, site::SiteId, time::Time, units::Bytes};

use crate::{
    desk::Desk,
    io::Output,
    limits::{
        OBJECT_BYTES_MAX, PARTNERS_MAX, STANDBY_BYTES_MAX, STANDBY_FETCHES_MAX, STANDBY_INBOUND_MAX, STANDBY_INBOUND_WINDOW,
        STANDBY_OBJECTS_MAX,
    },
    message::Preposition,
    plan::FillWanted,
};

/// Standby copies of all owners: those that are here, and those on their way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keeping {
    owners: BTreeMap<SiteId, Kept>,
    queue: VecDeque<FillWanted>,
    /// By permit too: a visitor may want the same object under a lease at the same time.
    fetching: BTreeSet<(SiteId, LeaseId, ObjectDigest)>,
}

/// What is kept of one owner.
#[derive(Debug, Clone, Default)]
struct Kept {
    /// Here, on their way, or waiting to be fetched.
    digests: BTreeSet<ObjectDigest>,
    window: Time,
    /// Bytes asked for since the window began.
    inbound: u64,
}

impl Keeping {
    /// Takes an owner's wish. `storage` is the most that is stored for it; 0 refuses everything.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn on_preposition(
        &mut self,
        desk: &mut Desk,
        from: SiteId,
        wish: &Preposition,
        storage: Bytes,
        governed: bool,
    ) -> Result<(), &'static str> {
        let sizes = wish.objects.iter().map(|object| object.size.0);
        if wish.objects.len() > STANDBY_OBJECTS_MAX
            || sizes.clone().any(|size| size > OBJECT_BYTES_MAX)
            || sizes.sum::<u64>() > STANDBY_BYTES_MAX
        {
            return Err("more standby copies than there may be");
        }
        if !self.owners.contains_key(&from) && (storage.0 == 0 || self.owners.len() >= 2 * PARTNERS_MAX) {
            return Ok(());
        }
        let kept = self.owners.entry(from).or_default();
        // While a lease is held the manifest says what stays.
        if wish.only && !governed {
            let named: BTreeSet<ObjectDigest> = wish.objects.iter().map(|object| object.digest).collect();
            kept.digests.retain(|digest| named.contains(digest));
            self.queue.retain(|want| want.owner != from || named.contains(&want.digest));
            desk.put(Output::Keep { owner: from, digests: named });
        }
        let now = desk.now.time;
        if now.since(kept.window) >= STANDBY_INBOUND_WINDOW {
            (kept.window, kept.inbound) = (now, 0);
        }
        for object in &wish.objects {
            let inbound = kept.inbound + object.size.0;
            if inbound > STANDBY_INBOUND_MAX.min(storage.0) {
                break;
            }
            if kept.digests.len() < STANDBY_OBJECTS_MAX && kept.digests.insert(object.digest) {
                kept.inbound = inbound;
                self.queue.push_back(FillWanted { lease: wish.permit, owner: from, digest: object.digest, size: object.size });
            }
        }
        self.fetch_next(desk);
        Ok(())
    }

    /// A fetch has ended; tells whether it was one of ours.
    pub(crate) fn on_fetched(&mut self, desk: &mut Desk, want: &FillWanted, good: bool) -> bool {
        if !self.fetching.remove(&(want.owner, want.lease, want.digest)) {
            return false;
        }
        if !good && let Some(kept) = self.owners.get_mut(&want.owner) {
            kept.digests.remove(&want.digest);
        }
        self.fetch_next(desk);
        true
    }

    /// An owner is gone: what was not yet fetched will not come. What is here stays, for when it is back.
    pub(crate) fn forget(&mut self, owner: &SiteId) {
        let (queue, owners) = (&mut self.queue, &mut self.owners);
        queue.retain(|want| {
            let theirs = want.owner == *owner;
            if theirs && let Some(kept) = owners.get_mut(owner) {
                kept.digests.remove(&want.digest);
            }
            !theirs
        });
    }

    /// Nothing is kept for an owner any more.
    pub(crate) fn drop_all(&mut self, owner: &SiteId) {
        self.forget(owner);
        self.owners.remove(owner);
    }

    /// Few at a time: visitors' fills come first at both ends.
    fn fetch_next(&mut self, desk: &mut Desk) {
        while self.fetching.len() < STANDBY_FETCHES_MAX
            && let Some(want) = self.queue.pop_front()
        {
            if self.fetching.insert((want.owner, want.lease, want.digest)) {
                desk.put(Output::StandBy { want });
            }
        }
    }
}

#[cfg(test)]
#[path = "keeping_tests.rs"]
mod tests;
