//! A reader of requests that shares no code with the edge and takes nothing that the grammar of RFC 9112 does not make clear: what it
//! reads in one way, everybody does.

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    /// Method and target.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    pub fn field(&self, name: &str) -> Option<String> {
        let values: Vec<&[u8]> = self.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_slice()).collect();
        (!values.is_empty()).then(|| String::from_utf8_lossy(&values.join(&b","[..])).into_owned())
    }
}

/// Why bytes are not a request.
pub type Fault = &'static str;

/// Reads the request at the beginning of `bytes`, and tells its length; nothing while it is not whole.
pub fn read(bytes: &[u8]) -> Result<Option<(Request, usize)>, Fault> {
    let Some((line, mut at)) = line(bytes, 0)? else { return Ok(None) };
    let line = std::str::from_utf8(line).map_err(|_| "request line")?;
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return Err("request line") };
    if method.is_empty() || !method.bytes().all(is_token) || ["CONNECT", "TRACE"].contains(&method) {
        return Err("method");
    }
    if !target.starts_with('/') || target.contains('#') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("target");
    }
    let Some(fields) = fields(bytes, &mut at)? else { return Ok(None) };
    let values = |name: &str| fields.iter().filter(|(field, _)| field == name).map(|(_, value)| value.clone()).collect::<Vec<_>>();
    if values("host").len() != 1 || !is_host(&values("host")[0]) {
        return Err("host");
    }
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    let body = match (&lengths[..], &codings[..]) {
        ([], []) => Some(Vec::new()),
        ([length], []) => {
            let digits = length.iter().all(u8::is_ascii_digit).then(|| String::from_utf8_lossy(length).into_owned());
            let length: usize = digits.and_then(|digits| digits.parse().ok()).ok_or("length")?;
            let body = bytes.get(at..).and_then(|rest| rest.get(..length)).map(<[u8]>::to_vec);
            at += length;
            body
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => chunks(bytes, &mut at)?,
        _ => return Err("length is ambiguous"),
    };
    Ok(body.map(|body| (Request { method: method.to_owned(), target: target.to_owned(), fields, body }, at)))
}

/// A name, or an address in brackets, and perhaps the digits of a port.
pub fn is_host(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if address.contains(':') => (address, port),
        Some(_) => return false,
        None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
    };
    let letters = if text.starts_with('[') { "abcdefABCDEF0123456789:." } else { "-._" };
    let is_letter = |letter: char| letters.contains(letter) || (!text.starts_with('[') && letter.is_ascii_alphanumeric());
    let is_port = port.is_empty() || (port.len() > 1 && port.starts_with(':') && port[1..].chars().all(|digit| digit.is_ascii_digit()));
    !host.is_empty() && host.chars().all(is_letter) && is_port
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A line that CRLF ends, and where the next begins. CR and LF stand nowhere else.
fn line(bytes: &[u8], at: usize) -> Result<Option<(&[u8], usize)>, Fault> {
    let rest = &bytes[at..];
    let Some(end) = rest.iter().position(|byte| *byte == b'\r' || *byte == b'\n') else { return Ok(None) };
    match rest.get(end..end + 2) {
        Some(b"\r\n") => Ok(Some((&rest[..end], at + end + 2))),
        None if rest[end] == b'\r' => Ok(None),
        _ => Err("line end"),
    }
}

type Fields = Vec<(String, Vec<u8>)>;

fn fields(bytes: &[u8], at: &mut usize) -> Result<Option<Fields>, Fault> {
    let mut fields = Vec::new();
    loop {
        let Some((line, next)) = line(bytes, *at)? else { return Ok(None) };
        *at = next;
        if line.is_empty() {
            return Ok(Some(fields));
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or("field without a colon")?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        // `_` may stand in a name, but gateways to programs read it as `-`: no field that reaches an origin has one.
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err("field name");
        }
        if name.contains(&b'_') {
            return Err("underscore");
        }
        if !value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..)) {
            return Err("field value");
        }
        fields.push((String::from_utf8_lossy(name).to_lowercase(), value.trim_ascii().to_vec()));
    }
}

/// Chunks without extensions; no trailer fields.
fn chunks(bytes: &[u8], at: &mut usize) -> Result<Option<Vec<u8>>, Fault> {
    let mut body = Vec::new();
    loop {
        let Some((text, next)) = line(bytes, *at)? else { return Ok(None) };
        let hex = (1..=8).contains(&text.len()) && text.iter().all(u8::is_ascii_hexdigit);
        let size = usize::from_str_radix(&String::from_utf8_lossy(text), 16).ok().filter(|_| hex).ok_or("chunk size")?;
        let Some(rest) = bytes.get(next..).filter(|rest| rest.len() >= size + 2) else { return Ok(None) };
        if &rest[size..size + 2] != b"\r\n" {
            return Err(if size == 0 { "trailers" } else { "chunk end" });
        }
        body.extend_from_slice(&rest[..size]);
        *at = next + size + 2;
        if size == 0 {
            return Ok(Some(body));
        }
    }
}
