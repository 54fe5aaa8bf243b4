//! When what was made obsolete: so that what was asked for before is not stored after.

use overspill_governance::time::Time;
use quick_cache::sync::Cache;

use crate::{
    cache::{groups::Group, key::Key, stored::Stored},
    limits::FORGOTTEN_MAX,
};

/// What an unsafe request or a purge made obsolete.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Obsolete {
    Resource(Key),
    Group(Box<str>, Group),
    Site(Box<str>),
}

impl Obsolete {
    pub(super) fn group(key: &Key, group: &Group) -> Self {
        Self::Group(key.origin().into(), group.clone())
    }
}

/// The latest of what was made obsolete. Shared by the tiers.
#[derive(Debug)]
pub(crate) struct Forgotten(Cache<Obsolete, Time>);

impl Default for Forgotten {
    fn default() -> Self {
        Self(Cache::new(FORGOTTEN_MAX))
    }
}

impl Forgotten {
    pub(super) fn note(&self, obsolete: Obsolete, now: Time) {
        self.0.insert(obsolete, now);
    }

    /// Tells whether a response that was asked for at a time was made obsolete since.
    pub(crate) fn has(&self, stored: &Stored, asked: Time) -> bool {
        let since = |forgotten: Option<Time>| forgotten.is_some_and(|at| asked <= at);
        since(self.0.get(&Obsolete::Resource(stored.key())))
            || since(self.0.get(&Obsolete::Site(stored.origin().into())))
            || stored.groups().iter().any(|group| since(self.0.get(&Obsolete::Group(stored.origin().into(), group.clone()))))
    }
}
