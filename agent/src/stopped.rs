//! Members for whom this site carries nothing, as the state directory keeps them: one name a line.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use overspill_governance::{limits::MEMBERS_MAX, site::SiteId};

use crate::kept::{Item, Kept, Unchanged};

/// The file, and what it says.
pub type Stopped = Kept<SiteId>;

impl Item for SiteId {
    const NAME: &'static str = "overspill-stopped-1";
    const ITEMS_MAX: usize = MEMBERS_MAX;
    /// A name has 52 letters.
    const LINE_BYTES_MAX: usize = 64;

    fn written(&self) -> String {
        self.to_string()
    }

    fn read(line: &[u8]) -> Option<Self> {
        std::str::from_utf8(line).ok()?.parse().ok()
    }
}

impl Stopped {
    /// Carries nothing for a member, or something again. On the disk when this returns.
    ///
    /// # Errors
    /// [`Unchanged`]; file and list are as they were.
    pub fn set(&mut self, member: SiteId, stopped: bool) -> Result<(), Unchanged> {
        let mut members: Vec<SiteId> = self.items().iter().filter(|known| **known != member).copied().collect();
        if stopped {
            members.push(member);
        }
        self.replace(members)
    }
}

/// The list as commands change it and the mesh reads it.
#[derive(Debug, Clone)]
pub struct Stops(Arc<Mutex<Stopped>>);

impl Stops {
    /// Reads the file. One that is damaged is told; what can be read of it is in force.
    pub fn open(path: &Path) -> Self {
        let list = Stopped::open(path);
        if let Some(damage) = list.damage() {
            tracing::warn!(path = %path.display(), %damage, "of those for whom nothing is carried, not all are known");
        }
        Self(Arc::new(Mutex::new(list)))
    }

    /// All of them.
    pub fn members(&self) -> BTreeSet<SiteId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).items().iter().copied().collect()
    }

    /// Carries nothing for a member, or something again. On the disk when this returns.
    ///
    /// # Errors
    /// [`Unchanged`]; file and list are as they were.
    pub fn set(&self, member: SiteId, stopped: bool) -> Result<(), Unchanged> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).set(member, stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_stopped_once_and_resumed() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("stopped");
        let (one, other) = (SiteId([1; 32]), SiteId([2; 32]));
        let mut list = Stopped::open(&path);
        for (member, stopped) in [(one, true), (other, true), (one, true), (other, false)] {
            list.set(member, stopped).unwrap();
        }
        let again = Stopped::open(&path);
        assert_eq!((again.items(), again.damage()), (&[one][..], None));
        assert_eq!(SiteId::read(b"nobody"), None);
    }
}
