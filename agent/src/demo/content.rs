//! What the demonstration's web sites serve: made up from a catalogue and a seed, so that the visitors know every right byte.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::Arc};

use anyhow::Context as _;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{draw::Draw, limits};

/// What a resource costs its site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A page that is rendered anew for each request, from a database.
    Page,
    /// A file.
    Asset,
}

/// One line of a catalogue: a resource before its body is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Cost.
    pub kind: Kind,
    /// Path and query.
    pub path: String,
    /// Length of the body.
    pub size: usize,
    /// Paths of what a visitor of this page loads with it.
    pub assets: Vec<String>,
}

/// One resource with its body.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Cost.
    pub kind: Kind,
    /// Path and query.
    pub path: String,
    /// Value of `Content-Type`.
    pub media_type: &'static str,
    /// The right bytes.
    pub body: Bytes,
    /// SHA-256 of the right bytes.
    pub digest: [u8; 32],
    /// Places of the page's assets in [`Content::resources`].
    pub assets: Arc<[u32]>,
}

/// Everything that one site serves.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// In the catalogue's order.
    pub resources: Vec<Resource>,
    by_path: BTreeMap<String, u32>,
}

/// Assets that every page of the built-in site shares: a theme's style, script, font and logo.
const SHARED: [(&str, usize); 4] =
    [("/theme/style.css", 12 << 10), ("/theme/theme.js", 16 << 10), ("/theme/text.woff2", 14 << 10), ("/theme/logo.svg", 3 << 10)];
/// Images of each page, by their share in what is left of the page's weight.
const IMAGES: [usize; 4] = [12, 18, 29, 41];
/// A page's HTML as stock themes send it, compressed.
const HTML_BYTES: usize = 6 << 10;

/// The built-in site: `pages` posts of `weight` bytes each, their share in the shared assets included.
#[must_use]
pub fn blog(pages: usize, weight: usize) -> Vec<Entry> {
    let shared: usize = SHARED.iter().map(|(_, size)| size).sum();
    let images = weight.saturating_sub(HTML_BYTES + shared).max(4 << 10);
    let mut entries: Vec<Entry> =
        SHARED.iter().map(|(path, size)| Entry { kind: Kind::Asset, path: (*path).to_owned(), size: *size, assets: Vec::new() }).collect();
    for page in 1..=pages {
        let mut assets: Vec<String> = SHARED.iter().map(|(path, _)| (*path).to_owned()).collect();
        for image in 0..IMAGES.len() {
            // All pages weigh the same, so that a crowd's wanted bytes do not hang on which page is the popular one.
            let size = images * IMAGES[(image + page) % IMAGES.len()] / 100;
            let path = format!("/uploads/post-{page:02}-{image}.{}", ["png", "jpg", "webp", "jpg"][image]);
            entries.push(Entry { kind: Kind::Asset, path: path.clone(), size, assets: Vec::new() });
            assets.push(path);
        }
        entries.push(Entry { kind: Kind::Page, path: format!("/2026/post-{page:02}/"), size: HTML_BYTES, assets });
    }
    entries
}

impl Content {
    /// Makes every body.
    ///
    /// # Errors
    /// When the bodies together would pass [`limits::CONTENT_MAX`], or a page names an asset that is not in the catalogue.
    pub fn new(entries: &[Entry], seed: u64) -> anyhow::Result<Self> {
        let whole: usize = entries.iter().map(|entry| entry.size).sum();
        anyhow::ensure!(whole <= limits::CONTENT_MAX, "the site would hold {whole} bytes, more than {}", limits::CONTENT_MAX);
        let by_path: BTreeMap<String, u32> = entries.iter().zip(0..).map(|(entry, at)| (entry.path.clone(), at)).collect();
        let mut resources = Vec::with_capacity(entries.len());
        for entry in entries {
            let place =
                |path: &String| by_path.get(path).copied().with_context(|| format!("{} names {path}, which is nowhere", entry.path));
            let assets = entry.assets.iter().map(place).collect::<anyhow::Result<Arc<[u32]>>>()?;
            let media_type = media_type(&entry.path, entry.kind);
            let body = Bytes::from(body(entry, media_type, seed));
            let digest = Sha256::digest(&body).into();
            resources.push(Resource { kind: entry.kind, path: entry.path.clone(), media_type, body, digest, assets });
        }
        Ok(Self { resources, by_path })
    }

    /// Finds the resource at `path`.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Resource> {
        self.by_path.get(path).map(|at| &self.resources[*at as usize])
    }

    /// Finds the place of the resource at `path`.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<u32> {
        self.by_path.get(path).copied()
    }

    /// Places of all pages, in the catalogue's order.
    pub fn pages(&self) -> impl Iterator<Item = u32> {
        (0_u32..).zip(&self.resources).filter(|(_, resource)| resource.kind == Kind::Page).map(|(at, _)| at)
    }

    /// Bytes that a visitor of the resource at `place` wants: its body and its assets'.
    #[must_use]
    pub fn weight(&self, place: u32) -> usize {
        let resource = &self.resources[place as usize];
        resource.body.len() + resource.assets.iter().map(|asset| self.resources[*asset as usize].body.len()).sum::<usize>()
    }
}

