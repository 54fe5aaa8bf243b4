//! Fields on their way through: what is meant for one hop stays behind, what the origin must know is added, what could fool it is dropped.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, header,
    uri::{Authority, Scheme},
};

/// RFC 9110 section 7.6.1: fields for one connection only, besides those that Connection names.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Fields by which a visitor could talk to the origin as if it were the edge. Dropped always.
const FORGEABLE: [&str; 14] = [
    "forwarded",
    "proxy", // becomes HTTP_PROXY in CGI: "httpoxy", CVE-2016-5385
    "x-host",
    "x-backend-host",
    "x-proxy-url",
    "x-url-scheme",
    "x-scheme",
    "front-end-https",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-originating-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-waf-bypass",
];

/// Beginnings of such names: servers and frameworks read more of each kind than any list has.
const FORGEABLE_KINDS: [&str; 8] = [
    "x-forwarded-",
    "x-original-",
    "x-rewrite-",
    "x-override-",
    "x-http-host-",
    "x-accel-",
    "x-envoy-",
    "x-middleware-", // steps over the checks of Next.js, CVE-2025-29927
];

/// What networks in front tell of a visitor, each under its own name. Only a trusted proxy is heard.
const OF_NETWORKS: [&str; 4] = ["cf-connecting-ip", "true-client-ip", "fastly-client-ip", "x-azure-clientip"];

/// Fields that make another method of a request. They would let a GET that is answered from the cache be stored as something else.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// Whether caches in front know tags, as the WordPress plugin asks (Edge Architecture Specification 1.0, section 2.1).
const SURROGATE_CAPABILITY: HeaderName = HeaderName::from_static("surrogate-capability");
const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
const VIA: HeaderValue = HeaderValue::from_static("1.1 overspill");
/// The same as a line.
pub(crate) const VIA_LINE: &[u8] = b"via: 1.1 overspill\r\n";

/// Who asks, as far as the edge believes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    /// The connection's other end.
    pub(crate) peer: IpAddr,
    /// The visitor: what a trusted proxy says, else the peer.
    pub(crate) visitor: IpAddr,
    /// The peer is a trusted proxy.
    pub(crate) trusted: bool,
    /// The connection is encrypted.
    pub(crate) secure: bool,
}

impl Asker {
    /// Reads who asks: the last entry of `X-Forwarded-For` that is not itself a trusted proxy, if the peer may say so.
    pub(crate) fn new(peer: IpAddr, trusted: &[IpAddr], headers: &HeaderMap) -> Self {
        if !trusted.contains(&peer) {
            return Self { peer, visitor: peer, trusted: false, secure: false };
        }
        let named = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        let addresses: Vec<IpAddr> = named.filter_map(|address| address.trim().parse().ok()).collect();
        let visitor = addresses.into_iter().rev().find(|address| !trusted.contains(address)).unwrap_or(peer);
        Self { peer, visitor, trusted: true, secure: false }
    }
}

/// Removes what is meant for one hop only, in either direction.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    strip_named(headers);
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Removes the fields that Connection names, but for those that every hop knows. Done before a request is looked up: the cache would else
/// store under `Accept-Language: de` what the origin, which never saw that field, said to everybody.
pub(crate) fn strip_named(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CONNECTION) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        // Naming an end-to-end field in Connection is a known way to make a proxy lose it.
        .filter(|name| {
            !matches!(*name, header::HOST | header::CONTENT_LENGTH | header::CACHE_CONTROL | header::AUTHORIZATION | header::COOKIE)
        })
        .collect();
    for name in named.iter().filter(|name| !HOP_BY_HOP.contains(name)) {
        headers.remove(name);
    }
}

/// Tells whether who sent these fields takes trailers.
//= RFC 9110 section 10.1.4
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::TE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.map(<[u8]>::trim_ascii).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// Says that trailers are taken here: a field of one hop.
pub(crate) fn take_trailers(headers: &mut HeaderMap) {
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.append(header::CONNECTION, HeaderValue::from_static("TE"));
}

