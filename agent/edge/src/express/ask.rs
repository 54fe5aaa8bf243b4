//! A request's head, if it asks for nothing but a resource.

use std::str;

use httparse::{Header, Status};

use crate::{
    cache::vary::Encoding,
    cookies::{self, Cookies},
    limits::{EXPRESS_FIELDS_MAX, TARGET_BYTES_MAX},
};

/// A plain GET of HTTP/1.1: no condition, no range, no body.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) target: &'a str,
    pub(super) host: &'a [u8],
    pub(super) encoding: Encoding,
    /// Whether it is somebody's, or anybody's; those of which that cannot be told are not plain.
    pub(super) cookies: Cookies,
}

/// What a field says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Host,
    AcceptEncoding,
    Connection,
    Cookie,
    /// It makes the request one that takes more thought.
    Deep,
    /// It is nothing to the cache.
    Plain,
}

impl Field {
    fn of(name: &[u8]) -> Self {
        let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
        match name.first().map(u8::to_ascii_lowercase) {
            Some(b'h') if is("host") => Self::Host,
            Some(b'a') if is("accept-encoding") => Self::AcceptEncoding,
            Some(b'a') if is("authorization") => Self::Deep,
            Some(b'c') if is("connection") => Self::Connection,
            Some(b'c') if is("cookie") => Self::Cookie,
            Some(b'c') if is("cache-control") || is("cdn-loop") || is("content-length") => Self::Deep,
            Some(b'e') if is("expect") => Self::Deep,
            Some(b'i') if name.len() > 3 && name[..3].eq_ignore_ascii_case(b"if-") => Self::Deep,
            Some(b'p') if is("pragma") => Self::Deep,
            Some(b'r') if is("range") => Self::Deep,
            Some(b't') if is("te") || is("trailer") || is("transfer-encoding") => Self::Deep,
            Some(b'u') if is("upgrade") => Self::Deep,
            _ => Self::Plain,
        }
    }
}

impl<'a> Ask<'a> {
    /// Reads a head that the gate let pass; nothing, if it is not plain. `fields` is where its fields are written to.
    pub(super) fn read<'h>(head: &'a [u8], fields: &'h mut [Header<'a>; EXPRESS_FIELDS_MAX]) -> Option<(Self, &'h [Header<'a>])> {
        // Before anything is parsed: most other methods end here.
        if !head.starts_with(b"GET /") {
            return None;
        }
        let mut request = httparse::Request::new(fields);
        match request.parse(head) {
            Ok(Status::Complete(length)) if length == head.len() && request.version == Some(1) => {}
            _ => return None,
        }
        let target = request.path?;
        if target.len() > TARGET_BYTES_MAX || !target.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return None;
        }
        let (mut host, mut encoding, mut cookies) = (None, Encoding::Identity, Cookies::Free);
        let fields: &'h [Header<'a>] = request.headers;
        for field in fields {
            match Field::of(field.name.as_bytes()) {
                Field::Host if host.replace(field.value).is_none() => {}
                Field::AcceptEncoding => encoding = encoding.and(field.value),
                Field::Connection if field.value.eq_ignore_ascii_case(b"keep-alive") => {}
                Field::Cookie => match cookies::classify_values([field.value]) {
                    Cookies::Free => {}
                    Cookies::Unknown => return None,
                    Cookies::Session => cookies = Cookies::Session,
                },
                Field::Plain => {}
                Field::Host | Field::Connection | Field::Deep => return None,
            }
        }
        Some((Self { target, host: host?, encoding, cookies }, fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use httparse::EMPTY_HEADER;

    fn is_plain(head: &str) -> bool {
        Ask::read(head.as_bytes(), &mut [EMPTY_HEADER; EXPRESS_FIELDS_MAX]).is_some()
    }

    fn with(field: &str) -> bool {
        is_plain(&format!("GET /a?b HTTP/1.1\r\nHost: blog.example\r\n{field}\r\n\r\n"))
    }

    #[test]
    fn a_browsers_request_is_plain() {
        for field in [
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
            "Accept-Encoding: gzip, deflate, br, zstd",
            "Connection: keep-alive",
            "Cookie: _ga=GA1.1.1; _fbp=x",
            "Referer: https://blog.example/",
            "Sec-Fetch-Dest: image",
        ] {
            assert!(with(field), "{field}");
        }
    }

    #[test]
    fn whatever_takes_thought_is_not() {
        for field in [
            "Host: blog.example",
            "Authorization: Basic eA==",
            "Cookie: theme=dark",
            "Cookie: wordpress_logged_in_1=x\r\nCookie: theme=dark",
            "Connection: close",
            "Connection: X-Secret",
            "Range: bytes=0-1",
            "IF-NONE-MATCH: \"a\"",
            "if-modified-since: x",
            "Cache-Control: no-store",
            "Pragma: no-cache",
            "CDN-Loop: overspill-1",
            "Content-Length: 0",
            "Transfer-Encoding: chunked",
            "TE: trailers",
            "Expect: 100-continue",
            "Upgrade: websocket",
        ] {
            assert!(!with(field), "{field}");
        }
        for line in ["HEAD / HTTP/1.1", "POST / HTTP/1.1", "GET / HTTP/1.0", "GET http://blog.example/ HTTP/1.1", "GET * HTTP/1.1"] {
            assert!(!is_plain(&format!("{line}\r\nHost: blog.example\r\n\r\n")), "{line}");
        }
        assert!(!is_plain("GET / HTTP/1.1\r\n\r\n"), "no host");
        assert!(!is_plain("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), "two heads");
        assert!(!is_plain("GET / HTTP/1.1\r\nHost: a\r\n"), "half a head");
        let many: String = (0..EXPRESS_FIELDS_MAX).map(|at| format!("x{at}: y\r\n")).collect();
        assert!(!is_plain(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")), "many fields");
    }
}
