//! A request's header fields, however they are held: in the library's map, or as the express lane read them.

use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Header;

/// Header fields that can be looked up by name.
pub trait Fields {
    /// The values of all fields of a name, which is given in lower case, in the order in which they came.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// Tells whether there is a field of a name.
    fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }
}

impl Fields for HeaderMap {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(|value| value.as_bytes())
    }
}

impl Fields for [Header<'_>] {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }
}

/// The fields as the rest of the edge reads them; `None` when one of them is no field.
pub(crate) fn map(lines: &[Header<'_>]) -> Option<HeaderMap> {
    let mut map = HeaderMap::with_capacity(lines.len());
    for line in lines {
        map.append(HeaderName::from_bytes(line.name.as_bytes()).ok()?, HeaderValue::from_bytes(line.value).ok()?);
    }
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_find_the_same() {
        let fields = [("Via", "1.1 a"), ("CDN-Loop", "x"), ("via", "1.1 b")];
        let read = fields.map(|(name, value)| Header { name, value: value.as_bytes() });
        let map: HeaderMap = fields
            .iter()
            .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
        for (name, expected) in [("via", &[&b"1.1 a"[..], b"1.1 b"][..]), ("cdn-loop", &[b"x"]), ("te", &[])] {
            assert_eq!(Fields::values(&map, name).collect::<Vec<_>>(), expected);
            assert_eq!(read.values(name).collect::<Vec<_>>(), expected);
            assert_eq!((map.has(name), read.has(name)), (!expected.is_empty(), !expected.is_empty()));
        }
    }
}
