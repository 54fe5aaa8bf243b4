//! The owner's own waiting page: a text with two places, read once and checked before it is needed.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::limits::TEMPLATE_BYTES_MAX;

/// Where the seconds until the next try are written.
const SECONDS: &str = "{{seconds}}";
/// Where it is written what is the matter.
const REASON: &str = "{{reason}}";

/// A page with places for what changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Seconds,
    Reason,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// Longer than the bound.
    #[error("is longer than {} KiB", TEMPLATE_BYTES_MAX / 1024)]
    TooLong,
    /// Not UTF-8.
    #[error("is not UTF-8")]
    NotText,
    /// Not one of the two places.
    #[error("has the unknown place {0:?}; there are {{{{seconds}}}} and {{{{reason}}}}")]
    Place(String),
}

impl Template {
    /// Bytes at most.
    pub const BYTES_MAX: usize = TEMPLATE_BYTES_MAX;

    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, TemplateError> {
        if bytes.len() > TEMPLATE_BYTES_MAX {
            return Err(TemplateError::TooLong);
        }
        let mut rest = std::str::from_utf8(bytes).map_err(|_| TemplateError::NotText)?;
        if rest.trim().is_empty() {
            return Err(TemplateError::Empty);
        }
        let mut pieces = Vec::new();
        while let Some(at) = rest.find("{{") {
            let (text, place) = rest.split_at(at);
            pieces.push(Piece::Text(text.to_owned()));
            let (piece, after) = match (place.strip_prefix(SECONDS), place.strip_prefix(REASON)) {
                (Some(after), _) => (Piece::Seconds, after),
                (_, Some(after)) => (Piece::Reason, after),
                _ => return Err(TemplateError::Place(place.chars().take(24).collect())),
            };
            pieces.push(piece);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The page. `reason` is the edge's own words and needs no escaping.
    pub(crate) fn fill(&self, seconds: u64, reason: &str) -> Bytes {
        let mut page = BytesMut::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => page.extend_from_slice(text.as_bytes()),
                Piece::Seconds => page.extend_from_slice(seconds.to_string().as_bytes()),
                Piece::Reason => page.extend_from_slice(reason.as_bytes()),
            }
        }
        page.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_filled_wherever_they_stand() {
        let template = Template::read("{{reason}} Again in {{seconds}} s: {{seconds}}{ {}}.".as_bytes()).unwrap();
        assert_eq!(template.fill(7, "Busy."), "Busy. Again in 7 s: 7{ {}}.");
    }

    #[test]
    fn what_cannot_be_a_page_is_refused() {
        assert_eq!(Template::read(b" \n"), Err(TemplateError::Empty));
        assert_eq!(Template::read(&[0xff]), Err(TemplateError::NotText));
        assert_eq!(Template::read(&vec![b'x'; TEMPLATE_BYTES_MAX + 1]), Err(TemplateError::TooLong));
        assert!(Template::read(&vec![b'x'; TEMPLATE_BYTES_MAX]).is_ok());
        let error = Template::read(b"<p>{{ secs }}").unwrap_err();
        assert_eq!(error.to_string(), "has the unknown place \"{{ secs }}\"; there are {{seconds}} and {{reason}}");
    }

    proptest! {
        #[test]
        fn any_text_without_places_comes_out_as_it_went_in(text in "[^{]{1,200}[{]?[^{]{0,9}") {
            if let Ok(template) = Template::read(text.as_bytes()) {
                prop_assert_eq!(template.fill(1, ""), text.as_bytes());
            }
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(prop::sample::select(&b"{}secondsreason \xc3"[..]), 0..60)) {
            let _read = Template::read(&bytes);
        }
    }
}
