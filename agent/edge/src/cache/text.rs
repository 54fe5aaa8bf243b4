//! What is stored of a response as bytes, in one piece: its key, the values that chose it, its head as it leaves, and its body, if that is short.
//!
//! One piece, because each piece costs a header, a rounding and, when it is wanted, a look at memory that nobody has looked at lately. What many
//! heads say alike they have in common ([`super::heads`]): there are few such pieces, and they are looked at all the time. The head's
//! fields are read from its lines; whoever needs them as a map has one made.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{
    heads::{Common, Heads, is_common},
    key::Key,
    stored::allocated,
};
use crate::{express, limits::SHORT_BODY_BYTES_MAX};

/// The bytes, and where each part of them ends.
#[derive(Debug, Clone)]
pub(super) struct Text {
    bytes: Box<[u8]>,
    /// What stands before the head, if it is kept with that of others.
    common: Option<Arc<Common>>,
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
        Self::of(parts, None, head_length, |text| express::put_head(text, status, fields))
    }

    /// Written into its place at once: what is put aside in between would leave holes among what stays.
    fn of(parts: &Parts<'_>, common: Option<Arc<Common>>, head_length: usize, put_head: impl FnOnce(&mut Vec<u8>)) -> Self {
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
        Self { bytes: bytes.into(), common, path_at: u16::try_from(path_at).unwrap_or(u16::MAX), key_end, values_end, head_end }
    }

    fn parts<'a>(&'a self, body: &'a [u8]) -> Parts<'a> {
        Parts { key: (self.key(), usize::from(self.path_at)), values: self.values(), body }
    }

    /// The same with another body.
    pub(super) fn with_body(&self, body: &[u8]) -> Self {
        let [_, own] = self.head();
        Self::of(&self.parts(body), self.common.clone(), own.len(), |text| text.extend_from_slice(own))
    }

    /// The same with as much of its head in common with others as there is, if that saves memory.
    pub(super) fn shared(&self, heads: &Arc<Heads>) -> Option<Self> {
        let [_, head] = self.head();
        let is_common = |at: usize, line: &[u8]| at == 0 || is_common(line.split(|byte| *byte == b':').next().unwrap_or_default());
        let lines = || head.split_inclusive(|byte| *byte == b'\n').enumerate();
        let mut common = Vec::with_capacity(head.len());
        lines().filter(|(at, line)| is_common(*at, line)).for_each(|(_, line)| common.extend_from_slice(line));
        if self.common.is_some() || allocated(self.len() - common.len()) == allocated(self.len()) {
            return None;
        }
        let own_length = head.len() - common.len();
        let common = heads.common(&common)?;
        Some(Self::of(&self.parts(self.body()), Some(common), own_length, |text| {
            lines().filter(|(at, line)| !is_common(*at, line)).for_each(|(_, line)| text.extend_from_slice(line));
        }))
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

    /// The head, in the two pieces in which it leaves, but for the lines that are told anew at each answer.
    pub(super) fn head(&self) -> [&[u8]; 2] {
        [self.common.as_ref().map_or(&[], |common| common.lines()), self.part(self.values_end, self.head_end)]
    }

    /// The body, if it is short.
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(self.head_end as usize..).unwrap_or_default()
    }

    /// Each field's name and value, as they were given.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let [common, own] = self.head();
        fields(common).chain(fields(own)).filter_map(|(name, value)| Some((str::from_utf8(name).ok()?, value)))
    }

    /// The fields as a map.
    pub(super) fn map(&self) -> HeaderMap {
        let (mut map, head) = (HeaderMap::with_capacity(16), Bytes::from(self.head().concat()));
        for (name, value) in fields(&head) {
            let name = HeaderName::from_bytes(name);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(head.slice_ref(value))) {
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

/// The fields of these lines. A status line is none: it has no colon. Neither names nor values hold the end of a line.
fn fields(mut lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let next = move || {
        let (line, rest) = lines.split_at_checked(memchr::memchr(b'\n', lines)? + 1)?;
        lines = rest;
        line.strip_suffix(b"\r\n")
    };
    std::iter::from_fn(next).filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((line.get(..colon)?, line.get(colon + 2..)?))
    })
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
        assert_eq!((text.values(), text.body()), (&b"de,\0"[..], &b"body"[..]));
        assert!(text.is_of("http://a.example:80/b?c") && !text.is_of("http://a.example:80/b?"));
        assert_eq!(text.map(), map);
        let head = str::from_utf8(text.head()[1]).unwrap();
        assert!(text.head()[0].is_empty() && head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n"), "{head}");
        let other = text.with_body(b"another body");
        assert_eq!((other.body(), other.map(), other.values()), (&b"another body"[..], map, text.values()));
        assert_eq!(str::from_utf8(other.head()[1]).unwrap(), head);
    }

    #[test]
    fn what_heads_have_in_common_stands_before_what_is_their_own() {
        let heads = Arc::new(Heads::new(1 << 20));
        let fields = |tag| {
            let pairs =
                [(header::SERVER, "nginx/1.22.1"), (header::ETAG, tag), (header::CACHE_CONTROL, "max-age=1"), (header::VIA, "1.1 a")];
            let mut map: HeaderMap = pairs.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
            map.append(header::CACHE_CONTROL, HeaderValue::from_static("public"));
            map
        };
        let (first, second) = (text(&fields("\"1\""), b"one"), text(&fields("\"2\""), b"two"));
        assert!(first.shared(&heads).is_none(), "seen for the first time");
        let second = second.shared(&heads).unwrap();
        let first = first.shared(&heads).unwrap();
        assert_eq!(second.head()[1], b"etag: \"2\"\r\n");
        let common = "HTTP/1.1 200 OK\r\nserver: nginx/1.22.1\r\ncache-control: max-age=1\r\ncache-control: public\r\nvia: 1.1 a\r\n";
        assert_eq!(str::from_utf8(second.head()[0]).unwrap(), common);
        assert_eq!(first.head()[0].as_ptr(), second.head()[0].as_ptr());
        assert_eq!((first.map(), second.map()), (fields("\"1\""), fields("\"2\"")));
        assert!(second.shared(&heads).is_none(), "it is");
        let other = second.with_body(b"another");
        assert_eq!((other.map(), other.body(), other.head()), (second.map(), &b"another"[..], second.head()));
        drop((first, second));
        assert!(heads.bytes() > 0);
        drop(other);
        assert_eq!(heads.bytes(), 0);
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

        #[test]
        fn a_head_in_two_pieces_has_the_same_fields(
            fields in prop::collection::vec((0_usize..8, "[ -~]{0,40}"), 0..16), body in prop::collection::vec(any::<u8>(), 0..2_000)
        ) {
            let names = ["server", "etag", "cache-control", "x-own", "content-type", "link", "vary", "date"];
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                if let Ok(value) = HeaderValue::try_from(value) {
                    map.append(names[name], value);
                }
            }
            let (heads, text) = (Arc::new(Heads::new(1 << 20)), text(&map, &body));
            prop_assert!(text.shared(&heads).is_none());
            if let Some(shared) = text.shared(&heads) {
                // Equal maps have the values of each name in the same order.
                prop_assert_eq!(shared.map(), map);
                prop_assert_eq!((shared.key(), shared.values(), shared.body()), (text.key(), text.values(), text.body()));
                let [common, own] = shared.head();
                prop_assert!(common.starts_with(b"HTTP/1.1 200 OK\r\n") && fields_are(common, true) && fields_are(own, false));
                prop_assert!(allocated(shared.len()) < allocated(text.len()));
                prop_assert_eq!(common.len() + own.len(), text.head()[1].len());
                drop(shared);
            }
            prop_assert_eq!(heads.bytes(), 0);
        }
    }

    fn fields_are(lines: &[u8], common: bool) -> bool {
        super::fields(lines).all(|(name, _)| is_common(name) == common)
    }
}
