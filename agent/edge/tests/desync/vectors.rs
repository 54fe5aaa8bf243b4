//! The corpus: requests on which two readers could disagree, and some that look odd and are clear. One line each: name, bytes, expectation.
//!
//! Collected from RFC 9112's own warnings, the published desync classes (CL.TE, TE.CL, TE.TE, CL.CL, CL.0, 0.CL, TE.0, chunk extensions,
//! line ends), and advisories of other proxies.

/// What the edge does with a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// One refusal (400, or 431 and 414 for what is too long), the connection closed, nothing after it answered or forwarded.
    Refused,
    /// These go to the origin, each as one request: line and body. What follows on the connection is answered as well.
    Passes(Vec<(&'static str, String)>),
    /// These do; then comes a refusal.
    PassesThenRefused(Vec<(&'static str, String)>),
}

pub struct Vector {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub expect: Expect,
}

fn refused(name: &'static str, bytes: impl Into<Vec<u8>>) -> Vector {
    Vector { name, bytes: bytes.into(), expect: Expect::Refused }
}

fn passes(name: &'static str, bytes: impl Into<Vec<u8>>, seen: &[(&'static str, &str)]) -> Vector {
    let seen = seen.iter().map(|(line, body)| (*line, (*body).to_owned())).collect();
    Vector { name, bytes: bytes.into(), expect: Expect::Passes(seen) }
}

fn then_refused(name: &'static str, bytes: impl Into<Vec<u8>>, seen: &[(&'static str, &str)]) -> Vector {
    let seen = seen.iter().map(|(line, body)| (*line, (*body).to_owned())).collect();
    Vector { name, bytes: bytes.into(), expect: Expect::PassesThenRefused(seen) }
}

const HOST: &str = "Host: a.example\r\n";
/// What a smuggler would like to be taken for a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// A GET with further fields, each ended by CRLF.
fn get(fields: &str) -> String {
    format!("GET /v HTTP/1.1\r\n{HOST}{fields}\r\n")
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /v HTTP/1.1\r\n{HOST}{fields}\r\n{body}")
}

/// A POST in chunks.
fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

pub fn all() -> Vec<Vector> {
    [lengths(), codings(), chunks(), hosts(), targets(), lines(), fields(), sizes(), followers()].into_iter().flatten().collect()
}

