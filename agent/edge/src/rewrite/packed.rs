//! Pages that came in gzip: opened to be looked through, and again for each visitor, whose page is closed at the least expense. What is open is
//! never kept: a copy weighs what it weighs compressed.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use http::{HeaderMap, header};

use super::{
    Left,
    limits::{PACKED_PAGE_BYTES_MAX, PACKED_RATIO_MAX},
    splice::Pieces,
};

/// The page's text. No more of it comes into being than a bound, whatever its bytes say.
pub(crate) fn unpack(body: &[u8]) -> Result<Bytes, Left> {
    let most = PACKED_PAGE_BYTES_MAX.min(body.len().saturating_mul(PACKED_RATIO_MAX));
    let (mut text, mut decoder) = (Vec::new(), GzDecoder::new(body));
    let whole = decoder.by_ref().take(most as u64 + 1).read_to_end(&mut text);
    match whole {
        _ if text.len() > most => Err(Left::Swollen),
        // Members after the first, and whatever else stands behind it, are read by some and not by others.
        Ok(_) if decoder.into_inner().is_empty() => Ok(text.into()),
        _ => Err(Left::Encoding),
    }
}

/// The same in gzip, as fast as can be: the line is short, and the processor may be next.
pub(crate) fn pack(mut pieces: Pieces) -> Option<Pieces> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    while let Some(piece) = pieces.next(usize::MAX) {
        encoder.write_all(&piece).ok()?;
    }
    Some(Pieces::of(encoder.finish().ok()?.into()))
}

/// Whether the visitor takes gzip: one that takes Brotli is given gzip by origins that have no other, and says so as well.
pub(crate) fn is_taken(request: &HeaderMap) -> bool {
    let words = request.get_all(header::ACCEPT_ENCODING).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words.map(<[u8]>::trim_ascii).any(|word| word.eq_ignore_ascii_case(b"gzip") || word.starts_with(b"gzip;"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// A text of some length that does not compress well.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + (state >> 24) as u8 % 64
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn what_swells_is_left_alone_at_the_bound() {
        let text = noise(PACKED_PAGE_BYTES_MAX);
        assert_eq!(unpack(&packed(&text)).unwrap(), text);
        assert_eq!(unpack(&packed(&noise(PACKED_PAGE_BYTES_MAX + 1))), Err(Left::Swollen));
        let bomb = packed(&vec![b'x'; 64 << 20]);
        assert!(bomb.len() < 80_000);
        assert_eq!(unpack(&bomb), Err(Left::Swollen));
        let small = packed(&vec![b'x'; 100_000]);
        assert!(small.len() * PACKED_RATIO_MAX < 100_000, "{}", small.len());
        assert_eq!(unpack(&small), Err(Left::Swollen), "short, and far longer than its bytes");
    }

    #[test]
    fn what_is_damaged_or_followed_by_something_is_left_alone() {
        let whole = packed(&noise(1_000));
        for cut in 0..whole.len() {
            assert!(unpack(&whole[..cut]).is_err(), "{cut}");
        }
        let mut altered = whole.clone();
        altered[whole.len() - 8] ^= 1;
        assert_eq!(unpack(&altered), Err(Left::Encoding), "the checksum is another");
        assert_eq!(unpack(&[whole.clone(), whole.clone()].concat()), Err(Left::Encoding));
        assert_eq!(unpack(&[whole, vec![0]].concat()), Err(Left::Encoding));
    }

    #[test]
    fn gzip_is_taken_by_who_says_so() {
        let takes = |value| is_taken(&[(header::ACCEPT_ENCODING, HeaderValue::from_static(value))].into_iter().collect());
        assert!(takes("gzip, deflate, br") && takes("br;q=1, gzip;q=0.5") && !takes("br") && !takes("") && !is_taken(&HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(pieces in prop::collection::vec("\\PC{0,60}", 0..20)) {
            let whole: String = pieces.concat();
            let packed = pack(Pieces::of(Bytes::from(whole.clone()))).unwrap().next(usize::MAX).unwrap();
            prop_assert_eq!(unpack(&packed).unwrap(), whole.as_bytes());
        }

        #[test]
        fn foreign_bytes_never_panic_and_never_swell(head in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let start: &[u8] = if head { &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3] } else { &[] };
            if let Ok(text) = unpack(&[start, &bytes].concat()) {
                prop_assert!(text.len() <= PACKED_PAGE_BYTES_MAX);
            }
        }
    }
}
