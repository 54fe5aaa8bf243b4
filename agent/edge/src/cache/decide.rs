//! What a stored response may be used for, now (RFC 9111 section 4).

use std::time::Duration;

use overspill_governance::time::Time;

use super::{admit::Kept, status, stored::Stored};

/// The operator's part of the decision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) micro_cache: Duration,
    pub(crate) stale_max: Duration,
    pub(crate) stale_error_max: Duration,
}

/// What to do with a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Answer with it.
    Fresh,
    /// Answer with it, and refresh it in the background if the origin has a place to spare.
    Stale,
    /// Ask the origin. The copy may still help if the origin fails.
    Ask,
}

/// Decides. `pressure`: the origin has more to do than it can.
pub(crate) fn decide(stored: &Stored, pressure: bool, rules: Rules, now: Time) -> Use {
    if stored.kept == Kept::Contract {
        // By contract a copy is used only while the origin is under pressure.
        return match stored.held_for(now) {
            _ if !pressure || is_worthless_stale(stored) => Use::Ask,
            held if held <= rules.micro_cache => Use::Fresh,
            // What was missing may be there by now.
            held if held <= rules.stale_max && !status::is_gone(stored.status) => Use::Stale,
            _ => Use::Ask,
        };
    }
    if stored.is_fresh(now) {
        return Use::Fresh;
    }
    if is_worthless_stale(stored) {
        return Use::Ask;
    }
    //= RFC 5861 section 3
    let staleness = stored.staleness(now);
    let allowed = if pressure { stored.stale_while_revalidate().max(rules.stale_max) } else { stored.stale_while_revalidate() };
    if !allowed.is_zero() && staleness <= allowed { Use::Stale } else { Use::Ask }
}

/// Tells whether a copy will do for a link preview, which may be `age_max` older than what people are shown.
//= RFC 9111 section 4.2.4: by contract, as with pages that say nothing; never against the origin's word.
pub(crate) fn does_for_preview(stored: &Stored, age_max: Duration, now: Time) -> bool {
    let beyond = if stored.kept == Kept::Contract { stored.held_for(now) } else { stored.staleness(now) };
    !age_max.is_zero() && !stored.forbids_stale && !stored.purged && beyond <= age_max
}

/// Tells whether a copy may be shown because the origin is too slow or has no place.
pub(crate) fn helps_overload(stored: &Stored, rules: Rules, now: Time) -> bool {
    decide(stored, true, rules, now) != Use::Ask
}

/// Tells whether a copy may be shown because the origin fails.
//= RFC 9111 section 4.2.4 and RFC 5861 section 4
pub(crate) fn helps_failure(stored: &Stored, rules: Rules, now: Time) -> bool {
    if is_worthless_stale(stored) {
        return false;
    }
    match stored.kept {
        Kept::Contract if status::is_gone(stored.status) => stored.held_for(now) <= rules.micro_cache,
        Kept::Contract => stored.held_for(now) <= rules.stale_error_max,
        _ => stored.staleness(now) <= stored.stale_if_error().max(rules.stale_error_max),
    }
}

