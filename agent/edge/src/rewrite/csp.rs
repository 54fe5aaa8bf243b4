//! Content Security Policy: would a page's policies let it load files from a helper, and bring them back (CSP Level 3)?
//!
//! Read carefully rather than completely: what is not understood counts as forbidden, and the page is left alone.

use super::limits::POLICY_BYTES_MAX;

/// What a file is for, as far as policies tell such things apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// `script-src-elem`.
    Script,
    /// `style-src-elem`.
    Style,
    /// `img-src`.
    Image,
    /// `font-src`.
    Font,
    /// `media-src`.
    Media,
}

impl Use {
    /// The directives that may govern it; the first that a policy has, does (CSP Level 3 section 6.8.3).
    const fn directives(self) -> &'static [&'static str] {
        match self {
            Self::Script => &["script-src-elem", "script-src", "default-src"],
            Self::Style => &["style-src-elem", "style-src", "default-src"],
            Self::Image => &["img-src", "default-src"],
            Self::Font => &["font-src", "default-src"],
            Self::Media => &["media-src", "default-src"],
        }
    }
}

/// All policies of one page. Each must agree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Policies {
    /// Directives in lower case, each with its words as they stand.
    policies: Vec<Vec<(String, Vec<String>)>>,
    is_unreadable: bool,
}

/// Scheme and authority of an address that a page may want to load from.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    scheme: &'a str,
    host: &'a str,
    port: &'a str,
}

impl<'a> Place<'a> {
    fn of(base: &'a str) -> Option<Self> {
        let (scheme, authority) = base.split_once("://")?;
        let own = if scheme == "https" { "443" } else { "80" };
        let (host, port) = authority.rsplit_once(':').filter(|(_, port)| is_number(port)).unwrap_or((authority, own));
        (!host.is_empty() && !authority.contains('/')).then_some(Self { scheme, host, port })
    }
}

impl Policies {
    /// Adds the policies of one header field or one `<meta>`.
    pub(crate) fn add(&mut self, text: &str) {
        let length: usize =
            self.policies.iter().flatten().map(|(name, words)| name.len() + words.iter().map(String::len).sum::<usize>()).sum();
        if length + text.len() > POLICY_BYTES_MAX {
            self.is_unreadable = true;
            return;
        }
        for policy in text.split(',') {
            let mut directives: Vec<(String, Vec<String>)> = Vec::new();
            for directive in policy.split(';') {
                let mut words = directive.split_ascii_whitespace();
                let Some(name) = words.next().map(str::to_ascii_lowercase) else { continue };
                // The first of a name counts (CSP Level 3 section 2.2.1).
                if directives.iter().all(|(known, _)| *known != name) {
                    directives.push((name, words.map(str::to_owned).collect()));
                }
            }
            if !directives.is_empty() {
                self.policies.push(directives);
            }
        }
    }

    /// Adds a policy that cannot be read as text.
    pub(crate) fn add_unreadable(&mut self) {
        self.is_unreadable = true;
    }

    /// Whether the page has any.
    pub(crate) fn is_empty(&self) -> bool {
        self.policies.is_empty() && !self.is_unreadable
    }

    /// Tells whether the page at `own` (scheme and authority) may run a script of its own that brings files back.
    pub(crate) fn let_restore(&self, own: &str) -> bool {
        const HINDERING: [&str; 2] = ["sandbox", "require-trusted-types-for"];
        let hinders = |(name, _): &(String, Vec<String>)| HINDERING.contains(&name.as_str());
        !self.policies.iter().flatten().any(hinders) && self.permit(Use::Script, own, own)
    }

    /// Tells whether the page at `own` may load a file from `base`.
    pub(crate) fn permit(&self, what: Use, base: &str, own: &str) -> bool {
        let (Some(place), Some(own)) = (Place::of(base), Place::of(own)) else { return false };
        !self.is_unreadable && self.policies.iter().all(|policy| permits(policy, what, place, own))
    }
}

fn permits(policy: &[(String, Vec<String>)], what: Use, place: Place<'_>, own: Place<'_>) -> bool {
    let find = |name: &str| policy.iter().find(|(known, _)| known == name).map(|(_, words)| words);
    if place.scheme != "https" && find("upgrade-insecure-requests").is_some() {
        return false;
    }
    let Some(sources) = what.directives().iter().find_map(|name| find(name)) else { return true };
    // With 'strict-dynamic' no address counts (section 8.2).
    let strict = what == Use::Script && sources.iter().any(|source| source.eq_ignore_ascii_case("'strict-dynamic'"));
    !strict && sources.iter().any(|source| matches(source, place, own))
}

