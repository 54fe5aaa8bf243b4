//! The gate: is this one valid request for one host? Whatever is ambiguous is refused before anything is looked up or routed.
//!
//! Three look, each at what only it can see: `framing` at the raw bytes, hyper's parser at tokens and control characters, and [`check`] at
//! what the request says.

pub(crate) mod framing;
pub(crate) mod gated;

use http::{HeaderMap, Method, Version, header, request::Parts, uri::Authority};

use crate::{
    authority::read_authority,
    limits::{FIELDS_MAX, TARGET_BYTES_MAX},
};

/// Why a request is refused. All mean 400 and, in HTTP/1, a closed connection: what follows on it cannot be trusted to be a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Not HTTP/1.0, HTTP/1.1 or HTTP/2.
    Version,
    /// CONNECT or TRACE.
    Method,
    /// None, several, or not a host with an optional port.
    Host,
    /// Neither origin-form nor an absolute-form that names the same host; or too long, or not in visible ASCII.
    Target,
    /// Content-Length and Transfer-Encoding disagree, repeat, or name what is not understood.
    Length,
    /// Of HTTP/2, with fields for one connection of HTTP/1.1, or too many fields.
    Fields,
}

impl Refusal {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Version => "This HTTP version is not spoken here.\n",
            Self::Method => "CONNECT and TRACE are not served here.\n",
            Self::Host => "A request must have exactly one valid Host field.\n",
            Self::Target => "The request target is malformed or names another host than the Host field.\n",
            Self::Fields => "The request has fields that HTTP/2 does not know, or too many.\n",
            Self::Length => "The length of the request body is ambiguous.\n",
        }
    }
}

/// Checks a request's head and returns its host.
pub(crate) fn check(parts: &Parts) -> Result<Authority, Refusal> {
    match parts.version {
        Version::HTTP_10 | Version::HTTP_11 => {}
        Version::HTTP_2 => check_fields(&parts.headers)?,
        _ => return Err(Refusal::Version),
    }
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method);
    }
    let host = host(&parts.headers)?;
    check_target(parts, &host)?;
    check_length(parts)?;
    Ok(host)
}

/// The one Host (RFC 9112 section 3.2: any other number, or an invalid one, is 400).
fn host(headers: &HeaderMap) -> Result<Authority, Refusal> {
    let mut values = headers.get_all(header::HOST).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(Refusal::Host) };
    read_authority(value.as_bytes()).ok_or(Refusal::Host)
}

fn check_target(parts: &Parts, host: &Authority) -> Result<(), Refusal> {
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    if !target.starts_with('/') || target.len() > TARGET_BYTES_MAX || !target.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        return Err(Refusal::Target);
    }
    //= RFC 9112 section 3.2.2: the authority of an absolute-form is the host; a Host field that differs is an attempt to confuse.
    match (parts.uri.scheme_str(), parts.uri.authority()) {
        (None, None) => Ok(()),
        (Some("http" | "https"), Some(authority)) if authority.as_str().eq_ignore_ascii_case(host.as_str()) => Ok(()),
        _ => Err(Refusal::Target),
    }
}

/// What HTTP/1.1 would read as its own, a request of HTTP/2 must not carry to an origin that speaks it.
//= RFC 9113 section 8.2.2
fn check_fields(headers: &HeaderMap) -> Result<(), Refusal> {
    const OF_CONNECTIONS: [&str; 5] = ["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"];
    let foreign = OF_CONNECTIONS.iter().any(|name| headers.contains_key(*name))
        || headers.get_all(header::TE).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"trailers"));
    // The parser of HTTP/1 counts them itself.
    if foreign || headers.len() > FIELDS_MAX { Err(Refusal::Fields) } else { Ok(()) }
}

