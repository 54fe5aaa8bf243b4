//! Making stored responses obsolete at somebody's word.

use std::sync::{Arc, PoisonError};

use overspill_governance::time::Time;

use super::{Obsolete, Store};
use crate::cache::{key::Key, stored::Stored};

/// What becomes of a purged response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It stays, and is stale.
    Soft,
    /// It goes.
    Hard,
}

/// What a purge found.
#[derive(Debug, Default)]
pub(crate) struct Purged {
    /// Responses, each variant by itself.
    pub(crate) count: u64,
    /// Those of their resources that helpers could have.
    pub(crate) spilled: Vec<Key>,
}

impl Store {
    /// Makes a resource obsolete.
    pub(crate) fn purge(&self, key: &Key, manner: Manner, now: Time) -> Purged {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.forgotten.insert(Obsolete::Resource(key.clone()), now);
        self.parts.remove(key);
        let mut purged = Purged::default();
        self.replace(key, &|_| true, manner, now, &mut purged);
        purged
    }

    /// Makes those responses of the site of `key` obsolete that are meant. Looks at every stored response.
    pub(crate) fn purge_where(&self, key: &Key, is_meant: impl Fn(&Stored) -> bool, manner: Manner, now: Time) -> Purged {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // What is on its way may be meant as well; who knows before it is here?
        self.forgotten.insert(Obsolete::Site(key.origin().into()), now);
        let of_site = |other: &Key| other.origin() == key.origin();
        self.parts.retain(|other, part| !(of_site(other) && is_meant(&part.stored)));
        let mut purged = Purged::default();
        let meant = self.slots.iter().filter(|(other, slot)| of_site(other) && slot.iter().any(|stored| is_meant(stored)));
        for other in meant.map(|(other, _)| other).collect::<Vec<_>>() {
            self.replace(&other, &is_meant, manner, now, &mut purged);
        }
        purged
    }

    fn replace(&self, key: &Key, is_meant: &dyn Fn(&Stored) -> bool, manner: Manner, now: Time, purged: &mut Purged) {
        let Some(slot) = self.slots.peek(key) else { return };
        let meant = slot.iter().filter(|stored| is_meant(stored));
        purged.count += meant.clone().count() as u64;
        if meant.clone().any(|stored| stored.spillable.is_some()) {
            purged.spilled.push(key.clone());
        }
        let left = slot.iter().filter_map(|stored| match manner {
            _ if !is_meant(stored) => Some(Arc::clone(stored)),
            Manner::Soft => Some(Arc::new(stored.outdated(now))),
            Manner::Hard => None,
        });
        let left: Vec<Arc<Stored>> = left.collect();
        if left.is_empty() {
            self.slots.remove(key);
        } else {
            self.slots.insert(key.clone(), Arc::new(left));
        }
    }
}
