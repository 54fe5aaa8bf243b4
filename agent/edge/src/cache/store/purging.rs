//! Making stored responses obsolete at somebody's word.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
};

use overspill_governance::time::Time;

use super::{Obsolete, Store};
use crate::cache::{
    disk::{Meant, index::Name},
    groups,
    key::Key,
    stored::Stored,
};

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
    /// Responses, each variant by itself, in memory or on disk.
    meant: HashSet<Name>,
    /// Those of their resources that helpers could have.
    pub(crate) spilled: Vec<Key>,
}

impl Purged {
    /// How many responses it found.
    pub(crate) fn count(&self) -> u64 {
        self.meant.len() as u64
    }
}

impl Store {
    /// Makes a resource obsolete.
    pub(crate) fn purge(&self, key: &Key, manner: Manner, now: Time) -> Purged {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.forgotten.note(Obsolete::Resource(key.clone()), now);
        self.parts.remove(key);
        let mut purged = Purged { meant: self.purge_disk(&Meant::Resource(key), manner), ..Purged::default() };
        self.replace(key, &|_| true, manner, now, &mut purged);
        purged
    }

    /// Makes those responses of the site of `key` obsolete that are meant, by path and tags. Looks at every stored response.
    pub(crate) fn purge_where(&self, key: &Key, is_meant: impl Fn(&str, Option<&str>) -> bool, manner: Manner, now: Time) -> Purged {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // What is on its way may be meant as well; who knows before it is here?
        self.forgotten.note(Obsolete::Site(key.origin().into()), now);
        let of_site = |other: &Key| other.origin() == key.origin();
        let on_disk = Meant::Those(&|entry| of_site(&entry.key) && is_meant(entry.key.path(), entry.tags()));
        let mut purged = Purged { meant: self.purge_disk(&on_disk, manner), ..Purged::default() };
        let is_meant = |stored: &Stored| is_meant(stored.path(), groups::tags(stored.values_of(&groups::CACHE_TAGS)).as_deref());
        self.parts.retain(|other, part| !(of_site(other) && is_meant(&part.stored)));
        let is_of_site = |stored: &Stored| stored.origin() == key.origin() && is_meant(stored);
        let mut meant: Vec<Key> = self.shelf().iter().filter(|stored| is_of_site(stored)).map(|stored| stored.key()).collect();
        meant.sort_unstable_by(|one, other| one.text().cmp(other.text()));
        meant.dedup();
        for other in meant {
            self.replace(&other, &is_meant, manner, now, &mut purged);
        }
        purged
    }

    /// The same on disk, at once as far as this process goes.
    pub(super) fn purge_disk(&self, meant: &Meant<'_>, manner: Manner) -> HashSet<Name> {
        self.disk.load().as_ref().map(|disk| disk.purge(meant, manner)).unwrap_or_default()
    }

    fn replace(&self, key: &Key, is_meant: &dyn Fn(&Stored) -> bool, manner: Manner, now: Time, purged: &mut Purged) {
        let (removed, _gone) = self.change(|shelf| {
            let removed = shelf.remove(key.text(), is_meant);
            let stays = if manner == Manner::Soft { removed.as_slice() } else { &[] };
            let gone: Vec<_> = stays.iter().flat_map(|stored| shelf.insert(Arc::new(stored.outdated(now)))).collect();
            (removed, gone)
        });
        purged.meant.extend(removed.iter().map(|stored| Name::of(stored)));
        if removed.iter().any(|stored| stored.spillable().is_some()) {
            purged.spilled.push(key.clone());
        }
    }
}
