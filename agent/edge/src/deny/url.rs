//! The URL of something that must not be shown, and which requests it means.
//!
//! A denial that a changed spelling evades is none: paths are compared decoded, without dot segments and doubled slashes, hosts without regard to
//! case, and neither the scheme nor its own port counts. A URL without a query means its path with whatever query, because servers of files
//! pay no heed to queries.

use std::{borrow::Cow, fmt, str::FromStr};

use crate::{authority::read_authority, limits::DENIED_URL_BYTES_MAX};

/// A URL, or all that begin with one.
#[derive(Debug, Clone)]
pub struct DeniedUrl {
    text: Box<str>,
    host: Box<str>,
    path: Box<[u8]>,
    query: Option<Box<[u8]>>,
    is_prefix: bool,
}

/// Why a text is no URL that can be denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misread {
    /// It begins with neither scheme.
    #[error("it begins with neither https:// nor http://")]
    Scheme,
    /// It has no good host.
    #[error("its host cannot be read; a name in other letters is written in its form xn--")]
    Host,
    /// It has spaces, control characters, quotes, brackets or a fragment.
    #[error("it has spaces or letters that no address has as they are: write %20 for a space")]
    Letters,
    /// A star elsewhere than at the end of the path.
    #[error("a * stands for the rest of a path, at its end, and without a query")]
    Star,
    /// Too long.
    #[error("it is longer than {} bytes", DENIED_URL_BYTES_MAX)]
    Long,
}

impl DeniedUrl {
    /// Host, and port if it is neither scheme's own.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    pub(super) fn query(&self) -> Option<&[u8]> {
        self.query.as_deref()
    }

    pub(super) fn is_prefix(&self) -> bool {
        self.is_prefix
    }

    /// Whether a path (with its raw query) is meant, on whichever host.
    #[cfg(test)]
    pub(super) fn covers_path(&self, target: &str) -> bool {
        let (path, query) = parts(target);
        if self.is_prefix {
            return path.starts_with(&self.path);
        }
        *path == *self.path && self.query.as_ref().is_none_or(|meant| query.is_some_and(|query| *query == **meant))
    }

    fn meaning(&self) -> (&str, &[u8], Option<&[u8]>, bool) {
        (&self.host, &self.path, self.query.as_deref(), self.is_prefix)
    }
}

/// Two are the same that mean the same requests, however they are written.
impl PartialEq for DeniedUrl {
    fn eq(&self, other: &Self) -> bool {
        self.meaning() == other.meaning()
    }
}

impl Eq for DeniedUrl {}

impl fmt::Display for DeniedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for DeniedUrl {
    type Err = Misread;

    fn from_str(text: &str) -> Result<Self, Misread> {
        if text.len() > DENIED_URL_BYTES_MAX {
            return Err(Misread::Long);
        }
        if text.chars().any(|letter| letter.is_whitespace() || letter.is_control() || "#<>\"\\".contains(letter)) {
            return Err(Misread::Letters);
        }
        let (scheme, rest) = text.split_once("://").ok_or(Misread::Scheme)?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(Misread::Scheme);
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        read_authority(authority.as_bytes()).ok_or(Misread::Host)?;
        let target = match target {
            "" => Cow::Borrowed("/"),
            target if target.starts_with('?') => Cow::Owned(format!("/{target}")),
            target => Cow::Borrowed(target),
        };
        let (stem, is_prefix) = target.strip_suffix('*').map_or((&*target, false), |stem| (stem, true));
        if stem.contains('*') || (is_prefix && stem.contains('?')) {
            return Err(Misread::Star);
        }
        let (path, query) = parts(stem);
        let (path, query) = (path.into(), query.map(Into::into));
        Ok(Self { text: text.into(), host: host_of(authority).into(), path, query, is_prefix })
    }
}

/// A host as it is compared: in lower case, without a port that is a scheme's own.
pub(super) fn host_of(authority: &str) -> Cow<'_, str> {
    let short = authority.strip_suffix(":443").or_else(|| authority.strip_suffix(":80")).unwrap_or(authority);
    if short.bytes().any(|byte| byte.is_ascii_uppercase()) { short.to_ascii_lowercase().into() } else { short.into() }
}

/// Path and query as they are compared.
pub(super) fn parts(target: &str) -> (Cow<'_, [u8]>, Option<Cow<'_, [u8]>>) {
    match target.split_once('?') {
        Some((path, query)) => (plain(path), Some(decoded(query))),
        None => (plain(target), None),
    }
}

/// A path without its spelling: decoded once, without empty and dot segments.
fn plain(path: &str) -> Cow<'_, [u8]> {
    let path = decoded(path);
    let is_plain = !path.windows(2).any(|pair| pair[0] == b'/' && matches!(pair[1], b'/' | b'.'));
    if is_plain { path } else { Cow::Owned(straightened(&path)) }
}

