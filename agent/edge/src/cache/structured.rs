//! Structured fields (RFC 9651), as far as caches need them: a list of strings, and a dictionary with integers and flags in it.
//!
//! What does not follow the grammar makes the whole field invalid, as the RFC demands; items of other types are read past.

use std::borrow::Cow;

/// A bare item, as far as anybody here asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Integer(i64),
    Boolean(bool),
    /// Between its quotes, escapes and all.
    String(&'a [u8]),
    /// A token, decimal, byte sequence, date, display string or inner list.
    Other,
}

/// The lines of a field as one text; `None` when there is none.
pub(crate) fn joined<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Option<Cow<'a, [u8]>> {
    let first = lines.next()?;
    let Some(second) = lines.next() else { return Some(Cow::Borrowed(first)) };
    let all: Vec<&[u8]> = [first, second].into_iter().chain(lines).collect();
    Some(Cow::Owned(all.join(&b", "[..])))
}

/// A parser of one field's text.
struct Text<'a>(&'a [u8]);

/// Reads a list of strings (an `sf-list`); `None` when it is not well-formed. Members of other types are left out.
pub(crate) fn strings(field: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    members(field, |text| {
        if let Item::String(string) = text.member()? {
            found.push(string);
        }
        Some(())
    })?;
    Some(found)
}

/// Reads a dictionary and says each member, in order; `None` when it is not well-formed. A key's last member is the one that counts.
pub(crate) fn dictionary<'a>(field: &'a [u8], mut say: impl FnMut(&'a [u8], Item<'a>)) -> Option<()> {
    members(field, |text| {
        let key = text.key()?;
        let item = if text.take(b'=') {
            text.member()?
        } else {
            text.parameters()?;
            Item::Boolean(true)
        };
        say(key, item);
        Some(())
    })
}

//= RFC 9651 section 4.2: leading and trailing spaces do not count, a trailing comma is an error.
fn members<'a>(field: &'a [u8], mut member: impl FnMut(&mut Text<'a>) -> Option<()>) -> Option<()> {
    let mut text = Text(field);
    text.skip(b" ");
    while !text.0.is_empty() {
        member(&mut text)?;
        text.skip(b" \t");
        if text.0.is_empty() {
            break;
        }
        if !text.take(b',') {
            return None;
        }
        text.skip(b" \t");
        if text.0.is_empty() {
            return None;
        }
    }
    Some(())
}

