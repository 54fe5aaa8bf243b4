//! Certificates and keys of the site: read from their files, judged, and read again when the files change.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use overspill_edge::Identity;
use overspill_governance::time::Date;
use zeroize::Zeroizing;

use crate::{
    acme,
    config::{
        Loaded,
        fault::{Fault, Faults},
        sites::Site,
        table::Settings,
        value::Scheme,
    },
};

/// Bytes of a chain or a key that are read: a chain of four certificates has 8 KiB.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// How often the files are looked at.
pub const LOOK: Duration = Duration::from_mins(1);
/// A certificate that ends within this time is told of: tools that renew certificates begin a month before.
const ENDS_SOON: Duration = Duration::from_hours(7 * 24);

/// Reads the certificates that the settings name.
///
/// # Errors
/// All that is wrong with any of them.
pub fn read(loaded: &Loaded) -> Result<Vec<Identity>, Faults> {
    let (mut identities, mut faults) = (Vec::new(), Vec::new());
    let settings = &loaded.settings;
    for (chain, key) in settings.tls_certificate.iter().zip(&settings.tls_key) {
        let mut fault = |name: &str, path: &Path, wrong: &str, write: &str| {
            let wrong = format!("{name}: {}: {wrong}", path.display());
            faults.push(Fault { at: loaded.source(name), wrong, write: write.to_owned() });
        };
        let chain_text = read_file(chain).map_err(|wrong| fault("tls.certificate", chain, &wrong, CHAIN)).ok();
        let key_text = read_key(key).map_err(|(wrong, write)| fault("tls.key", key, &wrong, &write)).ok();
        let (Some(chain_text), Some(key_text)) = (chain_text, key_text) else { continue };
        match Identity::read(&chain_text, &key_text) {
            Ok(identity) => identities.push(identity),
            Err(error @ (overspill_edge::IdentityError::NoCertificate | overspill_edge::IdentityError::Malformed)) => {
                fault("tls.certificate", chain, &error.to_string(), CHAIN);
            }
            Err(error) => {
                let write = format!("the PEM key that belongs to {}", chain.display());
                fault("tls.key", key, &error.to_string(), &write);
            }
        }
    }
    if faults.is_empty() { Ok(identities) } else { Err(Faults(faults)) }
}

/// What to write where a chain is wrong.
const CHAIN: &str = "a file of PEM certificates that this user may read, the site's own first, such as certbot's fullchain.pem";

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut bytes = Zeroizing::new(Vec::new());
    let file = fs::File::open(path).map_err(|error| format!("cannot be read ({error})"))?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|error| format!("cannot be read ({error})"))?;
    Ok(bytes)
}

/// Reads a key. As with the state directory, one that anybody may read is refused: it may be known already. A group may, for those who
/// do not run the agent as root.
fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, (String, String)> {
    let own = || "a file of one PEM key that this user may read".to_owned();
    let found = fs::metadata(path).map_err(|error| (format!("cannot be read ({error})"), own()))?;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        let write = format!("chmod o-rwx {}, if nobody else has read it, or have a new key made", path.display());
        return Err((format!("may be used by every user of this machine (mode {mode:03o})"), write));
    }
    read_file(path).map_err(|wrong| (wrong, own()))
}

/// What an owner should know of certificates that are good to use.
pub fn doubts(identities: &[Identity], loaded: &Loaded, today: Date) -> Vec<String> {
    let (mut doubts, settings) = (Vec::new(), &loaded.settings);
    for (identity, chain) in identities.iter().zip(&settings.tls_certificate) {
        let chain = chain.display();
        match identity.ends() {
            Some(end) if end < today => {
                doubts.push(format!("{chain}: the certificate has expired; browsers refuse it until it is renewed"))
            }
            Some(end) if end < today.after(ENDS_SOON) => {
                let days = end.since(today).as_secs() / 86_400;
                doubts.push(format!("{chain}: the certificate ends within {} days; see that it is renewed", days + 1));
            }
            _ => {}
        }
    }
    let mut hosts: Vec<String> = settings.site.iter().filter(|site| site.scheme == "https").map(|site| site.host().to_owned()).collect();
    hosts.extend(settings.hosts.iter().map(|host| host.name().to_owned()));
    for Site { settings, .. } in loaded.sites.values().filter(|site| site.settings.site.as_ref().is_some_and(|site| site.scheme == "https"))
    {
        hosts.extend(settings.site.iter().map(|site| site.host().to_owned()));
        hosts.extend(settings.hosts.iter().map(|host| host.name().to_owned()));
    }
    let suffix = settings.guest_suffix.as_ref().filter(|_| settings.guest_scheme == Scheme::Https);
    hosts.extend(suffix.map(|suffix| format!("guest.{}", suffix.name())));
    let hosts_none = settings.guest_suffix.is_none() || settings.guest_scheme != Scheme::Https;
    if settings.acme_directory.is_some() && hosts_none && acme::wanted(loaded, &[], identities).is_empty() {
        doubts.push("acme.directory: no host wants a certificate; `site` begins with https:// where one does".to_owned());
    }
    let asked = settings.acme_directory.is_some() || identities.is_empty();
    let missed = hosts.iter().filter(|host| !asked && !identities.iter().any(|identity| identity.is_for(host)));
    doubts.extend(missed.map(|host| format!("no certificate is for {host}; browsers refuse the first one there")));
    doubts
}

/// The files as they were when they were last looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stamps(Vec<Option<(u64, i64, i64, u64)>>);

impl Stamps {
    /// Looks at the files that the settings name.
    pub fn of(settings: &Settings) -> Self {
        let files: Vec<&PathBuf> = settings.tls_certificate.iter().chain(&settings.tls_key).collect();
        let stamp = |path: &&PathBuf| fs::metadata(path).ok().map(|found| (found.ino(), found.mtime(), found.mtime_nsec(), found.len()));
        Self(files.iter().map(stamp).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_seen_and_an_unchanged_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chain.pem");
        let settings = Settings { tls_certificate: vec![path.clone()], ..Settings::default() };
        let missing = Stamps::of(&settings);
        fs::write(&path, "one").unwrap();
        let first = Stamps::of(&settings);
        assert_ne!(missing, first);
        assert_eq!(first, Stamps::of(&settings));
        // As tools that renew certificates do it: another file takes the name.
        fs::write(dir.path().join("new.pem"), "two").unwrap();
        fs::rename(dir.path().join("new.pem"), &path).unwrap();
        assert_ne!(first, Stamps::of(&settings));
    }
}
