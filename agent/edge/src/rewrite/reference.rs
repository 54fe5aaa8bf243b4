//! Which of the site's own paths an address in a page names (URL standard, as far as it is needed; what is not plain is not answered).

use std::borrow::Cow;

use http::uri::{Authority, Scheme};

/// Where a page's relative addresses start: its own address, or its `<base>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Base {
    https: bool,
    /// Host, and port unless it is the scheme's own, in lower case.
    authority: String,
    /// Path and query.
    path: String,
}

impl Base {
    /// The address of a page.
    pub(crate) fn new(scheme: &Scheme, authority: &Authority, path: &str) -> Self {
        let https = *scheme == Scheme::HTTPS;
        Self { https, authority: own_port_off(authority.as_str(), https).to_ascii_lowercase(), path: path.to_owned() }
    }

    /// The base that `<base href>` makes of this one; nothing if that is not on this site, or not plain.
    pub(crate) fn moved(&self, href: &str) -> Option<Self> {
        Some(Self { path: self.resolve(href)?, ..self.clone() })
    }

    /// Path and query of the address, if it is plain and on this site.
    ///
    /// Plain is what means the same to every browser and stands in HTML and CSS without quoting: no fragment, no escapes but `%`.
    pub(crate) fn resolve(&self, address: &str) -> Option<String> {
        let address = address.trim_matches(|char: char| char.is_ascii_whitespace());
        if address.is_empty() || !address.bytes().all(is_plain) {
            return None;
        }
        if let Some(rest) = address.strip_prefix("//") {
            return self.own_path(rest);
        }
        if let Some((scheme, rest)) = scheme(address) {
            let same = if self.https { scheme.eq_ignore_ascii_case("https") } else { scheme.eq_ignore_ascii_case("http") };
            return self.own_path(rest.strip_prefix("//").filter(|_| same)?);
        }
        if address.starts_with('/') {
            return Some(without_dots(address));
        }
        let path = self.path.split('?').next().unwrap_or_default();
        if address.starts_with('?') {
            return Some(format!("{path}{address}"));
        }
        let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
        Some(without_dots(&format!("{folder}{address}")))
    }

    fn own_path(&self, rest: &str) -> Option<String> {
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if !own_port_off(authority, self.https).eq_ignore_ascii_case(&self.authority) {
            return None;
        }
        Some(if path.starts_with('/') { without_dots(path) } else { format!("/{path}") })
    }
}

/// A character that stands for itself in a URL's path or query, in an attribute with or without quotes but for `&`, and in CSS.
pub(crate) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~/?=+;:@%!$*,&".contains(&byte)
}

fn own_port_off(authority: &str, https: bool) -> &str {
    authority.strip_suffix(if https { ":443" } else { ":80" }).unwrap_or(authority)
}

fn scheme(address: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = address.split_once(':')?;
    let named = scheme.starts_with(|char: char| char.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    named.then_some((scheme, rest))
}

/// Takes `.` and `..` out of a path that begins with `/` (RFC 3986 section 5.2.4); the query stays as it is.
fn without_dots(address: &str) -> String {
    let (path, query) = address.split_at(address.find('?').unwrap_or(address.len()));
    let mut left: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." if last => left.push(""),
            "." => {}
            ".." => {
                left.pop();
                if last {
                    left.push("");
                }
            }
            _ => left.push(segment),
        }
    }
    format!("/{}{query}", left.join("/"))
}

/// An attribute's raw value with its character references read; nothing if it holds others than those of `&`.
pub(crate) fn unescaped(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('&') {
        return Some(Cow::Borrowed(raw));
    }
    let mut text = String::with_capacity(raw.len());
    let mut parts = raw.split('&');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        text.push('&');
        let rest = ["amp;", "#38;", "#038;", "#x26;", "#X26;"].iter().find_map(|name| part.strip_prefix(name));
        // HTML standard, "named character reference state": without its semicolon and before `=` it is no reference in an attribute.
        let name = part.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let literal = part.as_bytes().get(name) == Some(&b'=') && name > 0;
        text.push_str(rest.or(literal.then_some(part))?);
    }
    Some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base() -> Base {
        Base::new(&Scheme::HTTP, &Authority::from_static("Blog.example:80"), "/2026/post/?page=2")
    }

    #[test]
    fn addresses_of_this_site_are_found_however_they_are_written() {
        for (address, path) in [
            ("/a.png", "/a.png"),
            (" a.png\n", "/2026/post/a.png"),
            ("../b/./c.png?v=1..2", "/2026/b/c.png?v=1..2"),
            ("../../../../a", "/a"),
            ("..", "/2026/"),
            ("?x=1", "/2026/post/?x=1"),
            ("//blog.example/a", "/a"),
            ("HTTP://BLOG.example:80/a/../b", "/b"),
            ("http://blog.example?x", "/?x"),
            ("./a:b.png", "/2026/post/a:b.png"),
        ] {
            assert_eq!(base().resolve(address).as_deref(), Some(path), "{address}");
        }
    }

    #[test]
    fn other_places_and_what_is_not_plain_are_left_alone() {
        for address in [
            "",
            "https://blog.example/a",
            "//other.example/a",
            "http://blog.example:8080/a",
            "http:/a",
            "data:image/png;base64,AAAA",
            "javascript:1",
            "/a#b",
            "/a b",
            "\\a",
            "/\\other.example/a",
            "/(a)",
            "/é",
            "http://user@blog.example/",
        ] {
            assert_eq!(base().resolve(address), None, "{address}");
        }
    }

    #[test]
    fn a_base_moves_what_is_relative() {
        assert_eq!(base().moved("/x/y").unwrap().resolve("a").as_deref(), Some("/x/a"));
        assert_eq!(base().moved("http://cdn.example/"), None);
    }

    #[test]
    fn only_references_to_the_ampersand_are_read() {
        assert_eq!(unescaped("/a?x=1&amp;y=2&#38;z=3&copy=4").as_deref(), Some("/a?x=1&y=2&z=3&copy=4"));
        for raw in ["/a&quot;", "/a?x&copy", "/a?&", "/&#47;", "/a&eacute;", "/a?b&c;=1"] {
            assert_eq!(unescaped(raw), None, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_a_path_and_stays_so(address in "[a-z./?:&@%-]{0,30}", host in "(http://blog\\.example)?(/|//)?") {
            if let Some(path) = base().resolve(&format!("{host}{address}")) {
                prop_assert!(path.starts_with('/') && path.bytes().all(is_plain), "{}", path);
                if !path.starts_with("//") {
                    prop_assert_eq!(base().resolve(&path), Some(path.clone()));
                }
            }
        }

        #[test]
        fn foreign_text_never_panics(text in ".{0,60}") {
            let _ = (base().resolve(&text), base().moved(&text), unescaped(&text));
        }
    }
}