/// RFC 9112 section 6.1: a message with both fields "ought to be handled as an error"; so is everything else that two parsers may read
/// in two ways.
fn check_length(parts: &Parts) -> Result<(), Refusal> {
    let headers = &parts.headers;
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (codings.next(), lengths.next()) {
        (None, None) => Ok(()),
        (None, Some(length)) => {
            let digits = !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit);
            if digits && lengths.next().is_none() { Ok(()) } else { Err(Refusal::Length) }
        }
        (Some(coding), None) => {
            let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
            if chunked && parts.version == Version::HTTP_11 { Ok(()) } else { Err(Refusal::Length) }
        }
        (Some(_), Some(_)) => Err(Refusal::Length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> Result<String, Refusal> {
        let (parts, ()) = build(http::Request::builder()).body(()).unwrap().into_parts();
        check(&parts).map(|host| host.to_string())
    }

    #[test]
    fn one_valid_host_passes() {
        for host in ["blog.example", "blog.example:8080", "127.0.0.1:80", "[::1]:8080", "BLOG.example"] {
            assert_eq!(checked(|r| r.uri("/").header("host", host)).as_deref(), Ok(host));
        }
        assert!(checked(|r| r.uri("http://blog.example/a?b").header("host", "Blog.Example")).is_ok());
    }

    #[test]
    fn any_other_number_or_kind_of_host_is_refused() {
        assert_eq!(checked(|r| r.uri("/")), Err(Refusal::Host));
        assert_eq!(checked(|r| r.uri("/").header("host", "a.example").header("host", "a.example")), Err(Refusal::Host));
        for host in ["", "user@blog.example", "blog.example:70000", "a,b", "[::1],:80", "a:,[]:80"] {
            assert_eq!(checked(|r| r.uri("/").header("host", host)), Err(Refusal::Host), "{host}");
        }
    }

    #[test]
    fn targets_that_name_another_host_or_nothing_are_refused() {
        assert_eq!(checked(|r| r.uri("http://evil.example/").header("host", "blog.example")), Err(Refusal::Target));
        assert_eq!(checked(|r| r.uri("ftp://blog.example/").header("host", "blog.example")), Err(Refusal::Target));
        assert_eq!(checked(|r| r.method("OPTIONS").uri("*").header("host", "blog.example")), Err(Refusal::Target));
        let long = format!("/{}", "a".repeat(TARGET_BYTES_MAX));
        assert_eq!(checked(|r| r.uri(long).header("host", "blog.example")), Err(Refusal::Target));
    }

    #[test]
    fn ambiguous_lengths_are_refused() {
        let post = |fields: &[(&'static str, &'static str)]| {
            let fields = fields.to_vec();
            checked(|r| {
                fields.iter().fold(r.method("POST").uri("/").header("host", "a.example"), |r, (name, value)| r.header(*name, *value))
            })
        };
        assert!(post(&[("content-length", "5")]).is_ok());
        assert!(post(&[("transfer-encoding", "Chunked")]).is_ok());
        for fields in [
            &[("content-length", "5"), ("content-length", "5")][..],
            &[("content-length", "5"), ("transfer-encoding", "chunked")],
            &[("content-length", "+5")],
            &[("content-length", "")],
            &[("content-length", "5, 5")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "xchunked")],
        ] {
            assert_eq!(post(fields), Err(Refusal::Length), "{fields:?}");
        }
        let old = checked(|r| r.version(Version::HTTP_10).uri("/").header("host", "a.example").header("transfer-encoding", "chunked"));
        assert_eq!(old, Err(Refusal::Length));
    }

    #[test]
    fn http_2_has_one_authority_and_no_fields_of_connections() {
        let second = |fields: &[(&'static str, &'static str)]| {
            let fields = fields.to_vec();
            checked(|r| {
                fields.iter().fold(r.version(Version::HTTP_2).uri("https://a.example/"), |r, (name, value)| r.header(*name, *value))
            })
        };
        assert!(second(&[("host", "A.example"), ("te", "trailers")]).is_ok());
        assert_eq!(second(&[]), Err(Refusal::Host));
        assert_eq!(second(&[("host", "b.example")]), Err(Refusal::Target));
        for (name, value) in [
            ("connection", "close"),
            ("proxy-connection", "x"),
            ("keep-alive", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("te", "trailers, deflate"),
        ] {
            assert_eq!(second(&[("host", "a.example"), (name, value)]), Err(Refusal::Fields), "{name}: {value}");
        }
        let many = checked(|r| {
            let r = r.version(Version::HTTP_2).uri("https://a.example/").header("host", "a.example");
            (0..FIELDS_MAX).fold(r, |r, _| r.header("x", "y"))
        });
        assert_eq!(many, Err(Refusal::Fields));
    }

    #[test]
    fn connect_and_trace_are_refused() {
        for method in ["CONNECT", "TRACE"] {
            assert_eq!(checked(|r| r.method(method).uri("/").header("host", "a.example")), Err(Refusal::Method));
        }
    }
}
