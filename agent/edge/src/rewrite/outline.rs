//! A page looked through once: which of the site's files it has browsers fetch, where it says so, and what its policies are.
//!
//! The page itself is never put together anew: what is not replaced stays byte for byte as the origin wrote it, however malformed.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    ops::Range,
    rc::Rc,
};

use lol_html::{
    AsciiCompatibleEncoding, ElementContentHandlers, HandlerResult, HtmlRewriter, LocalHandlerTypes, MemorySettings, Selector, Settings,
    html_content::{Element, EndTag, TextChunk},
};

use super::{
    csp::Policies,
    css,
    limits::{CANDIDATES_MAX, PAGE_BYTES_MAX, PARSER_BYTES_MAX, PLACES_MAX},
    reference::{Base, unescaped},
    tag::{Attribute, Fetch, Role, Tag, What},
};

/// Elements whose tags are looked at.
const TAGS: &str = "img, source, picture, video, audio, input, script, link, base, meta, noscript, template, svg, math, style, [style]";
/// Elements in which nothing is fetched, or by other rules.
const INERT: [&str; 4] = ["noscript", "template", "svg", "math"];
/// Forms of fonts that today's browsers pass over when a `woff2` stands beside them.
const OLD_FONTS: [&str; 4] = [".eot", ".ttf", ".otf", ".woff"];

/// What a page has browsers fetch from its own site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Path and query of each file, as the site's cache keys it.
    pub(crate) assets: Vec<String>,
    /// In the page's order; none overlaps another.
    pub(crate) places: Vec<Place>,
    /// Those of the head that it came with are added by the caller.
    pub(crate) policies: Policies,
}

/// One address in a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where its tag begins.
    pub(crate) tag: usize,
    /// Where it stands itself.
    pub(crate) range: Range<usize>,
    pub(crate) within: Within,
    /// Place of the file in [`Outline::assets`].
    pub(crate) asset: usize,
    pub(crate) what: What,
    /// What an integrity check needs, where browsers make one.
    pub(crate) checks: Option<Checks>,
    role: Role,
}

/// What an address stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// An attribute's quotes.
    Quotes,
    /// An attribute without quotes, all of it.
    Bare,
    /// A style sheet's text.
    Text,
}

/// Attributes that are put in with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checks {
    /// Where.
    pub(crate) at: usize,
    /// The page has none of its own.
    pub(crate) integrity: bool,
    /// The page has none of its own.
    pub(crate) crossorigin: bool,
}

/// Why a page is not looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Longer than [`PAGE_BYTES_MAX`].
    Long,
    /// Not UTF-8.
    Encoding,
    /// The parser would have to guess what browsers make of it, or to take more memory than it may.
    Markup,
    /// Its `<base>` is not on this site.
    Base,
}

impl Outline {
    /// Looks through a page that stands at `base`.
    pub(crate) fn of(page: &[u8], base: &Base) -> Result<Self, Unread> {
        Self::in_chunks(page, base, usize::MAX)
    }

    /// The same, with the parser fed in chunks: where they end makes no difference.
    pub(crate) fn in_chunks(page: &[u8], base: &Base, chunk: usize) -> Result<Self, Unread> {
        if page.len() > PAGE_BYTES_MAX {
            return Err(Unread::Long);
        }
        let text = std::str::from_utf8(page).map_err(|_| Unread::Encoding)?;
        let reader = RefCell::new(Reader { text, base: base.clone(), ..Reader::default() });
        let mut parser = HtmlRewriter::new(settings(&reader)?, |_: &[u8]| {});
        for part in page.chunks(chunk.clamp(1, page.len().max(1))) {
            parser.write(part).map_err(|_| Unread::Markup)?;
        }
        parser.end().map_err(|_| Unread::Markup)?;
        reader.into_inner().outline()
    }
}

fn settings<'r, 't: 'r>(reader: &'r RefCell<Reader<'t>>) -> Result<Settings<'r, 'static, LocalHandlerTypes>, Unread> {
    let selector = |text: &str| text.parse::<Selector>().map_err(|_| Unread::Markup);
    let tags = ElementContentHandlers::default().element(|element: &mut Element<'_, '_>| reader.borrow_mut().on_element(element));
    let sheets = ElementContentHandlers::default().text(|chunk: &mut TextChunk<'_>| {
        reader.borrow_mut().on_style(chunk);
        Ok(())
    });
    let memory = MemorySettings::new().with_preallocated_parsing_buffer_size(0).with_max_allowed_memory_usage(PARSER_BYTES_MAX);
    Ok(Settings::new()
        .append_element_content_handler((std::borrow::Cow::Owned(selector(TAGS)?), tags))
        .append_element_content_handler((std::borrow::Cow::Owned(selector("style")?), sheets))
        .with_memory_settings(memory)
        .with_encoding(AsciiCompatibleEncoding::utf_8())
        .with_adjust_charset_on_meta_tag(false)
        .with_strict(true))
}

