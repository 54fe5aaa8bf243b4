//! Addresses in CSS: what stands in `url()`, outside comments and strings, where a fetch of an image or a font is meant (CSS Syntax 3).

use std::ops::Range;

/// At-rules whose `url()` is no image and no font.
const OTHER_RULES: [&str; 4] = ["import", "namespace", "document", "-moz-document"];

/// Where each address stands in the text, in order. What holds an escape is left out.
pub(crate) fn addresses(text: &str) -> Vec<Range<usize>> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    let (mut found, mut other_rule) = (Vec::new(), false);
    while let Some(byte) = scanner.peek() {
        match byte {
            b'/' if scanner.bytes.get(scanner.at + 1) == Some(&b'*') => scanner.skip_comment(),
            b'"' | b'\'' => drop(scanner.quoted()),
            b'\\' => scanner.at += 2,
            b';' | b'{' => {
                other_rule = false;
                scanner.at += 1;
            }
            b'@' => {
                scanner.at += 1;
                let name = scanner.name();
                other_rule = OTHER_RULES.iter().any(|rule| scanner.bytes[name.clone()].eq_ignore_ascii_case(rule.as_bytes()));
            }
            _ if is_name(byte) => {
                let name = scanner.name();
                if scanner.peek() == Some(b'(') && scanner.bytes[name].eq_ignore_ascii_case(b"url") {
                    scanner.at += 1;
                    let address = scanner.address();
                    found.extend(address.filter(|address| !other_rule && !address.is_empty() && !text[address.clone()].contains('\\')));
                }
            }
            _ => scanner.at += 1,
        }
    }
    found
}

/// Part of a name (CSS Syntax 3 section 4.2); everything beyond ASCII is.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || !byte.is_ascii()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_comment(&mut self) {
        let rest = &self.bytes[self.at + 2..];
        let end = rest.windows(2).position(|two| two == b"*/").map_or(rest.len(), |at| at + 2);
        self.at += 2 + end;
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn name(&mut self) -> Range<usize> {
        let start = self.at;
        while self.peek().is_some_and(is_name) {
            self.at += 1;
        }
        start..self.at
    }

    /// Reads a string from its quote on; nothing if a line's end breaks it off.
    fn quoted(&mut self) -> Option<Range<usize>> {
        let quote = self.peek()?;
        self.at += 1;
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.at += 2,
                b'\n' | b'\r' | 0x0c => return None,
                _ if byte == quote => {
                    self.at += 1;
                    return Some(start..self.at - 1);
                }
                _ => self.at += 1,
            }
        }
        None
    }

    /// Reads what stands after `url(`, and the parenthesis that ends it.
    fn address(&mut self) -> Option<Range<usize>> {
        self.skip_space();
        let address = if matches!(self.peek(), Some(b'"' | b'\'')) {
            self.quoted()?
        } else {
            let start = self.at;
            while let Some(byte) = self.peek() {
                match byte {
                    b')' => break,
                    _ if byte.is_ascii_whitespace() => break,
                    b'"' | b'\'' | b'(' => return None,
                    b'\\' => self.at += 2,
                    _ => self.at += 1,
                }
            }
            start..self.at.min(self.bytes.len())
        };
        self.skip_space();
        (self.peek() == Some(b')')).then(|| {
            self.at += 1;
            address
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<&str> {
        addresses(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn addresses_are_found_quoted_or_not() {
        assert_eq!(read("a{background:url(/a.png)}b{background:URL( '/b.png' )}c{x:url(\"c\") , url(d)"), ["/a.png", "/b.png", "c", "d"]);
        assert_eq!(read("@font-face{src:url(/t.woff2) format('woff2')}"), ["/t.woff2"]);
    }

    #[test]
    fn what_only_looks_like_one_is_not_taken() {
        for text in [
            "/* url(/a) */",
            "a{content:'url(/a)'}",
            "@import url(/a.css);",
            "@import 'x' url(/a);",
            "@namespace svg url(http://www.w3.org/2000/svg);",
            "a{x:my-url(/a)}",
            "a{x:url(/a\\.png)}",
            "a{x:url(/a\"b)}",
            "a{x:url('/a\n')}",
            "a{x:url(/a b)}",
            "a{x:url(/a",
            "a{x:url()}",
            "\\",
        ] {
            assert_eq!(read(text), Vec::<&str>::new(), "{text}");
        }
        assert_eq!(read("@import url(/a.css);b{c:url(/d)}"), ["/d"]);
        assert_eq!(read("@document url(/a){b{c:url(/d)}}"), ["/d"]);
    }

    proptest! {
        #[test]
        fn addresses_stand_in_order_between_parentheses(text in "(url\\(|[a-z/.'\"\\\\()@;{} \\n*]|/\\*|\u{e9}){0,60}") {
            let mut end = 0;
            for range in addresses(&text) {
                prop_assert!(range.start >= end && range.end <= text.len());
                prop_assert!(!text[range.clone()].contains('\\'));
                end = range.end;
            }
        }
    }
}
