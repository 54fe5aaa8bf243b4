//! The key that takes the place of the one that a directory has, and the moment in which it does.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use overspill_governance::{
    entry::Entry,
    site::{Key, SiteId},
};

use super::{StateError, check, key, lock, names, sync_directory};
use crate::ledger::records::Records;

/// A state directory that nobody else uses while its site gets another key. Its own may be lost.
#[derive(Debug)]
pub struct Vacant {
    path: PathBuf,
    /// Keeps the lock.
    _lock: File,
}

impl Vacant {
    /// Opens a directory that is there, and locks it against agents.
    ///
    /// # Errors
    /// [`StateError`]; the directory is left as it was.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let path = path.canonicalize().map_err(StateError::system(path))?;
        check(&path)?;
        let lock = lock(&path)?;
        settle(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The key that it has.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn key(&self) -> Result<Key, StateError> {
        let path = self.path.join(names::KEY);
        check(&path)?;
        key::read(&path)
    }

    /// Makes the next key, beside the one that it has.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn prepare(&self) -> Result<Key, StateError> {
        key::make(&self.path.join(names::NEXT_KEY))
    }

    /// The next key takes the place of the one that it has, which is gone.
    ///
    /// # Errors
    /// [`StateError`]; whoever opens the directory next finishes it.
    pub fn finish(&self) -> Result<(), StateError> {
        take_next(&self.path)
    }
}

/// Finishes what a crash has left between two keys: the next one counts when the ledger names it.
pub(super) fn settle(path: &Path) -> Result<(), StateError> {
    let next = path.join(names::NEXT_KEY);
    if !next.exists() {
        return Ok(());
    }
    let site = key::read(&next)?.site();
    let ledger = path.join(names::LEDGER);
    if is_named(&ledger, site).map_err(StateError::system(&ledger))? {
        return take_next(path);
    }
    fs::remove_file(&next).map_err(StateError::system(&next))
}

/// The key with which the ledger of a directory begins; `None` when there is no ledger.
///
/// # Errors
/// What the operating system says.
pub fn first_key(directory: &Path) -> io::Result<Option<SiteId>> {
    let mut records = match Records::of_file(&directory.join(names::LEDGER), None) {
        Ok(records) => records,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let _ = records.next_with_head()?;
    Ok(records.head().map(|head| head.site))
}

fn is_named(ledger: &Path, site: SiteId) -> io::Result<bool> {
    let mut records = match Records::of_file(ledger, None) {
        Ok(records) => records,
        // Nobody has heard of a key under which no agent ran.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let names = |entry: &Entry| matches!(entry, Entry::Rotated { rotation, .. } if rotation.body.new == site);
    let named = records.by_ref().any(|record| names(&record.entry));
    records.failure().map_or(Ok(named), Err)
}

fn take_next(path: &Path) -> Result<(), StateError> {
    let next = path.join(names::NEXT_KEY);
    fs::rename(&next, path.join(names::KEY)).and_then(|()| sync_directory(path)).map_err(StateError::system(&next))
}

#[cfg(test)]
mod tests {
    use overspill_governance::{
        digest::Digest,
        invite::MeshId,
        rotation::{Rotation, Succession},
        time::Date,
    };

    use super::*;
    use crate::{ledger::Ledger, state::State};

    /// A directory with a key and a ledger, and the next key beside it.
    fn between_two_keys() -> (tempfile::TempDir, PathBuf, [Key; 2]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let old = Key::from_seed(State::open(&path).unwrap().key().to_seed());
        Ledger::open(&path.join(names::LEDGER), old.site(), Box::new(|_, _, _| ())).unwrap().0.close();
        let new = Vacant::open(&path).unwrap().prepare().unwrap();
        (directory, path, [old, new])
    }

    fn name_in_ledger(path: &Path, [old, new]: &[Key; 2]) {
        let (mesh, heard) = (MeshId(Digest::ZERO), Date::from_millis(5));
        let succession = Succession { mesh, old: old.site(), new: new.site(), recovery: None, keeps: Vec::new(), date: heard };
        let rotation = Rotation::by_key(succession, old, new);
        let ledger = Ledger::open(&path.join(names::LEDGER), old.site(), Box::new(|_, _, _| ())).unwrap().0;
        ledger.persist_blocking(heard, vec![Entry::Rotated { rotation: rotation.into(), heard }]).unwrap();
        ledger.close();
    }

    #[test]
    fn a_key_that_the_ledger_does_not_name_is_dropped() {
        let (_directory, path, [old, _]) = between_two_keys();
        for _ in 0..2 {
            assert_eq!(State::open(&path).unwrap().key().site(), old.site());
            assert!(!path.join(names::NEXT_KEY).exists());
        }
    }

    #[test]
    fn a_key_that_the_ledger_names_takes_its_place() {
        let (_directory, path, keys) = between_two_keys();
        name_in_ledger(&path, &keys);
        for _ in 0..2 {
            assert_eq!(State::open(&path).unwrap().key().site(), keys[1].site());
            assert!(!path.join(names::NEXT_KEY).exists());
        }
    }

    #[test]
    fn without_a_ledger_the_key_stays_the_one_that_members_know() {
        let (_directory, path, [old, _]) = between_two_keys();
        fs::remove_file(path.join(names::LEDGER)).unwrap();
        assert_eq!(State::open(&path).unwrap().key().site(), old.site());
    }
}
