//! Overspill's own parameters in a URL: taken out before the cache key is built and before the origin sees the request.

use std::borrow::Cow;

use overspill_protocol::ticket::{BACK_PARAMETER, TICKET_PARAMETER};

use super::limits::CDN_LOOP_BYTES_MAX;
use crate::fields::Fields;

/// How agents' names in `CDN-Loop` begin (RFC 8586 section 2, pseudonyms): `overspill`, or `overspill-` and a token.
pub const CDN_ID: &str = "overspill";

/// What the mark of a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mark {
    /// Nothing, or nothing that counts.
    #[default]
    None,
    /// A helper sent the visitor back, as far as can be told: one end has forgotten the lease. The request stays here, like one that has
    /// passed another agent, and has no other advantage of it: anybody could have made the mark.
    Unchecked,
    /// A helper of ours sent the visitor back.
    Good,
}

impl Mark {
    /// Whether the request must not be spilled.
    #[must_use]
    pub fn stays(self) -> bool {
        self != Self::None
    }
}

/// A request target without Overspill's parameters, and what those said.
#[derive(Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Path and raw query, every other byte as received.
    pub path: Cow<'a, str>,
    /// The ticket's text, foreign and unchecked.
    pub ticket: Option<&'a str>,
    /// The mark's text, foreign and unchecked.
    pub back: Option<&'a str>,
}

/// Tells whether a target can have Overspill's own parameters: [`Target::of`] takes out only what is found here.
pub(crate) fn may_be_marked(path_and_query: &str) -> bool {
    path_and_query.split_once('?').is_some_and(|(_, query)| query.contains(TICKET_PARAMETER) || query.contains(BACK_PARAMETER))
}

impl<'a> Target<'a> {
    /// Splits `path_and_query`. Of a parameter that is given twice, the last counts.
    #[must_use]
    pub fn of(path_and_query: &'a str) -> Self {
        let mut target = Self { path: Cow::Borrowed(path_and_query), ticket: None, back: None };
        let Some((path, query)) = path_and_query.split_once('?').filter(|_| may_be_marked(path_and_query)) else { return target };
        let mut left = String::with_capacity(path_and_query.len());
        left.push_str(path);
        let mut separator = '?';
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some((TICKET_PARAMETER, text)) => target.ticket = Some(text),
                Some((BACK_PARAMETER, text)) => target.back = Some(text),
                _ => {
                    left.push(separator);
                    left.push_str(pair);
                    separator = '&';
                }
            }
        }
        // A parameter that only looked like ours leaves the target byte for byte as it was.
        if target.ticket.is_some() || target.back.is_some() {
            target.path = Cow::Owned(left);
        }
        target
    }

    /// Whether anything was taken out.
    #[must_use]
    pub fn was_marked(&self) -> bool {
        matches!(self.path, Cow::Owned(_))
    }
}

/// Writes `path` with one more query parameter.
pub(crate) fn with_parameter(base: &str, path: &str, name: &str, text: &str) -> String {
    let mut url = String::with_capacity(base.len() + path.len() + name.len() + text.len() + 2);
    open_parameter(&mut url, base, path, name);
    url.push_str(text);
    url
}

/// The same, up to the parameter's text.
pub(super) fn open_parameter(url: &mut String, base: &str, path: &str, name: &str) {
    let separator = if path.contains('?') { "&" } else { "?" };
    for part in [base, path, separator, name, "="] {
        url.push_str(part);
    }
}

/// Tells whether the request has passed an agent before (RFC 8586): it is served here, whatever the load.
#[must_use]
pub(crate) fn has_passed_an_agent(fields: &(impl Fields + ?Sized)) -> bool {
    let mut left = CDN_LOOP_BYTES_MAX;
    for value in fields.values("cdn-loop") {
        let Some(rest) = left.checked_sub(value.len()) else { return true };
        left = rest;
        if value.split(|byte| *byte == b',').any(names_an_agent) {
            return true;
        }
    }
    false
}

fn names_an_agent(member: &[u8]) -> bool {
    let id = member.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let (start, rest) = id.split_at(id.len().min(CDN_ID.len()));
    start.eq_ignore_ascii_case(CDN_ID.as_bytes()) && rest.first().is_none_or(|byte| *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn own_parameters_are_taken_out_and_others_stay_as_they_are() {
        let target = Target::of("/a.png?v=1&overspill-back=XY&&w=%20");
        assert_eq!((target.path.as_ref(), target.back, target.ticket), ("/a.png?v=1&&w=%20", Some("XY"), None));
        let target = Target::of("/a.png?overspill-ticket=T");
        assert_eq!((target.path.as_ref(), target.ticket), ("/a.png", Some("T")));
        let target = Target::of("/a.png?x-overspill-ticket=T&overspill-tickets=1");
        assert!(!target.was_marked());
        assert_eq!(target.path.as_ref(), "/a.png?x-overspill-ticket=T&overspill-tickets=1");
    }

    #[test]
    fn a_request_that_passed_an_agent_is_known() {
        let passed = |text: &str| {
            let mut headers = http::HeaderMap::new();
            headers.append("cdn-loop", http::HeaderValue::from_static("other.example"));
            headers.append("cdn-loop", text.parse().unwrap());
            has_passed_an_agent(&headers)
        };
        assert!(passed("foo.example;v=1, Overspill ;x=2"));
        assert!(passed("overspill-0123456789abcdef"));
        assert!(!passed("foo.example, overspill.example, overspil"));
        assert!(passed(&"a,".repeat(2_000)), "a list too long to look at is taken for a loop");
    }

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(path in "/[a-z./]{0,20}(\\?[a-z=&%]{0,20})?", text in "[A-Za-z0-9_-]{0,64}") {
            let url = with_parameter("", &path, TICKET_PARAMETER, &text);
            let target = Target::of(&url);
            prop_assert_eq!(target.path.as_ref(), path.as_str());
            prop_assert_eq!(target.ticket, Some(text.as_str()));
        }

        #[test]
        fn nothing_is_left_of_our_own(text in "(/|\\?|&|=|overspill-ticket|overspill-back|x){0,20}") {
            let target = Target::of(&text);
            let again = Target::of(target.path.as_ref());
            prop_assert!(!again.was_marked());
        }
    }
}
