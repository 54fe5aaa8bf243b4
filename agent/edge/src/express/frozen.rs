//! Heads of answers as bytes.

use bytes::BufMut;
use http::{HeaderMap, StatusCode};

/// What is told anew each time, and the head's end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    bytes: [u8; Self::ROOM],
    length: usize,
}

impl Tail {
    const ROOM: usize = 152;
    /// The end of a head that says all already.
    pub(super) const END: Self = Self {
        bytes: {
            let mut bytes = [0; Self::ROOM];
            bytes[0] = b'\r';
            bytes[1] = b'\n';
            bytes
        },
        length: 2,
    };

    /// The body's length, Age, and the cache's word of a hit: what [`crate::respond`] says of one.
    pub(super) fn of_hit(length: u64, age: u64, ttl: i64) -> Self {
        let mut tail = Self { bytes: [0; Self::ROOM], length: 0 };
        tail.put(b"content-length: ");
        tail.put_number(length);
        tail.put(b"\r\nage: ");
        tail.put_number(age);
        tail.put(b"\r\ncache-status: overspill; hit; ttl=");
        if ttl < 0 {
            tail.put(b"-");
        }
        tail.put_number(ttl.unsigned_abs());
        tail.put(b"\r\n\r\n");
        tail
    }

    /// Three numbers of at most 20 digits fit, with what stands between them.
    fn put(&mut self, text: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.length..self.length + text.len()) {
            room.copy_from_slice(text);
            self.length += text.len();
        }
    }

    fn put_number(&mut self, number: u64) {
        with_digits(number, |digits| self.put(digits));
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The head of an answer of so many bytes, without its last line.
pub(super) fn head(status: StatusCode, headers: &HeaderMap, length: usize) -> Vec<u8> {
    let mut text = fields_of(status, headers);
    write_length(&mut text, length as u64);
    text
}

/// A status and fields, of which none says how long the answer is.
pub(super) fn fields_of(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut text = Vec::with_capacity(256);
    write_status(&mut text, status);
    write_fields(&mut text, headers);
    text
}

/// An answer's first line.
pub(super) fn write_status(text: &mut impl BufMut, status: StatusCode) {
    if status == StatusCode::OK {
        return text.put_slice(b"HTTP/1.1 200 OK\r\n");
    }
    for part in ["HTTP/1.1 ", status.as_str(), " ", status.canonical_reason().unwrap_or_default(), "\r\n"] {
        text.put_slice(part.as_bytes());
    }
}

/// A field.
pub(super) fn write_line(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
    text.extend_from_slice(b"\r\n");
}

/// Content-Length.
pub(super) fn write_length(text: &mut Vec<u8>, length: u64) {
    text.extend_from_slice(b"content-length: ");
    with_digits(length, |digits| text.extend_from_slice(digits));
    text.extend_from_slice(b"\r\n");
}

fn with_digits<T>(mut number: u64, does: impl FnOnce(&[u8]) -> T) -> T {
    let (mut digits, mut at) = ([b'0'; 20], 20);
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return does(&digits[at..]);
        }
    }
}

pub(super) fn write_fields(text: &mut impl BufMut, headers: &HeaderMap) {
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.put_slice(part);
        }
    }
}

/// Writes a head's lines, but for those that are told anew each time.
pub(crate) fn put_head(text: &mut impl BufMut, status: StatusCode, headers: &HeaderMap) {
    write_status(text, status);
    write_fields(text, headers);
}

/// How many bytes that are.
pub(crate) fn head_length(status: StatusCode, headers: &HeaderMap) -> usize {
    let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    "HTTP/1.1 200 \r\n".len() + status.canonical_reason().unwrap_or_default().len() + fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    #[test]
    fn the_longest_numbers_fit() {
        for (length, age, ttl) in [(u64::MAX, u64::MAX, i64::MIN), (0, 0, 0), (1_024, 59, 3_541), (10, 100, i64::MAX)] {
            let tail = Tail::of_hit(length, age, ttl);
            let text = format!("content-length: {length}\r\nage: {age}\r\ncache-status: overspill; hit; ttl={ttl}\r\n\r\n");
            assert_eq!(std::str::from_utf8(tail.as_bytes()).unwrap(), text);
        }
        assert_eq!(Tail::END.as_bytes(), b"\r\n");
    }

    #[test]
    fn a_head_has_a_line_for_each_field() {
        let mut headers = HeaderMap::new();
        headers.append(header::VIA, HeaderValue::from_static("1.1 a"));
        headers.append(header::VIA, HeaderValue::from_static("1.1 b"));
        let mut text = Vec::new();
        put_head(&mut text, StatusCode::OK, &headers);
        assert_eq!(text.len(), head_length(StatusCode::OK, &headers));
        assert_eq!(&head(StatusCode::OK, &headers, 7)[..], b"HTTP/1.1 200 OK\r\nvia: 1.1 a\r\nvia: 1.1 b\r\ncontent-length: 7\r\n");
    }
}