impl<'a> Text<'a> {
    fn skip(&mut self, set: &[u8]) {
        while self.0.first().is_some_and(|byte| set.contains(byte)) {
            self.0 = &self.0[1..];
        }
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.0.first() == Some(&wanted);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    /// Takes as many bytes as are of one kind; `None` if there is none.
    fn run(&mut self, is: impl Fn(u8) -> bool) -> Option<&'a [u8]> {
        let length = self.0.iter().take_while(|byte| is(**byte)).count();
        let (run, rest) = self.0.split_at(length);
        self.0 = rest;
        (length > 0).then_some(run)
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        let first = *self.0.first()?;
        if !(first.is_ascii_lowercase() || first == b'*') {
            return None;
        }
        self.run(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte))
    }

    /// An item or an inner list, with its parameters.
    fn member(&mut self) -> Option<Item<'a>> {
        let item = if self.take(b'(') { self.inner_list()? } else { self.item()? };
        self.parameters()?;
        Some(item)
    }

    fn inner_list(&mut self) -> Option<Item<'a>> {
        loop {
            self.skip(b" ");
            if self.take(b')') {
                return Some(Item::Other);
            }
            self.item()?;
            self.parameters()?;
            if !matches!(self.0.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.take(b';') {
            self.skip(b" ");
            self.key()?;
            if self.take(b'=') {
                self.item()?;
            }
        }
        Some(())
    }

    fn item(&mut self) -> Option<Item<'a>> {
        match *self.0.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string().map(Item::String),
            b'?' => {
                self.take(b'?');
                let value = self.take(b'1');
                (value || self.take(b'0')).then_some(Item::Boolean(value))
            }
            b':' => {
                self.take(b':');
                let _ = self.run(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
                self.take(b':').then_some(Item::Other)
            }
            b'@' => {
                self.take(b'@');
                matches!(self.number()?, Item::Integer(_)).then_some(Item::Other)
            }
            b'%' => {
                self.take(b'%');
                self.string().map(|_| Item::Other)
            }
            first if first.is_ascii_alphabetic() || first == b'*' => {
                self.run(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)).map(|_| Item::Other)
            }
            _ => None,
        }
    }

    /// An integer of at most 15 digits, or a decimal of at most 12 and 3.
    fn number(&mut self) -> Option<Item<'a>> {
        let negative = self.take(b'-');
        let digits = self.run(|byte| byte.is_ascii_digit())?;
        if self.take(b'.') {
            let fraction = self.run(|byte| byte.is_ascii_digit())?;
            return (digits.len() <= 12 && fraction.len() <= 3).then_some(Item::Other);
        }
        if digits.len() > 15 {
            return None;
        }
        let number = digits.iter().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        Some(Item::Integer(if negative { -number } else { number }))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        if !self.take(b'"') {
            return None;
        }
        let start = self.0;
        loop {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            match *first {
                b'"' => return Some(&start[..start.len() - rest.len() - 1]),
                b'\\' if self.take(b'"') || self.take(b'\\') => {}
                0x20..0x7f if *first != b'\\' => {}
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(field: &str) -> Option<Vec<(String, String)>> {
        let mut found = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        dictionary(field.as_bytes(), |key, item| {
            let value = match item {
                Item::Integer(number) => number.to_string(),
                Item::Boolean(value) => value.to_string(),
                Item::String(string) => text(string),
                Item::Other => "other".to_owned(),
            };
            found.push((text(key), value));
        })?;
        Some(found)
    }

    #[test]
    fn dictionaries_are_read() {
        let pairs = |pairs: &[(&str, &str)]| Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
        assert_eq!(read("max-age=60, no-store ,\ta=?0"), pairs(&[("max-age", "60"), ("no-store", "true"), ("a", "false")]));
        assert_eq!(read("a=\"x\\\"y, z\";p=1;q, b=(1 \"2\" c);d, c=:AA==:, d=1.5, e=@12, f=tok/en"), {
            pairs(&[("a", "x\\\"y, z"), ("b", "other"), ("c", "other"), ("d", "other"), ("e", "other"), ("f", "other")])
        });
        assert_eq!(read("  "), pairs(&[]));
        for invalid in [
            "max-age=60,",
            "MAX-AGE=60",
            "max-age = 60",
            "a=",
            "a=1 b",
            "a=\"x",
            "a=(1",
            "=1",
            "a=1;",
            "a=1234567890123456",
            ",a",
            "a=\"\u{7f}\"",
        ] {
            assert_eq!(read(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn lists_of_strings_are_read() {
        assert_eq!(strings(b"\"a\", \"b, c\";x=1, token, 5"), Some(vec![&b"a"[..], b"b, c"]));
        assert_eq!(strings(b""), Some(Vec::new()));
        assert_eq!(strings(b"\"a\" \"b\""), None);
    }

    proptest! {
        #[test]
        fn foreign_bytes_cannot_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in "[a-c=;:,?@\"() 0-9.*%-]{0,32}") {
            for field in [&bytes[..], text.as_bytes()] {
                let _ = (dictionary(field, |key, _| assert!(!key.is_empty())), strings(field));
            }
        }

        #[test]
        fn what_was_written_is_read(keys in proptest::collection::vec(("[a-z*][a-z0-9_.*-]{0,6}", -999_999_999_999_999_i64..999_999_999_999_999), 0..6)) {
            let written: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let expected: Vec<(String, String)> = keys.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
            prop_assert_eq!(read(&written.join(", ")), Some(expected));
        }
    }
}