/// RFC 3986 section 5.2.4, and doubled slashes are one.
fn straightened(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_open = false;
    for segment in path.split(|byte| *byte == b'/') {
        ends_open = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => _ = kept.pop(),
            _ => kept.push(segment),
        }
    }
    let mut plain = Vec::with_capacity(path.len());
    for segment in &kept {
        plain.push(b'/');
        plain.extend_from_slice(segment);
    }
    if ends_open || plain.is_empty() {
        plain.push(b'/');
    }
    plain
}

/// Without percent-encoding, undone once; what is no encoding stays.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let octet = if *byte == b'%' { digit(at + 1).zip(digit(at + 2)) } else { None };
        match octet.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(octet) => plain.push(octet),
            None => plain.push(*byte),
        }
        at += if octet.is_some() { 3 } else { 1 };
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> DeniedUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn spelling_does_not_count() {
        let denied = url("https://Blog.Example/a/photo.jpg");
        for same in
            ["http://blog.example:80/a/photo.jpg", "https://blog.example:443/a/photo.jpg", "https://blog.example//a/./b/../photo.jpg"]
        {
            assert_eq!(denied, url(same));
        }
        for target in
            ["/a/photo.jpg", "/a/photo.jpg?", "/a/photo.jpg?1", "/a/%70hoto%2ejpg", "/a//photo.jpg", "/b/../a/photo.jpg", "/a%2fphoto.jpg"]
        {
            assert!(denied.covers_path(target), "{target}");
        }
        for target in ["/a/photo.jpe", "/a/photo.jpg/", "/a/Photo.jpg", "/a/", "/", "/a/%2570hoto.jpg", "/a/photo.jpg%"] {
            assert!(!denied.covers_path(target), "{target}");
        }
        assert_ne!(denied, url("https://blog.example:8080/a/photo.jpg"));
        assert_eq!(denied.to_string(), "https://Blog.Example/a/photo.jpg", "shown as it was written");
    }

    #[test]
    fn a_query_is_meant_alone_and_a_star_means_the_rest() {
        let post = url("https://blog.example/?p=12");
        assert!(post.covers_path("/?p=12") && post.covers_path("/?p=%312") && !post.covers_path("/?p=13") && !post.covers_path("/"));
        assert_eq!(post, url("https://blog.example?p=12"));
        let below = url("https://blog.example/a/*");
        assert!(below.covers_path("/a/b/c?d") && below.covers_path("/a/") && below.covers_path("/x/..//a/b"));
        assert!(!below.covers_path("/a") && !below.covers_path("/ab/"));
        let all = url("https://blog.example/*");
        assert!(all.covers_path("/") && all.covers_path("/a?b"));
        assert!(url("https://blog.example").covers_path("/"));
    }

    #[test]
    fn what_is_no_url_is_told_from_what_is() {
        let long = format!("https://blog.example/{}", "a".repeat(DENIED_URL_BYTES_MAX));
        for (text, misread) in [
            ("blog.example/a", Misread::Scheme),
            ("ftp://blog.example/a", Misread::Scheme),
            ("https:///a", Misread::Host),
            ("https://user@blog.example/a", Misread::Host),
            ("https://*.example/a", Misread::Host),
            ("https://bl\u{f6}g.example/a", Misread::Host),
            ("https://blog.example/a b", Misread::Letters),
            ("https://blog.example/a#b", Misread::Letters),
            ("https://blog.example/*/b", Misread::Star),
            ("https://blog.example/?a=*", Misread::Star),
            (&long, Misread::Long),
        ] {
            assert_eq!(text.parse::<DeniedUrl>(), Err(misread), "{text}");
        }
        assert!(long[..DENIED_URL_BYTES_MAX].parse::<DeniedUrl>().is_ok());
    }

    proptest! {
        #[test]
        fn foreign_targets_cannot_panic_and_say_themselves(target in "/[!-~]{0,40}", other in "[ -~]{0,40}") {
            let (path, _) = parts(&target);
            let again = plain(std::str::from_utf8(&path).unwrap_or("/")).into_owned();
            prop_assert!(path.starts_with(b"/"));
            if !path.contains(&b'%') && std::str::from_utf8(&path).is_ok() {
                prop_assert_eq!(&*path, &*again, "what is plain stays");
            }
            let _ = other.parse::<DeniedUrl>();
            if let Ok(denied) = format!("https://blog.example{target}").parse::<DeniedUrl>() && !denied.is_prefix() {
                prop_assert!(denied.covers_path(&target));
            }
        }

        /// However a path is spelled, it is the same path.
        #[test]
        fn encoded_letters_are_letters(path in "/[a-z./]{1,20}", which in prop::collection::vec(any::<bool>(), 20)) {
            let spelled: String = path.char_indices().map(|(at, letter)| {
                if at > 0 && which[at % 20] { format!("%{:02x}", u32::from(letter)) } else { letter.to_string() }
            }).collect();
            prop_assert_eq!(parts(&spelled).0.into_owned(), parts(&path).0.into_owned());
        }
    }
}
