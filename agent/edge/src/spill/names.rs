//! Names under which helpers know what a site holds.
//!
//! In the mesh a member is one site with one address, and an object is named by its path there. What further sites of the same agent hold is named
//! by a path of the first site as well, below [`SITES`]: the first site sends whoever asks for it on to where it belongs, so that each name is an
//! address that works, and helpers need to know nothing of further sites.

use std::{borrow::Cow, sync::Arc};

use http::{HeaderValue, Method, Response, request::Parts, uri::Scheme};

use super::found;
use crate::{
    cache::key::{self, Key},
    config::Canonical,
    edge::Settings,
};

/// Path of the first site below which further sites' objects have their names. Not below the path at which members publish their key, of
/// which proxies may know.
const SITES: &str = "/.well-known/overspill-sites/";

/// How the objects of one site are named towards helpers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// How the cache's keys of a further site begin.
    origin: Box<str>,
    /// What stands before a path; nothing for the first site.
    prefix: Box<str>,
    /// Helpers may not have them.
    withheld: bool,
}

impl Names {
    /// Of the objects of a site beside `first`. Helpers send visitors back by way of the first site: a browser would not take that way from a page
    /// over https if it led over http.
    pub(crate) fn of_site(site: &Canonical, first: Option<&Canonical>) -> Self {
        let leads_back = first.is_some_and(|first| first.scheme == Scheme::HTTPS || site.scheme == Scheme::HTTP);
        let prefix = format!("{SITES}{}", site.authority.as_str().to_ascii_lowercase()).into();
        Self { origin: key::origin(&site.scheme, &site.authority).into(), prefix, withheld: !leads_back }
    }

    /// The name of what stands at `path`, which is path and raw query.
    pub(crate) fn name<'a>(&self, path: &'a str) -> Cow<'a, str> {
        if self.prefix.is_empty() { Cow::Borrowed(path) } else { Cow::Owned(format!("{}{path}", self.prefix)) }
    }

    /// Whether a key is of this further site.
    pub(crate) fn are_of(&self, key: &Key) -> bool {
        *self.origin == *key.origin()
    }

    /// Whether names are paths.
    pub(crate) fn are_paths(&self) -> bool {
        self.prefix.is_empty()
    }

    /// Whether helpers may have a file of these bytes at all. Under a name that is no path, what it says of `/a` would be looked for at the first
    /// site's `/a`.
    pub(crate) fn may_be_given(&self, media_type: &str, body: &[u8]) -> bool {
        self.are_paths() || !self.withheld && !names_from_root(media_type, body)
    }
}

/// Host and path of a further site's object, by its name.
pub(crate) fn split_name(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(SITES)?;
    rest.split_at_checked(rest.find('/')?)
}

/// The answer to a request for what a site holds by its name: where it is. Nothing if it is no such name.
pub(crate) fn send_on(settings: &Arc<Settings>, asked: &Parts) -> Option<Response<bytes::Bytes>> {
    let (host, path) = split_name(asked.uri.path_and_query()?.as_str())?;
    let site = settings.of_host(&host.parse().ok()?).filter(|_| matches!(asked.method, Method::GET | Method::HEAD))?;
    let canonical = site.config.canonical.as_ref()?;
    let location = format!("{}://{}{path}", canonical.scheme, canonical.authority);
    Some(found(HeaderValue::try_from(location).ok()?))
}

/// Tells whether a style sheet or a script may name other files by a path from the root of its site. What is doubtful counts.
fn names_from_root(media_type: &str, body: &[u8]) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/css" => body.windows(2).enumerate().any(|(at, pair)| is_opening(pair[0]) && is_rooted(&body[at + 1..])),
        essence if essence.contains("script") => script_names_from_root(body),
        _ => false,
    }
}

fn is_opening(byte: u8) -> bool {
    matches!(byte, b'(' | b'"' | b'\'' | b'`')
}

/// Whether an address from the root begins here, perhaps after spaces, or one in which that is hidden by an escape.
fn is_rooted(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    match text {
        [b'\\', ..] => true,
        [b'/', next, ..] => !matches!(next, b'/' | b'*'),
        _ => text == b"/",
    }
}

/// Only modules find others by where they came from: addresses in other scripts are looked for by where the page is.
fn script_names_from_root(body: &[u8]) -> bool {
    let after = |word: &'static [u8]| {
        let found = body.windows(word.len()).enumerate().filter(move |(_, seen)| *seen == word);
        found.map(move |(at, _)| body[at + word.len()..].trim_ascii_start())
    };
    let quotes_rooted = |text: &[u8]| matches!(text, [b'"' | b'\'' | b'`', rest @ ..] if is_rooted(rest));
    let imports_rooted = |text: &[u8]| match text {
        // Whatever is computed may be.
        [b'(', rest @ ..] => {
            let rest = rest.trim_ascii_start();
            !matches!(rest, [b'"' | b'\'' | b'`', ..]) || quotes_rooted(rest)
        }
        [b'.', ..] | [b'/', b'*', ..] => true,
        _ => quotes_rooted(text),
    };
    after(b"import").any(imports_rooted) || after(b"from").any(quotes_rooted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(url: &str) -> Canonical {
        let (scheme, authority) = url.split_once("://").unwrap();
        Canonical { scheme: scheme.parse().unwrap(), authority: authority.parse().unwrap() }
    }

    #[test]
    fn the_first_sites_names_are_paths_and_others_stand_below_one() {
        assert_eq!(Names::default().name("/a?b"), "/a?b");
        let shop = Names::of_site(&canonical("http://Shop.example:81"), Some(&canonical("http://blog.example")));
        assert_eq!(shop.name("/a?b"), "/.well-known/overspill-sites/shop.example:81/a?b");
        assert!(shop.may_be_given("image/png", b"/") && !shop.are_paths());
    }

    #[test]
    fn a_way_back_over_http_is_none_for_a_page_over_https() {
        let given = |site: &str, first: Option<&str>| {
            Names::of_site(&canonical(site), first.map(canonical).as_ref()).may_be_given("image/png", b"")
        };
        assert!(given("https://shop.example", Some("https://blog.example")));
        assert!(given("http://shop.example", Some("https://blog.example")));
        assert!(!given("https://shop.example", Some("http://blog.example")));
        assert!(!given("http://shop.example", None));
    }

    #[test]
    fn what_names_files_from_the_root_stays() {
        for (media_type, stays) in [
            ("text/css", "@font-face{src:url(/f.woff2)}"),
            ("text/css; charset=utf-8", "a{background:url( '/i.png' )}"),
            ("TEXT/CSS", "@import \"/b.css\";"),
            ("text/css", "a{background:url(\\2f i.png)}"),
            ("text/javascript", "import{a}from\"/b.js\""),
            ("text/javascript", "import '/b.js'"),
            ("application/javascript", "const b=await import( `/b.js`)"),
            ("text/javascript", "new URL('/a.png', import.meta.url)"),
            ("text/javascript", "import(name)"),
        ] {
            assert!(names_from_root(media_type, stays.as_bytes()), "{stays}");
        }
        for (media_type, leaves) in [
            ("text/css", "a{background:url(i.png)} b{background:url(//cdn.example/i.png)} c{background:url(/* */)}"),
            ("text/css", "@import url(\"../b.css\"); a::before{content:'a/b'}"),
            ("text/javascript", "fetch('/api'); import('./b.js'); import a from \"https://cdn.example/a.js\""),
            ("image/svg+xml", "<use href='/a.svg#b'/>"),
            ("font/woff2", "(/a"),
        ] {
            assert!(!names_from_root(media_type, leaves.as_bytes()), "{leaves}");
        }
    }
}