/// Tells whether a copy says nothing once it is stale: its origin forbids that, or it is the origin's own failure, which a visitor can be told
/// anew just as well.
fn is_worthless_stale(stored: &Stored) -> bool {
    stored.forbids_stale || stored.status.is_server_error()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::{StatusCode, header};

    const RULES: Rules =
        Rules { micro_cache: Duration::from_secs(5), stale_max: Duration::from_mins(10), stale_error_max: Duration::from_hours(24) };

    fn stored(control: Option<&'static str>) -> Stored {
        let fields: Vec<_> = control.map(|control| (header::CACHE_CONTROL, control)).into_iter().collect();
        Stored::sample(&fields, Bytes::new())
    }

    fn after(seconds: u64) -> Time {
        Time::ZERO.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_page_that_says_nothing_is_used_only_under_pressure() {
        let page = stored(None);
        assert_eq!(decide(&page, false, RULES, after(0)), Use::Ask);
        assert_eq!(decide(&page, true, RULES, after(5)), Use::Fresh);
        assert_eq!(decide(&page, true, RULES, after(6)), Use::Stale);
        assert_eq!(decide(&page, true, RULES, after(601)), Use::Ask);
        assert!(helps_failure(&page, RULES, after(86_400)) && !helps_failure(&page, RULES, after(86_401)));
    }

    #[test]
    fn stated_freshness_rules_in_calm_and_bends_under_pressure() {
        let asset = stored(Some("max-age=60, stale-while-revalidate=30"));
        assert_eq!(decide(&asset, false, RULES, after(59)), Use::Fresh);
        assert_eq!(decide(&asset, false, RULES, after(60)), Use::Stale);
        assert_eq!(decide(&asset, false, RULES, after(91)), Use::Ask);
        assert_eq!(decide(&asset, true, RULES, after(91)), Use::Stale);
    }

    #[test]
    fn an_origins_failure_is_never_shown_stale() {
        for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::NOT_IMPLEMENTED, StatusCode::SERVICE_UNAVAILABLE] {
            for control in [None, Some("max-age=60, stale-while-revalidate=600, stale-if-error=600")] {
                let failure = Stored { status, ..stored(control) };
                let fresh = if control.is_some() { Use::Fresh } else { Use::Ask };
                assert_eq!(decide(&failure, true, RULES, after(1)), fresh, "{status}");
                for pressure in [false, true] {
                    assert_eq!(decide(&failure, pressure, RULES, after(61)), Use::Ask, "{status}");
                }
                assert!(!helps_overload(&failure, RULES, after(61)) && !helps_failure(&failure, RULES, after(61)), "{status}");
            }
        }
    }

    #[test]
    fn what_is_gone_and_says_nothing_answers_a_crowd_for_a_moment() {
        let gone = Stored { status: StatusCode::NOT_FOUND, ..stored(None) };
        assert_eq!(decide(&gone, false, RULES, after(0)), Use::Ask);
        assert_eq!(decide(&gone, true, RULES, after(5)), Use::Fresh);
        assert_eq!(decide(&gone, true, RULES, after(6)), Use::Ask);
        assert!(helps_failure(&gone, RULES, after(5)) && !helps_failure(&gone, RULES, after(6)));
        let said = Stored { status: StatusCode::NOT_FOUND, ..stored(Some("max-age=60")) };
        assert_eq!(decide(&said, true, RULES, after(61)), Use::Stale, "the origin gave it a lifetime");
    }

    #[test]
    fn previews_are_shown_what_is_some_seconds_old_and_nothing_against_the_origins_word() {
        let most = Duration::from_secs(5);
        for fields in [None, Some("max-age=0, stale-if-error=1")] {
            let page = stored(fields);
            assert!(does_for_preview(&page, most, after(5)) && !does_for_preview(&page, most, after(6)), "{fields:?}");
            assert!(!does_for_preview(&page, Duration::ZERO, after(0)), "switched off");
            assert!(!does_for_preview(&page.outdated(after(1)), most, after(1)), "purged");
        }
        assert!(!does_for_preview(&stored(Some("max-age=1, must-revalidate")), most, after(2)));
        assert!(does_for_preview(&stored(Some("max-age=60")), most, after(65)));
    }

    #[test]
    fn must_revalidate_never_bends() {
        for control in ["max-age=60, must-revalidate", "s-maxage=60", "max-age=60, proxy-revalidate"] {
            let strict = stored(Some(control));
            assert_eq!(decide(&strict, true, RULES, after(61)), Use::Ask, "{control}");
            assert!(!helps_failure(&strict, RULES, after(61)) && !helps_overload(&strict, RULES, after(61)), "{control}");
        }
    }
}
