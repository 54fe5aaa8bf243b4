//! The origin's answers, from bytes: heads, and where bodies end (RFC 9112). Pure; whoever holds the connection brings the bytes.
//!
//! Visitors get everything written anew, so what is lenient here (a line that LF ends, white space after a chunk's size) stays here. What
//! could be read in two ways is malformed: of such an answer, where it ends, and whose the next is, would be a guess.

mod body;

use std::{borrow::Cow, mem::MaybeUninit, sync::LazyLock};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};
use memchr::{
    memchr,
    memmem::{self, Finder},
};

use crate::limits::{FIELDS_MAX, ORIGIN_HEAD_BYTES_MAX};
pub(crate) use body::{Body, Next};

/// What came is no answer of HTTP/1, or one of which it cannot be told where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The head of an answer. What is made of its fields is up to whoever reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head<F = HeaderMap> {
    pub(crate) status: StatusCode,
    pub(crate) fields: F,
    pub(crate) length: Length,
    /// The origin takes another request afterwards.
    pub(crate) keeps_open: bool,
}

/// Something that the fields of a head can be made into.
pub(crate) trait Fields: Sized {
    /// `head` is the whole head, of which `lines` are parts. It is the connection's.
    fn read(status: StatusCode, lines: &[Header<'_>], head: &[u8]) -> Result<Self, Malformed>;

    /// The same fields as the rest of the edge reads them.
    fn map(&self) -> Cow<'_, HeaderMap>;
}

/// How a body ends (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Exact(u64),
    Chunked,
    /// With its connection.
    Close,
}

/// Reads a head that begins `input`, and takes it out; nothing if it is not all there. `searched` bytes of it were looked through in vain
/// before. `bodiless`: the request was HEAD.
pub(crate) fn head<F: Fields>(input: &mut BytesMut, searched: &mut usize, bodiless: bool) -> Result<Option<Head<F>>, Malformed> {
    let Some(end) = end_of_head(input, searched) else {
        return if input.len() > ORIGIN_HEAD_BYTES_MAX { Err(Malformed) } else { Ok(None) };
    };
    *searched = 0;
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut response, &input[..end], &mut fields);
    let Ok(Status::Complete(end)) = parsed else { return Err(Malformed) };
    let (Some(code), Some(minor)) = (response.code, response.version) else { return Err(Malformed) };
    let status = StatusCode::from_u16(code).map_err(|_| Malformed)?;
    let says = Says::of(response.headers)?;
    let length = says.length(status, minor, bodiless)?;
    let keeps_open = length != Length::Close && says.keeps_open(minor);
    let fields = F::read(status, response.headers, &input[..end])?;
    input.advance(end);
    Ok(Some(Head { status, fields, length, keeps_open }))
}

/// Where the first head ends, or some later one: after an empty line that follows some line.
fn end_of_head(input: &[u8], searched: &mut usize) -> Option<usize> {
    /// How nearly every head ends.
    static END: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));
    // Lines before the first are overlooked by the parser.
    let begins = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let from = searched.saturating_sub(3).max(begins);
    if let Some(at) = END.find(&input[from..]) {
        return Some(from + at + 4);
    }
    let mut at = (*searched).max(begins);
    while let Some(line) = memchr(b'\n', &input[at..]) {
        let next = at + line + 1;
        match input[next..] {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            // The next bytes will tell.
            [] | [b'\r'] => {
                at += line;
                break;
            }
            _ => at = next,
        }
    }
    *searched = if memchr(b'\n', &input[at..]).is_some() { at } else { input.len() };
    None
}

/// Fields that the edge adds on the way to a visitor.
const FIELDS_ADDED: usize = 3;

impl Fields for HeaderMap {
    fn read(_status: StatusCode, lines: &[Header<'_>], head: &[u8]) -> Result<Self, Malformed> {
        map(lines, head)
    }

    fn map(&self) -> Cow<'_, HeaderMap> {
        Cow::Borrowed(self)
    }
}

/// Lines as a map that holds one copy of `bytes`, of which they are parts, and nothing of the connection's.
fn map(lines: &[Header<'_>], bytes: &[u8]) -> Result<HeaderMap, Malformed> {
    let (copy, begins) = (Bytes::copy_from_slice(bytes), bytes.as_ptr().addr());
    let mut map = HeaderMap::with_capacity(lines.len() + FIELDS_ADDED);
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Malformed)?;
        let at = line.value.as_ptr().addr().wrapping_sub(begins);
        let value = if line.value.is_empty() { Bytes::new() } else { copy.slice(at..at + line.value.len()) };
        map.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| Malformed)?);
    }
    Ok(map)
}

/// The fields of a head that was read before, or of what was made of it.
pub(crate) fn map_of(head: &[u8]) -> HeaderMap {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX + FIELDS_ADDED];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(head);
    debug_assert!(parsed.is_ok());
    map(response.headers, head).unwrap_or_default()
}

