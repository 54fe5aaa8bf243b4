//! May this response be stored? The one place that can say yes (RFC 9111 section 3), with the operator's contract for pages that say nothing.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use overspill_governance::time::Date;

use super::{
    control::Control,
    fresh::{Lifetime, initial_age, lifetime},
    vary::Vary,
};
use crate::{cookies::Cookies, paths::is_personal};

/// On whose word a response is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The origin gave it a lifetime.
    Explicit,
    /// Its age allows a guess (RFC 9111 section 4.2.2).
    Heuristic,
    /// The origin said nothing. It is stale from the beginning and is used only while the origin is under pressure or fails: RFC 9111
    /// section 4.2.4 lets a stale response be used when that is "explicitly permitted by ... out-of-band contract", which is what the
    /// operator's configuration is.
    Contract,
}

/// Proof that a response may be stored. Only [`admit`] makes one.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    pub(super) kept: Kept,
    pub(super) age: Duration,
    pub(super) lifetime: Duration,
    pub(super) control: Control,
    pub(super) vary: Vary,
}

impl Admitted {
    pub(crate) fn kept(&self) -> Kept {
        self.kept
    }

    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    pub(crate) fn vary(&self) -> &Vary {
        &self.vary
    }
}

/// A GET request as the policy sees it. (No other method's response is ever stored.)
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) cookies: Cookies,
    pub(crate) at: Date,
}

/// Decides whether a final response to `asked` that came at `came` may be stored.
pub(crate) fn admit(asked: Asked<'_>, status: StatusCode, headers: &HeaderMap, came: Date) -> Option<Admitted> {
    let control = Control::of(headers);
    //= RFC 9111 section 3: no-store, private, Authorization; section 5.2.1.5: the request's no-store.
    if control.no_store || control.private || Control::of(asked.headers).no_store || asked.headers.contains_key(header::AUTHORIZATION) {
        return None;
    }
    // RFC 9111 section 7.3 leaves Set-Cookie to caches; to share one visitor's session is the worst thing a cache can do.
    if headers.contains_key(header::SET_COOKIE) || asked.cookies == Cookies::Session || headers.contains_key(header::CONTENT_RANGE) {
        return None;
    }
    let vary = Vary::of(headers)?;
    if vary.names(&header::COOKIE) && asked.cookies != Cookies::Free {
        return None;
    }
    let with_query = asked.path.contains('?');
    let stated = lifetime(&control, headers, came, with_query);
    let understood = matches!(status.as_u16(), 200 | 203 | 301 | 302 | 307 | 308 | 404 | 410);
    let guessable = status == StatusCode::OK;
    let validator = headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED);
    let (kept, lifetime) = match stated {
        Lifetime::Explicit(lifetime) if understood && !control.no_cache && (lifetime > Duration::ZERO || validator) => {
            (Kept::Explicit, lifetime)
        }
        _ if control.no_cache && understood && guessable && validator => (Kept::Explicit, Duration::ZERO),
        Lifetime::Heuristic(lifetime) if guessable && !control.no_cache => (Kept::Heuristic, lifetime),
        Lifetime::Unknown if guessable && !control.no_cache && by_contract(asked) => (Kept::Contract, Duration::ZERO),
        _ => return None,
    };
    Some(Admitted { kept, age: initial_age(headers, asked.at, came), lifetime, control, vary })
}

