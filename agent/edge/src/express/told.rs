//! Requests' heads as the origin gets them, written out of the fields as they came.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, header,
    uri::{Authority, Scheme},
};
use httparse::Header;

use super::frozen::write_line;
use crate::{
    headers::{Asker, is_not_passed, to_origin},
    request::Peer,
};

/// What the origin is told of each request to one host on one connection, whatever is asked for.
pub(super) struct Told {
    /// Host comes first (RFC 9110 section 7.2).
    host: Vec<u8>,
    /// The rest, and the head's end.
    rest: Vec<u8>,
}

impl Told {
    /// Of visitors who come without a proxy that may speak for them.
    pub(super) fn new(host: &Authority, peer: &Peer, scheme: &Scheme, loop_token: &HeaderValue) -> Self {
        let asker = Asker { peer: peer.address, visitor: peer.address, trusted: false, secure: peer.secure };
        let mut fields = to_origin(HeaderMap::new(), &Method::GET, host, asker, scheme, loop_token);
        let host = fields.remove(header::HOST).map(|host| lines([(header::HOST.as_str(), host.as_bytes())])).unwrap_or_default();
        let mut rest = lines(fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        rest.extend_from_slice(b"\r\n");
        Self { host, rest }
    }

    /// The head of a GET with these fields, none of which says anything of its connection.
    pub(super) fn head(&self, target: &str, fields: &[Header<'_>]) -> Bytes {
        let length = |field: &Header<'_>| field.name.len() + field.value.len() + 4;
        let length = target.len() + self.host.len() + self.rest.len() + fields.iter().map(length).sum::<usize>() + 16;
        let mut text = Vec::with_capacity(length);
        text.extend_from_slice(b"GET ");
        text.extend_from_slice(target.as_bytes());
        text.extend_from_slice(b" HTTP/1.1\r\n");
        text.extend_from_slice(&self.host);
        for field in fields.iter().filter(|field| !is_not_passed(field.name)) {
            write_line(&mut text, field.name, field.value);
        }
        text.extend_from_slice(&self.rest);
        text.into()
    }
}

fn lines<'a>(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in fields {
        write_line(&mut text, name, value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::map;
    use httparse::EMPTY_HEADER;
    use proptest::prelude::*;
    use std::net::IpAddr;

    const NAMES: [&str; 22] = [
        "Host",
        "User-Agent",
        "accept",
        "Cookie",
        "X-Forwarded-For",
        "x-forwarded-evil",
        "X_Real_IP",
        "Forwarded",
        "X-Real-IP",
        "Via",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Upgrade",
        "CF-Connecting-IP",
        "X-HTTP-Method-Override",
        "Surrogate-Capability",
        "Expect",
        "x-rewrite-url",
        "Proxy",
        "X-Request-Id",
        "accept",
    ];

    proptest! {
        /// Against the way of all other requests.
        #[test]
        fn the_origin_gets_the_same_as_from_the_usual_way(
            named in prop::collection::vec((prop::sample::select(NAMES.to_vec()), "[ -~]{0,9}"), 0..9),
            secure in any::<bool>(),
        ) {
            let (host, token) = (Authority::from_static("blog.example:8080"), HeaderValue::from_static("overspill-7"));
            let scheme = if secure { Scheme::HTTPS } else { Scheme::HTTP };
            let peer = Peer { address: IpAddr::from([192, 0, 2, 9]), secure };
            let values: Vec<(&str, String)> = named.iter().map(|(name, value)| (*name, value.trim().to_owned())).collect();
            let fields: Vec<Header<'_>> = values.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
            let head = Told::new(&host, &peer, &scheme, &token).head("/a?b", &fields);
            let mut room = [EMPTY_HEADER; 64];
            let mut request = httparse::Request::new(&mut room);
            prop_assert!(request.parse(&head).unwrap().is_complete());
            prop_assert_eq!((request.method, request.path, request.headers[0].name), (Some("GET"), Some("/a?b"), "host"));
            let asker = Asker { peer: peer.address, visitor: peer.address, trusted: false, secure };
            let usual = to_origin(map(&fields).unwrap(), &Method::GET, &host, asker, &scheme, &token);
            prop_assert_eq!(map(request.headers).unwrap(), usual);
        }
    }
}
