//! Heads of requests and responses, as visitors and origins send them.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header, request::Parts};
use overspill_edge::inside::{self, Target};
use overspill_governance::time::{Date, Now, Time};

use crate::strict;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const NOON: Date = Date::from_millis(1_795_305_600_000);
const NOW: Now = Now { time: Time::ZERO, date: NOON };
/// Bytes of the body of which requests may want a part.
const LENGTH: u64 = 1_000;

/// Fields that must never go from one hop to the next.
const ONE_HOP: [HeaderName; 6] =
    [header::CONNECTION, header::TE, header::TRAILER, header::TRANSFER_ENCODING, header::UPGRADE, header::PROXY_AUTHORIZATION];

/// Reads lines of `name: value` up to an empty one; what no HTTP parser would let through is left out.
fn fields<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(line[colon + 1..].trim_ascii()));
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    fields
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn request_of<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> Option<Parts> {
    let mut words = lines.next()?.splitn(3, |byte| *byte == b' ');
    let (method, target) = (Method::from_bytes(words.next()?).ok()?, words.next()?);
    let (mut parts, ()) = Request::builder().method(method).uri(target).body(()).ok()?.into_parts();
    parts.headers = fields(lines);
    Some(parts)
}

pub(crate) fn requests() -> Vec<Vec<u8>> {
    let heads = [
        "GET / HTTP/1.1\nHost: blog.example\n",
        "GET /a.css?v=1&overspill-ticket=abc&overspill-back=def HTTP/1.1\nHost: Blog.Example:8080\nRange: bytes=0-9\nIf-Range: \"x\"\n",
        "POST http://blog.example/wp-login.php HTTP/1.1\nHost: blog.example\nContent-Length: 5\nCookie: wordpress_logged_in_x=1; _ga=2\n",
        "PUT /x HTTP/1.1\nHost: [::1]:80\nTransfer-Encoding: chunked\nConnection: close, X-A\nX-A: 1\nTE: trailers\n",
        "GET /x HTTP/1.1\nHost: a\nX-Forwarded-For: 203.0.113.9, 127.0.0.1\nX_Forwarded_For: 10.0.0.1\nCDN-Loop: overspill-fuzz; a=\"b\", x\n",
        "GET /x HTTP/1.1\nHost: [::1]:8080\nX-Forwarded-For: 203.0.113.9\n",
        "GET http://a.example:80/x HTTP/1.1\nHost: A.example:80\nConnection: X-A, TE\n",
        "HEAD /x HTTP/1.1\nHost: a\nAccept-Encoding: br;q=0, gzip\nCache-Control: no-cache=\"a,b\", max-age=0\nRange: bytes=-5\n",
    ];
    heads.map(|head| head.replace('\n', "\r\n").into_bytes()).to_vec()
}

/// A request's head: what passes the gate has one host and one target, and nobody speaks through it as somebody else.
pub(crate) fn request(bytes: &[u8]) {
    let Some(parts) = request_of(&mut lines(bytes)) else { return };
    if let Some(path) = parts.uri.path_and_query() {
        let target = Target::of(path.as_str());
        assert!(!Target::of(&target.path).was_marked(), "own parameters are left in {:?}", target.path);
    }
    for (peer, trusted) in [(PEER, &[][..]), (PROXY, &[PROXY][..])] {
        let Some(read) = inside::read_request(&parts, peer, trusted, LENGTH) else { continue };
        assert!(strict::is_host(read.host.as_str().as_bytes()), "{:?}", read.host);
        assert!(!trusted.is_empty() || read.visitor == peer, "a stranger was believed to be {}", read.visitor);
        assert!(read.part.is_none_or(|part| part.start < part.end && part.end <= LENGTH));
        assert!(read.key.bytes().all(|byte| (0x21..0x7f).contains(&byte)) && read.key.starts_with("http://"), "{}", read.key);
        let sent = &read.to_origin;
        assert_eq!(sent.get_all(header::HOST).iter().collect::<Vec<_>>(), [read.host.as_str()]);
        assert!(ONE_HOP.iter().all(|name| !sent.contains_key(name)), "{sent:?}");
        assert!(sent.keys().all(|name| !name.as_str().contains('_')), "{sent:?}");
        let chain = sent.get("x-forwarded-for").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(chain.ends_with(&peer.to_string()), "{chain}");
    }
}

