//! The key file: one line of text, made once, synced with its directory before anything is signed by it.

use std::{fs, fs::OpenOptions, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use data_encoding::BASE32_NOPAD;
use overspill_governance::site::Key;
use zeroize::{Zeroize as _, Zeroizing};

use super::{StateError, sync_directory};
use crate::entropy;

/// What the line begins with; a change of form changes the number.
const PREFIX: &str = "overspill-key-1 ";

/// Bytes of the longest file that is worth reading.
const FILE_BYTES_MAX: u64 = 256;

pub(super) fn read(path: &Path) -> Result<Key, StateError> {
    let not_a_key = || StateError::NotAKey { path: path.to_owned() };
    let found = fs::metadata(path).map_err(StateError::system(path))?;
    if found.len() > FILE_BYTES_MAX {
        return Err(not_a_key());
    }
    let bytes = Zeroizing::new(fs::read(path).map_err(StateError::system(path))?);
    let text = std::str::from_utf8(&bytes).map_err(|_| not_a_key())?;
    let letters = text.trim_end().strip_prefix(PREFIX).ok_or_else(not_a_key)?;
    let seed = Zeroizing::new(BASE32_NOPAD.decode(letters.as_bytes()).map_err(|_| not_a_key())?);
    let mut seed = <[u8; 32]>::try_from(seed.as_slice()).map_err(|_| not_a_key())?;
    let key = Key::from_seed(seed);
    seed.zeroize();
    Ok(key)
}

pub(super) fn make(path: &Path) -> Result<Key, StateError> {
    let mut seed = entropy::seed().map_err(StateError::system(path))?;
    let line = Zeroizing::new(format!("{PREFIX}{}\n", BASE32_NOPAD.encode(&seed)));
    let key = Key::from_seed(seed);
    seed.zeroize();
    write(path, line.as_bytes()).map_err(StateError::system(path))?;
    Ok(key)
}

/// The whole file appears under its name, synced, or not at all: a crash in between leaves no half key.
fn write(path: &Path, line: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(line)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}
