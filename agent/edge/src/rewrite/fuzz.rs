//! Rewriting without an edge around it, for those who try to break it and who time it.

use bytes::Bytes;
use http::uri::{Authority, Scheme};

use super::{
    csp::Use,
    outline::Outline,
    packed,
    reference::Base,
    splice::{Placed, splice},
};

/// A page with every file of it at one helper.
#[derive(Debug, PartialEq, Eq)]
pub struct SplicedPage {
    /// Paths of the files.
    pub assets: Vec<String>,
    /// What of the page is left, in order; between two pieces stands an address that was replaced.
    pub kept: Vec<Vec<u8>>,
    /// What is sent; as the page was, if it names no file.
    pub sent: Vec<u8>,
    /// Whether the policies in the page and `policy` let images come from the helper.
    pub permitted: bool,
}

/// Looks through a page of `http://blog.example/post/` in chunks, and puts `http://helper.example` before every file. Nothing if it
/// cannot be read surely.
#[must_use]
pub fn splice_page(page: &[u8], policy: &str, chunk: usize) -> Option<SplicedPage> {
    let base = Base::new(&Scheme::HTTP, &Authority::from_static("blog.example"), "/post/");
    let mut outline = Outline::in_chunks(page, &base, chunk).ok()?;
    outline.policies.add(policy);
    let permitted = outline.policies.permit(Use::Image, "http://helper.example", "http://blog.example")
        && outline.policies.let_restore("http://blog.example");
    let placed = |path: &String| Some(Placed { url: format!("//helper.example{path}?ticket"), integrity: "sha256-0".to_owned() });
    let placed: Vec<_> = outline.assets.iter().map(placed).collect();
    let (mut kept, mut at) = (Vec::new(), 0);
    for place in &outline.places {
        kept.push(page.get(at..place.range.start)?.to_vec());
        at = place.range.end;
    }
    kept.push(page.get(at..)?.to_vec());
    let mut sent = Vec::new();
    match splice(&Bytes::copy_from_slice(page), &outline, &placed, "") {
        None => sent.extend_from_slice(page),
        Some(mut pieces) => {
            while let Some(piece) = pieces.next(usize::MAX) {
                sent.extend_from_slice(&piece);
            }
        }
    }
    Some(SplicedPage { assets: outline.assets, kept, sent, permitted })
}

/// A page that was looked through, with a ticket for every file of it: what is left to do for each visitor.
#[derive(Debug)]
pub struct KnownPage {
    stored: Bytes,
    is_packed: bool,
    outline: Outline,
    placed: Vec<Option<Placed>>,
}

impl KnownPage {
    /// Looks through a page of `http://blog.example/post/`, which is kept as it came: in gzip if `is_packed`. Nothing if it is left alone.
    #[must_use]
    pub fn new(stored: Bytes, is_packed: bool) -> Option<Self> {
        let text = if is_packed { packed::unpack(&stored).ok()? } else { stored.clone() };
        let outline = Outline::of(&text, &Base::new(&Scheme::HTTP, &Authority::from_static("blog.example"), "/post/")).ok()?;
        let (ticket, digest) = ("A".repeat(64), "B".repeat(44));
        let placed = |path: &String| {
            Some(Placed { url: format!("//blog-7x.helper.example{path}?overspill-ticket={ticket}"), integrity: format!("sha256-{digest}") })
        };
        let placed = outline.assets.iter().map(placed).collect();
        Some(Self { stored, is_packed, outline, placed })
    }

    /// How many files it names.
    #[must_use]
    pub fn files(&self) -> usize {
        self.placed.len()
    }

    /// Makes one visitor's page of it; how long that is. Nothing if it is left alone.
    #[must_use]
    pub fn rewrite(&self) -> Option<u64> {
        let text = if self.is_packed { packed::unpack(&self.stored).ok()? } else { self.stored.clone() };
        let pieces = splice(&text, &self.outline, &self.placed, super::restore::tag(false))?;
        Some(if self.is_packed { packed::pack(pieces)? } else { pieces }.length())
    }
}
