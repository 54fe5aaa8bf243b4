//! What is stored of a response as bytes, in one piece: its key, the values that chose it, its head as it leaves, and its body, if that is short.
//!
//! One piece, because each piece costs a header, a rounding and, when it is wanted, a look at memory that nobody has looked at lately. The head's
//! fields are read from its lines; whoever needs them as a map has one made.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::key::Key;
use crate::{express, limits::SHORT_BODY_BYTES_MAX};

/// The bytes, and where each part of them ends.
#[derive(Debug, Clone)]
pub(super) struct Text {
    bytes: Bytes,
    path_at: u16,
    key_end: u32,
    values_end: u32,
    head_end: u32,
}

/// What is put together.
pub(super) struct Parts<'a> {
    pub(super) key: (&'a str, usize),
    pub(super) values: &'a [u8],
    pub(super) body: &'a [u8],
}

impl Text {
    /// Puts a response together. Only a short body becomes part of it.
    pub(super) fn new(parts: &Parts<'_>, status: StatusCode, fields: &HeaderMap) -> Self {
        let head_length = express::head_length(status, fields);
        Self::of(parts, head_length, |text| express::put_head(text, status, fields))
    }

    /// Written into its place at once: what is put aside in between would leave holes among what stays.
    fn of(parts: &Parts<'_>, head_length: usize, put_head: impl FnOnce(&mut Vec<u8>)) -> Self {
        let (key, path_at) = parts.key;
        let body = if is_short(parts.body.len()) { parts.body } else { &[] };
        let length = |end: usize| u32::try_from(end).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(key.len() + parts.values.len() + head_length + body.len());
        bytes.extend_from_slice(key.as_bytes());
        let key_end = length(bytes.len());
        bytes.extend_from_slice(parts.values);
        let values_end = length(bytes.len());
        put_head(&mut bytes);
        let head_end = length(bytes.len());
        bytes.extend_from_slice(body);
        Self { bytes: bytes.into(), path_at: u16::try_from(path_at).unwrap_or(u16::MAX), key_end, values_end, head_end }
    }

    /// The same with another body.
    pub(super) fn with_body(&self, body: &[u8]) -> Self {
        let parts = Parts { key: (self.key(), usize::from(self.path_at)), values: self.values(), body };
        Self::of(&parts, self.head().len(), |text| text.extend_from_slice(self.head()))
    }

    fn part(&self, from: u32, to: u32) -> &[u8] {
        self.bytes.get(from as usize..to as usize).unwrap_or_default()
    }

    /// The key's text.
    pub(super) fn key(&self) -> &str {
        str::from_utf8(self.part(0, self.key_end)).unwrap_or_default()
    }

    /// Tells whether this is the key.
    pub(super) fn is_of(&self, key: &str) -> bool {
        self.part(0, self.key_end) == key.as_bytes()
    }

    /// The key's part before its path.
    pub(super) fn origin(&self) -> &str {
        self.key().get(..usize::from(self.path_at)).unwrap_or_default()
    }

    /// The key's path and query.
    pub(super) fn path(&self) -> &str {
        self.key().get(usize::from(self.path_at)..).unwrap_or_default()
    }

    /// The key, by itself.
    pub(super) fn to_key(&self) -> Key {
        Key::of_text(self.key(), self.path_at)
    }

    /// The values of the fields that Vary names.
    pub(super) fn values(&self) -> &[u8] {
        self.part(self.key_end, self.values_end)
    }

    /// The head, but for the lines that are told anew at each answer.
    pub(super) fn head(&self) -> &[u8] {
        self.part(self.values_end, self.head_end)
    }

    /// The body, if it is short.
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(self.head_end as usize..).unwrap_or_default()
    }

    /// The same, to be sent.
    pub(super) fn shared_body(&self) -> Bytes {
        self.bytes.slice(self.head_end as usize..)
    }

    /// The same of the head.
    pub(super) fn shared_head(&self) -> Bytes {
        self.bytes.slice(self.values_end as usize..self.head_end as usize)
    }

    /// Each field's name and value, as they were given.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        // After the status line; neither names nor values hold the end of a line.
        let lines = self.head().split(|byte| *byte == b'\n').skip(1).filter_map(|line| line.strip_suffix(b"\r"));
        lines.filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            Some((str::from_utf8(line.get(..colon)?).ok()?, line.get(colon + 2..)?))
        })
    }

    /// The fields as a map.
    pub(super) fn map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(16);
        for (name, value) in self.fields() {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(self.bytes.slice_ref(value))) {
                map.append(name, value);
            }
        }
        map
    }

    /// Bytes that it takes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Tells whether a body of that length stands with the rest.
pub(super) fn is_short(length: usize) -> bool {
    length <= SHORT_BODY_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;
    use proptest::prelude::*;

    fn text(fields: &HeaderMap, body: &[u8]) -> Text {
        let parts = Parts { key: ("http://a.example:80/b?c", 19), values: b"de,\0", body };
        Text::new(&parts, StatusCode::OK, fields)
    }

    #[test]
    fn each_part_is_found_again() {
        let fields =
            [(header::ETAG, "\"a: b\""), (header::VARY, ""), (header::CACHE_CONTROL, "max-age=1"), (header::CACHE_CONTROL, "public")];
        let mut map = HeaderMap::new();
        fields.iter().for_each(|(name, value)| {
            map.append(name, HeaderValue::from_static(value));
        });
        let text = text(&map, b"body");
        assert_eq!((text.key(), text.origin(), text.path()), ("http://a.example:80/b?c", "http://a.example:80", "/b?c"));
        assert_eq!((text.values(), text.body(), &text.shared_body()[..]), (&b"de,\0"[..], &b"body"[..], &b"body"[..]));
        assert!(text.is_of("http://a.example:80/b?c") && !text.is_of("http://a.example:80/b?"));
        assert_eq!(text.map(), map);
        let head = str::from_utf8(text.head()).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n"), "{head}");
        let other = text.with_body(b"another body");
        assert_eq!((other.body(), other.map(), other.values()), (&b"another body"[..], map, text.values()));
        assert_eq!(str::from_utf8(other.head()).unwrap(), head);
    }

    #[test]
    fn a_long_body_stands_by_itself() {
        let long = vec![0; SHORT_BODY_BYTES_MAX + 1];
        assert_eq!(text(&HeaderMap::new(), &long).body(), b"");
        assert_eq!(text(&HeaderMap::new(), &long[1..]).body().len(), SHORT_BODY_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn any_fields_come_back(fields in prop::collection::vec(("[a-z][a-z0-9-]{0,12}", prop::collection::vec(0x20_u8..=0xff, 0..20)), 0..12)) {
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                    map.append(name, value);
                }
            }
            let text = text(&map, b"");
            // A map keeps the order of the values of one name, which is all the order there is.
            prop_assert_eq!(text.map(), map);
        }
    }
}