/// Section 6.7.2.6, without paths: a source with one is taken not to match.
fn matches(source: &str, place: Place<'_>, own: Place<'_>) -> bool {
    if source == "*" {
        return true;
    }
    if source.eq_ignore_ascii_case("'self'") {
        return place.host.eq_ignore_ascii_case(own.host) && place.port == own.port && place.scheme == own.scheme;
    }
    if source.starts_with('\'') {
        return false;
    }
    if let Some(scheme) = source.strip_suffix(':') {
        return fits(scheme, place.scheme);
    }
    let (scheme, rest) = source.split_once("://").unwrap_or((own.scheme, source));
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if port == "*" || is_number(port) => (host, Some(port)),
        _ => (rest, None),
    };
    let own_port = if place.scheme == "https" { "443" } else { "80" };
    let port_fits = port.map_or(place.port == own_port, |port| port == "*" || port == place.port);
    let host_fits = match host.strip_prefix("*.") {
        Some(suffix) => {
            place.host.len() > suffix.len() + 1 && {
                let (start, end) = place.host.split_at(place.host.len() - suffix.len());
                start.ends_with('.') && end.eq_ignore_ascii_case(suffix)
            }
        }
        None => host == "*" || host.eq_ignore_ascii_case(place.host),
    };
    fits(scheme, place.scheme) && port_fits && host_fits
}

/// `http` lets `https` in (section 6.7.2.7).
fn fits(source: &str, scheme: &str) -> bool {
    source.eq_ignore_ascii_case(scheme) || (source.eq_ignore_ascii_case("http") && scheme == "https")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWN: &str = "https://blog.example";
    const HELPER: &str = "https://blog-7x.helper.example";

    fn policies(text: &str) -> Policies {
        let mut policies = Policies::default();
        policies.add(text);
        policies
    }

    fn permits(text: &str, what: Use) -> bool {
        policies(text).permit(what, HELPER, OWN)
    }

    #[test]
    fn a_page_without_policies_may_do_everything() {
        assert!(policies("").is_empty() && permits("", Use::Script) && policies(";; ,").let_restore(OWN));
    }

    #[test]
    fn the_nearest_directive_counts() {
        assert!(!permits("default-src 'self'", Use::Image));
        assert!(permits("default-src 'self'; img-src *", Use::Image));
        assert!(!permits("default-src *; img-src 'none'", Use::Image) && permits("default-src *; img-src 'none'", Use::Font));
        assert!(!permits("script-src *; script-src-elem 'self'", Use::Script));
        assert!(!permits("img-src 'none'; img-src *", Use::Image), "the first of a name counts");
        assert!(!permits("img-src *, img-src 'self'", Use::Image), "each policy must agree");
        assert!(permits("frame-ancestors 'none'; base-uri 'self'", Use::Script));
    }

    #[test]
    fn sources_are_matched_as_browsers_do() {
        for (source, matches) in [
            ("https:", true),
            ("http:", true),
            ("data:", false),
            ("*.helper.example", true),
            ("*.example", true),
            ("helper.example", false),
            ("*.blog-7x.helper.example", false),
            ("BLOG-7X.helper.example", true),
            ("http://blog-7x.helper.example", true),
            ("blog-7x.helper.example:443", true),
            ("blog-7x.helper.example:8443", false),
            ("*.helper.example:*", true),
            ("blog-7x.helper.example/", true),
            ("blog-7x.helper.example/images/", false),
            ("'unsafe-inline'", false),
            ("'nonce-abc'", false),
        ] {
            assert_eq!(permits(&format!("style-src {source}"), Use::Style), matches, "{source}");
        }
        assert!(policies("img-src http:").permit(Use::Image, "http://a.example:81", "http://blog.example"));
        assert!(!policies("img-src https:").permit(Use::Image, "http://a.example", "http://blog.example"));
    }

    #[test]
    fn what_hinders_restoring_leaves_the_page_alone() {
        assert!(policies("script-src 'self' https:").let_restore(OWN));
        for text in [
            "script-src 'strict-dynamic' 'nonce-a' https:",
            "script-src https://cdn.example",
            "sandbox allow-scripts",
            "require-trusted-types-for 'script'",
        ] {
            assert!(!policies(text).let_restore(OWN), "{text}");
        }
        assert!(!policies("upgrade-insecure-requests").permit(Use::Image, "http://a.example", "http://blog.example"));
        assert!(policies("upgrade-insecure-requests").permit(Use::Image, HELPER, OWN));
    }

    #[test]
    fn what_is_too_long_forbids_everything() {
        assert!(!permits(&format!("img-src {}", "* ".repeat(POLICY_BYTES_MAX)), Use::Image));
        let mut unreadable = Policies::default();
        unreadable.add_unreadable();
        assert!(!unreadable.is_empty() && !unreadable.permit(Use::Image, HELPER, OWN) && !unreadable.let_restore(OWN));
    }

    proptest! {
        #[test]
        fn one_policy_more_never_permits_more(
            one in "((default-src|img-src|script-src) ('self'|\\*|https:|'none'|\\*\\.example|x\\.example)( |;|,)){0,4}",
            other in "((default-src|img-src|script-src) ('self'|\\*|https:|'none'|\\*\\.example|x\\.example)( |;|,)){0,4}",
        ) {
            let mut both = policies(&one);
            both.add(&other);
            for what in [Use::Script, Use::Image, Use::Font] {
                let apart = permits(&one, what) && permits(&other, what);
                prop_assert_eq!(both.permit(what, HELPER, OWN), apart);
            }
        }

        #[test]
        fn foreign_text_never_panics(text in ".{0,80}", base in ".{0,20}") {
            let _ = (policies(&text).permit(Use::Media, &base, OWN), policies(&text).let_restore(&base));
        }
    }
}
