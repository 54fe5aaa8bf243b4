//! Which fields speak to this cache: one that is addressed to it, else Cache-Control and Expires (RFC 9213).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    control::Control,
    structured::{Item, dictionary, joined},
};

/// This cache's target list, the most specific first.
//= RFC 9213 section 2.2
const TARGETS: [HeaderName; 2] = [HeaderName::from_static("overspill-cache-control"), HeaderName::from_static("cdn-cache-control")];

/// The directives that govern a response here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Governing {
    pub(crate) control: Control,
    /// They were addressed to caches like this one: then Cache-Control and Expires say nothing to it.
    pub(crate) targeted: bool,
}

impl Governing {
    /// Reads a response's fields.
    //= RFC 9213 section 2.2: the first field of the list that is there, valid and not empty.
    pub(crate) fn of(response: &HeaderMap) -> Self {
        let targeted = TARGETS.iter().find_map(|name| read(response, name));
        match targeted {
            Some(control) => Self { control, targeted: true },
            None => Self { control: Control::of(response), targeted: false },
        }
    }
}

/// Reads a targeted field; `None` when it is malformed or empty.
fn read(response: &HeaderMap, name: &HeaderName) -> Option<Control> {
    let field = joined(response.get_all(name).iter().map(HeaderValue::as_bytes))?;
    let (mut control, mut empty) = (Control::default(), true);
    dictionary(&field, |key, item| {
        empty = false;
        match item {
            // `no-store=?0` is as if it were not there.
            Item::Boolean(false) => {}
            Item::Boolean(true) | Item::String(_) | Item::Other => control.say(key),
            Item::Integer(number) => control.say_seconds(key, number),
        }
    })?;
    (!empty).then_some(control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn of(pairs: &[(&'static str, &'static str)]) -> Governing {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Governing::of(&headers)
    }

    #[test]
    fn what_is_addressed_to_us_outweighs_the_rest() {
        let own = of(&[("cache-control", "no-store"), ("cdn-cache-control", "max-age=5"), ("overspill-cache-control", "max-age=60")]);
        assert_eq!((own.targeted, own.control.lifetime(), own.control.no_store), (true, Some(Duration::from_mins(1)), false));
        let cdn = of(&[("cache-control", "max-age=60"), ("cdn-cache-control", "no-store")]);
        assert!(cdn.targeted && cdn.control.no_store && cdn.control.lifetime().is_none());
        let lines = of(&[("cdn-cache-control", "max-age=5"), ("cdn-cache-control", "must-revalidate, max-age=7")]);
        assert!(lines.control.must_revalidate);
        assert_eq!(lines.control.lifetime(), Some(Duration::from_secs(7)), "of a dictionary's members the last counts");
    }

    #[test]
    fn what_is_malformed_or_empty_is_as_if_it_were_not_there() {
        for value in ["", "max-age = 60", "max-age=60,", "MAX-AGE=60", "\"max-age\""] {
            let fields = [("cache-control", "max-age=9"), ("cdn-cache-control", value)];
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            let governing = Governing::of(&headers);
            assert_eq!((governing.targeted, governing.control.lifetime()), (false, Some(Duration::from_secs(9))), "{value:?}");
        }
        let text = of(&[("cdn-cache-control", "max-age=\"60\", s-maxage=1.5, max-age=-1, no-store=?0")]);
        assert!(text.targeted && !text.control.no_store);
        assert_eq!(text.control.lifetime(), Some(Duration::ZERO), "a lifetime that is no number is none");
    }
}
