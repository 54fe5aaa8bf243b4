//! Age and freshness (RFC 9111 section 4.2), computed once, when a response comes.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use overspill_governance::time::Date;

use super::{control::seconds, targeted::Governing};

/// A guessed lifetime is at most this: an author who corrects a page sees the correction soon, a validator makes asking again cheap.
const HEURISTIC_MAX: Duration = Duration::from_mins(5);

/// How long a response is fresh, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// The origin said it.
    Explicit(Duration),
    /// Guessed from Last-Modified.
    Heuristic(Duration),
    /// Nobody said anything.
    Unknown,
}

/// Reads an HTTP date, in milliseconds since the epoch.
pub(crate) fn date(headers: &HeaderMap, name: &HeaderName) -> Option<Date> {
    headers.get(name).and_then(parse_date)
}

pub(crate) fn parse_date(value: &HeaderValue) -> Option<Date> {
    let time = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Date::from_millis(u64::try_from(since.as_millis()).ok()?))
}

/// How old a response was when it came; `None` when its Age cannot be read.
//= RFC 9111 section 4.2.3
pub(crate) fn initial_age(headers: &HeaderMap, asked: Date, came: Date) -> Option<Duration> {
    let apparent = date(headers, &header::DATE).map_or(Duration::ZERO, |date| came.since(date));
    let corrected = stated_age(headers)? + came.since(asked);
    // A Date behind by less than the skew that clocks on one machine room have says nothing.
    let apparent = if apparent < Duration::from_secs(2) { Duration::ZERO } else { apparent };
    Some(apparent.max(corrected))
}

/// Reads Age. Section 5.1 would have an unreadable one ignored and the first of several used; but they come from a chain of caches of which
/// one errs, so that nobody knows how old the response is. It is taken for stale instead.
fn stated_age(headers: &HeaderMap) -> Option<Duration> {
    let mut ages = headers.get_all(header::AGE).iter();
    let Some(age) = ages.next() else { return Some(Duration::ZERO) };
    let digits = age.as_bytes().trim_ascii();
    if ages.next().is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(seconds(digits))
}

/// How long a response is fresh, counted from its generation.
//= RFC 9111 section 4.2.1
pub(crate) fn lifetime(governing: &Governing, headers: &HeaderMap, came: Date, with_query: bool) -> Lifetime {
    if let Some(lifetime) = governing.control.lifetime() {
        return Lifetime::Explicit(lifetime);
    }
    let generated = date(headers, &header::DATE).unwrap_or(came);
    if let Some(expires) = headers.get(header::EXPIRES).filter(|_| !governing.targeted) {
        // An invalid date, especially "0", means already expired (section 5.3).
        return Lifetime::Explicit(parse_date(expires).map_or(Duration::ZERO, |expires| expires.since(generated)));
    }
    //= RFC 9111 section 4.2.2: a tenth of the time since the last change.
    match date(headers, &header::LAST_MODIFIED) {
        Some(modified) if !with_query && modified < generated => Lifetime::Heuristic((generated.since(modified) / 10).min(HEURISTIC_MAX)),
        _ => Lifetime::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAME: Date = Date::from_millis(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn lifetime_of(pairs: &[(&'static str, &'static str)]) -> Lifetime {
        let headers = fields(pairs);
        lifetime(&Governing::of(&headers), &headers, CAME, false)
    }

    #[test]
    fn the_origin_is_believed_before_guesses() {
        assert_eq!(lifetime_of(&[("cache-control", "max-age=60"), ("expires", "0")]), Lifetime::Explicit(Duration::from_mins(1)));
        let expires = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("expires", "Sunday, 06-Nov-94 08:50:37 GMT")];
        assert_eq!(lifetime_of(&expires), Lifetime::Explicit(Duration::from_mins(1)));
        assert_eq!(lifetime_of(&[("expires", "0")]), Lifetime::Explicit(Duration::ZERO));
        assert_eq!(lifetime_of(&[("last-modified", "Sun, 06 Nov 1994 08:39:37 GMT")]), Lifetime::Heuristic(Duration::from_mins(1)));
        assert_eq!(lifetime_of(&[("last-modified", "Sun, 06 Nov 1904 08:39:37 GMT")]), Lifetime::Unknown);
        assert_eq!(lifetime_of(&[]), Lifetime::Unknown);
    }

    #[test]
    fn age_counts_from_the_first_cache_that_held_it() {
        let asked = CAME.before(Duration::from_secs(3));
        let age = |pairs: &[(&'static str, &'static str)], asked| initial_age(&fields(pairs), asked, CAME).map(|age| age.as_secs());
        assert_eq!(age(&[("age", "10")], asked), Some(13));
        assert_eq!(age(&[("age", "99999999999999999999")], CAME), Some(1 << 31));
        assert_eq!(age(&[("date", "Sun, 06 Nov 1994 08:48:37 GMT")], CAME), Some(60));
        assert_eq!(age(&[("date", "Sun, 06 Nov 1994 09:48:37 GMT")], CAME), Some(0));
    }

    #[test]
    fn an_age_that_cannot_be_read_is_no_age() {
        for value in ["abc", "-7200", "7200.0", "7200,0", "0, 0", "7200;foo=bar", "", "+5"] {
            assert_eq!(initial_age(&fields(&[("age", value)]), CAME, CAME), None, "{value}");
        }
        let mut twice = fields(&[("age", "0")]);
        twice.append(header::AGE, HeaderValue::from_static("0"));
        assert_eq!(initial_age(&twice, CAME, CAME), None);
    }
}
