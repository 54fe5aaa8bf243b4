//! Files that settings name, beside certificates: the waiting page, and whom the origin's certificate must come from.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use overspill_edge::{Identity, OriginTls, Template};

use crate::{
    certificates,
    config::{
        Loaded,
        fault::{Fault, Faults},
        table::Settings,
        value::Origin,
    },
};

/// Bytes of a file of root certificates that are read: Debian's has 220 KiB.
const ROOTS_BYTES_MAX: u64 = 2 << 20;

/// Where systems keep their root certificates; the first that is there counts.
const SYSTEM_ROOTS: [&str; 4] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

/// What the files hold.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// The site's certificates.
    pub identities: Vec<Identity>,
    /// The owner's waiting page.
    pub waiting_page: Option<Arc<Template>>,
    /// TLS towards origins, if any is asked for.
    pub origin_tls: Option<OriginTls>,
}

impl Named {
    /// Reads all that the settings name.
    ///
    /// # Errors
    /// All that is wrong with any of it.
    pub fn read(loaded: &Loaded) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let identities = certificates::read(loaded).map_err(|more| faults.extend(more.0)).unwrap_or_default();
        let mut fault = |name: &str, wrong: String, write: &str| {
            faults.push(Fault { at: loaded.source(name), wrong: format!("{name}: {wrong}"), write: write.to_owned() });
        };
        let waiting_page = loaded.settings.waiting_page.as_deref().and_then(|path| {
            let write = "a file of HTML that this user may read";
            read_template(path).map_err(|wrong| fault("waiting_page", format!("{}: {wrong}", path.display()), write)).ok()
        });
        let further = loaded.sites.values().map(|site| &site.settings);
        let is_secure = |settings: &Settings| settings.origin.scheme == "https";
        let secure = std::iter::once(&loaded.settings).chain(further).any(is_secure);
        let origin_tls = secure
            .then(|| read_roots(loaded.settings.origin_ca.as_deref()))
            .and_then(|read| read.map_err(|wrong| fault("origin_ca", wrong, "a file of PEM certificates that this user may read")).ok());
        if faults.is_empty() { Ok(Self { identities, waiting_page: waiting_page.map(Arc::new), origin_tls }) } else { Err(Faults(faults)) }
    }
}

impl Named {
    /// TLS towards this origin, if it speaks it.
    #[must_use]
    pub fn towards(&self, origin: &Origin) -> Option<OriginTls> {
        self.origin_tls.clone().filter(|_| origin.scheme == "https")
    }
}

fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| format!("cannot be read ({error})"))?;
    file.take(max).read_to_end(&mut bytes).map_err(|error| format!("cannot be read ({error})"))?;
    Ok(bytes)
}

fn read_template(path: &Path) -> Result<Template, String> {
    // One byte more, so that what is too long shows.
    let bytes = read_file(path, Template::BYTES_MAX as u64 + 1)?;
    Template::read(&bytes).map_err(|error| error.to_string())
}

/// Those whose signature on an origin's certificate counts.
fn read_roots(path: Option<&Path>) -> Result<OriginTls, String> {
    let system = || SYSTEM_ROOTS.iter().map(PathBuf::from).find(|path| path.exists());
    let path = path.map(Path::to_owned).or_else(system).ok_or("this system has no list of root certificates")?;
    let in_file = |wrong: String| format!("{}: {wrong}", path.display());
    let bytes = read_file(&path, ROOTS_BYTES_MAX).map_err(in_file)?;
    OriginTls::read(&bytes).map_err(|error| in_file(error.to_string()))
}