pub(crate) fn connections() -> Vec<Vec<u8>> {
    let frame = |kind: u8, flags: u8, stream: u8, length: u8| {
        let mut bytes = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        bytes.resize(9 + usize::from(length), 0);
        bytes
    };
    let step = |inbound: bool, seconds: u8, bytes: &[u8]| {
        let mut step = vec![u8::from(inbound) | seconds << 1, u8::try_from(bytes.len()).unwrap()];
        step.extend(bytes);
        step
    };
    let preface = step(true, 0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let asked = step(true, 1, &[frame(4, 0, 0, 6), frame(1, 5, 1, 14), frame(1, 0, 3, 14), frame(9, 4, 3, 20)].concat());
    let answered = step(false, 2, &[frame(1, 4, 1, 10), frame(0, 0, 1, 90), frame(0, 1, 1, 9), frame(1, 4, 3, 10)].concat());
    let left = step(true, 60, &[frame(8, 0, 1, 4), frame(6, 0, 0, 8), frame(3, 0, 3, 4)].concat());
    vec![[preface.clone(), asked.clone(), answered].concat(), [preface, asked, left].concat()]
}

/// A connection of HTTP/2, in steps: one byte for direction and seconds, one for the length, then what is sent. What is thought of it
/// does not depend on how its bytes are cut, costs bounded memory, and comes when it was announced.
pub(crate) fn connection(bytes: &[u8]) {
    let (mut steps, mut rest) = (Vec::new(), bytes);
    while let [first, length, more @ ..] = rest {
        let (step, later) = more.split_at(more.len().min(usize::from(*length)));
        steps.push((first & 1 == 1, step, Duration::from_secs(u64::from(first >> 1))));
        rest = later;
    }
    let whole = inside::watch(&steps, usize::MAX);
    assert_eq!(whole, inside::watch(&steps, 1));
    assert!(whole.streams <= 201, "{whole:?}");
    assert!(!whole.speechless, "{whole:?}");
}

pub(crate) fn answers() -> Vec<Vec<u8>> {
    [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\nCache-Control: private\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: x\r\n\r\n2;x=\"y\"\r\nab\r\n001  \r\nc\r\n0\r\nX-Sum: 1\r\n\r\n",
        "HTTP/1.0 404 Not Found\nConnection: X-Secret\nX-Secret: 1\nUpgrade: h2c\n\nabc",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// What a connection to the origin brings. Where its answer ends does not depend on how its bytes come, and what a visitor gets of it has
/// lines of its own and nothing that is for one hop.
pub(crate) fn answer(bytes: &[u8]) {
    let read = inside::read_answer(bytes, usize::MAX);
    assert_eq!(read, inside::read_answer(bytes, 1));
    let Some((answer, left)) = read else { return };
    assert!(left + answer.body.map_or(0, |body| body.len()) <= bytes.len());
    for line in answer.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.windows(2).position(|pair| pair == b": ").unwrap_or_else(|| panic!("no field: {line:?}"));
        let name = HeaderName::from_bytes(&line[..colon]).unwrap();
        assert!(HeaderValue::from_bytes(&line[colon + 2..]).is_ok(), "{line:?}");
        assert!(!ONE_HOP.contains(&name) && name != header::CONTENT_LENGTH, "{name}");
    }
}

pub(crate) fn responses() -> Vec<Vec<u8>> {
    let date = "Date: Sun, 22 Nov 2026 00:00:00 GMT";
    let heads = [
        format!(
            "200\n{date}\nCache-Control: public, max-age=60, stale-if-error=\"600\"\nETag: W/\"a,b\"\nVary: Accept-Encoding\n\nGET / x\n"
        ),
        format!("200\n{date}\nLast-Modified: Sat, 21 Nov 2026 00:00:00 GMT\n\nGET /a x\nIf-Modified-Since: Sun Nov 22 00:00:00 2026\n"),
        format!(
            "503\n{date}\nCDN-Cache-Control: max-age=60;a=\"b\", stale-if-error=5\nCache-Control: no-store\n\nGET /a x\nAuthorization: x\n"
        ),
        "206\nContent-Range: bytes 4-9/10\nETag: \"1\"\nCache-Control: max-age=5\n\nGET /a x\nRange: bytes=-5\n".to_owned(),
        "200\nExpires: 0\nAge: 99999999999\nVary: *\n\nGET /?a x\nIf-None-Match: \"x\", W/\"a,b\"\n".to_owned(),
        "404\nCache-Control: s-maxage=99999999999999999999, no-store\nSet-Cookie: a=b\nConnection: ETag\n\nGET /a x\nIf-Range: \"a\"\n"
            .to_owned(),
    ];
    heads.map(String::into_bytes).to_vec()
}

pub(crate) fn structured_fields() -> Vec<Vec<u8>> {
    let fields = [
        "max-age=60, stale-while-revalidate=30;a=1, no-store",
        "\"a group\", \"b\\\"c\\\\\";q=1.5, (1 \"x\" tok/en);k",
        "a=?0, b=:AA==:, c=@-12, d=%\"x\", e=-999999999999999, *f=123456789012.125",
    ];
    fields.map(|field| field.as_bytes().to_vec()).to_vec()
}

/// A structured field: what is found in it stands in it, and a field that is read stays one when spaces are put around it.
pub(crate) fn structured(bytes: &[u8]) {
    let read = inside::read_structured(bytes);
    let within = |part: &&[u8]| bytes.as_ptr_range().start <= part.as_ptr() && part.as_ptr_range().end <= bytes.as_ptr_range().end;
    assert!(read.keys.iter().chain(&read.strings).flatten().all(within), "{bytes:?}");
    let is_key = |key: &&[u8]| key.first().is_some_and(|first| first.is_ascii_lowercase() || *first == b'*');
    assert!(read.keys.iter().flatten().all(is_key), "{bytes:?}");
    assert_eq!(read, inside::read_structured(&[b"  ", bytes, b" "].concat()), "{bytes:?}");
}

pub(crate) fn stored_files() -> Vec<Vec<u8>> {
    let seeds = [
        "GET /a.css?v=1 x\nAccept-Language: de\n\nCache-Control: max-age=60\nVary: Accept-Language\nETag: \"1\"\nCache-Groups: \"a\"\n\n",
        "GET / x\n\nContent-Type: text/html\n\n",
        "GET /b x\nAccept-Encoding: br\n\nLast-Modified: Sat, 21 Nov 2026 00:00:00 GMT\nContent-Encoding: br\n\n",
    ];
    let file = |seed: &str| {
        let mut lines = lines(seed.as_bytes());
        let request = request_of(&mut lines).unwrap();
        let mut file = inside::write_stored(&request, &fields(&mut lines), b"a body", NOW).unwrap();
        file.extend(b"a body");
        file
    };
    seeds.map(file).to_vec()
}

/// A file of the disk cache: what is read of it has a key of ours and a bounded body, and does not depend on what follows.
pub(crate) fn stored(bytes: &[u8]) {
    let Some(read) = inside::read_stored(bytes, NOW) else { return };
    match read {
        Ok((key, length)) => {
            assert!(key.contains("://") && length <= 4 << 30, "{key} {length}");
            assert_eq!(inside::read_stored(&[bytes, &[7]].concat(), NOW), Some(Ok((key, length))));
        }
        Err(needed) => assert!(needed > bytes.len() && needed < 1 << 20, "{needed} of {}", bytes.len()),
    }
}

/// A response's head (first line: the status), and after an empty line the head of a request that it may answer.
pub(crate) fn response(bytes: &[u8]) {
    let mut lines = lines(bytes);
    let status = lines.next().and_then(|line| StatusCode::from_bytes(line.get(..3)?).ok()).unwrap_or(StatusCode::OK);
    let headers = fields(&mut lines);
    let Some(request) = request_of(&mut lines) else { return };
    let read = inside::read_response(&request, status, &headers, NOON);
    assert!(ONE_HOP.iter().all(|name| !read.to_visitor.contains_key(name)), "{:?}", read.to_visitor);
    if let Some(lifetime) = read.stored_for {
        assert!(lifetime.as_secs() < 1 << 40, "fresh for {lifetime:?}");
        assert!(!headers.contains_key(header::SET_COOKIE));
        let forbidden =
            |value: &HeaderValue| ["no-store", "private"].iter().any(|word| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()));
        let said: Vec<_> = headers.get_all(header::CACHE_CONTROL).iter().collect();
        // What is addressed to this cache, or asks it to understand, outweighs a bare word.
        let outweighed = ["cdn-cache-control", "overspill-cache-control"].iter().any(|name| headers.contains_key(*name))
            || said.iter().any(|value| value.as_bytes().to_ascii_lowercase().windows(15).any(|window| window == b"must-understand"));
        assert!(outweighed || !said.iter().any(|value| forbidden(value)), "stored against the origin's word: {headers:?}");
        assert!(outweighed || !request.headers.contains_key(header::AUTHORIZATION) || !said.is_empty(), "kept of somebody: {headers:?}");
    }
    assert!(read.stretch.is_none_or(|(range, total)| range.start < range.end && range.end <= total), "{headers:?}");
    let weak = request.headers.get(header::IF_RANGE).is_some_and(|tag| tag.as_bytes().starts_with(b"W/"));
    assert!(!(weak && read.range_allowed), "a part on a weak tag's word");
}
