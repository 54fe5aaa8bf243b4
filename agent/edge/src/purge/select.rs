//! What a purge names: one resource, all whose path matches, or all that carry a tag.
//!
//! The dialect is that of the WordPress plugin "Proxy Cache Purge" (`X-Purge-Method`, `X-Cache-Tags-Pattern`, and `X-Cache-Tags` beside
//! responses) and of Ghost (`X-Cache-Invalidate` beside its answers to editors). Expressions are matched in linear time, whatever they are.

use http::{HeaderMap, HeaderName};
use regex::{Regex, RegexBuilder};

use crate::limits::{PATTERN_BYTES_MAX, PATTERNS_MAX};

const METHOD: HeaderName = HeaderName::from_static("x-purge-method");
const TAGS_PATTERN: HeaderName = HeaderName::from_static("x-cache-tags-pattern");
const CACHE_INVALIDATE: HeaderName = HeaderName::from_static("x-cache-invalidate");

/// Which stored responses a purge is for.
#[derive(Debug, Clone)]
pub(crate) enum Selection {
    /// The request's own target.
    Target,
    /// Those whose path and query match from the beginning.
    Paths(Regex),
    /// Those whose tags, written one after the other with commas between, match anywhere.
    Tags(Regex),
}

/// Why a purge cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misread {
    /// Not a method of the dialect.
    Method,
    /// The expression is missing, too long or too large, or not one.
    Pattern,
}

impl Misread {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Method => "X-Purge-Method is one of: default, exact, regex, tags.\n",
            Self::Pattern => {
                "The expression is missing, malformed or too large. With `regex` it is the request's target, with `tags` the field X-Cache-Tags-Pattern.\n"
            }
        }
    }
}

impl Selection {
    /// Reads what a PURGE request for `target` (path and query as received) is for.
    pub(crate) fn of_request(target: &str, headers: &HeaderMap) -> Result<Self, Misread> {
        let method = headers.get(METHOD).map_or(&b"default"[..], |value| value.as_bytes());
        match method.to_ascii_lowercase().as_slice() {
            b"default" | b"exact" => Ok(Self::Target),
            b"regex" => expression(target, true).map(Self::Paths),
            b"tags" => {
                let pattern = headers.get(TAGS_PATTERN).and_then(|value| value.to_str().ok()).filter(|pattern| !pattern.is_empty());
                expression(pattern.ok_or(Misread::Pattern)?, false).map(Self::Tags)
            }
            _ => Err(Misread::Method),
        }
    }

    /// Reads what the origin's answer to an unsafe request names: `/*` is everything, `/$/` the front page. What cannot be read names
    /// everything, since something was changed.
    pub(crate) fn of_answer(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CACHE_INVALIDATE)?;
        let globs: Option<Vec<&str>> =
            value.to_str().ok().map(|text| text.split(',').map(str::trim).filter(|glob| !glob.is_empty()).collect());
        let everything = || expression("/", true).ok().map(Self::Paths);
        match globs {
            Some(globs) if globs.is_empty() => None,
            Some(globs) if globs.len() <= PATTERNS_MAX => {
                let any: Vec<String> = globs.iter().map(|glob| of_glob(glob)).collect();
                expression(&any.join("|"), true).ok().map(Self::Paths).or_else(everything)
            }
            _ => everything(),
        }
    }

    /// Tells whether a stored response of that path and with those tags is meant; `Target` is looked up instead.
    pub(crate) fn matches(&self, path: &str, tags: Option<&str>) -> bool {
        match self {
            Self::Target => false,
            Self::Paths(expression) => expression.is_match(path),
            Self::Tags(expression) => tags.is_some_and(|tags| expression.is_match(tags)),
        }
    }
}

fn expression(text: &str, from_the_beginning: bool) -> Result<Regex, Misread> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(Misread::Pattern);
    }
    let text = if from_the_beginning { format!("^(?:{text})") } else { text.to_owned() };
    RegexBuilder::new(&text).size_limit(1 << 20).dfa_size_limit(1 << 20).build().map_err(|_| Misread::Pattern)
}

