//! Where one request ends and the next begins, read from a connection's raw bytes in the one way that nobody else can read otherwise.
//!
//! hyper is lenient where RFC 9112 lets it be: it takes a bare LF for a line's end, drops Content-Length beside Transfer-Encoding and all
//! but one of equal ones, takes white space after a chunk's size. What it was lenient about cannot be seen in the request that it makes
//! of it. So lines and lengths are read here first, and hyper only gets bytes that passed. Tokens and control characters need no second
//! look: its parser refuses them.

use memchr::memchr;

use crate::limits::HEAD_BYTES_MAX;

/// Longest chunk size, in hexadecimal digits: all that 64 bits hold.
const SIZE_DIGITS_MAX: u8 = 16;

/// Bytes that are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// How many bytes before them were good.
    pub(crate) good: usize,
    /// They stand in a head; otherwise in a body, whose request is on its way already.
    pub(crate) in_head: bool,
}

/// The framing of one connection's requests, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    state: State,
    /// A line that began in an earlier read.
    begun: Vec<u8>,
    heads: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Head(Head),
    /// So many bytes of a body are to come.
    Length(u64),
    Chunked(Chunked),
    /// Lines after the last chunk; so many bytes of them came.
    Trailers(usize),
}

/// What a head said so far.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    bytes: usize,
    has_request_line: bool,
    /// RFC 9112 section 2.2: one empty line before a request line is overlooked, for clients that end a body with one too many.
    empty_line: bool,
    length: Option<u64>,
    chunked: bool,
}

#[derive(Debug, Clone, Copy)]
enum Chunked {
    Size { digits: u8, size: u64 },
    Extension { size: u64 },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

impl Chunked {
    const START: Self = Self::Size { digits: 0, size: 0 };
}

/// Something no request may have.
struct Bad;

impl Framing {
    /// Heads that ended.
    pub(crate) fn heads(&self) -> u64 {
        self.heads
    }

    /// All that was read belongs to whole messages.
    pub(crate) fn is_between(&self) -> bool {
        matches!(self.state, State::Head(Head { bytes: 0, .. }))
    }

    /// Reads on. After an error nothing may be read any more.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let in_head = matches!(self.state, State::Head(_));
            at += match &mut self.state {
                State::Head(_) | State::Trailers(_) => {
                    let end = memchr(b'\n', rest);
                    // The line's last byte is withheld if it is bad: without it no parser takes the line for complete.
                    self.on_line(&rest[..end.unwrap_or(rest.len())], end.is_some())
                        .map_err(|Bad| Refused { good: at + end.unwrap_or_default(), in_head })?;
                    end.map_or(rest.len(), |end| end + 1)
                }
                State::Length(left) => {
                    let taken = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                    *left -= taken as u64;
                    if *left == 0 {
                        self.state = State::default();
                    }
                    taken
                }
                State::Chunked(chunked) => {
                    let (taken, next) = chunked.read(rest).map_err(|Bad| Refused { good: at, in_head })?;
                    self.state = next;
                    taken
                }
            };
        }
        Ok(())
    }

    /// Takes a line's bytes without its LF, or the beginning of a line.
    fn on_line(&mut self, bytes: &[u8], ends: bool) -> Result<(), Bad> {
        let (State::Head(Head { bytes: count, .. }) | State::Trailers(count)) = &mut self.state else { return Err(Bad) };
        *count += bytes.len() + 1;
        // hyper answers a head that is too long, with 431; this bounds the memory of a line in pieces.
        if !ends {
            let has_room = *count <= HEAD_BYTES_MAX + 1;
            self.begun.extend_from_slice(if has_room { bytes } else { &[] });
            return Ok(());
        }
        let begun = std::mem::take(&mut self.begun);
        let whole = if begun.is_empty() { None } else { Some([&begun, bytes].concat()) };
        let line = whole.as_deref().unwrap_or(bytes).strip_suffix(b"\r").ok_or(Bad)?;
        let next = match &mut self.state {
            State::Head(head) => head.on_line(line)?,
            State::Trailers(_) if line.is_empty() => Some(State::default()),
            State::Trailers(count) if *count > HEAD_BYTES_MAX || matches!(line[0], b' ' | b'\t') => return Err(Bad),
            _ => None,
        };
        if let Some(next) = next {
            self.heads += u64::from(matches!(self.state, State::Head(_)));
            self.state = next;
        }
        Ok(())
    }
}

