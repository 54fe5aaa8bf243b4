//! A recovery key as a file: one line of text with the key and what the site signed for it.

use std::{fs, fs::OpenOptions, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use data_encoding::BASE32_NOPAD;
use overspill_governance::{
    codec,
    invite::MeshId,
    rotation::Commitment,
    site::{Key, Signed},
    time::Date,
};
use zeroize::Zeroizing;

use super::sync_directory;

/// What the line begins with; a change of form changes the number.
const PREFIX: &str = "overspill-recovery-key-1 ";

/// Bytes of the longest file that is worth reading.
const FILE_BYTES_MAX: u64 = 1_024;

/// A key that may give a site another one, with that site's word for it.
#[derive(Debug)]
pub struct RecoveryKey {
    /// The key.
    pub key: Key,
    /// The site's word.
    pub commitment: Signed<Commitment>,
}

impl RecoveryKey {
    /// The site with key `member` commits to a recovery key.
    pub fn new(key: Key, mesh: MeshId, member: &Key, date: Date) -> Self {
        let commitment = Commitment { mesh, member: member.site(), recovery: key.site(), date };
        Self { commitment: Signed::new(commitment, member), key }
    }
}

/// Writes it to a new file that nobody else may read, synced.
///
/// # Errors
/// What the operating system says, for example that the file is there already.
pub fn write(path: &Path, made: &RecoveryKey) -> io::Result<()> {
    let bytes = Zeroizing::new(codec::encode(&(made.key.to_seed(), &made.commitment)));
    let line = Zeroizing::new(format!("{PREFIX}{}\n", BASE32_NOPAD.encode(&bytes)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_directory(parent)
}

/// Reads it; `None` when the file holds something else.
///
/// # Errors
/// What the operating system says.
pub fn read(path: &Path) -> io::Result<Option<RecoveryKey>> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Ok(None);
    }
    let bytes = Zeroizing::new(fs::read(path)?);
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Option<RecoveryKey> {
    let letters = std::str::from_utf8(bytes).ok()?.trim_end().strip_prefix(PREFIX)?;
    let bytes = Zeroizing::new(BASE32_NOPAD.decode(letters.as_bytes()).ok()?);
    let (seed, commitment): ([u8; 32], Signed<Commitment>) = codec::decode(&bytes, bytes.len()).ok()?;
    let key = Key::from_seed(seed);
    let fits = commitment.body.recovery == key.site() && commitment.is_by(&commitment.body.member);
    fits.then_some(RecoveryKey { key, commitment })
}

#[cfg(test)]
mod tests {
    use super::*;
    use overspill_governance::digest::Digest;
    use proptest::prelude::*;

    fn made() -> RecoveryKey {
        RecoveryKey::new(Key::from_seed([2; 32]), MeshId(Digest::ZERO), &Key::from_seed([1; 32]), Date::from_millis(5))
    }

    #[test]
    fn what_is_written_is_read_and_nothing_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recovery");
        write(&path, &made()).unwrap();
        let read = read(&path).unwrap().unwrap();
        assert_eq!((read.key.site(), read.commitment), (made().key.site(), made().commitment));
        assert_eq!(write(&path, &made()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    /// What owners keep on paper for years is read by every later version.
    #[test]
    fn the_form_stays() {
        const KEPT: &str = "overspill-recovery-key-1 \
             AIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
             AAEKRDR525AJ6GK72UW3FU6LUXLSZJTQTPY5SQJBX43URAA3ID3PLSATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4P\
             ZGZZIBIAAAAAAAAAAAPGCD3T4O2DMTP35DBQJ4EDJFUH3PRPTBATPIYNW5F3WUSAXVBRC3VD3REVJGRSDGX3YTYHCSHMR7JT7G3V\
             SYT6C2EWTV4ZG2SAT3AG";
        assert_eq!(format!("{PREFIX}{}", BASE32_NOPAD.encode(&codec::encode(&(made().key.to_seed(), &made().commitment)))), KEPT);
        assert_eq!(parse(KEPT.as_bytes()).unwrap().commitment, made().commitment);
    }

    proptest! {
        #[test]
        fn other_text_is_no_recovery_key(at in 0_usize..400, letter in "[ -~]") {
            let bytes = codec::encode(&(made().key.to_seed(), &made().commitment));
            let line = format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes));
            let at = at % line.len();
            let mangled = format!("{}{letter}{}", &line[..at], &line[at + 1..]);
            prop_assert!(mangled == line || parse(mangled.as_bytes()).is_none());
            prop_assert!(parse(&line.as_bytes()[..at]).is_none());
        }
    }
}
