//! May this response be stored? The one place that can say yes (RFC 9111 section 3), with the operator's contract for pages that say nothing.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use overspill_governance::time::Date;

use super::{
    control::Control,
    fresh::{Lifetime, initial_age, lifetime},
    status,
    targeted::Governing,
    vary::Vary,
};
use crate::{cookies::Cookies, limits::FAILURE_LIFETIME_MAX, paths::is_personal};

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
    let governing = Governing::of(headers);
    let control = governing.control;
    if !status::is_storable(status) || forbidden(asked, status, headers, &control) {
        return None;
    }
    let vary = Vary::of(headers)?;
    if vary.names(&header::COOKIE) && asked.cookies != Cookies::Free {
        return None;
    }
    let with_query = asked.path.contains('?');
    let validator = headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED);
    // A response that is stale from the beginning is of use if the origin can confirm it, or lets it be shown nevertheless.
    let worth_asking = status == StatusCode::OK && validator;
    let worth_keeping = worth_asking || (status == StatusCode::OK && control.outlives_freshness());
    let (age, stated) = match initial_age(headers, asked.at, came) {
        Some(age) => (age, lifetime(&governing, headers, came, with_query)),
        None => (Duration::ZERO, Lifetime::Explicit(Duration::ZERO)),
    };
    let most = if status::is_failure(status) { FAILURE_LIFETIME_MAX } else { Duration::MAX };
    let (kept, lifetime) = match stated {
        _ if control.no_cache => (worth_asking.then_some(Kept::Explicit)?, Duration::ZERO),
        //= RFC 9111 section 3: any final status, if the origin gives it a lifetime.
        Lifetime::Explicit(lifetime) if worth_keeping || lifetime > age => (Kept::Explicit, lifetime.min(most)),
        Lifetime::Heuristic(lifetime) if status::is_heuristic(status) || control.public => (Kept::Heuristic, lifetime.min(most)),
        Lifetime::Unknown if (status == StatusCode::OK || status::is_gone(status)) && by_contract(asked) => {
            (Kept::Contract, Duration::ZERO)
        }
        _ => return None,
    };
    Some(Admitted { kept, age, lifetime, control, vary })
}

/// What may not be stored whatever its lifetime.
fn forbidden(asked: Asked<'_>, status: StatusCode, headers: &HeaderMap, control: &Control) -> bool {
    //= RFC 9111 section 5.2.2.3: whoever understands the status code passes over the no-store that stands beside must-understand.
    let no_store = if control.must_understand { !status::is_understood(status) } else { control.no_store };
    //= RFC 9111 section 3: no-store, private, Authorization; section 5.2.1.5: the request's no-store.
    no_store
        || control.private
        || Control::of(asked.headers).no_store
        || (asked.headers.contains_key(header::AUTHORIZATION) && !control.admits_authorized())
        || asked.cookies == Cookies::Session
        // Section 7.3 leaves Set-Cookie to caches; to share one visitor's session is the worst thing a cache can do.
        || headers.contains_key(header::SET_COOKIE)
}

