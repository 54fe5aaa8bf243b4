//! Cache-Control, read tolerantly: unknown directives are passed over, nonsense numbers count as zero (RFC 9111 section 5.2).

use std::time::Duration;

use http::{HeaderMap, header};

/// RFC 9111 section 1.2.2: a number beyond this is read as this.
const SECONDS_MAX: u64 = 1 << 31;

/// The directives that this cache obeys, of a request or a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Control {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
}

impl Control {
    /// Reads all Cache-Control fields.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for value in headers.get_all(header::CACHE_CONTROL) {
            for directive in split(value.as_bytes()) {
                control.take(directive);
            }
        }
        control
    }

    fn take(&mut self, directive: &[u8]) {
        let mut halves = directive.splitn(2, |byte| *byte == b'=');
        let name = halves.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        let argument = halves.next().map(<[u8]>::trim_ascii);
        match self.span(&name) {
            //= RFC 9111 section 4.2.1: of a repeated directive the first occurrence counts; an invalid number means stale.
            Some(span) => *span = span.or(Some(seconds(argument.unwrap_or_default()))),
            None => self.say(&name),
        }
    }

    /// Takes a directive whose argument, if it has one, says nothing to this cache.
    pub(super) fn say(&mut self, name: &[u8]) {
        let flag = match name {
            b"no-store" => &mut self.no_store,
            // With field names as argument, both forbid less; to forbid more is always allowed.
            b"no-cache" => &mut self.no_cache,
            b"private" => &mut self.private,
            b"public" => &mut self.public,
            b"must-revalidate" => &mut self.must_revalidate,
            b"proxy-revalidate" => &mut self.proxy_revalidate,
            b"must-understand" => &mut self.must_understand,
            b"only-if-cached" => &mut self.only_if_cached,
            _ => {
                if let Some(span) = self.span(name) {
                    *span = Some(Duration::ZERO);
                }
                return;
            }
        };
        *flag = true;
    }

    /// Takes a directive with a number, of a field in which the last occurrence counts.
    pub(super) fn say_seconds(&mut self, name: &[u8], number: i64) {
        match self.span(name) {
            Some(span) => *span = Some(Duration::from_secs(u64::try_from(number).unwrap_or(0).min(SECONDS_MAX))),
            None => self.say(name),
        }
    }

    fn span(&mut self, name: &[u8]) -> Option<&mut Option<Duration>> {
        match name {
            b"max-age" => Some(&mut self.max_age),
            b"s-maxage" => Some(&mut self.s_maxage),
            b"stale-while-revalidate" => Some(&mut self.stale_while_revalidate),
            b"stale-if-error" => Some(&mut self.stale_if_error),
            _ => None,
        }
    }

    /// What a shared cache goes by: `s-maxage`, else `max-age` (RFC 9111 section 5.2.2.10).
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.s_maxage.or(self.max_age)
    }

    /// Tells whether the origin lets a stale response be shown (RFC 5861).
    pub(crate) fn outlives_freshness(&self) -> bool {
        let some = |span: Option<Duration>| span.is_some_and(|span| !span.is_zero());
        !self.forbids_stale() && (some(self.stale_while_revalidate) || some(self.stale_if_error))
    }

    /// Tells whether the response may be kept although its request was authorized, and be used for others that are.
    //= RFC 9111 section 3.5
    pub(crate) fn admits_authorized(&self) -> bool {
        self.public || self.must_revalidate || self.s_maxage.is_some()
    }

    /// Tells whether a stale response must not be used without asking the origin (`s-maxage` implies `proxy-revalidate`).
    pub(crate) fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.no_cache || self.s_maxage.is_some()
    }
}

/// A number of seconds; what is none counts as zero.
pub(super) fn seconds(argument: &[u8]) -> Duration {
    let digits = argument.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(argument);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Duration::ZERO;
    }
    let number = digits.iter().fold(0_u64, |sum, digit| (sum * 10 + u64::from(digit - b'0')).min(SECONDS_MAX));
    Duration::from_secs(number)
}

/// Splits a list at its commas, but not inside quoted strings.
pub(super) fn split(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    list.split(move |byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(value: &[u8]) -> Control {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_bytes(value).unwrap());
        Control::of(&headers)
    }

    #[test]
    fn directives_are_read() {
        let control = of(b"Public, MAX-AGE=60 , s-maxage=\"90\", foo=\"a, no-store\", must-revalidate");
        assert_eq!((control.max_age, control.s_maxage), (Some(Duration::from_mins(1)), Some(Duration::from_secs(90))));
        assert!(control.public && control.must_revalidate && !control.no_store);
        assert_eq!(control.lifetime(), Some(Duration::from_secs(90)));
    }

    #[test]
    fn nonsense_is_never_fresh() {
        for value in ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=x", "max-age=0, max-age=60"] {
            assert_eq!(of(value.as_bytes()).lifetime(), Some(Duration::ZERO), "{value}");
        }
        assert_eq!(of(b"max-age=99999999999999999999999").lifetime(), Some(Duration::from_secs(SECONDS_MAX)));
    }

    proptest! {
        #[test]
        fn foreign_bytes_cannot_panic(value in proptest::collection::vec(0x20_u8..0x7f, 0..64)) {
            let control = of(&value);
            prop_assert!(control.lifetime().is_none_or(|span| span.as_secs() <= SECONDS_MAX));
        }

        #[test]
        fn a_bare_no_store_is_found_wherever_it_stands(before in "[a-z]{1,8}(=[0-9]{1,4})?", after in "[a-z]{1,8}") {
            let value = format!("{before}, no-store ,{after}");
            prop_assert!(of(value.as_bytes()).no_store);
        }
    }
}
