//! Where accounts and certificates are kept: a folder of the state directory for each authority, private, each file written whole or not
//! at all. A certificate is durable before it is shown to anybody.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use overspill_edge::Identity;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::state::sync_directory;

/// Bytes of a kept file that are read: key and chain have some kilobytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// The account's file. No host name is like it: none of their files ends so.
const ACCOUNT: &str = "account.json";

/// One authority's folder.
#[derive(Debug, Clone)]
pub struct Store(PathBuf);

impl Store {
    /// The folder for an authority, by its directory's address: what one gave means nothing to another.
    pub fn new(certificates: &Path, directory: &str) -> Self {
        let name = HEXLOWER.encode(&Sha256::digest(directory.as_bytes())[..8]);
        Self(certificates.join(name))
    }

    /// The account, as it was kept.
    ///
    /// # Errors
    /// What the operating system says, except that there is none.
    pub fn account(&self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        self.read(ACCOUNT)
    }

    /// Keeps the account.
    ///
    /// # Errors
    /// What the operating system says; what was kept before is still there.
    pub fn keep_account(&self, json: &[u8]) -> io::Result<()> {
        self.write(ACCOUNT, json)
    }

    /// Drops the account.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn forget_account(&self) -> io::Result<()> {
        fs::remove_file(self.0.join(ACCOUNT))
    }

    /// The certificate for a name, if one is kept that can be used. One that cannot be is as good as none.
    pub fn certificate(&self, name: &str) -> Option<Identity> {
        let text = self
            .read(&file_of(name))
            .inspect_err(|error| tracing::warn!(name, %error, "a kept certificate cannot be read: another is asked for"))
            .ok()??;
        let identity = Identity::read(&text, &text);
        identity
            .inspect_err(|error| tracing::warn!(name, %error, "a kept certificate cannot be used: another is asked for"))
            .ok()
            .filter(|identity| identity.is_for(name) && identity.begins().is_some())
    }

    /// Keeps a certificate: key and chain in one file, so that they are always of each other.
    ///
    /// # Errors
    /// What the operating system says; what was kept before is still there.
    pub fn keep_certificate(&self, name: &str, key: &str, chain: &str) -> io::Result<()> {
        let text = Zeroizing::new(format!("{}\n{chain}", key.trim_end()));
        self.write(&file_of(name), text.as_bytes())
    }

    fn read(&self, file: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let file = match File::open(self.0.join(file)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn write(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let (path, draft) = (self.0.join(file), self.0.join(format!("{file}.new")));
        // Left by a crash, perhaps with other permissions.
        let _: io::Result<()> = fs::remove_file(&draft);
        let mut new = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
        new.write_all(bytes)?;
        new.sync_all()?;
        fs::rename(&draft, &path)?;
        sync_directory(&self.0)?;
        self.0.parent().map_or(Ok(()), sync_directory)
    }
}

fn file_of(name: &str) -> String {
    format!("{name}.pem")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn made(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.signing_key.serialize_pem(), made.cert.pem())
    }

    #[test]
    fn what_is_kept_is_private_and_each_authoritys_own() {
        let dir = tempfile::tempdir().unwrap();
        let (store, other) = (Store::new(dir.path(), "https://a.example/dir"), Store::new(dir.path(), "https://b.example/dir"));
        assert!(store.account().unwrap().is_none() && store.certificate("blog.example").is_none());
        store.keep_account(b"{}").unwrap();
        let (key, chain) = made("blog.example");
        store.keep_certificate("blog.example", &key, &chain).unwrap();
        assert_eq!(store.account().unwrap().unwrap().as_slice(), b"{}");
        assert_eq!(store.certificate("blog.example").unwrap().names(), ["blog.example"]);
        assert!(other.account().unwrap().is_none() && other.certificate("blog.example").is_none());
        for path in fs::read_dir(&store.0).unwrap().map(|entry| entry.unwrap().path()) {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
        assert_eq!(fs::metadata(&store.0).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_is_damaged_or_of_another_name_is_no_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), "https://a.example/dir");
        let (key, chain) = made("blog.example");
        store.keep_certificate("shop.example", &key, &chain).unwrap();
        assert!(store.certificate("shop.example").is_none());
        store.keep_certificate("blog.example", &made("blog.example").0, &chain).unwrap();
        assert!(store.certificate("blog.example").is_none(), "key and chain are of two certificates");
        fs::write(store.0.join("blog.example.pem"), &chain[..40]).unwrap();
        assert!(store.certificate("blog.example").is_none());
    }
}