/// Only what a visitor without any telling cookie got, and never a path that acts.
fn by_contract(asked: Asked<'_>) -> bool {
    asked.cookies == Cookies::Free
        && !asked.headers.contains_key(header::AUTHORIZATION)
        && !is_personal(asked.path.split('?').next().unwrap_or_default())
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
            &[("cache-control", "max-age=0, must-revalidate, stale-while-revalidate=60")],
            &[("cache-control", "no-cache")],
            &[("expires", "0")],
        ] {
            assert_eq!(plain(response), None, "{response:?}");
        }
        let fresh = [("cache-control", "max-age=60")];
        assert_eq!(kept("/a", Cookies::Session, &[], 200, &fresh), None);
        assert_eq!(kept("/a", Cookies::Free, &[("authorization", "x")], 200, &fresh), None);
        assert_eq!(kept("/a", Cookies::Free, &[("cache-control", "no-store")], 200, &fresh), None);
        for status in [206, 304] {
            assert_eq!(kept("/a", Cookies::Free, &[], status, &fresh), None, "{status}");
        }
        assert_eq!(plain(&[("cache-control", "max-age=60"), ("age", "a minute")]), None);
        assert_eq!(plain(&[("cache-control", "max-age=60"), ("age", "60")]), None);
    }

    #[test]
    fn what_the_origin_allows_is_stored_on_its_word() {
        assert_eq!(plain(&[("cache-control", "max-age=60")]), Some(Kept::Explicit));
        assert_eq!(plain(&[("cache-control", "no-cache"), ("etag", "\"1\"")]), Some(Kept::Explicit));
        assert_eq!(plain(&[("cache-control", "max-age=0, stale-while-revalidate=60")]), Some(Kept::Explicit));
        assert_eq!(plain(&[("last-modified", "Sun, 06 Nov 1994 08:39:37 GMT")]), Some(Kept::Heuristic));
        assert_eq!(kept("/a", Cookies::Unknown, &[], 200, &[("cache-control", "max-age=60")]), Some(Kept::Explicit));
        assert_eq!(kept("/a", Cookies::Free, &[], 404, &[("cache-control", "max-age=60")]), Some(Kept::Explicit));
    }

    #[test]
    fn any_final_status_is_kept_on_the_origins_word_and_failures_for_a_moment() {
        let lifetime = |status, response: &[(&'static str, &'static str)]| {
            let (at, request) = (Date::from_millis(784_111_777_000), HeaderMap::new());
            let asked = Asked { path: "/a", headers: &request, cookies: Cookies::Free, at };
            admit(asked, StatusCode::from_u16(status).unwrap(), &fields(response), at).map(|admitted| admitted.lifetime())
        };
        for status in [200, 204, 299, 302, 303, 404, 410] {
            assert_eq!(lifetime(status, &[("cache-control", "max-age=60")]), Some(Duration::from_mins(1)), "{status}");
        }
        for status in [403, 409, 499, 500, 502, 503, 504, 599] {
            assert_eq!(lifetime(status, &[("cache-control", "max-age=60")]), Some(FAILURE_LIFETIME_MAX), "{status}");
            assert_eq!(lifetime(status, &[]), None, "{status}");
            assert_eq!(lifetime(status, &[("last-modified", "Sun, 06 Nov 1994 08:39:37 GMT")]), None, "{status}");
            assert_eq!(lifetime(status, &[("cache-control", "no-cache"), ("etag", "\"1\"")]), None, "{status}");
        }
        let changed = ("last-modified", "Sun, 06 Nov 1994 08:39:37 GMT");
        assert_eq!(lifetime(404, &[changed]), Some(Duration::from_mins(1)));
        assert_eq!(lifetime(599, &[changed, ("cache-control", "public")]), Some(FAILURE_LIFETIME_MAX));
        assert_eq!(lifetime(201, &[changed]), None);
        assert_eq!(lifetime(400, &[("cache-control", "max-age=60")]), None, "said of one request");
    }

    #[test]
    fn must_understand_is_understood() {
        let response = [("cache-control", "max-age=60, must-understand, no-store")];
        assert_eq!(kept("/a", Cookies::Free, &[], 200, &response), Some(Kept::Explicit));
        assert_eq!(kept("/a", Cookies::Free, &[], 599, &response), None);
        assert_eq!(kept("/a", Cookies::Free, &[], 599, &[("cache-control", "max-age=60, must-understand")]), None);
    }

    #[test]
    fn who_is_authorized_shares_only_what_the_origin_says() {
        let authorized = |control: &'static str| kept("/a", Cookies::Free, &[("authorization", "x")], 200, &[("cache-control", control)]);
        for control in ["max-age=60, public", "max-age=60, must-revalidate", "s-maxage=60"] {
            assert_eq!(authorized(control), Some(Kept::Explicit), "{control}");
        }
        for control in ["max-age=60", "max-age=60, proxy-revalidate", "public", "public, private, max-age=60"] {
            assert_eq!(authorized(control), None, "{control}");
        }
    }

    #[test]
    fn a_field_addressed_to_us_decides() {
        assert_eq!(plain(&[("cache-control", "no-store"), ("cdn-cache-control", "max-age=60")]), Some(Kept::Explicit));
        assert_eq!(plain(&[("cache-control", "max-age=60"), ("cdn-cache-control", "private")]), None);
        assert_eq!(plain(&[("expires", "Sun, 06 Nov 2094 08:49:37 GMT"), ("cdn-cache-control", "must-revalidate")]), Some(Kept::Contract));
    }

    #[test]
    fn pages_that_say_nothing_are_kept_by_contract() {
        assert_eq!(plain(&[("content-type", "text/html")]), Some(Kept::Contract));
        assert_eq!(kept("/a", Cookies::Unknown, &[], 200, &[]), None);
        assert_eq!(kept("/a", Cookies::Free, &[], 404, &[]), Some(Kept::Contract));
        assert_eq!(kept("/a", Cookies::Free, &[], 403, &[]), None);
        for path in ["/wp-login.php", "/blog/wp-admin/x", "/cart/", "/wp-json/v2?x"] {
            assert_eq!(kept(path, Cookies::Free, &[], 200, &[]), None, "{path}");
        }
    }

    const RESPONSE_FIELDS: [(&str, &str); 12] = [
        ("cache-control", "stale-if-error=600"),
        ("cache-groups", "\"a\""),
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
        ("cdn-cache-control", "no-store, max-age=60"),
        ("cache-control", "private"),
        ("cache-control", "private=\"x\", max-age=60"),
        ("set-cookie", "session=1"),
        ("vary", "*"),
    ];

    proptest::proptest! {
        #[test]
        fn nothing_outweighs_a_word_that_forbids(
            chosen in proptest::collection::vec(0..RESPONSE_FIELDS.len(), 0..6),
            forbids in 0..FORBIDDING.len(),
            at in 0_usize..6,
            status in proptest::sample::select(vec![200_u16, 203, 204, 301, 404, 500, 599]),
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
