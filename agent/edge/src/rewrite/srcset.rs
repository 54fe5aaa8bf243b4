//! `srcset`: which addresses stand where in it (HTML standard, "parse a srcset attribute").

use std::ops::Range;

/// Where each candidate's address stands in the attribute's raw value, in order.
pub(crate) fn addresses(value: &str) -> Vec<Range<usize>> {
    let bytes = value.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    loop {
        while bytes.get(at).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b',') {
            at += 1;
        }
        if at == bytes.len() {
            return found;
        }
        let start = at;
        while bytes.get(at).is_some_and(|byte| !byte.is_ascii_whitespace()) {
            at += 1;
        }
        let address = value[start..at].trim_end_matches(',');
        found.push(start..start + address.len());
        if address.len() == at - start {
            at = after_descriptors(bytes, at);
        }
    }
}

/// Skips what stands between an address and the comma that ends its candidate.
fn after_descriptors(bytes: &[u8], mut at: usize) -> usize {
    let mut within = false;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'(' => within = true,
            b')' => within = false,
            b',' if !within => break,
            _ => {}
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(value: &str) -> Vec<&str> {
        addresses(value).into_iter().map(|range| &value[range]).collect()
    }

    #[test]
    fn candidates_are_told_apart_as_browsers_do() {
        assert_eq!(read("/a.png 1x, /b,c.png 2x"), ["/a.png", "/b,c.png"]);
        assert_eq!(read("\n a 100w,\tb 200w , c"), ["a", "b", "c"]);
        assert_eq!(read("a,b"), ["a,b"], "a comma within an address belongs to it");
        assert_eq!(read("a, b"), ["a", "b"]);
        assert_eq!(read("a calc(1px, 2px), b"), ["a", "b"]);
        assert_eq!(read(",, ,"), Vec::<&str>::new());
        assert_eq!(read("data:image/png;base64,AA== 1x, x 2x"), ["data:image/png;base64,AA==", "x"]);
    }

    proptest! {
        #[test]
        fn addresses_stand_in_order_and_hold_no_space(value in "[a-z,() \\n0-9\u{e9}]{0,60}") {
            let mut end = 0;
            for range in addresses(&value) {
                prop_assert!(range.start >= end && range.start < range.end);
                prop_assert!(!value[range.clone()].contains(|char: char| char.is_ascii_whitespace()));
                prop_assert!(!value[range.clone()].ends_with(','));
                end = range.end;
            }
        }
    }
}