/// `*` is anything; everything else is itself, to the end.
fn of_glob(glob: &str) -> String {
    if glob == "/$/" {
        return String::from("/$");
    }
    let parts: Vec<String> = glob.split('*').map(regex::escape).collect();
    format!("{}$", parts.join(".*"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap())).collect()
    }

    fn matches(target: &str, request: &[(&'static str, &str)], path: &str, tags: &str) -> Option<bool> {
        let selection = Selection::of_request(target, &fields(request)).ok()?;
        Some(selection.matches(path, Some(tags)))
    }

    #[test]
    fn the_plugins_three_ways_are_read() {
        for method in ["default", "exact", "Default"] {
            assert!(matches!(Selection::of_request("/a", &fields(&[("x-purge-method", method)])), Ok(Selection::Target)));
        }
        assert!(matches!(Selection::of_request("/a", &HeaderMap::new()), Ok(Selection::Target)));
        let regex = |target, path| matches(target, &[("x-purge-method", "regex")], path, "").unwrap();
        assert!(regex("/.*", "/") && regex("/.*", "/2026/a-post/?amp") && regex("/category/.*", "/category/a/"));
        assert!(!regex("/category/.*", "/old/category/a/") && !regex("/b|/c", "/a/b"));
        let tags = |pattern, tags| matches("/", &[("x-purge-method", "tags"), ("x-cache-tags-pattern", pattern)], "/", tags).unwrap();
        assert!(tags("(^|,)p-12(,|$)", "home,p-12,t-3") && tags(r"\bp-12\b|\bt-9\b", "t-9"));
        assert!(!tags("(^|,)p-12(,|$)", "home,p-123") && !tags("(^|,)p-12(,|$)", ""));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let misread = |target: &str, request: &[(&'static str, &str)]| Selection::of_request(target, &fields(request)).err();
        assert_eq!(misread("/", &[("x-purge-method", "everything")]), Some(Misread::Method));
        assert_eq!(misread("/(", &[("x-purge-method", "regex")]), Some(Misread::Pattern));
        assert_eq!(misread("/", &[("x-purge-method", "tags")]), Some(Misread::Pattern));
        assert_eq!(misread("/", &[("x-purge-method", "tags"), ("x-cache-tags-pattern", "a{1000}{1000}{1000}")]), Some(Misread::Pattern));
        assert_eq!(misread(&"a".repeat(PATTERN_BYTES_MAX + 1), &[("x-purge-method", "regex")]), Some(Misread::Pattern));
    }

    #[test]
    fn ghosts_words_are_read() {
        let meant = |value: &str, path: &str| {
            Selection::of_answer(&fields(&[("x-cache-invalidate", value)])).is_some_and(|it| it.matches(path, None))
        };
        assert!(meant("/*", "/") && meant("/*", "/a/b?c") && meant("/$/, /sitemap.xml", "/") && meant("/$/, /sitemap.xml", "/sitemap.xml"));
        assert!(!meant("/$/, /sitemap.xml", "/a/") && !meant("/sitemap.xml", "/sitemap-xml") && !meant("/rss/", "/rss/2"));
        assert!(meant("/page/*/", "/page/2/") && !meant("/page/*/", "/page/2"));
        assert!(
            Selection::of_answer(&fields(&[("x-cache-invalidate", " , ")])).is_none() && Selection::of_answer(&HeaderMap::new()).is_none()
        );
        assert!(meant(&"/a,".repeat(PATTERNS_MAX + 1), "/b"), "more than is looked at is everything");
    }

    proptest! {
        #[test]
        fn foreign_expressions_cannot_panic(target in "\\PC{0,64}", pattern in "[ -~]{0,64}", path in "/[ -~]{0,32}") {
            for method in ["regex", "tags"] {
                let request = fields(&[("x-purge-method", method), ("x-cache-tags-pattern", &pattern)]);
                if let Ok(selection) = Selection::of_request(&target, &request) {
                    let _ = selection.matches(&path, Some(&path));
                }
            }
            let globs = Selection::of_answer(&fields(&[("x-cache-invalidate", &pattern)]));
            prop_assert!(globs.is_some() || pattern.split(',').all(|glob| glob.trim().is_empty()));
        }

        #[test]
        fn a_path_means_itself(path in "/[a-z0-9.?=&+()-]{0,20}", other in "/[a-z0-9.?=&+()-]{0,20}") {
            prop_assume!(!path.contains(','));
            let it = Selection::of_answer(&fields(&[("x-cache-invalidate", &path)])).unwrap();
            prop_assert!(it.matches(&path, None));
            prop_assert_eq!(it.matches(&other, None), path == other);
        }
    }
}
