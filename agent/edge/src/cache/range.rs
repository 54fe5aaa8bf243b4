//! Single byte ranges of whole bodies (RFC 9110 section 14). Several ranges in one request are answered with the whole.

use std::ops::Range;

use http::{HeaderMap, header};

/// What a request asks of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// These bytes; never none, never beyond the end.
    Some(Range<u64>),
    /// Bytes that it does not have: 416.
    Unsatisfiable,
}

/// Reads Range for a body of `length` bytes. What is malformed, or asks for several ranges, is passed over, as the RFC allows.
pub(crate) fn part(request: &HeaderMap, length: u64) -> Part {
    let Some(text) = request.get(header::RANGE).and_then(|value| value.to_str().ok()) else { return Part::Whole };
    parse(text, length).unwrap_or(Part::Whole)
}

fn parse(text: &str, length: u64) -> Option<Part> {
    let (unit, spec) = text.split_once('=')?;
    let (first, last) = spec.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return None;
    }
    let range = if first.is_empty() {
        let suffix = number(last)?;
        length.saturating_sub(suffix)..length
    } else {
        let first = number(first)?;
        let last = if last.is_empty() { u64::MAX } else { number(last)? };
        if last < first {
            return None;
        }
        first..last.saturating_add(1).min(length)
    };
    Some(if range.start < range.end { Part::Some(range) } else { Part::Unsatisfiable })
}

/// A number of digits only; one beyond all lengths is the greatest.
pub(super) fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) { None } else { Some(text.parse().unwrap_or(u64::MAX)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(text: &str, length: u64) -> Part {
        let mut request = HeaderMap::new();
        request.insert(header::RANGE, HeaderValue::from_str(text).unwrap());
        part(&request, length)
    }

    #[test]
    fn ranges_are_cut_from_both_ends() {
        assert_eq!(of("bytes=0-9", 100), Part::Some(0..10));
        assert_eq!(of("bytes=90-", 100), Part::Some(90..100));
        assert_eq!(of("bytes=-10", 100), Part::Some(90..100));
        assert_eq!(of("bytes=-1000", 100), Part::Some(0..100));
        assert_eq!(of("BYTES=90-99999999999999999999999", 100), Part::Some(90..100));
        for nothing in ["bytes=100-", "bytes=-0", "bytes=100-200"] {
            assert_eq!(of(nothing, 100), Part::Unsatisfiable, "{nothing}");
        }
        for whole in ["bytes=5-4", "bytes=a-b", "bytes=0-1,5-6", "lines=0-1", "bytes", "bytes=-"] {
            assert_eq!(of(whole, 100), Part::Whole, "{whole}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_body(text in "[ -~]{0,24}", length in 0_u64..1_000) {
            for text in [text.clone(), format!("bytes={text}")] {
                if let Part::Some(range) = of(&text, length) {
                    prop_assert!(range.start < range.end && range.end <= length);
                }
            }
        }
    }
}
