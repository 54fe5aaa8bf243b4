//! A connection's raw bytes, as a smuggler sends them.

use overspill_edge::inside;

use crate::strict;

/// What the strict reader does not take although everybody reads it in one way: absolute targets and HTTP/1.0, extensions and trailers of
/// chunks, and names that the edge drops. There the comparison ends.
const STRICTER: [&str; 5] = ["request line", "target", "chunk size", "trailers", "underscore"];

pub(crate) fn connections() -> Vec<Vec<u8>> {
    let get = "GET /a?b HTTP/1.1\r\nHost: a.example\r\nX: y\r\n\r\n";
    let post = "POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nab\r\nc";
    let chunks = "POST /a HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n1\r\nd\r\n0\r\nX: y\r\n\r\n";
    let smuggled = "POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    // The first byte says in which pieces the others come.
    [
        format!("\u{7f}{get}{post}\r\n{chunks}{get}"),
        format!("\u{1}{post}{chunks}{get}"),
        format!("\u{8}{get}{smuggled}{get}"),
        format!("\u{20}{}{get}", chunks.replace(";x", "").replace("X: y\r\n", "")),
        format!("\u{10}{}", get.replace("\r\n", "\n")),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// What passes the gate is what a strict reader reads there: the same requests in the same places, with the same bodies.
pub(crate) fn gate(bytes: &[u8]) {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let mut rest = bytes;
    for (parts, body) in inside::read_connection(bytes, usize::from(*piece)) {
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        let length = match strict::read(rest) {
            Ok(Some((request, length))) => {
                assert_eq!((parts.method.as_str(), parts.uri.to_string().as_str()), (request.method.as_str(), request.target.as_str()));
                assert_eq!(body, request.body, "another body than the strict reader's");
                length
            }
            Ok(None) => panic!("a request passed that is not whole: {parts:?}"),
            Err(fault) => {
                assert!(STRICTER.contains(&fault), "passed with an unclear {fault}: {parts:?}");
                return;
            }
        };
        rest = &rest[length..];
    }
}