/// Tells whether the origin does not get a field of that name from a visitor, in whatever case it is written. `reads`: of GET and HEAD.
pub(crate) fn is_dropped(name: &str, trusted: bool, reads: bool) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    let of_kind = |kind: &str| name.get(..kind.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(kind));
    // CGI, FastCGI and WSGI write `-` and `_` alike: `X_Forwarded_For` would arrive as `X-Forwarded-For`.
    if name.contains('_') {
        return true;
    }
    // Most names end here: all of the lists begin with one of these.
    if !matches!(name.as_bytes().first(), Some(b'c' | b'f' | b'p' | b't' | b'x' | b'C' | b'F' | b'P' | b'T' | b'X')) {
        return false;
    }
    FORGEABLE_KINDS.into_iter().any(of_kind)
        || FORGEABLE.into_iter().any(is)
        || (!trusted && OF_NETWORKS.into_iter().any(is))
        || (reads && METHOD_OVERRIDES.into_iter().any(is))
}

/// Tells whether a field of that name is for one connection only.
pub(crate) fn is_of_one_hop(name: &str) -> bool {
    /// Lengths of the names as bits: most names differ by that alone.
    const LENGTHS: u32 = 1 << 2 | 1 << 7 | 1 << 10 | 1 << 16 | 1 << 17 | 1 << 18 | 1 << 19;
    name.len() < 32 && LENGTHS >> name.len() & 1 == 1 && HOP_BY_HOP.iter().any(|other| name.eq_ignore_ascii_case(other.as_str()))
}

/// The same of a field that is written anew, or belongs to one hop.
pub(crate) fn is_not_passed(name: &str) -> bool {
    let is = |other: &HeaderName| name.eq_ignore_ascii_case(other.as_str());
    is_of_one_hop(name) || [header::HOST, header::EXPECT, X_REAL_IP, SURROGATE_CAPABILITY].iter().any(is) || is_dropped(name, false, true)
}

/// Makes the fields that the origin gets of those that the visitor sent.
pub(crate) fn to_origin(
    mut headers: HeaderMap,
    method: &Method,
    host: &Authority,
    asker: Asker,
    scheme: &Scheme,
    own: &HeaderValue,
) -> HeaderMap {
    strip_hop_by_hop(&mut headers);
    // The edge has answered it (RFC 9110 section 10.1.1) and sends the body at once.
    headers.remove(header::EXPECT);
    let reads = matches!(*method, Method::GET | Method::HEAD);
    // What a trusted proxy says of the visitor is read below.
    let of_proxy = |name: &HeaderName| asker.trusted && [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST].contains(name);
    let dropped: Vec<HeaderName> =
        headers.keys().filter(|name| is_dropped(name.as_str(), asker.trusted, reads) && !of_proxy(name)).cloned().collect();
    for name in &dropped {
        headers.remove(name);
    }
    if let Ok(value) = HeaderValue::try_from(host.as_str()) {
        headers.insert(header::HOST, value.clone());
        if !(asker.trusted && headers.contains_key(X_FORWARDED_HOST)) {
            headers.insert(X_FORWARDED_HOST, value);
        }
    }
    if !(asker.trusted && headers.contains_key(X_FORWARDED_PROTO)) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(if *scheme == Scheme::HTTPS { "https" } else { "http" }));
    }
    let chain = match headers.get(X_FORWARDED_FOR).and_then(|value| value.to_str().ok()) {
        Some(before) if asker.trusted => format!("{before}, {}", asker.peer),
        _ => asker.peer.to_string(),
    };
    insert(&mut headers, X_FORWARDED_FOR, &chain);
    insert(&mut headers, X_REAL_IP, &asker.visitor.to_string());
    headers.append(header::VIA, VIA);
    headers.insert(SURROGATE_CAPABILITY, HeaderValue::from_static("overspill=\"tags/1\""));
    headers.append(CDN_LOOP, own.clone());
    headers
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// Tells whether the request has passed this agent before (RFC 8586: CDN-Loop cannot be removed by what lies between).
pub(crate) fn has_looped(headers: &HeaderMap, own: &HeaderValue) -> bool {
    let own = own.as_bytes();
    headers.get_all(CDN_LOOP).iter().any(|value| value.as_bytes().split(|byte| *byte == b',').any(|token| token.trim_ascii() == own))
}