impl Head {
    /// Takes a line; what follows the head, if it was the last.
    fn on_line(&mut self, line: &[u8]) -> Result<Option<State>, Bad> {
        let Some(first) = line.first() else { return self.on_empty_line() };
        if !self.has_request_line {
            self.has_request_line = true;
            // A target has no fragment (RFC 9112 section 3.2); the parser of targets would drop it.
            return if memchr(b'#', line).is_some() { Err(Bad) } else { Ok(None) };
        }
        match first {
            b' ' | b'\t' => return Err(Bad),
            b'c' | b'C' => {
                if let Some(value) = value_of(b"content-length", line) {
                    //= RFC 9112 section 6.3: several, or one beside Transfer-Encoding, are read in several ways.
                    let first = self.length.replace(number(value)?).is_none();
                    return if first && !self.chunked { Ok(None) } else { Err(Bad) };
                }
            }
            b't' | b'T' => {
                if let Some(value) = value_of(b"transfer-encoding", line) {
                    let first = !std::mem::replace(&mut self.chunked, true);
                    let good = first && self.length.is_none() && value.eq_ignore_ascii_case(b"chunked");
                    return if good { Ok(None) } else { Err(Bad) };
                }
            }
            _ => {}
        }
        Ok(None)
    }

    fn on_empty_line(&mut self) -> Result<Option<State>, Bad> {
        if !self.has_request_line {
            let first = !std::mem::replace(&mut self.empty_line, true);
            return if first { Ok(None) } else { Err(Bad) };
        }
        Ok(Some(match self.length {
            _ if self.chunked => State::Chunked(Chunked::START),
            Some(length @ 1..) => State::Length(length),
            _ => State::default(),
        }))
    }
}

impl Chunked {
    /// Takes one byte, or a chunk's data; how many bytes that were, and what follows.
    fn read(&mut self, rest: &[u8]) -> Result<(usize, State), Bad> {
        let next = match (*self, rest[0]) {
            (Self::Data { left }, _) => {
                let taken = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                let left = left - taken as u64;
                let next = if left == 0 { Self::DataCr } else { Self::Data { left } };
                return Ok((taken, State::Chunked(next)));
            }
            (Self::Size { digits: 1.., size } | Self::Extension { size }, b'\r') => Self::SizeLf { size },
            (Self::Size { digits: 1.., size }, b';') | (Self::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => Self::Extension { size },
            (Self::Size { digits, size }, digit) if digits < SIZE_DIGITS_MAX => {
                let value = char::from(digit).to_digit(16).ok_or(Bad)?;
                Self::Size { digits: digits + 1, size: size << 4 | u64::from(value) }
            }
            (Self::SizeLf { size: 0 }, b'\n') => return Ok((1, State::Trailers(0))),
            (Self::SizeLf { size }, b'\n') => Self::Data { left: size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::START,
            _ => return Err(Bad),
        };
        Ok((1, State::Chunked(next)))
    }
}

/// A field's value without the white space around it, if the line is that field.
fn value_of<'a>(name: &[u8], line: &'a [u8]) -> Option<&'a [u8]> {
    let (before, after) = line.split_at_checked(name.len())?;
    let mut value = after.strip_prefix(b":")?;
    if !before.eq_ignore_ascii_case(name) {
        return None;
    }
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    Some(value)
}

