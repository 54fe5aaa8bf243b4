//! A page with some of its addresses replaced: pieces of the stored page, which are not copied, and what stands between them.

use std::collections::VecDeque;

use bytes::Bytes;

use super::outline::{Outline, Place, Within};

/// Where a file of the page is to be had instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The helper's address, with a ticket.
    pub(crate) url: String,
    /// Value of an `integrity` attribute.
    pub(crate) integrity: String,
}

/// A page's body in pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pieces {
    pieces: VecDeque<Bytes>,
    length: u64,
}

impl Pieces {
    /// One piece.
    pub(crate) fn of(piece: Bytes) -> Self {
        let mut pieces = Self::default();
        pieces.push(piece);
        pieces
    }

    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len() as u64;
            self.pieces.push_back(piece);
        }
    }

    /// Bytes that are left.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The next bytes, at most `max`.
    pub(crate) fn next(&mut self, max: usize) -> Option<Bytes> {
        let first = self.pieces.front_mut()?;
        let next = first.split_to(first.len().min(max));
        if first.is_empty() {
            self.pieces.pop_front();
        }
        self.length -= next.len() as u64;
        Some(next)
    }
}

/// Puts `placed` (in the order of the outline's assets) into the page, and `script` before the first tag that is changed. Nothing if
/// nothing was placed.
pub(crate) fn splice(page: &Bytes, outline: &Outline, placed: &[Option<Placed>], script: &'static str) -> Option<Pieces> {
    let (mut pieces, mut at) = (Pieces::default(), 0);
    for (place, placed) in outline.places.iter().filter_map(|place| Some((place, placed.get(place.asset)?.as_ref()?))) {
        let attributes = place.checks.map(|checks| (checks.at..checks.at, attributes(place, placed)));
        for (range, text) in attributes.into_iter().chain([(place.range.clone(), address(place, placed))]) {
            if at == 0 {
                pieces.push(page.slice(..place.tag));
                pieces.push(Bytes::from_static(script.as_bytes()));
                at = place.tag;
            }
            pieces.push(page.slice(at..range.start));
            pieces.push(Bytes::from(text));
            at = range.end;
        }
    }
    if pieces.length == 0 {
        return None;
    }
    pieces.push(page.slice(at..));
    Some(pieces)
}

/// Attributes of the same name that the tag has come later, and do not count.
fn attributes(place: &Place, placed: &Placed) -> String {
    let Some(checks) = place.checks else { return String::new() };
    let integrity = if checks.integrity { format!(" integrity=\"{}\"", placed.integrity) } else { String::new() };
    let crossorigin = if checks.crossorigin { " crossorigin" } else { "" };
    format!("{integrity}{crossorigin}")
}

fn address(place: &Place, placed: &Placed) -> String {
    match place.within {
        Within::Text => placed.url.clone(),
        Within::Quotes => placed.url.replace('&', "&amp;"),
        Within::Bare => format!("\"{}\"", placed.url.replace('&', "&amp;")),
    }
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