/// Only what a visitor without any telling cookie got, and never a path that acts.
fn by_contract(asked: Asked<'_>) -> bool {
    asked.cookies == Cookies::Free && !is_personal(asked.path.split('?').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn kept(
        path: &str,
        cookies: Cookies,
        request: &[(&'static str, &'static str)],
        status: u16,
        response: &[(&'static str, &'static str)],
    ) -> Option<Kept> {
        let at = Date::from_millis(784_111_777_000);
        let headers = fields(request);
        admit(Asked { path, headers: &headers, cookies, at }, StatusCode::from_u16(status).unwrap(), &fields(response), at)
            .map(|admitted| admitted.kept)
    }

    fn plain(response: &[(&'static str, &'static str)]) -> Option<Kept> {
        kept("/a", Cookies::Free, &[], 200, response)
    }

    #[test]
    fn what_is_personal_or_forbidden_is_not_stored() {
        for response in [
            &[("cache-control", "max-age=60, no-store")][..],
            &[("cache-control", "private, max-age=60")],
            &[("cache-control", "max-age=60"), ("set-cookie", "a=b")],
            &[("cache-control", "max-age=60"), ("vary", "*")],
            &[("cache-control", "max-age=0")],
            &[("cache-control", "no-cache")],
            &[("expires", "0")],
        ] {
            assert_eq!(plain(response), None, "{response:?}");
        }
        let fresh = [("cache-control", "max-age=60")];
        assert_eq!(kept("/a", Cookies::Session, &[], 200, &fresh), None);
        assert_eq!(kept("/a", Cookies::Free, &[("authorization", "x")], 200, &fresh), None);
        assert_eq!(kept("/a", Cookies::Free, &[("cache-control", "no-store")], 200, &fresh), None);
        for status in [206, 304, 401, 403, 500, 503] {
            assert_eq!(kept("/a", Cookies::Free, &[], status, &fresh), None, "{status}");
        }
    }

    #[test]
    fn what_the_origin_allows_is_stored_on_its_word() {
        assert_eq!(plain(&[("cache-control", "max-age=60")]), Some(Kept::Explicit));
        assert_eq!(plain(&[("cache-control", "no-cache"), ("etag", "\"1\"")]), Some(Kept::Explicit));
        assert_eq!(plain(&[("last-modified", "Sun, 06 Nov 1994 08:39:37 GMT")]), Some(Kept::Heuristic));
        assert_eq!(kept("/a", Cookies::Unknown, &[], 200, &[("cache-control", "max-age=60")]), Some(Kept::Explicit));
        assert_eq!(kept("/a", Cookies::Free, &[], 404, &[("cache-control", "max-age=60")]), Some(Kept::Explicit));
    }

    #[test]
    fn pages_that_say_nothing_are_kept_by_contract() {
        assert_eq!(plain(&[("content-type", "text/html")]), Some(Kept::Contract));
        assert_eq!(kept("/a", Cookies::Unknown, &[], 200, &[]), None);
        assert_eq!(kept("/a", Cookies::Free, &[], 404, &[]), None);
        for path in ["/wp-login.php", "/blog/wp-admin/x", "/cart/", "/wp-json/v2?x"] {
            assert_eq!(kept(path, Cookies::Free, &[], 200, &[]), None, "{path}");
        }
    }

    const RESPONSE_FIELDS: [(&str, &str); 10] = [
        ("cache-control", "max-age=600"),
        ("cache-control", "public, s-maxage=60"),
        ("expires", "Sun, 06 Nov 2094 08:49:37 GMT"),
        ("last-modified", "Sun, 06 Nov 1994 08:39:37 GMT"),
        ("etag", "\"1\""),
        ("vary", "accept-encoding"),
        ("content-encoding", "gzip"),
        ("content-type", "text/html"),
        ("age", "30"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ];
    const FORBIDDING: [(&str, &str); 6] = [
        ("cache-control", "no-store"),
        ("cache-control", "private"),
        ("cache-control", "private=\"x\", max-age=60"),
        ("set-cookie", "session=1"),
        ("vary", "*"),
        ("content-range", "bytes 0-1/2"),
    ];

    proptest::proptest! {
        #[test]
        fn nothing_outweighs_a_word_that_forbids(
            chosen in proptest::collection::vec(0..RESPONSE_FIELDS.len(), 0..6),
            forbids in 0..FORBIDDING.len(),
            at in 0_usize..6,
            status in proptest::sample::select(vec![200_u16, 203, 301, 404]),
        ) {
            let mut response: Vec<_> = chosen.iter().map(|index| RESPONSE_FIELDS[*index]).collect();
            response.insert(at.min(response.len()), FORBIDDING[forbids]);
            let mut headers = HeaderMap::new();
            for (name, value) in response {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let (request, date) = (HeaderMap::new(), Date::from_millis(784_111_777_000));
            let asked = Asked { path: "/a", headers: &request, cookies: Cookies::Free, at: date };
            proptest::prop_assert!(admit(asked, StatusCode::from_u16(status).unwrap(), &headers, date).is_none());
        }
    }
}
