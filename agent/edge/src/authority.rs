//! A host with an optional port, in the one way that nobody reads otherwise.

use std::net::Ipv6Addr;

use http::uri::Authority;

/// Reads a name, an IPv4 address or an IPv6 address in brackets, perhaps with a colon and the digits of a 16-bit port; `None` of all else.
/// Stricter than RFC 3986 section 3.2, and than the library, which takes brackets anywhere and looks for a port behind the last colon.
#[must_use]
pub fn read_authority(text: &[u8]) -> Option<Authority> {
    let (host, port) = match text.iter().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(at) if text[at] == b':' => (&text[..at], Some(&text[at + 1..])),
        _ => (text, None),
    };
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_host = match host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")) {
        Some(address) => std::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.iter().all(named),
    };
    (is_host && port.is_none_or(is_port)).then(|| Authority::try_from(text).ok()).flatten()
}

/// Digits only: as a number, `+80` is one too.
fn is_port(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit) && std::str::from_utf8(text).is_ok_and(|text| text.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_and_a_port_are_read_as_they_are_written() {
        for text in
            ["blog.example", "blog.example:8080", "127.0.0.1:80", "[::1]:8080", "[::ffff:192.0.2.1]", "BLOG_1.example", "a:0", "a:00080"]
        {
            assert_eq!(read_authority(text.as_bytes()).as_ref().map(Authority::as_str), Some(text));
        }
    }

    #[test]
    fn what_is_anything_more_is_refused() {
        for text in [
            "",
            "a b",
            "user@blog.example",
            "blog.example:",
            "blog.example:http",
            "blog.example:70000",
            "a/b",
            "a,b",
            ":80",
            "a%20b",
            "*",
            "bl\u{f6}g.example",
            "[::,]:80",
            "[::1",
            "::1",
            "[]",
            "[v1.a]",
            "[::1]a",
            "[::1],:80",
            "[::1]a:80",
            "[fe80::1%25eth0]",
            "a:+80",
            "a:-0",
            "a:1:80",
            "a:,[]:80",
            "a:[::1]:80",
            "a:[]80",
            "[::1]:[]80",
            "[::1]:1:80",
            "a\n:80",
        ] {
            assert_eq!(read_authority(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        /// Whatever passes has no letters but those of hosts and ports, and the library finds the same host and the same port in it.
        #[test]
        fn both_ends_of_what_passes_are_the_librarys(text in "(a|B|7|:|80|\\[|\\]|::1|\\.|,|@|\\+|-|%|/){1,8}") {
            if let Some(authority) = read_authority(text.as_bytes()) {
                let (host, port) = (authority.host(), authority.port_u16());
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)), "{}", text);
                let digits = text.strip_prefix(host).unwrap();
                prop_assert_eq!(digits.is_empty(), port.is_none());
                prop_assert_eq!(digits.strip_prefix(':').and_then(|digits| digits.parse().ok()), port);
                prop_assert!(host.starts_with('[') || !text.contains(['[', ']']));
            }
        }
    }
}
