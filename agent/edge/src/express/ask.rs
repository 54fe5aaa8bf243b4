//! A request's head, if it asks for nothing but a resource.

use std::{mem::MaybeUninit, str};

use http::{HeaderMap, HeaderValue, Method, Version, request::Parts};
use httparse::{Header, Status};

use crate::{
    cache::vary::Encoding,
    cookies::{self, Cookies},
    fields::Fields,
    limits::{EXPRESS_FIELDS_MAX, TARGET_BYTES_MAX},
};

/// A plain GET of HTTP/1.1 or HTTP/2: no condition, no range, no body.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(super) version: Version,
    pub(super) target: &'a str,
    pub(super) host: &'a [u8],
    pub(super) encoding: Encoding,
    /// Whether it is somebody's, or anybody's; those of which that cannot be told are not plain.
    pub(super) cookies: Cookies,
    pub(super) fields: Heard<'a>,
}

/// Where a head's fields are written to.
pub(super) type Room<'h> = [MaybeUninit<Header<'h>>; EXPRESS_FIELDS_MAX];

/// Room for them.
pub(super) fn room<'h>() -> Room<'h> {
    [const { MaybeUninit::uninit() }; EXPRESS_FIELDS_MAX]
}

/// A request's fields, as the connection's reader left them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Heard<'a> {
    Lines(&'a [Header<'a>]),
    Map(&'a HeaderMap),
}

impl<'a> Heard<'a> {
    /// The first field of this name, which is in lower case.
    pub(super) fn value(&self, name: &str) -> Option<&'a [u8]> {
        match self {
            Self::Lines(lines) => lines.iter().find(|line| line.name.eq_ignore_ascii_case(name)).map(|line| line.value),
            Self::Map(map) => map.get(name).map(HeaderValue::as_bytes),
        }
    }

    /// Those of HTTP/1.1.
    pub(super) fn lines(&self) -> &'a [Header<'a>] {
        if let Self::Lines(lines) = self { lines } else { &[] }
    }
}

impl Fields for Heard<'_> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let (lines, map) = match self {
            Self::Lines(lines) => (Some(*lines), None),
            Self::Map(map) => (None, Some(*map)),
        };
        lines.into_iter().flat_map(|lines| Fields::values(lines, name)).chain(map.into_iter().flat_map(|map| Fields::values(map, name)))
    }
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
    pub(super) fn read<'h: 'a>(head: &'h [u8], fields: &'a mut Room<'h>) -> Option<Self> {
        // Before anything is parsed: most other methods end here.
        if !head.starts_with(b"GET /") {
            return None;
        }
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(head, fields) {
            Ok(Status::Complete(length)) if length == head.len() && request.version == Some(1) => {}
            _ => return None,
        }
        let target = request.path.filter(|target| is_target(target))?;
        let (mut host, mut encoding, mut cookies) = (None, Encoding::Identity, Cookies::Free);
        let fields: &'a [Header<'_>] = request.headers;
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
        Some(Self { version: Version::HTTP_11, target, host: host?, encoding, cookies, fields: Heard::Lines(fields) })
    }

    /// Reads a request of HTTP/2 as the library hands it over, before the gate has seen it; nothing, if it is not plain.
    pub(super) fn of_parts(parts: &'a Parts) -> Option<Self> {
        let (host, target) = (parts.uri.authority()?.as_str(), parts.uri.path_and_query()?.as_str());
        let is_plain = parts.method == Method::GET && parts.headers.len() <= EXPRESS_FIELDS_MAX;
        if !is_plain || !matches!(parts.uri.scheme_str(), Some("http" | "https")) || !target.starts_with('/') || !is_target(target) {
            return None;
        }
        let mut encoding = Encoding::Identity;
        for (name, value) in &parts.headers {
            match Field::of(name.as_str().as_bytes()) {
                Field::Plain if matches!(name.as_str(), "keep-alive" | "proxy-connection") => return None,
                Field::AcceptEncoding => encoding = encoding.and(value.as_bytes()),
                Field::Cookie if cookies::classify_values([value.as_bytes()]) == Cookies::Free => {}
                Field::Plain => {}
                // A Host beside `:authority` is compared with it by the gate, and fields of connections are refused there.
                Field::Host | Field::Connection | Field::Cookie | Field::Deep => return None,
            }
        }
        Some(Self {
            version: Version::HTTP_2,
            target,
            host: host.as_bytes(),
            encoding,
            cookies: Cookies::Free,
            fields: Heard::Map(&parts.headers),
        })
    }
}

/// In visible ASCII, and not too long: what the gate says of targets.
fn is_target(text: &str) -> bool {
    text.len() <= TARGET_BYTES_MAX && text.bytes().all(|byte| (0x21..0x7f).contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_plain(head: &str) -> bool {
        Ask::read(head.as_bytes(), &mut room()).is_some()
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
    fn is_plain_of_http_2(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> bool {
        let request = http::Request::builder().version(Version::HTTP_2).uri("https://blog.example/a?b");
        let (parts, ()) = build(request).body(()).unwrap().into_parts();
        Ask::of_parts(&parts).is_some()
    }

    #[test]
    fn the_same_holds_for_http_2() {
        assert!(is_plain_of_http_2(|r| r.header("cookie", "_ga=1").header("cookie", "_fbp=2").header("accept-encoding", "br")));
        for (name, value) in [
            ("host", "blog.example"),
            ("cookie", "theme=dark"),
            ("range", "bytes=0-1"),
            ("if-none-match", "\"a\""),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "trailers"),
            ("content-length", "0"),
        ] {
            assert!(!is_plain_of_http_2(|r| r.header(name, value)), "{name}: {value}");
        }
        for target in ["/a", "ftp://blog.example/a", "*"] {
            assert!(!is_plain_of_http_2(|r| r.uri(target)), "{target}");
        }
        assert!(!is_plain_of_http_2(|r| r.method("HEAD")));
        assert!(!is_plain_of_http_2(|r| (0..=EXPRESS_FIELDS_MAX).fold(r, |r, at| r.header(format!("x{at}"), "y"))));
    }
}