#[derive(Default)]
struct Reader<'t> {
    text: &'t str,
    base: Base,
    has_base: bool,
    is_elsewhere: bool,
    policies: Policies,
    assets: BTreeMap<String, usize>,
    places: Vec<Place>,
    /// How many elements are open in which nothing counts.
    inert: Rc<Cell<u32>>,
    /// Open elements of sound and film: their `<source>` is no image's.
    media: Rc<Cell<u32>>,
    /// The sources of the `<picture>` whose `<img>` has not come yet.
    sources: Vec<Place>,
    /// Where the last `<style>` began, and how far its text goes so far.
    style: Option<(usize, Range<usize>)>,
}

impl Reader<'_> {
    fn on_element(&mut self, element: &mut Element<'_, '_>) -> HandlerResult {
        self.end_style();
        let tag = tag(element);
        match tag.name.as_str() {
            "meta" => self.on_meta(&tag),
            "base" => self.on_base(&tag),
            name if INERT.contains(&name) => enter(element, &self.inert),
            "video" | "audio" => enter(element, &self.media),
            _ => {}
        }
        if self.inert.get() > 0 {
            return Ok(());
        }
        match tag.name.as_str() {
            "picture" => self.sources.clear(),
            "source" if self.media.get() == 0 => {
                let candidates = self.places_of(&tag, tag.candidates(), true);
                self.sources.extend(candidates);
            }
            "img" => {
                let mut candidates = std::mem::take(&mut self.sources);
                let own = tag.candidates();
                let is_whole = !own.is_empty();
                candidates.extend(self.places_of(&tag, own, true));
                let mut files: Vec<usize> = candidates.iter().map(|place| place.asset).collect();
                files.sort_unstable();
                files.dedup();
                if is_whole && files.len() <= CANDIDATES_MAX {
                    self.places.extend(candidates);
                }
            }
            "style" => self.style = Some((tag.start, 0..0)),
            _ => {}
        }
        let places = self.places_of(&tag, tag.fetches(), true);
        self.places.extend(places);
        Ok(())
    }

    /// Policies count even where nothing else does: too many is better than too few.
    fn on_meta(&mut self, tag: &Tag) {
        if tag.value("http-equiv").is_some_and(|name| name.trim().eq_ignore_ascii_case("content-security-policy")) {
            match tag.value("content").map(|text| text.replace("&#39;", "'").replace("&amp;", "&")) {
                Some(text) if !text.contains('&') => self.policies.add(&text),
                _ => self.policies.add_unreadable(),
            }
        }
    }

    /// The first counts (HTML standard, "frozen base URL"), for what stands before it as well.
    fn on_base(&mut self, tag: &Tag) {
        let Some(href) = tag.value("href").filter(|_| !self.has_base) else { return };
        self.has_base = true;
        match unescaped(href).and_then(|href| self.base.moved(&href)) {
            // What stands before it was read by the page's own address.
            Some(base) if self.places.is_empty() && self.sources.is_empty() => self.base = base,
            _ => self.is_elsewhere = true,
        }
    }

    fn on_style(&mut self, chunk: &TextChunk<'_>) {
        let range = chunk.source_location().bytes();
        if let Some((_, text)) = &mut self.style
            && !range.is_empty()
        {
            *text = if text.end == 0 { range } else { text.start..range.end };
        }
    }

    /// Reads the text of the `<style>` that has ended.
    fn end_style(&mut self) {
        let Some((start, range)) = self.style.take() else { return };
        let Some(text) = self.text.get(range.clone()) else { return };
        let tag = Tag { name: "style".to_owned(), start, attributes: Vec::new() };
        let fetch =
            |part: Range<usize>| Fetch { range: range.start + part.start..range.start + part.end, what: What::Named, role: Role::Perhaps };
        let fetches = css::addresses(text).into_iter().map(fetch).collect();
        let places = self.places_of(&tag, fetches, false);
        self.places.extend(places);
    }

    /// Those of the fetches that are plain files of this site.
    fn places_of(&mut self, tag: &Tag, fetches: Vec<Fetch>, in_attribute: bool) -> Vec<Place> {
        let checks = |what: What| {
            what.is_checked().then(|| Checks {
                at: tag.after_name(),
                integrity: !tag.has("integrity"),
                crossorigin: !tag.has("crossorigin"),
            })
        };
        let mut places = Vec::with_capacity(fetches.len());
        // Some are dropped again, for what the rest of the page says of them: twice as many as are remembered is enough.
        if self.places.len() >= 2 * PLACES_MAX {
            return places;
        }
        for Fetch { range, what, role } in fetches {
            let Some(raw) = self.text.get(range.clone()) else { continue };
            // In an attribute, references are read before anything else; in a style sheet there are none.
            let address = if in_attribute { unescaped(raw) } else { Some(raw.into()) };
            let Some(path) = address.and_then(|address| self.base.resolve(&address)) else { continue };
            if what == What::Named && OLD_FONTS.iter().any(|ending| path.split('?').next().unwrap_or_default().ends_with(ending)) {
                continue;
            }
            let Some(within) = self.within(tag, &range, in_attribute) else { continue };
            let next = self.assets.len();
            let asset = *self.assets.entry(path).or_insert(next);
            places.push(Place { tag: tag.start, range, within, asset, what, checks: checks(what), role });
        }
        places
    }

    fn within(&self, tag: &Tag, range: &Range<usize>, in_attribute: bool) -> Option<Within> {
        if !in_attribute {
            return Some(Within::Text);
        }
        let whole = tag
            .attributes
            .iter()
            .filter_map(|attribute| attribute.range.clone())
            .find(|whole| whole.start <= range.start && range.end <= whole.end)?;
        let quoted = matches!(self.text.as_bytes().get(whole.start.checked_sub(1)?)?, b'"' | b'\'');
        if quoted { Some(Within::Quotes) } else { (whole == *range).then_some(Within::Bare) }
    }

    fn outline(mut self) -> Result<Outline, Unread> {
        self.end_style();
        if self.is_elsewhere {
            return Err(Unread::Base);
        }
        let mut used: Vec<(bool, bool, bool)> = vec![(false, false, false); self.assets.len()];
        for place in &self.places {
            let used = &mut used[place.asset];
            match place.role {
                Role::Sure => used.0 = true,
                Role::Ahead => used.1 = true,
                Role::Perhaps => used.2 = true,
            }
        }
        self.places.retain(|place| {
            let (sure, ahead, perhaps) = used[place.asset];
            match place.role {
                Role::Sure => true,
                Role::Ahead => sure || perhaps,
                Role::Perhaps => sure || ahead,
            }
        });
        self.places.sort_by_key(|place| place.range.start);
        self.places.dedup_by(|later, earlier| later.range.start < earlier.range.end);
        self.places.truncate(PLACES_MAX);
        let mut paths: Vec<String> = vec![String::new(); self.assets.len()];
        for (path, at) in self.assets {
            paths[at] = path;
        }
        // Only files that a place names are kept, in the places' order.
        let (mut assets, mut moved) = (Vec::new(), BTreeMap::new());
        for place in &mut self.places {
            place.asset = *moved.entry(place.asset).or_insert_with(|| {
                assets.push(std::mem::take(&mut paths[place.asset]));
                assets.len() - 1
            });
        }
        Ok(Outline { assets, places: self.places, policies: self.policies })
    }
}

/// Counts an element as open until its end tag; one that is closed without a tag stays open, and what follows is left alone.
fn enter(element: &mut Element<'_, '_>, open: &Rc<Cell<u32>>) {
    let counter = Rc::clone(open);
    let leave = move |_: &mut EndTag<'_>| {
        counter.set(counter.get().saturating_sub(1));
        Ok(())
    };
    if element.on_end_tag(Box::new(leave)).is_ok() {
        open.set(open.get() + 1);
    }
}

fn tag(element: &Element<'_, '_>) -> Tag {
    let attribute = |attribute: &lol_html::html_content::Attribute<'_>| Attribute {
        name: attribute.name(),
        value: attribute.value(),
        range: attribute.value_source_location().map(|at| at.bytes()),
    };
    Tag {
        name: element.tag_name(),
        start: element.source_location().bytes().start,
        attributes: element.attributes().iter().map(attribute).collect(),
    }
}
