//! Which requests a stored response answers (RFC 9111 section 4.1), and the few kinds of Accept-Encoding that there really are.

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{control::split, stored::allocated};

/// What a visitor's browser can decode, reduced to what servers really choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Encoding {
    /// Nothing is compressed.
    Identity,
    /// gzip.
    Gzip,
    /// Brotli, or gzip.
    Brotli,
}

impl Encoding {
    /// Reads Accept-Encoding.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers.get_all(header::ACCEPT_ENCODING).iter().fold(Self::Identity, |found, value| found.and(value.as_bytes()))
    }

    /// The same, with one more value of the field.
    pub(crate) fn and(self, value: &[u8]) -> Self {
        value.split(|byte| *byte == b',').fold(self, |found, coding| {
            let mut halves = coding.splitn(2, |byte| *byte == b';');
            let name = halves.next().unwrap_or_default().trim_ascii();
            match halves.next() {
                Some(parameters) if refused(parameters) => found,
                _ if name.eq_ignore_ascii_case(b"br") => Self::Brotli,
                _ if name.eq_ignore_ascii_case(b"gzip") => found.max(Self::Gzip),
                _ => found,
            }
        })
    }

    /// What is asked of the origin for such visitors.
    pub(crate) fn to_origin(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br, gzip",
        })
    }
}

/// `q=0`, in any of its spellings.
fn refused(parameters: &[u8]) -> bool {
    let text: Vec<u8> = parameters.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    text.strip_prefix(b"q=").is_some_and(|weight| !weight.is_empty() && weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
}

/// The request fields by which an origin chooses among representations.
///
/// Nearly every response has none or Accept-Encoding alone, so that these take no memory of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Vary(Option<Arc<Vec<HeaderName>>>);

/// Accept-Encoding alone, for all.
static BY_ENCODING: LazyLock<Arc<Vec<HeaderName>>> = LazyLock::new(|| Arc::new(vec![header::ACCEPT_ENCODING]));

impl Vary {
    /// Reads Vary; `None` when it is `*` or makes no sense: such a response answers no other request.
    pub(crate) fn of(response: &HeaderMap) -> Option<Self> {
        let mut names = Vec::new();
        for value in response.get_all(header::VARY) {
            for name in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()) {
                if name == b"*" {
                    return None;
                }
                names.push(HeaderName::from_bytes(name).ok()?);
            }
        }
        // An origin that compresses without saying what by: its answer depends on Accept-Encoding all the same.
        if response.contains_key(header::CONTENT_ENCODING) {
            names.push(header::ACCEPT_ENCODING);
        }
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        Some(Self::restored(names))
    }

    /// By these fields, in the order in which [`Vary::fields`] had them.
    pub(crate) fn restored(fields: Vec<HeaderName>) -> Self {
        Self(match fields.as_slice() {
            [] => None,
            [name] if name == header::ACCEPT_ENCODING => Some(Arc::clone(&BY_ENCODING)),
            _ => Some(Arc::new(fields)),
        })
    }

    fn names_all(&self) -> &[HeaderName] {
        self.0.as_ref().map_or(&[], |names| names.as_slice())
    }

    /// Bytes of memory that it has for itself.
    pub(crate) fn weight(&self) -> usize {
        let own = self.0.as_ref().filter(|names| !Arc::ptr_eq(names, &BY_ENCODING));
        own.map_or(0, |names| allocated(40) + allocated(names.capacity() * size_of::<HeaderName>()))
    }

    /// The fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &HeaderName> {
        self.names_all().iter()
    }

    /// Tells whether the response depends on nothing but, perhaps, Accept-Encoding.
    pub(crate) fn is_plain(&self) -> bool {
        self.fields().all(|name| name == header::ACCEPT_ENCODING)
    }

    /// Tells whether it is plain and a request of that encoding has these values: [`Vary::values`] without the request's other fields.
    pub(crate) fn is_plain_with(&self, encoding: Encoding, values: &[u8]) -> bool {
        match self.names_all() {
            [] => values.is_empty(),
            [name] => name == header::ACCEPT_ENCODING && values == [encoding as u8 + 1, 0],
            _ => false,
        }
    }

    /// Tells whether a request has these values.
    pub(crate) fn is_answered(&self, request: &HeaderMap, encoding: Encoding, values: &[u8]) -> bool {
        if self.is_plain() { self.is_plain_with(encoding, values) } else { self.values(request, encoding) == values }
    }

    pub(crate) fn names(&self, name: &HeaderName) -> bool {
        self.names_all().contains(name)
    }

    /// The values that a request has in these fields, in one text in which they cannot run into each other.
    pub(crate) fn values(&self, request: &HeaderMap, encoding: Encoding) -> Vec<u8> {
        let mut text = Vec::new();
        for name in self.fields() {
            if name == header::ACCEPT_ENCODING {
                text.push(encoding as u8 + 1);
            } else {
                let start = text.len();
                for value in request.get_all(name) {
                    put_normal(&mut text, value.as_bytes());
                    text.push(b',');
                }
                if name == header::ACCEPT_LANGUAGE {
                    text[start..].make_ascii_lowercase();
                }
            }
            text.push(0);
        }
        text
    }
}

/// Writes a field's value without the space around its commas, so that one line and several, tight and loose, are the same.
//= RFC 9111 section 4.1: the first two of the normalizations that it names; Accept-Language is without case as well (RFC 4647 section 2).
fn put_normal(text: &mut Vec<u8>, value: &[u8]) {
    for (index, member) in split(value).enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(member.trim_ascii());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn browsers_come_in_three_kinds() {
        for (value, kind) in [
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("GZIP;q=0.5, br;q=0", Encoding::Gzip),
            ("gzip; q = 0.000, identity", Encoding::Identity),
            ("deflate", Encoding::Identity),
        ] {
            assert_eq!(Encoding::of(&fields(&[("accept-encoding", value)])), kind, "{value}");
        }
    }

    #[test]
    fn variants_are_told_apart_by_the_named_fields_only() {
        let vary = Vary::of(&fields(&[("vary", "Accept-Language , accept-encoding")])).unwrap();
        let values = |language, agent| vary.values(&fields(&[("accept-language", language), ("user-agent", agent)]), Encoding::Gzip);
        assert_eq!(values("de", "a"), values("de", "b"));
        assert_ne!(values("de", "a"), values("fr", "a"));
        assert_eq!(values("en, de", "a"), values(" eN ,   DE", "a"));
        assert_ne!(values("en, de", "a"), values("de, en", "a"), "servers do choose the first");
        let vary = Vary::of(&fields(&[("vary", "foo")])).unwrap();
        let mut lines = fields(&[("foo", "1")]);
        lines.append("foo", HeaderValue::from_static(" 2"));
        assert_eq!(vary.values(&lines, Encoding::Gzip), vary.values(&fields(&[("foo", "1, 2")]), Encoding::Gzip));
        let quoted = |value| vary.values(&fields(&[("foo", value)]), Encoding::Gzip);
        assert_ne!(quoted("\"a, b\""), quoted("\"a,b\""));
        assert_ne!(quoted("A"), quoted("a"));
        assert!(Vary::of(&fields(&[("vary", "accept, *")])).is_none());
        assert!(Vary::of(&fields(&[("content-encoding", "gzip")])).unwrap().names(&header::ACCEPT_ENCODING));
    }
}