/// Writes a catalogue as text: one tab-separated line for each entry.
#[must_use]
pub fn write_catalogue(entries: &[Entry]) -> String {
    let mut text = String::new();
    for Entry { kind, path, size, assets } in entries {
        let kind = if *kind == Kind::Page { "page" } else { "asset" };
        let _ = write!(text, "{kind}\t{size}\t{path}");
        for asset in assets {
            let _ = write!(text, "\t{asset}");
        }
        text.push('\n');
    }
    text
}

/// Reads the catalogue at `file`.
///
/// # Errors
/// When the file cannot be read, or a line is not an entry: names the line.
pub fn read_catalogue(file: &Path) -> anyhow::Result<Vec<Entry>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the catalogue {}", file.display()))?;
    let entry = |(line, text): (usize, &str)| {
        entry_of(text).with_context(|| format!("{} line {}: not an entry of a catalogue", file.display(), line + 1))
    };
    text.lines().enumerate().map(entry).collect()
}

fn entry_of(line: &str) -> Option<Entry> {
    let mut fields = line.split('\t');
    let kind = match fields.next()? {
        "page" => Kind::Page,
        "asset" => Kind::Asset,
        _ => return None,
    };
    let size: usize = fields.next()?.parse().ok().filter(|size| *size <= limits::BODY_MAX)?;
    let path = fields.next().filter(|path| path.starts_with('/'))?.to_owned();
    Some(Entry { kind, path, size, assets: fields.map(str::to_owned).collect() })
}

/// The media type that a web server would say for `path`.
fn media_type(path: &str, kind: Kind) -> &'static str {
    if kind == Kind::Page {
        return "text/html; charset=utf-8";
    }
    match path.split('?').next().unwrap_or(path).rsplit('.').next().unwrap_or("") {
        "css" => "text/css",
        "js" | "mjs" => "text/javascript",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "mp4" => "video/mp4",
        "mp3" => "audio/mpeg",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

fn body(entry: &Entry, media_type: &str, seed: u64) -> Vec<u8> {
    let mut draw = Draw::new(seed, &entry.path);
    let mut body = Vec::with_capacity(entry.size + 64);
    if entry.kind == Kind::Page {
        body.extend_from_slice(head(entry).as_bytes());
    }
    if entry.kind == Kind::Page || media_type.starts_with("text/") {
        const WORDS: [&str; 8] = ["crowd ", "partner ", "spill ", "carry ", "quiet ", "ledger ", "river ", "site "];
        while body.len() < entry.size {
            body.extend_from_slice(WORDS[draw.below(WORDS.len())].as_bytes());
        }
        body.truncate(entry.size);
    } else {
        body.resize(entry.size, 0);
        draw.fill(&mut body);
    }
    body
}

fn head(entry: &Entry) -> String {
    let mut head = format!("<!doctype html><html><head><title>{}</title>", entry.path);
    for asset in &entry.assets {
        let _ = match asset.rsplit('.').next() {
            Some("css") => write!(head, "<link rel=stylesheet href=\"{asset}\">"),
            Some("js") => write!(head, "<script src=\"{asset}\" defer></script>"),
            // As themes do: the font is fetched ahead, and a rule in the page names it.
            Some("woff2") => write!(
                head,
                "<link rel=preload as=font crossorigin href=\"{asset}\"><style>@font-face{{font-family:text;src:url({asset})}}</style>"
            ),
            _ => write!(head, "<img src=\"{asset}\">"),
        };
    }
    head.push_str("<p>");
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_survives_its_file() {
        let entries = blog(7, 100 << 10);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), write_catalogue(&entries)).unwrap();
        assert_eq!(read_catalogue(file.path()).unwrap(), entries);
    }

    #[test]
    fn one_seed_makes_one_site_and_another_seed_another() {
        let digests = |seed| Content::new(&blog(5, 100 << 10), seed).unwrap().resources.iter().map(|one| one.digest).collect::<Vec<_>>();
        assert_eq!(digests(4), digests(4));
        assert!(digests(4).iter().zip(digests(5)).all(|(one, other)| *one != other));
    }

    #[test]
    fn pages_weigh_what_was_asked() {
        let content = Content::new(&blog(40, 100 << 10), 1).unwrap();
        assert!(content.pages().all(|page| content.weight(page).abs_diff(100 << 10) < 8));
        assert!(content.resources.iter().all(|one| one.media_type != "application/octet-stream"));
    }
}
