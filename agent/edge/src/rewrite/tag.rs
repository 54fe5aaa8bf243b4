//! What a start tag makes a browser fetch at once, and where in the tag that stands.

use std::ops::Range;

use super::{css, limits::CANDIDATES_MAX, srcset};

/// What is fetched, as far as that decides who may serve it and how it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A classic script.
    Script,
    /// A script in the module graph, where an address is an identity.
    Module,
    /// A style sheet.
    Style,
    /// An image.
    Image,
    /// A font.
    Font,
    /// Sound or film.
    Media,
    /// What a `url()` in CSS means: an image or a font.
    Named,
}

impl What {
    /// Whether browsers compare what they get with an `integrity` attribute (Subresource Integrity section 3.3).
    pub(crate) const fn is_checked(self) -> bool {
        matches!(self, Self::Script | Self::Module | Self::Style)
    }
}

/// How sure it is that the browser will fetch it under this very address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It will.
    Sure,
    /// It will, for somebody else in the page: an address that differs from that one's would be fetched for nothing.
    Ahead,
    /// It will if somebody in the page uses it: a rule of a `<style>`.
    Perhaps,
}

/// One address in a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetch {
    /// Where it stands in the page.
    pub(crate) range: Range<usize>,
    pub(crate) what: What,
    pub(crate) role: Role,
}

/// One attribute, with where its raw value stands in the page.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) range: Option<Range<usize>>,
}

/// A start tag.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    pub(crate) name: String,
    /// Where it begins.
    pub(crate) start: usize,
    pub(crate) attributes: Vec<Attribute>,
}

impl Tag {
    /// Where further attributes can be put in, so that they count before those of the same name that the tag has.
    pub(crate) fn after_name(&self) -> usize {
        self.start + 1 + self.name.len()
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.attribute(name).map(|attribute| attribute.value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    fn says(&self, name: &str, word: &str) -> bool {
        self.value(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(word))
    }

    /// What it has fetched, but for the candidates of an image: see [`Tag::candidates`].
    pub(crate) fn fetches(&self) -> Vec<Fetch> {
        // With credentials, a browser would want an answer that names this very site.
        if self.says("crossorigin", "use-credentials") {
            return Vec::new();
        }
        let mut fetches = match self.name.as_str() {
            "script" => self.whole("src", self.script(), Role::Sure),
            "link" => self.link().map_or_else(Vec::new, |(what, role)| self.whole("href", Some(what), role)),
            "input" => self.whole("src", self.says("type", "image").then_some(What::Image), Role::Sure),
            "video" => {
                let film = (!self.says("preload", "none")).then_some(What::Media);
                [self.whole("src", film, Role::Sure), self.whole("poster", Some(What::Image), Role::Sure)].concat()
            }
            "audio" => self.whole("src", (!self.says("preload", "none")).then_some(What::Media), Role::Sure),
            _ => Vec::new(),
        };
        fetches.extend(self.parts("style", css::addresses, What::Named));
        fetches
    }

    /// The files of which a browser takes one for an image; empty when they are too many, or fetched later than a ticket lives.
    pub(crate) fn candidates(&self) -> Vec<Fetch> {
        if self.says("crossorigin", "use-credentials") || self.says("loading", "lazy") {
            return Vec::new();
        }
        if !self.has("srcset") {
            return self.whole("src", Some(What::Image), Role::Sure);
        }
        let candidates = self.parts("srcset", srcset::addresses, What::Image);
        if candidates.len() > CANDIDATES_MAX { Vec::new() } else { candidates }
    }

    /// Nothing for data blocks, and for what only old browsers run.
    fn script(&self) -> Option<What> {
        const CLASSIC: [&str; 4] = ["", "text/javascript", "application/javascript", "application/x-javascript"];
        let kind = self.value("type").unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            _ if self.has("nomodule") => None,
            "module" => Some(What::Module),
            kind => CLASSIC.contains(&kind).then_some(What::Script),
        }
    }

    fn link(&self) -> Option<(What, Role)> {
        let rel = self.value("rel")?.to_ascii_lowercase();
        let is = |word: &str| rel.split_ascii_whitespace().any(|relation| relation == word);
        if is("stylesheet") {
            return (!is("alternate") && !self.has("disabled")).then_some((What::Style, Role::Sure));
        }
        if is("icon") {
            return Some((What::Image, Role::Sure));
        }
        if is("modulepreload") {
            return Some((What::Module, Role::Ahead));
        }
        if !is("preload") || self.has("imagesrcset") {
            return None;
        }
        let what = match self.value("as")?.trim().to_ascii_lowercase().as_str() {
            "script" => What::Script,
            "style" => What::Style,
            "image" => What::Image,
            "font" => What::Font,
            _ => return None,
        };
        Some((what, Role::Ahead))
    }

    fn whole(&self, name: &str, what: Option<What>, role: Role) -> Vec<Fetch> {
        let range = self.attribute(name).and_then(|attribute| attribute.range.clone());
        what.zip(range).map(|(what, range)| Fetch { range, what, role }).into_iter().collect()
    }

    fn parts(&self, name: &str, read: fn(&str) -> Vec<Range<usize>>, what: What) -> Vec<Fetch> {
        let Some((attribute, range)) = self.attribute(name).and_then(|attribute| Some((attribute, attribute.range.clone()?))) else {
            return Vec::new();
        };
        let place = |part: Range<usize>| Fetch { range: range.start + part.start..range.start + part.end, what, role: Role::Sure };
        read(&attribute.value).into_iter().map(place).collect()
    }
}
