//! Heads of answers as bytes.

use std::{
    io::Write as _,
    sync::{Arc, OnceLock},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

/// A stored response's head as it leaves, but for what differs from one answer to the next. Made when it is first wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frozen(Arc<OnceLock<Bytes>>);

impl Frozen {
    /// The head, without its last line.
    pub(super) fn get(&self, status: StatusCode, headers: &HeaderMap, length: usize) -> Bytes {
        self.0.get_or_init(|| head(status, headers, length).freeze()).clone()
    }
}

/// What is told anew each time, and the head's end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    bytes: [u8; Self::ROOM],
    length: usize,
}

impl Tail {
    const ROOM: usize = 112;
    /// The end of a head that says all already.
    pub(super) const END: Self = Self::end();

    const fn end() -> Self {
        let mut bytes = [0; Self::ROOM];
        (bytes[0], bytes[1]) = (b'\r', b'\n');
        Self { bytes, length: 2 }
    }

    /// Age, and the cache's word of a hit: what [`crate::respond`] says of one.
    pub(super) fn of_hit(age: u64, ttl: i64) -> Self {
        let mut tail = Self { bytes: [0; Self::ROOM], length: 0 };
        let mut room = &mut tail.bytes[..];
        // Two numbers of at most 20 digits fit.
        let written = write!(room, "age: {age}\r\ncache-status: overspill; hit; ttl={ttl}\r\n\r\n");
        debug_assert!(written.is_ok());
        tail.length = Self::ROOM - room.len();
        tail
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The head of an answer of so many bytes, without its last line.
pub(super) fn head(status: StatusCode, headers: &HeaderMap, length: usize) -> BytesMut {
    let mut text = fields_of(status, headers);
    text.put_slice(format!("content-length: {length}\r\n").as_bytes());
    text
}

/// A status and fields, of which none says how long the answer is.
pub(super) fn fields_of(status: StatusCode, headers: &HeaderMap) -> BytesMut {
    let mut text = BytesMut::with_capacity(256);
    write_status(&mut text, status);
    write_fields(&mut text, headers);
    text
}

/// An answer's first line.
pub(super) fn write_status(text: &mut BytesMut, status: StatusCode) {
    for part in ["HTTP/1.1 ", status.as_str(), " ", status.canonical_reason().unwrap_or_default(), "\r\n"] {
        text.put_slice(part.as_bytes());
    }
}

pub(super) fn write_fields(text: &mut BytesMut, headers: &HeaderMap) {
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.put_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    #[test]
    fn the_longest_numbers_fit() {
        let tail = Tail::of_hit(u64::MAX, i64::MIN);
        let text = std::str::from_utf8(tail.as_bytes()).unwrap();
        assert_eq!(text, format!("age: {}\r\ncache-status: overspill; hit; ttl={}\r\n\r\n", u64::MAX, i64::MIN));
        assert_eq!(Tail::END.as_bytes(), b"\r\n");
    }

    #[test]
    fn a_head_has_a_line_for_each_field() {
        let mut headers = HeaderMap::new();
        headers.append(header::VIA, HeaderValue::from_static("1.1 a"));
        headers.append(header::VIA, HeaderValue::from_static("1.1 b"));
        assert_eq!(&head(StatusCode::OK, &headers, 7)[..], b"HTTP/1.1 200 OK\r\nvia: 1.1 a\r\nvia: 1.1 b\r\ncontent-length: 7\r\n");
    }
}
