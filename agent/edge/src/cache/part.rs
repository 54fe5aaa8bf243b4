//! Stretches of bodies: what a 206 brings, how two of the same representation are put together, and what can be cut from them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};

use super::{
    range::{self, number},
    stored::Stored,
};
use crate::limits::STORED_BODY_BYTES_MAX;

/// A stored stretch. Its `stored` is the whole response but for the body, which is the stretch's.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) stored: Stored,
    at: u64,
    total: u64,
}

/// Reads where a 206 belongs, and how long the whole is; `None` when it is not one stretch of a known representation.
//= RFC 9110 section 14.4; RFC 9111 section 3.4: only a strong tag says that two stretches are of the same bytes.
pub(crate) fn stretch(headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let mut fields = headers.get_all(header::CONTENT_RANGE).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let (range, total) = field.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (number(first)?, number(last)?, number(total)?);
    let is_strong = headers.get(header::ETAG).is_some_and(|tag| tag.as_bytes().starts_with(b"\""));
    (first <= last && last < total && is_strong).then(|| (first..last + 1, total))
}

impl Part {
    /// Makes the entry of a stretch that came whole; `None` when it is not as long as was said.
    pub(crate) fn new(stored: Stored, range: &Range<u64>, total: u64) -> Option<Self> {
        (stored.length() == range.end - range.start).then_some(Self { stored, at: range.start, total })
    }

    fn end(&self) -> u64 {
        self.at + self.stored.length()
    }

    /// Puts an older stretch of the same representation to this one, if they touch. The fields are the newer's.
    //= RFC 9111 section 3.4
    pub(crate) fn joined(mut self, older: &Self) -> Self {
        let (start, end) = (self.at.min(older.at), self.end().max(older.end()));
        let same = self.total == older.total && self.stored.value(&header::ETAG) == older.stored.value(&header::ETAG);
        let touch = self.at <= older.end() && older.at <= self.end();
        if !same || !touch || end - start > STORED_BODY_BYTES_MAX {
            return self;
        }
        let mut body = BytesMut::new();
        body.extend_from_slice(older.slice(start..self.at).as_deref().unwrap_or_default());
        body.extend_from_slice(self.stored.body_bytes());
        body.extend_from_slice(older.slice(self.end()..end).as_deref().unwrap_or_default());
        self.at = start;
        self.stored = self.stored.with_body(body.freeze());
        self
    }

    /// Tells whether this is all of it.
    pub(crate) fn is_whole(&self) -> bool {
        self.at == 0 && self.end() == self.total
    }

    /// What a request wants of the whole, if all of it is here: its place, the whole's length, and the bytes.
    pub(crate) fn cut(&self, request: &HeaderMap) -> Option<(Range<u64>, u64, Bytes)> {
        let range::Part::Some(range) = range::part(request, self.total) else { return None };
        let bytes = self.slice(range.clone())?;
        Some((range, self.total, bytes))
    }

    /// Bytes of the whole, by their place in it.
    fn slice(&self, range: Range<u64>) -> Option<Bytes> {
        if range.start < self.at || range.end > self.end() || range.start > range.end {
            return None;
        }
        let from = usize::try_from(range.start - self.at).ok()?;
        let to = usize::try_from(range.end - self.at).ok()?;
        self.stored.slice(from..to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const WHOLE: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

    fn part(range: Range<usize>, tag: &'static str) -> Part {
        let fields = [(header::CACHE_CONTROL, "max-age=60"), (header::ETAG, tag)];
        let stored = Stored::sample(&fields, Bytes::from_static(&WHOLE[range.clone()]));
        Part::new(stored, &(range.start as u64..range.end as u64), 26).unwrap()
    }

    fn said(range: &str, tag: &str) -> Option<(Range<u64>, u64)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_RANGE, HeaderValue::try_from(range).unwrap());
        headers.insert(header::ETAG, HeaderValue::try_from(tag).unwrap());
        stretch(&headers)
    }

    fn cut(part: &Part, range: &str) -> Option<Vec<u8>> {
        let mut request = HeaderMap::new();
        request.insert(header::RANGE, HeaderValue::try_from(range).unwrap());
        part.cut(&request).map(|(_, _, bytes)| bytes.to_vec())
    }

    #[test]
    fn a_stretch_is_one_of_a_known_representation() {
        assert_eq!(said("bytes 4-9/10", "\"1\""), Some((4..10, 10)));
        for range in ["bytes 4-10/10", "bytes 5-4/10", "bytes 4-9/*", "bytes */10", "4-9/10", "bytes=4-9/10", "bytes 4-9", "bytes -9/10"] {
            assert_eq!(said(range, "\"1\""), None, "{range}");
        }
        assert_eq!(said("bytes 4-9/10", "W/\"1\""), None);
        assert!(Part::new(part(0..5, "\"1\"").stored, &(4..10), 26).is_none(), "five bytes are not six");
    }

    #[test]
    fn only_stretches_of_the_same_bytes_are_joined() {
        let joined = part(5..9, "\"1\"").joined(&part(0..5, "\"1\""));
        assert_eq!(cut(&joined, "bytes=3-6").as_deref(), Some(&b"defg"[..]));
        for other in [part(0..5, "\"2\""), part(0..4, "\"1\"")] {
            assert_eq!(cut(&part(5..9, "\"1\"").joined(&other), "bytes=3-6"), None);
        }
        assert_eq!(cut(&joined, "bytes=20-"), None);
        assert_eq!(cut(&joined, "bytes=0-1,3-4"), None, "several are the origin's business");
        assert!(!joined.is_whole());
        let whole = joined.joined(&part(8..26, "\"1\""));
        assert!(whole.is_whole());
        assert_eq!(whole.stored.body_bytes(), WHOLE);
    }

    proptest! {
        #[test]
        fn what_is_cut_is_what_the_whole_has(stretches in proptest::collection::vec((0_usize..26, 1_usize..26), 1..6), from in 0_usize..26, to in 0_usize..26) {
            let mut parts = stretches.iter().map(|(at, length)| part(*at..(at + length).min(26), "\"1\""));
            let first = parts.next().unwrap();
            let part = parts.fold(first, |older, newer| newer.joined(&older));
            if let Some(bytes) = cut(&part, &format!("bytes={from}-{to}")) {
                prop_assert_eq!(&bytes[..], &WHOLE[from..=to.min(25)]);
            }
            if part.is_whole() {
                prop_assert_eq!(part.stored.body_bytes(), WHOLE);
            }
        }

        #[test]
        fn foreign_bytes_cannot_panic(range in "[ -~]{0,24}") {
            for text in [range.clone(), format!("bytes {range}")] {
                if let Some((range, total)) = said(&text, "\"1\"") {
                    prop_assert!(range.start < range.end && range.end <= total);
                }
            }
        }
    }
}
