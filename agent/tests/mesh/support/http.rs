//! A visitor: HTTP/1.1, plain or over TLS, one connection for each request, every `.localhost` name on this machine, redirects by hand.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::tls;

/// How long a visitor waits for any byte.
const STALL: Duration = Duration::from_secs(10);
/// Redirects that a visitor follows.
const HOPS_MAX: usize = 5;

/// An answer, with everything it took to get it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Every URL that was asked, in order; more than one after redirects.
    pub(crate) asked: Vec<String>,
}

impl Answer {
    /// The first header of a name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether another host than the first was asked on the way.
    pub(crate) fn was_helped(&self) -> bool {
        let host = |url: &str| url.split('/').nth(2).map(str::to_owned);
        self.asked.iter().any(|url| host(url) != host(&self.asked[0]))
    }
}

/// Gets a URL as a browser would, following redirects.
pub(crate) fn get(url: &str) -> io::Result<Answer> {
    let mut asked = Vec::new();
    let mut url = url.to_owned();
    loop {
        let (status, headers, body) = ask(&url)?;
        asked.push(url.clone());
        let answer = Answer { status, headers, body, asked: asked.clone() };
        let next = answer.header("location").map(|to| absolute(&url, to));
        match next {
            Some(next) if (300..400).contains(&status) && asked.len() <= HOPS_MAX => url = next,
            _ => return Ok(answer),
        }
    }
}

fn absolute(base: &str, to: &str) -> String {
    if to.starts_with("http") {
        return to.to_owned();
    }
    let origin: Vec<&str> = base.splitn(4, '/').take(3).collect();
    format!("{}{to}", origin.join("/"))
}

/// TCP, or TLS over it.
trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

type Parts = (u16, Vec<(String, String)>, Vec<u8>);

/// Asks once, following nothing.
pub(crate) fn ask(url: &str) -> io::Result<Parts> {
    say(url, "GET", "")
}

/// The same with another method and more fields, each ended by CRLF.
pub(crate) fn say(url: &str, method: &str, fields: &str) -> io::Result<Parts> {
    let bad = |what: &str| io::Error::other(format!("{what}: {url}"));
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme)).ok_or_else(|| bad("not HTTP"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = authority.rsplit_once(':').ok_or_else(|| bad("no port"))?;
    let port: u16 = port.parse().map_err(|_| bad("no port"))?;
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(STALL))?;
    socket.set_write_timeout(Some(STALL))?;
    let path = if path.is_empty() { "/" } else { path };
    let mut socket: Box<dyn ReadWrite> = if scheme == "https" { Box::new(tls::speak(socket, host)?) } else { Box::new(socket) };
    write!(socket, "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: visitor\r\nConnection: close\r\n{fields}\r\n")?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| bad("no head"))?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(|| bad("no status"))?;
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(':')).map(|(key, value)| (key.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let body = bytes.split_off(end + 4);
    let has = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let body = if has("transfer-encoding").is_some() { unchunk(&body).ok_or_else(|| bad("torn chunks"))? } else { body };
    match has("content-length").and_then(|len| len.parse::<usize>().ok()) {
        Some(len) if len != body.len() => Err(bad("torn body")),
        _ => Ok((status, headers, body)),
    }
}

fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|two| two == b"\r\n")?;
        let len = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).ok()?.trim(), 16).ok()?;
        bytes = &bytes[line + 2..];
        if len == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..len)?);
        bytes = bytes.get(len + 2..)?;
    }
}
