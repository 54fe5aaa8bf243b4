//! The cache key. It cannot be made without scheme, host, port, path and query: each was once left out somewhere, and poisoned a cache.

use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use http::uri::{Authority, PathAndQuery, Scheme};

/// Scheme, host and port, as keys begin.
pub(crate) fn origin(scheme: &Scheme, host: &Authority) -> String {
    let port = host.port_u16().unwrap_or(if *scheme == Scheme::HTTPS { 443 } else { 80 });
    let mut text = String::with_capacity(128);
    text.push_str(scheme.as_str());
    text.push_str("://");
    text.extend(host.host().chars().map(|letter| letter.to_ascii_lowercase()));
    text.push(':');
    text.push_str(&port.to_string());
    text
}

/// Names a resource: its URI, with the port always written out.
#[derive(Clone)]
pub(crate) struct Key {
    text: Arc<str>,
    /// Where the path begins.
    path_at: u16,
}

impl Key {
    /// Makes the key of `target` on `host`.
    pub(crate) fn new(scheme: &Scheme, host: &Authority, target: &PathAndQuery) -> Self {
        let mut text = origin(scheme, host);
        let path_at = u16::try_from(text.len()).unwrap_or(u16::MAX);
        text.push_str(target.as_str());
        Self { text: text.into(), path_at }
    }

    /// A key on this host for each scheme.
    pub(crate) fn roots(host: &Authority) -> [Self; 2] {
        [Scheme::HTTP, Scheme::HTTPS].map(|scheme| Self::new(&scheme, host, &PathAndQuery::from_static("/")))
    }

    /// The key whose whole text this is, the path beginning there; `None` if that cannot be.
    pub(crate) fn restored(text: &str, path_at: u16) -> Option<Self> {
        let (origin, path) = text.split_at_checked(usize::from(path_at))?;
        let (_, authority) = origin.split_once("://")?;
        let (host, port) = authority.rsplit_once(':')?;
        let is_key = !host.is_empty() && port.parse::<u16>().is_ok() && path.starts_with(['/', '*', '?']);
        is_key.then(|| Self { text: text.into(), path_at })
    }

    /// The key whose whole text this is; it was one before.
    pub(super) fn of_text(text: &str, path_at: u16) -> Self {
        Self { text: text.into(), path_at }
    }

    /// All of it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The same place, another target.
    pub(crate) fn sibling(&self, target: &str) -> Self {
        Self { text: format!("{}{target}", self.origin()).into(), path_at: self.path_at }
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> &str {
        self.text.get(..usize::from(self.path_at)).unwrap_or_default()
    }

    /// Path and raw query.
    pub(crate) fn path(&self) -> &str {
        self.text.get(usize::from(self.path_at)..).unwrap_or_default()
    }
}

/// A key is its text: so it can be looked up without being made.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scheme: Scheme, host: &'static str, target: &'static str) -> Key {
        Key::new(&scheme, &Authority::from_static(host), &PathAndQuery::from_static(target))
    }

    #[test]
    fn every_part_tells() {
        let base = key(Scheme::HTTP, "blog.example", "/a?b");
        assert_eq!(base, key(Scheme::HTTP, "BLOG.example:80", "/a?b"));
        for other in [
            key(Scheme::HTTPS, "blog.example", "/a?b"),
            key(Scheme::HTTP, "blog.example:8080", "/a?b"),
            key(Scheme::HTTP, "www.blog.example", "/a?b"),
            key(Scheme::HTTP, "blog.example", "/A?b"),
            key(Scheme::HTTP, "blog.example", "/a?B"),
            key(Scheme::HTTP, "blog.example", "/a"),
            key(Scheme::HTTP, "blog.example", "/a?"),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!((base.origin(), base.path()), ("http://blog.example:80", "/a?b"));
        assert_eq!(base.sibling("/c"), key(Scheme::HTTP, "blog.example", "/c"));
    }
}
