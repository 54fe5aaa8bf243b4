//! Another key for a site: what its owner signs while the agent does not run, and what of that survives a crash.
//!
//! The new key is in the directory before the ledger says that it counts, and takes the old one's place after that. Whoever opens the directory
//! in between finishes what the ledger says, or drops a key that it does not name.

use std::{io, path::Path};

use overspill_edge::Clock;
use overspill_governance::{
    chain::Verdict,
    entry::Entry,
    rotation::{Rotation, Succession},
    site::{Key, SiteId},
};
use overspill_protocol::{
    io::{Caps, Config},
    site::Site,
};

use crate::{
    cli::{
        exit::{Exit, Failure},
        ledger,
    },
    entropy,
    ledger::Ledger,
    run::keep::{ledger_failure, state_failure},
    state::{
        names,
        next::{self, Vacant},
        recovery_key::{self, RecoveryKey},
    },
};

/// Gives the site of a directory a new key, by the old one or by a recovery key. Tells both names.
///
/// # Errors
/// When the directory is in use, the ledger cannot be used, or this site is in no mesh. Nothing was changed then.
pub fn rotate(directory: &Path, recovery: Option<&Path>) -> Result<(SiteId, SiteId), Failure> {
    let vacant = Vacant::open(directory).map_err(|error| state_failure(&error))?;
    let recovery = recovery.map(read).transpose()?;
    let (old, held) = match &recovery {
        Some(recovery) => (recovery.commitment.body.member, None),
        None => {
            let key = vacant.key().map_err(|error| state_failure(&error))?;
            (key.site(), Some(key))
        }
    };
    let succession = succession(directory, old, recovery.is_some())?;
    let new = vacant.prepare().map_err(|error| state_failure(&error))?;
    let rotation = match (recovery, held) {
        (Some(RecoveryKey { key, commitment }), _) => Rotation::by_recovery(succession, &key, commitment, &new),
        (None, Some(old)) => Rotation::by_key(succession, &old, &new),
        (None, None) => return Err(refused("no key signs this")),
    };
    if !rotation.is_good() {
        return Err(refused("the recovery key is of another mesh or another site"));
    }
    let path = directory.join(names::LEDGER);
    let (ledger, _) = Ledger::open(&path, old, Box::new(|_, _, _| ())).map_err(|error| ledger_failure(&error, &path))?;
    let date = Clock::shifted(0).date();
    let written = ledger.persist_blocking(date, vec![Entry::Rotated { rotation: rotation.into(), heard: date }]);
    ledger.close();
    written.map_err(|error| Failure::new(Exit::Failed, error.to_string(), "the key was not changed; mend the disk and try again"))?;
    vacant.finish().map_err(|error| state_failure(&error))?;
    Ok((old, new.site()))
}

/// Makes a recovery key for the site of a directory, in a file of its own. Tells the site's name and that key's.
///
/// # Errors
/// When the ledger cannot be read, this site is in no mesh, or the file is there already.
pub fn commit(directory: &Path, file: &Path) -> Result<(SiteId, SiteId), Failure> {
    let key = crate::state::peek_key(directory).map_err(|error| state_failure(&error))?;
    let mesh = succession(directory, key.site(), false)?.mesh;
    let seed = entropy::seed().map_err(|error| Failure::of_system("no randomness", error))?;
    let made = RecoveryKey::new(Key::from_seed(seed), mesh, &key, Clock::shifted(0).date());
    recovery_key::write(file, &made).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(
            Exit::Failed,
            format!("{} is there already; it was left as it is", file.display()),
            "name a file that is not there",
        ),
        _ => Failure::of_system(file.display(), error),
    })?;
    Ok((key.site(), made.key.site()))
}

fn read(file: &Path) -> Result<RecoveryKey, Failure> {
    let found = recovery_key::read(file).map_err(|error| Failure::of_system(file.display(), error))?;
    found.ok_or_else(|| {
        let what = format!("{} holds no recovery key", file.display());
        Failure::new(Exit::Usage, what, "name the file that `overspill key recovery` wrote; nothing was changed")
    })
}

/// What the site of a directory would say to give up a key.
fn succession(directory: &Path, old: SiteId, by_recovery: bool) -> Result<Succession, Failure> {
    let unreadable = |error| Failure::of_system("the ledger cannot be read", error);
    let first = next::first_key(directory).map_err(unreadable)?.unwrap_or(old);
    let seed = entropy::seed().map_err(unreadable)?;
    let (canonical, addresses, guest, caps) = (String::new(), Vec::new(), None, Caps::NOTHING);
    let config = Config { key: Key::from_seed(seed), seed, canonical, addresses, guest, caps };
    let mut records = ledger::read(directory)?;
    let entries = records.by_ref().map(|record| record.entry);
    let said = Site::succession(config, (first, old), by_recovery, entries, Clock::shifted(0).now());
    if let Some(error) = records.failure() {
        return Err(unreadable(error));
    }
    let damaged = |what: String| Failure::new(Exit::Damaged, what, "nothing was changed; see `overspill ledger verify`");
    match (records.finish(), said) {
        (Verdict::Corrupt { at, reason }, _) => Err(damaged(format!("the ledger is damaged at byte {at}: {reason}"))),
        (_, Err(foreign)) => Err(damaged(foreign.to_string())),
        (_, Ok(Some(succession))) => Ok(succession),
        (_, Ok(None)) => Err(refused(
            "by the ledger this key is no member's, or was given up already, or its member brought in more than a rotation can name",
        )),
    }
}

fn refused(what: &str) -> Failure {
    Failure::new(Exit::Refused, what, "nothing was changed")
}
