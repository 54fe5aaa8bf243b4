//! Single byte ranges of a whole object (RFC 9110 section 14).

use std::ops::Range;

use http::{HeaderMap, header};

/// What a request wants of an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no range, or one that a server may ignore (several, or another unit).
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// Bytes that the object does not have.
    Nothing,
}

/// Reads the request's `Range` against an object of `len` bytes.
pub(crate) fn wanted(request: &HeaderMap, len: u64) -> Wanted {
    let mut ranges = request.get_all(header::RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Wanted::Whole };
    range.to_str().ok().and_then(|text| parse(text, len)).unwrap_or(Wanted::Whole)
}

fn parse(text: &str, len: u64) -> Option<Wanted> {
    //= RFC 9110 section 14.1.2: a recipient that does not understand a range-set ignores it.
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let range = match (first, last) {
        ("", last) => len.saturating_sub(number(last)?)..len,
        (first, "") => number(first)?..len,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(len)
        }
    };
    Some(if range.start < range.end { Wanted::Part(range) } else { Wanted::Nothing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_a_range() {
        assert_eq!(parse("bytes=0-0", 10), Some(Wanted::Part(0..1)));
        assert_eq!(parse("Bytes=5-99", 10), Some(Wanted::Part(5..10)));
        assert_eq!(parse("bytes=5-", 10), Some(Wanted::Part(5..10)));
        assert_eq!(parse("bytes=-3", 10), Some(Wanted::Part(7..10)));
        assert_eq!(parse("bytes=-99", 10), Some(Wanted::Part(0..10)));
        assert_eq!(parse("bytes=10-", 10), Some(Wanted::Nothing));
        assert_eq!(parse("bytes=-0", 10), Some(Wanted::Nothing));
        assert_eq!(parse("bytes=0-0", 0), Some(Wanted::Nothing));
        for ignored in ["bytes=5-4", "bytes=1-2,4-5", "lines=1-2", "bytes=+1-2", "bytes=", "bytes=-", "1-2"] {
            assert_eq!(parse(ignored, 10), None, "{ignored}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_outside_the_object(text in "bytes=[0-9]{0,21}-[0-9]{0,21}", len in 0_u64..1_000) {
            if let Some(Wanted::Part(part)) = parse(&text, len) {
                prop_assert!(part.start < part.end && part.end <= len);
            }
        }
    }
}
