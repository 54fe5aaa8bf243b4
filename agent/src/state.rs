//! The one directory that an agent keeps: its key, its ledger, its index, its socket, its cache. Nobody else may read it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use overspill_governance::site::Key;
use rustix::fs::FlockOperation;

use crate::config::table::Settings;

mod key;
pub mod next;
pub mod recovery_key;

/// Names inside the directory.
pub mod names {
    /// The site's secret key.
    pub const KEY: &str = "key";
    /// The key that takes its place, for the moment in which it does.
    pub const NEXT_KEY: &str = "next-key";
    /// The ledger.
    pub const LEDGER: &str = "ledger";
    /// The index over the ledger; deleting it loses nothing.
    pub const INDEX: &str = "index";
    /// Certificates from an authority, and the account there.
    pub const CERTIFICATES: &str = "certificates";
    /// Cached responses; deleting it loses nothing but speed.
    pub const CACHE: &str = "cache";
    /// Locked by the running agent; holds its process id.
    pub const LOCK: &str = "lock";
    /// Where the running agent takes commands.
    pub const SOCKET: &str = "control.sock";
    /// What must not be shown.
    pub const DENIED: &str = "denied";
    /// What the agentless target was promised this month.
    pub const AGENTLESS: &str = "agentless";
    /// Members for whom nothing is carried.
    pub const STOPPED: &str = "stopped";
    /// Where the running agent listens, for people and scripts.
    pub const RUNNING: &str = "running.json";
}

/// Why a state directory cannot be used. It is left as it was.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another agent has it.
    #[error("another agent, process {pid}, runs on {}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process, as far as it said.
        pid: String,
    },
    /// It belongs to another user.
    #[error("{} belongs to user {owner}, and this is user {user}", path.display())]
    NotOurs {
        /// The file or directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Others may read or write it.
    #[error("{} may be used by other users (mode {mode:03o})", path.display())]
    TooOpen {
        /// The file or directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Its key file holds no key.
    #[error("{} is not a key of an overspill agent", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// There is a ledger, but no key.
    #[error("{} has a ledger but no key", path.display())]
    KeyLost {
        /// The directory.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{} cannot be used: {error}", path.display())]
    System {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl StateError {
    /// What to do.
    pub fn advice(&self) -> String {
        match self {
            Self::InUse { pid, .. } => format!("stop it first (kill {pid}), or give this one another --state"),
            Self::NotOurs { .. } => "run as that user, or give another --state".to_owned(),
            Self::TooOpen { path, .. } => format!("if nobody else has read it: chmod go-rwx {}", path.display()),
            Self::NotAKey { .. } => {
                "this is another program's directory, or the file is damaged: restore it, or give another --state".to_owned()
            }
            Self::KeyLost { .. } => {
                "restore the file `key` from a backup, or go on under another by `overspill key rotate --recovery FILE`".to_owned()
            }
            Self::System { .. } => "mend what the message names, or give another --state".to_owned(),
        }
    }

    fn system(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::System { path: path.to_owned(), error }
    }
}

/// A state directory that this process alone uses, until dropped.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    key: Key,
    /// Keeps the lock.
    _lock: File,
}

impl State {
    /// Opens the directory, making it and its key when there is nothing yet, and locks it against other agents.
    ///
    /// # Errors
    /// [`StateError`]; the directory is left as it was.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        if !path.exists() {
            make_directory(path)?;
        }
        let path = path.canonicalize().map_err(StateError::system(path))?;
        check(&path)?;
        let lock = lock(&path)?;
        next::settle(&path)?;
        let key_path = path.join(names::KEY);
        let key = if key_path.exists() {
            check(&key_path)?;
            key::read(&key_path)?
        } else if path.join(names::LEDGER).exists() {
            return Err(StateError::KeyLost { path });
        } else {
            key::make(&key_path)?
        };
        Ok(Self { path, key, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a named file of the directory is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The site's key.
    pub fn key(&self) -> &Key {
        &self.key
    }
}

/// Reads the key of a directory without locking it, for commands that only look.
///
/// # Errors
/// [`StateError`].
pub fn peek_key(path: &Path) -> Result<Key, StateError> {
    check(path)?;
    let key_path = path.join(names::KEY);
    check(&key_path)?;
    key::read(&key_path)
}

/// The directory that the settings name, or the customary one.
pub fn directory(settings: &Settings) -> PathBuf {
    if let Some(path) = &settings.state {
        return path.clone();
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/overspill");
    }
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from).join(".local/state");
    base.unwrap_or_else(home).join("overspill")
}

/// Makes an entry of a directory durable: a file's own sync does not promise its name.
///
/// # Errors
/// What the operating system says.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Writes a file that nobody else may read. Not synced: for what may be lost.
///
/// # Errors
/// What the operating system says.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}

fn make_directory(path: &Path) -> Result<(), StateError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path).map_err(StateError::system(path))?;
    match path.canonicalize().as_deref().map(Path::parent) {
        Ok(Some(parent)) => sync_directory(parent).map_err(StateError::system(path)),
        _ => Ok(()),
    }
}

/// Refuses what another user owns or may touch.
fn check(path: &Path) -> Result<(), StateError> {
    let found = fs::metadata(path).map_err(StateError::system(path))?;
    let user = rustix::process::geteuid().as_raw();
    let mode = found.permissions().mode() & 0o777;
    if found.uid() != user {
        return Err(StateError::NotOurs { path: path.to_owned(), owner: found.uid(), user });
    }
    if mode & 0o077 != 0 {
        return Err(StateError::TooOpen { path: path.to_owned(), mode });
    }
    Ok(())
}

fn lock(directory: &Path) -> Result<File, StateError> {
    let path = directory.join(names::LOCK);
    let system = StateError::system(&path);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) => return Err(system(error)),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let said = file.take(20).read_to_string(&mut pid).is_ok() && pid.trim().parse::<u32>().is_ok();
            let pid = if said { pid.trim().to_owned() } else { "PID".to_owned() };
            return Err(StateError::InUse { path: directory.to_owned(), pid });
        }
        Err(error) => return Err(system(error.into())),
    }
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    // A full disk must not keep a site from being served: the lock holds without the number in it.
    if let Err(error) = written {
        tracing::warn!(%error, "process id not written to the lock");
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_directory_is_private_and_its_key_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/state");
        let state = State::open(&path).unwrap();
        let site = state.key().site();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(path.join(names::KEY)).unwrap().permissions().mode() & 0o777, 0o600);
        drop(state);
        assert_eq!(State::open(&path).unwrap().key().site(), site);
        assert_eq!(peek_key(&path).unwrap().site(), site);
    }

    #[test]
    fn a_second_agent_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let _first = State::open(&path).unwrap();
        let error = State::open(&path).unwrap_err();
        assert!(matches!(&error, StateError::InUse { pid, .. } if *pid == std::process::id().to_string()), "{error}");
        assert!(error.advice().contains("kill"));
    }

    #[test]
    fn open_permissions_and_strange_keys_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        drop(State::open(&path).unwrap());
        let key = path.join(names::KEY);
        fs::write(&key, "not a key\n").unwrap();
        assert!(matches!(State::open(&path), Err(StateError::NotAKey { .. })));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(State::open(&path), Err(StateError::TooOpen { mode: 0o644, .. })));
        fs::remove_file(&key).unwrap();
        fs::write(path.join(names::LEDGER), "").unwrap();
        assert!(matches!(State::open(&path), Err(StateError::KeyLost { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(State::open(&path), Err(StateError::TooOpen { mode: 0o755, .. })));
    }
}
