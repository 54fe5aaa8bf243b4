//! The fields of an answer of the origin's as a visitor gets them, written out of the lines as they came.

use std::borrow::Cow;

use http::{HeaderMap, StatusCode};
use httparse::Header;

use super::frozen::{write_fields, write_line, write_status};
use crate::{
    headers::{self, is_of_one_hop},
    origin::{Fields, Malformed, map_of},
};

/// Fields, as far as the origin's word goes.
pub(crate) struct Passed {
    /// Those that a visitor gets, as lines, after the first.
    pub(crate) text: Vec<u8>,
    /// Date is among them.
    pub(super) dated: bool,
    /// On the face of it, no cache may keep the answer.
    pub(super) unshared: bool,
}

impl Fields for Passed {
    fn read(status: StatusCode, lines: &[Header<'_>], head: &[u8]) -> Result<Self, Malformed> {
        let mut passed = Self { text: Vec::with_capacity(head.len() + ROOM), dated: false, unshared: false };
        write_status(&mut passed.text, status);
        let (begin, mut targeted) = (passed.text.len(), false);
        for line in lines {
            let is = |name: &str| line.name.eq_ignore_ascii_case(name);
            if is_of_one_hop(line.name) {
                if is("connection") && !is_common(line.value) {
                    passed.text.truncate(begin);
                    return Ok(passed.by_map(map_of(head)));
                }
                continue;
            }
            match line.name.len() {
                4 => passed.dated |= is("date"),
                13 if is("cache-control") => passed.unshared |= is_word(line.value, b"no-store") || is_word(line.value, b"private"),
                14 if is("content-length") => continue,
                // What is addressed to some caches outweighs it there.
                17.. => targeted |= line.name.len() > 13 && line.name[line.name.len() - 13..].eq_ignore_ascii_case("cache-control"),
                _ => {}
            }
            write_line(&mut passed.text, line.name, line.value);
        }
        passed.text.extend_from_slice(headers::VIA_LINE);
        passed.unshared &= !targeted;
        Ok(passed)
    }

    fn map(&self) -> Cow<'_, HeaderMap> {
        Cow::Owned(map_of(&[&self.text[..], b"\r\n"].concat()))
    }
}

/// For what the edge adds.
const ROOM: usize = 192;

impl Passed {
    /// The same by the way of all other answers: Connection names fields, which have to be found.
    fn by_map(mut self, mut map: HeaderMap) -> Self {
        headers::from_origin(&mut map);
        map.remove(http::header::CONTENT_LENGTH);
        write_fields(&mut self.text, &map);
        self.dated = map.contains_key(http::header::DATE);
        self.unshared = false;
        self
    }
}

/// A Connection that names no field.
fn is_common(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
}

/// Whether one of the directives is that word alone.
fn is_word(value: &[u8], word: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|directive| directive.trim_ascii().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use httparse::EMPTY_HEADER;
    use proptest::prelude::*;

    const LINES: [&str; 16] = [
        "Content-Type: text/html",
        "cache-control: private",
        "Cache-Control: max-age=1",
        "CDN-Cache-Control: max-age=1",
        "Set-Cookie: a=b",
        "Set-Cookie: c=d",
        "Connection: keep-alive",
        "Connection: X-Secret, close",
        "X-Secret: 1",
        "Keep-Alive: timeout=5",
        "Date: Sun, 22 Nov 2026 00:00:00 GMT",
        "Via: 1.1 other",
        "Content-Length: 7",
        "Upgrade: h2c",
        "Trailer: X",
        "Proxy-Authenticate: x",
    ];

    proptest! {
        /// Against the way of all other answers.
        #[test]
        fn a_visitor_gets_the_same_as_by_the_usual_way(lines in prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..9)) {
            let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", lines.iter().map(|line| format!("{line}\r\n")).collect::<String>());
            let head = head.as_bytes();
            let mut room = [EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut room);
            prop_assert!(response.parse(head).unwrap().is_complete());
            let passed = Passed::read(StatusCode::OK, response.headers, head).unwrap();
            let mut usual = map_of(head);
            headers::from_origin(&mut usual);
            usual.remove(http::header::CONTENT_LENGTH);
            prop_assert_eq!(passed.dated, usual.contains_key(http::header::DATE));
            prop_assert_eq!(&*passed.map(), &usual);
        }
    }
}