/// Digits only, without a leading zero: some read `010` as eight.
fn number(text: &[u8]) -> Result<u64, Bad> {
    let plain = text.iter().all(u8::is_ascii_digit) && (text.len() == 1 || !text.starts_with(b"0"));
    std::str::from_utf8(text).ok().filter(|_| plain).and_then(|text| text.parse().ok()).ok_or(Bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<(), Refused> {
        Framing::default().read(text.as_bytes())
    }

    /// Whether all of it passes and the next byte would begin a head.
    fn is_complete(text: &str) -> bool {
        let mut framing = Framing::default();
        framing.read(text.as_bytes()).is_ok()
            && framing.begun.is_empty()
            && matches!(framing.state, State::Head(Head { has_request_line: false, .. }))
    }

    const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const SIZED: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t5 \r\n\r\nab\ncd";
    const CHUNKED: &str =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nab\ncd\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n";

    #[test]
    fn requests_follow_each_other() {
        for text in [PLAIN, SIZED, CHUNKED] {
            assert!(is_complete(text), "{text}");
        }
        assert!(is_complete(&[PLAIN, SIZED, "\r\n", CHUNKED, PLAIN].concat()));
        assert!(!is_complete(&SIZED[..SIZED.len() - 1]));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused_where_it_stands() {
        let head = |fields: &str| format!("POST / HTTP/1.1\r\n{fields}\r\n");
        for (text, in_head) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned(), true),
            ("\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_owned(), true),
            ("\nGET / HTTP/1.1\r\n\r\n".to_owned(), true),
            ("GET /a#b HTTP/1.1\r\n\r\n".to_owned(), true),
            (head("Host: a\r\n b\r\n"), true),
            (head("Content-Length: 1\r\nContent-Length: 1\r\n"), true),
            (head("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), true),
            (head("Transfer-Encoding: chunked\r\ncontent-length: 1\r\n"), true),
            (head("Transfer-Encoding: chunked, identity\r\n"), true),
            (head("Content-Length: 01\r\n"), true),
            (head("Content-Length: 1,1\r\n"), true),
            (head("Content-Length: \r\n"), true),
            (head("Content-Length: 99999999999999999999\r\n"), true),
            (CHUNKED.replace("5\r\n", "5 \r\n"), false),
            (CHUNKED.replace("5\r\n", "5\n"), false),
            (CHUNKED.replace("5\r\n", "0x5\r\n"), false),
            (CHUNKED.replace("5\r\n", "00000000000000005\r\n"), false),
            (CHUNKED.replace("x=", "x\n="), false),
            (CHUNKED.replace("cd\r\n", "cd\n"), false),
            (CHUNKED.replace("1\r\n\r\n", "1\n\r\n"), false),
        ] {
            let refused = read(&text).unwrap_err();
            assert_eq!(refused.in_head, in_head, "{text:?}");
            // What was passed on is not taken for a whole request by anybody.
            assert!(refused.good == 0 || !is_complete(&text[..refused.good]), "{text:?}");
        }
    }

    #[test]
    fn a_line_in_pieces_costs_bounded_memory() {
        let mut framing = Framing::default();
        for _ in 0..10 * HEAD_BYTES_MAX {
            framing.read(b"a").unwrap();
        }
        assert!(framing.begun.len() <= HEAD_BYTES_MAX + 1);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_come(
            parts in prop::collection::vec(prop::sample::select(vec![
                PLAIN, SIZED, CHUNKED, "\r\n", "\n", "0\r\n\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "GET / HTTP/1.1\r\n", "x",
            ]), 1..8),
            cuts in prop::collection::vec(1_usize..40, 1..60),
        ) {
            let text = parts.concat();
            let whole = read(&text);
            let (mut framing, mut at) = (Framing::default(), 0);
            let mut pieces = Ok(());
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(text.len());
                pieces = framing.read(&text.as_bytes()[at..end]).map_err(|refused| Refused { good: at + refused.good, ..refused });
                at = end;
                if pieces.is_err() || at == text.len() {
                    break;
                }
            }
            prop_assert_eq!(whole, pieces);
        }
    }
}
