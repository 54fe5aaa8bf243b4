//! Bodies of answers, from bytes: so many of them, in chunks (RFC 9112 section 7.1), or until their connection ends.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use httparse::{EMPTY_HEADER, Status};
use memchr::{memchr, memmem};

use super::{Length, Malformed, map};
use crate::limits::{CHUNK_LINE_BYTES_MAX, COPIED_BYTES_MAX, FIELDS_MAX, ORIGIN_HEAD_BYTES_MAX};

/// A body as far as it was read.
#[derive(Debug)]
pub(crate) struct Body(State);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Exact(u64),
    Close,
    /// A chunk's size is next.
    Size,
    /// So much of a chunk is to come.
    Data(u64),
    /// A chunk's end is next.
    DataEnd,
    Trailers,
    Done,
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// More bytes are needed.
    Wanted,
}

impl Body {
    pub(crate) fn new(length: Length) -> Self {
        Self(match length {
            Length::Exact(0) => State::Done,
            Length::Exact(left) => State::Exact(left),
            Length::Chunked => State::Size,
            Length::Close => State::Close,
        })
    }

    /// It has been read to its end.
    pub(crate) fn is_done(&self) -> bool {
        self.0 == State::Done
    }

    /// It ends with its connection.
    pub(crate) fn ends_with_connection(&self) -> bool {
        self.0 == State::Close
    }

    /// Bytes that are to come, if that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self.0 {
            State::Exact(left) => Some(left),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// Takes what is next out of `input`.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Next, Malformed> {
        loop {
            match self.0 {
                State::Done => return Ok(Next::End),
                _ if input.is_empty() => return Ok(Next::Wanted),
                State::Exact(left) => {
                    let (data, left) = data(input, left);
                    self.0 = if left == 0 { State::Done } else { State::Exact(left) };
                    return Ok(Next::Data(data));
                }
                State::Close => return Ok(Next::Data(data(input, u64::MAX).0)),
                State::Data(left) => {
                    let (data, left) = data(input, left);
                    self.0 = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Next::Data(data));
                }
                State::Size => {
                    let Some(line) = line(input)? else { return Ok(Next::Wanted) };
                    self.0 = match size(&line)? {
                        0 => State::Trailers,
                        size => State::Data(size),
                    };
                }
                State::DataEnd => {
                    match input[..] {
                        [b'\r', b'\n', ..] => input.advance(2),
                        [b'\r'] => return Ok(Next::Wanted),
                        _ => return Err(Malformed),
                    }
                    self.0 = State::Size;
                }
                State::Trailers => return self.trailers(input),
            }
        }
    }

    fn trailers(&mut self, input: &mut BytesMut) -> Result<Next, Malformed> {
        if input.starts_with(b"\r\n") {
            input.advance(2);
            self.0 = State::Done;
            return Ok(Next::End);
        }
        let Some(end) = memmem::find(input, b"\r\n\r\n").map(|at| at + 4) else {
            return if input.len() > ORIGIN_HEAD_BYTES_MAX { Err(Malformed) } else { Ok(Next::Wanted) };
        };
        let mut room = [EMPTY_HEADER; FIELDS_MAX];
        let fields = match httparse::parse_headers(&input[..end], &mut room) {
            Ok(Status::Complete((length, fields))) if length == end => map(fields, &input[..end])?,
            _ => return Err(Malformed),
        };
        input.advance(end);
        self.0 = State::Done;
        Ok(Next::Trailers(fields))
    }
}

/// Takes at most `left` bytes out of `input`; how many are left then. What is short is copied, so that the buffer stays the connection's.
fn data(input: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let count = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
    let data = if count <= COPIED_BYTES_MAX {
        let copy = Bytes::copy_from_slice(&input[..count]);
        input.advance(count);
        copy
    } else {
        input.split_to(count).freeze()
    };
    (data, left - count as u64)
}

/// Takes a line without its end out of `input`; nothing if it is not all there.
fn line(input: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
    match memchr(b'\n', input) {
        Some(at) if at < CHUNK_LINE_BYTES_MAX => {
            let line = Bytes::copy_from_slice(input[..at].strip_suffix(b"\r").ok_or(Malformed)?);
            input.advance(at + 1);
            Ok(Some(line))
        }
        None if input.len() < CHUNK_LINE_BYTES_MAX => Ok(None),
        _ => Err(Malformed),
    }
}

/// A chunk's size. Extensions are overlooked (RFC 9112 section 7.1.1), and so is the white space with which some fill the line.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let is_size = matches!(line[digits..].trim_ascii_start(), [] | [b';', ..]) && !line[digits..].contains(&b'\r');
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| Malformed)?;
    u64::from_str_radix(text, 16).ok().filter(|_| is_size).ok_or(Malformed)
}
