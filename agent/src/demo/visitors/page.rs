//! What a page tells a browser to load, and from whom: an agent may have put helpers' addresses in the place of the site's own.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use http::Uri;
use sha2::{Digest as _, Sha256};

use crate::demo::content::{Content, Resource};

/// How a ticket stands in an address, and how many letters follow.
const TICKET: &str = "overspill-ticket=";
const TICKET_LETTERS: usize = 64;

/// Reads a page that came: where its files are to be had, by their places, when that is not the site itself. Nothing if it is not the
/// right page: every byte but those of the addresses, of right digests beside them and of the script for failures is compared.
pub(super) fn read(body: &[u8], page: &Resource, content: &Content, is_helper: impl Fn(&Uri) -> bool) -> Option<BTreeMap<u32, Uri>> {
    let mut elsewhere = BTreeMap::new();
    let is_right = |body: &[u8]| Sha256::digest(body).as_slice() == page.digest;
    if is_right(body) {
        return Some(elsewhere);
    }
    let mut text = without_script(std::str::from_utf8(body).ok()?)?;
    for place in page.assets.iter().copied() {
        let asset = &content.resources[place as usize];
        while let Some(written) = address(&text, &asset.path) {
            let url = written.replace("&amp;", "&");
            let url = if url.starts_with("//") { format!("http:{url}") } else { url };
            let url = url.parse().ok().filter(&is_helper)?;
            elsewhere.insert(place, url);
            text = text.replace(&written, &asset.path);
        }
        // A wrong digest stays, and the page is wrong.
        text = text.replace(&format!(" integrity=\"sha256-{}\" crossorigin", BASE64.encode(&asset.digest)), "");
    }
    is_right(text.as_bytes()).then_some(elsewhere)
}

/// The page without the first script that stands in it and knows tickets.
fn without_script(text: &str) -> Option<String> {
    const END: &str = "</script>";
    let start = text.find("<script>")?;
    let end = start + text[start..].find(END)? + END.len();
    text[start..end].contains(TICKET).then(|| format!("{}{}", &text[..start], &text[end..]))
}

/// The first address in the page that is the file's, with a ticket, as it is written there.
fn address(text: &str, path: &str) -> Option<String> {
    let path = path.replace('&', "&amp;");
    let (at, ticket) = ["?", "&amp;"].iter().find_map(|separator| {
        let tail = format!("{path}{separator}{TICKET}");
        text.find(&tail).map(|at| (at, at + tail.len()))
    })?;
    let start = text[..at].rfind(['"', '\'', '(', '=', ' '])? + 1;
    let written = text.get(start..ticket + TICKET_LETTERS)?;
    written.contains("//").then(|| written.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::content::blog;

    fn content() -> Content {
        Content::new(&blog(1, 100 << 10), 1).unwrap()
    }

    /// A page as an agent would write it, with one file at a helper.
    fn rewritten(content: &Content, integrity: &[u8]) -> String {
        let page = content.at("/2026/post-01/").unwrap();
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        let tag = "<script src=\"/theme/theme.js\"";
        let ticket = "A".repeat(TICKET_LETTERS);
        let other = format!(
            "<script>/{TICKET}[\\w-]{{64}}/</script><script integrity=\"sha256-{}\" crossorigin src=\"//h.localhost:81/theme/theme.js?{TICKET}{ticket}\"",
            BASE64.encode(integrity),
        );
        assert!(text.contains(tag));
        text.replace(tag, &other)
    }

    fn look(content: &Content, body: &str) -> Option<BTreeMap<u32, Uri>> {
        read(body.as_bytes(), content.at("/2026/post-01/").unwrap(), content, |url| url.port_u16() == Some(81))
    }

    #[test]
    fn a_page_names_helpers_and_is_compared_all_the_same() {
        let content = content();
        let script = content.at("/theme/theme.js").unwrap();
        let good = rewritten(&content, &script.digest);
        let found = look(&content, &good).unwrap();
        let place = content.place("/theme/theme.js").unwrap();
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [place]);
        assert!(found[&place].to_string().starts_with("http://h.localhost:81/theme/theme.js?overspill-ticket="));
        let plain = String::from_utf8(content.at("/2026/post-01/").unwrap().body.to_vec()).unwrap();
        assert_eq!(look(&content, &plain), Some(BTreeMap::new()));

        assert_eq!(look(&content, &rewritten(&content, &[0; 32])), None, "another digest");
        assert_eq!(look(&content, &good.replace(":81", ":82")), None, "nobody's helper");
        assert_eq!(look(&content, &good.replacen("<p>", "<b>", 1)), None, "another byte");
        assert_eq!(look(&content, &good.replacen("<title>", "<script>1</script><title>", 1)), None, "another script");
    }
}