/// Makes the fields that a visitor gets of those that the origin sent.
pub(crate) fn from_origin(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    headers.append(header::VIA, VIA);
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: HeaderValue = HeaderValue::from_static("overspill-1");

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn sent(pairs: &[(&'static str, &'static str)], trusted: &[IpAddr]) -> HeaderMap {
        let headers = fields(pairs);
        let asker = Asker::new(IpAddr::from([192, 0, 2, 9]), trusted, &headers);
        to_origin(headers, &Method::GET, &Authority::from_static("blog.example"), asker, &Scheme::HTTPS, &OWN)
    }

    #[test]
    fn fields_of_one_hop_stay_behind() {
        let headers = sent(
            &[
                ("connection", "close, X-Secret, host"),
                ("x-secret", "1"),
                ("keep-alive", "timeout=5"),
                ("te", "trailers"),
                ("trailer", "x"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("proxy-authorization", "x"),
                ("proxy-connection", "x"),
                ("accept", "text/html"),
            ],
            &[],
        );
        for gone in [
            "connection",
            "x-secret",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "proxy-authorization",
            "proxy-connection",
        ] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        assert_eq!(headers["accept"], "text/html");
        assert_eq!(headers["host"], "blog.example");
    }

    #[test]
    fn a_stranger_cannot_speak_as_the_edge() {
        let headers = sent(
            &[
                ("x-forwarded-for", "10.0.0.1"),
                ("x_forwarded_for", "10.0.0.1"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-host", "evil.example"),
                ("x-original-url", "/admin"),
                ("x-http-method-override", "DELETE"),
                ("forwarded", "for=10.0.0.1"),
                ("proxy", "http://evil.example"),
            ],
            &[],
        );
        assert_eq!(headers["x-forwarded-for"], "192.0.2.9");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "blog.example");
        for gone in ["x_forwarded_for", "x-original-url", "x-http-method-override", "forwarded", "proxy"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
    }

    #[test]
    fn a_trusted_proxy_names_the_visitor() {
        let proxy = IpAddr::from([192, 0, 2, 9]);
        let before = fields(&[("x-forwarded-for", "203.0.113.1, 198.51.100.7")]);
        assert_eq!(Asker::new(proxy, &[proxy], &before).visitor, IpAddr::from([198, 51, 100, 7]));
        let headers = sent(&[("x-forwarded-for", "203.0.113.1, 198.51.100.7"), ("x-forwarded-proto", "http")], &[proxy]);
        assert_eq!(headers["x-forwarded-for"], "203.0.113.1, 198.51.100.7, 192.0.2.9");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-real-ip"], "198.51.100.7");
    }

    #[test]
    fn every_name_of_one_hop_is_known_by_its_length() {
        for name in HOP_BY_HOP {
            assert!(is_of_one_hop(&name.as_str().to_ascii_uppercase()), "{name}");
        }
        for name in FORGEABLE.iter().chain(&OF_NETWORKS).chain(&METHOD_OVERRIDES) {
            assert!(is_dropped(&name.to_ascii_uppercase(), false, true), "{name}");
        }
        assert!(FORGEABLE_KINDS.iter().all(|kind| is_dropped(&format!("{kind}y"), true, false)));
        assert!(!is_of_one_hop("accept") && !is_of_one_hop("ETag") && !is_of_one_hop(&"x".repeat(64)));
    }

    #[test]
    fn a_loop_is_seen_whatever_stands_beside_it() {
        let headers = sent(&[("cdn-loop", "othercdn; v=1")], &[]);
        assert!(has_looped(&headers, &OWN));
        assert!(has_looped(&fields(&[("cdn-loop", "othercdn, overspill-1")]), &OWN));
        assert!(!has_looped(&fields(&[("cdn-loop", "overspill-12")]), &OWN));
    }
}