fn lengths() -> Vec<Vector> {
    vec![
        passes("one length", post("Content-Length: 3\r\n", "abc"), &[("POST /v", "abc")]),
        passes("length and white space", post("Content-Length: \t 3 \t\r\n", "abc"), &[("POST /v", "abc")]),
        passes("no body", post("Content-Length: 0\r\n", ""), &[("POST /v", "")]),
        passes("a body that looks like a request", post("Content-Length: 43\r\n", SMUGGLED), &[("POST /v", SMUGGLED)]),
        passes("a GET with a body", format!("GET /v HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabc"), &[("GET /v", "abc")]),
        refused("CL.CL, different", post("Content-Length: 3\r\nContent-Length: 46\r\n", &format!("abc{SMUGGLED}"))),
        refused("CL.CL, 0 first", post("Content-Length: 0\r\nContent-Length: 43\r\n", SMUGGLED)),
        refused("CL.CL, equal", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")),
        refused("CL.CL, with another between", post("Content-Length: 3\r\nX: y\r\ncontent-length: 3\r\n", "abc")),
        refused("a list of lengths", post("Content-Length: 3, 3\r\n", "abc")),
        refused("a list of different lengths", post("Content-Length: 3,0\r\n", "abc")),
        refused("a length with a sign", post("Content-Length: +3\r\n", "abc")),
        refused("a negative length", post("Content-Length: -1\r\n", "")),
        refused("a length in hexadecimal", post("Content-Length: 0x3\r\n", "abc")),
        refused("a length with a leading zero", post("Content-Length: 010\r\n", "0123456789")),
        refused("a length with a fraction", post("Content-Length: 3.0\r\n", "abc")),
        refused("a length with an exponent", post("Content-Length: 3e0\r\n", "abc")),
        refused("a length with a space within", post("Content-Length: 1 2\r\n", "0123456789ab")),
        refused("a length with an underscore", post("Content-Length: 1_0\r\n", "0123456789")),
        refused("an empty length", post("Content-Length:\r\n", "")),
        refused("a length of blanks", post("Content-Length:  \r\n", "")),
        refused("a length beyond 64 bits", post("Content-Length: 18446744073709551617\r\n", "a")),
        refused("a length of 20 nines", post("Content-Length: 99999999999999999999\r\n", "a")),
        refused("a length of other digits", post("Content-Length: \u{ff13}\r\n", "abc")),
        refused("a length and a semicolon", post("Content-Length: 3;\r\n", "abc")),
        refused("a length in quotes", post("Content-Length: \"3\"\r\n", "abc")),
        refused("a length after a vertical tab", post("Content-Length: \x0b3\r\n", "abc")),
        refused("a GET with two lengths", get("Content-Length: 0\r\nContent-Length: 0\r\n")),
    ]
}

fn codings() -> Vec<Vector> {
    let both = |fields: &str| post(fields, &format!("0\r\n\r\n{SMUGGLED}"));
    vec![
        passes("chunks", chunked("3\r\nabc\r\n0\r\n\r\n"), &[("POST /v", "abc")]),
        passes("chunks, in capitals", post("TRANSFER-ENCODING: CHUNKED\r\n", "3\r\nabc\r\n0\r\n\r\n"), &[("POST /v", "abc")]),
        passes("chunks and white space", post("Transfer-Encoding: \t chunked \t\r\n", "0\r\n\r\n"), &[("POST /v", "")]),
        refused("CL.TE", both("Content-Length: 48\r\nTransfer-Encoding: chunked\r\n")),
        refused("TE.CL", both("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")),
        refused("CL.TE.CL", both("Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 48\r\n")),
        refused("TE and a length of 0", both("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n")),
        refused("TE and an unreadable length", both("Transfer-Encoding: chunked\r\nContent-Length: x\r\n")),
        refused("TE.TE, equal", both("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        refused("TE.TE, identity first", both("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n")),
        refused("TE.TE, identity last", both("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")),
        refused("TE.TE, nonsense last", both("Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n")),
        refused("identity", both("Transfer-Encoding: identity\r\n")),
        refused("a list, chunked last", both("Transfer-Encoding: identity, chunked\r\n")),
        refused("a list, chunked first", both("Transfer-Encoding: chunked, identity\r\n")),
        refused("a list, chunked twice", both("Transfer-Encoding: chunked, chunked\r\n")),
        refused("a list of one and nothing", both("Transfer-Encoding: chunked,\r\n")),
        refused("a list of nothing and one", both("Transfer-Encoding: ,chunked\r\n")),
        refused("gzip, chunked", both("Transfer-Encoding: gzip, chunked\r\n")),
        refused("gzip", both("Transfer-Encoding: gzip\r\n")),
        refused("an empty coding", both("Transfer-Encoding:\r\n")),
        refused("xchunked", both("Transfer-Encoding: xchunked\r\n")),
        refused("chunked in quotes", both("Transfer-Encoding: \"chunked\"\r\n")),
        refused("chunked in single quotes", both("Transfer-Encoding: 'chunked'\r\n")),
        refused("chunked with a parameter", both("Transfer-Encoding: chunked;q=1\r\n")),
        refused("chunked and a vertical tab", both("Transfer-Encoding: \x0bchunked\r\n")),
        refused("chunked and a form feed", both("Transfer-Encoding: chunked\x0c\r\n")),
        refused("chunked and a NUL", both("Transfer-Encoding: chunked\0\r\n")),
        refused("chunked and a no-break space", both("Transfer-Encoding: \u{a0}chunked\r\n")),
        refused("chunked with a long s", both("Tran\u{17f}fer-Encoding: chunked\r\n")),
        refused("a space before the colon", both("Content-Length: 5\r\nTransfer-Encoding : chunked\r\n")),
        refused("a tab before the colon", both("Content-Length: 5\r\nTransfer-Encoding\t: chunked\r\n")),
        refused("a space before the name", both("Content-Length: 5\r\n Transfer-Encoding: chunked\r\n")),
        refused("a folded coding", both("Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n")),
        refused("a coding after a bare LF", both("Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n")),
        refused("a coding after a bare CR", both("Content-Length: 5\r\nX: y\rTransfer-Encoding: chunked\r\n")),
        refused("chunks over HTTP/1.0", format!("POST /v HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        passes(
            "a coding with an underscore is another field",
            post("Content-Length: 3\r\nTransfer_Encoding: chunked\r\n", "abc"),
            &[("POST /v", "abc")],
        ),
        passes(
            "a length with an underscore is another field",
            post("Content_Length: 9\r\nContent-Length: 3\r\n", "abc"),
            &[("POST /v", "abc")],
        ),
        passes(
            "Connection cannot take the length away",
            post("Connection: Content-Length\r\nContent-Length: 3\r\n", "abc"),
            &[("POST /v", "abc")],
        ),
        passes("TE is not Transfer-Encoding", post("TE: chunked\r\nContent-Length: 3\r\n", "abc"), &[("POST /v", "abc")]),
    ]
}

fn chunks() -> Vec<Vector> {
    let (long, zeros) = ("f".repeat(17), format!("{}3", "0".repeat(16)));
    vec![
        passes("several chunks", chunked("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), &[("POST /v", "abc")]),
        passes("a size in either case", chunked("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), &[("POST /v", "01234567890123456789")]),
        passes("a size with leading zeros", chunked("0003\r\nabc\r\n000\r\n\r\n"), &[("POST /v", "abc")]),
        passes("an extension", chunked("3;a=\"b;c\"\r\nabc\r\n0\r\n\r\n"), &[("POST /v", "abc")]),
        passes("a body with line ends", chunked("4\r\n\r\n\r\n\r\n0\r\n\r\n"), &[("POST /v", "\r\n\r\n")]),
        passes("trailers stay behind", chunked("0\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n"), &[("POST /v", "")]),
        passes("a length among trailers", chunked("0\r\nContent-Length: 43\r\n\r\n"), &[("POST /v", "")]),
        refused("a space after the size", chunked("3 \r\nabc\r\n0\r\n\r\n")),
        refused("a tab after the size", chunked("3\t\r\nabc\r\n0\r\n\r\n")),
        refused("a space before the size", chunked(" 3\r\nabc\r\n0\r\n\r\n")),
        refused("a size with 0x", chunked("0x3\r\nabc\r\n0\r\n\r\n")),
        refused("a size with a sign", chunked("+3\r\nabc\r\n0\r\n\r\n")),
        refused("a negative size", chunked("-1\r\nabc\r\n0\r\n\r\n")),
        refused("a size with an underscore", chunked("0_3\r\nabc\r\n0\r\n\r\n")),
        refused("no size", chunked("\r\nabc\r\n0\r\n\r\n")),
        refused("an extension and no size", chunked(";a\r\nabc\r\n0\r\n\r\n")),
        refused("a size beyond 64 bits", chunked(&format!("{long}\r\nabc\r\n0\r\n\r\n"))),
        refused("a size that wraps around", chunked("10000000000000003\r\nabc\r\n0\r\n\r\n")),
        refused("a size of many zeros", chunked(&format!("{zeros}\r\nabc\r\n0\r\n\r\n"))),
        refused("a size that LF ends", chunked("3\nabc\r\n0\r\n\r\n")),
        refused("a size that CR ends", chunked("3\rabc\r\n0\r\n\r\n")),
        refused("an LF in an extension", chunked("3;a\nb\r\nabc\r\n0\r\n\r\n")),
        refused("a CR in an extension", chunked("3;a\rb\r\nabc\r\n0\r\n\r\n")),
        refused("a NUL in an extension", chunked("3;a\0b\r\nabc\r\n0\r\n\r\n")),
        refused("data that LF ends", chunked("3\r\nabc\n0\r\n\r\n")),
        refused("data without an end", chunked("3\r\nabc0\r\n\r\n")),
        refused("data longer than said", chunked("3\r\nabcd\r\n0\r\n\r\n")),
        refused("data shorter than said", chunked("4\r\nabc\r\n0\r\n\r\n")),
        refused("a last chunk that LF ends", chunked(&format!("0\n\n{SMUGGLED}"))),
        refused("an end that LF ends", chunked(&format!("0\r\n\n{SMUGGLED}"))),
        refused("a folded trailer", chunked("0\r\nX: y\r\n z\r\n\r\n")),
        refused("a trailer that LF ends", chunked("0\r\nX: y\n\r\n")),
        refused("a trailer without a colon", chunked("0\r\nGET /smuggled HTTP/1.1\r\n\r\n")),
        refused("a trailer with a space before the colon", chunked("0\r\nX : y\r\n\r\n")),
    ]
}

fn hosts() -> Vec<Vector> {
    let with = |fields: &str| format!("GET /v HTTP/1.1\r\n{fields}\r\n");
    vec![
        passes("a port", with("Host: a.example:8080\r\n"), &[("GET /v", "")]),
        passes("an address", with("Host: [::1]:8080\r\n"), &[("GET /v", "")]),
        refused("no host", with("")),
        refused("no host over HTTP/1.0", "GET /v HTTP/1.0\r\n\r\n"),
        refused("two hosts", with("Host: a.example\r\nHost: b.example\r\n")),
        refused("one host twice", with("Host: a.example\r\nhost: a.example\r\n")),
        refused("an empty host", with("Host:\r\n")),
        refused("a list of hosts", with("Host: a.example, b.example\r\n")),
        refused("a host with a path", with("Host: a.example/b\r\n")),
        refused("a host with a query", with("Host: a.example?b\r\n")),
        refused("a host with a fragment", with("Host: a.example#b\r\n")),
        refused("a host with a user", with("Host: b.example@a.example\r\n")),
        refused("a host with a space", with("Host: a.example b.example\r\n")),
        refused("a host with a backslash", with("Host: a.example\\b\r\n")),
        refused("a host with a percent sign", with("Host: a%2eexample\r\n")),
        refused("a host in other letters", with("Host: \u{e4}.example\r\n")),
        refused("a port that is no number", with("Host: a.example:x\r\n")),
        refused("a port that is none", with("Host: a.example:70000\r\n")),
        refused("two ports", with("Host: a.example:80:81\r\n")),
        refused("a space before the host's colon", with("Host : a.example\r\n")),
        refused("a host before the fields", with(" Host: a.example\r\n")),
        passes("an absolute target", "GET http://a.example/v HTTP/1.1\r\nHost: A.example\r\n\r\n", &[("GET /v", "")]),
        refused("an absolute target of another host", "GET http://b.example/v HTTP/1.1\r\nHost: a.example\r\n\r\n"),
        refused("an absolute target of another port", "GET http://a.example:81/v HTTP/1.1\r\nHost: a.example\r\n\r\n"),
        refused("an absolute target with a user", "GET http://b@a.example/v HTTP/1.1\r\nHost: a.example\r\n\r\n"),
        refused("an absolute target of another scheme", "GET file://a.example/v HTTP/1.1\r\nHost: a.example\r\n\r\n"),
        refused("an absolute target and no host", "GET http://a.example/v HTTP/1.1\r\n\r\n"),
    ]
}

fn targets() -> Vec<Vector> {
    let of = |line: &str| format!("{line}\r\n{HOST}\r\n");
    vec![
        passes("an escaped CRLF stays one", of("GET /v%0d%0aX:y HTTP/1.1"), &[("GET /v%0d%0aX:y", "")]),
        passes("dots and slashes stay", of("GET //v/../%2e%2e/ HTTP/1.1"), &[("GET //v/../%2e%2e/", "")]),
        refused("a fragment", of("GET /v#x HTTP/1.1")),
        refused("no target", of("GET  HTTP/1.1")),
        refused("a target without a slash", of("GET v HTTP/1.1")),
        refused("an asterisk", of("OPTIONS * HTTP/1.1")),
        refused("an authority", of("GET a.example:80 HTTP/1.1")),
        refused("a space in the target", of("GET /v w HTTP/1.1")),
        refused("a second version", of("GET /smuggled HTTP/1.1 HTTP/1.1")),
        refused("a tab in the target", of("GET /v\tw HTTP/1.1")),
        refused("a NUL in the target", of("GET /v\0 HTTP/1.1")),
        refused("a DEL in the target", of("GET /v\x7f HTTP/1.1")),
        refused("other letters in the target", of("GET /\u{e4} HTTP/1.1")),
        refused("two spaces", of("GET  /v HTTP/1.1")),
        refused("a tab between", of("GET\t/v HTTP/1.1")),
        refused("a space at the end", of("GET /v HTTP/1.1 ")),
        refused("a space at the beginning", of(" GET /v HTTP/1.1")),
        refused("CONNECT", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
        refused("CONNECT with a path", of("CONNECT /v HTTP/1.1")),
        refused("TRACE", of("TRACE /v HTTP/1.1")),
        refused("no version", "GET /v\r\n\r\n"),
        refused("HTTP/0.9", of("GET /v HTTP/0.9")),
        refused("HTTP/1.2", of("GET /v HTTP/1.2")),
        refused("HTTP/2.0", of("GET /v HTTP/2.0")),
        refused("HTTP/1.10", of("GET /v HTTP/1.10")),
        refused("a version in small letters", of("GET /v http/1.1")),
        refused("a method with a colon", of("GET: /v HTTP/1.1")),
        refused("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        refused("PROXY protocol", format!("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n{SMUGGLED}")),
    ]
}

fn lines() -> Vec<Vector> {
    vec![
        passes("one empty line before", format!("\r\n{}", get("")), &[("GET /v", "")]),
        refused("two empty lines before", format!("\r\n\r\n{}", get(""))),
        refused("a bare LF before", format!("\n{}", get(""))),
        refused("all lines end in LF", get("").replace("\r\n", "\n")),
        refused("the request line ends in LF", get("").replacen("\r\n", "\n", 1)),
        refused("a field ends in LF", get("X: y\n")),
        refused("the head ends in LF", format!("GET /v HTTP/1.1\r\n{HOST}\n")),
        refused("a bare CR ends a field", get("X: y\rZ: a\r\n")),
        refused("two CRs end a field", get("X: y\r\r\n")),
        refused("a bare CR in the request line", format!("GET /v\r HTTP/1.1\r\n{HOST}\r\n")),
        refused("a bare CR before the head's end", format!("GET /v HTTP/1.1\r\n{HOST}\r\r\n")),
        refused("a folded field", get("X: a\r\n b\r\n")),
        refused("a field folded with a tab", get("X: a\r\n\tb\r\n")),
        refused("a fold before the first field", format!("GET /v HTTP/1.1\r\n {HOST}\r\n")),
        refused("a line of a space", get(" \r\n")),
        refused("LF in a value, smuggling a request", get(&format!("X: y\n\n{SMUGGLED}"))),
    ]
}

fn fields() -> Vec<Vector> {
    vec![
        passes("an empty value", get("X:\r\n"), &[("GET /v", "")]),
        passes("bytes above ASCII in a value", get("X: \u{e4}\r\n"), &[("GET /v", "")]),
        refused("an empty name", get(": y\r\n")),
        refused("no colon", get("X\r\n")),
        refused("a space in a name", get("X y: z\r\n")),
        refused("a space before a colon", get("X : y\r\n")),
        refused("a NUL in a name", get("X\0: y\r\n")),
        refused("a NUL in a value", get("X: a\0b\r\n")),
        refused("a SOH in a value", get("X: a\x01b\r\n")),
        refused("an ESC in a value", get("X: a\x1bb\r\n")),
        refused("a DEL in a value", get("X: a\x7fb\r\n")),
        refused("a backspace in a value", get("X: a\x08b\r\n")),
        refused("brackets in a name", get("X[y]: z\r\n")),
        refused("a quote in a name", get("\"X\": z\r\n")),
        refused("other letters in a name", get("\u{e4}: z\r\n")),
        passes("a hop named by Connection stays behind", get("Connection: X-Hop\r\nX-Hop: y\r\n"), &[("GET /v", "")]),
        passes("Expect is answered here", post("Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"), &[("POST /v", "abc")]),
        passes(
            "no other protocol is switched to",
            get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"),
            &[("GET /v", "")],
        ),
    ]
}

fn sizes() -> Vec<Vector> {
    let fields = |count: usize| get(&(0..count).map(|index| format!("X-{index}: y\r\n")).collect::<String>());
    vec![
        passes("100 fields", fields(99), &[("GET /v", "")]),
        refused("101 fields", fields(100)),
        passes("a head of 60 KiB", get(&format!("X: {}\r\n", "y".repeat(60_000))), &[("GET /v", "")]),
        refused("a head of 65 KiB", get(&format!("X: {}\r\n", "y".repeat(66_560)))),
        refused("a name of 65 KiB", get(&format!("{}: y\r\n", "x".repeat(66_560)))),
        refused("a target of 9 KiB", format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "v".repeat(9_216))),
        refused("a target of 65 KiB", format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "v".repeat(66_560))),
        refused("a method of 65 KiB", format!("{} /v HTTP/1.1\r\n{HOST}\r\n", "G".repeat(66_560))),
    ]
}

fn followers() -> Vec<Vector> {
    let good = get("");
    vec![
        passes("two requests", good.repeat(2), &[("GET /v", ""), ("GET /v", "")]),
        passes("a body, then a request", post("Content-Length: 3\r\n", &format!("abc{good}")), &[("POST /v", "abc"), ("GET /v", "")]),
        passes("chunks, then a request", chunked(&format!("3\r\nabc\r\n0\r\n\r\n{good}")), &[("POST /v", "abc"), ("GET /v", "")]),
        then_refused("a body longer than said", post("Content-Length: 3\r\n", "abcd\r\n\r\n"), &[("POST /v", "abc")]),
        then_refused("a request, then two hosts", format!("{good}{}", get(HOST)), &[("GET /v", "")]),
        then_refused("a request, then a bare LF", format!("{good}{}", get("X: y\n")), &[("GET /v", "")]),
        then_refused(
            "a request, then CL.TE",
            format!("{good}{}", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
            &[("GET /v", "")],
        ),
        then_refused("a request, then bad chunks", format!("{good}{}", chunked("3\nabc\r\n0\r\n\r\n")), &[("GET /v", "")]),
        then_refused("CL.0: a body where none was said", format!("{}{}", post("", ""), "0\r\n\r\n"), &[("POST /v", "")]),
        then_refused("a second end of chunks", chunked("3\r\nabc\r\n0\r\n\r\n0\r\n\r\n"), &[("POST /v", "abc")]),
    ]
}