/// What a head says about its body and its connection.
#[derive(Debug, Default)]
struct Says {
    length: Option<u64>,
    coding: Option<Coding>,
    closes: bool,
    keeps: bool,
}

/// A transfer coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    /// One that leaves the connection's end as the body's (section 6.3, rule 4).
    Other,
}

impl Says {
    fn of(lines: &[Header<'_>]) -> Result<Self, Malformed> {
        let mut says = Self::default();
        for line in lines {
            let is = |name: &str| line.name.eq_ignore_ascii_case(name);
            match line.name.len() {
                10 if is("connection") => {
                    let options = || line.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                    says.closes |= options().any(|option| option.eq_ignore_ascii_case(b"close"));
                    says.keeps |= options().any(|option| option.eq_ignore_ascii_case(b"keep-alive"));
                }
                14 if is("content-length") && says.length.replace(number(line.value)?).is_some() => return Err(Malformed),
                17 if is("transfer-encoding") && says.coding.replace(coding(line.value)?).is_some() => return Err(Malformed),
                _ => {}
            }
        }
        Ok(says)
    }

    fn length(&self, status: StatusCode, minor: u8, bodiless: bool) -> Result<Length, Malformed> {
        let length = match (self.coding, self.length) {
            (None, None) => Length::Close,
            (None, Some(length)) => Length::Exact(length),
            // HTTP/1.0 knows no codings: somebody before the origin may have read this answer otherwise (section 6.1).
            (Some(_), None) if minor == 0 => return Err(Malformed),
            (Some(Coding::Chunked), None) => Length::Chunked,
            (Some(Coding::Other), None) => Length::Close,
            // "Ought to be handled as an error" (section 6.3, rule 3).
            (Some(_), Some(_)) => return Err(Malformed),
        };
        let empty = bodiless || status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(if empty { Length::Exact(0) } else { length })
    }

    //= RFC 9112 section 9.3
    fn keeps_open(&self, minor: u8) -> bool {
        !self.closes && (minor > 0 || self.keeps)
    }
}

fn coding(value: &[u8]) -> Result<Coding, Malformed> {
    let value = value.to_ascii_lowercase();
    match &value[..] {
        b"chunked" => Ok(Coding::Chunked),
        value if memmem::find(value, b"chunked").is_none() => Ok(Coding::Other),
        _ => Err(Malformed),
    }
}

fn number(text: &[u8]) -> Result<u64, Malformed> {
    let add = |sum: u64, byte: &u8| sum.checked_mul(10)?.checked_add(u64::from(*byte).checked_sub(48).filter(|digit| *digit < 10)?);
    text.iter().try_fold(0, add).filter(|_| !text.is_empty()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CHUNK_LINE_BYTES_MAX;
    use proptest::prelude::*;

    /// A head, a body, trailers, and what is left.
    type Answer = (Head, Vec<u8>, HeaderMap, Vec<u8>);

    /// Reads one answer, given in pieces of these sizes in turn; nothing if it is not all there.
    fn read(bytes: &[u8], pieces: &[usize]) -> Result<Option<Answer>, Malformed> {
        let (mut input, mut searched, mut pieces, mut rest) = (BytesMut::new(), 0, pieces.iter().cycle(), bytes);
        let mut more = |input: &mut BytesMut| {
            let (piece, later) = rest.split_at(rest.len().min(*pieces.next().unwrap()));
            rest = later;
            input.extend_from_slice(piece);
            !piece.is_empty()
        };
        let head = loop {
            match head(&mut input, &mut searched, false)? {
                Some(head) => break head,
                None if more(&mut input) => {}
                None => return Ok(None),
            }
        };
        let (mut body, mut text, mut trailers) = (Body::new(head.length), Vec::new(), HeaderMap::new());
        loop {
            match body.next(&mut input)? {
                Next::Data(data) => text.extend(data),
                Next::Trailers(fields) => trailers = fields,
                Next::End => break,
                Next::Wanted if more(&mut input) => {}
                Next::Wanted if body.ends_with_connection() => break,
                Next::Wanted => return Ok(None),
            }
        }
        // Of what follows, none may be missing.
        while more(&mut input) {}
        Ok(Some((head, text, trailers, input.to_vec())))
    }

    fn whole(text: &str) -> Result<Option<Answer>, Malformed> {
        read(text.as_bytes(), &[usize::MAX])
    }

    fn body(text: &str) -> Result<Option<String>, Malformed> {
        Ok(whole(text)?.map(|(_, body, ..)| String::from_utf8(body).unwrap()))
    }

    const SIZED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    const CHUNKED: &str =
        "\r\nHTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=\"y\"\r\nab\r\n001  \r\nc\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n";
    const CLOSING: &str = "HTTP/1.0 404 Not Found\nServer: x\n\nabc";

    #[test]
    fn a_body_ends_where_its_head_says() {
        for (text, length, keeps_open) in
            [(SIZED, Length::Exact(3), true), (CHUNKED, Length::Chunked, true), (CLOSING, Length::Close, false)]
        {
            let (head, body, ..) = whole(text).unwrap().unwrap();
            assert_eq!((head.length, head.keeps_open, &body[..]), (length, keeps_open, &b"abc"[..]), "{text}");
        }
        let (_, _, trailers, rest) = whole(&[CHUNKED, SIZED].concat()).unwrap().unwrap();
        assert_eq!((trailers.get_all("x-sum").iter().count(), &rest[..]), (2, SIZED.as_bytes()));
        for empty in ["HTTP/1.1 204 x\r\n\r\n", "HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 103 x\r\n\r\n"] {
            let (head, body, _, rest) = whole(&[empty, "abc"].concat()).unwrap().unwrap();
            assert_eq!((head.length, &body[..], &rest[..]), (Length::Exact(0), &b""[..], &b"abc"[..]), "{empty}");
        }
        let mut input = BytesMut::from(SIZED);
        assert_eq!(head::<HeaderMap>(&mut input, &mut 0, true).unwrap().unwrap().length, Length::Exact(0));
    }

    #[test]
    fn a_connection_is_kept_when_both_ends_mean_it() {
        let keeps = |version: &str, field: &str| {
            whole(&format!("HTTP/{version} 200 OK\r\n{field}\r\nContent-Length: 0\r\n\r\n")).unwrap().unwrap().0.keeps_open
        };
        for (version, field, expected) in [
            ("1.1", "X: y", true),
            ("1.1", "Connection: X, Close", false),
            ("1.0", "X: y", false),
            ("1.0", "Connection: Keep-Alive", true),
            ("1.0", "Connection: keep-alive, close", false),
        ] {
            assert_eq!(keeps(version, field), expected, "{version} {field}");
        }
    }

    #[test]
    fn bad_chunks_are_told_from_short_ones() {
        let chunks = |text: &str| body(&format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}"));
        assert_eq!(chunks("3\r\nabc\r\n0\r\n\r\n"), Ok(Some("abc".into())));
        for short in ["", "3", "3\r", "3\r\nab", "3\r\nabc", "3\r\nabc\r", "3\r\nabc\r\n0\r\n", "0\r\nA: b\r\n"] {
            assert_eq!(chunks(short), Ok(None), "{short:?}");
        }
        for bad in [
            "\r\n",
            "x\r\n",
            "+3\r\n",
            "0x3\r\n",
            "3\nabc",
            "3 4\r\n",
            "3\r\r\n",
            "3\r\nabcd",
            "3\r\nabc\n",
            "10000000000000000\r\n",
            "0\r\nA b\r\n\r\n",
        ] {
            assert_eq!(chunks(bad), Err(Malformed), "{bad:?}");
        }
        assert_eq!(chunks(&format!("3;{}", "x".repeat(CHUNK_LINE_BYTES_MAX))), Err(Malformed));
        assert_eq!(chunks(&format!("0\r\nX: {}", "x".repeat(ORIGIN_HEAD_BYTES_MAX))), Err(Malformed));
    }

    #[test]
    fn an_endless_head_is_malformed() {
        assert_eq!(whole(&format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(ORIGIN_HEAD_BYTES_MAX))), Err(Malformed));
        assert_eq!(whole(&"\r\n".repeat(ORIGIN_HEAD_BYTES_MAX)), Err(Malformed));
        assert_eq!(whole("HTTP/1.1 200 OK\r\nX: y\r\n"), Ok(None));
    }

    #[test]
    fn what_is_kept_is_no_larger_than_it_is() {
        let mut input = BytesMut::with_capacity(1 << 16);
        input.extend_from_slice(SIZED.as_bytes());
        let buffer = input.as_ptr();
        let head = head::<HeaderMap>(&mut input, &mut 0, false).unwrap().unwrap();
        let Next::Data(data) = Body::new(head.length).next(&mut input).unwrap() else { panic!("no body") };
        input.reserve(1 << 15);
        input.extend_from_slice(b"x");
        // Neither holds the buffer, so that the next answer has it.
        assert!(data == "abc" && input.as_ptr().addr() >= buffer.addr() && input.as_ptr().addr() < buffer.addr() + (1 << 16));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_come(
            parts in prop::collection::vec(prop::sample::select(vec![
                SIZED, CHUNKED, CLOSING, "\r\n", "\n", "\r", "HTTP/1.1 200 OK\r\n", "Content-Length: 7\r\n", "Transfer-Encoding: chunked\r\n",
                "0\r\n\r\n", "5\r\nabcde\r\n", "x", ": ",
            ]), 1..8),
            pieces in prop::collection::vec(1_usize..40, 1..60),
        ) {
            let bytes = parts.concat().into_bytes();
            let (at_once, in_pieces) = (read(&bytes, &[usize::MAX]), read(&bytes, &pieces));
            // Of a malformed answer, as much is read as came before it.
            prop_assert_eq!(at_once, in_pieces);
        }
    }
}
